"""Whom the NCCO that were served are ringing.

Vonage reports nothing of the leg to an application's user until it is answered or given up: in the log of its tutorial
"phone to app" `started` and `answered` of that leg have one timestamp, and there is no `ringing`
(tests/samples/phone-to-app.events.jsonl). So a user rings from when a `connect` was served until something ends it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from app.domain.actions import MOVES
from app.domain.calls import Call, CallLeg
from app.domain.events import Answer
from app.domain.leg_control import puts_on_hold

RING_SECONDS: Final = 60  # https://developer.vonage.com/en/voice/voice-api/ncco-reference#connect: `timeout`
MOST_RING_SECONDS: Final = 120  # the most that it, and `ringing_timer` of a call that is created, may be
GRACE: Final = timedelta(seconds=10)  # beyond the ring timeout: dialling, and the way of webhooks
AHEAD: Final = timedelta(seconds=60)  # for actions ahead of the `connect`: how long speech and music take is not known
LONGEST: Final = timedelta(seconds=MOST_RING_SECONDS) + GRACE
APART: Final = timedelta(seconds=30)  # by which our clock, which an NCCO has, may be ahead of that of Vonage


class Ring(NamedTuple):
    """A `connect` that was served to the leg `caller`; `user` is the application's user whom it calls, if it does.

    `ended`: when it is known to have ended; if nothing says so, it does at `until`.
    """

    caller: str | None
    user: str | None
    since: datetime
    until: datetime
    ended: datetime | None

    def goes_on(self, now: datetime) -> bool:
        """Whether it still rings."""
        return self.ended is None and now < self.until


def rings_of(call: Call) -> list[Ring]:
    """All that was rung in *call* by NCCO, in the order in which it was.

    A ring ends when the leg that it led to is answered or over, when its caller hangs up, is transferred or gets
    another NCCO, or when it has lasted longer than Vonage lets it. The next `connect` of an NCCO begins then. Of a
    caller who waits in a room, the move into it is no end.
    """
    by_uuid = {leg.leg.uuid: leg for leg in call.legs}
    callees = [leg for leg in call.legs if leg.leg.direction != "inbound"]
    found: list[Ring] = []
    rung_by: dict[str | None, str | None] = {}  # Vonage reports the failure of a `connect` for the leg it led to
    for at, answer in call.answers:
        caller = rung_by.get(answer.leg, answer.leg)
        ends = [later for later, other in call.answers if other.leg == caller and later > at]
        if answer.room_for:
            ends += _given_up(call, caller, at)
            ends += filter(None, [ended(by_uuid[caller])] if caller in by_uuid else ())
        else:
            ends += _leaves(by_uuid[caller], at) if caller in by_uuid else ()
        over, since = min(ends, default=None), at
        for user, longest in _connects(answer):
            callee = _led_to(callees, caller, user, since, over)
            known = [over, callee.leg.answered, ended(callee)] if callee else [over]
            first = min((end for end in known if end), default=None)
            found.append(Ring(caller, user, since, since + longest, first))
            end = ended(callee) if callee else None
            if callee is None or end is None:
                break  # what follows has not begun
            callees.remove(callee)
            rung_by[callee.leg.uuid] = caller
            since = end
    return found


def _led_to(
    callees: Iterable[CallLeg], caller: str | None, user: str | None, since: datetime, over: datetime | None
) -> CallLeg | None:
    """The first of *callees* that a `connect` to *user*, or to no user, may have led to before it was *over*."""
    return next(
        (
            leg
            for leg in callees
            if leg.user == user
            and leg.leg.uuid != caller
            and began(leg) >= since - APART
            and (over is None or began(leg) <= over)
        ),
        None,
    )


def rings_alone(leg: CallLeg, now: datetime) -> bool:
    """Whether *leg* rings by what is known of itself."""
    return _waits(leg) and now < began(leg) + LONGEST


def limits_of(call: Call) -> Iterator[datetime]:
    """When what still rings in *call* rings no more, unless anything is reported before."""
    yield from (ring.until for ring in rings_of(call) if ring.ended is None)
    yield from (began(leg) + LONGEST for leg in call.legs if _waits(leg))


def _waits(leg: CallLeg) -> bool:
    return leg.leg.state in ("started", "ringing") and leg.leg.direction != "inbound" and ended(leg) is None


def began(leg: CallLeg) -> datetime:
    """When *leg* began."""
    return leg.stays[0].arrived


def ended(leg: CallLeg) -> datetime | None:
    """When *leg* ended; None while it has not."""
    return leg.stays[-1].left


def _leaves(caller: CallLeg, at: datetime) -> Iterator[datetime]:
    """When *caller* can no longer be waiting for a `connect` that was served *at*."""
    yield from (move.at for move in caller.leg.moves if move.at > at)
    if end := ended(caller):
        yield end


def _given_up(call: Call, caller: str | None, at: datetime) -> Iterator[datetime]:
    """When *caller*, who was sent into a room *at* that time, was moved on, or the user could not be called."""
    for done in call.actions:
        if done.action.leg == caller and done.at >= at:
            moved = done.action.verb in MOVES and not puts_on_hold(done.action) and done.action.verb != "resume"
            if moved or (done.action.verb == "ring" and done.state in ("refused", "gone", "failed")):
                yield done.at


def _connects(answer: Answer) -> Iterator[tuple[str | None, timedelta]]:
    """The user, if it is one, whom each `connect` of *answer* calls, and how long it may take at most."""
    ncco = answer.ncco
    actions: Any = json.loads(ncco) if ncco and '"connect"' in ncco else None
    if answer.room_for:
        actions = [*_objects(json.loads(ncco or "[]"))[:-1], json.loads(answer.room_for)]
    before = timedelta()
    for action in _objects(actions):
        if action.get("action") != "connect":
            before = AHEAD
            continue
        yield user_rung(action), before + _timeout(action) + GRACE
        before = timedelta()


def user_rung(connect: dict[str, Any]) -> str | None:
    """The application's user whom a `connect` action calls, if it does."""
    endpoint: dict[str, Any] = next(iter(_objects(connect.get("endpoint"))), {})
    user = endpoint.get("user") if endpoint.get("type") == "app" else None
    return user if isinstance(user, str) and user else None


def _objects(value: Any) -> list[dict[str, Any]]:
    found: Sequence[Any] = value if isinstance(value, list) else ()
    return [item for item in found if isinstance(item, dict)]


def _timeout(action: dict[str, Any]) -> timedelta:
    seconds = action.get("timeout")
    if isinstance(seconds, int | float) and 0 < seconds <= MOST_RING_SECONDS:
        return timedelta(seconds=seconds)
    return timedelta(seconds=RING_SECONDS)
