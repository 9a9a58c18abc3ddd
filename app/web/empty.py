"""The reply to nearly every webhook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Response
from werkzeug.wsgi import ClosingIterator

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Empty(Response):
    """200 with an empty body and no content type, without all that Werkzeug works out for other replies."""

    default_mimetype = None

    def __call__(self, _: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Send it."""
        start_response(self.status, [*self.headers, ("Content-Length", "0")])
        return ClosingIterator((), self.close)
