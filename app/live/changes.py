"""What an entry of the feed changed: the state of its conversation, and of its leg, right after it.

Each entry is seen as the script saw it: the conversation is projected from its events up to that of the entry. So two
changes between two looks at the feed are two changes, each with its own state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from app.domain.conversations import Conversation, History, Kept, Member, by_leg, history, join, moments, project
from app.domain.events import Event
from app.domain.leg_state import LegState
from app.domain.legs import Leg, project_leg
from app.domain.marks import users_in
from app.domain.moves import presence
from app.domain.numbers import numbers_in
from app.store.codec import EPOCH, MILLISECOND
from app.store.feed import DELETE, EntryId, FeedEntry, Ordered

ChangeType = Literal["conversation", "leg", "input", "recording", "transfer", "error"]
TYPES: Final[tuple[ChangeType, ...]] = ("conversation", "leg", "input", "recording", "transfer", "error")

OF_KIND: Final[dict[str, ChangeType]] = {
    "status": "leg",
    "detection": "leg",
    "disconnected": "leg",
    "input": "input",
    "record": "recording",
    "transcription": "recording",
    "transcription_failed": "recording",
    "transfer": "transfer",
    "error": "error",
    "fallback": "error",
}
LONG: Final = 1000  # events; a longer conversation is projected once for all of its entries between two looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change.

    `partition` and `entry` say which entry of the feed it is. A change that is `extra` has none of its own: it is of
    another conversation that the leg of that entry was in, and comes before it.
    `index` is the event's index in its conversation, `at` the event's own time, or else when it was received; None and
    the time of the entry where no event was kept: `kind` is "carry" then (news of a leg came from another conversation)
    or "delete". `conversation` and `member` (the leg) are as they were right after it; None for a deletion.
    `numbers` and `users` are all that the conversation can be found by; None for a deletion, of which that is unknown.
    `rendered` keeps what the change was made into (`rendering.py`).
    """

    partition: int
    entry: EntryId
    type: ChangeType
    conversation_uuid: str
    index: int | None
    kind: str
    at: datetime
    leg: str | None = None
    before: LegState | None = None
    after: LegState | None = None
    event: Event | None = None
    conversation: Conversation | None = None
    member: Member | None = None
    numbers: frozenset[str] | None = None
    users: frozenset[str] | None = None
    extra: bool = False
    rendered: dict[tuple[str, bool], str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def deleted(self) -> bool:
        """Whether the conversation was deleted."""
        return self.kind == DELETE


Entries = Sequence[tuple[int, FeedEntry]]  # each with its partition, in the order in which they are sent


def changes_of(entries: Entries, known: Ordered, *, now: datetime, presume_ended_after: timedelta) -> list[Change]:
    """The changes of *entries*, in their order, from all that is *known* of their conversations.

    There is none for an entry whose conversation was deleted, or began anew, after it.
    """
    projections = _Projections(known, now, presume_ended_after)
    seen = _seen(entries, known)
    touched = {entry.conversation for _, entry in entries}
    last_of_leg = {entry.leg: number for number, (_, entry) in enumerate(entries) if entry.leg in known.legs}
    found = []
    for number, (partition, entry) in enumerate(entries):
        if entry.leg and last_of_leg.get(entry.leg) == number:
            names = [name for name in known.legs[entry.leg][1] if name in known.lists and name not in touched]
            found += [change for name in names if (change := projections.again(name, partition, entry))]
        if entry.kind == DELETE:
            found.append(_deletion(partition, entry))
        elif (as_seen := seen[number]) is not None and (change := projections.change(partition, entry, as_seen)):
            found.append(change)
    return found


class _Seen(NamedTuple):
    """What a script saw: how many events of its conversation and, of legs that more is known of by now, their state.

    `elsewhere`: how many events other conversations had then.
    """

    events: int
    legs: Mapping[str, LegState | None] = MappingProxyType({})
    elsewhere: Mapping[str, int] = MappingProxyType({})


def _seen(entries: Entries, known: Ordered) -> list[_Seen | None]:
    """What each entry was made of; None if these events are gone.

    An entry without an event is seen with all events before the next one that has one.
    """
    seen: list[_Seen | None] = [None] * len(entries)
    lengths: dict[str, int] = {}  # of each conversation: how many events it had before the entry that comes next
    states: dict[str, dict[str, LegState | None]] = {}  # and the state of its legs then
    for number in range(len(entries) - 1, -1, -1):
        entry = entries[number][1]
        length = lengths.get(entry.conversation, len(known.lists.get(entry.conversation, ())))
        legs = states.setdefault(entry.conversation, {})
        moving = entry.leg if entry.leg in known.legs else None
        if moving:
            legs[moving] = entry.after
        if entry.kind == DELETE:
            lengths[entry.conversation] = 0
        elif entry.position is None:
            seen[number] = _Seen(length, dict(legs), dict(lengths)) if length else None
        else:
            if entry.position < length:  # else it was deleted after its entry was read
                seen[number] = _Seen(entry.position + 1, dict(legs), dict(lengths) if legs else {})
            lengths[entry.conversation] = min(entry.position, length)
        if moving:
            legs[moving] = entry.before
    return seen


def _deletion(partition: int, entry: FeedEntry) -> Change:
    return Change(
        partition=partition,
        entry=entry.entry_id,
        type="conversation",
        conversation_uuid=entry.conversation,
        index=None,
        kind=DELETE,
        at=EPOCH + entry.entry_id[0] * MILLISECOND,
    )


class _Projections:
    """Projects conversations as they were after some of their events."""

    def __init__(self, known: Ordered, now: datetime, presume_ended_after: timedelta) -> None:
        self._known, self._now, self._presume = known, now, presume_ended_after
        self._whole = known.others | {name: history(filter(None, kept)) for name, kept in known.lists.items()}
        self._legs = {name: by_leg(events) for name, events in self._whole.items()} if known.legs else {}
        self._long: dict[str, tuple[Conversation | None, History]] = {}

    def change(self, partition: int, entry: FeedEntry, seen: _Seen) -> Change | None:
        """The change of *entry*; None if no event can be read."""
        name = entry.conversation
        kept = self._known.lists[name]
        newest = kept[seen.events - 1] if entry.position is not None else None
        conversation, events = self._after(name, kept, seen)
        if conversation is None:
            return None
        member = next((each for each in conversation.legs if each.leg.uuid == entry.leg), None)
        of_kind = OF_KIND.get(entry.kind)
        if of_kind is None and member is not None and entry.before != entry.after:
            of_kind = "leg"
        numbers, users = _found_by(conversation, events)
        return Change(
            partition=partition,
            entry=entry.entry_id,
            type=of_kind or "conversation",
            conversation_uuid=name,
            index=entry.position,
            kind=entry.kind,
            at=(newest.event.occurred or newest.received) if newest else EPOCH + entry.entry_id[0] * MILLISECOND,
            leg=entry.leg,
            before=entry.before,
            after=entry.after,
            event=newest.event if newest else None,
            conversation=conversation,
            member=member,
            numbers=numbers,
            users=users,
        )

    def again(self, name: str, partition: int, entry: FeedEntry) -> Change | None:
        """The conversation *name* as it is now that *entry*, of another one, changed a leg that was in it."""
        events = self._whole.get(name)
        conversation = self._project(name, events) if events else None
        if conversation is None or events is None:
            return None
        numbers, users = _found_by(conversation, events)
        return Change(
            partition=partition,
            entry=entry.entry_id,
            type="conversation",
            conversation_uuid=name,
            index=None,
            kind="carry",
            at=EPOCH + entry.entry_id[0] * MILLISECOND,
            leg=entry.leg,
            conversation=conversation,
            extra=True,
            numbers=numbers,
            users=users,
        )

    def _after(self, name: str, kept: Sequence[Kept | None], seen: _Seen) -> tuple[Conversation | None, History]:
        if len(kept) > LONG:
            if name not in self._long:
                self._long[name] = self._project(name, self._whole[name]), self._whole[name]
            return self._long[name]
        events = history(filter(None, kept[: seen.events]))
        return self._project(name, events, seen), events

    def _project(self, name: str, events: History, seen: _Seen = _Seen(0)) -> Conversation | None:  # noqa: B008 - it is frozen
        legs: dict[str, Leg] = {}
        for uuid, own in (by_leg(events) if self._known.legs else {}).items():
            if uuid not in self._known.legs:
                continue
            news, names = self._known.legs[uuid]
            others = (self._legs.get(other, {}) for other in names if other != name)
            whole = join(own, *(legs_there.get(uuid, {}) for legs_there in others))
            legs[uuid] = project_leg(uuid, moments(whole), news)
            if uuid in seen.legs and _state_in(name, legs[uuid]) != seen.legs[uuid]:
                # Something came elsewhere meanwhile; unless it is not that.
                until_then = project_leg(uuid, moments(join(own, *self._until_then(uuid, name, seen))))
                if _state_in(name, until_then) == seen.legs[uuid]:
                    legs[uuid] = until_then
            # A transfer was received when its first copy was, also if that went elsewhere.
            events = {**events, **{canonical: whole[canonical] for canonical in own}}
        return project(name, events, now=self._now, presume_ended_after=self._presume, legs=legs)

    def _until_then(self, leg: str, name: str, seen: _Seen) -> Iterator[History]:
        """The events of *leg* in other conversations, as far as they were there."""
        for other in self._known.legs[leg][1]:
            if other in seen.elsewhere and other != name:
                kept = self._known.lists.get(other, ())[: seen.elsewhere[other]]
                yield history(each for each in kept if each and each.event.leg == leg)
            elif other != name:
                yield self._legs.get(other, {}).get(leg, {})


def _state_in(conversation: str, leg: Leg) -> LegState | None:
    """The state of *leg* as the feed has it: None while it is not in *conversation*."""
    return leg.state if presence(leg.moves, conversation, leg.place).here else None


def _found_by(conversation: Conversation, events: History) -> tuple[frozenset[str], frozenset[str]]:
    """The numbers and the app users by which a conversation is found."""
    users = {party for member in conversation.legs for party in (member.leg.from_, member.leg.to)}
    users |= {user for kept in events.values() for user in users_in(kept.event)}  # also whom an NCCO calls
    numbers = {number for kept in events.values() for number in numbers_in(kept.event)}
    return frozenset(numbers), frozenset(user for user in users if user)


def now() -> datetime:
    """The moment at which conversations are looked at."""
    return datetime.now(UTC)
