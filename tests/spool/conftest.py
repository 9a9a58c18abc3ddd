"""A spool over an engine of its own, for that will suffer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.spool.drain import Drain
from app.spool.file import Depth
from app.spool.keeper import Keeper
from app.spool.spool import Spool
from app.store.store import Store
from tests import engines
from tests.engines import Engine, wait_until
from tests.generated import read_record
from tests.store.bounds import works


class Worker:
    """What one worker has of store and spool; it drains when a test says so."""

    def __init__(self, engine: Engine, folder: Path, *, most_mb: int = 64) -> None:
        self.store = Store(engine.address, read=read_record, retention=timedelta(days=7))
        self.spool = Spool(folder, most_mb)
        self.keeper = Keeper(self.store, self.spool)
        self.drain = Drain(self.store, self.spool)

    def drained(self) -> None:
        """Wait until nothing waits any more."""
        wait_until(self._empties, "the spool is empty")

    def waiting(self) -> Depth:
        """What waits now; `Spool.depth` may be a second old."""
        return self.spool._on_disk(self.spool._file.depth)

    def close(self) -> None:
        self.store.stop()
        self.spool.stop()

    def _empties(self) -> bool:
        if not works(self.store):
            return False
        while self.drain.once():
            pass
        return not self.waiting().rows


@pytest.fixture
def own() -> Iterator[Engine]:
    """One node."""
    with engines.single() as engine:
        yield engine


@pytest.fixture
def open_worker(own: Engine, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Opens workers of one machine, which share a spool."""
    opened: list[Worker] = []

    def open_one(folder: Path = tmp_path, **options: Any) -> Worker:
        opened.append(Worker(own, folder, **options))
        return opened[-1]

    yield open_one
    for worker in opened:
        worker.close()
