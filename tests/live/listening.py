"""A live feed over a store of its own, and its streams read in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from app.live.follower import Live
from app.live.listener import Listener, Wanted
from app.live.rendering import JSON, Form
from app.live.stream import stream
from app.store.feed import FeedPosition
from app.store.store import Store
from tests.sse import Reading

EVERYTHING = Wanted()


class Station:
    """A worker's live feed. `hung_up`: how many streams it cut because their readers were too slow."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.live = Live(store, store.feed(), timedelta(hours=2))
        self.hung_up = 0

    def pieces(
        self,
        since: FeedPosition | None = None,
        *,
        wanted: Wanted = EVERYTHING,
        masked: bool = False,
        form: str = JSON,
        goes_on: Callable[[], bool] = lambda: True,
        opened: list[Listener] | None = None,
    ) -> Iterator[bytes]:
        """A stream, for whoever reads it piece by piece. Its listeners are added to *opened*."""

        def new_listener() -> Listener:
            listener = Listener(wanted, Form(form, masked), self._hang_up)
            if opened is not None:
                opened.append(listener)
            return listener

        return stream(self.live, new_listener, since, goes_on=goes_on)

    def read(self, since: FeedPosition | None = None, **options: Any) -> Reading:
        """A stream that is read in a thread, and has begun."""
        opened: list[Listener] = []

        def close() -> None:  # as a reader who leaves
            opened[-1].ended = True
            opened[-1]._queue.put(b"")
            reading.wait_for_end()

        reading = Reading(self.pieces(since, opened=opened, **options), close)
        return reading.begun()

    def _hang_up(self) -> None:
        self.hung_up += 1


@contextmanager
def station(store: Store) -> Iterator[Station]:
    """A worker's live feed, which is stopped in the end."""
    opened = Station(store)
    try:
        yield opened
    finally:
        opened.live.stop()
