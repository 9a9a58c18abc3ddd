"""What was computed of the conversations and calls that were read lately, so that a list is not computed again.

The key is the object that it was computed from: `app/store/histories.py` returns the same one until an event is added.
What else it depends on, as whether the conversation `is_silent` by now, is part of the key. It never does so for one
that `is_long`: what was computed of that would be kept for nothing, and takes megabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Final, Generic, TypeVar

from app.calls.names import Known
from app.domain.conversations import History
from app.store.histories import MOST_RECORDS

MOST: Final = 1000  # of each kind, in each process: 10 to 20 KB each

Json = dict[str, Any]
T = TypeVar("T")


def is_silent(events: History, now: datetime, presume_ended_after: timedelta) -> bool:
    """Whether a conversation with *events* is presumed ended, unless it has ended: by time alone it changes no more."""
    return now - max(kept.received for kept in events.values()) > presume_ended_after


def is_long(*parts: Sized) -> bool:
    """Whether a conversation with so many events, in *parts*, is computed anew each time."""
    return sum(map(len, parts)) > MOST_RECORDS


class Recent(Generic[T]):
    """Up to *most* results; then the one that was added first goes."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = Lock()
        self._results: dict[tuple[Any, ...], tuple[object, T]] = {}

    def __len__(self) -> int:
        return len(self._results)

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

    def computed(self, make: Callable[[], T], of: object, *more: Any) -> T:
        """The same, computed by *make* and kept if it is not known."""
        known = self.get(of, *more)
        if known is None:
            known = make()
            self.add(known, of, *more)
        return known

    def clear(self) -> None:
        """Keep none."""
        with self._lock:
            self._results.clear()


class Dumps(Recent[tuple[Known, Json]]):
    """What was dumped, with the names of numbers that were in use then."""

    def dumped(self, dump: Callable[[], Json], names: Known, of: object, *more: Any) -> Json:
        """What *dump* made of *of*, and of *more*, with *names*. Do not change what is in it: it is kept."""
        known = self.get(of, *more)
        if known is None or known[0] is not names:
            known = names, dump()
            self.add(known, of, *more)
        return dict(known[1])
