"""Conversations: listed, told one by one, with their events, deleted."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import RAISE

from app.api import cursors, render
from app.api.schemas import ConversationsArgs, ConversationSchema, ConversationsSchema, EventsSchema, PageArgs
from app.auth import access
from app.calls import queries
from app.errors import Problem
from app.services import services
from app.store.pages import Filter, Position

conversations = Blueprint(
    "conversations", __name__, url_prefix="/api/v1/conversations", description="Calls, as they truly are."
)


@conversations.before_request
def guard() -> None:
    """Reading takes a viewer, all else an operator."""
    access.require("viewer" if request.method in ("GET", "HEAD") else "operator")


@conversations.get("")
@conversations.arguments(ConversationsArgs, location="query", unknown=RAISE)
@conversations.response(200, ConversationsSchema)
def list_conversations(args: dict[str, Any]) -> dict[str, Any]:
    """List conversations, newest first by first receipt. Filters are joined by "and"."""
    wanted = Filter(args.get("state", "any"), args.get("number", ""), args.get("since"), args.get("until"))
    outcome = args.get("outcome")
    of = repr((*wanted, outcome))
    after = None
    if "cursor" in args:
        first, name = cursors.read(args["cursor"], of, (int, str))
        after = Position(first, _name(name))
    items, after = queries.page(wanted, limit=args["limit"], outcome=outcome, after=after)
    place = [after.first_received, b64encode(after.conversation).decode()] if after else None
    shown = access.shown([render.conversation(one) for one in items])
    return {"items": shown, "next": cursors.write(place, of) if place else None}


@conversations.get("/<id:conversation_uuid>/events")
@conversations.arguments(PageArgs, location="query", unknown=RAISE)
@conversations.response(200, EventsSchema)
def list_events(args: dict[str, Any], conversation_uuid: str) -> dict[str, Any]:
    """List the events of a conversation, oldest first by receipt."""
    of, first = f"events of {conversation_uuid}", 0
    if "cursor" in args:
        (first,) = cursors.read(args["cursor"], of, (int,))
    records = services().store.records(conversation_uuid, first, first + args["limit"])
    if not records and first == 0:
        raise _unknown(conversation_uuid)
    items = [render.record(record) for record in records[: args["limit"]]]
    more = len(records) > args["limit"]
    return {"items": access.shown(items), "next": cursors.write([first + args["limit"]], of) if more else None}


@conversations.get("/<id:conversation_uuid>")
@conversations.response(200, ConversationSchema)
def get_conversation(conversation_uuid: str) -> dict[str, Any]:
    """Tell one conversation."""
    told = queries.conversations([conversation_uuid])
    if not told:
        raise _unknown(conversation_uuid)
    return access.shown(render.conversation(told[0]))


@conversations.delete("/<id:conversation_uuid>")
@conversations.response(204)
def delete_conversation(conversation_uuid: str) -> Response:
    """Delete all that is kept of a conversation. A webhook that comes for it later is kept anew."""
    if not services().store.delete(conversation_uuid):
        raise _unknown(conversation_uuid)
    services().store.forget_on_disk()
    return Response(status=204)


def _name(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return b""


def _unknown(conversation_uuid: str) -> Problem:
    detail = "No such conversation is kept: it never was, it is past RETENTION_DAYS, or it was deleted."
    return Problem(404, "Unknown conversation", detail, conversation_uuid=conversation_uuid)
