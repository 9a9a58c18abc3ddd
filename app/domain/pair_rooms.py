"""A pair that a `connect` joined comes into a room: both legs are moved, right after each other.

Vonage's guides say that the leg that is left behind is ended, not how soon; so this is tried only where the server is
set to (CONNECT_TO_ROOM). If one of them is lost, or cannot be moved, the other one is not left alone.
https://developer.vonage.com/en/voice/voice-api/guides/call-flow
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from app.domain.legs import Leg
from app.domain.operations import Entry, Plan
from app.domain.step_log import CONFIRM_SECONDS, WATCH_SECONDS, Aim, Steps, room_ncco, timeout

Status = Literal["moving", "together", "failed", "lost"]

KIND: Final = "pair_room"
WATCH: Final = "watch"
JOINED: Final = "joined"  # both were moved, and no webhook says that they are in one conversation
NOT_MOVED: Final = ("refused", "failed")


class Order(NamedTuple):
    """Who is to come into which room: the data of the `created` entry, as JSON. `muted`: legs that are."""

    caller: str
    callee: str
    room: str
    muted: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRoom:
    """The move of a pair as its log and webhooks say. `muted`: legs that come muted into the room."""

    order: Order
    muted: Set[str]
    since: datetime
    steps: Steps

    @property
    def legs(self) -> tuple[str, str]:
        """The callee first: the caller's script goes on when the callee has left, the callee has none."""
        return self.order.callee, self.order.caller

    @property
    def status(self) -> Status:
        """together: both are in the room; failed: nothing has changed; lost: one has ended, or cannot be moved."""
        steps = self.steps
        if any(map(steps.over, self.legs)):
            return "lost"
        tries = [sent for sent in steps.sent if sent.verb == "move"]
        if tries and all(sent.leg == self.order.callee and sent.result in NOT_MOVED for sent in tries):
            # A move that got no response may only be late: once more it does no harm, and is in time for the other one.
            certain = tries[-1].result == "refused" or "status" in tries[-1].answer
            return "failed" if certain or steps.hopeless(self.aim(self.order.callee)) else "moving"
        if steps.shared(self.legs) or JOINED in steps.timeouts:
            return "together"
        return "lost" if self.stranded else "moving"

    @property
    def stranded(self) -> bool:
        """Whether one of them cannot be brought to where the other one may be."""
        return any(not self.is_moved(leg) and self.steps.hopeless(self.aim(leg)) for leg in self.legs)

    def is_moved(self, leg: str) -> bool:
        """Whether the leg is in the room, or on its way, by Vonage's response or a webhook."""
        moves = [sent for sent in self.steps.sent if sent.verb == "move" and sent.leg == leg]
        return any(self.steps.accepted(move) for move in moves) or bool(moves and self.steps.arrived(moves[0]))

    def aim(self, leg: str) -> Aim:
        """The aim that *leg* comes into the room."""
        who = "caller" if leg == self.order.caller else "callee"
        return Aim(f"move_{who}", "move", leg, target="room")


def project(log: Sequence[Entry], legs: Mapping[str, Leg]) -> PairRoom:
    """The move after *log*, which begins with its `created` entry."""
    order = Order(**log[0].data)
    muted = {*order.muted}
    for entry in log:  # what was switched meanwhile: a leg that enters a room anew has lost it
        if entry.kind == "request" and entry.name == "muted":
            muted.add(entry.data["leg"])
        elif entry.kind == "request" and entry.name == "unmuted":
            muted.discard(entry.data["leg"])
    return PairRoom(
        order=order,
        muted=muted,
        since=log[0].at,
        steps=Steps(log, legs),
    )


def plan(pair: PairRoom, now: datetime) -> Plan:
    """What to do at the time *now*, which matters for time limits only."""
    steps = pair.steps
    if WATCH in steps.timeouts or pair.status == "failed" or all(map(steps.leaving, pair.legs)):
        return Plan()
    if any(sent.result is None for sent in steps.sent):
        return steps.waiting(now) or Plan(check_at=now)
    if due := steps.first_due(_aims(pair), lambda aim: (_arguments(pair, aim), []), now):
        return due
    if waiting := steps.waiting(now):
        return waiting
    if pair.status == "moving":  # webhooks that say they are in one conversation may be lost
        return timeout(JOINED, max(sent.at for sent in steps.sent), CONFIRM_SECONDS, now)
    return timeout(WATCH, pair.since, WATCH_SECONDS, now)


def _aims(pair: PairRoom) -> Iterator[Aim]:
    """The second leg is moved without waiting for a webhook of the first, and before that is moved again."""
    steps = pair.steps
    if pair.status == "lost":
        for leg in pair.legs:
            if not steps.leaving(leg) and (pair.stranded or steps.alone(leg, steps.shared(pair.legs))):
                yield Aim("hang_up", "hangup", leg)
    elif pair.status == "moving":
        tried = {sent.leg for sent in steps.sent if sent.verb == "move" and sent.result not in NOT_MOVED}
        for leg in sorted(pair.legs, key=lambda leg: leg in tried):
            if not pair.is_moved(leg):
                yield pair.aim(leg)


def _arguments(pair: PairRoom, aim: Aim) -> Mapping[str, Any]:
    if aim.verb != "move":
        return {}
    return {"ncco": room_ncco(pair.order.room, muted=aim.leg in pair.muted)}
