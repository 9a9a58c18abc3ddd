"""Who talks to whom: which legs can be transferred by whom, and which calls can be joined in a conference.

What is offered is what app/control would accept; it checks again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from app.domain.calls import Call, CallLeg
from app.domain.members import home_of

TOGETHER = ("talk", "hold")  # what a leg does that talks to another one, or will again


class Talker(NamedTuple):
    """A leg that has not ended. `home`: the conversation that it is in, or will come back to from hold."""

    leg: CallLeg
    call: Call
    home: str

    @property
    def uuid(self) -> str:
        """Of the leg."""
        return self.leg.leg.uuid

    @property
    def likely_host(self) -> tuple[bool, bool]:
        """How likely it is of somebody who transfers others: of a user, or called by this application."""
        return self.leg.user is not None, self.leg.leg.direction == "outbound"


class Circle(NamedTuple):
    """Those with the same home. In a pair, which a `connect` joined, nobody can be moved without ending the other."""

    talkers: tuple[Talker, ...]
    in_room: bool

    @property
    def ready(self) -> bool:
        """Whether all have been answered."""
        return all(each.leg.leg.state == "answered" for each in self.talkers)

    @property
    def can_join(self) -> bool:
        """Whether one of them can be added to a conference, for which the other is hung up."""
        return len(self.talkers) == 2 and self.in_room and self.ready

    def has(self, legs: Collection[str]) -> bool:
        """Whether any of *legs* is one of them."""
        return any(each.uuid in legs for each in self.talkers)


class Couple(NamedTuple):
    """Of two who talk to each other, the one who transfers, or is the host, and the other."""

    first: Talker
    second: Talker


def circles(calls: Iterable[Call]) -> list[Circle]:
    """Those of *calls* who are together, two or more."""
    homes: dict[str, list[Talker]] = {}
    for call in calls:
        for leg in call.legs if call.state != "ended" else ():
            if leg.leg.state != "completed" and (home := home_of(call, leg)):
                homes.setdefault(home, []).append(Talker(leg, call, home))
    return [
        Circle(tuple(found), any(each.call.room_of(each.uuid) for each in found))
        for found in homes.values()
        if len(found) > 1
    ]


def couples(circle: Circle, call: Call) -> list[Couple]:
    """The couples in *circle* that have a leg of *call*, those first where the first one is likelier to be an agent's.

    Else those first in which a leg of *call* is the second, who is transferred; and of its legs the first one.
    """
    found = [
        Couple(first, second)
        for first in circle.talkers
        for second in circle.talkers
        if first is not second and call.id in (first.call.id, second.call.id)
        if first.leg.leg.state == second.leg.leg.state == "answered"
    ]

    def unlikely(of: Couple) -> tuple[bool, ...]:
        own, second = of.second.call, of.second
        return (*(not each for each in of.first.likely_host), own.id != call.id, second.leg is not own.legs[0])

    return sorted(found, key=unlikely)


def asks_of(call: Call, taken: Collection[str], *, pairs_move: bool) -> tuple[str, ...]:
    """What can be asked for *call* but not of one of its legs alone.

    *taken*: legs that are part of an operation. *pairs_move*: a pair is brought into a room where one is needed, to
    begin a conference, but not to join one.
    """
    together = [leg.leg.uuid for leg in call.legs if leg.leg.uuid not in taken and _is_together(leg)]
    if call.state == "ended" or not together:
        return ()
    in_room = any(map(call.room_of, together))
    begins = ("conference",) if in_room or pairs_move else ()
    return ("transfer_call", *begins, *(("join",) if in_room else ()))


def _is_together(leg: CallLeg) -> bool:
    return leg.leg.state == "answered" and any(each.end is None and each.doing in TOGETHER for each in leg.segments)
