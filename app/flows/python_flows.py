"""Runs call flows written in Python, so that none of them can delay other calls.

They run in native threads: in a greenlet, a flow that computes, or waits in C, would stop all requests of its worker.
Python cannot end a thread from outside, so one that takes too long is left behind. Only so many of those are allowed,
for each that computes takes its share of the processor.

Under gevent, sleeping, locks and connections work in such a thread: it gets a hub of its own for them. A connection
belongs to the hub it was opened under, and the next call may be in another thread, so a flow must not keep a connection
or a session for the next call. For patched locks see flow_locks.py.
https://www.gevent.org/api/gevent.hub.html

gevent.threadpool does not do: a pool can only be used from the thread of its hub, and tests and commands use threads;
and its idle threads do not run their hubs, so a flow that waits for a patched lock that such a thread had never wakes.
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

SECONDS: Final = 2.0  # Vonage waits a few for an answer, and the caller hears nothing
MOST_LEFT_BEHIND: Final = 8
MOST_WORDS: Final = 500  # characters of the message of an error
MOST_AT_ONCE: Final = 64  # threads, those left behind among them

Function = Callable[[Request], Any]


class PythonFlowFault(Exception):
    """A flow written in Python returned nothing. The text says why; the cause is what it raised, if it did."""


class PythonFlows:
    """Runs flows written in Python.

    Args:
        seconds: How long a flow may take.
        most_left_behind: With so many still running after that time, no flow is run any more: only a restart ends those
            that never return.
        most_at_once: So many may run at the same time, those left behind among them.
    """

    def __init__(
        self, *, seconds: float = SECONDS, most_left_behind: int = MOST_LEFT_BEHIND, most_at_once: int = MOST_AT_ONCE
    ) -> None:
        self._seconds = seconds
        self._most_left_behind = most_left_behind
        self._most_at_once = most_at_once
        self._begin()

    def _begin(self) -> None:
        self.left_behind = 0  # how many did not return in time, and have not yet
        self._process = os.getpid()
        self._running = 0
        # Threads stay, for the next jobs: hubs and threads leave something behind when they end.
        self._idle: list[_Seat] = []
        self._count = _lock()

    @property
    def refuses(self) -> bool:
        """Whether flows are refused, because too many have not returned."""
        return self.left_behind >= self._most_left_behind

    def run(self, function: Function, request: Request, then: Callable[[Any], Any] = lambda returned: returned) -> Any:
        """*then* of what *function* returns for *request*. Other requests of this worker go on.

        Both run in the thread: what a flow returns may be code of its own. Raises PythonFlowFault.
        """
        if os.getpid() != self._process:  # a fork has none of the threads
            self._begin()
        with self._count:
            if self.refuses:
                words = f"{self.left_behind} threads of Python flows were left behind and have not returned"
                raise PythonFlowFault(f"refused: {words}; restart")
            if self._running >= self._most_at_once:
                raise PythonFlowFault(f"refused: too many at once: {self._running} Python flows are running")
            job = _Job(function, request, then)
            if self._idle:
                self._idle.pop().give(job)
            else:
                try:
                    _native("start_new_thread")(self._work, (job,))  # not waited for at exit
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
        """The endless loop of a thread."""
        if is_patched():
            from app.flows import flow_locks

            flow_locks.try_in_this_thread()
        while True:
            job.work()
            seat = _Seat()
            with self._count:
                self._running -= 1
                self.left_behind -= job.late
                job.done = True
                self._idle.append(seat)
            with suppress(Exception):  # the caller is gone, and its hub
                job.notify()
            del job  # not kept until the next one
            job = seat.take()


class _Seat:
    """Where an idle thread waits for its next job. It waits in its hub, if it has one: from there those are woken that
    wait for a patched lock that it had.
    """

    def __init__(self) -> None:
        self._job: _Job | None = None
        self._notify, self._wait = _signal()

    def give(self, job: _Job) -> None:
        self._job = job
        self._notify()

    def take(self) -> _Job:
        while (job := self._job) is None:
            self._wait(60.0)  # not for ever: gevent takes that for a deadlock if nothing else runs
        return job


class _Job:
    """One call of a flow: a thread does `work`, then `notify`; the caller is in `wait`."""

    def __init__(self, function: Function, request: Request, then: Callable[[Any], Any]) -> None:
        self.done = self.late = False
        self.result: Any = None
        self.raised: BaseException | None = None
        self.words = ""  # of the error: made in the thread, for the flow's own code may make them
        self._function, self._request, self._then = function, request, then
        self.notify, self.wait = _signal()

    def work(self) -> None:
        try:
            self.result = self._then(self._function(self._request))
        except BaseException as error:  # noqa: BLE001 - SystemExit and GreenletExit too: the caller must get an answer
            self.raised, self.words = error, f"{described(error)}{_where(self._function, error)}"


def _signal() -> tuple[Callable[[], object], Callable[[float], object]]:
    """Two functions: notify this thread from another one; wait for that in this one, at most so many seconds."""
    if not is_patched():
        lock = _lock()
        lock.acquire()
        return lock.release, lambda seconds: lock.acquire(timeout=seconds)
    import gevent
    from gevent.event import Event

    # Of all that gevent has, only this may be called from another thread without a hub in that one.
    # https://www.gevent.org/api/gevent.hub.html
    event, loop = Event(), gevent.get_hub().loop
    return lambda: loop.run_callback_threadsafe(event.set), event.wait


def is_patched() -> bool:
    """Whether gevent has made threads greenlets: in gunicorn's workers, not in `flask` commands."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def _native(name: str) -> Any:
    """*name* of `_thread` as it is without gevent."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey.get_original("_thread", name) if monkey is not None else getattr(_thread, name)


def _lock() -> _thread.LockType:
    """A native lock: it needs no hub."""
    lock: _thread.LockType = _native("allocate_lock")()
    return lock


def described(error: BaseException) -> str:
    """The class of *error*, and its message."""
    try:
        words = str(error)[:MOST_WORDS]
    except BaseException:  # noqa: BLE001 - it is the flow's own code
        words = ""
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _where(function: Function, error: BaseException) -> str:
    """The line of the flow's own file from which *error* came; else the line that raised it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    own = getattr(getattr(function, "__code__", None), "co_filename", None)
    last = next((frame for frame in reversed(frames) if frame.filename == own), frames[-1] if frames else None)
    return f" ({line_of(last.filename, last.lineno)})" if last else ""


def line_of(file: str | None, number: int | None) -> str:
    return f"line {number} of {Path(file or '?').name}"
