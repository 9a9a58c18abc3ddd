"""The short way of a request through gunicorn: for webhooks, whose replies are whole and small.

gunicorn's own way makes the environ of a request anew, keeps its reply in an object with its headers checked one by
one, formats the date, and sends head and body one after the other: 15 % of an event's processor time
(docs/performance.md). The app says for which paths its replies to a POST are whole (`PATHS`). What is asked of the app,
and what it replies, is the same: tests/config/test_short_way.py compares both ways. Anything unusual about a request
takes gunicorn's own.
https://github.com/benoitc/gunicorn/blob/master/gunicorn/workers/base_async.py (AsyncWorker.handle_request)
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from time import time
from typing import TYPE_CHECKING, Any, Final

from gunicorn.glogging import Logger
from gunicorn.http.wsgi import base_environ
from gunicorn.util import http_date

if TYPE_CHECKING:
    from gunicorn.http.message import Request
    from gunicorn.workers.base import Worker

PATHS: Final = set[str]()  # the app adds its own
MOST_NAMES: Final = 1000  # of headers that are remembered: strangers may send any
VERSION: Final = (1, 1)


class Unusual(Exception):
    """The request needs gunicorn's own way."""


class ShortWay:
    """The short way through *worker*."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._names = {"CONTENT-TYPE": "CONTENT_TYPE", "CONTENT-LENGTH": "CONTENT_LENGTH"}
        self._common: dict[tuple[Any, ...], dict[str, Any]] = {}  # by listener: what is the same in each environ
        # An access log, other counts (statsd), and an app that is mounted somewhere, are gunicorn's.
        plain = type(worker.log) is Logger and not worker.log.access_log_enabled
        self._open = plain and not os.environ.get("SCRIPT_NAME")
        self._second, self._date = 0, ""

    def handle(self, listener: Any, req: Request, client: socket.socket, addr: Any) -> bool:
        """Reply to *req*, which *client* sent; False: it does not go this way, and nothing is done yet.

        Raises StopIteration if the connection ends with the reply, and what the app and the socket raise.
        """
        if req.path not in PATHS or req.method != "POST" or req.version != VERSION or not self._open:
            return False
        try:
            environ = self._environ(listener, req, client, addr)
        except Unusual:
            return False
        worker = self._worker
        worker.nr += 1
        if worker.nr >= worker.max_requests and worker.alive:
            worker.log.info("Autorestarting worker after current request.")
            worker.alive = False
        ends = not worker.alive or not worker.cfg.keepalive
        reply: list[Any] = []

        def start_response(status: str, headers: Iterable[tuple[str, str]], _exc_info: Any = None) -> None:
            reply[:] = status, headers

        pieces, sent = worker.wsgi(environ, start_response), False
        try:
            body = b"".join(pieces)
            status, headers = reply
            ends = ends or req.should_close()
            lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
            head = f"HTTP/1.1 {status}\r\nServer: gunicorn\r\nDate: {self._now()}\r\n"
            how = "close" if ends else "keep-alive"
            client.sendall(f"{head}Connection: {how}\r\n{lines}\r\n".encode("latin1") + body)
            sent = True
        finally:
            if hasattr(pieces, "close"):
                try:
                    pieces.close()  # which may end the connection
                except Exception:
                    if not sent:
                        raise
                    worker.log.exception("Error handling request")  # no other reply may follow
                    ends = True
        if ends:
            raise StopIteration
        return True

    def _environ(self, listener: Any, req: Request, client: socket.socket, addr: Any) -> dict[str, Any]:
        """What gunicorn gives to the app. Raises Unusual."""
        if not isinstance(listener, tuple) or not isinstance(addr, tuple) or req.proxy_protocol_info:
            raise Unusual  # a Unix socket, or the protocol of a proxy
        common = self._common.get(listener)
        if common is None:
            common = self._common[listener] = {
                **base_environ(self._worker.cfg),
                "wsgi.multithread": True,
                "SERVER_NAME": listener[0],
                "SERVER_PORT": str(listener[1]),
                "SERVER_PROTOCOL": "HTTP/1.1",
                "SCRIPT_NAME": "",
            }
        environ = common.copy()
        environ["REQUEST_METHOD"], environ["PATH_INFO"] = req.method, req.path
        environ["QUERY_STRING"], environ["RAW_URI"] = req.query, req.uri
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = addr[0], str(addr[1])
        environ["wsgi.input"], environ["gunicorn.socket"], environ["wsgi.url_scheme"] = req.body, client, req.scheme
        for header, value in req.headers:
            name = self._names.get(header) or self._name(header)
            environ[name] = f"{environ[name]},{value}" if name in environ and name.startswith("HTTP_") else value
        return environ

    def _name(self, header: str) -> str:
        """What the app finds *header* under. Raises Unusual for one that gunicorn does something about."""
        if header == "EXPECT" or "_" in header:
            raise Unusual
        name = f"HTTP_{header.replace('-', '_')}"
        if len(self._names) < MOST_NAMES:
            self._names[header] = name
        return name

    def _now(self) -> str:
        now = int(time())
        if now != self._second:
            self._second, self._date = now, http_date(now)
        return self._date
