"""Work that blocks, such as waiting for a disk, away from the thread that serves requests."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class NativeThread:
    """In a worker of gevent: one native thread. Elsewhere threads are native, and one of them works at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: Any = None

    def do(self, work: Callable[[], T]) -> T:
        """What *work* returns or raises. It must use nothing of gevent's: no connection, no lock."""
        monkey = sys.modules.get("gevent.monkey")
        if monkey is None or not monkey.is_module_patched("threading"):
            with self._lock:
                return work()
        if self._pool is None:
            from gevent.threadpool import ThreadPool

            self._pool = ThreadPool(1)
        outcome: tuple[T | None, Exception | None] = self._pool.spawn(_attempt, work).get()
        done, error = outcome
        if error is not None:
            raise error
        return done  # type: ignore[return-value]  # it is what *work* returned


def _attempt(work: Callable[[], T]) -> tuple[T | None, Exception | None]:
    try:
        return work(), None
    except Exception as error:  # noqa: BLE001 - gevent would print it before it raises it
        return None, error
