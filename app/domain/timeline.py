"""What a leg was doing at each moment of a call: ringing, waiting, talking, on hold.

Vonage reports who is where, not what it means; these are our rules, computed from the moves of all legs:

- *ringing* until the leg is answered;
- *talk* while another answered leg is in the same conversation;
- *hold* while the leg is alone in a conversation that it moved to, and another leg of its call that has not ended is
  elsewhere, or this server moved it there to be on hold;
- *wait* while it is alone otherwise: it hears what the call flow plays, and nobody else is there yet, or any more.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate, pairwise
from typing import Literal, NamedTuple

from app.domain.actions import OURS, ActionResult, calls_into_room
from app.domain.events import Completed, Event, Transfer
from app.domain.leg_control import held_in
from app.domain.leg_state import ANSWERED, BITS, FINAL
from app.domain.legs import Leg, Moment
from app.domain.moves import UNKNOWN_PLACE

Doing = Literal["ringing", "talk", "hold", "wait"]


class Stay(NamedTuple):
    """A leg was in a conversation from `arrived` until `left`; None: it is still there."""

    conversation: str
    arrived: datetime
    left: datetime | None


class Segment(NamedTuple):
    """What a leg did from `start` until `end`; None: it still does."""

    doing: Doing
    start: datetime
    end: datetime | None


class Life(NamedTuple):
    """When and where a leg was. `ended` is None while it has not; `answered` may be unknown although it was.

    `origin` is where it began or, if it was called into a room, the conversation of who waited there.
    """

    leg: Leg
    origin: str
    began: datetime
    answered: datetime | None
    ended: datetime | None
    stays: tuple[Stay, ...]
    named: frozenset[str]  # conversations that its events name, also those where no move led
    held_in: frozenset[str]  # those to which this server moved it to be on hold
    called: bool = False  # this server called it into a room: it is never the first

    @property
    def order(self) -> tuple[bool, datetime, str]:
        """Legs are sorted by this: the first of a call is the caller's."""
        return self.called, self.began, self.leg.uuid


def life_of(leg: Leg, moments: Sequence[Moment], named: frozenset[str], stored: Container[str]) -> Life:
    """When and where *leg* was; *moments* are its events, oldest first, at least one.

    *named*: the conversations that they name, variants included that were merged into others; *stored*: those that are
    stored. A leg that has moved to none of these will get no event any more: it counts as ended.
    """
    began, ended = _began(moments), None
    latest = max(moments[-1].at, *(move.at for move in leg.moves), began)
    if leg.state == "completed":
        ended = max(began, leg.completed or latest)
    elif leg.place != UNKNOWN_PLACE and leg.place.name.decode(errors="surrogatepass") not in stored:
        ended = latest
    answered = min((at for at, event in moments if BITS.get(_status(event), 0) & ANSWERED), default=None)
    if answered and ended:
        answered = min(answered, ended)
    first = _first(leg, moments)
    waits = next((event.conversation for _, event in moments if _is_rung(event)), None)
    origin = waits or first
    stays = tuple(_stays(leg, moments, first, began, ended))
    held = held_in((event for _, event in moments), leg.moves)
    named |= {first, origin}
    return Life(leg, origin, began, answered, ended, stays, named, held, waits is not None)


def _status(event: object) -> str:
    return str(getattr(event, "status", ""))


def _began(moments: Sequence[Moment]) -> datetime:
    """The earliest time of the leg. A status that ends it does not say when it began; its bill does."""
    lively = (
        at
        for at, event in moments
        if isinstance(event, Transfer)
        or (_status(event) and not BITS.get(_status(event), 0) & FINAL and not isinstance(event, OURS))
    )
    billed_from = (event.start_time for _, event in moments if isinstance(event, Completed))
    return min(lively, default=None) or min(filter(None, billed_from), default=moments[0].at)


def _is_rung(event: Event) -> bool:
    """Whether this server called the leg for a caller who waits in a room: then it is of that one's call."""
    return isinstance(event, ActionResult) and event.room is not None and not event.consultation


def _first(leg: Leg, moments: Sequence[Moment]) -> str:
    """The conversation in which *leg* began: the one left by its earliest move, else the one of its earliest event."""
    earliest = min(leg.moves, key=lambda move: (move.at, move.place), default=None)
    if earliest and earliest.left:
        return earliest.left
    by_vonage = (name for _, event in moments if not isinstance(event, OURS) for name in event.conversations)
    return next(by_vonage, "") or next((name for _, event in moments for name in event.conversations), "")


def _stays(leg: Leg, moments: Sequence[Moment], first: str, began: datetime, ended: datetime | None) -> Iterable[Stay]:
    """Where *leg* was, oldest first. Without moves, as their webhooks were lost, it was where its events were."""
    if leg.moves:
        arrivals = [(move.at, move.joined) for move in sorted(leg.moves, key=lambda move: move.place)]
    else:
        arrivals = [(at, event.conversation) for at, event in moments if not calls_into_room(event)]
    if leg.place != UNKNOWN_PLACE:
        arrivals.append((leg.place.at, leg.place.name.decode(errors="surrogatepass")))
    at, here = began, first
    for moment, name in arrivals:
        if name and name != here:
            moved = max(moment, at)
            moved = min(moved, ended) if ended else moved
            yield Stay(here, at, moved)
            at, here = moved, name
    yield Stay(here, at, ended)


class Occupancy:
    """How many answered legs are in each conversation, at any moment."""

    def __init__(self, lives: Iterable[Life]) -> None:
        changes: dict[str, dict[datetime, int]] = {}
        for life in lives:
            for stay in life.stays if life.answered else ():
                start = max(stay.arrived, life.answered) if life.answered else stay.arrived
                if stay.left is None or stay.left > start:
                    here = changes.setdefault(stay.conversation, {})
                    here[start] = here.get(start, 0) + 1
                    if stay.left is not None:
                        here[stay.left] = here.get(stay.left, 0) - 1
        self._times = {name: sorted(here) for name, here in changes.items()}
        self._counts = {name: [*accumulate(changes[name][at] for at in times)] for name, times in self._times.items()}

    def count(self, conversation: str, at: datetime) -> int:
        """Answered legs in *conversation* from *at* on."""
        index = bisect_right(self._times.get(conversation, ()), at)
        return self._counts[conversation][index - 1] if index else 0

    def times(self, conversation: str) -> Sequence[datetime]:
        """When their number changed."""
        return self._times.get(conversation, ())


def segments_of(life: Life, call: Sequence[Life], occupancy: Occupancy) -> tuple[Segment, ...]:
    """What a leg did; *call*: all legs of its call."""
    segments: list[Segment] = []
    rang_until = life.answered or life.ended
    if rang_until is None or rang_until > life.began:
        segments.append(Segment("ringing", life.began, rang_until))
    if life.answered is None or (life.ended is not None and life.answered >= life.ended):
        return tuple(segments)
    others = [other for other in call if other is not life]
    times = {life.answered}
    times.update(at for stay in life.stays for at in (stay.arrived, *occupancy.times(stay.conversation)))
    times.update(at for other in others for at in (other.began, other.ended, *(s.arrived for s in other.stays)) if at)
    within = [at for at in sorted(times) if at >= life.answered and (life.ended is None or at < life.ended)]
    for start, end in pairwise([*within, life.ended]):
        assert start is not None  # noqa: S101 - for mypy: only the last may be None
        doing = _doing(life, others, occupancy, start)
        if segments and segments[-1].doing == doing and segments[-1].end == start:
            segments[-1] = segments[-1]._replace(end=end)
        else:
            segments.append(Segment(doing, start, end))
    return tuple(segments)


def _doing(life: Life, others: Sequence[Life], occupancy: Occupancy, at: datetime) -> Doing:
    """What the answered leg did from *at* on."""
    here = conversation_at(life, at)
    if occupancy.count(here, at) > 1:
        return "talk"
    elsewhere = any(
        other.began <= at and (other.ended is None or other.ended > at) and conversation_at(other, at) != here
        for other in others
    )
    return "hold" if here in life.held_in or (here != life.stays[0].conversation and elsewhere) else "wait"


def conversation_at(life: Life, at: datetime) -> str:
    """The conversation that the leg was in from *at* on."""
    arrived = [stay for stay in life.stays if stay.arrived <= at]
    return (arrived[-1] if arrived else life.stays[0]).conversation


def length(segments: Iterable[Segment], doing: Doing) -> float:
    """Seconds during which at least one of *segments*, all of which have ended, was *doing*."""
    total, until = 0.0, None
    for segment in sorted(segment for segment in segments if segment.doing == doing and segment.end):
        assert segment.end is not None  # noqa: S101 - for mypy
        start = segment.start if until is None else max(segment.start, until)
        total += max(0.0, (segment.end - start).total_seconds())
        until = segment.end if until is None else max(until, segment.end)
    return round(total, 3)


def by_leg(moments: Iterable[Moment]) -> Mapping[str, list[Moment]]:
    """The events of each leg, in their order."""
    legs: dict[str, list[Moment]] = {}
    for moment in moments:
        if moment.event.leg:
            legs.setdefault(moment.event.leg, []).append(moment)
    return legs
