"""Counts calls for the figures, a moment after something happened to them.

Runs in every worker. The calls of a partition are counted by the worker that holds its lease, so each is counted by one
alone. What is to be counted is in the store (`app/store/figures.py`): whoever is killed loses nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from random import sample
from time import monotonic
from typing import Final
from uuid import uuid4

from app.calls.queries import Calls
from app.domain.call_summary import summaries_of
from app.domain.conversations import Conversation
from app.store import keys
from app.store.apart import apart
from app.store.errors import StoreError, StoreUnavailable
from app.store.figures import Figures, Touched

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 2.0  # events of a call come in bursts, and a burst is counted together
SHARE: Final = 4  # after each round a break as many times as long: the work must not take a worker's time
BATCH: Final = 5  # touched conversations of a partition that are counted in one round, about
LEASE_SECONDS: Final = 10.0
SAFE_SECONDS: Final = 4.0  # of a lease that are left before it counts as lost: no round takes so long
NEW_LEASES: Final = 2  # in one round: so workers that start together share the partitions
SILENT_SECONDS: Final = 60.0  # how often calls are looked for whose end must have been lost


class Counting:
    """Counts the calls that *calls* reads from *store*, in a thread of its own."""

    name = "figures"

    def __init__(self, store: Figures, calls: Calls, *, every_seconds: float = EVERY_SECONDS) -> None:
        self._store = store
        self._calls = calls
        self._every = every_seconds
        self._holder = uuid4().hex
        self._leases: dict[int, float] = {}  # partition -> until when it is ours (monotonic)
        self._silent: dict[int, int] = {}  # partition -> up to which last receipt (ms) silent calls were looked for
        self._silent_at = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="figures", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the current round."""
        self._stop.set()

    def ping(self) -> str | None:
        """Always None: nothing waits for it, and its errors are those of the store."""
        return None

    def count(self, partitions: Sequence[int], now: datetime) -> int:
        """Count some touched calls of *partitions*; returns how many conversations were looked at.

        Raises StoreUnavailable.
        """
        touched = self._store.touched(partitions, BATCH)
        if not touched:
            return 0
        try:
            self._count(touched, now)
        except StoreError:
            raise
        except Exception:  # noqa: BLE001 - one call that cannot be computed must not keep the others from being counted
            for each in touched:
                self._count_alone(each, now)
        return len(touched)

    def count_silent(self, partitions: Sequence[int], now: datetime) -> None:
        """Have calls counted as ended whose end must have been lost."""
        for number in partitions:
            until = now - self._calls.presume_ended_after
            self._silent[number] = self._store.touch_silent(number, self._silent.get(number, 0), until)

    def _count(self, touched: Sequence[Touched], now: datetime) -> None:
        found = {each.conversation_uuid: each for each in self._read([each.conversation for each in touched], now)}
        changed = [found[each.conversation] for each in touched if each.by_event and each.conversation in found]
        homes = {member.leg.uuid: each.conversation_uuid for each in changed for member in each.legs}
        related = zip(homes.values(), self._store.related([*homes]), strict=True)
        self._store.touch({name for home, names in related for name in names if name != home})
        elsewhere = {
            member.leg.place.name.decode(errors="surrogatepass")
            for each in found.values()
            for member in each.legs
            if not member.presence.here and member.leg.state != "completed"
        }
        beside = self._read(sorted(elsewhere - found.keys()), now)
        summaries = apart(lambda: summaries_of([*found.values(), *beside]))
        self._store.count_calls((each, summaries.get(each.conversation)) for each in touched)

    def _count_alone(self, touched: Touched, now: datetime) -> None:
        try:
            self._count([touched], now)
        except StoreError:
            raise
        except Exception:
            log.exception("a call is not counted in the figures")
            self._store.count_calls([(touched, None)])

    def _read(self, names: Sequence[str], now: datetime) -> list[Conversation]:
        return self._calls.conversations(names, now) if names else []

    def _ours(self) -> list[int]:
        """The partitions whose lease is ours for long enough, after taking some more."""
        now = monotonic()
        self._leases = {number: until for number, until in self._leases.items() if until - now > SAFE_SECONDS}
        if self._leases and min(self._leases.values()) - now < LEASE_SECONDS / 2 + SAFE_SECONDS / 2:
            self._store.keep_counting(self._leases, round(LEASE_SECONDS * 1000))
            self._leases = dict.fromkeys(self._leases, now + LEASE_SECONDS)
        others = [number for number in range(keys.PARTITIONS) if number not in self._leases]
        for number in sample(others, min(NEW_LEASES, len(others))):
            now = monotonic()
            if self._store.lease_counting(number, self._holder, round(LEASE_SECONDS * 1000)):
                self._leases[number] = now + LEASE_SECONDS
        return sorted(self._leases)

    def _round(self) -> None:
        now, ours = datetime.now(UTC), self._ours()
        self.count(ours, now)
        if monotonic() >= self._silent_at:
            self.count_silent(ours, now)
            self._silent_at = monotonic() + SILENT_SECONDS

    def _run(self) -> None:
        took = 0.0
        while not self._stop.wait(max(self._every, SHARE * took)):
            began = monotonic()
            try:
                self._round()
            except StoreUnavailable as away:
                log.debug("calls are counted later: %s", away)
            except StoreError:
                log.exception("calls are not counted")
            except Exception:  # the thread goes on
                log.exception("an error of ours while counting calls")
            took = monotonic() - began
