"""What the server needs of the store, by user. A replacement for the store implements the part that it needs.

Unless it says "later", every method raises StoreUnavailable when Redis does not reply in time.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, Protocol

from app.domain.conversations import History
from app.domain.events import Event
from app.domain.legs import Known
from app.store.codec import Record
from app.store.pages import Filter, Page, Position


class Counts(NamedTuple):
    """Sums over all partitions: conversations by state; `counters` has legs by state, and webhooks by outcome."""

    live: int
    presumed_ended: int
    ended: int
    counters: dict[str, int]


class LegHistory(NamedTuple):
    """The events of a leg in all conversations that it has been in, and what else is known of it."""

    events: History
    known: Known


class Histories(NamedTuple):
    """The events of conversations; and, of their legs, those that have been in more than one."""

    conversations: dict[str, History]
    legs: dict[str, LegHistory]


class Tied(NamedTuple):
    """Conversations and those that their legs tie to them, over any number of steps.

    `first_received` is when the earliest event of each was received. `legs`: what else is known
    of legs that have been in several.
    """

    conversations: dict[str, History]
    first_received: dict[str, datetime]
    legs: dict[str, Known]


class EventWriter(Protocol):
    """Keeping webhooks. Every write may be repeated: what is kept already is not kept again."""

    def record(
        self,
        event: Event,
        body: bytes,
        received: datetime,
        notes: tuple[str, ...] = (),
        *,
        counted: bool = True,
        until: float | None = None,
    ) -> bool | None:
        """Keep *event*, whose JSON text is *body*, with its conversation; a transfer with both of its conversations.

        *notes* come from the signature check; *counted*: whether it counts as a webhook received; *until*: when Redis
        must have it (monotonic), if one webhook has several events. Returns False for a repeat, which changes nothing
        and adds nothing to the feed; None if it waits on disk: Redis is away.
        """

    def record_later(
        self, event: Event, body: bytes, received: datetime, notes: tuple[str, ...] = (), *, counted: bool = True
    ) -> None:
        """Keep an event, or our record of an answer, later: the caller does not wait."""

    def unfile(self, body: bytes, why: str, received: datetime, *, until: float | None = None) -> bool | None:
        """Keep a webhook that belongs to no conversation. Returns False for a repeat, None if it waits on disk."""

    def unfile_later(self, body: bytes, why: str, received: datetime) -> None:
        """The same, later."""

    def count(self, name: str) -> None:
        """Add 1, later, to a counter of webhooks that are not kept: `refused:expired`."""

    def waited(self, ms: float) -> None:
        """Count, later, how long a webhook waited to be kept."""


class CallReader(Protocol):
    """Reading calls."""

    def records(self, conversation: str, first: int = 0, last: int = -1) -> list[Record]:
        """The records of *conversation* from index *first* to *last*, in the order in which they were kept."""

    def records_of(self, conversations: Iterable[str]) -> list[Record]:
        """All records of *conversations*; an event of two of them comes twice."""

    def histories(self, conversations: Iterable[str]) -> Histories:
        """The events of each of *conversations* that has any, and those that its legs have in other ones."""

    def tied(self, conversations: Iterable[str]) -> Tied:
        """The events of *conversations*, of those that any of their legs has been in, and so on; the nearest first.

        Their number is limited: of a call that is spread over more of them the farthest are left out.
        """

    def conversations_of(self, id_: str) -> list[str]:
        """The conversations of a leg, a recording or a conversation with this id; some of them may have no events."""

    def leg_history(self, leg: str) -> LegHistory:
        """The events of *leg*; none if it is unknown."""

    def page(self, wanted: Filter, after: Position | None, limit: int) -> Page:
        """The next conversations that match *wanted*, newest first by first receipt.

        A page may be shorter than *limit*, even empty, although there are more: the number scanned is limited.
        """

    def counts(self, presumed_before: datetime) -> Counts:
        """All counters. Live conversations without an event since *presumed_before* are presumed ended."""
