"""A conversation: the legs that can hear each other, projected from its events.

Events are the truth. A `History` is a set of them; two histories are joined by union, so it does not matter in which
order, how often, or to which server the webhooks came. All else is computed from the set whenever it is read.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from app.domain.actions import OURS, RECORDING, Action, calls_into_room
from app.domain.call_object import outdone
from app.domain.causes import GivenAnswer, WentWrong, cause_of
from app.domain.events import (
    Answer,
    CallError,
    CallStatus,
    Completed,
    Event,
    Fallback,
    Input,
    Recording,
    Transcription,
    TranscriptionFailed,
    merge,
)
from app.domain.leg_control import done_to
from app.domain.leg_state import BITS, FINAL
from app.domain.legs import Leg, Moment, project_leg, seconds_between
from app.domain.moves import Presence, presence
from app.domain.recording import RecordState, record_state
from app.domain.timeline import Stay, life_of

ConversationState = Literal["live", "ended", "presumed_ended"]


class Kept(NamedTuple):
    """An event and when its first kept copy was received."""

    event: Event
    received: datetime


History = Mapping[bytes, Kept]  # by canonical body


def history(kept: Iterable[Kept]) -> History:
    """A history of *kept*: copies of one webhook count once, received when the first of them was."""
    found: dict[bytes, Kept] = {}
    for copy in kept:
        known = found.get(copy.event.canonical)
        if known is None or copy.received < known.received:
            found[copy.event.canonical] = copy
    return found


def join(*histories: History) -> History:
    """The union of *histories*. Commutative, associative, idempotent."""
    return history(kept for each in histories for kept in each.values())


class Member(NamedTuple):
    """A leg, and whether it is in the conversation."""

    leg: Leg
    presence: Presence


class Recorded(NamedTuple):
    """A recording and, once it was transcribed, where its text is, or why there is none. `size` is in bytes.

    `voicemail_of` is the user for whom it is a message, if it is one.
    """

    at: datetime
    recording_uuid: str | None
    recording_url: str | None = None
    size: int | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    voicemail_of: str | None = None
    transcription_url: str | None = None
    transcription_error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What is known of a conversation. `legs` includes those that left it; lists are oldest first.

    `state` is presumed_ended where no event of a live one came for so long that its end must have been lost.
    `price` is the sum over the legs present: a leg that moved on is paid for where it ended.
    """

    conversation_uuid: str
    state: ConversationState
    first_received: datetime
    last_received: datetime
    started: datetime | None
    answered: datetime | None
    ended: datetime | None
    duration_seconds: float | None
    price: str | None
    legs: tuple[Member, ...]
    answers: tuple[tuple[datetime, Answer], ...]
    inputs: tuple[tuple[datetime, Input], ...]
    recordings: tuple[Recorded, ...]
    errors: tuple[WentWrong, ...]
    record_state: RecordState


def moments(events: History) -> list[Moment]:
    """Every fact once, its variants merged, at the time it counts for; oldest first.

    Bodies that name different conversations stay apart: merged, one of the two would lose its leg. What was looked up
    at Vonage counts until a webhook says it.
    """
    facts: dict[Any, list[Kept]] = {}
    passed_over = outdone([kept.event for kept in events.values()])
    for canonical, kept in events.items():
        if canonical in passed_over:
            continue
        facts.setdefault((kept.event.conversation, kept.event.dedup_key), []).append(kept)
    merged = [
        Moment(event.occurred or min(kept.received for kept in variants), event)
        for variants in facts.values()
        if (event := merge(kept.event for kept in variants))
    ]
    return sorted(merged, key=lambda moment: (moment.at, moment.event.canonical))


def by_leg(events: History) -> dict[str, History]:
    """The history of each leg that *events* name."""
    legs: dict[str, dict[bytes, Kept]] = {}
    for canonical, kept in events.items():
        if kept.event.leg:
            legs.setdefault(kept.event.leg, {})[canonical] = kept
    return dict(legs)


def project(
    conversation: str,
    events: History,
    *,
    now: datetime,
    presume_ended_after: timedelta,
    legs: Mapping[str, Leg] = MappingProxyType({}),
) -> Conversation | None:
    """The conversation after *events*, at the time *now*; None if none of them belongs to it.

    *legs*: those that more is known of than *events* say. *events* may include those of other conversations, which say
    how its legs went on.
    """
    kept_here = [kept for kept in events.values() if conversation in kept.event.conversations]
    if not kept_here:
        return None
    everywhere = moments(events)
    here = [moment for moment in everywhere if conversation in moment.event.conversations]
    members = _members(conversation, here, everywhere, legs)
    last_received = max(kept.received for kept in kept_here)
    state: ConversationState = "ended"
    if not members or any(member.presence.here and member.leg.state != "completed" for member in members):
        state = "presumed_ended" if now - last_received > presume_ended_after else "live"
    ended = max(filter(None, map(_left, members)), default=None) if state == "ended" else None
    started = _started(conversation, here, ended)
    return Conversation(
        conversation_uuid=conversation,
        state=state,
        first_received=min(kept.received for kept in kept_here),
        last_received=last_received,
        started=started,
        answered=min(filter(None, (_answered_here(member, conversation, here) for member in members)), default=None),
        ended=ended,
        duration_seconds=seconds_between(started, ended),
        price=total_price(member.leg.price for member in members if member.presence.here),
        legs=tuple(members),
        answers=tuple((at, event) for at, event in here if isinstance(event, Answer)),
        inputs=tuple((at, event) for at, event in here if isinstance(event, Input)),
        recordings=recordings_in(here),
        errors=errors_in(here, events),
        record_state=_record_state(conversation, here, everywhere, members),
    )


def _record_state(
    conversation: str, here: list[Moment], everywhere: list[Moment], members: list[Member]
) -> RecordState:
    """Whether it is being recorded because of an action, which most are not."""
    if not any(isinstance(event, Action) and event.verb in RECORDING for _, event in here):
        return "inactive"
    stays = [
        stay
        for leg in (member.leg for member in members)
        for stay in _stays(leg, [moment for moment in everywhere if moment.event.leg == leg.uuid])
    ]
    return record_state(conversation, done_to(here, {}), stays)


def _stays(leg: Leg, happened: list[Moment]) -> tuple[Stay, ...]:
    """Where *leg* was."""
    return life_of(leg, happened, frozenset(), {leg.place.conversation or ""}).stays if happened else ()


def _members(conversation: str, here: list[Moment], everywhere: list[Moment], known: Mapping[str, Leg]) -> list[Member]:
    """The legs of the conversation in the order in which they came."""
    by_leg: dict[str | None, list[Moment]] = {}
    for moment in everywhere:
        by_leg.setdefault(moment.event.leg, []).append(moment)
    reported = {event.leg for _, event in everywhere if not isinstance(event, OURS)}
    uuids = dict.fromkeys(event.leg for _, event in here if event.leg and _says_where(event, reported))
    legs = (known.get(uuid) or project_leg(uuid, by_leg[uuid]) for uuid in uuids)
    return [Member(leg, presence(leg.moves, conversation, leg.place)) for leg in legs]


def _says_where(event: Event, reported: Container[str | None]) -> bool:
    """Whether the leg of *event* is, or was, in its conversation. What we do to it names one that Vonage may not.

    *reported*: legs of which there are webhooks.
    """
    return not calls_into_room(event) and not (isinstance(event, OURS) and event.leg in reported)


def _started(conversation: str, here: list[Moment], ended: datetime | None) -> datetime | None:
    """When the first leg was here. A status that ends a leg does not say when it began; its bill does."""
    seen = (
        at
        for at, event in here
        if getattr(event, "joined", None) == conversation
        or (isinstance(event, CallStatus) and event.leg and not BITS.get(event.status, 0) & FINAL)
    )
    started = min(seen, default=None)
    if started is None or (ended and started >= ended):
        billed_from = (event.start_time for _, event in here if isinstance(event, Completed) and event.leg)
        return min(filter(None, billed_from), default=started)
    return started


def _left(member: Member) -> datetime | None:
    """When the leg ended or left the conversation."""
    return member.leg.completed if member.presence.departure is None else member.presence.departure.at


def _answered_here(member: Member, conversation: str, here: list[Moment]) -> datetime | None:
    """When the leg was first both answered and in the conversation."""
    answered = member.leg.answered
    reported_here = (
        at for at, event in here if event.leg == member.leg.uuid and getattr(event, "status", None) == "answered"
    )
    arrived = min((move.at for move in member.leg.moves if move.joined == conversation), default=None)
    return min(reported_here, default=max(answered, arrived) if answered and arrived else None)


def recordings_in(here: list[Moment]) -> tuple[Recorded, ...]:
    """Recordings, each with what became of its text; a text whose recording is not known is listed by itself."""
    recordings: dict[str | bytes, Recorded] = {}
    for at, event in here:
        if isinstance(event, Recording):
            facts = (event.recording_uuid, event.recording_url, event.size, event.start_time, event.end_time)
            user = event.voicemail.user if event.voicemail else None
            recordings[event.recording_uuid or event.canonical] = Recorded(at, *facts, user)
    for at, event in here:
        if isinstance(event, Transcription | TranscriptionFailed):
            name = event.recording_uuid or event.canonical
            known = recordings.get(name) or Recorded(at, event.recording_uuid)
            if isinstance(event, Transcription):  # it counts, though an attempt before it may have failed
                recordings[name] = known._replace(transcription_url=event.transcription_url, transcription_error=None)
            elif known.transcription_url is None:
                recordings[name] = known._replace(transcription_error=event.error or "no reason given")
    return tuple(sorted(recordings.values(), key=lambda recording: recording.at))


def errors_in(here: list[Moment], events: History) -> tuple[WentWrong, ...]:
    """Errors, each with its cause. Answers and errors have no variants to merge: all are in *events* as they came."""

    def received(event: Event) -> datetime:
        return events[event.canonical].received

    answers = [GivenAnswer(received(event), at, event) for at, event in here if isinstance(event, Answer)]
    errors = [(at, event) for at, event in here if isinstance(event, CallError | Fallback)]
    return tuple(WentWrong(at, event, cause_of(event, received(event), answers)) for at, event in errors)


def total_price(prices: Iterable[str | None]) -> str | None:
    """The exact sum, with as many decimals as the most precise price; None if no price is known."""
    known = [Decimal(price) for price in prices if price is not None]
    with localcontext() as context:
        context.prec = 100
        return format(sum(known, Decimal(0)), "f") if known else None
