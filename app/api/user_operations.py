"""Transfers, conferences and actions of a user: those that the user's own legs take part in."""

from __future__ import annotations

from typing import Any, Final

from flask import Response, jsonify
from marshmallow import RAISE, Schema, fields, validate

from app.api import conferences, once, transfers
from app.api.acting import SCHEMA as ACTION
from app.api.acting import bare_route, masked_for_reader, who
from app.api.acting_errors import as_problems
from app.api.acting_schemas import (
    ActionSchema,
    ConferenceArgs,
    ConferenceSchema,
    MemberSchema,
    NoArgs,
    RemoveArgs,
    RunningTransferSchema,
    TransfersSchema,
    action_json,
)
from app.api.blueprint import Blueprint
from app.api.session_verbs import own_leg
from app.api.sessions import session_of
from app.auth.access import guard_own
from app.calls.fields import listed, nullable
from app.control.conferences import Running as RunningConference
from app.control.transfers import Running as RunningTransfer
from app.errors import Problem
from app.services import services

user_operations = Blueprint(
    "user_operations", __name__, url_prefix="/api/v1/users", description="Transfers and conferences of a user."
)
user_operations.before_request(guard_own())
once.install(user_operations)

TRANSFER: Final = "/<user:name>/transfers/<transfer_id>"
CONFERENCE: Final = "/<user:name>/conferences/<conference_id>"


class UserConferenceArgs(ConferenceArgs):
    """A conference of sessions."""

    class Meta:
        exclude = ("host_call_id", "participant_call_ids")

    host = fields.String(required=True, metadata={"description": "the session whose leg the user keeps"})
    others = fields.List(
        fields.String(),
        required=True,
        validate=validate.Length(1),
        metadata={"description": "the sessions whose other parties come in"},
    )


@user_operations.get("/<user:name>/transfers")
@user_operations.alt_response(200, schema=TransfersSchema)
def list_own_transfers(name: str) -> dict[str, Any]:
    """List the transfers of the user that have not ended, the oldest first: a page that is loaded again needs them."""
    own = (each for each in services().transfers.list() if _owns(name, each.transfer.order.initiator))
    return {"items": [masked_for_reader(transfers.as_json(each)) for each in own], "next": None}


class PartySchema(MemberSchema):
    """A leg of a conference, and who is at its far end."""

    number = nullable(fields.String, description="a number, a user or an address")
    name = nullable(fields.String, description="what they are called, if that is known")


class OwnConferenceSchema(ConferenceSchema):
    """A conference whose host the user is."""

    members = listed(PartySchema)


class OwnConferencesSchema(Schema):
    """Conferences that have not ended."""

    items = listed(OwnConferenceSchema)
    next = nullable(fields.String, description="always null: all are listed")


@user_operations.get(TRANSFER)
@user_operations.alt_response(200, schema=RunningTransferSchema)
def get_own_transfer(name: str, transfer_id: str) -> Response:
    """Get a transfer that the user began or an operator began for the user."""
    return transfers.shown(_own_transfer(name, transfer_id))


@user_operations.delete(TRANSFER)
@user_operations.alt_response(200, schema=RunningTransferSchema)
def cancel_own_transfer(name: str, transfer_id: str) -> Response:
    """Cancel a transfer: the recipient is hung up, and the two talk to each other again."""
    _own_transfer(name, transfer_id)
    return transfers.wanted(transfer_id, "cancel")


def _transfer_verb(verb: str, about: str) -> None:
    """A route that wants *verb* of a transfer."""

    def view(_args: dict[str, Any], name: str, transfer_id: str) -> Response:
        _own_transfer(name, transfer_id)
        return transfers.wanted(transfer_id, verb)

    name, schema = f"{verb}_own_transfer", RunningTransferSchema
    bare_route(user_operations, f"{TRANSFER}/{verb}", view, name=name, about=about, schema=schema)


for _verb, _about in (
    ("complete", "Complete a transfer: the user leaves, the other two talk."),
    ("swap", "Talk to the other one of the two."),
    ("merge", "Let all three talk to each other."),
):
    _transfer_verb(_verb, _about)


@user_operations.post("/<user:name>/conferences")
@user_operations.arguments(UserConferenceArgs, unknown=RAISE)
@user_operations.alt_response(201, schema=ConferenceSchema)
def begin_own_conference(args: dict[str, Any], name: str) -> Response:
    """Begin a conference of sessions of the user. Everything is checked before anybody is moved."""
    host = own_leg(session_of(name, args["host"]))
    wanted = {key: value for key, value in args.items() if key not in ("host", "others")}
    wanted |= {"host_call_id": host, "participant_call_ids": [_party(name, session) for session in args["others"]]}
    return conferences.created(wanted, "user_operations.get_own_conference", name=name)


@user_operations.get("/<user:name>/conferences")
@user_operations.alt_response(200, schema=OwnConferencesSchema)
def list_own_conferences(name: str) -> dict[str, Any]:
    """List the conferences whose host the user is, and that have not ended, the oldest first."""
    own = [each for each in services().conferences.list() if _owns(name, each.conference.host)]
    return {"items": [_with_parties(conferences.as_json(each)) for each in own], "next": None}


@user_operations.get(CONFERENCE)
@user_operations.alt_response(200, schema=ConferenceSchema)
def get_own_conference(name: str, conference_id: str) -> Response:
    """Get a conference whose host the user is or was."""
    return conferences.shown(_own_conference(name, conference_id, ever=True))


@user_operations.delete(CONFERENCE)
@user_operations.alt_response(200, schema=ConferenceSchema)
def end_own_conference(name: str, conference_id: str) -> Response:
    """End a conference: everybody is hung up."""
    _own_conference(name, conference_id)
    with as_problems():
        return conferences.shown(services().conferences.end(conference_id, by=who()))


@user_operations.put(f"{CONFERENCE}/participants/<id:call_id>")
@user_operations.arguments(NoArgs, unknown=RAISE, required=False)
@user_operations.alt_response(200, schema=ConferenceSchema)
def add_own_participant(_args: dict[str, Any], name: str, conference_id: str, call_id: str) -> Response:
    """Bring the other party of another session of the user in, by the `callId` of the session."""
    _own_conference(name, conference_id)
    party = _party(name, call_id)
    with as_problems():
        return conferences.shown(services().conferences.add(conference_id, party, by=who()))


@user_operations.delete(f"{CONFERENCE}/participants/<id:call_id>")
@user_operations.arguments(RemoveArgs, location="query", unknown=RAISE)
@user_operations.alt_response(200, schema=ConferenceSchema)
def remove_own_participant(args: dict[str, Any], name: str, conference_id: str, call_id: str) -> Response:
    """Remove a participant, by the leg, by hanging up or back to a call with the host, on hold."""
    _own_conference(name, conference_id)
    with as_problems():
        running = services().conferences.remove(conference_id, call_id, mode=args["mode"], by=who())
    return conferences.shown(running)


def _member_verb(verb: str, about: str) -> None:
    """A route that holds or resumes a member of a conference."""

    def view(_args: dict[str, Any], name: str, conference_id: str, call_id: str) -> Response:
        _own_conference(name, conference_id)
        with as_problems():
            found = services().conferences.hold(conference_id, call_id, by=who(), resume=verb == "resume")
        return conferences.shown(found)

    path = f"{CONFERENCE}/participants/<id:call_id>/{verb}"
    bare_route(user_operations, path, view, name=f"{verb}_own_member", about=about, schema=ConferenceSchema)


_member_verb("hold", "Let a member, by the leg, hear music while the others go on.")
_member_verb("resume", "Bring a member back.")


@user_operations.get("/<user:name>/actions/<action_id>")
@user_operations.alt_response(200, schema=ActionSchema)
def get_own_action(name: str, action_id: str) -> Response:
    """Get what has become of an action that the user requested, or that was on the user's leg."""
    found = services().control.requested(action_id)
    action = found.done.action if found else None
    if found is None or action is None or not (action.by == f"user {name}" or _owns(name, action.leg)):
        raise Problem(404, "Unknown action", "No such action of this user is stored.")
    return jsonify(masked_for_reader(ACTION.dump(action_json(found.id, found.done))))


def _party(name: str, session_id: str) -> str:
    """The leg of the other party of a session, also on hold. Raises Problem (409) unless there is one."""
    leg, control = own_leg(session_of(name, session_id)), services().control
    with as_problems():
        found = control.others(control.live(leg), on_hold=True)
    if len(found) != 1:
        detail = f"There are {len(found)} other parties in session {session_id}: one is needed."
        raise Problem(409, "Not one other party", detail, id=session_id)
    return found[0]


def _with_parties(conference: dict[str, Any]) -> dict[str, Any]:
    """*conference* as JSON, its members with who they are."""
    names = services().names.current()
    with as_problems():
        legs = [services().control.live(member["call_id"], or_ended=True).leg for member in conference["members"]]
    numbers = [leg.from_ if leg.direction == "inbound" else leg.to for leg in legs]
    profiles = services().store.profiles([number or "" for number in numbers])  # of those that are users
    shown = [profile.settings.display_name if profile.settings else None for profile in profiles]
    members = [
        member | {"number": number, "name": names.of(number) or name}
        for member, number, name in zip(conference["members"], numbers, shown, strict=True)
    ]
    return dict(masked_for_reader(conference | {"members": members}))


def _owns(name: str, leg: str | None) -> bool:
    session = services().sessions.session(name, leg) if leg else None
    return session is not None and any(each.leg.uuid == leg and each.user == name for each in session.call.legs)


def _own_transfer(name: str, id_: str) -> RunningTransfer:
    """The transfer. Raises Problem (404) unless the user's leg is its initiator: the same as if there was none."""
    with as_problems():
        running = services().transfers.get(id_)
    if not _owns(name, running.transfer.order.initiator):
        raise _unknown()
    return running


def _own_conference(name: str, id_: str, *, ever: bool = False) -> RunningConference:
    """The conference. Raises Problem (404) unless the user's leg is its host or, if *ever* is enough, was the first.

    Who has left, and handed it over, is not to hang up those who go on.
    """
    with as_problems():
        running = services().conferences.get(id_)
    conference = running.conference
    if not any(_owns(name, leg) for leg in {conference.host, *([conference.order.host] if ever else [])}):
        raise _unknown()
    return running


def _unknown() -> Problem:
    return Problem(404, "Unknown transfer or conference", "No such transfer or conference of this user is stored.")
