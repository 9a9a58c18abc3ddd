"""Transfers: a leg that talks to its initiator comes to talk to a recipient, who is called for it.

Attended and blind are one machine: blind is an attended transfer that is complete from the start.

        starting -> ringback -> answered -> completed -> ended
                        |           merge: -> ended, as a conference begins
                        +--> blind_transferred -> completed -> ended
        each of the first four but `completed`: -> cancelled -> ended, -> abandoned -> ended

The initiator hangs up: as if it was completed. The recipient hangs up, or is not reached: cancelled. The transferred
leg hangs up: abandoned, the other two go on. Behaviour: transfers of wazo-calld, https://wazo-platform.org/documentation

Every change of the status is a decision in the log; webhooks, results and requests only lead to the next one. For each
status there is an aim for each leg (on hold, in the room of the consultation, at home, hung up); the step that is due
is the first that is missing to it. An aim that cannot be reached has a next best, and the last one is to hang up:
nobody is left in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from app.domain.legs import Leg
from app.domain.operations import Decision, Entry, Happened, Plan
from app.domain.step_log import (
    PERSISTENT,
    RING_MARGIN_SECONDS,
    WATCH_SECONDS,
    Aim,
    Ncco,
    Steps,
    hold_ncco,
    room_ncco,
    timeout,
)

Status = Literal[
    "starting", "ringback", "answered", "blind_transferred", "completed", "cancelled", "abandoned", "ended"
]

ARROWS: Final[Mapping[Status, tuple[Status, ...]]] = {
    "starting": ("ringback", "cancelled", "abandoned"),
    "ringback": ("answered", "blind_transferred", "cancelled", "abandoned"),
    "answered": ("completed", "cancelled", "abandoned", "ended"),  # ended: merged
    "blind_transferred": ("completed", "cancelled", "abandoned"),
    "completed": ("ended",),
    "cancelled": ("ended",),
    "abandoned": ("ended",),
    "ended": (),
}

# request -> the statuses in which it can be made
REQUESTS: Final[Mapping[str, tuple[Status, ...]]] = {
    "complete": ("starting", "ringback", "answered"),
    "cancel": ("starting", "ringback", "answered"),
    "swap": ("answered",),
    "merge": ("answered",),
}

EVENTS: Final[Mapping[Status, str]] = {
    "starting": "transfer_created",
    "answered": "transfer_answered",
    "completed": "transfer_completed",
    "cancelled": "transfer_cancelled",
    "abandoned": "transfer_abandoned",
    "ended": "transfer_ended",
}


class Order(NamedTuple):
    """What the transfer is to do: the data of its `created` entry, as JSON.

    In a `room` the legs are moved between rooms. A `pair` was joined by `connect`; there only a blind transfer works,
    as Vonage ends the leg that is left behind. `fallback`: where the transferred leg goes if a blind transfer fails;
    "room": back to the initiator, who waits for that until the recipient answers. `fallback_ncco` is run for the other
    two, and where no initiator is left.
    """

    initiator: str
    transferred: str
    to: Mapping[str, Any]  # the recipient's endpoint, as in POST /v1/calls
    from_: Mapping[str, Any]  # who calls it
    home_room: str  # where initiator and transferred talk
    consult_room: str
    music_url: str
    ringback_url: str
    fallback_ncco: Ncco
    fallback: Literal["room", "voicemail", "sentence"] = "room"
    flow: Literal["attended", "blind"] = "attended"
    form: Literal["room", "pair"] = "room"
    ring_seconds: int = 30
    event_url: str = ""  # of a pair: its reply to a recipient that is not reached is `fallback_ncco`
    muted: Sequence[str] = ()  # legs
    earmuffed: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A transfer as its log and webhooks say. `pending` is the request being carried out."""

    order: Order
    status: Status
    history: tuple[Status, ...]  # its statuses, oldest first, the present one included
    recipient: str | None  # None until there is a leg
    pending: Literal["complete", "swap", "merge"] | None
    cancelling: bool
    swapped: bool  # the initiator talks to the transferred leg, and the recipient hears music
    released: bool  # somebody else looks after its legs now
    conference: str | None  # that it became
    muted: Set[str]
    earmuffed: Set[str]
    round: int  # how many requests and decisions there were: what failed may be tried again in the next
    since: datetime  # of the status
    steps: Steps

    @property
    def blind(self) -> bool:
        """Whether the initiator leaves, or has left, before the recipient answers."""
        return self.order.flow == "blind" or "blind_transferred" in self.history


def allows(transfer: Transfer, request: str) -> bool:
    """Whether *request* can be made now; if not, it changes nothing."""
    if transfer.status not in REQUESTS.get(request, ()) or transfer.cancelling:
        return False
    if transfer.pending and not (transfer.pending == "swap" and request in ("complete", "cancel")):
        return False
    return transfer.order.form == "room" or request == "cancel"


def project(log: Sequence[Entry], legs: Mapping[str, Leg]) -> Transfer:
    """The transfer after *log*, which begins with its `created` entry."""
    steps = Steps(log, legs)
    order = Order(**log[0].data)
    transfer = Transfer(
        order=order,
        status="starting",
        history=("starting",),
        recipient=_recipient(order, steps),
        pending=None,
        cancelling=False,
        swapped=False,
        released=False,
        conference=next((sent.answer["conference"] for sent in steps.sent if "conference" in sent.answer), None),
        muted=frozenset(order.muted),
        earmuffed=frozenset(order.earmuffed),
        round=0,
        since=log[0].at,
        steps=steps,
    )
    for entry in log:
        changes = _changes(transfer, entry)
        if changes:
            transfer = replace(transfer, **changes)
    return transfer


def _changes(transfer: Transfer, entry: Entry) -> dict[str, Any]:
    """What *entry* changes; nothing if it cannot be."""
    name, round_ = entry.name, {"round": transfer.round + 1}
    if entry.kind == "request":
        if name in ("muted", "unmuted", "earmuffed", "unearmuffed"):
            field = name.removeprefix("un")
            had, leg = getattr(transfer, field), {entry.data["leg"]}
            return {field: had - leg if name.startswith("un") else had | leg}
        if name == "release":
            return {"released": True}
        if not allows(transfer, name):
            return {}
        if name == "cancel":
            return {"cancelling": True, **round_}
        return {"pending": name, "swapped": transfer.swapped != (name == "swap"), **round_}
    if entry.kind == "decision":
        if name == "swapped":
            return {"pending": None}
        if name == "gave_up":
            return {"pending": None, "swapped": transfer.swapped != (transfer.pending == "swap"), **round_}
        if name in ARROWS[transfer.status]:
            goes_on = name in ("ringback", "answered")
            return {
                "status": name,
                "history": (*transfer.history, name),
                "since": entry.at,
                "pending": transfer.pending if goes_on else None,
                **round_,
            }
    return {}


def _recipient(order: Order, steps: Steps) -> str | None:
    """The recipient's leg: by the answer to the request that called it, else the one that came to where it is due."""
    known = {order.initiator, order.transferred}
    for sent in steps.sent:
        if sent.verb == "create" and sent.answer.get("uuid"):
            return str(sent.answer["uuid"])
        if sent.leg and sent.leg not in known:
            return sent.leg
    there = steps.conversations("consult") | steps.conversations("connect")
    came = [
        uuid
        for uuid, leg in steps.legs.items()
        if uuid not in known and leg.direction != "inbound"
        if steps.place(uuid) in there or any(move.joined in there for move in leg.moves)
    ]
    return min(came, key=lambda uuid: (steps.over(uuid), uuid), default=None)


def events_between(before: Transfer | None, after: Transfer) -> tuple[Happened, ...]:
    """The events that follow from what was added to the log between *before*, None at its beginning, and *after*."""
    new = after.history[len(before.history) if before else 0 :]
    return tuple(
        Happened(EVENTS[status], {"status": status, "recipient_call": after.recipient} | _parties(after.order))
        for status in new
        if status in EVENTS
    )


def _parties(order: Order) -> dict[str, Any]:
    return {"initiator_call": order.initiator, "transferred_call": order.transferred, "flow": order.flow}


# ---- What is due


def plan(transfer: Transfer, now: datetime) -> Plan:
    """What to do at the time *now*, which matters for time limits only."""
    steps, status = transfer.steps, transfer.status
    if decision := _decision(transfer):
        return Plan(decision=decision, check_at=now)
    if waiting := steps.waiting(now):
        return waiting
    if due := steps.first_due(_aims(transfer), lambda aim: _details(transfer, aim), now):
        return due
    if status != "ended" and _may_answer(transfer) and (called := _called_at(transfer)):
        return timeout("ring", called, transfer.order.ring_seconds + RING_MARGIN_SECONDS, now)
    if status in ("completed", "cancelled", "abandoned"):
        return Plan(decision=Decision("ended"), check_at=now)
    if status == "ended" and not _watched(transfer):
        return Plan()
    return timeout(f"watch:{status}", transfer.since, WATCH_SECONDS, now)


def _decision(transfer: Transfer) -> Decision | None:
    """Where the transfer goes from here; None: nowhere yet."""
    order, steps, status = transfer.order, transfer.steps, transfer.status
    if status in ("completed", "cancelled", "abandoned", "ended"):
        return None
    if steps.over(order.transferred):
        return Decision("abandoned")
    if transfer.conference:
        return Decision("ended")
    if transfer.cancelling or _not_reached(transfer) or f"watch:{status}" in steps.timeouts:
        return Decision("cancelled")
    missing = list(_aims(transfer))
    lost = any(aim.verb in ("move", "create", "begin_conference") for aim in missing if _hopeless(transfer, aim))
    if lost:
        return Decision("gave_up" if transfer.pending and not _leaves(transfer) else "cancelled")
    in_place = all(map(steps.settled, steps.sent)) and all(
        aim.verb in PERSISTENT or _hopeless(transfer, aim) for aim in missing
    )
    if status == "starting" and in_place:
        return Decision("ringback")
    if status == "ringback" and order.flow == "attended" and _answered(transfer, transfer.recipient):
        return Decision("answered")
    if status == "ringback" and (order.flow == "blind" or _completing(transfer)):
        return Decision("blind_transferred")
    if status == "answered" and in_place and _completing(transfer):
        return Decision("completed")
    if status == "answered" and in_place and transfer.pending == "swap":
        return Decision("swapped")
    if status == "blind_transferred" and in_place and _answered(transfer, transfer.recipient):
        return Decision("completed")
    return None


def _aims(transfer: Transfer) -> Iterator[Aim]:
    """What is missing to how it is to be in this status, in the order in which to do it."""
    if transfer.order.form == "pair":
        yield from _aims_of_pair(transfer)
        return
    yield from AIMS[transfer.status](transfer)
    for leg in () if transfer.status == "ended" else (transfer.order.initiator, transfer.order.transferred):
        steps = transfer.steps
        if leg in transfer.earmuffed and steps.earmuff_lost(leg) and steps.target(leg) in ("consult", "home"):
            yield from _aim(transfer, "earmuff", "earmuff", leg)


def _starting(transfer: Transfer) -> Iterator[Aim]:
    order = transfer.order
    if order.flow == "blind":
        yield from _move(transfer, order.transferred, "consult")
    else:
        yield from _move(transfer, order.transferred, "hold")
        yield from _move(transfer, order.initiator, "consult")
    if not _called_at(transfer):
        yield Aim("call_recipient", "create", None, round=f"{transfer.round}")


def _ringback(transfer: Transfer) -> Iterator[Aim]:
    if transfer.order.flow == "attended":
        yield from _ring(transfer, transfer.order.initiator)


def _talking(transfer: Transfer) -> Iterator[Aim]:
    transferred, recipient = transfer.order.transferred, transfer.recipient
    yield from _stop_ringing(transfer, transfer.order.initiator)
    if _completing(transfer):
        yield from _move(transfer, transferred, "consult")
        yield from _move(transfer, recipient, "consult")
    elif transfer.pending == "merge":
        yield Aim("begin_conference", "begin_conference", None, round=f"{transfer.round}")
    else:  # who is to wait leaves before the other comes in
        waits, talks = (recipient, transferred) if transfer.swapped else (transferred, recipient)
        yield from _move(transfer, waits, "hold")
        yield from _move(transfer, talks, "consult")


def _blind_transferred(transfer: Transfer) -> Iterator[Aim]:
    order = transfer.order
    yield from _move(transfer, order.transferred, "consult")
    yield from _ring(transfer, order.transferred)
    if not (order.flow == "blind" and order.fallback == "room"):
        yield from _hang_up(transfer, order.initiator)


def _completed(transfer: Transfer) -> Iterator[Aim]:
    yield from _keep_together(transfer, transfer.order.transferred)
    yield from _hang_up(transfer, transfer.order.initiator)


def _cancelled(transfer: Transfer) -> Iterator[Aim]:
    yield from _hang_up(transfer, transfer.recipient)
    yield from _go_back(transfer)


def _abandoned(transfer: Transfer) -> Iterator[Aim]:
    initiator = transfer.order.initiator
    if transfer.order.flow == "attended" and transfer.steps.target(initiator) == "consult":
        yield from _keep_together(transfer, initiator)
    else:
        yield from _hang_up(transfer, transfer.recipient)
        yield from _hang_up(transfer, initiator)


def _ended(transfer: Transfer) -> Iterator[Aim]:
    """Nobody stays in the room of the consultation alone."""
    if transfer.released or "watch:ended" in transfer.steps.timeouts:
        return
    if transfer.history[-2] == "cancelled":
        yield from _hang_up(transfer, transfer.recipient)
    elif (watched := _watched(transfer)) and any(map(transfer.steps.leaving, watched)):
        for leg in watched:
            if not _elsewhere(transfer, leg):
                yield from _hang_up(transfer, leg)


AIMS: Final[Mapping[Status, Callable[[Transfer], Iterator[Aim]]]] = {
    "starting": _starting,
    "ringback": _ringback,
    "answered": _talking,
    "blind_transferred": _blind_transferred,
    "completed": _completed,
    "cancelled": _cancelled,
    "abandoned": _abandoned,
    "ended": _ended,
}


def _aims_of_pair(transfer: Transfer) -> Iterator[Aim]:
    """The same for a pair: the transferred leg calls the recipient itself; who is left over is ended by Vonage."""
    order, steps = transfer.order, transfer.steps
    moved = steps.target(order.transferred)
    match transfer.status:
        case "starting":
            yield from _move(transfer, order.transferred, "connect")
        case "blind_transferred" | "completed" | "abandoned":
            yield from _hang_up(transfer, order.initiator)
        case "cancelled" if moved == "connect" or steps.over(order.initiator) or moved == "fallback":
            yield from _hang_up(transfer, order.initiator)
            if not (transfer.recipient and steps.over(transfer.recipient)):  # else it had the fallback as a reply
                yield from _fall_back(transfer)


def _aim(transfer: Transfer, name: str, verb: str, leg: str | None, target: str = "") -> Iterator[Aim]:
    """The aim for *leg*, if it is known and not over or about to be."""
    if leg and not transfer.steps.leaving(leg):
        order = transfer.order
        role = {order.initiator: "initiator", order.transferred: "transferred"}.get(leg, "recipient")
        # Who answers after all has to be hung up after all.
        late = ":answered" if verb == "hangup" and _answered(transfer, leg) else ""
        yield Aim(f"{name}_{role}", verb, leg, target, f"{transfer.round}{late}")


def _move(transfer: Transfer, leg: str | None, target: str) -> Iterator[Aim]:
    """Have *leg* in *target*. In the beginning the recipient is in the consultation's room, the others are at home."""
    start = "consult" if leg == transfer.recipient else "home"
    if leg and (transfer.steps.target(leg) or start) != target:
        yield from _aim(transfer, target, "move", leg, target)


def _hang_up(transfer: Transfer, leg: str | None) -> Iterator[Aim]:
    yield from _aim(transfer, "hang_up", "hangup", leg)


def _ring(transfer: Transfer, leg: str) -> Iterator[Aim]:
    """Have *leg* hear ringing while the recipient rings."""
    if _answered(transfer, transfer.recipient):
        yield from _stop_ringing(transfer, leg)
    elif not transfer.steps.playing(leg):
        yield from _aim(transfer, "ring", "stream", leg)


def _stop_ringing(transfer: Transfer, leg: str) -> Iterator[Aim]:
    if transfer.steps.playing(leg):
        yield from _aim(transfer, "stop_ringing", "stop_stream", leg)


def _keep_together(transfer: Transfer, leg: str) -> Iterator[Aim]:
    """Have *leg* and the recipient talk to each other; who is alone is hung up."""
    steps, recipient = transfer.steps, transfer.recipient
    comes = _may_answer(transfer) or (_answered(transfer, recipient) and not steps.leaving(recipient or ""))
    stays = list(_move(transfer, recipient, "consult"))
    if steps.leaving(leg) or not comes or any(_hopeless(transfer, aim) for aim in stays):
        yield from _hang_up(transfer, recipient)
        yield from _hang_up(transfer, leg)
        return
    yield from stays
    yield from _ring(transfer, leg)


def _go_back(transfer: Transfer) -> Iterator[Aim]:
    """Have initiator and transferred talk to each other again; else fall back."""
    order, steps = transfer.order, transfer.steps
    both = (order.initiator, order.transferred)
    way_back = [aim for leg in both for aim in _move(transfer, leg, "home")]
    wanted = not transfer.blind or transfer.cancelling or order.fallback == "room"
    if wanted and not any(map(steps.leaving, both)) and not any(_hopeless(transfer, aim) for aim in way_back):
        for leg in both:
            yield from _stop_ringing(transfer, leg)
        yield from way_back
    else:
        yield from _fall_back(transfer)
        yield from _hang_up(transfer, order.initiator)


def _fall_back(transfer: Transfer) -> Iterator[Aim]:
    """Have the transferred leg at its fallback, else hung up."""
    leg = transfer.order.transferred
    yield from _stop_ringing(transfer, leg)
    for aim in _move(transfer, leg, "fallback"):
        yield from _hang_up(transfer, leg) if _hopeless(transfer, aim) else [aim]


def _watched(transfer: Transfer) -> tuple[str, ...]:
    """The two who talk in the room of the consultation after the end; none if one of them is not left."""
    partner = {"completed": transfer.order.transferred, "abandoned": transfer.order.initiator}.get(transfer.history[-2])
    if partner and transfer.recipient and transfer.order.form == "room" and not transfer.released:
        both = (partner, transfer.recipient)
        if "watch:ended" not in transfer.steps.timeouts and not all(map(transfer.steps.leaving, both)):
            return both
    return ()


def _elsewhere(transfer: Transfer, uuid: str) -> bool:
    """Whether somebody else has moved the leg: it was in the consultation's room, and is not any more."""
    steps = transfer.steps
    leg = steps.legs.get(uuid)
    if leg is None:
        return False
    room = steps.shared([transfer.order.initiator, transfer.order.transferred, transfer.recipient or ""])
    here = [move for move in leg.moves if move.joined in room]
    return any(move.place.order > steps.moved_after(uuid) for move in here) and leg.place != here[-1].place


# ---- What is so


def _hopeless(transfer: Transfer, aim: Aim) -> bool:
    return transfer.steps.hopeless(aim)


def _leaves(transfer: Transfer) -> bool:
    """Whether the initiator has gone, or is about to."""
    return transfer.steps.leaving(transfer.order.initiator)


def _completing(transfer: Transfer) -> bool:
    return transfer.pending == "complete" or _leaves(transfer)


def _answered(transfer: Transfer, leg: str | None) -> bool:
    """Whether *leg* has been answered: only then does it move."""
    known = transfer.steps.legs.get(leg or "")
    return known is not None and (known.answered is not None or known.state == "answered" or bool(known.moves))


def _called_at(transfer: Transfer) -> datetime | None:
    """When the recipient was called; None: not yet, or not with success."""
    calls = (
        sent.at
        for sent in transfer.steps.sent
        if (sent.verb == "create" and sent.result in ("done", "unknown"))
        or (sent.verb == "move" and sent.noted["target"] == "connect" and transfer.steps.accepted(sent))
    )
    return next(calls, None)


def _may_answer(transfer: Transfer) -> bool:
    """Whether the recipient is being called, and may answer."""
    recipient, steps = transfer.recipient, transfer.steps
    ended = recipient is not None and (steps.leaving(recipient) or _answered(transfer, recipient))
    return _called_at(transfer) is not None and not ended and "ring" not in steps.timeouts


def _not_reached(transfer: Transfer) -> bool:
    """Whether the recipient has hung up, or will not answer. In a pair who answered and hung up was reached."""
    recipient, steps = transfer.recipient, transfer.steps
    answered = _answered(transfer, recipient)
    if recipient and steps.over(recipient):
        return not (transfer.order.form == "pair" and answered)
    return "ring" in steps.timeouts and not answered


# ---- The steps


def _details(transfer: Transfer, aim: Aim) -> tuple[Mapping[str, Any], list[str]]:
    return _arguments(transfer, aim), _company(transfer, aim)


def _arguments(transfer: Transfer, aim: Aim) -> dict[str, Any]:
    order = transfer.order
    match aim.verb:
        case "create":
            return {
                "to": [order.to],
                "from": order.from_,
                "ncco": room_ncco(order.consult_room, muted=False),
                "ringing_timer": order.ring_seconds,
            }
        case "move":
            return {"ncco": _ncco(transfer, aim)}
        case "stream":
            return {"url": order.ringback_url, "loop": 0}
        case "begin_conference":
            return {
                "host": order.initiator,
                "participants": [leg for leg in (order.transferred, transfer.recipient) if leg],
                "muted": sorted(transfer.muted),
                "earmuffed": sorted(transfer.earmuffed),
            }
    return {}


def _ncco(transfer: Transfer, aim: Aim) -> Ncco:
    order, muted = transfer.order, aim.leg in transfer.muted
    match aim.target:
        case "hold":
            own_room = order.consult_room if aim.leg == transfer.recipient else order.home_room
            return hold_ncco(order.music_url, own_room, muted=muted)
        case "home":
            return room_ncco(order.home_room, muted=muted)
        case "fallback":
            return order.fallback_ncco
        case "connect":
            caller = {"from": order.from_["number"]} if "number" in order.from_ else {}
            return [
                {
                    "action": "connect",
                    "endpoint": [order.to],
                    "timeout": order.ring_seconds,
                    "eventType": "synchronous",
                    "eventUrl": [order.event_url],
                    **caller,
                }
            ]
    return room_ncco(order.consult_room, muted=muted)


def _company(transfer: Transfer, aim: Aim) -> list[str]:
    """Who is in the room that *aim* is a move to."""
    order, steps = transfer.order, transfer.steps
    if aim.target not in ("consult", "home"):
        return []
    there = [leg for leg in (order.initiator, order.transferred) if (steps.target(leg) or "home") == aim.target]
    recipient = transfer.recipient
    if recipient and _answered(transfer, recipient) and (steps.target(recipient) or "consult") == aim.target:
        there.append(recipient)
    return [leg for leg in there if leg != aim.leg and not steps.leaving(leg)]
