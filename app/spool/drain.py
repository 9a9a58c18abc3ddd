"""Writing to Redis what waited in the spool, once Redis takes it again.

One worker of the machine does it: who holds the lease of the file. It rests after each batch for as long as that took,
and longer on a busy machine, so that new events, which go to Redis directly, always find room. Order does not matter to
the state of a call, but the first are written first, for the figures. A row is taken out after Redis has it; if the
worker is killed in between it is written once more, which changes nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from enum import Enum
from time import monotonic, time
from typing import Final

from app.spool.errors import SpoolUnavailable
from app.spool.spool import Spool, Waiting
from app.store.errors import StoreUnavailable
from app.store.events import Events
from app.store.spooled import Spooled
from app.store.writer import LASTING

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0  # how often to look for what others put there, and for Redis
BATCH: Final = 128
AT_ONCE: Final = 32  # they share round trips, each of which costs new events more than a longer one does
LATE_SECONDS: Final = 0.02  # who rests and wakes up so late has no processor of its own: others need it
LONGEST_RESTS: Final = 16  # in times of a batch
MOST_REST_SECONDS: Final = 3.0
REFUSED_SECONDS: Final = 600.0  # until what Redis refused for itself is tried again
STOP_SECONDS: Final = 2.0  # to write what is left when the worker ends


class _Result(Enum):
    DONE = "done"
    AWAY = "away"
    REFUSED = "refused"


class Drain:
    """Empties *spool* into *store* in a thread of its own."""

    name = "drain"

    def __init__(self, store: Events, spool: Spool) -> None:
        self._store, self._spool = store, spool
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drain", daemon=True)
        self._written, self._blocked = 0, False  # blocked: only time helps
        self._rests = 1  # how many times as long as a batch took the rest after it is

    def start(self) -> None:
        """Begin. What an earlier process left is written first."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is left, as far as Redis takes it now, and end."""
        self._stop.set()
        self._spool.filled.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS + 1)

    def ping(self) -> str | None:
        """Always None: what waits is said by the spool."""
        return None

    def once(self) -> bool:
        """Write a batch. Returns whether there may be more that Redis takes now. Raises SpoolUnavailable."""
        self._blocked = False
        waiting = self._spool.first(BATCH)
        if not waiting:
            return False
        if not self._spool.lease():
            self._blocked = True
            return False
        # The first alone finds out whether Redis is there; in a cluster the node of the next may be.
        results = {waiting[0].id: self._write(waiting[0])}
        if _Result.AWAY not in results.values():
            results |= self._write_all(waiting[1:])
        self._blocked = _Result.AWAY in results.values()
        done = [id_ for id_, result in results.items() if result is _Result.DONE]
        now = time()
        later = [
            (now + (REFUSED_SECONDS if result is _Result.REFUSED else LOOK_SECONDS), result is _Result.REFUSED, id_)
            for id_, result in results.items()
            if result is not _Result.DONE
        ]
        is_left = self._spool.settle(done, later)
        self._written += sum(isinstance(each.write, Spooled) for each in waiting if each.id in done)
        if self._written and not is_left:
            log.warning("Redis has got what waited in the spool: %d", self._written)
            self._written = 0
        return bool(done)

    def _write_all(self, waiting: Sequence[Waiting]) -> dict[int, _Result]:
        """AT_ONCE at a time, in their order."""
        results: dict[int, _Result] = {}

        def write(lane: Sequence[Waiting]) -> None:
            results.update((each.id, self._write(each)) for each in lane)

        # No pool: those take no more work once their process is ending, when this is needed most.
        lanes = [waiting[number::AT_ONCE] for number in range(min(AT_ONCE, len(waiting)))]
        threads = [threading.Thread(target=write, args=(lane,), name="drain") for lane in lanes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    def _write(self, waiting: Waiting) -> _Result:
        id_ = waiting.id
        try:
            if isinstance(waiting.write, Exception):
                raise waiting.write
            self._store.write(waiting.write)
        except StoreUnavailable as away:
            if away.reason not in LASTING:
                return _Result.AWAY
            log.warning("Redis refuses a webhook of the spool (%d), which is tried again later: %s", id_, away)
            return _Result.REFUSED
        except Exception:
            log.exception("a webhook of the spool cannot be read (%d): it is tried again later", id_)
            return _Result.REFUSED
        return _Result.DONE

    def _rest(self, took: float) -> None:
        """Rest after a batch that *took* so many seconds."""
        began, seconds = monotonic(), min(took * self._rests, MOST_REST_SECONDS)
        self._stop.wait(seconds)
        is_late = monotonic() - began > seconds + LATE_SECONDS
        self._rests = min(self._rests * 2, LONGEST_RESTS) if is_late else max(self._rests // 2, 1)

    def _run(self) -> None:
        last_until: float | None = None
        while last_until is None or monotonic() < last_until:
            began, go_on = monotonic(), False
            try:
                self._spool.filled.clear()
                go_on = self.once()
            except SpoolUnavailable:
                pass  # the spool has said so
            except Exception:
                log.exception("the spool was not emptied")
            if self._stop.is_set():
                last_until = last_until or began + STOP_SECONDS
                if not go_on:
                    return
            elif go_on or self._blocked:
                if go_on:
                    self._rest(monotonic() - began)
                else:
                    self._stop.wait(LOOK_SECONDS)
            else:
                self._spool.filled.wait(LOOK_SECONDS)
