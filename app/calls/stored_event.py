"""An event together with the record it was read from."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from app.domain.actions import was_received
from app.domain.events import Event
from app.store.codec import Record
from app.store.record_command import digest
from app.webhooks.kept import raw_of, read_record


class StoredEvent(NamedTuple):
    """An event, when it was received, and `raw`: the webhook's body as it came, or our record of an answer."""

    event: Event
    received: datetime
    raw: dict[str, Any]
    flags: tuple[str, ...]  # what was odd about the body, and what the signature check noted

    @property
    def position(self) -> tuple[datetime, datetime, bytes]:
        """Sorts events by when they happened; one without a timestamp counts for the time of its receipt."""
        return self.event.occurred or self.received, self.received, digest(self.event.canonical)

    @property
    def lag_ms(self) -> int | None:
        """Milliseconds from its own timestamp to its receipt; None if it has no timestamp, or was not received."""
        occurred = self.event.occurred if was_received(self.event) else None
        return round((self.received - occurred).total_seconds() * 1000) if occurred else None


def read_stored_event(record: Record) -> StoredEvent:
    """Read *record*."""
    event = read_record(record)
    return StoredEvent(event, record.received, raw_of(record), event.flags + record.notes)
