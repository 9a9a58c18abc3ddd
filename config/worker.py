"""The worker that gunicorn runs: gevent's, with five changes.

Between two requests of a connection all others have their turn: a client that sends without a pause would keep the
worker to itself. A connection without a first request is closed soon; after that it may idle as long as a router's do.
When few places are left, the connections that have waited longest for their next request are closed, so that a webhook
always finds one. And at its end the worker closes idle connections quietly: gunicorn logs an error with a traceback,
and sends a 500 that a router would take for the reply to a request on its way. Streams, which would hold it up, end as
soon as it is to stop.
"""

from __future__ import annotations

from typing import Any

from gevent import GreenletExit, Timeout, getcurrent, sleep, spawn
from gunicorn.workers.ggevent import GeventWorker

from config.stopping import stopping

FIRST_REQUEST_SECONDS = 10  # for the headers of a connection's first request
SPARE = 0.1  # the share of a worker's places that is kept free


class QuietWorker(GeventWorker):
    """gevent: a stream or a slow peer does not block the worker."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._open = 0
        self._waiting: dict[Any, None] = {}  # the greenlets of connections without a request, longest first

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        self._open += 1
        if self._open > self.worker_connections * (1 - SPARE) and self._waiting:
            longest = next(iter(self._waiting))
            del self._waiting[longest]
            longest.kill(block=False)
        try:
            super().handle(listener, client, addr)
        finally:
            self._open -= 1
            self._waiting.pop(getcurrent(), None)

    def timeout_ctx(self) -> Any:
        connection: Any = getcurrent()
        self._waiting[connection] = None
        seconds = self.cfg.keepalive if getattr(connection, "has_asked", False) else FIRST_REQUEST_SECONDS
        connection.has_asked = True
        return Timeout(seconds, False)  # type: ignore[arg-type]  # False: ends the block, raises nothing

    @property
    def alive(self) -> bool:
        return self._alive

    @alive.setter
    def alive(self, alive: bool) -> None:
        """gunicorn sets it to False at a signal, or with the last of `max_requests`."""
        self._alive = alive
        if not alive:
            spawn(stopping)  # a signal interrupts anything, also somebody who holds a lock

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> bool:
        self._waiting.pop(getcurrent(), None)
        answered = super().handle_request(listener_name, req, sock, addr)
        sleep(0)
        return answered

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        if not isinstance(exc, GreenletExit):
            super().handle_error(req, client, addr, exc)
