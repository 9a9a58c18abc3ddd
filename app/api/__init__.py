"""Programs ask, we answer: conversations, legs, status, health, and the description of it all."""

from __future__ import annotations

from urllib.parse import quote

from flask import Flask
from flask_smorest import Api
from werkzeug.routing import PathConverter

from app.api.schemas import ProblemSchema

VERSION = "v1"


class ProblemApi(Api):
    """Errors are problem+json, made by `app.errors`; this says so in the description."""

    ERROR_SCHEMA = ProblemSchema


class IdConverter(PathConverter):
    """An id in an address. Ids are opaque: slashes, also first, last or two together, and line breaks belong to it."""

    part_isolating = False
    regex = r"[\s\S]+?"

    def to_url(self, value: str) -> str:
        return quote(value, safe="", errors="surrogatepass")


def install(app: Flask) -> None:
    """Add the API to *app*, described by the very schemas it works with."""
    from app.api.conversations import conversations
    from app.api.describe import describe
    from app.api.flows import flows
    from app.api.health import health
    from app.api.legs import legs
    from app.api.status import status

    app.url_map.converters["id"] = IdConverter
    app.config.update(
        API_TITLE="Switchhook",
        API_VERSION=VERSION,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX=None,  # served by describe.py: behind the token, and without a page from elsewhere
    )
    api = ProblemApi(app)
    api.spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    api.spec.options["security"] = [{"token": []}]
    for blueprint in (conversations, legs, flows, status, health):
        api.register_blueprint(blueprint)
    app.register_blueprint(describe)
    app.extensions["switchhook-api"] = api
