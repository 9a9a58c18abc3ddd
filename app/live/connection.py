"""The connection that a stream is sent over, and the response that it is."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from flask import Response, request

CONTENT_TYPE: Final = "text/event-stream"


class Connection:
    """Of this request. Where there is none, as in a test client, it is never gone."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = request.environ.get("gunicorn.socket")

    def hang_up(self) -> None:
        """End it at once, also while something is being sent."""
        if self._socket is not None:
            with suppress(OSError):  # cut off already
                self._socket.shutdown(socket.SHUT_RDWR)

    @property
    def is_gone(self) -> bool:
        """Whether the client has closed it."""
        if self._socket is None:
            return False
        plain = getattr(self._socket, "_sock", self._socket)  # gevent's own `recv` would wait
        try:
            return plain.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def stream(self, events: Iterable[bytes]) -> Response:
        """The response that sends *events*; to HEAD none of them."""
        sends = request.method != "HEAD"
        response = Response(events if sends else (), content_type=CONTENT_TYPE)
        response.headers["X-Accel-Buffering"] = "no"  # nginx would hold events back
        if sends:
            response.call_on_close(self.hang_up)  # else it would wait for another request, also at a stop
        return response
