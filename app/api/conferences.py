"""Conferences of live calls."""

from __future__ import annotations

from typing import Any, Final

from flask import Response, jsonify, url_for
from marshmallow import RAISE

from app.api import once
from app.api.acting import who
from app.api.acting_errors import as_problems
from app.api.acting_schemas import ConferenceArgs, ConferenceSchema, ConferencesSchema, NoArgs, RemoveArgs
from app.api.blueprint import Blueprint
from app.auth.access import guard
from app.control.conferences import Running
from app.control.operations import requested_by
from app.services import services

conferences = Blueprint(
    "conferences", __name__, url_prefix="/api/v1/conferences", description="Conferences of live calls."
)
conferences.before_request(guard())
once.install(conferences)

SCHEMA: Final = ConferenceSchema()


@conferences.post("")
@conferences.arguments(ConferenceArgs, unknown=RAISE)
@conferences.alt_response(201, schema=ConferenceSchema)
def begin_conference(args: dict[str, Any]) -> Response:
    """Begin a conference: the host's calls become one. Everything is checked before anybody is moved."""
    return created(args, "conferences.get_conference")


def created(args: dict[str, Any], route: str, **more: Any) -> Response:
    """The response to a conference that is begun; *route*, with *more* in its address, shows it."""
    with as_problems():
        running = services().conferences.begin(args, by=who(), id_=once.action_id())
    response = shown(running)
    response.status_code = 201
    response.headers["Location"] = url_for(route, conference_id=running.id, **more)
    return response


@conferences.get("")
@conferences.alt_response(200, schema=ConferencesSchema)
def list_conferences() -> dict[str, Any]:
    """List the conferences that have not ended, the oldest first."""
    return {"items": [as_json(running) for running in services().conferences.list()], "next": None}


@conferences.get("/<conference_id>")
@conferences.alt_response(200, schema=ConferenceSchema)
def get_conference(conference_id: str) -> Response:
    """Get one conference."""
    with as_problems():
        return shown(services().conferences.get(conference_id))


@conferences.delete("/<conference_id>")
@conferences.alt_response(200, schema=ConferenceSchema)
def end_conference(conference_id: str) -> Response:
    """End a conference: everybody is hung up."""
    with as_problems():
        return shown(services().conferences.end(conference_id, by=who()))


@conferences.put("/<conference_id>/participants/<id:call_id>")
@conferences.arguments(NoArgs, unknown=RAISE, required=False)
@conferences.alt_response(200, schema=ConferenceSchema)
def add_participant(_args: dict[str, Any], conference_id: str, call_id: str) -> Response:
    """Bring another of the host's calls in."""
    with as_problems():
        return shown(services().conferences.add(conference_id, call_id, by=who()))


@conferences.delete("/<conference_id>/participants/<id:call_id>")
@conferences.arguments(RemoveArgs, location="query", unknown=RAISE)
@conferences.alt_response(200, schema=ConferenceSchema)
def remove_participant(args: dict[str, Any], conference_id: str, call_id: str) -> Response:
    """Remove a participant, by hanging up or back to a call with the host, on hold."""
    with as_problems():
        return shown(services().conferences.remove(conference_id, call_id, mode=args["mode"], by=who()))


@conferences.post("/<conference_id>/participants/<id:call_id>/hold")
@conferences.arguments(NoArgs, unknown=RAISE, required=False)
@conferences.alt_response(200, schema=ConferenceSchema)
def hold_member(_args: dict[str, Any], conference_id: str, call_id: str) -> Response:
    """Let the host or a participant hear music while the others go on."""
    with as_problems():
        return shown(services().conferences.hold(conference_id, call_id, by=who()))


@conferences.post("/<conference_id>/participants/<id:call_id>/resume")
@conferences.arguments(NoArgs, unknown=RAISE, required=False)
@conferences.alt_response(200, schema=ConferenceSchema)
def resume_member(_args: dict[str, Any], conference_id: str, call_id: str) -> Response:
    """Bring the host or a participant back."""
    with as_problems():
        return shown(services().conferences.hold(conference_id, call_id, by=who(), resume=True))


def shown(running: Running) -> Response:
    """The response that shows a conference."""
    return jsonify(as_json(running))


def as_json(running: Running) -> dict[str, Any]:
    """What is shown of it, numbers whole."""
    return dict(SCHEMA.dump(_json(running)))


def _json(running: Running) -> dict[str, Any]:
    """A conference as ConferenceSchema has it."""
    conference = running.conference
    return {
        "conference_id": running.id,
        "host": conference.host,
        "participants": list(conference.participants),
        "members": [
            {"call_id": member.leg, "status": member.status, "held": member.held}
            for member in conference.members.values()
        ],
        "host_leaves": conference.order.host_leaves,
        "started": conference.started_at is not None,
        "finished": conference.finished,
        "answer_time": conference.started_at,
        "conversation_uuid": conference.conversation,
        "requested_by": requested_by(running.log),
        "created_at": running.log[0].at,
    }
