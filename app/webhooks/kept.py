"""From a stored record back to the event it was made of."""

from __future__ import annotations

from app.domain.events import Event
from app.store.codec import ANSWER, Record
from app.webhooks.body import read_object
from app.webhooks.schemas import read_event, read_kept_answer


def read_record(record: Record) -> Event:
    """The event a record was made of."""
    body = read_object(record.body)
    return read_kept_answer(body, record.body) if record.sort == ANSWER else read_event(body)
