"""The stream of changes, as server-sent events."""

from __future__ import annotations

from typing import Any, Final

from flask import Response, request
from marshmallow import RAISE, Schema, ValidationError, fields, pre_load, validate

from app.api.blueprint import Blueprint
from app.api.schemas import PhoneNumber
from app.auth.access import current_role, guard, still_may
from app.auth.reveals import reveal
from app.domain.numbers import SHOWN, mask
from app.errors import Problem
from app.live import position
from app.live.connection import CONTENT_TYPE, Connection
from app.live.follower import Live
from app.live.listener import EVENT_TYPES, Listener, Wanted
from app.live.rendering import JSON, Form
from app.live.stream import stream as events_of
from app.services import services

stream = Blueprint("stream", __name__, url_prefix="/api/v1/stream", description="What changes, as it changes.")
stream.before_request(guard())

DESCRIPTION: Final = """Server-sent events: `conversation`, `leg`, `input`, `recording`, `transfer`, `error`, `stats`,
`gap` and `away`, each with JSON as its data; docs/api.md has an example of each."""

MOST_CONVERSATIONS: Final = 50  # whose changes one stream follows: their ids fit into an address


class Position(fields.String):
    """The id of an event of the stream."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return position.read(super()._deserialize(value, *args, **kwargs))
        except position.BadPosition:
            raise ValidationError("Not the id of an event of this stream.") from None


class Types(fields.String):
    """Types of events, separated by commas."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        names = frozenset(name.strip() for name in super()._deserialize(value, *args, **kwargs).split(","))
        if not names <= set(EVENT_TYPES):
            raise ValidationError(f"Give one or more of {', '.join(EVENT_TYPES)}, separated by commas.")
        return names


class ConversationIds(fields.String):
    """Ids of conversations, separated by commas."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        names = frozenset(filter(None, super()._deserialize(value, *args, **kwargs).split(",")))
        if not 1 <= len(names) <= MOST_CONVERSATIONS:
            raise ValidationError(f"Give 1 to {MOST_CONVERSATIONS} ids, separated by commas.")
        return names


class StreamArgs(Schema):
    """Which events. All filters have to fit."""

    @pre_load
    def without_empty(self, given: dict[str, str], **_: Any) -> dict[str, str]:
        """An empty value counts as none: forms send it."""
        return {name: value for name, value in given.items() if value}

    since = Position(metadata={"description": "the id of an event, to go on after it; the header Last-Event-ID wins"})
    conversation = ConversationIds(
        metadata={"description": f"of these conversations alone: 1 to {MOST_CONVERSATIONS} ids, separated by commas"}
    )
    number = PhoneNumber()
    user = fields.String(metadata={"description": "of conversations that this app user is in"})
    kind = Types(
        validate=validate.Length(min=1),
        metadata={"description": f"types, separated by commas: {', '.join(EVENT_TYPES)}", "example": "leg,stats"},
    )


class StreamSchema(Schema):
    """For the description alone, which wants one: events are no JSON."""


@stream.get("")
@stream.arguments(StreamArgs, location="query", unknown=RAISE)
@stream.alt_response(200, schema=StreamSchema, content_type=CONTENT_TYPE, description=DESCRIPTION)
def follow(args: dict[str, Any]) -> Response:
    """Follow what changes. After the header Last-Event-ID, or `since`, nothing is left out; else it begins now."""
    live, calls, role = services().live, services().calls, current_role()
    masked = calls.masks_for(role)
    number = args.get("number")
    wanted = Wanted(
        conversations=args.get("conversation"),
        number=number,
        whole=number is not None and len(number) != SHOWN and masked,
        user=args.get("user"),
        types=args.get("kind", frozenset(EVENT_TYPES)),
    )
    since, lost = args.get("since"), False
    if resumed_after := request.headers.get("Last-Event-ID"):
        try:
            since = position.read(resumed_after)
        except position.BadPosition:
            since, lost = None, True
    refuse_if_full(live)
    connection, may_read = Connection(), still_may("viewer")

    def new_listener() -> Listener:
        return Listener(wanted, Form(JSON, masked), connection.hang_up)

    def goes_on() -> bool:
        return not connection.is_gone and may_read()

    if request.method != "HEAD":
        reveal([mask(request.full_path)])  # which calls it will show is not known yet
    return connection.stream(events_of(live, new_listener, since, lost=lost, goes_on=goes_on))


def refuse_if_full(live: Live) -> None:
    """Refuse this request if the worker has as many streams as it takes."""
    if live.is_full:
        detail = "This worker has as many streams as it takes. Connect again in a moment, or close some."
        raise Problem(503, "Too many streams", detail, {"Retry-After": "5"})
