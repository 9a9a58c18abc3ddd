"""Servers of pages, each an origin of its own, beside the server that is tested."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Origin:
    """Its `url`, and what it serves by path: a text, or what returns one for the query; under a `policy`, if any."""

    def __init__(self) -> None:
        self.url = ""
        self.policy = ""  # Content-Security-Policy
        self.served: dict[str, str | Callable[[dict[str, str]], str]] = {}


@contextmanager
def serving_pages() -> Iterator[Origin]:
    """An origin that serves nothing yet."""
    origin = Origin()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            found = origin.served.get(path)
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", f"text/{'javascript' if path.endswith('.js') else 'html'}; charset=utf-8")
            if origin.policy:
                self.send_header("Content-Security-Policy", origin.policy)
            self.end_headers()
            text = found({name: values[0] for name, values in query.items()}) if callable(found) else found
            self.wfile.write((text or "").encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    origin.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield origin
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
