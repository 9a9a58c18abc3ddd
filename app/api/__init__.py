"""The HTTP API for programs: conversations, legs, flows, status, health, and its OpenAPI description."""

from __future__ import annotations

from urllib.parse import quote

from flask import Flask
from flask_smorest import Api
from werkzeug.routing import PathConverter

from app.api.schemas import ProblemSchema

VERSION = "v1"


class IdConverter(PathConverter):
    """An id in a URL. Ids are opaque: any slashes and line breaks belong to the id."""

    part_isolating = False
    regex = r"[\s\S]+?"

    def to_url(self, value: str) -> str:
        return quote(value, safe="", errors="surrogatepass")


def install(app: Flask) -> None:
    """Add the API to *app*; its description is made of the schemas it uses."""
    from app.api.audit import audit
    from app.api.calls import calls, exports
    from app.api.conversations import conversations
    from app.api.delivery import delivery
    from app.api.describe import describe
    from app.api.figures import figures
    from app.api.flows import flows
    from app.api.health import health
    from app.api.legs import legs
    from app.api.metrics import metrics
    from app.api.names import names
    from app.api.recordings import recordings
    from app.api.status import status
    from app.api.stream import stream
    from app.api.unfiled import unfiled

    app.url_map.converters["id"] = IdConverter
    app.config.update(
        API_TITLE="Switchhook",
        API_VERSION=VERSION,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX=None,  # describe.py serves it: with a guard, and without a page that loads scripts
    )
    api = Api()
    api.ERROR_SCHEMA, api.DEFAULT_RESPONSE_CONTENT_TYPE = ProblemSchema, "application/problem+json"
    api.init_app(app)  # describes errors
    api.DEFAULT_RESPONSE_CONTENT_TYPE = "application/json"
    api.spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    api.spec.options["security"] = [{"token": []}]
    for blueprint in (
        *(calls, exports, conversations, legs, stream, names, recordings, unfiled, audit, flows),
        *(figures, delivery, status, health),
    ):
        api.register_blueprint(blueprint)
    del api.spec.components.schemas["PaginationMetadata"]  # flask-smorest's, unused here
    app.register_blueprint(describe)
    app.register_blueprint(metrics)
    app.extensions["switchhook-api"] = api
