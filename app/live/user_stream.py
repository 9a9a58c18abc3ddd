"""What one listener to the events of a user is sent.

The events are in the store, appended once by whichever reader finds them first (`app/calls/session_events.py`): so all
workers send the same, with the same ids. `user_looks.py` looks for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import randrange
from typing import Any, Final, Protocol

from app.domain.numbers import masked as mask
from app.live import rendering
from app.live.connection import Connection
from app.live.follower import JOIN_SECONDS, Live
from app.live.stream import HEARTBEAT_SECONDS, RETRY_AFTER_A_STOP_MS, RETRY_MS, TRY_AGAIN_SECONDS
from app.live.user_looks import Looking, UserLooks
from app.store.errors import StoreUnavailable
from app.store.user_events import UserEvent

AT_ONCE: Final = 50  # events
BEGINNING: Final = "sessions"  # the event with which who begins here learns what goes on


class Events(Looking, Protocol):
    """Where the events come from. All raise StoreUnavailable."""

    def user_events(self, name: str, after: str, limit: int) -> list[UserEvent] | None:
        """The next events after the one with this id; None if it is no longer there."""

    def now(self, name: str) -> tuple[str, Mapping[str, Any]]:
        """The user with all live sessions, for who begins here; and the id of the event after which that is."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who listens: *after* which event, and whether telephone numbers are masked. *may_read*: still.

    `is_page`: signals of other pages are for it: it acts for the user, and does not just look on.
    """

    name: str
    after: str | None
    masked: bool
    is_page: bool
    connection: Connection
    may_read: Callable[[], bool]

    def frame(self, name: str, data: Mapping[str, Any], id_: str | None = None) -> bytes:
        """An event as bytes; *id_* None: it is not kept, and a stream that resumes goes on after the one before."""
        return rendering.event(name, rendering.to_json(mask(data) if self.masked else data), id_)

    def goes_on(self) -> bool:
        """Whether the client is there and may read."""
        try:
            return not self.connection.is_gone and self.may_read()
        except StoreUnavailable:
            return True


def stream(live: Live, looks: UserLooks, events: Events, reader: Reader) -> Iterator[bytes]:
    """Server-sent events of the user, until the client or the server ends it."""
    after = reader.after
    live.enter()
    try:
        with looks.following(reader.name, events) as lookout:
            yield rendering.retry(RETRY_MS)
            beat = time.monotonic() + HEARTBEAT_SECONDS
            signals = lookout.signalled
            lookout.look(JOIN_SECONDS)  # so that who begins here is not sent what happened before
            while not live.ended and not lookout.ended:
                news = lookout.news
                signals, new_signals = lookout.signals_after(signals)
                for data in new_signals if reader.is_page else ():
                    yield reader.frame(str(data["event"]), data)
                try:
                    for frame, reached in _frames(events, reader, after):
                        yield frame
                        after = reached
                    lookout.wait(news, signals, beat - time.monotonic())
                except StoreUnavailable:
                    time.sleep(TRY_AGAIN_SECONDS)
                if time.monotonic() >= beat:
                    beat = time.monotonic() + HEARTBEAT_SECONDS
                    if not reader.goes_on():
                        return
                    yield rendering.heartbeat()
        yield rendering.retry(randrange(*RETRY_AFTER_A_STOP_MS))  # noqa: S311 - spreads the load
    finally:
        live.leave()


def _frames(events: Events, reader: Reader, after: str | None) -> Iterator[tuple[bytes, str]]:
    """All that is there after the event *after*, None: from now on; each frame with the id that it leads to."""
    while True:
        found = None if after is None else events.user_events(reader.name, after, AT_ONCE)
        if found is None or after is None:
            after, data = events.now(reader.name)
            yield reader.frame(BEGINNING, data, after), after
            continue
        for event in found:
            after = event.id
            yield reader.frame(str(event.data["event"]), event.data, after), after
        if len(found) < AT_ONCE:
            return
