"""What a request may take: 64 KiB of body, 5 seconds to send it."""

from __future__ import annotations

import socket
from contextlib import suppress

from flask import Flask, request
from werkzeug.exceptions import RequestTimeout

MOST_BODY = 64 * 1024  # bytes
BODY_SECONDS = 5.0


class SlowBody(BaseException):
    """Time is up. Not an Exception: nothing on the way may take it for an error of its own."""


def install(app: Flask) -> None:
    """Hold *app* to the limits. Under gevent only: gunicorn itself waits for a body as long as it takes."""
    app.config["MAX_CONTENT_LENGTH"] = MOST_BODY

    @app.before_request
    def read_body_in_time() -> None:
        if not request.environ.get("CONTENT_LENGTH", "").strip("0") and "HTTP_TRANSFER_ENCODING" not in request.environ:
            return
        from gevent import Timeout
        from gevent.monkey import is_module_patched

        if not is_module_patched("socket"):
            return
        try:
            with Timeout(BODY_SECONDS, SlowBody):
                request.get_data()
        except SlowBody:
            # What is still to come of the body would be read as the next request: there must be none.
            with suppress(KeyError, OSError):
                request.environ["gunicorn.socket"].shutdown(socket.SHUT_RD)
            raise RequestTimeout from None
