"""Whole calls: a list, one with its events, exports, and forms to copy."""

from __future__ import annotations

from typing import Any, cast

from flask import Response, redirect, request, url_for
from marshmallow import RAISE

from app.api import cursors, examples
from app.api.blueprint import Blueprint
from app.api.schemas import CallEventsSchema, CallFilterArgs, CallsArgs, CallsSchema, PageArgs
from app.auth.access import current_role, guard, require
from app.auth.reveals import reveal
from app.calls.call_queries import CallFilter, CallPosition
from app.calls.call_schemas import CallSchema
from app.calls.captured import captured
from app.calls.export import exported
from app.calls.ladder import ladder_of, text_of
from app.calls.replay import curl_commands
from app.calls.stored_event import StoredEvent
from app.domain.calls import Call
from app.domain.numbers import SHOWN, mask
from app.errors import Problem
from app.services import services
from app.store import keys
from app.store.apart import apart

calls = Blueprint("calls", __name__, url_prefix="/api/v1/calls", description="Conversations that share legs, as one.")
exports = Blueprint("exports", __name__, url_prefix="/api/v1", description="Calls as files.")
for blueprint in (calls, exports):
    blueprint.before_request(guard())


@calls.get("")
@calls.arguments(CallsArgs, location="query", unknown=RAISE)
@calls.alt_response(200, schema=CallsSchema, example=examples.CALLS)
def list_calls(args: dict[str, Any]) -> dict[str, Any]:
    """List calls, each page newest or oldest first by the receipt of their first webhook. Filters are joined by "and".

    With `state`, `number` or `user` a call is on the page of its first conversation that matches.
    """
    rows, following = page_of(args)
    return {"items": rows, "next": following}


def page_of(args: dict[str, Any]) -> tuple[list[dict[str, Any]], str | None]:
    """The calls that *args* (of CallsArgs) name, as JSON for this request, and the cursor of the next page."""
    limit, cursor = args.pop("limit"), args.pop("cursor", None)
    wanted, role = _filter(args), current_role()
    of, after = repr(wanted), None
    if cursor is not None:
        first_received, conversation, call = cursors.read(cursor, of)
        after = CallPosition(first_received, keys.encode(conversation), call)
    found = services().call_queries.page(wanted, limit=limit, after=after)
    reveal(call.id for call in found.calls)
    following = None
    if found.next:
        position = found.next
        following = cursors.write([position.first_received, keys.decode(position.conversation), position.call], of)
    return services().call_queries.dump_all(found.calls, role, rows=True), following


@exports.get("/calls.csv")
@exports.arguments(CallFilterArgs, location="query", unknown=RAISE)
@exports.alt_response(200, schema={"type": "string"}, content_type="text/csv")
def export_csv(args: dict[str, Any]) -> Response:
    """Export the calls of a filter as CSV. A response that ends early was cut off: get it again."""
    return _exported(args, "calls.csv", "text/csv; charset=utf-8; header=present")


@exports.get("/calls.ndjson")
@exports.arguments(CallFilterArgs, location="query", unknown=RAISE)
@exports.alt_response(200, schema={"type": "string"}, content_type="application/x-ndjson")
def export_ndjson(args: dict[str, Any]) -> Response:
    """Export the calls of a filter in full, a line of JSON each."""
    return _exported(args, "calls.ndjson", "application/x-ndjson")


@calls.get("/<id:call_id>/events")
@calls.arguments(PageArgs, location="query", unknown=RAISE)
@calls.alt_response(200, schema=CallEventsSchema)
def list_call_events(args: dict[str, Any], call_id: str) -> dict[str, Any] | Response:
    """List the events of a call, over all of its conversations, oldest first by their own clock."""
    call = call_of(call_id)
    if call.id != call_id:
        return moved_to("calls.list_call_events", call)
    queries, of = services().call_queries, f"events of call {call.id}"
    events = queries.events(call)
    if "cursor" in args:
        after = tuple(cursors.read(args["cursor"], of))
        events = [stored for stored in events if _position(stored) > after]
    page = events[: args["limit"]]
    reveal([call.id])
    following = cursors.write([*_position(page[-1])], of) if len(events) > len(page) else None
    return {"items": queries.dump_events(call, page, current_role()), "next": following}


@calls.get("/<id:call_id>/ladder.txt")
@calls.alt_response(200, schema={"type": "string"}, content_type="text/plain")
def get_ladder(call_id: str) -> Response:
    """Get a call as a ladder of text: a lane for each leg, time downwards."""
    call = call_of(call_id)
    if call.id != call_id:
        return moved_to("calls.get_ladder", call)
    reveal([call.id])
    masks, names = services().calls.masks_for(current_role()), services().names.current()
    lines = apart(lambda: text_of(ladder_of(call, mask_numbers=masks, names=names)))
    return Response("\n".join([*lines, ""]).encode(errors="replace"), content_type="text/plain; charset=utf-8")


@calls.get("/<id:call_id>/curl.txt")
@calls.alt_response(200, schema={"type": "string"}, content_type="text/plain")
def get_curl(call_id: str) -> Response:
    """Get `curl` commands that post the webhooks of a call again; for operators, as masked numbers would be useless."""
    require("operator")
    call = call_of(call_id)
    if call.id != call_id:
        return moved_to("calls.get_curl", call)
    reveal([call.id])
    server = services().settings.public_url or request.host_url
    commands = curl_commands(services().call_queries.events(call), server.rstrip("/"))
    return Response("\n".join([*commands, ""]), content_type="text/plain; charset=utf-8")


@calls.get("/<id:call_id>/scenario.yaml")
@calls.alt_response(200, schema={"type": "string"}, content_type="application/yaml")
def get_scenario(call_id: str) -> Response:
    """Get a call as a scenario of the simulator, which plays it again; its telephone numbers are unassigned ones."""
    call = call_of(call_id)
    if call.id != call_id:
        return moved_to("calls.get_scenario", call)
    reveal([call.id, *call.linked])
    text = captured(services().call_queries, call, current_role())
    return Response(text.encode(errors="replace"), content_type="application/yaml; charset=utf-8")


@calls.get("/<id:call_id>")
@calls.alt_response(200, schema=CallSchema, example=examples.CALL)
def get_call(call_id: str) -> dict[str, Any] | Response:
    """Get one call. The id of one of its conversations, legs or recordings redirects to it."""
    call = call_of(call_id)
    if call.id != call_id:
        return moved_to("calls.get_call", call)
    reveal([call.id])
    return services().call_queries.dump(call, current_role())


def call_of(id_: str) -> Call:
    """The call with this id, or with one of another kind. Raises Problem (404)."""
    found = services().call_queries.call(id_)
    if found is None:
        detail = "No call with this id, leg, conversation or recording is stored: there was none, or it was deleted."
        raise Problem(404, "Unknown call", detail, id=id_)
    return found


def moved_to(endpoint: str, call: Call) -> Response:
    """Redirects to *call*, which was requested by another id. For now: a late webhook may name an earlier first leg."""
    query: dict[str, Any] = request.args.to_dict()
    return cast("Response", redirect(url_for(endpoint, **query | {"call_id": call.id}), 302))


def _position(stored: StoredEvent) -> tuple[str, str, str]:
    """The position of an event in the list, as a cursor has it."""
    at, received, digest = stored.position
    return at.isoformat(timespec="microseconds"), received.isoformat(timespec="microseconds"), digest.hex()


def _filter(args: dict[str, Any]) -> CallFilter:
    number = args.get("number", "")
    # With its last 7 digits a viewer could find out, by trying, three more than the 4 that are shown.
    whole = len(number) != SHOWN and services().calls.masks_for(current_role())
    return CallFilter(**args, whole=whole)


def _exported(args: dict[str, Any], name: str, content_type: str) -> Response:
    if request.method != "HEAD":
        reveal([mask(request.full_path)])  # how many it will have is not known yet
    lines = exported(services().call_queries, _filter(args), current_role(), as_csv=name.endswith("csv"))
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(lines, headers=headers, content_type=content_type)
