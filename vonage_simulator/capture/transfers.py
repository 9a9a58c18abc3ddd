"""The transfers of a real call: which moves of its legs commands made, and what the legs did there.

What a leg was transferred to is in no event. It is made up of what followed: others were there, it rang others, or it
was alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from vonage_simulator.capture.anonymize import portable
from vonage_simulator.capture.captured_leg import CapturedLeg, Ncco, Stay, seconds
from vonage_simulator.scenario import Endpoint

TOGETHER: Final = 1.0  # seconds within which legs that are transferred at once arrive
ENTERS: Final = ("conversation", "transfer")  # actions that move a leg
HOLD: Final = {"action": "talk", "text": "Please hold.", "loop": 0}


class Transfer(NamedTuple):
    """A command that gave a leg another script, at a moment as in the API."""

    leg: CapturedLeg
    at: str
    ncco: Ncco


class Transfers:
    """The transfers among *legs*, of which *rung* were rung by others.

    *connect* is the action that rings a leg; *ends_others* is whether the end of a leg was that of others.
    """

    def __init__(
        self,
        legs: Sequence[CapturedLeg],
        rung: Sequence[CapturedLeg],
        *,
        connect: Callable[[CapturedLeg], dict[str, Any]],
        ends_others: Callable[[CapturedLeg], bool],
    ) -> None:
        self._legs, self._rung, self._connect, self._ends_others = legs, rung, connect, ends_others

    def found(self, enter_by_themselves: Sequence[CapturedLeg]) -> list[Transfer]:
        """All of them, oldest first. *enter_by_themselves*: legs whose script makes their first move."""
        moves = [
            (leg, stay, at)
            for leg in self._legs
            for stay, at in _arrivals(leg.stays[1 if leg in enter_by_themselves or self._enters(leg) else 0 :])
        ]
        found: list[Transfer] = []
        rooms: dict[str, str] = {}
        called: dict[tuple[CapturedLeg, str], str] = {}  # into which room, and when
        for leg, stay, at in sorted(moves, key=lambda move: move[1].since):
            served = leg.served(stay.conversation)
            company = [other for other in self._legs if other is not leg and self._is_there(other, stay)]
            if served is not None:
                found.append(Transfer(leg, at, portable(served)))
            elif not company:
                rung = [other for other in self._rung if self._rings(stay, other)]
                found.append(Transfer(leg, at, [self._connect(other) for other in rung] or [dict(HOLD)]))
            else:  # those who were there are called to the same room, once
                room = rooms.setdefault(stay.conversation, f"captured-{len(rooms) + 1}")
                together = called.get((leg, stay.conversation))
                new = [] if together and (seconds(together, at) or 0.0) <= TOGETHER else [leg]
                new += [other for other in company if (other, stay.conversation) not in called]
                found += [Transfer(each, at, [self._enter(each, room)]) for each in new]
                called |= dict.fromkeys(((each, stay.conversation) for each in new), at)
        return found

    @staticmethod
    def _enters(leg: CapturedLeg) -> bool:
        """Whether the script of *leg* makes its first move."""
        if len(leg.stays) < 2 or leg.served(leg.stays[1].conversation) is not None:
            return False
        return any(action.get("action") in ENTERS for ncco in leg.nccos for action in ncco)

    @staticmethod
    def _is_there(leg: CapturedLeg, arrival: Stay) -> bool:
        """Whether *leg* is where another one arrives, or arrives there with it."""
        for number, stay in enumerate(leg.stays):
            if stay.conversation == arrival.conversation and not (stay.until and stay.until <= arrival.since):
                late = seconds(arrival.since, stay.since)
                if stay.since < arrival.since or (number and late is not None and late <= TOGETHER):
                    return True
        return False

    @staticmethod
    def _rings(stay: Stay, other: CapturedLeg) -> bool:
        """Whether *other* was rung by the leg that was there."""
        began = other.origin == stay.conversation and stay.since <= other.began
        return began and not (stay.until and stay.until <= other.began)

    def _enter(self, leg: CapturedLeg, room: str) -> dict[str, Any]:
        enter = {"action": "conversation", "name": room}
        return enter | ({"endOnExit": True} if self._ends_others(leg) else {})


def _arrivals(stays: Sequence[Stay]) -> Iterator[tuple[Stay, str]]:
    """Each of *stays* after the first, and when the leg was transferred to it.

    A transfer makes a new conversation; if its script enters a room at once, the leg only passed through that.
    """
    left: str | None = None
    for stay in stays[1:]:
        at = left or stay.since
        passed = stay is not stays[-1] and (seconds(stay.since, stay.until) or 0.0) <= TOGETHER
        if passed:
            left = at
        else:
            left = None
            yield stay, at


def endpoint_of(kind: Endpoint, name: str) -> dict[str, Any]:
    """The endpoint of a `connect` that rings *name*."""
    if kind == "websocket":
        return {"type": kind, "uri": name, "content-type": "audio/l16;rate=16000"}
    field = {"phone": "number", "app": "user", "sip": "uri", "vbc": "extension"}[kind]
    return {"type": kind, field: name}
