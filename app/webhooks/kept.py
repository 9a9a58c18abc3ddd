"""From a stored record back to the event it was made of."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from app.domain import actions, events
from app.domain.events import Event
from app.store.codec import ACTION, ANSWER, LOOKED_UP, VOICEMAIL, Record
from app.webhooks.body import read_object
from app.webhooks.schemas import read_event, read_kept_answer
from app.webhooks.voicemails import read_kept_voicemail

CACHED: Final = 2048  # the latest events: a live call is read again and again, to show it and to count it
CACHED_BYTES: Final = 2048  # of a record that is cached


def raw_of(record: Record) -> dict[str, Any]:
    """The body of a webhook as it came; of an answer or an action our record of it."""
    body = read_object(record.body)
    return dict(body["webhook"]) if record.sort == VOICEMAIL else body


def read_record(record: Record) -> Event:
    """The event a record was made of."""
    read = _cached if len(record.body) <= CACHED_BYTES else _read
    return read(record.sort, record.body)


def _read(sort: bytes, text: bytes) -> Event:
    body = read_object(text)
    if sort == ACTION:
        return actions.read(body)
    if sort == VOICEMAIL:
        return read_kept_voicemail(body)
    if sort == LOOKED_UP:
        event = read_event(body)
        return replace(event, flags=(*event.flags, events.LOOKED_UP))
    return read_kept_answer(body, text) if sort == ANSWER else read_event(body)


_cached = lru_cache(CACHED)(_read)
