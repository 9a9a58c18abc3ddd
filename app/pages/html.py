"""Renders pages that load nothing from elsewhere and that no cache keeps."""

from __future__ import annotations

from typing import Any

from flask import Response, render_template

POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"


def page(template: str, status: int = 200, **values: Any) -> Response:
    """*template* rendered with *values*."""
    text = render_template(template, **values).encode(errors="replace")  # a name may hold half a surrogate pair
    response = Response(text, status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response
