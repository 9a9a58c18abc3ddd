"""Calls to users in rooms: the caller waits in a named conversation, and the user is called into it.

The caller's NCCO leads into the room, where ringing is played until the user comes. The user is called once, when the
caller is there. If the user is not reached, the caller goes on with what the flow says for that; if one of the two
leaves, the other is not left alone.

As long as nothing is sent the webhooks decide; a step in the log is the decision that counts, also against webhooks
that come later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from app.domain.legs import Leg
from app.domain.moves import MOVED
from app.domain.operations import Entry, Plan, is_released
from app.domain.step_log import RING_MARGIN_SECONDS, WATCH_SECONDS, Aim, Ncco, Sent, Steps, room_ncco, timeout

KIND: Final = "room_call"
RING: Final = "ring"  # the verb that calls a user into the room where the leg waits
# Until the user is called though no webhook says that the caller is in the room: it may be lost. Speech ahead takes
# longer.
ENTRY_SECONDS: Final = 5
ENTRY_AFTER_SPEECH_SECONDS: Final = 60
APART_SECONDS: Final = 5  # until a leg counts as left alone: webhooks of a move and of its end come one by one
ENTRY: Final = "entry"
LATE: Final = "ring"
APART: Final = "apart"
ANSWERED: Final = "answered"  # the target of a caller who goes on after the two have talked
WATCH: Final = "watch"
TAKEN: Final = "taken"
# How a call fails, for which a flow can lead on; others count as failed.
# https://developer.vonage.com/en/voice/voice-api/ncco-reference#connect
FAILURES: Final = ("busy", "timeout", "unanswered", "rejected", "failed")
FAILURE: Final = "room_call"  # the parameter of an address that says how a call failed


class Order(NamedTuple):
    """What the room call is to do: the data of its `created` entry, as JSON.

    `connect` is the action in whose place the caller's NCCO has the room. `conversation` is where the caller was then.
    `speech`: something is played to the caller before the room. A user who is not reached: the caller goes on with the
    NCCO at `url`, to which the status is appended, if it is one of `leads`; else with `after`, as after a call that was
    answered. Nothing `after` it: the caller is hung up, but hears `sorry` first if the user was not reached.
    """

    caller: str
    connect: Mapping[str, Any]
    room: str
    conversation: str | None
    speech: bool
    url: str
    leads: Sequence[str]
    after: Ncco
    sorry: Ncco

    @property
    def ring_seconds(self) -> int:
        """How long it rings."""
        return int(self.connect.get("timeout", 60))


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomCall:
    """A room call as its log and webhooks say. `callee` is the user's leg, None until there is one."""

    order: Order
    callee: str | None
    since: datetime
    released: bool  # a transfer or conference has moved its legs: that they are apart is meant
    steps: Steps

    @property
    def ring(self) -> Sent | None:
        """The latest step that called the user."""
        return next((sent for sent in reversed(self.steps.sent) if sent.verb == RING), None)

    @property
    def again(self) -> bool:
        """Whether to call the user once more: the request is known never to have reached Vonage."""
        rings = [sent for sent in self.steps.sent if sent.verb == RING]
        return len(rings) == 1 and rings[0].result == "failed" and "status" not in rings[0].answer

    @property
    def moved_on(self) -> bool:
        """Whether the caller was sent on from the room."""
        return any(sent.verb == "move" for sent in self.steps.sent)

    @property
    def answered(self) -> bool:
        """Whether the user has answered; a leg that has moved did, though no webhook says so."""
        leg = self.steps.legs.get(self.callee or "")
        return leg is not None and (leg.state == "answered" or leg.outcome == "answered" or bool(leg.moves))

    @property
    def failure(self) -> str | None:
        """How the user was not reached; None: it may still be, or was."""
        ring = self.ring
        if ring is None or ring.result is None or self.answered or self.again:
            return None
        leg = self.steps.legs.get(self.callee or "")
        if leg is not None and leg.state == "completed":
            return leg.outcome if leg.outcome in FAILURES else "failed"
        if ring.result not in ("done", "unknown"):
            return "failed"
        return "timeout" if LATE in self.steps.timeouts else None


def project(log: Sequence[Entry], legs: Mapping[str, Leg]) -> RoomCall:
    """The room call after *log*, which begins with its `created` entry."""
    steps, order = Steps(log, legs), Order(**log[0].data)
    return RoomCall(
        order=order,
        callee=_callee(order, steps),
        since=log[0].at,
        released=is_released(log),
        steps=steps,
    )


def _callee(order: Order, steps: Steps) -> str | None:
    """The user's leg: by the response to the request that called it; without one, the leg that came into the room."""
    for sent in reversed(steps.sent):
        if sent.verb == RING:
            if sent.answer.get("uuid"):
                return str(sent.answer["uuid"])
            room = {sent.noted["left"]} | {steps.place(order.caller)}
            came = [
                uuid
                for uuid, leg in steps.legs.items()
                if uuid != order.caller and leg.direction != "inbound"
                if not room.isdisjoint(move.joined for move in leg.moves)
            ]
            return min(came, default=None) if sent.result == "unknown" else None
    return None


def plan(call: RoomCall, now: datetime) -> Plan:
    """What to do at the time *now*, which matters for time limits only."""
    steps = call.steps
    if WATCH in steps.timeouts or (call.released and call.ring is None):
        return Plan()
    if waiting := steps.waiting(now):
        return waiting
    if due := steps.first_due(_aims(call), lambda aim: (_arguments(call, aim), []), now):
        return due
    if _is_over(call):
        return _settled(call, now)
    # Of a caller of whom nothing is stored, or no more, no time limit leads to anything.
    if call.ring is None and ENTRY not in steps.timeouts:
        seconds = ENTRY_AFTER_SPEECH_SECONDS if call.order.speech else ENTRY_SECONDS
        return timeout(ENTRY, call.since, seconds, now)
    if call.ring and LATE not in steps.timeouts and not (call.answered or call.failure or call.moved_on):
        return timeout(LATE, call.ring.at, call.order.ring_seconds + RING_MARGIN_SECONDS, now)
    if _apart(call) and APART not in steps.timeouts and not call.released:
        return timeout(APART, _latest_move(call), APART_SECONDS, now)
    return timeout(WATCH, call.since, WATCH_SECONDS, now)


def _settled(call: RoomCall, now: datetime) -> Plan:
    """The end, but of a caller who is elsewhere only once that is so for a while.

    A leg that comes back into the room, from hold, is in another conversation first. By our own time: a webhook may be
    late, and Vonage's clock ahead.
    """
    if call.moved_on or call.steps.leaving(call.order.caller):
        return Plan()
    name = f"{TAKEN}:{call.steps.legs[call.order.caller].place.order}"
    if name not in call.steps.timeouts:
        return Plan(timeouts=(name,), check_at=now)
    until = call.steps.timeouts[name] + timedelta(seconds=APART_SECONDS)
    return Plan(check_at=min(until, now + timedelta(seconds=APART_SECONDS))) if now < until else Plan()


def _is_over(call: RoomCall) -> bool:
    """Whether there is nothing to look after any more: nobody can be left alone."""
    steps, callee = call.steps, call.callee
    if not (steps.leaving(call.order.caller) or call.moved_on or _taken(call, call.order.caller)):
        return False
    if callee is None:  # where nobody can say whether the user was called, a leg may still come
        return call.ring is None or call.ring.result != "unknown"
    return steps.leaving(callee)


def _aims(call: RoomCall) -> Iterator[Aim]:
    """What is missing to how it is to be, in the order in which to do it."""
    steps, caller, callee = call.steps, call.order.caller, call.callee
    if steps.leaving(caller):
        if not call.answered or _is_alone(call, callee):
            yield from _hang_up(call, callee)
    elif call.moved_on:
        yield from _move_on(call)
        yield from _hang_up(call, callee)
    elif call.ring is None or call.again:
        if _entered(call):
            yield Aim("ring", RING, caller)
    elif _taken(call, caller):
        if not call.answered or (_are_left_apart(call) and _is_alone(call, callee)):
            yield from _hang_up(call, callee)
    elif call.failure or (callee and steps.leaving(callee)):
        if not call.answered or _is_alone(call, caller):
            yield from _move_on(call)
        yield from _hang_up(call, callee)
    elif _are_left_apart(call) and _is_alone(call, caller):
        yield from _hang_up(call, caller)


def _move_on(call: RoomCall) -> Iterator[Aim]:
    """Send the caller on; one who cannot be sent on is hung up, for it would wait for ever."""
    caller, steps = call.order.caller, call.steps
    made = [sent for sent in steps.sent if sent.verb == "move"]
    target = made[0].noted["target"] if made else call.failure or ANSWERED
    aim = Aim("go_on", "move", caller, target=target)
    if steps.over(caller) or any(steps.accepted(sent) or _has_gone(call, sent) for sent in made):
        return
    if not _goes_on_with(call.order, target) or steps.hopeless(aim):
        yield from _hang_up(call, caller)
    else:
        yield aim


def _has_gone(call: RoomCall, move: Sent) -> bool:
    """Whether a webhook says that the caller was sent on, though no response did. One may be of a late entry."""
    leg = call.steps.legs.get(call.order.caller)
    moves = [made for made in leg.moves if made.place.order > move.noted["place"]] if leg else []
    return move.result == "unknown" and len(moves) > (ENTRY in call.steps.timeouts)


def _hang_up(call: RoomCall, leg: str | None) -> Iterator[Aim]:
    if leg and not call.steps.leaving(leg):
        yield Aim(f"hang_up_{'caller' if leg == call.order.caller else 'user'}", "hangup", leg)


def _arguments(call: RoomCall, aim: Aim) -> Mapping[str, Any]:
    order = call.order
    if aim.verb == RING:
        number, limit = order.connect.get("from"), order.connect.get("limit")
        return {
            "to": [order.connect["endpoint"][0]],
            "from": {"type": "phone", "number": number} if number else {},
            "ncco": room_ncco(order.room, muted=False),
            "ringing_timer": order.ring_seconds,
        } | ({"length_timer": limit} if limit else {})
    return _goes_on_with(order, aim.target) if aim.verb == "move" else {}


def _goes_on_with(order: Order, how: str) -> Mapping[str, Any]:
    """What the caller runs after the call, which went so; empty if nothing."""
    if how in order.leads:
        return {"url": f"{order.url}&{FAILURE}={how}"}
    script = list(order.after) or ([] if how == ANSWERED else list(order.sorry))
    return {"ncco": script} if script else {}


def _entered(call: RoomCall) -> bool:
    """Whether the caller is in the room, or it has been waited for long enough."""
    leg = call.steps.legs.get(call.order.caller)
    if leg is None or leg.state == "completed":
        return False
    if leg.place.order >= MOVED and leg.place.conversation != call.order.conversation:
        return True
    return ENTRY in call.steps.timeouts and not _is_connected(call)


def _is_connected(call: RoomCall) -> bool:
    """Whether the caller got another reply than the room, a `connect`: somebody is called where the caller is.

    Vonage repeats a request whose reply came too late, and the reply to each copy may differ. A leg that has ended may
    be of an earlier `connect`: then the caller may well be in the room, and must not wait there for nobody.
    """
    steps, caller = call.steps, call.order.caller
    return any(
        not steps.over(uuid) and leg.place.conversation == steps.place(caller)
        for uuid, leg in steps.legs.items()
        if uuid != caller and leg.direction != "inbound"
    )


def _room(call: RoomCall) -> set[str]:
    """The conversation of the room, as far as webhooks say."""
    shared = call.steps.shared([call.order.caller, call.callee or ""])
    ring = call.ring
    if not shared and ring and ENTRY not in call.steps.timeouts and ring.noted["left"]:
        return {ring.noted["left"]}
    return shared


def _taken(call: RoomCall, leg: str) -> bool:
    """Whether somebody else moved the leg out of the room."""
    return call.steps.taken(leg, _room(call))


def _apart(call: RoomCall) -> bool:
    """Whether the two were together, and one of them was moved away, not to be on hold."""
    steps, caller, callee = call.steps, call.order.caller, call.callee
    if not call.answered or callee is None or not steps.shared([caller, callee]):
        return False
    return steps.place(caller) != steps.place(callee) and not any(map(steps.moving, (caller, callee)))


def _are_left_apart(call: RoomCall) -> bool:
    """Whether they have been apart for a while, and no transfer or conference means that."""
    return APART in call.steps.timeouts and _apart(call) and not call.released


def _is_alone(call: RoomCall, leg: str | None) -> bool:
    """Whether *leg* is alone in the room."""
    return leg is not None and call.steps.alone(leg, _room(call))


def _latest_move(call: RoomCall) -> datetime:
    legs = [leg for uuid in (call.order.caller, call.callee) if (leg := call.steps.legs.get(uuid or ""))]
    return max((move.at for leg in legs for move in leg.moves), default=call.since)
