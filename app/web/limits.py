"""What a request may use: 64 KiB of body, 5 seconds to send it, and less than one to read the store."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from io import BytesIO
from math import inf
from typing import Any

from flask import Flask, Response, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, RequestTimeout

from app.store import timeouts
from app.store.apart import goes_first
from app.store.reader import give_up_at
from config.connection import ConnectionClosed, connection

MOST_BODY = 64 * 1024  # bytes
MOST_DISCARDED = 1024 * 1024  # bytes of a body that is too large: a sender of no more than that gets to read the 413
PIECE = 1024  # bytes; between two pieces other requests have their turn
BODY_SECONDS = 5.0
WATCH_SECONDS = 0.25
READING = ("GET", "HEAD")
HANG_UP = "switchhook.hang_up"  # in the environ of a request whose body was not read to its end


class Bodies:
    """Reads bodies whole, before anything else is done, and cuts off senders that are too slow.

    gunicorn itself waits for a body as long as it takes. One thread watches all bodies that are being read: most arrive
    at once, and a timer for each would cost more.
    """

    def __init__(self) -> None:
        self._reading: dict[object, tuple[float, socket.socket | None]] = {}
        self._thread: threading.Thread | None = None

    def read(self, environ: dict[str, Any]) -> None:
        """Put the body of the request into *environ* in place of the stream from its connection.

        Raises RequestEntityTooLarge, RequestTimeout, or BadRequest for a body that ends early or is chunked wrongly;
        ConnectionClosed if the worker needed its place.
        """
        if self._thread is None:  # started with the first body: after any fork
            self._thread = threading.Thread(target=self._watch, name="slow-bodies", daemon=True)
            self._thread.start()
        body_id, deadline = object(), time.monotonic() + BODY_SECONDS
        self._reading[body_id] = deadline, environ.get("gunicorn.socket")
        try:
            body = _whole(environ)
        except (OSError, ParseException):
            if connection.get().closed:
                raise ConnectionClosed from None
            environ[HANG_UP] = True
            if time.monotonic() > deadline:
                raise RequestTimeout from None
            raise BadRequest("The body does not arrive as its headers say: send it again, whole.") from None
        finally:
            del self._reading[body_id]
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(body), str(len(body))

    def _watch(self) -> None:
        while True:
            time.sleep(WATCH_SECONDS)
            for deadline, client in list(self._reading.values()):
                if time.monotonic() > deadline and client is not None:
                    with suppress(OSError):  # cut off already
                        client.shutdown(socket.SHUT_RD)


def _whole(environ: dict[str, Any]) -> bytes:
    """The body. Raises RequestEntityTooLarge, and OSError if it ends before its announced length."""
    source, length = environ["wsgi.input"], environ.get("CONTENT_LENGTH") or ""
    announced = int(length) if length.isdecimal() else None
    if announced is not None and announced > MOST_DISCARDED:
        environ[HANG_UP] = True
        raise RequestEntityTooLarge
    pieces: list[bytes] = []
    total = 0
    # No more than was announced: not every server ends the stream there, and a read beyond it would never return.
    while total != announced and (piece := source.read(min(PIECE, announced - total) if announced else PIECE)):
        total += len(piece)
        if total <= MOST_BODY:
            pieces.append(piece)
        elif total > MOST_DISCARDED:
            environ[HANG_UP] = True
            break
        if total >= PIECE:
            time.sleep(0)  # a fast sender must not keep all other requests waiting
    if total > MOST_BODY or (announced or 0) > MOST_BODY:
        raise RequestEntityTooLarge
    if announced is not None and total < announced:
        raise OSError
    return b"".join(pieces)


def _hang_up(response: Response) -> None:
    """Close the connection after *response*: the rest of the body would be read as the next request.

    Linux delivers what arrives after SHUT_RD, too, and gunicorn ignores an app's "Connection: close".
    """
    client: socket.socket | None = request.environ.get("gunicorn.socket")

    @response.call_on_close
    def close() -> None:
        if client is not None:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


class Limits:
    """The limits of every request."""

    def __init__(self) -> None:
        self._bodies = Bodies()

    def begin(self, environ: dict[str, Any]) -> None:
        """A request begins; it ends with `end`. Its body is in *environ* now. Raises what `Bodies.read` does."""
        give_up_at.set(time.monotonic() + timeouts.REQUEST_SECONDS)
        goes_first.set(environ["REQUEST_METHOD"] not in READING)
        if environ.get("CONTENT_LENGTH", "0") not in ("", "0") or "HTTP_TRANSFER_ENCODING" in environ:
            self._bodies.read(environ)

    def end(self) -> None:
        """This thread may go on with something that is no request."""
        give_up_at.set(inf)


def install(app: Flask) -> Limits:
    """Apply the limits to every request of *app*."""
    limits = Limits()

    @app.before_request
    def begin() -> None:
        limits.begin(request.environ)

    @app.after_request
    def hang_up(response: Response) -> Response:
        if HANG_UP in request.environ:
            _hang_up(response)
        return response

    @app.teardown_request
    def end(_: BaseException | None) -> None:
        limits.end()

    return limits
