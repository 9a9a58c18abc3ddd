"""One writer per process: requests in flight share its round trips (group commit).

While one exchange is under way the next requests gather, and go out together in the next one.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain, islice
from queue import SimpleQueue
from time import monotonic
from typing import Any, NamedTuple

from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.store import timeouts
from app.store.batches import next_batch
from app.store.breaker import Breaker
from app.store.errors import StoreUnavailable
from app.store.link import Address, Command, Link
from app.store.redis_errors import NOT_SENT, unavailable
from app.store.spooled import Spill, Spooled, Write
from app.store.tallies import TALLY_SECONDS, Tallied, Tallies, tally_command

log = logging.getLogger(__name__)

MAX_BATCH = 256
MAX_WAITING = 10_000  # records of answers that wait for Redis to come back
RETRY_SECONDS = 1.0
# Errors that stay, because the command or the script is wrong, which is a bug of ours. Any other is waited out.
# https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
LASTING = frozenset(("err", "wrongtype", "crossslot", "noscript"))


class _Job:
    """The commands of one request, and their replies."""

    __slots__ = ("brief", "commands", "done", "replies")

    def __init__(self, commands: Sequence[Command], *, brief: bool = False) -> None:
        self.commands, self.brief = commands, brief
        self.done = threading.Event()
        self.replies: list[Any] = []

    def answer(self, replies: list[Any]) -> None:
        """Let the request go on with *replies*."""
        self.replies = replies
        self.done.set()


class Late(NamedTuple):
    """A command that nobody waits for; `then` makes of its reply what is to be sent after it.

    *spooled*: what to keep on disk while Redis is away. *tallied*: the batch of counts, if it is one.
    """

    command: Command
    then: Callable[[Any], Sequence[Late]] | None = None
    spooled: Spooled | None = None
    tallied: Tallied | None = None


class Writer:
    """Sends commands to Redis on one connection. Its thread starts with the first of them, after any fork."""

    def __init__(self, address: Address) -> None:
        self.spill: Spill | None = None  # where records of answers and counts wait meanwhile; None: in memory
        self._link = Link(address, replicas=address.replicas)
        # A cluster's link leaves out the node that hangs, and no other.
        self._breaker = None if address.cluster else Breaker()
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._away = False  # Redis takes nothing now: until it does, what is sent later goes to the disk at once
        self._waiting: deque[Late] = deque()
        self._tallies = Tallies()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self.lost = 0  # commands of `send_later` that were given up

    def send(self, commands: Sequence[Command], until: float | None = None, *, brief: bool = False) -> list[Any]:
        """Send *commands* and return their replies, before *until* (monotonic) if a request sends several times.

        Raises StoreUnavailable if one of them failed or there was no reply in time (WRITE_SECONDS). They may have been
        carried out all the same, so each of them must be safe to repeat. *brief*: while Redis is known not to reply,
        raise it at once, but for one request a second; for what can be kept elsewhere.
        """
        if brief and self._breaker is not None and not self._breaker.admits():
            raise StoreUnavailable("timeout", "it did not reply a moment ago", sent=False)
        job = _Job(commands, brief=brief)
        self._put(job)
        if not job.done.wait(timeouts.WRITE_SECONDS if until is None else max(0.0, until - monotonic())):
            raise StoreUnavailable("timeout", f"nothing within {timeouts.WRITE_SECONDS} s")
        for reply in job.replies:
            if isinstance(reply, RedisError):
                raise unavailable(reply) from reply
        return job.replies

    def send_unwatched(self, command: Command) -> None:
        """Send *command* now: it does not matter if it fails."""
        self._put(_Job([command]))

    def send_later(
        self,
        command: Command,
        then: Callable[[Any], Sequence[Late]] | None = None,
        spooled: Spooled | None = None,
    ) -> None:
        """Send *command* once Redis takes it, and *then* what follows from its reply.

        While Redis is away *spooled* is put on disk within milliseconds, and nobody waits for that. Without it,
        or if the disk does not take it, it is lost with the process, or if too many are waiting.
        """
        late = Late(command, then, spooled=spooled)
        if self._away and self.spill is not None and spooled is not None:
            self.spill.spill_soon(spooled, lambda: self._wait(late))
        else:
            self._wait(late)

    def _wait(self, late: Late) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self.lost += 1
        else:
            self._waiting.append(late)
            self._put(_Job(()))

    def tally(self, name: str, code: str) -> None:
        """Add 1, later, to the counter *name*, and in the statistics of this minute to *code*; to one, if one is empty.

        Any number of them displaces none of `send_later`. While Redis is away they are put on disk once a second.
        """
        if self._tallies.add(name, code, RETRY_SECONDS if self._away else TALLY_SECONDS):
            self._put(_Job(()))

    @property
    def waiting(self) -> int:
        """Commands of `send_later` that Redis has not taken yet."""
        return len(self._waiting)

    def close(self, seconds: float = 2.0) -> None:
        """Send what is waiting, for at most *seconds*."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join(seconds)
        if self._waiting:
            self.lost += len(self._waiting)
            log.error("lost the records of answers that Redis did not take until the end: %d", len(self._waiting))
        if counts := self._tallies.total():
            log.error("lost counts, of refusals or waits, that Redis did not take until the end: %d", counts)

    def _put(self, job: _Job) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
                    self._thread.start()
        self._queue.put(job)

    def _run(self) -> None:
        closing, retry_at, refused = False, 0.0, list[Late]()
        while not closing or (self._has_late and not refused):
            jobs, is_last = next_batch(self._queue, MAX_BATCH, 0 if closing else self._pause())
            closing = closing or is_last
            if self._away:
                self._spill_late(tallies=closing or self._tallies.pause() <= 0)
            late = self._take_late(closing=closing) if closing or monotonic() >= retry_at else []
            try:
                refused = self._exchange(jobs, late)
            except Exception:  # a bug: the next request must find a running writer all the same
                log.exception("an error of ours in the writer")
                self._link.close()
                refused = late
            if refused:
                self._waiting.extendleft(each for each in reversed(refused) if each.tallied is None)
                self._away, retry_at = True, monotonic() + RETRY_SECONDS
                if self._spill_late(tallies=True):
                    refused = []
                self._tallies.postpone(RETRY_SECONDS)
            elif self._waiting and not closing and monotonic() >= retry_at:
                self._queue.put(_Job(()))
        self._link.close()

    @property
    def _has_late(self) -> bool:
        return bool(self._waiting or self._tallies)

    def _pause(self) -> float | None:
        """How long to wait for the next request. None: until it comes."""
        if self._waiting:
            return RETRY_SECONDS
        return max(self._tallies.pause(), 0.001) if self._tallies else None

    def _take_late(self, *, closing: bool) -> list[Late]:
        late = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
        if (closing or self._tallies.pause() <= 0) and (tallied := self._tallies.batch()):
            late.append(Late(tally_command(tallied), tallied=tallied))
        return late

    def _spill_late(self, *, tallies: bool) -> bool:
        """Let what can wait on disk do so, with the *tallies* if they are due. Returns whether the disk took any."""
        if self.spill is None:
            return False
        waiting = [self._waiting.popleft() for _ in range(len(self._waiting))]
        tallied = self._tallies.batch() if tallies else None
        writes: list[Write] = [late.spooled for late in waiting if late.spooled is not None]
        writes += [tallied] if tallied else []
        spilled = bool(writes) and self.spill.spill(writes)
        if spilled:
            waiting = [late for late in waiting if late.spooled is None]
            self._tallies.done(tallied)
        self._waiting.extendleft(reversed(waiting))  # before what came meanwhile
        return spilled

    def _exchange(self, jobs: Sequence[_Job], late: Sequence[Late]) -> list[Late]:
        """Send all commands; return those of *late* to send again, because of an error that passes."""
        commands = [*chain.from_iterable(job.commands for job in jobs), *(each.command for each in late)]
        if not commands:
            return []
        received = self._link.exchange(commands)
        if self._breaker is not None:
            if isinstance(received[-1], RedisTimeoutError):
                self._breaker.timed_out()
                self._refuse_queued()
            else:
                self._breaker.replied()
        self._away = _passes(received[-1])
        replies = iter(received)
        for job in jobs:
            job.answer(list(islice(replies, len(job.commands))))
        refused = []
        for each, reply in zip(late, replies, strict=True):
            if _passes(reply):
                refused.append(each)
                continue
            self._tallies.done(each.tallied)
            if isinstance(reply, RedisError):
                self.lost += 1
                log.error("Redis refuses what was to be written later: %s", unavailable(reply))
            elif each.then is not None:
                self._waiting.extend(each.then(reply))
        return refused

    def _refuse_queued(self) -> None:
        """Let brief requests that came during an exchange that timed out go on: the next would most likely, too."""
        error = RedisTimeoutError("it did not reply a moment ago")
        error.add_note(NOT_SENT)
        for _ in range(self._queue.qsize()):
            job = self._queue.get_nowait()
            if job is not None and job.brief:
                job.answer([error] * len(job.commands))
            else:
                self._queue.put(job)


def _passes(reply: Any) -> bool:
    """Whether *reply* is an error that passes: Redis is away, or does not take anything now."""
    return isinstance(reply, RedisError) and unavailable(reply).reason not in LASTING
