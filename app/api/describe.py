"""The description of the API as an OpenAPI document."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app

from app.auth.access import guard

describe = Blueprint("describe", __name__)
describe.before_request(guard())


@describe.get("/openapi.json")
def openapi() -> dict[str, Any]:
    """The OpenAPI document."""
    spec: dict[str, Any] = current_app.extensions["switchhook-api"].spec.to_dict()
    return spec
