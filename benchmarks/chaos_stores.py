"""The stores of `benchmarks/chaos.py`: the embedded one, and a primary with its replica, as hosted Redis has them."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Final, Protocol

from redis import Redis
from redis.exceptions import RedisError

from config.embedded import Engine
from tests.engines import Node, follow, free_ports, is_replica, wait_until

REPLY_SECONDS: Final = 30.0  # longer than a script of the faults
PIECE: Final = 256  # bytes that a slow relay passes on at a time
# Each write is on disk before its reply, as in the embedded store: who is killed comes back with what was acknowledged.
ON_DISK: Final = ("--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0")


class Store(Protocol):
    """Where the server keeps its calls."""

    @property
    def settings(self) -> Mapping[str, str]:
        """The server's settings for it."""

    @property
    def client(self) -> Redis:
        """A client of the node that takes writes."""

    @property
    def pid(self) -> int | None:
        """The process id of that node; None while it is away."""

    def end(self, number: int, away: float) -> None:
        """End that node by the signal of this *number*. It comes back with its data, after *away* seconds at least."""

    def wait_for_replica(self) -> None:
        """Return once the store is there and, if a replica must confirm what is written, that has all that was."""

    def close(self) -> None:
        """End what runs of it."""


class Embedded:
    """The store that the server starts itself, in its DATA_DIR, and again when it has ended."""

    settings: Mapping[str, str] = {}

    def __init__(self, data: Path) -> None:
        self._engine = Engine(data)
        self.client = Redis.from_url(self._engine.url, socket_timeout=REPLY_SECONDS)

    @property
    def pid(self) -> int | None:
        return self._engine.pid()

    def end(self, number: int, away: float) -> None:  # noqa: ARG002 - the server decides when
        if pid := self.pid:
            send(pid, number)

    def wait_for_replica(self) -> None:
        wait_for(self)  # there is none

    def close(self) -> None:
        self.client.close()


class Pair:
    """A primary and its replica behind one address; what is written counts as kept once both have it."""

    def __init__(self) -> None:
        self.primary, self.replica = (Node(port=port, options=ON_DISK) for port in free_ports(2))
        for node in (self.primary, self.replica):
            node.start()
            node.ready()
        follow(self.replica, self.primary)
        self.relay = Relay(self.primary.port)
        self.settings: Mapping[str, str] = {
            "REDIS_URL": f"redis://127.0.0.1:{self.relay.port}",
            "REDIS_WAIT_REPLICAS": "1",
        }

    @property
    def client(self) -> Redis:
        return self.primary.client

    @property
    def pid(self) -> int | None:
        return self.primary.process.pid if self.primary.process else None

    def end(self, number: int, away: float) -> None:
        self._end(number)
        time.sleep(away)
        self.primary.start()

    def fail_over(self, away: float) -> None:
        """The primary is killed, its replica takes over *away* seconds later, and the killed one comes back as its."""
        self.wait_for_replica()  # nobody promotes one that lacks something
        self._end(signal.SIGKILL)
        time.sleep(away)
        self.replica.client.replicaof("NO", "ONE")
        self._swap()
        self.replica.start("--replicaof", f"127.0.0.1 {self.primary.port}")

    def hand_over(self) -> None:
        """Both change places; connections to the former primary stay open. https://valkey.io/commands/failover/"""
        self.wait_for_replica()
        self.client.execute_command("FAILOVER")
        wait_until(lambda: self.replica.client.info("replication")["role"] == "master", "the replica takes over")
        self._swap()

    def wait_for_replica(self) -> None:
        wait_until(lambda: is_replica(self.replica), "the replica has all of its primary")

    def close(self) -> None:
        self.relay.close()
        for node in (self.primary, self.replica):
            node.remove()

    def _end(self, number: int) -> None:
        if process := self.primary.process:
            process.send_signal(number)
            process.wait(REPLY_SECONDS)
        self.primary.kill()  # and what watches over it

    def _swap(self) -> None:
        self.primary, self.replica = self.replica, self.primary
        self.relay.to = self.primary.port


class Relay:
    """Passes connections on to the port *to*; while it has a *pause*, in small pieces, each after so many seconds."""

    def __init__(self, to: int) -> None:
        (self.port,) = free_ports(1)
        self.to, self.pause = to, 0.0
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._thread = Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take no more connections."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return  # it is closed
            Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self.to)) as node:
            for end in (client, node):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = Thread(target=self._pass_on, args=(node, client), daemon=True)
            back.start()
            self._pass_on(client, node)
            back.join()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(PIECE if self.pause else 65536):
                time.sleep(self.pause)
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def wait_for(store: Store) -> None:
    """Return once *store* replies, and has loaded its file."""

    def replies() -> bool:
        with suppress(RedisError):
            return bool(store.client.ping())
        return False

    wait_until(replies, "the store replies")


def send(pid: int, number: int) -> None:
    """Send the signal of this *number* to a process that may have ended by itself."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
