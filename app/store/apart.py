"""Work on what was read, apart from the requests of callers.

To unpack, fold and dump a long call or a long list takes up to some seconds of pure Python. In a worker of gevent
nobody else would be served meanwhile. So it is done there in a native thread, one piece after the other. The thread
that serves requests gets Python's lock back within SWITCH_SECONDS, each time that it wants it. Operations and actions,
for which a caller may be waiting, have a second such thread: they do not wait behind those who only read.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from time import thread_time
from typing import Any, ClassVar, Final, TypeVar

from app.store.errors import TooMuchAtOnce
from app.store.reader import not_waiting

MOST_WAITING: Final = 16  # pieces of work
WAIT_SECONDS: Final = 5.0  # that one waits for its turn
SWITCH_SECONDS: Final = 0.0001  # how long this thread may keep the processor when the other one wants it

T = TypeVar("T")

used_seconds: ContextVar[float] = ContextVar("used_seconds", default=0.0)  # of the processor, by all work from here
goes_first: ContextVar[bool] = ContextVar("goes_first", default=False)  # a caller may be waiting for it


def apart(work: Callable[[], T]) -> T:
    """What *work* returns. It must use nothing of gevent's: no connection, no lock, no log.

    Raises TooMuchAtOnce if too many wait for their turn, or one waits too long.
    """
    thread = _Thread.that_go_first if goes_first.get() else _Thread.of_readers
    with not_waiting():
        outcome, used = _attempt(work) if thread is None else thread.do(work)
    used_seconds.set(used_seconds.get() + used)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def begin() -> None:
    """Start the threads, in a worker of gevent."""
    sys.setswitchinterval(SWITCH_SECONDS)
    _Thread.of_readers, _Thread.that_go_first = _Thread(), _Thread()


class _Thread:
    """One native thread, and the greenlets that wait for it."""

    of_readers: ClassVar[_Thread | None] = None
    that_go_first: ClassVar[_Thread | None] = None

    def __init__(self) -> None:
        from gevent.threadpool import ThreadPool

        self._thread: Any = ThreadPool(1)
        self._waiting = 0

    def do(self, work: Callable[[], T]) -> tuple[T | BaseException, float]:
        """What *work* returned or raised, and how many seconds of the processor it used."""
        from gevent import Timeout

        if self._waiting >= MOST_WAITING:
            raise TooMuchAtOnce
        self._waiting += 1
        try:
            with Timeout(WAIT_SECONDS, TooMuchAtOnce):
                running = self._thread.spawn(_attempt, work)  # once the thread is free
        finally:
            self._waiting -= 1
        done: tuple[T | BaseException, float] = running.get()
        return done


def _attempt(work: Callable[[], T]) -> tuple[T | BaseException, float]:
    began = thread_time()
    try:
        return work(), thread_time() - began
    except BaseException as error:  # noqa: BLE001 - gevent would print it before it raises it
        return error, thread_time() - began
