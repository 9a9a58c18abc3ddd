"""Sending commands to Redis, many at once, to one node or to a cluster; each gets its reply or its error.

redis-py brings the connections, the protocol and the cluster's slots. Its pipelines are not used: the cluster's refuses
`evalsha` and sends to one node after the other. Here a command goes to its node together with all others for that node,
and all nodes are written to before the first is read. Nothing is retried here: the caller knows how long it may take. A
slot that has moved is followed; one that is moving (ASK, TRYAGAIN) is away: half of its keys are on another node.
"""

from __future__ import annotations

import select
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from time import monotonic
from typing import Any, NamedTuple, Protocol, cast

from hiredis import pack_command
from redis import Redis, RedisCluster
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import (
    MovedError,
    NoScriptError,
    RedisError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from app.store import timeouts
from app.store.redis_errors import AWAY, NOT_SENT, NotReplicated, as_redis_error, unavailable
from app.store.scripts import Script
from app.store.sentinel import client_of, is_of_sentinels, read_sentinels

CONFIRMED_WITHIN = 0.6  # of the time for an exchange: by replicas
REFRESH_SECONDS = 1.0  # how often a cluster's slots are read again, while one of its nodes is away


class Command(NamedTuple):
    """A command, or a script, on keys of one slot. `key` decides the node; without a script `args` is the command."""

    key: bytes
    args: tuple[Any, ...]
    script: Script | None = None
    keys: tuple[bytes, ...] = ()

    def words(self, *, whole_script: bool = False) -> tuple[Any, ...]:
        """The words that are sent."""
        if self.script is None:
            return self.args
        how = (b"EVAL", self.script.body) if whole_script else (b"EVALSHA", self.script.sha)
        return (*how, len(self.keys), *self.keys, *self.args)


class Address(NamedTuple):
    """Where Redis is. `url` as redis-py reads it: redis://, rediss://, unix://.

    *replicas*: how many of them confirm what is written, before it counts as kept.
    """

    url: str
    cluster: bool = False
    tls_verify: bool = False
    replicas: int = 0

    @property
    def place(self) -> str:
        """Where that is, without the user and the password: localhost:6379, /run/redis.sock."""
        if is_of_sentinels(self.url):
            return read_sentinels(self.url).place
        parts: dict[str, Any] = parse_url(self.url)  # type: ignore[no-untyped-call]
        return parts.get("path") or f"{parts.get('host', 'localhost')}:{parts.get('port', 6379)}"

    def options(self) -> dict[str, Any]:
        """The options of every connection of redis-py."""
        options: dict[str, Any] = {
            "socket_connect_timeout": timeouts.CONNECT_SECONDS,
            "socket_timeout": timeouts.READ_SECONDS,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "driver_info": None,  # no CLIENT SETINFO: two round trips before the first command
        }
        if self.url.startswith("rediss") and not self.tls_verify:
            options["ssl_cert_reqs"] = "none"
            options["ssl_check_hostname"] = False
        return options


class Connection(Protocol):
    """What we use of redis-py's connections, which have no types."""

    @property
    def is_connected(self) -> bool: ...
    def connect(self) -> None: ...
    def send_packed_command(self, command: list[bytes]) -> None: ...
    def read_response(self, disable_decoding: bool, *, timeout: float) -> Any: ...  # raises it if it is an error
    def can_read(self) -> bool: ...  # raises ConnectionError if the other end has closed
    def disconnect(self) -> None: ...


class Link:
    """Connections to the node, or to each node of the cluster. Not for two threads at once.

    *replicas*: how many of each node confirm what is sent, before it counts as carried out.
    """

    def __init__(self, address: Address, *, replicas: int = 0) -> None:
        self._address, self._replicas = address, replicas
        self._nodes: dict[str, Connection] = {}
        self._cluster: RedisCluster | None = None
        self._until = 0.0  # when the exchange under way times out
        self._patient = False  # whether that is long enough to say that a silent node hangs
        self._hung: dict[str, float] = {}  # node -> until when it is left out
        self._refresh_at: float | None = None  # when to read the slots again: a node is away, they may have moved

    def exchange(self, commands: Sequence[Command], seconds: float | None = None) -> list[Any]:
        """Send *commands*; returns for each its reply or its RedisError. Never raises a RedisError.

        *seconds* is how long to wait for all replies together: READ_SECONDS, if it is not given.
        """
        try:
            self._find_nodes()
        except AWAY as error:
            self.close()
            return [as_redis_error(error)] * len(commands)
        seconds = timeouts.READ_SECONDS if seconds is None else seconds
        self._until, self._patient = monotonic() + seconds, seconds >= timeouts.READ_SECONDS
        replies = self._send(commands)
        moved = [index for index, reply in enumerate(replies) if isinstance(reply, MovedError)]
        if moved and self._cluster is not None:
            for index in moved:
                self._cluster.nodes_manager.move_slot(replies[index])
            self._send_again(commands, replies, moved)
        unknown = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            self._send_again(commands, replies, unknown, whole_script=True)
        return replies

    def close(self) -> None:
        """Close all connections; a later exchange opens new ones."""
        for connection in self._nodes.values():
            connection.disconnect()
        self._nodes.clear()
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None

    def _send_again(
        self, commands: Sequence[Command], replies: list[Any], indexes: Sequence[int], *, whole_script: bool = False
    ) -> None:
        again = [commands[index] for index in indexes]
        for index, reply in zip(indexes, self._send(again, whole_script=whole_script), strict=True):
            replies[index] = reply

    def _send(self, commands: Sequence[Command], *, whole_script: bool = False) -> list[Any]:
        replies: list[Any] = [None] * len(commands)
        sent: list[tuple[str, Connection, list[int]]] = []
        for node, indexes in self._by_node(commands, replies):
            try:
                try:
                    connection = self._connection(node)
                except AWAY as error:
                    error.add_note(NOT_SENT)
                    raise
                words = [commands[index].words(whole_script=whole_script) for index in indexes]
                if self._replicas:
                    words += confirmation(commands[indexes[0]].key, self._replicas, self._until - monotonic())
                # All at once, past redis-py's own packing, which takes three times as long and sends each 6,000 bytes.
                connection.send_packed_command([b"".join(map(pack_command, words))])
                sent.append((node, connection, indexes))
            except AWAY as error:
                self._drop(node, error)
                for index in indexes:
                    replies[index] = as_redis_error(error)
        for node, connection, indexes in sent:
            broken, has_moved = None, False
            for index in indexes:
                try:
                    left = max(self._until - monotonic(), 0.001)
                    replies[index] = broken or connection.read_response(disable_decoding=True, timeout=left)
                except (RedisConnectionError, RedisTimeoutError, OSError) as error:
                    self._drop(node, error)
                    replies[index] = broken = as_redis_error(error)
                except RedisError as error:
                    replies[index] = error
                    has_moved = has_moved or unavailable(error).reason == "readonly"
            if self._replicas and broken is None:
                self._confirm(node, connection, indexes, replies)
            if has_moved:
                # The primary became a replica; its name, as hosted ones have it, may lead to the new primary by now.
                # https://github.com/redis/ioredis#reconnect-on-error
                connection.disconnect()
        return replies

    def _confirm(self, node: str, connection: Connection, indexes: Sequence[int], replies: list[Any]) -> None:
        """Read what `confirmation` asked; without enough replicas no reply says any more that a command is done."""
        missing: RedisError | None = None
        for _ in range(CONFIRMATION):
            try:
                found = connection.read_response(disable_decoding=True, timeout=max(self._until - monotonic(), 0.001))
            except (RedisConnectionError, RedisTimeoutError, OSError) as error:
                self._drop(node, error)
                missing = as_redis_error(error)
                break
            except RedisError as error:  # of the mark: its slot is moving, or its node takes no writes now
                missing = error
        if missing is None and found < self._replicas:
            missing = NotReplicated(f"{found} of {self._replicas} replicas confirmed (REDIS_WAIT_REPLICAS)")
        if missing is not None:
            for index in indexes:
                if not isinstance(replies[index], RedisError):
                    replies[index] = missing

    def _find_nodes(self) -> None:
        """Read the cluster's slots: the first time at once; again, when that is due, beside the exchanges.

        The node that they are read from may hang, and no exchange must wait for it.
        """
        if not self._address.cluster:
            return
        if self._cluster is None:
            self._cluster = RedisCluster.from_url(self._address.url, **self._address.options())
        elif self._refresh_at is not None and monotonic() >= self._refresh_at:
            self._refresh_at = None
            threading.Thread(target=_read_slots, args=(self._cluster,), name="slots", daemon=True).start()

    def _by_node(self, commands: Sequence[Command], replies: list[Any]) -> Iterable[tuple[str, list[int]]]:
        """The indexes of the *commands* for each node; the error of a slot that no node has goes to *replies*."""
        if self._cluster is None:
            return [("", list(range(len(commands))))]
        groups: dict[str, list[int]] = {}
        for index, command in enumerate(commands):
            slot = cast("Any", self._cluster).keyslot(command.key)
            try:
                node = self._cluster.nodes_manager.get_node_from_slot(slot)
            except AWAY as error:
                replies[index] = as_redis_error(error)
                self._refresh_soon()
            else:
                groups.setdefault(node.name, []).append(index)
        return groups.items()

    def _connection(self, node: str) -> Connection:
        if monotonic() < self._hung.get(node, 0.0):
            raise RedisTimeoutError("it timed out a moment ago")
        self._hung.pop(node, None)
        if node not in self._nodes:
            if is_of_sentinels(self._address.url):
                client = client_of(self._address.url, self._address.options())
            elif self._cluster is None:
                client = Redis.from_url(self._address.url, **self._address.options())
            else:
                cluster = cast("Any", self._cluster)
                known = cluster.get_node(node_name=node)
                if known is None:  # the slots were read again just now
                    raise RedisConnectionError(f"{node} has left the cluster")
                client = cluster.get_redis_connection(known)
            self._nodes[node] = cast("Connection", client.connection_pool.make_connection())
        connection = self._nodes[node]
        if connection.is_connected and _was_cut(connection):
            connection.disconnect()
        if not connection.is_connected:
            connection.connect()  # it asks Sentinels where the primary is, which sending would not
        return connection

    def _drop(self, node: str, error: Exception) -> None:
        """Close a connection. The other nodes of a cluster go on; the slots are read again in a while."""
        if node in self._nodes:
            self._nodes[node].disconnect()
        if isinstance(error, RedisTimeoutError) and self._address.cluster and self._patient:
            self._hung.setdefault(node, monotonic() + timeouts.HUNG_SECONDS)
        self._refresh_soon()

    def _refresh_soon(self) -> None:
        if self._refresh_at is None:
            self._refresh_at = monotonic() + REFRESH_SECONDS


CONFIRMATION = 2  # commands


def confirmation(key: bytes, replicas: int, seconds: float) -> list[tuple[Any, ...]]:
    """Commands after which the node of *key* says how many replicas have all that is in it by now.

    WAIT waits for what was last written over the same connection, to the node at its other end. A repeat may have
    written nothing, because its first copy came over another connection, from which it may not have got any further: so
    there is something to write. https://redis.io/docs/latest/commands/wait/
    """
    tag = key[: key.find(b"}") + 1] or b"{" + key + b"}"
    milliseconds = max(1, int(min(seconds, timeouts.READ_SECONDS) * 1000 * CONFIRMED_WITHIN))
    return [("SET", tag + b"confirmed", b"", "PX", 10_000), ("WAIT", replicas, milliseconds)]


def _read_slots(cluster: RedisCluster) -> None:
    with suppress(*AWAY):  # no node replies: the slots as we knew them are the best guess
        cluster.nodes_manager.initialize()


@cache
def _poll() -> Any:
    """The system's poll: gevent's goes through its loop, which took a tenth of an event's time with one sender."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey.get_original("select", "poll") if monkey else select.poll


def _was_cut(connection: Connection) -> bool:
    """Whether the other end has closed it: Redis was restarted, or we were idle (hosted ones close after 300 s)."""
    if (client := getattr(connection, "_sock", None)) is not None:  # redis-py's own name; without it: the slower way
        poll = _poll()()
        poll.register(client, select.POLLIN)
        if not poll.poll(0):
            return False
    try:
        return connection.can_read()
    except RedisConnectionError:
        return True
