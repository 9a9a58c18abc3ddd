"""A call as people mean it, projected from the events of the conversations that its legs tie together.

`app/domain/grouping.py` decides which these are, `app/domain/timeline.py` what each leg did at which moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeVar

from app.domain.actions import OURS, RECORDING, Action, calls_into_room
from app.domain.causes import WentWrong
from app.domain.conversations import (
    ConversationState,
    History,
    Kept,
    Recorded,
    errors_in,
    join,
    moments,
    recordings_in,
    total_price,
)
from app.domain.events import Answer, Input, Recording, Transfer
from app.domain.grouping import Group, Grouped, group
from app.domain.leg_control import Done, done_to
from app.domain.legs import Known, Leg, Moment, project_leg, seconds_between
from app.domain.marks import called_users, calls_by, created_for, is_bare_name, users_in
from app.domain.moves import presence
from app.domain.numbers import numbers_in
from app.domain.recording import RecordState, record_state
from app.domain.rooms import Room, room_of
from app.domain.timeline import Life, Occupancy, Segment, Stay, by_leg, length, life_of, segments_of

Phase = Literal["ringing", "talking", "on_hold", "waiting"]
CLOCKS: Final = timedelta(seconds=5)  # by which Vonage's clock may be behind
MOVING: Final = timedelta(seconds=10)  # by then a move is kept in both of its conversations
# Of several legs that do different things now, the first of these is what the call is said to do.
PHASES: Final[dict[str, Phase]] = {"hold": "on_hold", "talk": "talking", "ringing": "ringing", "wait": "waiting"}

Found = TypeVar("Found")


class CallLeg(NamedTuple):
    """A leg of a call: the application's user that it belongs to, if any, where it was and what it did.

    `calls`: whom the user calls, by a call of the server's that rings at the user first.
    """

    leg: Leg
    user: str | None
    stays: tuple[Stay, ...]
    segments: tuple[Segment, ...]
    calls: str | None = None

    @property
    def party(self) -> str | None:
        """Who is at its far end: a user, a number or an address."""
        return self.user or (self.leg.from_ if self.leg.direction == "inbound" else self.leg.to)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is known of a call; lists are oldest first. docs/api.md has the rules of `outcome`, `missed` and the times.

    `conversations` are its own, `conferences` those of several calls that its legs have been in, `linked` the ids of
    these other calls; `recorded` says of those that an action had recorded whether they are now. `phase`, since
    `phase_since`, is None unless it is live. Seconds are None where an end is not known.
    """

    id: str
    state: ConversationState
    direction: str | None
    from_: str | None
    to: str | None
    from_user: str | None
    users: tuple[str, ...]
    phase: Phase | None
    phase_since: datetime | None
    outcome: str | None
    missed: bool
    first_received: datetime
    last_received: datetime
    started: datetime | None
    answered: datetime | None
    ended: datetime | None
    duration_seconds: float | None
    wait_seconds: float | None
    talk_seconds: float | None
    hold_seconds: float | None
    price: str | None
    flow: str | None
    step: str | None
    flows: tuple[str, ...]
    keys: tuple[str, ...]
    has_recording: bool
    numbers: tuple[str, ...]
    legs: tuple[CallLeg, ...]
    conversations: tuple[str, ...]
    conferences: tuple[str, ...]
    linked: tuple[str, ...]
    answers: tuple[tuple[datetime, Answer], ...]
    inputs: tuple[tuple[datetime, Input], ...]
    recordings: tuple[Recorded, ...]
    errors: tuple[WentWrong, ...]
    events: History
    recorded: Mapping[str, RecordState] = field(default_factory=dict)

    @property
    def began(self) -> datetime:
        """When it began; when its first webhook was received, if none says that."""
        return self.started or self.first_received

    @property
    def everywhere(self) -> tuple[str, ...]:
        """All conversations that its legs have been in."""
        return self.conversations + self.conferences

    @property
    def here(self) -> tuple[str, ...]:
        """The conversations that its legs are in now, each once."""
        return tuple(dict.fromkeys(leg.stays[-1].conversation for leg in self.legs if leg.stays[-1].left is None))

    @property
    def actions(self) -> list[Done]:
        """What this server did to it, each action with what came of it, in the order in which they were requested."""
        if not any(isinstance(kept.event, OURS) for kept in self.events.values()):  # most have none
            return []
        return done_to(moments(self.events), {each.leg.uuid: each.leg for each in self.legs})

    def room_of(self, leg: str) -> Room | None:
        """The room that the NCCO of its leg with this uuid leads to, if it leads to one."""
        return room_of(moment for moment in moments(self.events) if moment.event.leg == leg)

    @property
    def recorded_here(self) -> Mapping[str, RecordState]:
        """Whether each conversation that its legs are in now is being recorded, because of an action."""
        return {name: self.recorded.get(name, "inactive") for name in self.here}


class Calls(NamedTuple):
    """Calls by id, and the id of the call that each conversation, and each leg, resolves to."""

    calls: Mapping[str, Call]
    of_conversation: Mapping[str, str]
    of_leg: Mapping[str, str]
    live: Set[str]  # conversations with a leg that has not ended, or of which no leg is known


def read_calls(
    conversations: Mapping[str, History],
    *,
    now: datetime,
    presume_ended_after: timedelta,
    known: Mapping[str, Known] = MappingProxyType({}),
    first_received: Mapping[str, datetime] = MappingProxyType({}),
) -> Calls:
    """The calls that *conversations* are of, at the time *now*.

    *known*: what more is known of legs; *first_received*: when the first event of each conversation was kept.
    """
    events = join(*conversations.values())
    everything = moments(events)
    of_legs = by_leg(everything)
    named: dict[str, set[str]] = {uuid: set() for uuid in of_legs}
    for kept in events.values():
        if kept.event.leg and not calls_into_room(kept.event):
            named[kept.event.leg].update(kept.event.conversations)
    stored = conversations.keys() | _just_joined(events, now)
    lives = {
        uuid: life_of(project_leg(uuid, of_leg, known.get(uuid, Known())), of_leg, frozenset(named[uuid]), stored)
        for uuid, of_leg in of_legs.items()
    }
    names = {name for kept in events.values() for name in kept.event.conversations} | conversations.keys()
    grouped = group(names, lives.values())
    own = _events_by_call(events, grouped, lives)
    last_received = {
        name: max((kept.received for kept in history.values()), default=None) for name, history in conversations.items()
    }
    occupancy = Occupancy(lives.values())
    recorded = _recorded(everything, lives.values())
    calls: dict[str, Call] = {}
    for id_, group_ in grouped.groups.items():
        if not own.get(id_):
            continue
        call = _call(id_, group_, own[id_], [lives[uuid] for uuid in group_.legs], occupancy)
        began = min((first_received[name] for name in group_.conversations if name in first_received), default=None)
        here = {name: state for name, state in recorded.items() if name in call.everywhere}
        call = replace(call, first_received=began or call.first_received, recorded=here)
        calls[id_] = _with_state(call, last_received, now, presume_ended_after)
    return Calls(calls, grouped.of_conversation, grouped.of_leg, frozenset(_live(conversations, lives)))


def _just_joined(events: History, now: datetime) -> set[str]:
    """The conversations that legs have just gone to: a move is kept in two, one after the other."""
    moves = ((kept.received, kept.event) for kept in events.values())
    return {event.joined for at, event in moves if isinstance(event, Transfer) and event.joined and now - at < MOVING}


def _recorded(everything: Sequence[Moment], lives: Iterable[Life]) -> dict[str, RecordState]:
    """Each conversation that an action had recorded, and whether it is now: legs of other calls may be in it."""
    ours = [moment for moment in everything if isinstance(moment.event, OURS) and moment.event.leg is None]
    names = {event.conversation for _, event in ours if isinstance(event, Action) and event.verb in RECORDING}
    if not names:
        return {}
    done, stays = done_to(ours, {}), [stay for life in lives for stay in life.stays]
    return {name: record_state(name, done, stays) for name in names if name}


def _events_by_call(events: History, grouped: Grouped, lives: Mapping[str, Life]) -> dict[str, dict[bytes, Kept]]:
    """The events of each call: those of its legs, and those without a leg of its conversations.

    What this server did to a conference is of each call that had come into it by then.
    """
    found: dict[str, dict[bytes, Kept]] = {}
    for canonical, kept in events.items():
        leg = kept.event.leg
        names = kept.event.conversations
        if leg and calls_into_room(kept.event):  # the action was requested in another call, if it is a consultation
            ids = [grouped.of_leg[leg], *(grouped.of_conversation[name] for name in names)]
        elif leg:
            ids = [grouped.of_leg[leg]]
        elif isinstance(kept.event, OURS):
            all_in = [id_ for id_, of in grouped.groups.items() if not set(names).isdisjoint(of.everywhere)]
            by_then = kept.event.occurred or kept.received
            stays = {id_: [stay for uuid in grouped.groups[id_].legs for stay in lives[uuid].stays] for id_ in all_in}
            came = [
                id_
                for id_, its in stays.items()
                if any(stay.conversation in names and stay.arrived <= by_then + CLOCKS for stay in its)
            ]
            ids = came or all_in
        else:
            ids = [grouped.of_conversation[name] for name in names]
        for id_ in ids:
            found.setdefault(id_, {})[canonical] = kept
    return found


def _call(id_: str, of: Group, events: History, lives: list[Life], occupancy: Occupancy) -> Call:
    """The call as it is by its events alone: `_with_state` adds what depends on the time."""
    everything = moments(events)
    answers = tuple((at, event) for at, event in everything if isinstance(event, Answer))
    inputs = tuple((at, event) for at, event in everything if isinstance(event, Input))
    from_user = {event.leg: event.from_user for _, event in reversed(answers) if event.from_user}
    called = {user for _, event in answers for user in called_users(event.connects)}
    actions = [event for _, event in everything if isinstance(event, Action)]
    created = {event.leg: user for event in actions if (user := created_for(event))}
    calls = {event.leg: other for event in actions if (other := calls_by(event))}
    legs = tuple(
        CallLeg(
            life.leg,
            _user_of(life.leg, created | from_user, called),
            life.stays,
            segments_of(life, lives, occupancy),
            calls.get(life.leg.uuid),
        )
        for life in lives
    )
    first = legs[0].leg if legs else None
    callees = [life for life in lives[1:] if life.leg.direction != "inbound"]
    ended = _ended(lives)
    answered = _answered(lives, callees)
    started = lives[0].began if lives else None
    recordings = _by_conversation(of, everything, recordings_in)
    errors = _by_conversation(of, everything, lambda here: errors_in(here, events))
    outcome = outcome_of([life.leg for life in lives]) if ended else None
    received = [kept.received for kept in events.values()]
    return Call(
        id=id_,
        state="ended" if ended else "live",
        direction=first.direction if first else None,
        from_=first.from_ if first else None,
        to=first.to if first else None,
        from_user=from_user.get(first.uuid) if first else None,
        users=tuple(dict.fromkeys(user for _, event in everything for user in users_in(event))),
        phase=None,
        phase_since=None,
        outcome=outcome,
        missed=first is not None and first.direction == "inbound" and outcome not in (None, "answered"),
        first_received=min(received),
        last_received=max(received),
        started=started,
        answered=answered,
        ended=ended,
        duration_seconds=seconds_between(started, ended),
        wait_seconds=seconds_between(started, answered),
        talk_seconds=_talk_seconds(legs, callees, answered) if ended else None,
        hold_seconds=length((s for leg in legs for s in leg.segments), "hold") if ended else None,
        price=total_price(leg.leg.price for leg in legs),
        flow=answers[-1][1].flow if answers else None,
        step=answers[-1][1].step if answers else None,
        flows=tuple(dict.fromkeys(event.flow for _, event in answers if event.flow)),
        keys=tuple(event.digits for _, event in inputs if event.digits),
        has_recording=any(isinstance(event, Recording) for _, event in everything),
        numbers=tuple(dict.fromkeys(number for _, event in everything for number in numbers_in(event))),
        legs=legs,
        conversations=of.conversations,
        conferences=of.conferences,
        linked=of.linked,
        answers=answers,
        inputs=inputs,
        recordings=tuple(sorted(recordings, key=lambda recording: recording.at)),
        errors=tuple(sorted(errors, key=lambda wrong: wrong.at)),
        events=events,
    )


def _with_state(
    call: Call, last_received: Mapping[str, datetime | None], now: datetime, presume_ended_after: timedelta
) -> Call:
    """*call* at the time *now*: live while a webhook of a conversation that its legs are in came lately."""
    if call.state == "ended":
        return call
    here = call.here or call.conversations
    latest = max((at for name in here if (at := last_received.get(name))), default=call.last_received)
    if now - latest > presume_ended_after:
        return replace(call, state="presumed_ended")
    doing = [segment for leg in call.legs for segment in leg.segments if segment.end is None]
    for name, phase in PHASES.items():
        if since := min((segment.start for segment in doing if segment.doing == name), default=None):
            held = _held_weakly(call) if phase == "talking" else None
            return replace(call, phase="on_hold" if held else phase, phase_since=held or since)
    return call


def _held_weakly(call: Call) -> datetime | None:
    """Since when a leg of *call* is on hold where it is, by being muted and hearing nobody; None: none is."""
    legs = {leg.leg.uuid for leg in call.legs if leg.leg.control.hold == "weak"}
    if not legs:
        return None
    holds = [done.at for done in call.actions if done.action.verb == "hold" and done.action.leg in legs]
    return max(holds, default=None)


def _ended(lives: list[Life]) -> datetime | None:
    """When the last leg ended; None if one has not, or none is known."""
    ends = [life.ended for life in lives]
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None


def _answered(lives: list[Life], callees: list[Life]) -> datetime | None:
    """When the first callee answered; of a call without callees, when its own first leg was answered."""
    return min((life.answered for life in callees or lives[:1] if life.answered), default=None)


def outcome_of(legs: Sequence[Leg]) -> str:
    """How a call of *legs* that has ended, did so: answered if a callee was, else as its last callee's leg did.

    A leg that went where nothing is stored, or whose end was lost, has no outcome of its own.
    """
    callees = [leg for leg in legs[1:] if leg.direction != "inbound"]
    outcomes = [leg.outcome or ("answered" if leg.state == "answered" else "unanswered") for leg in callees or legs[:1]]
    return "answered" if "answered" in outcomes else outcomes[-1]


def _talk_seconds(legs: tuple[CallLeg, ...], callees: list[Life], answered: datetime | None) -> float | None:
    """How long two legs talked; of a call of one leg, how long that was answered."""
    segments = [segment for leg in legs for segment in leg.segments]
    if callees or any(segment.doing == "talk" for segment in segments):
        return length(segments, "talk") if answered else None
    return legs[0].leg.talk_seconds


def _user_of(leg: Leg, known: Mapping[str | None, str], called: Set[str]) -> str | None:
    """The user of the application that *leg* connects: the one who calls, or whom the NCCO called."""
    if leg.uuid in known:
        return known[leg.uuid]
    return leg.to if leg.to and leg.direction != "inbound" and (leg.to in called or is_bare_name(leg.to)) else None


def _by_conversation(
    of: Group, everything: list[Moment], read: Callable[[list[Moment]], tuple[Found, ...]]
) -> list[Found]:
    """What *read* finds in each conversation: a recording and its text, an error and its cause are in one."""
    return [
        found
        for name in sorted(of.everywhere)
        for found in read([moment for moment in everything if moment.event.conversation == name])
    ]


def _live(conversations: Mapping[str, History], lives: Mapping[str, Life]) -> Iterator[str]:
    """The conversations that are live, presumed ended or not."""
    for name, history in conversations.items():
        legs = {kept.event.leg for kept in history.values() if kept.event.leg}
        here = (lives[uuid].leg for uuid in legs)
        if not legs or any(leg.state != "completed" and presence(leg.moves, name, leg.place).here for leg in here):
            yield name
