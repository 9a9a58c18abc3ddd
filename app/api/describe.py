"""The description of the API as an OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, current_app

from app.auth.access import guard

describe = Blueprint("describe", __name__)
describe.before_request(guard())


@describe.get("/openapi.json")
def openapi() -> Response:
    """The OpenAPI document."""
    return Response(made_once("openapi.json", _as_text), content_type="application/json")


def _as_text() -> bytes:
    return f"{current_app.json.dumps(description())}\n".encode()


def description() -> dict[str, Any]:
    """The OpenAPI document as JSON."""
    spec: dict[str, Any] = current_app.extensions["switchhook-api"].spec.to_dict()
    return spec


def made_once(name: str, make: Callable[[], bytes]) -> bytes:
    """What *make* returns, from the first time on: it never changes, and making it would hold up a caller's answer."""
    made: dict[str, bytes] = current_app.extensions.setdefault("switchhook-descriptions", {})
    if name not in made:
        made[name] = make()
    return made[name]
