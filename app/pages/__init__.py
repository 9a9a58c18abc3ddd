"""The pages for people, rendered on the server, and what they load."""

from __future__ import annotations

from flask import Flask


def install(app: Flask) -> None:
    """Add the pages to *app*."""
    from app.pages import acting, board, events, formats, frame, languages, states
    from app.pages.call import call_pages
    from app.pages.delivery import delivery_page
    from app.pages.figures import figures_page
    from app.pages.history import history
    from app.pages.phone import phone_page
    from app.pages.static_files import asset, static_files
    from app.pages.views import pages

    languages.install(app)
    formats.install(app)
    states.install(app)
    events.install(app)
    acting.install(app)
    frame.install(app, asset)
    board.install(app)
    app.register_blueprint(static_files)
    for each in (pages, history, call_pages, figures_page, delivery_page, phone_page):
        app.register_blueprint(each)
