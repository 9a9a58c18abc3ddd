"""The pages for people, rendered on the server."""

from __future__ import annotations

from flask import Flask


def install(app: Flask) -> None:
    """Add the pages to *app*."""
    from app.pages.views import pages

    app.register_blueprint(pages)
