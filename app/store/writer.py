"""One writer per process: requests in flight share its round trips (group commit).

While one exchange is under way the next requests gather, and go out together in the next one.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from redis.exceptions import RedisError

from app.store.errors import StoreUnavailable
from app.store.link import Address, Command, Link, unavailable

log = logging.getLogger(__name__)

MOST_AT_ONCE = 256
MOST_WAITING = 10_000  # records of answers that wait for Redis to come back
TRY_AGAIN_SECONDS = 1.0
COUNT = "HINCRBY"
# Why Redis may be away and come back; all else it says is a fault of the command.
PASSING = frozenset((
    "timeout", "refused", "loading", "readonly", "oom", "cluster", "moved", "moving", "misconf", "masterdown",
    "clusterdown", "noreplicas", "noauth", "protocol",
))  # fmt: skip


class _Job:
    """Commands of one request, and a place for what comes of them."""

    __slots__ = ("commands", "done", "replies")

    def __init__(self, commands: Sequence[Command]) -> None:
        self.commands = commands
        self.done = threading.Event()
        self.replies: list[Any] = []


class Writer:
    """Hands commands to Redis on one connection. Its thread starts with the first of them, after any fork."""

    def __init__(self, address: Address, *, seconds: float) -> None:
        """*seconds*: how long a request waits for its commands, whatever happens to them later."""
        self._link = Link(address)
        self._seconds = seconds
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._waiting: deque[Command] = deque()
        self._tallies: Counter[tuple[bytes, str]] = Counter()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self.lost = 0  # commands of `later` that were given up

    def now(self, commands: Sequence[Command], until: float | None = None) -> list[Any]:
        """Send *commands* and return their replies, by the time *until* (monotonic) if one request has several to send.

        Raises StoreUnavailable if one of them failed or there was no reply in time; they may still have been carried
        out, so each of them must bear repeating.
        """
        job = _Job(commands)
        self._put(job)
        if not job.done.wait(self._seconds if until is None else max(0.0, until - monotonic())):
            raise StoreUnavailable("timeout", f"nothing within {self._seconds} s")
        for reply in job.replies:
            if isinstance(reply, RedisError):
                raise unavailable(reply) from reply
        return job.replies

    def later(self, command: Command) -> None:
        """Send *command* some time; while Redis is away it waits. Lost with the process, or with too many before it."""
        if len(self._waiting) >= MOST_WAITING:
            self.lost += 1
            return
        self._waiting.append(command)
        self._put(_Job(()))

    def count(self, key: bytes, name: str) -> None:
        """Add 1 to the field *name* of the hash *key* some time. However many, they take no place of `later`."""
        first = not self._tallies
        self._tallies[key, name] += 1
        if first:
            self._put(_Job(()))

    @property
    def waiting(self) -> int:
        """Commands of `later` that Redis has not taken yet."""
        return len(self._waiting)

    def close(self, seconds: float = 2.0) -> None:
        """Send what is still there, for at most *seconds*."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(seconds)
        if self._waiting:
            self.lost += len(self._waiting)
            log.error("records of %d answers were lost: Redis was away until the end", len(self._waiting))

    def _put(self, job: _Job) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
                    self._thread.start()
        self._queue.put(job)

    def _run(self) -> None:
        closing, try_again, refused = False, 0.0, list[Command]()
        while not closing or (self._has_late and not refused):
            jobs: list[_Job] = []
            try:
                job = self._queue.get(timeout=0 if closing else TRY_AGAIN_SECONDS if self._has_late else None)
                while True:
                    if job is None:
                        closing = True
                        break
                    jobs.append(job)
                    if len(jobs) >= MOST_AT_ONCE:
                        break
                    job = self._queue.get_nowait()
            except Empty:
                pass
            late = self._take_late() if closing or monotonic() >= try_again else []
            try:
                refused = self._exchange(jobs, late)
            except Exception:  # whatever it is, the next request must find a writer
                log.exception("the writer met an error of ours")
                self._link.close()
                refused = late
            if refused:
                self._put_back(refused)
                try_again = monotonic() + TRY_AGAIN_SECONDS
            elif self._has_late and not closing and monotonic() >= try_again:
                self._queue.put(_Job(()))
        self._link.close()

    @property
    def _has_late(self) -> bool:
        return bool(self._waiting or self._tallies)

    def _take_late(self) -> list[Command]:
        late = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
        tallies, self._tallies = self._tallies, Counter()
        return late + [Command(key, (COUNT, key, name, number)) for (key, name), number in tallies.items()]

    def _put_back(self, late: Sequence[Command]) -> None:
        for command in reversed(late):
            if command.args[0] == COUNT:
                _, key, name, number = command.args
                self._tallies[key, name] += number
            else:
                self._waiting.appendleft(command)

    def _exchange(self, jobs: Sequence[_Job], late: Sequence[Command]) -> list[Command]:
        """Send it all; return those of *late* that are to be sent again: Redis was away."""
        commands = [command for job in jobs for command in job.commands]
        commands += late
        if not commands:
            return []
        replies = self._link.exchange(commands)
        place = 0
        for job in jobs:
            job.replies = replies[place : place + len(job.commands)]
            place += len(job.commands)
            job.done.set()
        refused = []
        for command, reply in zip(late, replies[place:], strict=True):
            if isinstance(reply, RedisError):
                if unavailable(reply).reason in PASSING:
                    refused.append(command)
                else:
                    self.lost += 1
                    log.error("Redis will not do what was to be done some time: %s", unavailable(reply))
        return refused
