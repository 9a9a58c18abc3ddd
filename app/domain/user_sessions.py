"""The session of a user in a call, by all calls at hand: also a consultation, in which the user has no leg of its own.

Before an attended transfer the user's one leg goes from the room of the call to that of the consultation. So it is in
two sessions then, and in the first of them nobody hears it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from app.domain.actions import Action, ActionResult, called_by
from app.domain.calls import Call, CallLeg
from app.domain.ringing import LONGEST, user_rung
from app.domain.room_calls import RING
from app.domain.session_controls import controls_of
from app.domain.sessions import NO_REMARKS, Remarks, Session, read_session


class Consultation(NamedTuple):
    """The call whose other party is to be put through, and the user's leg, which is of that call."""

    parent: Call
    own: CallLeg


def session_in(
    call: Call,
    user: str,
    calls: Mapping[str, Call],
    *,
    now: datetime,
    auto_answer: bool = False,
    remarks: Remarks = NO_REMARKS,
) -> Session | None:
    """The session of *user* in *call* at the time *now*; None if the user takes no part in it.

    *calls*, by id: those tied to it, and those that it shares a conference with.
    """
    consultation = _consultation(call, calls.values())
    if (found := consultation) and found.own.user == user:
        controls = replace(controls_of(call, user, own=[found.own]), parent=found.parent.id)
        return read_session(
            call, user, now=now, auto_answer=auto_answer, controls=controls, remarks=remarks, consulting=found.own
        )
    beside = [calls[id_] for id_ in call.linked if id_ in calls]
    consulted = {other.id: consultation_in(other, user, [call, *beside]) for other in beside}
    linked = [other for other in beside if (found := consulted[other.id]) is None or found.parent.id != call.id]
    controls = controls_of(call, user, linked)
    return read_session(
        call,
        user,
        now=now,
        linked=linked,
        auto_answer=auto_answer,
        controls=controls,
        remarks=remarks,
        consulted_by=consultation.own if consultation else None,
    )


def claimed(sessions: Sequence[Session]) -> list[Session]:
    """Those of *sessions*, all of one user, that will stay sessions of their own.

    A leg that this server calls into a room looks like a call of its own until Vonage's response names it: from then
    on it is of the call of who waits there, which rings at the user already. Its webhooks come after the request was
    kept.
    """
    requested = [
        done.at
        for session in sessions
        for done in session.call.actions
        if done.action.verb == RING and done.state == "requested"
        if user_rung({"endpoint": done.action.argument.get("to")}) == session.user
    ]
    return [
        session
        for session in sessions
        if not _is_alone(session) or not any(at <= session.call.first_received <= at + LONGEST for at in requested)
    ]


def _is_alone(session: Session) -> bool:
    """Whether only webhooks of one leg to the user are known of it."""
    legs = [each.leg for each in session.call.legs]
    events = [kept.event for kept in session.call.events.values()]
    is_called = len(legs) == 1 and legs[0].direction == "outbound" and session.leg == legs[0].uuid
    return is_called and not session.call.answers and not any(map(called_by, events))


def consultation_in(call: Call, user: str, calls: Collection[Call]) -> Consultation | None:
    """The consultation that *call* is for *user*, if one of *calls* is the one from which it was placed."""
    found = _consultation(call, calls)
    return found if found and found.own.user == user else None


def placed_for_consultation(call: Call) -> list[ActionResult]:
    """By which legs of *call* were called, so that somebody in another call consults them."""
    return [
        kept.event
        for kept in call.events.values()
        if isinstance(kept.event, ActionResult) and kept.event.consultation
        if any(leg.leg.uuid == kept.event.leg for leg in call.legs)
    ]


def _consultation(call: Call, calls: Collection[Call]) -> Consultation | None:
    """The same, whoever consults."""
    for result in placed_for_consultation(call):
        # The one who consults goes there first; the other party comes there once it is put through.
        moves = [
            (at, parent.id, parent, leg)
            for parent in calls
            if parent.id != call.id and result.conversation in parent.everywhere
            for leg in parent.legs
            if (at := _goes_to(parent, leg, result.room))
        ]
        if moves:
            return Consultation(*min(moves, key=lambda move: move[:2])[2:])
    return None


def _goes_to(call: Call, leg: CallLeg, room: str | None) -> datetime | None:
    """When *leg* was first to be moved to *room*; None: it was not."""
    found = (
        kept.event.occurred or kept.received
        for kept in call.events.values()
        if isinstance(kept.event, Action) and kept.event.verb == "move" and kept.event.leg == leg.leg.uuid
        if any(action.get("name") == room for action in kept.event.argument.get("ncco", ()))
    )
    return min(found, default=None)
