"""What a request may take: 64 KiB of body, 5 seconds to send it, and less than one for the store."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

from flask import Flask, Response, after_this_request, request
from werkzeug.exceptions import BadRequest, ClientDisconnected, RequestEntityTooLarge, RequestTimeout

from app.store.reader import give_up_at

MOST_BODY = 64 * 1024  # bytes
BODY_SECONDS = 5.0
LOOK_EVERY = 0.25  # seconds
STORE_SECONDS = 0.7  # for all reads of one request; connecting to a Redis that is away comes on top


class SlowBodies:
    """Cuts off senders that are too slow. gunicorn itself waits for a body as long as it takes.

    A thread looks at those that are being read rather than each read having a timer: most are there at once.
    """

    def __init__(self, seconds: float = BODY_SECONDS) -> None:
        self._seconds = seconds
        self._reading: dict[object, tuple[float, socket.socket | None]] = {}
        self._cut: set[object] = set()
        self._thread: threading.Thread | None = None

    def read(self) -> None:
        """Read the body of this request. Raises RequestTimeout, or BadRequest if it ends too early."""
        if self._thread is None:  # started with the first body: after any fork
            self._thread = threading.Thread(target=self._look, name="slow-bodies", daemon=True)
            self._thread.start()
        read = object()
        self._reading[read] = (time.monotonic() + self._seconds, request.environ.get("gunicorn.socket"))
        try:
            body, announced = request.get_data(), request.content_length
            # Werkzeug takes for the whole what came before the connection ended, and in chunks, before the limit.
            if announced is not None and len(body) < announced:
                raise ClientDisconnected
            if announced is None and len(body) == MOST_BODY and request.environ["wsgi.input"].read(1):
                raise RequestEntityTooLarge
        except (ClientDisconnected, OSError):
            if read in self._cut:
                after_this_request(_hang_up)
                raise RequestTimeout from None
            raise BadRequest("The body ended before its announced length: send it again, whole.") from None
        finally:
            del self._reading[read]
            self._cut.discard(read)

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_EVERY)
            now = time.monotonic()
            for read, (deadline, connection) in list(self._reading.items()):
                if now > deadline and connection is not None and read not in self._cut:
                    self._cut.add(read)
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_RD)


def _hang_up(response: Response) -> Response:
    """Close the connection behind *response*: what still comes of the body would be read as the next request.

    Linux hands on what comes after SHUT_RD, too, and gunicorn takes no "Connection: close" from an app.
    """
    connection: socket.socket = request.environ["gunicorn.socket"]

    @response.call_on_close
    def close() -> None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    return response


def install(app: Flask) -> None:
    """Hold *app* to the limits."""
    app.config["MAX_CONTENT_LENGTH"] = MOST_BODY
    slow_bodies = SlowBodies()

    @app.before_request
    def read_body_in_time() -> None:
        give_up_at.set(time.monotonic() + STORE_SECONDS)
        environ = request.environ
        if environ.get("CONTENT_LENGTH", "0") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ:
            slow_bodies.read()
