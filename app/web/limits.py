"""What a request may take: 64 KiB of body, 5 seconds to send it, and less than one for the store."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from io import BytesIO
from math import inf
from typing import Any

from flask import Flask, Response, after_this_request, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, RequestTimeout

from app.store.reader import give_up_at

MOST_BODY = 64 * 1024  # bytes
MOST_PASSED_OVER = 1024 * 1024  # bytes of a body that is too large: whoever sends no more than that reads the 413
PIECE = 1024  # bytes; between two pieces others have their turn
BODY_SECONDS = 5.0
LOOK_EVERY = 0.25  # seconds
STORE_SECONDS = 0.7  # for all reads of one request; connecting to a Redis that is away comes on top


class Bodies:
    """Reads bodies whole, before anything else is done, and cuts off senders that are too slow.

    gunicorn itself waits for a body as long as it takes. A thread looks at those that are being read rather than each
    read having a timer: most are there at once.
    """

    def __init__(self, seconds: float = BODY_SECONDS) -> None:
        self._seconds = seconds
        self._reading: dict[object, tuple[float, socket.socket | None]] = {}
        self._cut: set[object] = set()
        self._thread: threading.Thread | None = None

    def read(self, environ: dict[str, Any]) -> None:
        """Put the body of the request in place of the connection it comes from.

        Raises RequestEntityTooLarge, RequestTimeout, or BadRequest if it ends too early or is cut up wrong.
        """
        if self._thread is None:  # started with the first body: after any fork
            self._thread = threading.Thread(target=self._look, name="slow-bodies", daemon=True)
            self._thread.start()
        read = object()
        self._reading[read] = (time.monotonic() + self._seconds, environ.get("gunicorn.socket"))
        try:
            body = _whole(environ)
        except (OSError, ParseException):
            after_this_request(_hang_up)
            if read in self._cut:
                raise RequestTimeout from None
            raise BadRequest("The body does not arrive as its headers say: send it again, whole.") from None
        finally:
            del self._reading[read]
            self._cut.discard(read)
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(body), str(len(body))

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_EVERY)
            now = time.monotonic()
            for read, (deadline, connection) in list(self._reading.items()):
                if now > deadline and connection is not None and read not in self._cut:
                    self._cut.add(read)
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_RD)


def _whole(environ: dict[str, Any]) -> bytes:
    """The body. Raises RequestEntityTooLarge, and OSError if it ends before its announced length."""
    source, length = environ["wsgi.input"], environ.get("CONTENT_LENGTH") or ""
    announced = int(length) if length.isdecimal() else None
    if announced is not None and announced > MOST_PASSED_OVER:
        after_this_request(_hang_up)
        raise RequestEntityTooLarge
    pieces: list[bytes] = []
    total = 0
    # No more than was announced: not every server ends the stream there, and then one would wait for what never comes.
    while total != announced and (piece := source.read(min(PIECE, announced - total) if announced else PIECE)):
        total += len(piece)
        if total <= MOST_BODY:
            pieces.append(piece)
        elif total > MOST_PASSED_OVER:
            after_this_request(_hang_up)
            break
        if total >= PIECE:
            time.sleep(0)  # a sender that is never at a loss for a byte must not keep all others waiting
    if total > MOST_BODY or (announced or 0) > MOST_BODY:
        raise RequestEntityTooLarge
    if announced is not None and total < announced:
        raise OSError
    return b"".join(pieces)


def _hang_up(response: Response) -> Response:
    """Close the connection behind *response*: what still comes of the body would be read as the next request.

    Linux hands on what comes after SHUT_RD, too, and gunicorn takes no "Connection: close" from an app.
    """
    connection: socket.socket | None = request.environ.get("gunicorn.socket")

    @response.call_on_close
    def close() -> None:
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    return response


def install(app: Flask) -> None:
    """Hold *app* to the limits."""
    bodies = Bodies()

    @app.before_request
    def read_body_in_time() -> None:
        give_up_at.set(time.monotonic() + STORE_SECONDS)
        environ = request.environ
        if environ.get("CONTENT_LENGTH", "0") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ:
            bodies.read(environ)

    @app.teardown_request
    def take_your_time(_: BaseException | None) -> None:
        give_up_at.set(inf)  # what comes next in this thread may be no request
