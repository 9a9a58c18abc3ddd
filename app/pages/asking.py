"""The fields of the dialogs that begin a transfer or a conference, or add a call to a conference.

They are read when the dialog opens, for they are of other calls as well: who talks to whom, and who is free to join.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from app.calls.names import Known
from app.domain.calls import Call, CallLeg
from app.pages.board import board
from app.pages.company import Circle, circles, couples
from app.pages.contacts import MOST_USERS, contacts
from app.pages.languages import gettext
from app.pages.operations import Meeting, Operation, by_leg, operations_in
from app.services import Services
from app.store.apart import apart

# The dialogs. "add" is of a call in a conference, to which another is added; "join" of one to be added to one.
WHAT: Final = ("transfer_call", "conference", "add", "join")
MOST: Final = 50  # calls that are offered, or conferences


def fields(what: str, call: Call, parts: Services) -> tuple[dict[str, Any], set[str]]:
    """What asking.html shows for *call*, and the calls whose parties are in it. Raises StoreUnavailable."""
    operations, names = operations_in(parts.store.open_logs()), parts.names.current()
    taken = by_leg(operations)
    calls = parts.call_queries.calls_of(call.everywhere)
    own = [circle for circle in apart(lambda: circles(calls)) if _is_of(circle, call)]
    free = [circle for circle in own if not circle.has(taken)]
    if what == "join":
        return _join(own, free, operations, parts)
    in_room = parts.control.pair_rooms is not None or all(circle.in_room for circle in free)
    known: dict[str, Any] = {"what": what, "why": None}
    if what != "add":
        found = [couple for circle in free for couple in couples(circle, call)]
        if why := _why_not(what, own, free, found=bool(found), in_room=in_room):
            return {"what": what, "why": why}, set()
        known["couples"] = [(_named(one.leg, names), _named(other.leg, names)) for one, other in found]
        known["in_room"] = in_room
    if what == "transfer_call":
        known["contacts"] = contacts(most=MOST_USERS)
    shown = {talker.call.id for circle in own for talker in circle.talkers}
    if what != "transfer_call":
        able, back = _able_to_join(call, taken), _detached(call, operations, parts) if what == "add" else []
        if not able and not back:
            return {"what": what, "why": gettext("No other live call can join: two of it must talk in a room.")}, set()
        known["circles"] = _circles(able[:MOST], names)
        known["back"] = [_named(leg, names) for leg, _ in back]
        known["more"] = max(0, len(able) - MOST)
        shown |= {call_id for _, call_id in back}
        shown |= {talker.call.id for circle in able[:MOST] for talker in circle.talkers}
    return known, shown


def _join(
    own: Sequence[Circle], free: Sequence[Circle], operations: Iterable[Operation], parts: Services
) -> tuple[dict[str, Any], set[str]]:
    """Which conferences run, each with its host first, and who of the call can join one."""
    able = [_likely_host_last(circle) for circle in free if circle.can_join]
    if why := _why_not("join", own, free, found=bool(free), in_room=bool(able)):
        return {"what": "join", "why": why}, set()
    running = [each for each in operations if isinstance(each, Meeting) and not each.ends][-MOST:]
    if not running:
        return {"what": "join", "why": gettext("No conference is running now.")}, set()
    calls = parts.call_queries.calls_of(
        {name for meeting in running for member in meeting.members for name in parts.store.conversations_of(member.leg)}
    )
    of, names = {leg.leg.uuid: (leg, call.id) for call in calls for leg in call.legs}, parts.names.current()
    meetings = []
    for meeting in reversed(running):  # the newest first
        members = [of[each.leg] for each in sorted(meeting.members, key=lambda each: not each.hosts) if each.leg in of]
        meetings.append({"id": meeting.id, "members": [_named(leg, names) for leg, _ in members]})
    known = {"what": "join", "why": None, "circles": _circles(able, names), "more": 0, "conferences": meetings}
    members_of = {leg for meeting in running for leg in meeting.legs}
    shown = {call_id for uuid, (_, call_id) in of.items() if uuid in members_of}
    return known, shown | {talker.call.id for circle in able for talker in circle.talkers}


def _likely_host_last(circle: Circle) -> Circle:
    return Circle(tuple(sorted(circle.talkers, key=lambda talker: talker.likely_host)), circle.in_room)


def _why_not(what: str, own: Sequence[Circle], free: Sequence[Circle], *, found: bool, in_room: bool) -> str | None:
    """Why nothing of the kind can be begun; None if it can."""
    if own and not free:
        return gettext("The call is part of a transfer or a conference. Act on that, or wait for its end.")
    if not found:
        return gettext("Nobody in this call talks to anybody now.")
    if what == "join" and not in_room:
        return gettext("This call cannot join: two of it must talk in a room, and to nobody else.")
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
        _likely_host_last(circle)
        for circle in apart(lambda: circles(calls))
        if circle.can_join and not circle.has(taken) and not _is_of(circle, call)
    ]
    known = {leg.party for leg in call.legs} - {None}

    def order(circle: Circle) -> tuple[bool, float]:
        return known.isdisjoint(talker.leg.party for talker in circle.talkers), -max(
            talker.call.first_received.timestamp() for talker in circle.talkers
        )

    return sorted(found, key=order)


def _detached(call: Call, operations: Iterable[Operation], parts: Services) -> list[tuple[CallLeg, str]]:
    """The live legs, each with its call, that were detached from a conference which *call* is in."""
    own = {leg.leg.uuid for leg in call.legs}
    meetings = (each for each in operations if isinstance(each, Meeting) and not own.isdisjoint(each.legs))
    detached = [leg for meeting in meetings for leg in meeting.detached]
    calls = parts.call_queries.calls_of({name for leg in detached for name in parts.store.conversations_of(leg)})
    of = {leg.leg.uuid: (leg, found.id) for found in calls for leg in found.legs if leg.leg.state != "completed"}
    return [of[leg] for leg in detached if leg in of]


def _is_of(circle: Circle, call: Call) -> bool:
    return any(talker.call.id == call.id for talker in circle.talkers)


def _circles(found: Iterable[Circle], names: Known) -> list[list[dict[str, Any]]]:
    return [[_named(talker.leg, names) for talker in circle.talkers] for circle in found]


def _named(leg: CallLeg, names: Known) -> dict[str, Any]:
    return {"leg": leg.leg.uuid, "party": leg.party, "name": names.of(leg.party)}
