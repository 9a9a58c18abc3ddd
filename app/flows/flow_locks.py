"""Patched locks in the native threads of Python flows: tried again and again, not waited for.

Each of these threads has a hub of its own, and gevent 26.9 loses the wake-up of one that waits for a lock beside
others: `AbstractLinkable.unlink` stops a notifier that still has somebody to wake, if nobody else is linked. The thread
would wait for ever. https://github.com/gevent/gevent/blob/26.9.0/src/gevent/_abstract_linkable.py

An import of this module, which happens once, replaces `acquire` of gevent's two kinds of locks.
"""

from __future__ import annotations

import atexit
import functools
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

import gevent
from gevent.lock import RLock
from gevent.monkey import get_original
from gevent.thread import LockType  # type: ignore[import-not-found]

SHORTEST, LONGEST = 0.001, 0.02  # seconds between two tries

_ident: Final[Callable[[], int]] = get_original("_thread", "get_ident")
_sleep: Final[Callable[[float], None]] = get_original("time", "sleep")
_threads: set[int] = set()
_trying: set[int] = set()  # those of the threads that try to get a lock now
_end: Final = get_original("_thread", "allocate_lock")()  # locked once the process ends


def try_in_this_thread() -> None:
    """From now on, this native thread tries locks again instead of waiting for them."""
    _threads.add(_ident())


def _with_tries(acquire: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(acquire)
    def acquire_or_try(lock: Any, blocking: bool = True, timeout: float | None = None) -> Any:
        if timeout == -1:
            timeout = None
        if not blocking or (thread := _ident()) not in _threads:
            return acquire(lock, blocking, *(() if timeout is None else (timeout,)))
        if acquire(lock, False):
            return True
        until = None if timeout is None else monotonic() + timeout
        pause = SHORTEST
        _trying.add(thread)
        try:
            while until is None or monotonic() < until:
                gevent.sleep(pause)  # who has the lock may be a greenlet of this thread
                with _end:  # at the process's end the thread stops here
                    pass
                if acquire(lock, False):
                    return True
                pause = min(2 * pause, LONGEST)
            return False
        finally:
            _trying.discard(thread)

    return acquire_or_try


def _stop_trying() -> None:
    """Stop the threads: one that runs its hub while Python ends crashes the process."""
    _end.acquire()
    if _trying:
        _sleep(2 * LONGEST)


for _kind in (LockType, RLock):
    _kind.acquire = _with_tries(_kind.acquire)  # type: ignore[method-assign]
atexit.register(_stop_trying)
