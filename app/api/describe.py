"""The description of the API as an OpenAPI document."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app

from app.auth.access import guard

describe = Blueprint("describe", __name__)
describe.before_request(guard())


@describe.get("/openapi.json")
def openapi() -> Response:
    """The OpenAPI document."""
    return Response(_made_once()[1], content_type="application/json")


def description() -> dict[str, Any]:
    """The OpenAPI document as JSON."""
    return _made_once()[0]


def _made_once() -> tuple[dict[str, Any], bytes]:
    """The document, and its text: it never changes, and making it would hold up a caller's answer."""
    if "switchhook-description" not in current_app.extensions:
        spec: dict[str, Any] = current_app.extensions["switchhook-api"].spec.to_dict()
        current_app.extensions["switchhook-description"] = spec, f"{current_app.json.dumps(spec)}\n".encode()
    made: tuple[dict[str, Any], bytes] = current_app.extensions["switchhook-description"]
    return made
