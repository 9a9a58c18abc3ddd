"""What was computed of the conversations and calls that were read lately, so that a list is not computed again.

The key is the object that it was computed from: `app/store/histories.py` returns the same one until an event is added.
What else it depends on, as whether the conversation `is_silent` by now, is part of the key.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Final, Generic, TypeVar

from app.domain.conversations import History

MOST: Final = 1000  # of each kind, in each process: 10 to 20 KB each

T = TypeVar("T")


def is_silent(events: History, now: datetime, presume_ended_after: timedelta) -> bool:
    """Whether a conversation with *events* is presumed ended, unless it has ended: by time alone it changes no more."""
    return now - max(kept.received for kept in events.values()) > presume_ended_after


class Recent(Generic[T]):
    """Up to *most* results; then the one that was added first goes."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = Lock()
        self._results: dict[tuple[Any, ...], tuple[object, T]] = {}

    def get(self, of: object, *more: Any) -> T | None:
        """What was computed of this very object, and of *more*; None if it is not known."""
        source, result = self._results.get((id(of), *more), (None, None))
        return result if source is of else None

    def add(self, result: T, of: object, *more: Any) -> None:
        """Keep *result*. *of* is kept with it, so that its id stays its own."""
        with self._lock:
            self._results[id(of), *more] = of, result
            while len(self._results) > self._most:
                del self._results[next(iter(self._results))]

    def clear(self) -> None:
        """Keep none."""
        with self._lock:
            self._results.clear()
