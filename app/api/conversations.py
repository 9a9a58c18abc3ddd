"""Conversations: a list, one with its events, deletion."""

from __future__ import annotations

from typing import Any

from flask import Response
from marshmallow import RAISE

from app.api import cursors
from app.api.blueprint import Blueprint
from app.api.schemas import ConversationsArgs, ConversationsSchema, EventsSchema, PageArgs
from app.auth.access import current_role, guard
from app.auth.reveals import reveal
from app.calls.schemas import ConversationSchema
from app.domain.numbers import SHOWN
from app.errors import Problem
from app.services import services
from app.store import keys
from app.store.pages import Filter, Position

conversations = Blueprint(
    "conversations", __name__, url_prefix="/api/v1/conversations", description="Calls and their legs."
)
conversations.before_request(guard())

# `alt_response` describes what a view returns; `response` would dump it a second time.


@conversations.get("")
@conversations.arguments(ConversationsArgs, location="query", unknown=RAISE)
@conversations.alt_response(200, schema=ConversationsSchema)
def list_conversations(args: dict[str, Any]) -> dict[str, Any]:
    """List conversations, newest first by first receipt. Filters are joined by "and"."""
    calls, role = services().calls, current_role()
    number = args.get("number", "")
    # With its last 7 digits a viewer could find out, by trying, three more than the 4 that are shown.
    whole = len(number) != SHOWN and calls.masks_for(role)
    wanted = Filter(args.get("state", "any"), number, args.get("since"), args.get("until"), whole=whole)
    outcome = args.get("outcome")
    of = repr((*wanted, outcome))
    after = None
    if "cursor" in args:
        first_received, uuid = cursors.read(args["cursor"], of)
        after = Position(first_received, keys.encode(uuid))
    found, after = calls.page(wanted, limit=args["limit"], outcome=outcome, after=after)
    following = cursors.write([after.first_received, keys.decode(after.conversation)], of) if after else None
    reveal(conversation.conversation_uuid for conversation in found)
    return {"items": calls.dump_all(found, role), "next": following}


@conversations.get("/<id:conversation_uuid>/events")
@conversations.arguments(PageArgs, location="query", unknown=RAISE)
@conversations.alt_response(200, schema=EventsSchema)
def list_events(args: dict[str, Any], conversation_uuid: str) -> dict[str, Any]:
    """List the events of a conversation, oldest first by receipt."""
    calls, role = services().calls, current_role()
    of, first = f"events of {conversation_uuid}", 0
    if "cursor" in args:
        (first,) = cursors.read(args["cursor"], of)
    end = first + args["limit"]
    events = calls.events(conversation_uuid, first, end)  # and one more, to know whether there is a next page
    if not events and first == 0:
        raise _unknown(conversation_uuid)
    reveal([conversation_uuid])
    following = cursors.write([end], of) if len(events) > args["limit"] else None
    return {"items": calls.dump_all(events[: args["limit"]], role), "next": following}


@conversations.get("/<id:conversation_uuid>")
@conversations.alt_response(200, schema=ConversationSchema)
def get_conversation(conversation_uuid: str) -> dict[str, Any]:
    """Get one conversation."""
    calls = services().calls
    conversation = calls.conversation(conversation_uuid)
    if conversation is None:
        raise _unknown(conversation_uuid)
    reveal([conversation_uuid])
    return calls.dump(conversation, current_role())


@conversations.delete("/<id:conversation_uuid>")
@conversations.response(204)
def delete_conversation(conversation_uuid: str) -> Response:
    """Delete all that is stored of a conversation. A webhook that comes for it later is stored anew."""
    if not services().store.delete(conversation_uuid):
        raise _unknown(conversation_uuid)
    services().store.forget_on_disk()
    return Response(status=204)


def _unknown(conversation_uuid: str) -> Problem:
    detail = "No such conversation is stored: there was none, it is older than RETENTION_DAYS, or it was deleted."
    return Problem(404, "Unknown conversation", detail, conversation_uuid=conversation_uuid)
