"""What one listener to the events of a user is sent.

The events are in the store, appended once by whichever reader finds them first (`app/calls/session_events.py`): so all
workers send the same, with the same ids. A reader looks when something of the user's calls changed, and now and
then by itself: ringing and registrations end by time, and a leg may have moved to where the user is not named.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import randrange
from typing import Any, Final, Protocol

from app.calls.session_events import Look
from app.domain.numbers import masked as mask
from app.live import rendering
from app.live.changes import TYPES
from app.live.connection import Connection
from app.live.follower import Live
from app.live.listener import Listener, Wanted
from app.live.rendering import NEWS, Form
from app.live.stream import HEARTBEAT_SECONDS, RETRY_AFTER_A_STOP_MS, RETRY_MS, TRY_AGAIN_SECONDS
from app.store.errors import StoreUnavailable
from app.store.user_events import UserEvent

LOOK_SECONDS: Final = 1.0  # between two looks while there are live sessions
REST_SECONDS: Final = 5.0  # and while there are none
AT_ONCE: Final = 50  # events
BEGINNING: Final = "sessions"  # the event with which who begins here learns what goes on


class Events(Protocol):
    """Where the events come from. All raise StoreUnavailable."""

    def catch_up(self, name: str) -> Look:
        """Append what the user *name* was not sent yet."""

    def user_events(self, name: str, after: str, limit: int) -> list[UserEvent] | None:
        """The next events after the one with this id; None if it is no longer there."""

    def now(self, name: str) -> tuple[str, Mapping[str, Any]]:
        """The user with all live sessions, for who begins here; and the id of the event after which that is."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who listens: *after* which event, and whether telephone numbers are masked. *may_read*: still."""

    name: str
    after: str | None
    masked: bool
    connection: Connection
    may_read: Callable[[], bool]

    def frame(self, name: str, data: Mapping[str, Any], id_: str) -> bytes:
        """An event as bytes."""
        return rendering.event(name, rendering.to_json(mask(data) if self.masked else data), id_)

    def goes_on(self) -> bool:
        """Whether the client is there and may read."""
        try:
            return not self.connection.is_gone and self.may_read()
        except StoreUnavailable:
            return True


def stream(live: Live, events: Events, reader: Reader) -> Iterator[bytes]:
    """Server-sent events of the user, until the client or the server ends it."""
    wanted, after = Wanted(user=reader.name, types=frozenset(TYPES)), reader.after
    listener: Listener | None = None
    live.enter()
    try:
        yield rendering.retry(RETRY_MS)
        beat = time.monotonic() + HEARTBEAT_SECONDS
        while not live.ended:
            rest = TRY_AGAIN_SECONDS
            try:
                if listener is None or listener.turned_back:
                    listener = Listener(wanted, Form(NEWS, masked=True), reader.connection.hang_up)
                    live.join(listener, None)
                look = events.catch_up(reader.name)
                rest = 0.0 if look.more else LOOK_SECONDS if look.live else REST_SECONDS
                for frame, reached in _frames(events, reader, after):
                    yield frame
                    after = reached
            except StoreUnavailable:
                if listener is not None:
                    live.part(listener)
                listener = None
            if listener is None:
                time.sleep(rest)
            else:
                listener.take(rest)
                if listener.ended:
                    break
            if time.monotonic() >= beat:
                beat = time.monotonic() + HEARTBEAT_SECONDS
                if not reader.goes_on():
                    return
                yield rendering.heartbeat()
        yield rendering.retry(randrange(*RETRY_AFTER_A_STOP_MS))  # noqa: S311 - spreads the load
    finally:
        if listener is not None:
            live.part(listener)
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
