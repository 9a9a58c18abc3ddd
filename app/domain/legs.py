"""A leg: one connection between Vonage and an endpoint, projected from its events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

from app.domain.actions import OURS, Action
from app.domain.events import LOOKED_UP, CallStatus, Completed, Detection, Event, Transfer, merge
from app.domain.leg_control import UNTOUCHED, LegControl, control_of, done_to
from app.domain.leg_state import ANSWERED, BILLED, BITS, FAILURES, LegState, state_of
from app.domain.moves import UNKNOWN_PLACE, Move, Place, seen

# Statuses in the order of a leg's life: numbers are read from the first event that has them. Events without a status
# come after all of these.
LIFE: Final = ("started", "ringing", "answered", "human", "machine", "disconnected", *FAILURES, "completed")
BEEPS: Final = frozenset({"beep_start", "beep_timeout"})


class Moment(NamedTuple):
    """An event at the time it counts for: its own `timestamp`, or the received time where it has none."""

    at: datetime
    event: Event


class Known(NamedTuple):
    """What is known of a leg beside the events at hand: others were deleted, or are too many to read."""

    bits: int = 0
    place: Place = UNKNOWN_PLACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """What is known of a leg, over all conversations it has been in.

    Seconds are numbers, money is a plain decimal string in EUR, None is "not known".
    """

    uuid: str
    direction: str | None
    from_: str | None
    to: str | None
    state: LegState
    status: str | None
    outcome: str | None
    started: datetime | None
    ringing: datetime | None
    answered: datetime | None
    completed: datetime | None
    ring_seconds: float | None
    talk_seconds: float | None
    duration_seconds: float | None
    rate: str | None
    price: str | None
    network: str | None
    detail: str | None
    sip_code: int | None
    disconnected_by: str | None
    machine: str | None
    moves: tuple[Move, ...]  # oldest first
    place: Place
    control: LegControl = UNTOUCHED


def bits_of(event: Event) -> int:
    """The bits that *event* adds to its leg; see `leg_state`."""
    if not isinstance(event, CallStatus):
        return 0
    bits = BITS.get(event.status, 0)
    return bits | BILLED if isinstance(event, Completed) and event.duration else bits


def place_of(event: Event, at: datetime) -> Place:
    """Where *event*, which counts for the time *at*, says that its leg is. What we did to it says nothing."""
    if isinstance(event, OURS):
        return UNKNOWN_PLACE
    if isinstance(event, Transfer):
        return Move(at, event.left, event.joined).place
    return seen(event.occurred, event.conversation) if event.conversation else UNKNOWN_PLACE


def project_leg(uuid: str, moments: Iterable[Moment], known: Known = Known()) -> Leg:  # noqa: B008 - it is frozen
    """The leg *uuid* after *moments*, in any order; variants of one fact have been merged before."""
    mine = sorted((m for m in moments if m.event.leg == uuid), key=lambda m: (_rank(m.event), m.at, m.event.canonical))
    statuses = [(at, event) for at, event in mine if isinstance(event, CallStatus)]
    bits = 0
    for _, event in mine:
        bits |= bits_of(event)
    unread, bits = known.bits & ~bits, bits | known.bits
    state, outcome = state_of(bits)

    def earliest(*names: str) -> datetime | None:
        return min((at for at, event in statuses if event.status in names), default=None)

    bill = _bill([event for _, event in statuses if isinstance(event, Completed)])
    ringing, failure = earliest("ringing"), earliest(*FAILURES)
    completed = earliest("completed") or failure
    answered, is_guess = _answered(statuses, bill)
    # A leg that was answered, though its `answered` event is missing, rang for an unknown time.
    rang_until = answered or (None if bits & (ANSWERED | BILLED) else failure or completed)
    status = _status(statuses, unread)
    explaining = [event for _, event in statuses if event.status == status]
    explaining += [event for _, event in statuses if event.status == "completed"]
    caller = _first(mine, "from_") or _first(mine, "from_user")
    moves = (Move(at, event.left, event.joined) for at, event in mine if isinstance(event, Transfer))
    leg = Leg(
        uuid=uuid,
        direction=_first(mine, "direction"),
        from_=caller,
        to=_called(mine, caller),
        state=state,
        status=status,
        outcome=outcome,
        started=earliest("started"),
        ringing=ringing,
        answered=answered,
        completed=completed,
        ring_seconds=None if is_guess else seconds_between(ringing, rang_until),
        talk_seconds=None if is_guess else _talked(answered, completed, bill),
        duration_seconds=bill.duration if bill else None,
        rate=bill.rate if bill else None,
        price=bill.price if bill else None,
        network=bill.network if bill else None,
        detail=next((event.detail for event in explaining if event.detail is not None), None),
        sip_code=next((event.sip_code for event in explaining if event.sip_code is not None), None),
        disconnected_by=bill.disconnected_by if bill else None,
        machine=_machine([(at, event) for at, event in statuses if isinstance(event, Detection)]),
        moves=tuple(sorted(moves, key=lambda move: move.place)),
        place=max([known.place, *(place_of(event, at) for at, event in mine)]),
    )
    if any(isinstance(event, Action) for _, event in mine):
        return replace(leg, control=control_of(leg, done_to(mine, {uuid: leg})))
    return leg


def _rank(event: Event) -> tuple[int, int]:
    """The position of *event* in the life of its leg; the answer request last: its numbers are the least reliable."""
    if isinstance(event, CallStatus):
        return (LIFE.index(event.status), 0) if event.status in LIFE else (len(LIFE), 0)
    return (len(LIFE), 2 if event.kind == "answer" else 1)


def _first(mine: Sequence[Moment], field: str) -> str | None:
    """The first value of *field* in the life of the leg that is not None."""
    return next((value for _, event in mine if (value := getattr(event, field, None)) is not None), None)


def _called(mine: Sequence[Moment], caller: str | None) -> str | None:
    """Who is called.

    The statuses of an app caller's leg have the caller's own name as `to`, as Vonage's logs of "app to phone" and "app
    to app" show; only the answer request, or an input, names who is called.
    """
    named = (value for _, event in mine if (value := getattr(event, "to", None)) is not None)
    return next((value for value in named if value != caller), None) or _first(mine, "to")


def _status(statuses: Sequence[tuple[datetime, CallStatus]], unread: int) -> str | None:
    """The status that says most; *unread* has the bits that no event at hand explains."""
    names = {event.status for _, event in statuses}
    ranked = (*FAILURES, "completed", "answered", "ringing", "started")
    known = next((name for name in ranked if name in names or unread & BITS[name]), None)
    latest = max(((at, event.status) for at, event in statuses), default=None)
    return known or (latest[1] if latest else None)


def _bill(completed: Sequence[Completed]) -> Completed | None:
    """What the leg cost. Two `completed` that differ are merged; the longer duration is the one billed."""
    if not completed:
        return None
    longest = max((event.duration for event in completed if event.duration is not None), default=None)
    return replace(merge(completed), duration=longest)


def _answered(statuses: Sequence[tuple[datetime, CallStatus]], bill: Completed | None) -> tuple[datetime | None, bool]:
    """When the leg was answered, and whether that is only when Vonage's API was asked, which does not say when.

    Where no webhook says it, the bill that was looked up does: it begins with the answer, in whole seconds.
    """
    reported = [at for at, event in statuses if event.status == "answered" and LOOKED_UP not in event.flags]
    if reported or not any(LOOKED_UP in event.flags for _, event in statuses):
        return min(reported, default=None), False
    if bill and bill.duration and bill.start_time:
        return bill.start_time, False
    looked_up = min((at for at, event in statuses if event.status == "answered"), default=None)
    return looked_up, looked_up is not None


def _talked(answered: datetime | None, completed: datetime | None, bill: Completed | None) -> float | None:
    """Talk time; where the clocks leave none of it though the leg is billed, that between the times of the bill."""
    talked = seconds_between(answered, completed)
    if talked == 0 and bill and bill.duration:
        return seconds_between(bill.start_time, bill.end_time) or None
    return talked


def _machine(detections: Sequence[tuple[datetime, Detection]]) -> str | None:
    """The latest verdict; of a machine its latest beep, if there was one. A later verdict corrects one before."""

    def latest(of: Iterable[tuple[datetime, str]]) -> str | None:
        return max(of, default=(None, None))[1]

    beeps = ((at, event.sub_state) for at, event in detections if event.sub_state in BEEPS)
    verdict = latest((at, event.status) for at, event in detections)
    return (latest(beeps) if verdict == "machine" else None) or verdict


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds between two moments, to the millisecond; 0 where equal clocks put them the wrong way round."""
    return max(0.0, round((end - start).total_seconds(), 3)) if start and end else None
