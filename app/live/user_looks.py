"""Looks at users for all streams of this process: however many follow one user, one look is for all of them.

A look is taken when something of the user's calls changed, and now and then by itself: ringing and registrations end by
time, and a leg may have moved to where the user is not named.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

from app.calls.session_events import Look
from app.live.changes import TYPES
from app.live.follower import Live
from app.live.listener import Listener, Wanted
from app.live.rendering import NEWS, Form
from app.live.signals import SignalReader, SignalStore
from app.live.stream import TRY_AGAIN_SECONDS
from app.store.errors import StoreUnavailable

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0  # between two looks while there are live sessions
REST_SECONDS: Final = 5.0  # and while there are none
MOST_SIGNALS: Final = 200  # that wait for streams, which take them at once


class Looking(Protocol):
    """What finds the events of users, and keeps them. All raise StoreUnavailable."""

    def catch_up(self, name: str) -> Look:
        """Append what the user *name* was not sent yet."""

    def latest(self, name: str) -> str:
        """The id of the user's latest event, appended by any worker."""


class UserLooks:
    """One `Lookout` for each user that somebody follows in this process."""

    def __init__(self, live: Live, signals: SignalStore) -> None:
        self._live = live
        self._lock = threading.Lock()
        self._lookouts: dict[str, Lookout] = {}
        self._signals = SignalReader(signals, self._signal)

    @contextmanager
    def following(self, name: str, events: Looking) -> Iterator[Lookout]:
        """Look at the user *name*, who is followed by one stream more for as long as this lasts."""
        with self._lock:
            lookout = self._lookouts.get(name)
            if lookout is None or lookout.ended:
                lookout = self._lookouts[name] = Lookout(self._live, name, events)
                lookout.start()
            lookout.streams += 1
            self._signals.begin()
        try:
            yield lookout
        finally:
            with self._lock:
                lookout.streams -= 1
                if not lookout.streams:
                    lookout.end()
                    if self._lookouts.get(name) is lookout:
                        del self._lookouts[name]
                    if not self._lookouts:
                        self._signals.end()

    def _signal(self, name: str, data: Mapping[str, Any]) -> None:
        if lookout := self._lookouts.get(name):
            lookout.signal(data)


class Lookout:
    """Looks at one user, in a thread of its own, until the last stream has ended."""

    def __init__(self, live: Live, name: str, events: Looking) -> None:
        self.streams = 0
        self.ended = False
        self._live, self._name, self._events = live, name, events
        self._changed = threading.Condition()
        self._begun = self._done = self._news = 0  # looks, by their numbers; how often there were new events
        self._latest: str | None = None
        self._listener: Listener | None = None
        self._wake = threading.Event()
        self._signals: deque[Mapping[str, Any]] = deque(maxlen=MOST_SIGNALS)
        self._signalled = 0  # how many there have been

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="looks at a user", daemon=True).start()

    def end(self) -> None:
        """Look no more."""
        with self._changed:
            self.ended = True
        self._hurry()

    @property
    def news(self) -> int:
        """Changes when there are new events; read it before them."""
        return self._news

    def look(self, seconds: float) -> None:
        """Wait until all was found that had happened before now, but no longer than *seconds*."""
        with self._changed:
            wanted = self._begun + 1
        self._hurry()
        with self._changed:
            self._changed.wait_for(lambda: self.ended or self._done >= wanted, seconds)

    def wait(self, news: int, signals: int, seconds: float) -> None:
        """Wait until there are newer events than at *news*, or signals after so many, but no longer than *seconds*."""
        with self._changed:
            self._changed.wait_for(
                lambda: self.ended or (self._news, self._signalled) != (news, signals), max(seconds, 0.0)
            )

    def signal(self, data: Mapping[str, Any]) -> None:
        """Let all streams of the user have a signal of another page."""
        with self._changed:
            self._signals.append(data)
            self._signalled += 1
            self._changed.notify_all()

    def signals_after(self, count: int) -> tuple[int, list[Mapping[str, Any]]]:
        """How many signals there have been, and those after the first *count*, of which many may be gone."""
        with self._changed:
            new = min(self._signalled - count, len(self._signals))
            return self._signalled, list(self._signals)[len(self._signals) - new :]

    @property
    def signalled(self) -> int:
        """How many signals there have been."""
        return self._signalled

    def _hurry(self) -> None:
        self._wake.set()
        if listener := self._listener:
            listener.give(b"")

    def _run(self) -> None:
        try:
            while not self.ended and not self._live.ended:
                rest = self._look()
                if self._wake.is_set():  # somebody began to follow, or the last one has left
                    continue
                if (listener := self._listener) is not None:
                    listener.take(rest)
                else:
                    self._wake.wait(rest)
        finally:
            self._part()
            with self._changed:
                self.ended = True
                self._changed.notify_all()

    def _look(self) -> float:
        """Look once. Returns in how many seconds to look again, if nothing happens before."""
        self._wake.clear()
        with self._changed:
            self._begun = number = self._begun + 1
        try:
            self._join()
            look = self._events.catch_up(self._name)
            latest = self._events.latest(self._name)
        except StoreUnavailable:
            self._part()
            return TRY_AGAIN_SECONDS
        except Exception:  # a bug, or a call that nobody thought of: the streams go on with what others find
            log.exception("an error of ours while looking at a user")
            return REST_SECONDS
        with self._changed:
            self._done = self._done if look.more else number
            self._news += latest != self._latest
            self._latest = latest
            self._changed.notify_all()
        return 0.0 if look.more else LOOK_SECONDS if look.live else REST_SECONDS

    def _join(self) -> None:
        """Let the live feed say when something changed."""
        if self._listener is None or self._listener.turned_back or self._listener.ended:
            self._part()
            listener = Listener(Wanted(user=self._name, types=frozenset(TYPES)), Form(NEWS, masked=True), lambda: None)
            self._live.join(listener, None)
            self._listener = listener

    def _part(self) -> None:
        if listener := self._listener:
            self._live.part(listener)
            self._listener = None
