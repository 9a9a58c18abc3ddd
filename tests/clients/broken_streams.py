"""A server whose streams of events break, or are refused."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Thread
from typing import Any, NamedTuple

import pytest


class Request(NamedTuple):
    """What a request had, and when it came (monotonic seconds)."""

    authorization: str | None
    last_event_id: str | None
    at: float


# The address, and the requests so far.
Breaking = tuple[str, list[Request]]
Connection = tuple[bytes, ...] | int  # the parts of a response, or the status with which it is refused


def frame(number: int, event: str, session: str, **more: Any) -> bytes:
    shown = {"id": session, "state": "live", "number": "447700900123", "status": {"isRing": event == "call_incoming"}}
    shown |= {"state": "ended"} if event == "call_ended" else {}
    data = {"event": event, "user": "Alice", "session": shown, **more}
    return f"id: {number}\nevent: {event}\ndata: {json.dumps(data)}\n\n".encode()


BEGINNING = b'id: 0\r\nevent: sessions\r\ndata: {"event": "sessions",\r\ndata: "sessions": []}\r\n\r'
# In the first one the third event is cut off.
CONNECTIONS: Sequence[Connection] = (
    (
        b"retry: 1\r\n" + BEGINNING,
        b"\n: alive\n\n" + frame(1, "call_incoming", "one")[:30],
        frame(1, "call_incoming", "one")[30:] + frame(2, "call_answered", "one") + frame(3, "call_ended", "one")[:60],
    ),
    503,
    (
        frame(3, "call_ended", "one", cause="completed"),
        frame(4, "call_answered", "two"),
        frame(5, "call_ended", "two", cause="rejected"),
    ),
)
TITLES = {401: "Unauthorized", 403: "Forbidden", 503: "Busy"}


@contextmanager
def streams(connections: Sequence[Connection]) -> Iterator[Breaking]:
    """A server that responds to one request after the other with *connections*; the last one is for all others too."""
    seen: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = connections[min(len(seen), len(connections) - 1)]
            seen.append(Request(self.headers["Authorization"], self.headers["Last-Event-ID"], time.monotonic()))
            refused = isinstance(found, int)
            self.send_response(found if isinstance(found, int) else 200)
            self.send_header("Content-Type", "application/problem+json" if refused else "text/event-stream")
            self.end_headers()
            if isinstance(found, int):
                problem = {"status": found, "title": TITLES[found], "detail": "In words.", "error_id": "in-a-word"}
                found = (json.dumps(problem).encode(),)
            for part in found:
                self.wfile.write(part)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def breaking() -> Iterator[Breaking]:
    """A server whose streams break, and what each request had of Authorization and Last-Event-ID."""
    with streams(CONNECTIONS) as found:
        yield found


def doubled(seen: Sequence[Request], first: float) -> bool:
    """Whether the pauses before the requests from the third on are at least half of *first*, twice that, and so on.

    A client waits between half of a pause and the whole.
    """
    pauses = [later.at - earlier.at for earlier, later in pairwise(seen[1:])]
    return all(pause >= first * 2**index / 2 for index, pause in enumerate(pauses))
