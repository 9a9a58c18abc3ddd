"""Reads whole calls from the store: one by any of its ids, and lists of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final, Literal, NamedTuple

from app.calls import call_schemas, queries
from app.calls.folded_calls import dump_call, fold_calls
from app.calls.stored_event import StoredEvent, read_stored_event
from app.domain.calls import Call, Calls
from app.domain.conversations import ConversationState, History
from app.domain.marks import user_mark, users_in
from app.domain.numbers import numbers_in
from app.store import keys
from app.store.apart import apart
from app.store.codec import milliseconds
from app.store.contract import CallReader, Tied
from app.store.pages import SUFFIXES, Filter, Page, Position, State

LEAST_READ: Final = 20  # conversations at a time, where most of them may be of no call that is wanted


class CallFilter(NamedTuple):
    """Which calls are wanted, and whether the newest or the oldest come first; None and "" mean any.

    `number` is digits: a whole number or, with 4 or 7 of them and unless `whole`, also its end. `id` is that of the
    call or of one of its legs, conversations or recordings. `since` is inclusive, `until` is not; both are about the
    receipt of the call's first event.
    """

    state: ConversationState | None = None
    number: str = ""
    whole: bool = False
    user: str = ""
    id: str = ""
    outcome: str | None = None
    missed: bool | None = None
    flow: str = ""
    since: datetime | None = None
    until: datetime | None = None
    has_recording: bool | None = None
    sort: Literal["newest", "oldest"] = "newest"

    def fits(self, call: Call) -> bool:
        """Whether *call* is wanted."""
        return (
            (self.state is None or call.state == self.state)
            and (not self.number or self.has_number(call.numbers))
            and (not self.user or self.user in call.users)
            and (not self.id or self.id in _ids(call))
            and (self.outcome is None or call.outcome == self.outcome)
            and (self.missed is None or call.missed == self.missed)
            and (not self.flow or self.flow in call.flows)
            and (self.since is None or call.first_received >= self.since)
            and (self.until is None or call.first_received < self.until)
            and (self.has_recording is None or call.has_recording == self.has_recording)
        )

    def has_number(self, numbers: Sequence[str]) -> bool:
        """Whether the wanted number is among *numbers*, as `lua/page.lua` decides it."""
        suffix = len(self.number) in SUFFIXES and not self.whole
        return any(number.endswith(self.number) if suffix else number == self.number for number in numbers)


def _ids(call: Call) -> Iterator[str | None]:
    yield call.id
    yield from (leg.leg.uuid for leg in call.legs)
    yield from call.everywhere
    yield from (recording.recording_uuid for recording in call.recordings)


class CallPosition(NamedTuple):
    """A position in the list: in it are all calls of this conversation with an id up to `call`; "": all of them."""

    first_received: int
    conversation: bytes
    call: str = ""

    @property
    def of_conversation(self) -> Position:
        """The position of the conversation."""
        return Position(self.first_received, self.conversation)


class CallPage(NamedTuple):
    """Calls in the order that was wanted; `next` is None at the end of the list."""

    calls: list[Call]
    next: CallPosition | None


@dataclass(frozen=True, slots=True)
class CallQueries:
    """Reads whole calls and dumps them as JSON. Needs no request. All that reads raises StoreUnavailable."""

    reader: queries.Calls

    def call(self, id_: str) -> Call | None:
        """The call with this id, or with a leg, conversation or recording that has it; None if none is stored."""
        names = self.reader.store.conversations_of(id_)
        tied = self.reader.store.tied(names)

        def find() -> Call | None:
            calls = self.fold(tied, datetime.now(UTC))
            if id_ in calls.of_leg:
                return calls.calls.get(calls.of_leg[id_])
            if id_ in tied.conversations:
                return calls.calls.get(calls.of_conversation[id_])
            return next((call for call in calls.calls.values() if id_ in _ids(call)), None)

        return apart(find)

    def calls_of(self, conversations: Iterable[str]) -> list[Call]:
        """The calls that *conversations*, and those tied to them, are of."""
        return self.tied_calls(conversations)[0]

    def tied_calls(self, conversations: Iterable[str]) -> tuple[list[Call], Tied]:
        """The same, and what they were read from."""
        tied, now = self.reader.store.tied(conversations), datetime.now(UTC)
        return apart(lambda: list(self.fold(tied, now).calls.values())), tied

    def events(self, call: Call) -> list[StoredEvent]:
        """The events of *call* as they are stored, each once, oldest first by their own clock."""
        records = self.reader.store.records_of(call.everywhere)

        def read() -> list[StoredEvent]:
            found: dict[bytes, StoredEvent] = {}
            for record in records:
                stored = read_stored_event(record)
                canonical = stored.event.canonical
                if canonical in call.events and (canonical not in found or stored.received < found[canonical].received):
                    found[canonical] = stored
            return sorted(found.values(), key=lambda stored: stored.position)

        return apart(read)

    def page(self, wanted: CallFilter, *, limit: int, after: CallPosition | None = None) -> CallPage:
        """The next calls, newest or oldest first by the receipt of their first event.

        The store lists conversations. Of those of a call that match what the store can decide, the one first received
        represents it, so that each call comes once. With a state, number or user that may be another than the first of
        the call: it decides which page the call is on. The page may be short though there is more: how many
        conversations are read for it is limited.
        """
        page = self._page(wanted, limit, after)
        ordered = sorted(page.calls, key=lambda call: call.first_received, reverse=wanted.sort == "newest")
        return CallPage(ordered, page.next)

    def _page(self, wanted: CallFilter, limit: int, after: CallPosition | None) -> CallPage:
        """The next calls in the order of the conversations that represent them."""
        now = datetime.now(UTC)
        kind = _Few if wanted.id else _Source
        source = kind(self.reader.store, wanted, now - self.reader.presume_ended_after)
        found: list[Call] = []
        read, deadline = 0, monotonic() + queries.MAX_SECONDS
        while True:
            if after is not None and after.call:  # the page before ended within this conversation
                page = Page((after.of_conversation,), after.of_conversation)
            else:
                page = source.page(after.of_conversation if after else None, max(limit - len(found), LEAST_READ))
            within = after.call if after else ""
            represented = self._calls_by_conversation(source, page.conversations, now)
            for item in page.items:
                for call in represented.get(keys.decode(item.conversation), ()):
                    if call.id > within:
                        if len(found) == limit:
                            return CallPage(found, after)
                        found.append(call)
                        after = CallPosition(*item, call.id)
                after, within = CallPosition(*item), ""
            read += len(page.items)
            if page.next is None:
                return CallPage(found, None)
            after = CallPosition(*page.next)
            give_up = read >= queries.MAX_READ or monotonic() >= deadline or not page.items
            if len(found) >= limit or give_up:
                return CallPage(found, after)

    def dump(self, call: Call, role: str | None) -> dict[str, Any]:
        """*call* in full, as JSON, telephone numbers masked as they are for *role*."""
        return self.dump_all([call], role)[0]

    def dump_all(self, calls: Sequence[Call], role: str | None, *, rows: bool = False) -> list[dict[str, Any]]:
        """Each of *calls* in full or, as *rows*, without answers, inputs, recordings and errors."""
        mask, names = self.reader.masks_for(role), self.reader.names()
        return apart(lambda: [dump_call(call, mask_numbers=mask, row=rows, names=names) for call in calls])

    def dump_events(self, call: Call, events: Sequence[StoredEvent], role: str | None) -> list[dict[str, Any]]:
        """Each of *events*, an answer with its NCCO, an error of *call* with its cause."""
        mask = self.reader.masks_for(role)
        return apart(lambda: [call_schemas.dump_event(call, event, mask_numbers=mask) for event in events])

    def fold(self, tied: Tied, now: datetime) -> Calls:
        """The calls that the conversations *tied* are of, at the time *now*. To be done `apart`."""
        return fold_calls(tied, now, self.reader.presume_ended_after)

    def _calls_by_conversation(self, source: _Source, names: Sequence[str], now: datetime) -> dict[str, list[Call]]:
        """The calls that are wanted, sorted by id, under the conversation that represents each."""
        tied = self.reader.store.tied(names)

        def fold() -> dict[str, list[Call]]:
            found: dict[str, list[Call]] = {}
            calls = self.fold(tied, now)
            for call in sorted(calls.calls.values(), key=lambda call: call.id):
                name = source.representing(call, tied, calls.live) if source.wanted.fits(call) else None
                if name is not None:
                    found.setdefault(name, []).append(call)
            return found

        return apart(fold)


class _Source:
    """The conversations that the store lists for a filter, and which of them represents a call."""

    def __init__(self, store: CallReader, wanted: CallFilter, presumed_before: datetime) -> None:
        self.store, self.wanted, self.presumed_before = store, wanted, presumed_before
        # What fits may be in different conversations of a call: the number in the first, the leg that is live in
        # another that began long after. So the store is given one of these conditions alone.
        by_name = bool(wanted.number or wanted.user)
        self.state: State = "any" if by_name or wanted.state is None else wanted.state
        self.until = None if by_name or self.state in ("live", "presumed_ended") else wanted.until
        mark = user_mark(wanted.user) if wanted.user else ""
        self.oldest_first = wanted.sort == "oldest"
        self.filter = Filter(
            self.state, wanted.number, wanted.since, self.until, presumed_before, wanted.whole, mark, self.oldest_first
        )

    def page(self, after: Position | None, limit: int) -> Page:
        """The next conversations."""
        return self.store.page(self.filter, after, limit)

    def representing(self, call: Call, tied: Tied, live: Set[str]) -> str | None:
        """The conversation that represents *call*: a conference only if none of its own matches.

        *live*: the conversations that are live, presumed ended or not.
        """
        for names in (call.conversations, call.conferences):
            matching = [name for name in names if name in tied.conversations and self._matches(name, tied, live)]
            if matching:
                return min(matching, key=lambda name: (tied.first_received[name], keys.encode(name)))
        return None

    def _matches(self, name: str, tied: Tied, live: Set[str]) -> bool:
        """Whether the store lists the conversation *name*."""
        events, first, wanted = tied.conversations[name], tied.first_received[name], self.wanted
        return (
            (wanted.since is None or first >= wanted.since)
            and (self.until is None or first < self.until)
            and self.state in ("any", self._state(name, events, live))
            and self._has_name(events)
        )

    def _state(self, name: str, events: History, live: Set[str]) -> ConversationState:
        if name not in live:
            return "ended"
        last = milliseconds(max(kept.received for kept in events.values()))
        return "presumed_ended" if last < milliseconds(self.presumed_before) else "live"

    def _has_name(self, events: History) -> bool:
        if self.wanted.number:
            return any(self.wanted.has_number(numbers_in(kept.event)) for kept in events.values())
        return not self.wanted.user or any(self.wanted.user in users_in(kept.event) for kept in events.values())


class _Few(_Source):
    """The conversations of one id: so few that all are found at once."""

    def __init__(self, store: CallReader, wanted: CallFilter, presumed_before: datetime) -> None:
        super().__init__(store, wanted, presumed_before)
        names = store.conversations_of(wanted.id)
        self.first_received = {name: at for name, at in store.tied(names).first_received.items() if name in names}

    def page(self, after: Position | None, limit: int) -> Page:  # noqa: ARG002
        """All of them after a position."""
        found = self.first_received.items()
        items = sorted(Position(milliseconds(at), keys.encode(name)) for name, at in found)
        if self.oldest_first:
            return Page(tuple(item for item in items if after is None or item > after), None)
        return Page(tuple(item for item in reversed(items) if after is None or item < after), None)

    def _matches(self, name: str, tied: Tied, live: Set[str]) -> bool:  # noqa: ARG002
        return name in self.first_received
