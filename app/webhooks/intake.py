"""One request of Vonage's, read once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from time import perf_counter
from typing import Any

from app.domain.events import Answer, Event, Recording, Voicemail
from app.webhooks.body import read_body, write_json
from app.webhooks.schemas import read_answer, read_event
from app.webhooks.voicemails import kept_voicemail

FALLBACK_FIELDS = frozenset({"original_request", "reason"})  # what a fallback copy has beside the request it repeats


@dataclass(frozen=True)
class Webhook:
    """A request with its JSON text and object. *notes* are what the signature check noted.

    *voicemail* is what the address that it came to says of its recording.
    As an event (`event`) or as the question what to do with a call (`caller`) it is read when that is first needed.
    """

    text: bytes
    body: dict[str, Any]
    received: datetime
    notes: tuple[str, ...]
    voicemail: Voicemail | None = None
    began: float = field(default_factory=perf_counter)

    @cached_property
    def original(self) -> dict[str, Any]:
        """The request that a fallback copy repeats; any other webhook's own body."""
        if self.body.get("original_request") is None:
            return self.body
        return {name: value for name, value in self.body.items() if name not in FALLBACK_FIELDS}

    @cached_property
    def event(self) -> Event:
        """The event in it, the same whether it came to the event URL or to the fallback URL."""
        event = read_event(self.original)
        return replace(event, voicemail=self.voicemail) if isinstance(event, Recording) else event

    @cached_property
    def caller(self) -> Answer:
        """Who calls whom, if it is read as an answer webhook."""
        return read_answer(self.body)

    def events(self) -> Iterator[tuple[Event, bytes, bool]]:
        """The events to keep: each with its JSON text, and whether it counts as a webhook received.

        A fallback copy is two events: that the fallback URL was needed, and the original.
        """
        text = self.text
        if self.original is not self.body:
            yield read_event(self.body), text, False
            text = write_json(self.original)
        left = self.event.voicemail if isinstance(self.event, Recording) else None
        yield self.event, kept_voicemail(text, left) if left else text, True

    def without(self, name: str) -> Webhook:
        """The webhook without the parameter *name* in its body."""
        body = {other: value for other, value in self.body.items() if other != name}
        return replace(self, text=write_json(body), body=body)


def read_webhook(body: bytes, query: bytes, received: datetime, notes: tuple[str, ...]) -> Webhook:
    """The webhook in the *body* of a request or, without one, in its *query* string. Raises BadBody."""
    text, found = read_body(body, query.decode(errors="replace"))
    return Webhook(text, found, received, notes)
