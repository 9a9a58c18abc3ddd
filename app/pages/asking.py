"""The fields of the dialogs that begin a transfer or a conference, or add a call to one.

They are read when the dialog opens, for they are of other calls as well: who talks to whom, and who is free to join.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from app.calls.names import Known
from app.domain.calls import Call
from app.pages.board import board
from app.pages.company import Circle, Talker, circles, couples
from app.pages.languages import gettext
from app.pages.operations import by_leg, operations_in
from app.services import Services
from app.store.apart import apart

WHAT: Final = ("transfer_call", "conference", "add")  # that is asked for
MOST: Final = 50  # calls that are offered


def fields(what: str, call: Call, parts: Services) -> tuple[dict[str, Any], set[str]]:
    """What asking.html shows for *call*, and the calls whose parties are in it. Raises StoreUnavailable."""
    taken, names = by_leg(operations_in(parts.store.open_logs())), parts.names.current()
    calls = parts.call_queries.calls_of(call.everywhere)
    own = [circle for circle in apart(lambda: circles(calls)) if _is_of(circle, call)]
    free = [circle for circle in own if not circle.has(taken)]
    in_room = parts.control.pair_rooms is not None or all(circle.in_room for circle in free)
    known: dict[str, Any] = {"what": what, "why": None}
    if what != "add":
        found = [couple for circle in free for couple in couples(circle, call)]
        if why := _why_not(what, own, free, found=bool(found), in_room=in_room):
            return {"what": what, "why": why}, set()
        known["couples"] = [(_named(one, names), _named(other, names)) for one, other in found]
        known["in_room"] = in_room
    shown = {talker.call.id for circle in own for talker in circle.talkers}
    if what != "transfer_call":
        able = _able_to_join(call, taken)
        if not able:
            return {"what": what, "why": gettext("No other live call can join: two of it must talk in a room.")}, set()
        known["circles"] = [[_named(talker, names) for talker in circle.talkers] for circle in able[:MOST]]
        known["more"] = max(0, len(able) - MOST)
        shown |= {talker.call.id for circle in able[:MOST] for talker in circle.talkers}
    return known, shown


def _why_not(what: str, own: Sequence[Circle], free: Sequence[Circle], *, found: bool, in_room: bool) -> str | None:
    """Why nothing of the kind can be begun; None if it can."""
    if own and not free:
        return gettext("The call is part of a transfer or a conference. Act on that, or wait for its end.")
    if not found:
        return gettext("Nobody in this call talks to anybody now.")
    if what == "conference" and not in_room:
        return gettext(
            "The legs are a pair that a connect joined (connect_pair): if one is moved to a conference, the other is "
            "hung up."
        )
    if what == "conference" and any(len(circle.talkers) > 2 for circle in free):
        return gettext("The host talks to several already.")
    return None


def _able_to_join(call: Call, taken: Collection[str]) -> list[Circle]:
    """The calls of two that can join, those first that have a party of *call*, then the newest."""
    calls = board().live_calls()
    found = [
        Circle(tuple(sorted(circle.talkers, key=lambda talker: talker.likely_host)), in_room=True)
        for circle in apart(lambda: circles(calls))
        if len(circle.talkers) == 2 and circle.in_room and circle.ready
        if not circle.has(taken) and not _is_of(circle, call)
    ]
    known = {leg.party for leg in call.legs} - {None}

    def order(circle: Circle) -> tuple[bool, float]:
        return known.isdisjoint(talker.leg.party for talker in circle.talkers), -max(
            talker.call.first_received.timestamp() for talker in circle.talkers
        )

    return sorted(found, key=order)


def _is_of(circle: Circle, call: Call) -> bool:
    return any(talker.call.id == call.id for talker in circle.talkers)


def _named(talker: Talker, names: Known) -> dict[str, Any]:
    party = talker.leg.party
    return {"leg": talker.uuid, "party": party, "name": names.of(party)}
