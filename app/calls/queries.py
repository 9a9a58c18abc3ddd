"""Reads calls from the store for the API, the pages and the commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any

from app.calls import schemas
from app.calls.names import NOBODY, Known
from app.calls.recent import Dumps, Recent, is_long, is_silent
from app.calls.stored_event import StoredEvent, read_stored_event
from app.domain.conversations import Conversation, History, Member, moments, project
from app.domain.legs import Leg, project_leg
from app.domain.moves import Presence
from app.store.apart import apart
from app.store.contract import CallReader
from app.store.pages import Filter, Position

# Limits for one page where conversations have to be read before it is known whether they are wanted:
MAX_READ = 1000  # conversations
MAX_SECONDS = 0.3  # the store gives no more to a request that takes much longer

PROJECTED = Recent[Conversation | None]()  # by history
DUMPED = Dumps()  # by conversation


@dataclass(frozen=True, slots=True)
class Calls:
    """Reads calls and dumps them as JSON. Needs no request. All that reads raises StoreUnavailable."""

    store: CallReader
    presume_ended_after: timedelta
    mask_numbers: bool  # for all but operators
    names: Callable[[], Known] = lambda: NOBODY

    def conversation(self, uuid: str) -> Conversation | None:
        """The conversation *uuid*; None if nothing of it is stored."""
        return next(iter(self.conversations([uuid])), None)

    def conversations(self, uuids: Sequence[str], now: datetime | None = None) -> list[Conversation]:
        """The conversations *uuids*, in their order, without those of which nothing is stored."""
        alone, moving = self.store.histories(uuids)
        times: Any = {"now": now or datetime.now(UTC), "presume_ended_after": self.presume_ended_after}

        def fold() -> list[Conversation]:
            legs = {uuid: project_leg(uuid, moments(leg.events), leg.known) for uuid, leg in moving.items()}
            projected = (_projected(uuid, alone[uuid], legs, times) for uuid in uuids if uuid in alone)
            return [conversation for conversation in projected if conversation is not None]

        return apart(fold)

    def page(
        self, wanted: Filter, *, limit: int, outcome: str | None = None, after: Position | None = None
    ) -> tuple[list[Conversation], Position | None]:
        """The next conversations, newest first, and the position to continue at; None at the end.

        *outcome*: only conversations with a leg of this outcome. The store has no index of it, so its pages are read
        until enough are found, a limit is reached, or one is empty: the result may be short though there is more.
        """
        now = datetime.now(UTC)
        wanted = wanted._replace(presumed_before=now - self.presume_ended_after)
        found: list[Conversation] = []
        read, deadline = 0, monotonic() + MAX_SECONDS
        while True:
            page = self.store.page(wanted, after, limit - len(found))
            found += [
                conversation
                for conversation in self.conversations(page.conversations, now)
                if outcome is None or any(member.leg.outcome == outcome for member in conversation.legs)
            ]
            read += len(page.items)
            after = page.next
            give_up = read >= MAX_READ or monotonic() >= deadline or not page.items
            if after is None or outcome is None or len(found) >= limit or give_up:
                return found, after

    def events(self, conversation: str, first: int = 0, last: int = -1) -> list[StoredEvent]:
        """The events stored with *conversation*, oldest first by receipt, from index *first* to *last*."""
        records = self.store.records(conversation, first, last)
        return apart(lambda: [read_stored_event(record) for record in records])

    def leg(self, uuid: str) -> Member | None:
        """The leg over all conversations it has been in, with its latest move; None if nothing of it is stored."""
        events, known = self.store.leg_history(uuid)
        return apart(lambda: with_latest_move(project_leg(uuid, moments(events), known))) if events else None

    def dump(self, item: Conversation | Member | StoredEvent, role: str | None) -> dict[str, Any]:
        """*item* as JSON, with the names of telephone numbers; those are masked as they are for *role*."""
        return self.dump_all([item], role)[0]

    def dump_all(self, items: Sequence[Conversation | Member | StoredEvent], role: str | None) -> list[dict[str, Any]]:
        """Each of *items*, as `dump` returns it."""
        mask, names = self.masks_for(role), self.names()
        return apart(lambda: [_dumped(item, mask, names) for item in items])

    def masks_for(self, role: str | None) -> bool:
        """Whether *role* sees of a telephone number its last four digits only."""
        return self.mask_numbers and role != "operator"


def _projected(uuid: str, events: History, legs: dict[str, Leg], times: dict[str, Any]) -> Conversation | None:
    """The conversation *uuid*, at *times*. *legs*: those that have been in several conversations."""
    if any(kept.event.leg in legs for kept in events.values()):
        return project(uuid, events, legs=legs, **times)
    if is_long(events):
        return project(uuid, events, **times)
    silent = is_silent(events, times["now"], times["presume_ended_after"])
    return PROJECTED.computed(lambda: project(uuid, events, **times), events, uuid, silent)


def _dumped(item: Conversation | Member | StoredEvent, mask: bool, names: Known) -> dict[str, Any]:
    def dump() -> dict[str, Any]:
        return schemas.dump(item, mask_numbers=mask, names=names)

    if not isinstance(item, Conversation) or any(member.leg.moves for member in item.legs):
        return dump()
    if is_long(item.legs, item.answers, item.inputs, item.recordings, item.errors):
        return dump()
    return DUMPED.dumped(dump, names, item, mask)


def with_latest_move(leg: Leg) -> Member:
    """*leg* by itself, as part of no conversation."""
    latest = leg.moves[-1] if leg.moves else None
    return Member(leg, Presence(latest, latest))
