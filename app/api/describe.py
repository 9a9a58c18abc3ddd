"""The description of the API: for programs as OpenAPI, for people as a page made of the same."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, render_template

from app import access

describe = Blueprint("describe", __name__)


@describe.before_request
def guard() -> None:
    """Reading takes a viewer."""
    access.require("viewer")


@describe.get("/openapi.json")
def openapi() -> dict[str, Any]:
    """The OpenAPI document."""
    spec: dict[str, Any] = current_app.extensions["switchhook-api"].spec.to_dict()
    return spec


@describe.get("/docs")
def docs() -> Response:
    """A page for people: every route, its arguments and its answer, nothing fetched from elsewhere."""
    return Response(render_template("docs.html", spec=openapi()), content_type="text/html; charset=utf-8")
