"""Regular maintenance: forget what has expired, finish what others left undone, and keep below MAX_MEMORY_MB.

Runs in every worker. A partition is tidied by the worker that holds its short lease, so that it is done once.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from random import random
from time import monotonic
from typing import Final
from uuid import uuid4

from app.store import keys
from app.store.errors import StoreError, StoreUnavailable
from app.store.maintenance import BATCH_SIZE
from app.store.store import Store

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 60.0
LEASE_SECONDS: Final = 50
ROOM_SECONDS: Final = 2.0  # between two looks at the memory: in a minute a flood of webhooks would fill a small Redis
ALLOWED: Final = 0.9  # of MAX_MEMORY_MB: make room before Redis is full


class Housekeeping:
    """Tidies *store* every minute in a thread of its own. *max_memory_mb* None: Redis may use any amount.

    Otherwise it looks at the memory more often, and by itself: what tidying writes is refused while Redis is full.
    """

    name = "housekeeping"

    def __init__(
        self,
        store: Store,
        *,
        max_memory_mb: int | None,
        every_seconds: float = EVERY_SECONDS,
        room_seconds: float = ROOM_SECONDS,
    ) -> None:
        self._store = store
        self._max_bytes = max_memory_mb * 1024 * 1024 if max_memory_mb else None
        self._every = every_seconds
        self._pause = every_seconds if max_memory_mb is None else min(room_seconds, every_seconds)
        self._holder = uuid4().hex
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the current command."""
        self._stop.set()

    def ping(self) -> str | None:
        """Always None: nothing waits for it, and its errors are those of the store."""
        return None

    def tidy(self, now: datetime) -> int:
        """Do it once. Returns how many conversations were forgotten or deleted. Raises StoreUnavailable."""
        removed, mine = 0, []
        for number in range(keys.PARTITIONS):
            if not self._stop.is_set() and self._store.lease(number, self._holder, LEASE_SECONDS):
                removed += self._store.forget_expired(number, now)
                mine.append(number)
        for number in mine:
            self._store.settle_noted(number)
        return removed + self._make_room()

    def _make_room(self) -> int:
        """Delete the oldest ended conversations, whole, while Redis uses too much memory."""
        removed = 0
        while self._max_bytes is not None and self._store.used_bytes() > ALLOWED * self._max_bytes:
            oldest = self._store.oldest_ended(BATCH_SIZE)
            if not oldest or self._stop.is_set():
                break
            removed += self._store.delete_all(oldest, from_figures=False)
        if removed:
            log.warning("removed %d of the oldest ended conversations: MAX_MEMORY_MB is nearly reached", removed)
        return removed

    def _run(self) -> None:
        started, tidy_at = False, monotonic() + self._every * (random() - 0.5)  # noqa: S311 - spread over time
        while not self._stop.wait(self._pause * (0.5 + random())):  # noqa: S311 - the same
            try:
                if not started:  # Redis was away when the app started
                    self._store.start()
                    started = True
                self._make_room()
                if self._pause == self._every or monotonic() >= tidy_at:
                    tidy_at = monotonic() + self._every
                    self.tidy(datetime.now(UTC))
            except StoreUnavailable as away:
                log.warning("not tidied: %s", away)
            except StoreError:
                log.exception("not tidied")
