"""The worker that gunicorn runs: gevent's, but nobody without a token or signature keeps others from being served.

Between two requests of a connection all others have their turn: a client that sends without a pause would keep the
worker to itself. Of those without a token, only one at a time goes on to its next request. A connection without a
first request is closed soon; after that it may idle as long as a router's do. When few places are left, replies end
their connections, and for each new one another is closed that waits for its peer, or has shown no token with its
request, beginning with the one that has done so longest: a webhook always finds a place. A peer that does not read
its reply is not waited for. Streams, which would hold up the worker's end, end as soon as it is to stop; and it closes
idle connections quietly then: gunicorn logs an error with a traceback, and sends a 500 that a router would take for the
reply to a request on its way.
"""

from __future__ import annotations

import signal
import socket
from contextlib import suppress
from typing import Any, cast

from gevent import Greenlet, GreenletExit, Timeout, getcurrent, sleep, spawn
from gevent.lock import Semaphore
from gevent.server import StreamServer
from gunicorn.config import Config
from gunicorn.workers.base import Worker
from gunicorn.workers.ggevent import GeventWorker

from config.connection import Connection, ConnectionClosed, connection
from config.patching import entry_points_read_once
from config.short_way import ShortWay
from config.stopping import stopping

FIRST_REQUEST_SECONDS = 10  # for the headers of a connection's first request
SEND_SECONDS = 10  # for a peer to read what was written at once: a whole reply, or one piece of a stream
MOST_ACCEPTED = 10  # connections, before others have their turn
SPARE = 0.1  # the share of a worker's places that is kept free


class Place(Connection):
    """A connection that takes one of the worker's places."""

    def __init__(self, client: socket.socket, closable: dict[Place, None]) -> None:
        self._client, self._closable = client, closable
        self._greenlet: Greenlet[..., Any] = getcurrent()  # type: ignore[assignment]
        self.in_request = self.has_asked = self.is_known = False
        self.wait()

    def wait(self) -> None:
        """For its peer: now it is the last that is closed for another."""
        self.leave()
        self._closable[self] = None

    def keep(self) -> None:
        self.is_known = True
        self.leave()

    def leave(self) -> None:
        """No longer close it for another: it is kept, or closed already."""
        self._closable.pop(self, None)

    def close(self) -> None:
        """For another one. The app is not interrupted, but it can neither read nor write any more."""
        self.closed = True
        self.leave()
        if not self.in_request:
            self._greenlet.kill(block=False)
        else:
            with suppress(OSError):  # its peer has closed it
                self._client.shutdown(socket.SHUT_RDWR)


class QuietWorker(GeventWorker):
    """gevent: a stream or a slow peer does not block the worker."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._open = 0
        self._closable: dict[Place, None] = {}  # longest first
        self._turn = Semaphore(1)
        self._quitting: Greenlet[..., Any] | None = None
        self._short_way = ShortWay(self)

    def patch(self) -> None:
        with entry_points_read_once():
            super().patch()

    def handle_quit(self, sig: int, frame: Any) -> None:
        """As in gevent's worker: the process ends a moment later; once, for the signal may come twice."""
        if self._quitting is None:
            self._quitting = spawn(Worker.handle_quit, self, sig, frame)

    def run(self) -> None:
        # A few connections at a time (gunicorn has one with several workers, gevent a hundred): after a hundred large
        # requests at once, what Redis replied to somebody else would be read too late.
        # https://www.gevent.org/api/gevent.baseserver.html#gevent.baseserver.BaseServer.max_accept
        StreamServer.max_accept = MOST_ACCEPTED
        super().run()
        # If it ends by itself in that moment, ending it once more would print a traceback.
        signal.signal(signal.SIGQUIT, signal.SIG_IGN)
        if self._quitting:
            self._quitting.kill()

    def _few_places(self) -> bool:
        return self._open > self.worker_connections * (1 - SPARE)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        self._open += 1
        if self._few_places() and self._closable:
            next(iter(self._closable)).close()
        place = Place(client, self._closable)
        connection.set(place)
        try:
            super().handle(listener, client, addr)
        finally:
            self._open -= 1
            place.leave()

    def timeout_ctx(self) -> Any:
        place = _place()
        place.wait()
        seconds = self.cfg.keepalive if place.has_asked else FIRST_REQUEST_SECONDS
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
        place = _place()
        place.wait()
        if place.has_asked and not place.is_known:
            with self._turn:
                sleep(0)
        place.has_asked = place.in_request = True
        if self._few_places():
            req.force_close()
        sock.settimeout(SEND_SECONDS)  # a body may not even take that long, by app/web/limits.py
        try:
            answered = self._short_way.handle(listener_name, req, sock, addr) or super().handle_request(
                listener_name, req, sock, addr
            )
            sleep(0)
        except TimeoutError:
            raise StopIteration from None  # ends the connection, without a line in the log
        except (GreenletExit, SystemExit):  # as in gevent's worker: the process ends
            return False
        finally:
            sock.settimeout(None)
            place.in_request = False
        return answered

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        if not isinstance(exc, (GreenletExit, ConnectionClosed)):
            super().handle_error(req, client, addr, exc)


def plain_settings(config: Config) -> None:
    """Make the settings attributes of *config*, in a worker, where they stay as they are.

    gunicorn looks each up by a method, dozens of times a request: a tenth of an event's CPU time.
    https://github.com/benoitc/gunicorn/blob/master/gunicorn/config.py (Config.__getattr__)
    """
    vars(config).update({name: setting.get() for name, setting in config.settings.items()})


def _place() -> Place:
    """Of the greenlet that runs."""
    return cast("Place", connection.get())
