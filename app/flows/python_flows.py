"""Call flows written in Python, run so that none of them can hold up the other calls.

They run in native threads. In a greenlet, a flow that computes, or waits in C, would stop all requests of its worker;
and nobody can be made to come back: Python ends no thread from outside. So whoever takes too long is left behind, and
only so many of those are borne, for each that computes takes its share of the processor.

Where gevent has patched the standard library, sleeping, locks and connections work in such a thread: it gets a hub of
its own for them. A connection belongs to the hub it was opened under, and the next call may be in another thread: a
flow must not keep one, nor a session of them, for the next call. And of a patched lock that many threads take again and
again without a rest, as logging's may be, gevent 26.9 forgets to tell some who wait for it: those are left behind.
https://www.gevent.org/api/gevent.hub.html
"""

from __future__ import annotations

import _thread
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from app.flows.request import Request

SECONDS: Final = 2.0  # Vonage waits a few for an answer, and the caller hears nothing meanwhile
MOST_LEFT_BEHIND: Final = 8
MOST_WORDS: Final = 500  # characters of what an error says
MOST_AT_ONCE: Final = 64  # threads, those left behind among them

Function = Callable[[Request], Any]


class PythonFlowFault(Exception):
    """A flow written in Python gave nothing. The text says why; the cause is what it raised, if it did."""


class PythonFlows:
    """Runs flows written in Python.

    Args:
        seconds: How long one may take.
        most_left_behind: So many may be at it still, after that time. Then none is run any more: only a restart ends
            those that never come back.
        most_at_once: So many may run at the same time, those left behind that still run among them.
    """

    def __init__(
        self,
        *,
        seconds: float = SECONDS,
        most_left_behind: int = MOST_LEFT_BEHIND,
        most_at_once: int = MOST_AT_ONCE,
    ) -> None:
        self._seconds = seconds
        self._most_left_behind = most_left_behind
        self._most_at_once = most_at_once
        self._begin()

    def _begin(self) -> None:
        self.left_behind = 0  # how many did not come back in time, and have not yet
        self._process = os.getpid()
        self._running = 0
        # They stay, and take the next: hubs and threads are not wholly forgotten when they end.
        self._idle: list[_Seat] = []
        self._count = _lock()

    @property
    def refuses(self) -> bool:
        """Whether flows are refused, for too many have not come back."""
        return self.left_behind >= self._most_left_behind

    def run(self, function: Function, request: Request, then: Callable[[Any], Any] = lambda given: given) -> Any:
        """What *then* makes of what *function* gives for *request*. Other requests of this worker go on.

        Both are done aside: what a flow gives may be the flow's own code as well. Raises PythonFlowFault.
        """
        if os.getpid() != self._process:  # a fork has none of the threads
            self._begin()
        with self._count:
            if self.refuses:
                words = f"{self.left_behind} threads of Python flows were left behind and have not come back"
                raise PythonFlowFault(f"refused: {words}; restart")
            if self._running >= self._most_at_once:
                raise PythonFlowFault(f"refused: too many at once: {self._running} Python flows are running")
            job = _Job(function, request, then)
            if self._idle:
                self._idle.pop().give(job)
            else:
                try:
                    _native("start_new_thread")(self._work, (job,))  # nobody waits for it at the end
                except RuntimeError as error:
                    raise PythonFlowFault(f"refused: {error}") from error
            self._running += 1
        job.wait(self._seconds)
        with self._count:
            job.late = not job.done
            self.left_behind += job.late
        if job.late:
            raise PythonFlowFault(f"it took longer than {self._seconds:g} s")
        if job.raised is not None:
            raise PythonFlowFault(f"it raised {job.words}") from job.raised
        return job.result

    def _work(self, job: _Job) -> None:
        """What a thread does, without end."""
        while True:
            job.work()
            seat = _Seat()
            with self._count:
                self._running -= 1
                self.left_behind -= job.late
                job.done = True
                self._idle.append(seat)
            with suppress(Exception):  # whoever asked is gone, and a hub with it
                job.tell()
            del job  # what it holds is not kept until the next one
            job = seat.take()


class _Seat:
    """Where an idle thread waits for its next job. In its hub, if it has one: whoever waits for a lock that it had is
    told from there, and would not be while it sleeps otherwise.
    """

    def __init__(self) -> None:
        self._job: _Job | None = None
        self._ring, self._wait = _bell()

    def give(self, job: _Job) -> None:
        self._job = job
        self._ring()

    def take(self) -> _Job:
        while (job := self._job) is None:
            self._wait(60.0)  # not without end: gevent takes that for a mistake where nothing else is under way
        return job


class _Job:
    """One call of a flow: `work` is done in a thread, then `tell`; whoever wants to know is in `wait`."""

    def __init__(self, function: Function, request: Request, then: Callable[[Any], Any]) -> None:
        self.done = self.late = False
        self.result: Any = None
        self.raised: BaseException | None = None
        self.words = ""  # what it says of itself, and where: found out here, for it is the flow's own code that says it
        self._function, self._request, self._then = function, request, then
        self.tell, self.wait = _bell()

    def work(self) -> None:
        try:
            self.result = self._then(self._function(self._request))
        except BaseException as error:  # noqa: BLE001 - SystemExit and GreenletExit too: the caller must hear something
            self.raised, self.words = error, f"{told(error)}{_where(self._function, error)}"


def _bell() -> tuple[Callable[[], object], Callable[[float], object]]:
    """What to do in another thread once it is done, and how to wait for that in this one, at most so many seconds."""
    if not is_patched():
        lock = _lock()
        lock.acquire()
        return lock.release, lambda seconds: lock.acquire(timeout=seconds)
    import gevent
    from gevent.event import Event

    # Of all that gevent has, only this may be called from another thread without a hub in that one.
    # https://www.gevent.org/api/gevent.hub.html
    rung, loop = Event(), gevent.get_hub().loop
    return lambda: loop.run_callback_threadsafe(rung.set), rung.wait


def is_patched() -> bool:
    """Whether threads are greenlets here: in gunicorn's workers, not in `flask` commands."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def _native(name: str) -> Any:
    """What `_thread` has under *name*, as it is without gevent."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey.get_original("_thread", name) if monkey is not None else getattr(_thread, name)


def _lock() -> _thread.LockType:
    """A native lock: the threads take it without a hub of theirs."""
    lock: _thread.LockType = _native("allocate_lock")()
    return lock


def told(error: BaseException) -> str:
    """The error's kind, and what it says of itself."""
    try:
        words = str(error)[:MOST_WORDS]
    except BaseException:  # noqa: BLE001 - it is the flow's own
        words = ""
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _where(function: Function, error: BaseException) -> str:
    """The line of the flow's own file from which *error* came; else of whatever raised it."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename != __file__]
    own = getattr(getattr(function, "__code__", None), "co_filename", None)
    last = next((one for one in reversed(frames) if one.filename == own), frames[-1] if frames else None)
    return f" ({line_of(last.filename, last.lineno)})" if last else ""


def line_of(file: str | None, number: int | None) -> str:
    return f"line {number} of {Path(file or '?').name}"
