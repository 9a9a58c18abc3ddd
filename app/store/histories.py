"""Histories of conversations, of their records as they are stored; the latest are kept, for they are read again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from app.domain.conversations import History, Kept, history
from app.domain.events import Event
from app.store import keys
from app.store.codec import Record, unpack

MOST: Final = 1000  # conversations, in each process
MOST_RECORDS: Final = 32  # of one that is kept


class HistoryAlone(NamedTuple):
    """The history of one conversation, and when the earliest event of it was received."""

    events: History
    first_received: datetime | None


def history_alone(read: Callable[[Record], Event], conversation: str, stored: Sequence[bytes]) -> HistoryAlone:
    """The history of *conversation*: the same object while *stored* is the same. Raises UnreadableRecord."""
    make = _kept if len(stored) <= MOST_RECORDS else _make
    return make(read, conversation, tuple(stored))


def of_kept(kept: Sequence[Kept]) -> HistoryAlone:
    """The history of the events *kept*."""
    return HistoryAlone(history(kept), min((each.received for each in kept), default=None))


def _make(read: Callable[[Record], Event], conversation: str, stored: tuple[bytes, ...]) -> HistoryAlone:
    name = keys.encode(conversation)
    records = [unpack(raw, name) for raw in stored]
    return of_kept([Kept(read(record), record.received) for record in records])


_kept = lru_cache(MOST)(_make)


def forget() -> None:
    """Keep none: the next reads are first ones."""
    _kept.cache_clear()
