"""From a stored record back to the event it was made of."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from app.domain import actions
from app.domain.events import Event
from app.store.codec import ACTION, ANSWER, Record
from app.webhooks.body import read_object
from app.webhooks.schemas import read_event, read_kept_answer

CACHED: Final = 2048  # the latest events: a live call is read again and again, to show it and to count it
CACHED_BYTES: Final = 2048  # of a record that is cached


def read_record(record: Record) -> Event:
    """The event a record was made of."""
    read = _cached if len(record.body) <= CACHED_BYTES else _read
    return read(record.sort, record.body)


def _read(sort: bytes, text: bytes) -> Event:
    body = read_object(text)
    if sort == ACTION:
        return actions.read(body)
    return read_kept_answer(body, text) if sort == ANSWER else read_event(body)


_cached = lru_cache(CACHED)(_read)
