"""The way to Redis: many commands out in one go, each one's reply or error back, on one node or on a cluster.

redis-py brings the connections, the protocol and the cluster's slots. Its pipelines are not used: the cluster's refuses
`evalsha` and sends to one node after the other; a command here goes to its node together with all others for that node,
and all nodes are written to before the first is read. No retry inside: whoever asked knows how long there is. A slot
that was moved is followed; one that is just moving (ASK, TRYAGAIN) is away: half of a partition's keys lie elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple, Protocol, cast

from redis import Redis, RedisCluster
from redis.backoff import NoBackoff
from redis.exceptions import ClusterError, MovedError, NoScriptError, RedisClusterException, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from app.store.errors import StoreUnavailable
from app.store.scripts import Script

CONNECT_SECONDS = 0.2
READ_SECONDS = 0.4
NAMES = {
    "BusyLoadingError": "loading",
    "ReadOnlyError": "readonly",
    "OutOfMemoryError": "oom",
    "AuthenticationError": "noauth",
    "MovedError": "moved",  # a cluster, and REDIS_CLUSTER is not set
    "AskError": "moving",
    "TryAgainError": "moving",
}
HUNG_SECONDS = 1.0  # how long a node of a cluster that let us wait is not asked again: the others must not wait for it
LOOK_AGAIN_SECONDS = 1.0  # how often a cluster is asked who has which slots, while one of its nodes is away
AWAY = (RedisError, RedisClusterException, OSError)  # the second of them is no RedisError


class Command(NamedTuple):
    """A command, or a script, on keys of one slot. `key` decides the node; without a script `args` is all of it."""

    key: bytes
    args: tuple[Any, ...]
    script: Script | None = None
    keys: tuple[bytes, ...] = ()

    def words(self, *, whole_script: bool = False) -> tuple[Any, ...]:
        """What goes over the wire."""
        if self.script is None:
            return self.args
        how = (b"EVAL", self.script.body) if whole_script else (b"EVALSHA", self.script.sha)
        return (*how, len(self.keys), *self.keys, *self.args)


class Address(NamedTuple):
    """Where Redis is. `url` as redis-py reads it: redis://, rediss://, unix://."""

    url: str
    cluster: bool = False
    tls_verify: bool = False

    def options(self) -> dict[str, Any]:
        """What redis-py is told about every connection."""
        options: dict[str, Any] = {
            "socket_connect_timeout": CONNECT_SECONDS,
            "socket_timeout": READ_SECONDS,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "driver_info": None,  # no CLIENT SETINFO: two round trips before the first command
        }
        if self.url.startswith("rediss://") and not self.tls_verify:
            options["ssl_cert_reqs"] = "none"
            options["ssl_check_hostname"] = False
        return options


class Connection(Protocol):
    """What is used of redis-py's connections, which carry no types."""

    def pack_commands(self, commands: Iterable[tuple[Any, ...]]) -> list[bytes]:
        """The commands as bytes."""

    def send_packed_command(self, command: list[bytes]) -> None:
        """Send them; connects first, where there is no connection."""

    def read_response(self, disable_decoding: bool, *, timeout: float) -> Any:
        """The next reply, waited for at most *timeout* seconds; raises the error it is."""

    @property
    def is_connected(self) -> bool:
        """Whether it was opened, and not closed by us."""

    def can_read(self) -> bool:
        """Whether something came that nobody waits for; raises ConnectionError if it is the end."""

    def disconnect(self) -> None:
        """Close."""


class Link:
    """One user's connections: to the node, or to each node of the cluster. Not for two threads at once."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._nodes: dict[str, Connection] = {}
        self._cluster: RedisCluster | None = None
        self._until = 0.0  # when the exchange under way is given up
        self._patient = False  # whether who lets us wait through it can be said to hang
        self._hung: dict[str, float] = {}  # node -> until when it is not asked again
        self._look_again: float | None = None  # when to ask for the slots: a node is away, they may be another's by now

    def exchange(self, commands: Sequence[Command], seconds: float = READ_SECONDS) -> list[Any]:
        """Send *commands*; for each its reply, or the RedisError it met. Never raises a RedisError.

        *seconds* is how long to wait for the replies, all of them together.
        """
        self._until, self._patient = monotonic() + seconds, seconds >= READ_SECONDS
        replies = self._send(commands, [command.words() for command in commands])
        moved = [place for place, reply in enumerate(replies) if isinstance(reply, MovedError)]
        if moved and self._cluster is not None:
            for place in moved:
                self._cluster.nodes_manager.move_slot(replies[place])
            self._send_again(commands, replies, moved)
        unknown = [place for place, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            self._send_again(commands, replies, unknown, whole_script=True)
        return replies

    def node_of(self, key: bytes) -> str:
        """The name of the node that holds *key*; empty where there is only one. Raises RedisError."""
        ((node, _),) = self._by_node([Command(key, ())])
        return node

    def close(self) -> None:
        """Close all connections; a later exchange opens new ones."""
        for connection in self._nodes.values():
            connection.disconnect()
        self._nodes.clear()
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None

    def _send_again(
        self, commands: Sequence[Command], replies: list[Any], places: Sequence[int], *, whole_script: bool = False
    ) -> None:
        again = [commands[place] for place in places]
        words = [command.words(whole_script=whole_script) for command in again]
        for place, reply in zip(places, self._send(again, words), strict=True):
            replies[place] = reply

    def _send(self, commands: Sequence[Command], words: Sequence[tuple[Any, ...]]) -> list[Any]:
        replies: list[Any] = [None] * len(commands)
        sent: list[tuple[str, Connection, list[int]]] = []
        try:
            groups = self._by_node(commands)
        except AWAY as error:
            self.close()
            return [_as_redis_error(error)] * len(commands)
        for node, places in groups:
            try:
                if monotonic() < self._hung.get(node, 0.0):
                    raise RedisTimeoutError("it did not answer a moment ago")
                self._hung.pop(node, None)
                connection = self._connection(node)
                connection.send_packed_command(connection.pack_commands(words[place] for place in places))
                sent.append((node, connection, places))
            except AWAY as error:
                self._drop(node, error)
                for place in places:
                    replies[place] = _as_redis_error(error)
        for node, connection, places in sent:
            broken: RedisError | None = None
            for place in places:
                try:
                    left = max(self._until - monotonic(), 0.001)
                    replies[place] = broken or connection.read_response(disable_decoding=True, timeout=left)
                except (RedisConnectionError, RedisTimeoutError, OSError) as error:
                    self._drop(node, error)
                    replies[place] = broken = _as_redis_error(error)
                except RedisError as error:
                    replies[place] = error
        return replies

    def _by_node(self, commands: Sequence[Command]) -> Sequence[tuple[str, list[int]]]:
        if not self._address.cluster:
            return [("", list(range(len(commands))))]
        if self._cluster is None:
            self._cluster = RedisCluster.from_url(self._address.url, **self._address.options())
        elif self._look_again is not None and monotonic() >= self._look_again:
            self._look_again = None
            with suppress(*AWAY):  # none of its nodes knows: what we knew is the best guess
                self._cluster.nodes_manager.initialize()
        groups: dict[str, list[int]] = {}
        for place, command in enumerate(commands):
            node = self._cluster.nodes_manager.get_node_from_slot(cast("Any", self._cluster).keyslot(command.key))
            groups.setdefault(node.name, []).append(place)
        return list(groups.items())

    def _connection(self, node: str) -> Connection:
        if node not in self._nodes:
            if self._cluster is None:
                client = Redis.from_url(self._address.url, **self._address.options())
            else:
                cluster = cast("Any", self._cluster)
                client = cluster.get_redis_connection(cluster.get_node(node_name=node))
            self._nodes[node] = cast("Connection", client.connection_pool.make_connection())
        connection = self._nodes[node]
        if connection.is_connected and _was_cut(connection):
            connection.disconnect()  # sending connects again
        return connection

    def _drop(self, node: str, error: Exception) -> None:
        """Close a connection. The other nodes of a cluster go on; which of them has its slots is asked in a while."""
        if node in self._nodes:
            self._nodes[node].disconnect()
        if isinstance(error, RedisTimeoutError) and self._address.cluster and self._patient:
            self._hung.setdefault(node, monotonic() + HUNG_SECONDS)
        if self._look_again is None:
            self._look_again = monotonic() + LOOK_AGAIN_SECONDS


def _was_cut(connection: Connection) -> bool:
    """Whether the other end has hung up: it was restarted, or we were idle for long (hosted ones cut at 300 s)."""
    try:
        return connection.can_read()
    except RedisConnectionError:
        return True


def _as_redis_error(error: Exception) -> RedisError:
    if isinstance(error, RedisClusterException):
        return ClusterError(str(error))
    return error if isinstance(error, RedisError) else RedisConnectionError(str(error))


def unavailable(error: RedisError) -> StoreUnavailable:
    """*error* in one word. https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors"""
    if isinstance(error, RedisTimeoutError):
        return StoreUnavailable("timeout", f"no reply within {READ_SECONDS} s")
    if isinstance(error, ClusterError):
        return StoreUnavailable("cluster", str(error))
    word = str(error).split(" ", 1)[0].rstrip(":").lower()
    name = NAMES.get(type(error).__name__)
    if name or not isinstance(error, RedisConnectionError):
        return StoreUnavailable(name or word, str(error))
    return StoreUnavailable("refused", str(error))
