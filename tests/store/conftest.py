"""A store on every kind of engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from app.store.errors import StoreUnavailable
from app.store.store import Store
from tests.engines import Engine, wait_until
from tests.generated import read_record

RETENTION = timedelta(days=7)


@pytest.fixture
def open_store() -> Iterator[Callable[..., Store]]:
    """Opens stores on an engine, as so many workers would; all are closed in the end."""
    opened: list[Store] = []

    def open_one(engine: Engine, **options: Any) -> Store:
        store = Store(engine.address, read=read_record, **{"retention": RETENTION, **options})
        opened.append(store)
        wait_until(lambda: opens(store), "the store can be opened")  # a machine that is busy takes its time to connect
        return store

    yield open_one
    for store in opened:
        store.stop()


def opens(store: Store) -> bool:
    """Whether the store can be opened now."""
    try:
        store.start()
    except StoreUnavailable:
        return False
    return True


@pytest.fixture
def store(engine: Engine, open_store: Callable[..., Store]) -> Store:
    """An empty store."""
    return open_store(engine)
