"""A pair that a `connect` joined comes into a room: both legs are moved, right after each other.

Vonage's guides say that the leg that is left behind is ended, not how soon; so this is tried only where the server is
set to (CONNECT_TO_ROOM). If one of them is lost the other one is not left alone.
https://developer.vonage.com/en/voice/voice-api/guides/call-flow
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from app.domain.legs import Leg
from app.domain.operations import Entry, Plan
from app.domain.step_log import WATCH_SECONDS, Aim, Steps, room_ncco, timeout

Status = Literal["moving", "together", "failed", "lost"]

KIND: Final = "pair_room"
WATCH: Final = "watch"


class Order(NamedTuple):
    """Who is to come into which room: the data of the `created` entry, as JSON. `muted`: legs that are."""

    caller: str
    callee: str
    room: str
    muted: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRoom:
    """The move of a pair as its log and webhooks say."""

    order: Order
    since: datetime
    steps: Steps

    @property
    def legs(self) -> tuple[str, str]:
        """The callee first: the caller's script goes on when the callee has left, the callee has none."""
        return self.order.callee, self.order.caller

    @property
    def status(self) -> Status:
        """together: both are in the room; failed: nothing has changed; lost: one of them has ended."""
        if any(map(self.steps.over, self.legs)):
            return "lost"
        first = next(iter(self.steps.sent), None)
        if first and first.result in ("refused", "failed"):
            return "failed"
        moved = [sent for sent in self.steps.sent if sent.verb == "move"]
        if self.steps.shared(self.legs) or (len(moved) > 1 and all(sent.timed_out for sent in moved)):
            return "together"
        return "moving"


def project(log: Sequence[Entry], legs: Mapping[str, Leg]) -> PairRoom:
    """The move after *log*, which begins with its `created` entry."""
    return PairRoom(
        order=Order(**log[0].data),
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
    return steps.waiting(now) or timeout(WATCH, pair.since, WATCH_SECONDS, now)


def _aims(pair: PairRoom) -> Iterator[Aim]:
    """The second leg is moved without waiting for a webhook of the first."""
    steps = pair.steps
    if pair.status == "lost":
        for leg in pair.legs:
            if not steps.leaving(leg) and steps.alone(leg, steps.shared(pair.legs)):
                yield Aim("hang_up", "hangup", leg)
        return
    for leg, who in zip(pair.legs, ("callee", "caller"), strict=True):
        if not any(sent.leg == leg and sent.verb == "move" for sent in steps.sent):
            yield Aim(f"move_{who}", "move", leg, target="room")
            return


def _arguments(pair: PairRoom, aim: Aim) -> Mapping[str, Any]:
    if aim.verb != "move":
        return {}
    return {"ncco": room_ncco(pair.order.room, muted=aim.leg in pair.order.muted)}
