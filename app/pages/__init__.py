"""The pages for people, rendered on the server, and what they load."""

from __future__ import annotations

from flask import Flask


def install(app: Flask) -> None:
    """Add the pages to *app*."""
    from app.pages import board, formats, frame, languages, states
    from app.pages.call import call_pages
    from app.pages.history import history
    from app.pages.static_files import asset, static_files
    from app.pages.views import pages

    languages.install(app)
    formats.install(app)
    states.install(app)
    frame.install(app, asset)
    board.install(app)
    app.register_blueprint(static_files)
    app.register_blueprint(pages)
    app.register_blueprint(history)
    app.register_blueprint(call_pages)
