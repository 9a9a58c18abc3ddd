"""The worker that gunicorn runs: gevent's, but nobody without a token or signature keeps others from being served.

Between two requests of a connection all others have their turn: a client that sends without a pause would keep the
worker to itself. Of those without a token, only one at a time goes on to its next request. A connection without a
first request is closed soon; after that it may idle as long as a router's do. When few places are left, replies end
their connections, and for each new one another is closed that waits for its peer, or has shown no token with its
request, beginning with the one that has done so longest: a webhook always finds a place. A peer that does not read
its reply is not waited for. And at its end the worker closes idle connections quietly: gunicorn logs an error with a
traceback, and sends a 500 that a router would take for the reply to a request on its way.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from functools import partial
from typing import Any

from gevent import GreenletExit, Timeout, getcurrent, sleep
from gevent.lock import Semaphore
from gunicorn.workers.ggevent import GeventWorker

from config.known_peers import keep_connection

FIRST_REQUEST_SECONDS = 10  # for the headers of a connection's first request
SEND_SECONDS = 10  # for a peer to read what was written at once: a whole reply, or one piece of a stream
SPARE = 0.1  # the share of a worker's places that is kept free


class QuietWorker(GeventWorker):
    """gevent: a stream or a slow peer does not block the worker."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._open = 0
        # The greenlets of connections that may be closed, longest first; with the socket of those within a request.
        self._closable: dict[Any, socket.socket | None] = {}
        self._turn = Semaphore(1)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        self._open += 1
        if self._few_places() and self._closable:
            self._close(next(iter(self._closable)))
        connection: Any = getcurrent()
        connection.has_asked = connection.is_known = False
        keep_connection.set(partial(self._keep, connection))
        try:
            super().handle(listener, client, addr)
        finally:
            self._open -= 1
            self._closable.pop(connection, None)

    def _few_places(self) -> bool:
        return self._open > self.worker_connections * (1 - SPARE)

    def _may_close(self, connection: Any, client: socket.socket | None = None) -> None:
        """From now on: a step forward has just been made."""
        self._closable.pop(connection, None)
        self._closable[connection] = client

    def _close(self, connection: Any) -> None:
        client = self._closable.pop(connection)
        if client is None:
            connection.kill(block=False)
        else:  # the app is not interrupted: it can neither read nor write any more
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _keep(self, connection: Any) -> None:
        """The request of *connection* has shown a token or signature."""
        connection.is_known = True
        self._closable.pop(connection, None)

    def timeout_ctx(self) -> Any:
        connection: Any = getcurrent()
        self._may_close(connection)
        seconds = self.cfg.keepalive if connection.has_asked else FIRST_REQUEST_SECONDS
        return Timeout(seconds, False)  # type: ignore[arg-type]  # False: ends the block, raises nothing

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> bool:
        connection: Any = getcurrent()
        self._may_close(connection)
        if connection.has_asked and not connection.is_known:
            with self._turn:
                sleep(0)
        connection.has_asked = True
        self._may_close(connection, sock)
        if self._few_places():
            req.force_close()
        sock.settimeout(SEND_SECONDS)  # a body may not even take that long, by app/web/limits.py
        try:
            answered = super().handle_request(listener_name, req, sock, addr)
        except TimeoutError:
            raise StopIteration from None  # ends the connection, without a line in the log
        finally:
            sock.settimeout(None)
        sleep(0)
        return answered

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        if not isinstance(exc, GreenletExit):
            super().handle_error(req, client, addr, exc)
