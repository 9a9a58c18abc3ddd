"""The description of the API as an OpenAPI document, made of the schemas that it uses."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from flask import Blueprint, Flask, Response
from flask_smorest import Api

from app.api.blueprints import CONVERTERS, USER_NAME, UserConverter, described
from app.api.schemas import ProblemSchema
from app.auth.access import guard
from app.store.apart import apart

describe = Blueprint("describe", __name__)
describe.before_request(guard())


@describe.get("/openapi.json")
def openapi() -> Response:
    """The OpenAPI document."""
    return Response(apart(_document)[1], content_type="application/json")


def description() -> dict[str, Any]:
    """The OpenAPI document as JSON."""
    return apart(_document)[0]


@cache
def _document() -> tuple[dict[str, Any], bytes]:
    """The document, and its text: made when it is first read, of an app that serves nothing.

    It takes a tenth of a second, which no start of a worker and no caller should have to wait for.
    """
    app = Flask(__name__)
    app.url_map.converters.update(CONVERTERS)
    app.config.update(API_TITLE="Switchhook", API_VERSION="v1", OPENAPI_VERSION="3.1.0")
    api = Api()
    api.ERROR_SCHEMA, api.DEFAULT_RESPONSE_CONTENT_TYPE = ProblemSchema, "application/problem+json"
    api.init_app(app)  # describes errors
    api.register_converter(UserConverter, lambda _: USER_NAME)
    api.DEFAULT_RESPONSE_CONTENT_TYPE = "application/json"
    api.spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    api.spec.options["security"] = [{"token": []}]
    for blueprint in described():
        api.register_blueprint(blueprint)
    del api.spec.components.schemas["PaginationMetadata"]  # flask-smorest's, unused here
    spec: dict[str, Any] = api.spec.to_dict()
    return spec, f"{json.dumps(spec)}\n".encode()
