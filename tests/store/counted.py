"""Counting the calls of a store for its figures, as the workers do in the background."""

from __future__ import annotations

from datetime import datetime

from app.calls.call_queries import CallQueries
from app.calls.counting import Counting
from app.calls.queries import Calls
from app.store import keys
from app.store.errors import StoreUnavailable
from app.store.store import Store
from tests.engines import wait_until
from tests.store.expected import NOW, PRESUME_ENDED_AFTER


def queries_of(store: Store) -> CallQueries:
    """Reads the calls of *store*."""
    return CallQueries(Calls(store, PRESUME_ENDED_AFTER, mask_numbers=True))


def counting_of(store: Store, every_seconds: float = 2.0) -> Counting:
    """What counts the calls of *store*; not started."""
    return Counting(store, queries_of(store), every_seconds=every_seconds)


def count_all(store: Store, now: datetime = NOW) -> None:
    """Count until nothing is left to count at the time *now*."""
    counting, everywhere, looked = counting_of(store), range(keys.PARTITIONS), False

    def is_done() -> bool:
        nonlocal looked
        try:
            if not looked:
                counting.count_silent(everywhere, now)
                looked = True
            return counting.count(everywhere, now) == 0
        except StoreUnavailable:  # a busy machine
            return False

    wait_until(is_done, "all calls are counted")
