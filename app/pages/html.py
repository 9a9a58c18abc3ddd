"""Renders pages, and sets the headers that every page has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import copy_context
from typing import Any, Final

from flask import Response, current_app, render_template
from jinja2 import Template

from app.store.apart import apart
from app.store.reader import not_waiting

# Everything is loaded from here, and no script or style is written into a page: none that a webhook brings runs.
SOURCES: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "media-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
# What no page uses, but for the phone.
DEVICES: Final = ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")
HEADERS: Final = {
    "Content-Security-Policy": "; ".join(f"{name} {sources}" for name, sources in SOURCES.items()),
    # Not no-referrer: with it a browser hides from us, too, that a form was sent from our own page.
    # https://fetch.spec.whatwg.org/#append-a-request-origin-header
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{name}=()" for name in DEVICES),
    "X-Frame-Options": "DENY",
    "Vary": "Accept-Language, Cookie",
}


SHARED: Final = ("components.html", "acting.html", "operations.html", "base.html")  # templates that all others use


def page(template: str, **values: Any) -> Response:
    """*template* rendered with *values*: apart from callers' requests, for it takes some 20 ms.

    All that is read of the store is read before. Raises StoreUnavailable.
    """
    current_app.update_template_context(values)
    values["frame"].read()
    loaded, context = _loaded(template), copy_context()
    return _response(apart(lambda: context.run(loaded.render, values)), 200)


def pieces(template: str, each: Callable[[], Iterable[Mapping[str, Any]]]) -> list[str]:
    """*template*, a part of a page, rendered with each of the values that *each* returns; all of it apart as well."""
    loaded, context = _loaded(template), copy_context()
    return apart(lambda: context.run(lambda: [_encodable(loaded.render(values)) for values in each()]))


def small_page(template: str, status: int = 200, **values: Any) -> Response:
    """The same at once, with no notices: for errors, and for who has not logged in."""
    return _response(render_template(template, **values), status)


def _loaded(name: str) -> Template:
    """The template, compiled if this is its first use; here, because Jinja's lexer takes a lock, which is gevent's."""
    with not_waiting():
        for each in (*SHARED, name):
            template = current_app.jinja_env.get_template(each)
            time.sleep(0)  # callers have their turn
    return template


def _response(text: str, status: int) -> Response:
    response = Response(_encodable(text), status, content_type="text/html; charset=utf-8")
    response.headers.update(HEADERS)
    return response


def _encodable(text: str) -> str:
    """*text* without halves of surrogate pairs, which a name may hold."""
    return text.encode(errors="replace").decode()
