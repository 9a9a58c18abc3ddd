"""The events of a user, as server-sent events; and the request to a user's pages to answer."""

from __future__ import annotations

from typing import Any, Final

from flask import Response, request
from marshmallow import RAISE, Schema, fields

from app.api import once
from app.api.acting_schemas import NoArgs
from app.api.blueprint import Blueprint
from app.api.operation_events import session_events
from app.api.sessions import session_of
from app.api.stream import refuse_if_full
from app.api.users import user_of
from app.auth.access import current_role, guard_own, still_may
from app.auth.reveals import reveal
from app.calls.session_schemas import SessionSchema
from app.domain.operations import Happened
from app.errors import Problem
from app.live.connection import CONTENT_TYPE, Connection
from app.live.user_stream import Reader
from app.live.user_stream import stream as events_of
from app.services import services

user_stream = Blueprint("user_stream", __name__, url_prefix="/api/v1/users", description="What happens at a user.")
user_stream.before_request(guard_own())
once.install(user_stream)

ANSWER_REQUESTED: Final = Happened("answer_requested")
DESCRIPTION: Final = """Server-sent events: first `sessions`, what goes on now, then what happens; each with the whole
session in its JSON. docs/sessions.md lists them."""


class UserStreamArgs(Schema):
    """Where to begin."""

    since = fields.String(metadata={"description": "the id of an event, to go on after it; Last-Event-ID wins"})


class UserStreamSchema(Schema):
    """For the description alone, which wants one: events are no JSON."""


@user_stream.get("/<user:name>/stream")
@user_stream.arguments(UserStreamArgs, location="query", unknown=RAISE)
@user_stream.alt_response(200, schema=UserStreamSchema, content_type=CONTENT_TYPE, description=DESCRIPTION)
def follow_user(args: dict[str, Any], name: str) -> Response:
    """Follow what happens at a user. After the header Last-Event-ID, or `since`, nothing is left out."""
    user_of(name)
    live, parts, role = services().live, services(), current_role()
    refuse_if_full(live)
    after = request.headers.get("Last-Event-ID") or args.get("since")
    connection, still = Connection(), still_may("viewer", user=name)
    reader = Reader(name, after, parts.sessions.masks_for(role), role != "viewer", connection, still)
    if request.method != "HEAD":
        reveal([request.path], masked_too=role == "user")  # which calls it will show is not known yet
    return connection.stream(events_of(live, parts.user_looks, session_events(parts), reader))


@user_stream.post("/<user:name>/sessions/<id:session_id>/answer")
@user_stream.arguments(NoArgs, unknown=RAISE, required=False)
@user_stream.alt_response(202, schema=SessionSchema)
def answer_session(_args: dict[str, Any], name: str, session_id: str) -> tuple[dict[str, Any], int]:
    """Let the user's pages answer: they alone have the sound. They get `answer_requested` on the user's stream."""
    session = session_of(name, session_id)
    if not session.incoming:
        raise Problem(409, "Not ringing", "Only a call that rings at the user can be answered.")
    session_events(services()).append(session, ANSWER_REQUESTED)
    (shown,) = services().sessions.dump_all([session], current_role())
    return shown, 202
