"""Passes on to the streams of users in this process what pages say to each other, from whichever worker took it.

One thread reads what is new, while any user is followed here: a single small read each time, however many there are.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from app.live.stream import TRY_AGAIN_SECONDS
from app.store.errors import StoreUnavailable
from app.store.signals import Signal

log = logging.getLogger(__name__)

EVERY_SECONDS: Final = 0.1
AT_ONCE: Final = 100


class SignalStore(Protocol):
    """What is needed of the store. All raise StoreUnavailable."""

    def latest_signal(self) -> str:
        """The id of the latest signal."""

    def signals(self, after: str, limit: int) -> Sequence[Signal]:
        """The next signals after the one with this id."""


class SignalReader:
    """Gives signals to *give*, which gets the user and the event, from `begin` on until `end`."""

    def __init__(self, store: SignalStore, give: Callable[[str, Mapping[str, Any]], None]) -> None:
        self._store, self._give = store, give
        self._lock = threading.Lock()
        self._over: threading.Event | None = None  # of the thread that reads now

    def begin(self) -> None:
        """Read, unless it does already. A signal that is sent after this is not missed, unless the store is away."""
        with self._lock:
            if self._over is None:
                self._over = threading.Event()
                threading.Thread(target=self._run, args=(self._over,), name="signals", daemon=True).start()

    def end(self) -> None:
        """Read no more."""
        with self._lock:
            if self._over is not None:
                self._over.set()
                self._over = None

    def _run(self, over: threading.Event) -> None:
        after = None
        while not over.is_set():
            try:
                if after is None:
                    after = self._store.latest_signal()
                found = self._store.signals(after, AT_ONCE)
            except StoreUnavailable:
                over.wait(TRY_AGAIN_SECONDS)
                continue
            except Exception:  # a bug: streams go on without
                log.exception("an error of ours while reading signals")
                over.wait(TRY_AGAIN_SECONDS)
                continue
            for signal in found:
                self._give(signal.to, signal.data)
                after = signal.id
            if len(found) < AT_ONCE:
                over.wait(EVERY_SECONDS)
