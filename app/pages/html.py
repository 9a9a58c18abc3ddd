"""Renders pages that load nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from flask import Response, render_template

POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


def page(template: str, status: int = 200, **values: Any) -> Response:
    """*template* rendered with *values*."""
    return response(render(template, **values), status)


def render(template: str, **values: Any) -> bytes:
    """The text of *template*, filled with *values*."""
    return render_template(template, **values).encode(errors="replace")  # a name may hold half a surrogate pair


def response(text: bytes, status: int = 200) -> Response:
    """A page of *text*."""
    response = Response(text, status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = POLICY
    # Not no-referrer: with it a browser hides from us, too, that a form was sent from our own page.
    # https://fetch.spec.whatwg.org/#append-a-request-origin-header
    response.headers["Referrer-Policy"] = "same-origin"
    return response
