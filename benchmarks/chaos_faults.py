"""The faults of `benchmarks/chaos.py`: each is a function of the server that has it, and a line in FAULTS."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple, Protocol, cast

from app.spool.file import SpoolFile
from benchmarks.chaos_stores import REPLY_SECONDS, Pair, Store, send, wait_for

LEAST_SECONDS, MOST_SECONDS = 0.2, 2.0  # that a fault of the store lasts
SLOWEST: Final = 0.3  # seconds before each piece of a reply
SPOOL_MB: Final = 8  # SPOOL_MAX_MB of the server: more than waits between two faults
FILLED_BYTES: Final = 2 * SPOOL_MB * 1024 * 1024
BUSY_AFTER: Final = "busy-reply-threshold"  # milliseconds: https://valkey.io/commands/eval/
# Its clock is the processor time of the store, so it takes as long or longer.
BUSY: Final = "local over = os.clock() + ARGV[1] while os.clock() < over do end"


class Target(Protocol):
    """The server that has the faults."""

    @property
    def master(self) -> int:
        """The process id of gunicorn's master."""

    @property
    def workers(self) -> list[int]:
        """The process ids of its workers."""

    @property
    def store(self) -> Store:
        """Where it keeps its calls."""

    @property
    def data(self) -> Path:
        """Its DATA_DIR."""

    @property
    def full(self) -> AbstractContextManager[Any]:
        """To be entered while its disk takes nothing."""

    @property
    def nowhere(self) -> AbstractContextManager[Any]:
        """To be entered while the store has a fault as well, so that 503 is right."""

    def stop(self) -> None:
        """Stop it gently; it is started again."""


Fault = Callable[[Target, Random], None]
Trouble = Callable[[Target, Random], AbstractContextManager[None]]  # the store or the disk has it until it is left


def kill_worker(target: Target, chance: Random) -> None:
    """One worker ends in the middle of its work; the master starts another one."""
    if workers := target.workers:
        send(chance.choice(workers), signal.SIGKILL)


def kill_workers(target: Target, _: Random) -> None:
    """All workers end."""
    for worker in target.workers:
        send(worker, signal.SIGKILL)


def kill_master(target: Target, _: Random) -> None:
    """The master ends; its workers notice that and end, and the store goes on."""
    send(target.master, signal.SIGKILL)


def kill_store(target: Target, chance: Random) -> None:
    """The store ends; it is started again, and reads its file."""
    wait_for(target.store)
    target.store.end(signal.SIGKILL, _seconds(chance))


def stop_store(target: Target, chance: Random) -> None:
    """The same, but it ends gently."""
    wait_for(target.store)
    target.store.end(signal.SIGTERM, _seconds(chance))


def kill_all(target: Target, chance: Random) -> None:
    """All end, as in a power cut."""
    kill_store(target, chance)
    kill_master(target, chance)


def reload(target: Target, _: Random) -> None:
    """The workers are replaced."""
    send(target.master, signal.SIGHUP)


def restart(target: Target, _: Random) -> None:
    """It is stopped and started."""
    target.stop()


def fail_over(target: Target, chance: Random) -> None:
    """The primary is killed, and its replica takes over."""
    cast("Pair", target.store).fail_over(_seconds(chance))


def hand_over(target: Target, _: Random) -> None:
    """Primary and replica change places."""
    cast("Pair", target.store).hand_over()


@contextmanager
def frozen(target: Target, _: Random) -> Iterator[None]:
    """The store replies to nobody."""
    if not (pid := target.store.pid):
        raise ProcessLookupError("the store has no process")
    send(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        send(pid, signal.SIGCONT)


@contextmanager
def replica_frozen(target: Target, _: Random) -> Iterator[None]:
    """The primary takes all, but nothing counts as kept, because its replica confirms nothing."""
    replica = cast("Pair", target.store).replica
    replica.freeze()
    try:
        yield
    finally:
        replica.thaw()


@contextmanager
def read_only(target: Target, _: Random) -> Iterator[None]:
    """The store is the replica of a primary that is not there."""
    target.store.client.replicaof("127.0.0.1", 1)
    try:
        yield
    finally:
        target.store.client.replicaof("NO", "ONE")
        target.store.wait_for_replica()


@contextmanager
def full_memory(target: Target, _: Random) -> Iterator[None]:
    """The store has no memory for any write."""
    target.store.client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        target.store.client.config_set("maxmemory", 0)


@contextmanager
def slow(target: Target, chance: Random) -> Iterator[None]:
    """What goes to the store and comes from it is slow as treacle."""
    relay = cast("Pair", target.store).relay
    relay.pause = chance.uniform(0.01, SLOWEST)
    try:
        yield
    finally:
        relay.pause = 0.0


def busy(target: Target, chance: Random) -> None:
    """A script runs for long: the store replies BUSY to everybody else."""
    client = target.store.client
    wait_for(target.store)
    client.config_set(BUSY_AFTER, 50)
    client.eval(BUSY, 0, _seconds(chance))
    client.config_set(BUSY_AFTER, 5000)


@contextmanager
def full_disk(target: Target, _: Random) -> Iterator[None]:
    """The spool has no room but on the pages that it has begun, because something else in it takes all of SPOOL_MAX_MB.

    To SQLite that is the same as a full disk: https://www.sqlite.org/rescode.html#full
    """
    with closing(SpoolFile(target.data, SPOOL_MB)) as file:
        file.probe()  # it is made with the first event
    with target.full, closing(sqlite3.connect(file.path, timeout=REPLY_SECONDS, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE ballast AS SELECT zeroblob(?) AS bytes", (FILLED_BYTES,))
        try:
            yield
        finally:
            connection.execute("DROP TABLE ballast")


def fill_disk(target: Target, chance: Random) -> None:
    """The disk is full, and nobody notices: the store takes all."""
    target.store.wait_for_replica()
    with full_disk(target, chance):
        time.sleep(_seconds(chance))


def nowhere(target: Target, chance: Random) -> None:
    """The disk is full while the store is away; either begins first, and ends last."""
    away: Trouble = chance.choice([frozen, full_memory, read_only])
    first, second = chance.sample([away, full_disk], 2)
    target.store.wait_for_replica()
    with first(target, chance):
        time.sleep(_seconds(chance))
        with target.nowhere, second(target, chance):
            time.sleep(_seconds(chance))
        time.sleep(_seconds(chance))


def _for_a_while(trouble: Trouble) -> Fault:
    def fault(target: Target, chance: Random) -> None:
        wait_for(target.store)
        with trouble(target, chance):
            time.sleep(_seconds(chance))

    return fault


def _seconds(chance: Random) -> float:
    return chance.uniform(LEAST_SECONDS, MOST_SECONDS)


class Kind(NamedTuple):
    """A fault, how often it is chosen compared with the others, and what of the server it concerns."""

    fault: Fault
    weight: int
    of: str


SERVER, STORE, PAIR = "server", "store", "pair"  # pair: a store with a replica, behind a relay
FAULTS: Final[Mapping[str, Kind]] = {
    "worker": Kind(kill_worker, 8, SERVER),
    "workers": Kind(kill_workers, 3, SERVER),
    "master": Kind(kill_master, 2, SERVER),
    "all": Kind(kill_all, 1, SERVER),
    "reload": Kind(reload, 1, SERVER),
    "restart": Kind(restart, 1, SERVER),
    "store": Kind(kill_store, 4, STORE),
    "stop": Kind(stop_store, 1, STORE),
    "frozen": Kind(_for_a_while(frozen), 2, STORE),
    "read-only": Kind(_for_a_while(read_only), 1, STORE),
    "full memory": Kind(_for_a_while(full_memory), 1, STORE),
    "busy": Kind(busy, 1, STORE),
    "full disk": Kind(fill_disk, 1, STORE),
    "nowhere": Kind(nowhere, 2, STORE),
    "slow": Kind(_for_a_while(slow), 2, PAIR),
    "fail-over": Kind(fail_over, 2, PAIR),
    "hand-over": Kind(hand_over, 2, PAIR),
    "replica": Kind(_for_a_while(replica_frozen), 1, PAIR),
}
