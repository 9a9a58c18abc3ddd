"""Counts calls for the figures, a moment after something happened to them.

Runs in every worker. The calls of a partition are counted by the worker that holds its lease, so each is counted by one
alone. What is to be counted is in the store (`app/store/figures.py`): whoever is killed loses nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import inf
from random import sample
from time import monotonic
from typing import Final
from uuid import uuid4

from app.calls.call_queries import CallQueries
from app.domain.call_summary import CallSummary, summaries_of
from app.store import keys, queries
from app.store.apart import apart, used_seconds
from app.store.errors import StoreError, StoreUnavailable
from app.store.figures import Figures, Touched

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 2.0  # events of a call come in bursts, and a burst is counted together
SHARE: Final = 9  # after each round a break as many times as long as it used the processor, which is for callers
BATCH: Final = 5  # touched conversations of a partition that are counted in one round, about
LEASE_SECONDS: Final = 10.0
LEASE_MS: Final = round(LEASE_SECONDS * 1000)
RENEW_SECONDS: Final = 7.0  # of a lease that are left when it is renewed
SAFE_SECONDS: Final = 1.0  # of a lease that are left when it counts as lost: no write takes so long
NEW_LEASES: Final = 2  # at a time, with a pause in between: so workers that start together share the partitions
PAUSE_SECONDS: Final = 0.25
SILENT_SECONDS: Final = 60.0  # how often calls are looked for whose end must have been lost
STOP_SECONDS: Final = 2.0  # for the round that is under way when the worker ends


class Counting:
    """Counts the calls that *calls* reads, in a thread of its own."""

    name = "figures"

    def __init__(self, store: Figures, calls: CallQueries, *, every_seconds: float = EVERY_SECONDS) -> None:
        self._store = store
        self._calls = calls
        self._every = every_seconds
        self._holder = uuid4().hex
        self._leases: dict[int, float] = {}  # partition -> until when it is ours (monotonic)
        self._due = 0.0  # when the next round begins (monotonic)
        self._silent: dict[int, int] = {}  # partition -> up to which last receipt (ms) silent calls were looked for
        self._silent_at = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="figures", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the current round, and leave the partitions to other workers."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)

    def ping(self) -> str | None:
        """Always None: nothing waits for it, and its errors are those of the store."""
        return None

    def count(self, partitions: Sequence[int], now: datetime, *, until: float = inf) -> int:
        """Count some touched calls of *partitions*; returns how many conversations were looked at.

        Writes nothing after *until* (monotonic). Raises StoreUnavailable.
        """
        touched = self._store.touched(partitions, BATCH)
        if not touched:
            return 0
        try:
            self._count(touched, now, until)
        except StoreError:
            raise
        except Exception:  # noqa: BLE001 - one call that cannot be computed must not keep the others from being counted
            self._count_each_alone(touched, now, until)
        return len(touched)

    def count_silent(self, partitions: Sequence[int], now: datetime) -> None:
        """Have calls counted as ended whose end must have been lost."""
        until = now - self._calls.reader.presume_ended_after - timedelta(milliseconds=1)
        for number in partitions:
            self._silent[number] = self._store.touch_silent(number, self._silent.get(number, 0), until)

    def _count(self, touched: Sequence[Touched], now: datetime, until: float) -> None:
        names = {each.conversation for each in touched}
        changed = {each.conversation for each in touched if each.by_event}
        tied = self._calls.reader.store.tied(sorted(names))
        whole = len(tied.conversations) < queries.MAX_TIED
        if not whole and len(touched) > 1:  # something of the others may be left out
            self._count_each_alone(touched, now, until)
            return

        def fold() -> tuple[dict[str, CallSummary], set[str]]:
            """The calls by home, and the other conversations of those that changed: one of them may be the home."""
            calls = self._calls.fold(tied, now).calls.values()
            concerned = [call.everywhere for call in calls if not changed.isdisjoint(call.everywhere)]
            everywhere = {name for names_of_call in concerned for name in names_of_call}
            return summaries_of(calls, tied.conversations if whole else None), everywhere - names

        summaries, others = apart(fold)
        if monotonic() < until:
            self._store.touch(others & tied.conversations.keys())
            self._store.count_calls((each, summaries.get(each.conversation)) for each in touched)

    def _count_each_alone(self, touched: Sequence[Touched], now: datetime, until: float) -> None:
        for each in touched:
            if monotonic() >= until:
                break
            try:
                self._count([each], now, until)
            except StoreError:
                raise
            except Exception:
                log.exception("a call is not counted in the figures")
                self._store.count_calls([(each, None)])

    def _lease(self) -> bool:
        """Renew our leases, and take some of those that are free; returns whether there were any."""
        now = monotonic()
        self._leases = {number: until for number, until in self._leases.items() if until - now > SAFE_SECONDS}
        if self._leases and min(self._leases.values()) - now < RENEW_SECONDS:
            self._leases = dict.fromkeys(self._store.keep_counting([*self._leases], LEASE_MS), now + LEASE_SECONDS)
        free = self._store.not_counted([number for number in range(keys.PARTITIONS) if number not in self._leases])
        now = monotonic()
        for number in sample(free, min(NEW_LEASES, len(free))):
            if self._store.lease_counting(number, self._holder, LEASE_MS):
                self._leases[number] = now + LEASE_SECONDS
        return bool(free)

    def _release(self) -> None:
        now = monotonic()
        ours = [number for number, until in self._leases.items() if until - now > SAFE_SECONDS]
        if ours:
            with suppress(StoreUnavailable):
                self._store.end_counting(ours)

    def _round(self) -> None:
        ours, now = sorted(self._leases), datetime.now(UTC)
        began = used_seconds.get()
        self.count(ours, now, until=min(self._leases.values(), default=inf) - SAFE_SECONDS)
        if monotonic() >= self._silent_at:
            self.count_silent(ours, now)
            self._silent_at = monotonic() + SILENT_SECONDS
        self._due = monotonic() + max(self._every, SHARE * (used_seconds.get() - began))

    def _run(self) -> None:
        is_over = False
        while not is_over:
            pause = self._every
            try:
                if self._lease():
                    pause = min(PAUSE_SECONDS, pause)
                if monotonic() >= self._due:
                    self._round()
            except StoreUnavailable as away:
                log.debug("calls are counted later: %s", away)
            except StoreError:
                log.exception("calls are not counted")
            except Exception:  # the thread goes on
                log.exception("an error of ours while counting calls")
            is_over = self._stop.wait(pause)
        self._release()
