"""The faults of `benchmarks/chaos.py`: each is a function of the server that has it, and a line in FAULTS."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random
from typing import Final, Protocol


class Target(Protocol):
    """The server that has the faults."""

    @property
    def master(self) -> int:
        """The process id of gunicorn's master."""

    @property
    def workers(self) -> list[int]:
        """The process ids of its workers."""

    @property
    def store(self) -> int | None:
        """The process id of the embedded store; None while it is away."""

    def stop(self) -> None:
        """Stop it gently; it is started again."""


def kill_worker(target: Target, chance: Random) -> None:
    """One worker ends in the middle of its work; the master starts another one."""
    if workers := target.workers:
        _kill(chance.choice(workers))


def kill_workers(target: Target, _: Random) -> None:
    """All workers end."""
    for worker in target.workers:
        _kill(worker)


def kill_master(target: Target, _: Random) -> None:
    """The master ends; its workers notice that and end, and the store goes on."""
    _kill(target.master)


def kill_store(target: Target, _: Random) -> None:
    """The embedded store ends; the master starts it again, and it reads its file."""
    if store := target.store:
        _kill(store)


def freeze_store(target: Target, chance: Random) -> None:
    """The store replies to nobody for a while: events wait on disk meanwhile."""
    if store := target.store:
        _send(store, signal.SIGSTOP)
        time.sleep(chance.uniform(0.2, 2.0))
        _send(store, signal.SIGCONT)


def kill_all(target: Target, chance: Random) -> None:
    """All end, as in a power cut."""
    kill_store(target, chance)
    kill_master(target, chance)


def reload(target: Target, _: Random) -> None:
    """The workers are replaced."""
    _send(target.master, signal.SIGHUP)


def restart(target: Target, _: Random) -> None:
    """It is stopped and started."""
    target.stop()


# Name -> the fault, and how often it is chosen compared with the others.
Faults = Mapping[str, tuple[Callable[[Target, Random], None], int]]
FAULTS: Final[Faults] = {
    "worker": (kill_worker, 8),
    "workers": (kill_workers, 3),
    "master": (kill_master, 2),
    "store": (kill_store, 4),
    "freeze": (freeze_store, 2),
    "all": (kill_all, 1),
    "reload": (reload, 1),
    "restart": (restart, 1),
}


def _kill(pid: int) -> None:
    _send(pid, signal.SIGKILL)


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):  # it has ended by itself
        os.kill(pid, number)
