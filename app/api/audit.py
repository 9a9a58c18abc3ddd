"""Who was shown whole telephone numbers."""

from __future__ import annotations

from typing import Any

from marshmallow import RAISE, Schema, fields

from app.api import cursors
from app.api.blueprint import Blueprint
from app.api.schemas import PageArgs
from app.auth.access import guard
from app.calls.fields import Timestamp, listed, nullable, timestamp
from app.services import services

audit = Blueprint("audit", __name__, url_prefix="/api/v1/audit", description="Who was shown whole telephone numbers.")
audit.before_request(guard(read="operator"))


class RevealSchema(Schema):
    """One reading of calls with their whole numbers. The same call is noted once in five minutes for one person."""

    at = Timestamp("when it was written")
    who = fields.String(required=True, metadata={"description": "the token, as a keyed hash"})
    role = fields.String(required=True)
    address = fields.String(required=True, metadata={"description": "where the request came from, as a keyed hash"})
    route = fields.String(required=True, metadata={"example": "GET /api/v1/conversations"})
    filters = fields.String(required=True, metadata={"description": "the query of the request, numbers masked"})
    calls = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "conversations, a leg or a recording, without those noted before; 500 at most"},
    )
    total = fields.Integer(required=True, metadata={"description": "how many calls there were"})


class AuditSchema(Schema):
    """A page of the log, newest first."""

    items = listed(RevealSchema)
    next = nullable(fields.String, description="cursor of the next page; null at the end")


@audit.get("")
@audit.arguments(PageArgs, location="query", unknown=RAISE)
@audit.alt_response(200, schema=AuditSchema)
def list_reveals(args: dict[str, Any]) -> dict[str, Any]:
    """List who was shown whole telephone numbers, newest first. The latest 10,000 or so are kept."""
    before = cursors.read(args["cursor"], "audit")[0] if "cursor" in args else None
    found = services().store.audit(args["limit"] + 1, before)
    shown = found[: args["limit"]]
    items = [{"at": timestamp(entry.at)} | entry.reveal._asdict() for entry in shown]
    return {"items": items, "next": cursors.write([shown[-1].id], "audit") if len(found) > len(shown) else None}
