"""Reading server-sent events in tests.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from typing import Any, NamedTuple

from tests.engines import wait_until
from tests.serving import OPERATOR, SECONDS, Server


class Event(NamedTuple):
    """One event. `id` is the last one that was sent, with it or before."""

    type: str
    data: Any
    id: str


class Parser:
    """Makes events of the bytes of a stream, in any pieces."""

    def __init__(self) -> None:
        self.last_id, self.retry = "", 0
        self._rest, self._type, self._data = b"", "", list[str]()

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events that are whole after *piece*."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            name, _, value = line.decode().partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                self._type = value
            elif name == "data":
                self._data.append(value)
            elif name == "id":
                self.last_id = value
            elif name == "retry":
                self.retry = int(value)
            elif not line:
                if self._data:
                    yield Event(self._type or "message", json.loads("\n".join(self._data)), self.last_id)
                self._type, self._data = "", []


class Reading:
    """Reads a stream in a thread until it ends, or is closed."""

    def __init__(self, pieces: Iterable[bytes], close: Callable[[], Any]) -> None:
        self.parser = Parser()
        self.events: list[Event] = []
        self.port = 0  # of the client's end of the connection, if it has one
        self._pieces, self._close = pieces, close
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether the stream has ended."""
        return not self._thread.is_alive()

    @property
    def changes(self) -> list[Event]:
        """All events but the counters."""
        return [event for event in self.events if event.type != "stats"]

    def begun(self) -> Reading:
        """Itself, once it has a position: what happens from now on is in it."""
        wait_until(lambda: self.parser.last_id or self.ended, "the stream has begun")
        return self

    def wait_for(self, count: int) -> list[Event]:
        """The first *count* changes, once they have come."""
        wait_until(lambda: len(self.changes) >= count or self.ended, f"{count} changes, not {len(self.changes)}")
        assert len(self.changes) >= count, self.changes
        return self.changes[:count]

    def wait_for_type(self, name: str) -> Event:
        """The first event of a type."""
        wait_until(lambda: any(event.type == name for event in self.events), f"an event {name}")
        return next(event for event in self.events if event.type == name)

    def wait_for_end(self) -> None:
        """Wait until the server ends it."""
        wait_until(lambda: self.ended, "the stream has ended")

    def close(self) -> None:
        """Stop reading."""
        self._close()

    def _run(self) -> None:
        with suppress(OSError, ValueError, HTTPException):  # it was closed while it was read
            for piece in self._pieces:
                self.events.extend(self.parser.feed(piece))


def connect(server: Server, path: str = "/api/v1/stream", **headers: str) -> Reading:
    """A stream of a real server, which has begun."""
    return open_stream(server, path, **headers).begun()


def open_stream(server: Server, path: str, **headers: str) -> Reading:
    """A stream of a real server, which has sent nothing yet: one that is resumed may have nothing to send."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)
    connection.request("GET", path, headers={"Authorization": f"Bearer {OPERATOR}"} | headers)
    opened = connection.sock  # kept: it is given up for a response that ends with the connection
    assert opened is not None
    port = opened.getsockname()[1]
    response = connection.getresponse()
    assert response.status == 200, response.read()

    def pieces() -> Iterator[bytes]:
        with closing(response), closing(opened):
            while piece := response.read1(65536):
                yield piece

    def close() -> None:
        with suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)

    reading = Reading(pieces(), close)
    reading.port = port
    return reading
