"""A call as a ladder: a lane for each leg, time downwards. The model, and the ladder as text for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final, NamedTuple

from app.calls.done import outcome_of, verb_of, who_of
from app.calls.fields import timestamp
from app.calls.names import NOBODY, Known
from app.domain.actions import OURS, Action
from app.domain.calls import Call
from app.domain.conversations import moments
from app.domain.events import Answer, CallError, CallStatus, Event, Fallback, Input, Transfer
from app.domain.leg_control import Done
from app.domain.numbers import mask, mask_party
from app.domain.timeline import Doing, Segment
from vonage_simulator.printable import safe

LANE: Final = 22  # characters
MOST_LANES: Final = 12  # in the text; the legs of larger calls are listed beside it
BARS: Final[dict[Doing, str]] = {"ringing": "┊", "talk": "█", "hold": "░", "wait": "│"}
LEGEND: Final = "┊ ringing  │ alone, with the call flow  █ talking  ░ on hold"


class Lane(NamedTuple):
    """A leg: who it connects, and what it did from when to when."""

    leg: str
    title: str
    direction: str | None
    segments: tuple[Segment, ...]


class Mark(NamedTuple):
    """Something that happened; `lane` is None for what concerns no one leg."""

    at: datetime
    lane: int | None
    kind: str
    words: str


class Crossing(NamedTuple):
    """A leg went from one conversation to another; `conference` if it is of several calls."""

    at: datetime
    lane: int
    left: str
    joined: str
    conference: bool


@dataclass(frozen=True, slots=True)
class Ladder:
    """A call as a picture. `ends` is None while it is live. Everything is oldest first; times are UTC.

    `linked` are the ids of the calls that it shares the `conferences` with.
    """

    call: str
    begins: datetime
    ends: datetime | None
    lanes: tuple[Lane, ...]
    marks: tuple[Mark, ...]
    crossings: tuple[Crossing, ...]
    conferences: tuple[str, ...]
    linked: tuple[str, ...]


def ladder_of(call: Call, *, mask_numbers: bool, names: Known = NOBODY, say: Callable[[str], str] = str) -> Ladder:
    """The ladder of *call*; with *mask_numbers* no telephone number is in it whole.

    A number with one of *names* is shown by that. *say* puts kinds of events, and the words of `_words` and of actions,
    into another language.
    """
    text, party = (mask, mask_party) if mask_numbers else (str, str)
    lane_of = {leg.leg.uuid: index for index, leg in enumerate(call.legs)}
    lanes = tuple(
        Lane(leg.leg.uuid, party(_title(call, index, names)), leg.leg.direction, leg.segments)
        for index, leg in enumerate(call.legs)
    )
    # Vonage gives several webhooks one timestamp (a refused NCCO: ringing, started, error, completed): as they came.
    received = {canonical: kept.received for canonical, kept in call.events.items()}
    happened = sorted(
        moments(call.events), key=lambda moment: (moment.at, received.get(moment.event.canonical, moment.at))
    )
    actions = {done.action.action: done for done in call.actions}
    marks = tuple(
        Mark(at, lane_of.get(event.leg or ""), event.kind, text(words))
        for at, event in happened
        if (words := _words(event, say, actions))
    )
    crossings = tuple(
        Crossing(stay.arrived, index, before.conversation, stay.conversation, stay.conversation in call.conferences)
        for index, leg in enumerate(call.legs)
        for before, stay in pairwise(leg.stays)
    )
    times = [segment.start for lane in lanes for segment in lane.segments] + [mark.at for mark in marks]
    begins = min(times, default=call.first_received)
    return Ladder(call.id, begins, call.ended, lanes, marks, tuple(sorted(crossings)), call.conferences, call.linked)


def _title(call: Call, index: int, names: Known) -> str:
    """Whom a lane connects: the first leg the caller, any other one the callee, or who calls in."""
    leg = call.legs[index]
    other = leg.leg.from_ if leg.leg.direction == "inbound" else leg.leg.to
    return leg.user or names.of(other) or other or "unknown"


def _words(event: Event, say: Callable[[str], str], actions: Mapping[str, Done]) -> str:
    """An event in a few words; empty for a transfer, which is a crossing, and for what came of an action.

    Of an action its end is cut off where there is little room: that says who.
    """
    if isinstance(event, CallStatus):
        return event.status
    if isinstance(event, Transfer):
        return ""
    if isinstance(event, OURS):
        done = actions[event.action] if isinstance(event, Action) else None
        return f"{verb_of(done, say)}: {outcome_of(done, say)}, {say('by')} {who_of(done, say)}" if done else ""
    if isinstance(event, Answer):
        return f"NCCO {'/'.join(filter(None, (event.flow, event.step)))}"
    if isinstance(event, Input):
        speech = [guess.text for guess in event.speech_results or () if guess.text]
        if event.digits:
            return f"{say('keys')} {event.digits}"
        return f"{say('says')} {speech[0]}" if speech else say("no input")
    if isinstance(event, CallError | Fallback):
        return f"{say(event.kind)}: {event.reason or say('no reason')}"
    return say(event.kind)


# -- as text ---------------------------------------------------------------------------------------------------------


def text_of(ladder: Ladder) -> list[str]:
    """The ladder as lines of text that are safe to print."""
    shown = ladder.lanes[:MOST_LANES]
    head = "".join(f"{_cut(lane.title):{LANE}}" for lane in shown)
    lines = [f"{'seconds':>10}  {head}".rstrip()]
    for at in _times(ladder):
        seconds = f"{(at - ladder.begins).total_seconds():10.3f}"
        notes = list(_notes(ladder, at))
        # At least one: what a leg does may change without an event of this call, as others join its conference.
        for row in range(max(1, *(len(words) for words in notes))):
            cells = "".join(
                f"{_bar(lane, at)} {_cut(notes[index][row] if row < len(notes[index]) else ''):{LANE - 2}}"
                for index, lane in enumerate(shown)
            )
            rest = notes[-1][row] if row < len(notes[-1]) else ""
            lines.append(f"{seconds if row == 0 else '':10}  {cells}{rest}".rstrip())
    more = len(ladder.lanes) - len(shown)
    lines += [f"{'':12}and {more} more legs"] if more else []
    lines.append(f"{'':12}{LEGEND}")
    lines.append(f"{'':12}from {timestamp(ladder.begins)}")
    lines += [f"{'':12}shares a conference with call {other}" for other in ladder.linked]
    return [safe(line) for line in lines]


def _times(ladder: Ladder) -> list[datetime]:
    """Every moment at which something is to be shown."""
    found = {mark.at for mark in ladder.marks} | {crossing.at for crossing in ladder.crossings}
    for lane in ladder.lanes:
        found |= {at for segment in lane.segments for at in (segment.start, segment.end) if at}
    return sorted(found)


def _notes(ladder: Ladder, at: datetime) -> Iterator[Sequence[str]]:
    """For each lane that is shown what happened *at* a moment; last what concerns none of them."""
    marks = [(mark.lane, mark.words) for mark in ladder.marks if mark.at == at]
    marks += [
        (crossing.lane, f"→ {'conference ' if crossing.conference else ''}{crossing.joined}")
        for crossing in ladder.crossings
        if crossing.at == at
    ]
    shown = range(len(ladder.lanes[:MOST_LANES]))
    for index in shown:
        yield [words for lane, words in marks if lane == index]
    yield [words for lane, words in marks if lane not in shown]


def _bar(lane: Lane, at: datetime) -> str:
    """What the leg did from *at* on; as it ends, what it did last."""
    for segment in lane.segments:
        if segment.start <= at and (segment.end is None or at < segment.end):
            return BARS[segment.doing]
    return "╵" if lane.segments and lane.segments[-1].end == at else " "


def _cut(words: str) -> str:
    return words if len(words) <= LANE - 3 else words[: LANE - 4] + "…"
