"""The webhooks that could not be filed with a conversation."""

from __future__ import annotations

from typing import Any

from flask import request
from marshmallow import RAISE, Schema, fields

from app.api import cursors
from app.api.blueprint import Blueprint
from app.api.schemas import PageArgs
from app.auth.access import guard
from app.auth.reveals import reveal
from app.calls.fields import Timestamp, listed, nullable, timestamp
from app.services import services

unfiled = Blueprint("unfiled", __name__, url_prefix="/api/v1/unfiled", description="Webhooks of no conversation.")
unfiled.before_request(guard(read="operator"))  # nobody knows where in them numbers are


class UnfiledSchema(Schema):
    """One webhook as it came."""

    received_at = Timestamp("when it was received")
    why = fields.String(required=True, metadata={"description": "why it could not be filed"})
    text = fields.String(required=True, metadata={"description": "its body, or the query of a GET; any text"})


class UnfiledListSchema(Schema):
    """A page of them, newest first."""

    items = listed(UnfiledSchema)
    next = nullable(fields.String, description="cursor of the next page; null at the end")


@unfiled.get("")
@unfiled.arguments(PageArgs, location="query", unknown=RAISE)
@unfiled.alt_response(200, schema=UnfiledListSchema)
def list_unfiled(args: dict[str, Any]) -> dict[str, Any]:
    """List the signed webhooks that belong to no conversation, newest first. The latest 1,000 or so are kept."""
    return page_of(args)


def page_of(args: dict[str, Any]) -> dict[str, Any]:
    """The same for *args* of PageArgs. Raises Problem (422) for a cursor of another list."""
    before = cursors.read(args["cursor"], "unfiled")[0] if "cursor" in args else None
    found = services().store.unfiled(args["limit"] + 1, before)
    reveal([request.path])
    shown = found[: args["limit"]]
    items = [
        {"received_at": timestamp(record.received), "why": why, "text": record.body.decode(errors="replace")}
        for _, why, record in shown
    ]
    return {"items": items, "next": cursors.write([shown[-1][0]], "unfiled") if len(found) > len(shown) else None}
