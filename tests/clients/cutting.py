"""A proxy in front of a server, whose connections can be cut: the network trouble of a test."""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Lock, Thread
from urllib.parse import urlsplit


class Cutting:
    """Passes on what it gets for the server at *url*.

    `lose`: how many of the next responses are lost, once the server has sent them.
    """

    def __init__(self, url: str) -> None:
        self._server = urlsplit(url)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.lose = 0
        self._down = False
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cut all connections."""
        with self._lock:
            opened = list(self._open)
        for each in opened:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """Cut all connections, and each new one, until `go_on`."""
        self._down = True
        self.cut()

    def go_on(self) -> None:
        self._down = False

    def close(self) -> None:
        """Cut all connections, and take no more."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                if self._down:
                    client.close()
                    continue
                server = socket.create_connection((self._server.hostname or "", self._server.port or 80))
                with self._lock:
                    self._open |= {client, server}
                Thread(target=self._pass, args=(client, server, False), daemon=True).start()
                Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, responses: bool) -> None:
        with suppress(OSError):
            while part := source.recv(65536):
                if responses and self._loses():
                    break
                target.sendall(part)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open -= {source}
        source.close()

    def _loses(self) -> bool:
        with self._lock:
            loses, self.lose = self.lose > 0, max(0, self.lose - 1)
        return loses
