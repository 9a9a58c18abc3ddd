"""A server whose streams of events break."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

# The address, and what each request had of Authorization and Last-Event-ID.
Breaking = tuple[str, list[tuple[str | None, str | None]]]


def frame(number: int, event: str, session: str, **more: Any) -> bytes:
    shown = {"id": session, "state": "live", "number": "447700900123", "status": {"isRing": event == "call_incoming"}}
    shown |= {"state": "ended"} if event == "call_ended" else {}
    data = {"event": event, "user": "Alice", "session": shown, **more}
    return f"id: {number}\nevent: {event}\ndata: {json.dumps(data)}\n\n".encode()


# The parts of each connection's response; None: it is refused. In the first one the third event is cut off.
CONNECTIONS: tuple[tuple[bytes, ...] | None, ...] = (
    (
        b'retry: 1\r\nid: 0\r\nevent: sessions\r\ndata: {"event": "sessions",\r\ndata: "sessions": []}\r\n\r',
        b"\n: alive\n\n" + frame(1, "call_incoming", "one")[:30],
        frame(1, "call_incoming", "one")[30:] + frame(2, "call_answered", "one") + frame(3, "call_ended", "one")[:60],
    ),
    None,
    (
        frame(3, "call_ended", "one", cause="completed"),
        frame(4, "call_answered", "two"),
        frame(5, "call_ended", "two", cause="rejected"),
    ),
)


@pytest.fixture
def breaking() -> Iterator[Breaking]:
    """A server whose streams break, and what each request had of Authorization and Last-Event-ID."""
    seen: list[tuple[str | None, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = CONNECTIONS[len(seen)]
            seen.append((self.headers["Authorization"], self.headers["Last-Event-ID"]))
            self.send_response(200 if parts else 503)
            self.send_header("Content-Type", "text/event-stream" if parts else "application/problem+json")
            self.end_headers()
            for part in parts or (b'{"status": 503, "title": "Busy", "detail": "Too many streams."}',):
                self.wfile.write(part)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()
    thread.join()
