"""A proxy in front of a server, whose replies come late: a network, or a Redis, that is slow."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from queue import SimpleQueue
from threading import Thread

from tests.engines import Node, free_ports


class Delaying:
    """Passes on what it gets for *port* of loopback at once, and what comes back after `seconds`."""

    def __init__(self, port: int) -> None:
        self.seconds = 0.0
        self._server = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections; those that are open end with their peers."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._server))
                except OSError:  # it is gone: so is this connection
                    client.close()
                    continue
                replies: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
                Thread(target=_pass_on, args=(client, server), daemon=True).start()
                Thread(target=self._read, args=(server, replies), daemon=True).start()
                Thread(target=_reply, args=(replies, client, server), daemon=True).start()

    def _read(self, server: socket.socket, replies: SimpleQueue[tuple[float, bytes]]) -> None:
        part = b"."
        while part:
            part = b""
            with suppress(OSError):
                part = server.recv(65536)
            replies.put((time.monotonic() + self.seconds, part))


def _pass_on(client: socket.socket, server: socket.socket) -> None:
    with suppress(OSError):
        while part := client.recv(65536):
            server.sendall(part)
    with suppress(OSError):
        server.shutdown(socket.SHUT_WR)


def _reply(replies: SimpleQueue[tuple[float, bytes]], client: socket.socket, server: socket.socket) -> None:
    while True:
        due, part = replies.get()
        time.sleep(max(0.0, due - time.monotonic()))
        if not part:
            break
        with suppress(OSError):  # the client gave up; the rest is read all the same
            client.sendall(part)
    client.close()
    server.close()


@contextmanager
def slow_redis() -> Iterator[Delaying]:
    """A Redis of its own behind a proxy, which passes its replies on at once until `seconds` is set."""
    (port,) = free_ports(1)
    node = Node(port=port)
    try:
        node.start()
        node.ready()
        with closing(Delaying(port)) as slow:
            yield slow
    finally:
        node.remove()
