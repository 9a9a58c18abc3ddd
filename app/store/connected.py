"""The connections and settings that all parts of the store share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from app.domain.events import Event
from app.store.codec import MILLISECOND, Record
from app.store.link import Address
from app.store.reader import Reader
from app.store.writer import Writer


class Connected:
    """A writer and a reader for the Redis at *address*.

    *read* makes an event of a record; *connections* is how many this process may open.
    """

    def __init__(
        self, address: Address, *, read: Callable[[Record], Event], retention: timedelta, connections: int = 5
    ) -> None:
        self.place = address.place
        self._address, self._read = address, read
        self._writer = Writer(address)
        self._reader = Reader(address, links=max(1, connections - 2))  # one is the writer's, one the feed's
        self._ttl = retention // MILLISECOND
        self.retention = retention
