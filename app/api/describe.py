"""The description of the API: for programs as OpenAPI, for people as a page made of the same."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app

from app.auth import access
from app.pages.html import page

describe = Blueprint("describe", __name__)


@describe.before_request
def guard() -> None:
    """Reading takes a viewer."""
    access.require("viewer")


@describe.get("/openapi.json")
def openapi() -> dict[str, Any]:
    """The OpenAPI document."""
    spec: dict[str, Any] = current_app.extensions["switchhook-api"].spec.to_dict()
    parts = spec["components"]
    errors = {  # all of them errors, and application/json to flask-smorest
        name: told | {"content": {"application/problem+json": told["content"]["application/json"]}}
        for name, told in parts["responses"].items()
    }
    schemas = {name: told for name, told in parts["schemas"].items() if name != "PaginationMetadata"}  # not ours
    return spec | {"components": parts | {"responses": errors, "schemas": schemas}}


@describe.get("/docs")
def docs() -> Response:
    """A page for people: every route, its arguments and its answer, nothing fetched from elsewhere."""
    return page("docs.html", spec=openapi())
