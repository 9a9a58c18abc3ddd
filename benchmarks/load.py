"""A closed loop of connections: each sends its next request once the answer to the last is whole."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field


@dataclass
class Result:
    """What a round gave. Latencies in seconds, in order; `answered` are the places of the requests that got a 2xx."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)  # by how much a clock moved meanwhile, if one was given
    answered: list[int] = field(default_factory=list)
    others: dict[int, int] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """Answers with 2xx, a second."""
        return len(self.answered) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency, in milliseconds, that *share* of the answers stayed below."""
        return percentile(self.latencies, share)


def percentile(seconds: Iterable[float], share: float) -> float:
    """What *share* of *seconds* stayed below, in milliseconds."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


class _Connection:
    """One connection, with at most one request under way."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.socket = _connected(port)
        self.received = b""
        self.sent_at = 0.0
        self.clock_at = 0.0
        self.place = -1

    def connect(self) -> None:
        """Once more, in place of the connection so far."""
        self.socket.close()
        self.socket = _connected(self._port)

    def send(self, place: int, request: bytes) -> None:
        self.place, self.received, self.sent_at = place, b"", time.perf_counter()
        self.socket.sendall(request)

    def status(self) -> int | None:
        """The status of the answer once it is whole. Raises ConnectionError if it never will be."""
        more = self.socket.recv(65536)
        if not more:
            raise ConnectionError("the server closed the connection in the middle of an answer")
        self.received += more
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end:
            return None
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return int(head[9:12]) if len(body) >= length else None


def _connected(port: int) -> socket.socket:
    connected = socket.create_connection(("127.0.0.1", port), timeout=10)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


def run(
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int,
    most_seconds: float,
    keep_alive: bool = True,
    clock: Callable[[], float] | None = None,
) -> Result:
    """Send *requests*, each once, over so many *connections*, until they are used up or the time is.

    Without *keep_alive* each request has a connection of its own, and its latency begins once that is open. *clock*:
    what else is read when a request is sent, and when its answer is there.
    """
    result = Result()
    waiting = iter(range(len(requests)))
    with selectors.DefaultSelector() as selector:
        open_ = [_Connection(port) for _ in range(min(connections, len(requests)))]
        try:
            began = time.perf_counter()
            busy = 0
            for connection in open_:
                selector.register(connection.socket, selectors.EVENT_READ, connection)
                place = next(waiting)
                connection.clock_at = clock() if clock else 0.0
                connection.send(place, requests[place])
                busy += 1
            while busy:
                for key, _ in selector.select(timeout=10):
                    connection = key.data
                    status = connection.status()
                    if status is None:
                        continue
                    now = time.perf_counter()
                    result.latencies.append(now - connection.sent_at)
                    if clock:
                        read = clock()
                        result.used.append(read - connection.clock_at)
                        connection.clock_at = read
                    if 200 <= status < 300:
                        result.answered.append(connection.place)
                    else:
                        result.others[status] = result.others.get(status, 0) + 1
                    place = next(waiting, -1) if now - began < most_seconds else -1
                    if place < 0:
                        busy -= 1
                        continue
                    if not keep_alive:
                        selector.unregister(connection.socket)
                        connection.connect()
                        selector.register(connection.socket, selectors.EVENT_READ, connection)
                    connection.send(place, requests[place])
            result.seconds = time.perf_counter() - began
        finally:
            for connection in open_:
                connection.socket.close()
    return result
