"""How long a request may wait for the store, and whether the store works."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from app.store.errors import StoreUnavailable
from app.store.store import Store
from tests.generated import BASE


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    """The block ends in time, with an error or without: within a second if the machine is not busy.

    Vonage gives up on an answer after five.
    """
    started = time.monotonic()
    try:
        yield
    finally:
        took = time.monotonic() - started
        assert took < 5.0, f"it took {took:.2f} s"


def must_ping(store: Store) -> None:
    """Raise what `ping` returns, as every other method does."""
    if reason := store.ping():
        raise StoreUnavailable(reason)


def works(store: Store) -> bool:
    """Whether the store takes events and can be read."""
    try:
        must_ping(store)
        store.counts(BASE)
    except StoreUnavailable:
        return False
    return True
