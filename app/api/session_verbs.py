"""Acting on the sessions of a user: by the user, or by an operator."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from flask import Response
from marshmallow import RAISE, Schema, fields, validate

from app.api import once
from app.api.acting import acted, bare_route, who
from app.api.acting_errors import as_problems
from app.api.acting_schemas import ActionSchema, DtmfArgs, NoArgs, RecordArgs, RunningTransferSchema, TransferCallArgs
from app.api.blueprint import Blueprint
from app.api.sessions import session_of
from app.api.transfers import created
from app.api.users import user_of
from app.auth.access import guard_own, require
from app.control.control import Control
from app.domain.conferences import allows
from app.domain.sessions import Session
from app.domain.users import DEFAULTS, Chosen
from app.errors import Problem
from app.services import services

session_verbs = Blueprint(
    "session_verbs", __name__, url_prefix="/api/v1/users", description="Acting on the calls of a user."
)
session_verbs.before_request(guard_own())
once.install(session_verbs)

AT: Final = "/<user:name>/sessions/<id:session_id>"
# What recording needs, of a user's `record_permissions`: 1 pause and resume, 2 also start and stop.
NEEDS: Final = {"start": 2, "stop": 2, "pause": 1, "resume": 1}


def _on_own_leg(verb: str, about: str) -> None:
    """A route that does *verb* to the user's own leg."""

    def view(_args: dict[str, Any], name: str, session_id: str) -> Response:
        leg = own_leg(session_of(name, session_id))
        return acted(lambda control, how: control.on_leg(leg, verb, {}, **how))

    bare_route(session_verbs, f"{AT}/{verb}", view, name=f"{verb}_session", about=about, schema=ActionSchema)


for _verb, _about in (
    ("hangup", "Hang up the user's leg."),
    ("mute", "Let nobody hear the user."),
    ("unmute", "Let the user be heard again."),
):
    _on_own_leg(_verb, _about)


class TerminateArgs(Schema):
    """How a session is ended."""

    type = fields.String(
        load_default="terminate",
        validate=validate.OneOf(("hangup", "reject", "terminate")),
        metadata={"description": "terminate: the user's leg and everybody else's; the others: the user's alone"},
    )


class SessionTransferArgs(TransferCallArgs):
    """Whom the other party is transferred to."""

    class Meta:
        exclude = ("initiator_call",)


@session_verbs.post(f"{AT}/reject")
@session_verbs.arguments(NoArgs, unknown=RAISE, required=False)
@session_verbs.alt_response(200, schema=ActionSchema)
def reject_session(_args: dict[str, Any], name: str, session_id: str) -> Response:
    """Refuse a call that rings at the user: the leg is hung up, and the caller gets what the flow has for that."""
    session = session_of(name, session_id)
    if not session.incoming:
        raise Problem(409, "Not ringing", "Only a call that rings at the user is rejected: hang this one up.")
    leg = own_leg(session)
    return acted(lambda control, how: control.on_leg(leg, "hangup", {}, **how))


@session_verbs.post(f"{AT}/terminate")
@session_verbs.arguments(TerminateArgs, unknown=RAISE, required=False)
@session_verbs.alt_response(200, schema=ActionSchema)
def terminate_session(args: dict[str, Any], name: str, session_id: str) -> Response:
    """End a session in any state; by default for everybody in it, which in a conference is the host's to do."""
    session = session_of(name, session_id)
    leg = own_leg(session)
    if args["type"] == "terminate":
        with as_problems():
            of = services().conferences.of(leg)
            if of and of.conference.host != leg:
                require("operator")
            for other in _others(services().control, leg):
                services().control.on_leg(other, "hangup", {}, by=who())
    return acted(lambda control, how: control.on_leg(leg, "hangup", {}, **how))


@session_verbs.post(f"{AT}/hold")
@session_verbs.arguments(NoArgs, unknown=RAISE, required=False)
@session_verbs.alt_response(200, schema=ActionSchema)
def hold_session(_args: dict[str, Any], name: str, session_id: str) -> Response:
    """Put the other party on hold."""
    other = _other_leg(session_of(name, session_id), on_hold=False)
    return acted(lambda control, how: control.hold(other, **how))


@session_verbs.post(f"{AT}/unhold")
@session_verbs.arguments(NoArgs, unknown=RAISE, required=False)
@session_verbs.alt_response(200, schema=ActionSchema)
def unhold_session(_args: dict[str, Any], name: str, session_id: str) -> Response:
    """Take the other party off hold: the session is the current one.

    Whom the user talks to in another session is put on hold first; a conference goes on without the user.
    """
    session = session_of(name, session_id)
    other = _other_leg(session, on_hold=True)
    hold_talking(each for each in services().sessions.phone(name, user_of(name)).sessions if each.id != session.id)
    response = acted(lambda control, how: control.resume(other, **how))
    services().store.choose_session(name, Chosen(session.id, datetime.now(UTC)))
    return response


@session_verbs.post(f"{AT}/dtmf")
@session_verbs.arguments(DtmfArgs, unknown=RAISE)
@session_verbs.alt_response(200, schema=ActionSchema)
def dtmf_session(args: dict[str, Any], name: str, session_id: str) -> Response:
    """Send tones to the other party."""
    other = _other_leg(session_of(name, session_id), on_hold=False)
    return acted(lambda control, how: control.on_leg(other, "dtmf", args, **how))


@session_verbs.post(f"{AT}/record")
@session_verbs.arguments(RecordArgs, unknown=RAISE)
@session_verbs.alt_response(200, schema=ActionSchema)
def record_session(args: dict[str, Any], name: str, session_id: str) -> Response:
    """Start, pause, resume or stop the recording; 403 where `record_permissions` of the user do not allow it."""
    session = session_of(name, session_id)
    allowed = (user_of(name).settings or DEFAULTS).record_permissions
    if allowed < NEEDS[args["action"]]:
        detail = f"This needs record_permissions {NEEDS[args['action']]}; those of {name} are {allowed}."
        raise Problem(403, "Recording not allowed", detail)
    leg = own_leg(session)
    with as_problems():
        conversation = services().control.conversation_of(leg)
    return acted(lambda control, how: control.record(conversation, args["action"], **how))


@session_verbs.post(f"{AT}/transfer")
@session_verbs.arguments(SessionTransferArgs, unknown=RAISE)
@session_verbs.alt_response(201, schema=RunningTransferSchema)
def transfer_session(args: dict[str, Any], name: str, session_id: str) -> Response:
    """Transfer the other party, with a consultation or without (`flow`: attended or blind)."""
    return created({**args, "initiator_call": own_leg(session_of(name, session_id))})


def hold_talking(sessions: Iterable[Session]) -> None:
    """Put whom the user talks to in any of *sessions* on hold. Raises Problem."""
    with as_problems():
        for session in sessions:
            if session.leg is None or session.controls.paused:
                continue
            if of := services().conferences.of(session.leg):
                if of.conference.host != session.leg:  # a guest could not come back from the host's hold
                    if not session.controls.muted:
                        services().control.on_leg(session.leg, "mute", {}, by=who())
                elif allows(of.conference, "hold", session.leg):  # the others go on
                    services().conferences.hold(of.id, session.leg, by=who())
            else:
                for talking in _others(services().control, session.leg):
                    services().control.hold(talking, by=who())


def own_leg(session: Session) -> str:
    """The user's own leg. Raises Problem (409) while none is known."""
    if session.leg is None:
        detail = "Vonage has not said yet which leg rings at the user: the page can act on it by itself."
        raise Problem(409, "No leg yet", detail)
    return session.leg


def _other_leg(session: Session, *, on_hold: bool) -> str:
    """The leg that the user talks to or, *on_hold*, that is on hold. Raises Problem (409) unless there is one."""
    with as_problems():
        control = services().control
        found = _others(control, own_leg(session), on_hold=on_hold)
    if len(found) != 1:
        nobody = "Nobody in this session is on hold." if on_hold else "The user talks to nobody in this session."
        detail = nobody if not found else f"There are {len(found)}: name a leg."
        raise Problem(409, "Not one other party", detail)
    return found[0]


def _others(control: Control, leg: str, *, on_hold: bool = False) -> list[str]:
    known = control.live(leg, or_ended=True)
    talking = control.others(known)
    if not on_hold:
        return talking
    held = [uuid for uuid in control.others(known, on_hold=True) if uuid not in talking]
    return held or [uuid for uuid in talking if control.live(uuid, or_ended=True).leg.control.hold == "weak"]
