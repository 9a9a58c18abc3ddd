"""The page of a call, live while the call is, and its ladder as a drawing of its own."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import copy_context
from datetime import UTC, datetime
from itertools import accumulate
from operator import itemgetter
from typing import Any, Final, cast
from urllib.parse import quote_plus

from flask import Blueprint, abort, url_for
from werkzeug.wrappers import Response

from app.api.calls import call_of, moved_to
from app.api.stream import MOST_CONVERSATIONS
from app.auth.access import current_role, require
from app.auth.reveals import reveal
from app.auth.tokens import RANK, Role
from app.calls.done import outcome_of, sentence_of, verb_of
from app.calls.ladder import ladder_of
from app.calls.picture import picture_of
from app.calls.stored_event import StoredEvent
from app.domain.actions import OURS, Action
from app.domain.calls import Call
from app.domain.events import Recording
from app.domain.numbers import mask
from app.pages.acting import flows_of, missing
from app.pages.asking import WHAT, fields
from app.pages.company import asks_of
from app.pages.events import word
from app.pages.html import page
from app.pages.operations import Meeting, Operation, Transferring, by_leg, operations_in, transfer_json
from app.services import services
from app.store.apart import apart

call_pages = Blueprint("call_pages", __name__, url_prefix="/calls")
MOST_EVENTS: Final = 300  # on the page; the API has all
MOST_CHARACTERS: Final = 6000  # of ids in the address of the stream: gunicorn takes an address of 8,190


@call_pages.before_request
def guard_pages() -> None:
    """Nobody sees a call without a login."""
    require("viewer")


@call_pages.get("/<id:call_id>")
def show_call(call_id: str) -> Response:
    """All that is known of a call. The id of one of its conversations, legs or recordings redirects to it."""
    call = call_of(call_id)
    if call.id != call_id:
        return moved_to("call_pages.show_call", call)
    role, queries, settings = current_role(), services().call_queries, services().settings
    reveal([call.id])
    events, now = queries.events(call), datetime.now(UTC)
    dumped = queries.dump(call, role)
    operations = _operations(call)
    parties = _parties(dumped, operations, role)
    return page(
        "call.html",
        call=dumped,
        lanes=_lanes(dumped, now),
        phase_seconds=_seconds(dumped["phase_since"], None, now),
        picture=_picture(call),
        way=_way(dumped),
        events=_events(call, events[:MOST_EVENTS], role),
        more_events=max(0, len(events) - MOST_EVENTS),
        follow=_followed(call),
        recordings=[
            recording | {"source": _source(call, kept.recording_uuid) if kept.recording_url else None}
            for kept, recording in zip(call.recordings, dumped["recordings"], strict=True)
        ],
        may_play=role is not None and RANK[role] >= RANK[cast("Role", settings.recordings_role)],
        has_key=bool(settings.application_id and settings.private_key),
        operator=role == "operator",
        recorded=call.recorded_here if call.state != "ended" else {},
        missing=missing(services()),
        transfers=[
            transfer_json(each, services().calls.masks_for(role), services().names.current())
            | {"initiator": parties.get(each.initiator), "transferred": parties.get(each.transferred)}
            for each in operations
            if isinstance(each, Transferring)
        ],
        conferences=[
            {"id": each.id, "ends": each.ends, "members": [(parties.get(one.leg), one) for one in each.members]}
            for each in operations
            if isinstance(each, Meeting)
        ],
        taken=by_leg(operations),
        asks=asks_of(call, by_leg(operations), pairs_move=services().control.pair_rooms is not None),
        flows=flows_of(services()) if role == "operator" and call.state != "ended" else [],
    )


@call_pages.get("/<id:call_id>/ask/<what>")
def ask(call_id: str, what: str) -> Response:
    """The fields of a dialog that begins a transfer or a conference of this call, or adds others to its conference."""
    require("operator")
    if what not in WHAT:
        abort(404)
    values, shown = fields(what, call_of(call_id), services())
    reveal(sorted(shown))
    return page("asking.html", **values)


@call_pages.get("/<id:call_id>/ladder.svg")
def show_ladder(call_id: str) -> Response:
    """The ladder as an SVG file, in the colours of light pages."""
    call = call_of(call_id)
    if call.id != call_id:
        return moved_to("call_pages.show_ladder", call)
    reveal([call.id])
    response = page("ladder.svg", picture=_picture(call), call=services().call_queries.dump(call, current_role()))
    response.content_type = "image/svg+xml; charset=utf-8"
    return response


def _operations(call: Call) -> list[Operation]:
    """The transfers and conferences that legs of *call* are part of."""
    legs = [leg.leg.uuid for leg in call.legs if leg.leg.state != "completed"]
    logs = services().store.logs_of_legs(legs) if call.state != "ended" else {}
    return [each for each in operations_in(logs) if not set(legs).isdisjoint(each.legs)]


def _parties(dumped: dict[str, Any], operations: Sequence[Operation], role: Role | None) -> dict[str, dict[str, Any]]:
    """Who is at the far end of each leg of a call that was *dumped*, and of the others that *operations* are about."""
    queries, store = services().call_queries, services().store
    found = {leg["uuid"]: _party(leg) for leg in dumped["legs"]}
    missing_ = {leg for operation in operations for leg in operation.legs} - found.keys()
    if missing_:
        calls = queries.calls_of({name for leg in missing_ for name in store.conversations_of(leg)})
        calls = [each for each in calls if not missing_.isdisjoint(leg.leg.uuid for leg in each.legs)]
        reveal([each.id for each in calls])
        for each in queries.dump_all(calls, role, rows=True):
            found |= {leg["uuid"]: _party(leg) | {"call": each["id"]} for leg in each["legs"]}
    return found


def _party(leg: dict[str, Any]) -> dict[str, Any]:
    """Who is at the far end of a leg: a user, or a number and its name."""
    end = "from" if leg["direction"] == "inbound" else "to"
    return {"party": leg["user"] or leg[end], "name": leg[f"{end}_name"]}


def _events(call: Call, events: list[StoredEvent], role: Role | None) -> list[dict[str, Any]]:
    """Each of *events* for the table; what this server did in words, as `did`."""
    dumped, actions = services().call_queries.dump_events(call, events, role), call.actions
    done = {each.action.action: each for each in actions}
    text = mask if services().calls.masks_for(role) else str
    for event, stored in zip(dumped, events, strict=True):
        if isinstance(stored.event, OURS) and stored.event.action in done:
            found = done[stored.event.action]
            requested = isinstance(stored.event, Action)
            event["did"] = text(
                sentence_of(found, word) if requested else f"{verb_of(found, word)}: {outcome_of(found, word)}"
            )
    return dumped


def _picture(call: Call) -> Any:
    masks, names, context = services().calls.masks_for(current_role()), services().names.current(), copy_context()
    return apart(lambda: context.run(lambda: picture_of(ladder_of(call, mask_numbers=masks, names=names, say=word))))


def _followed(call: Call) -> list[str]:
    """The conversations of a live call, from which all that changes it comes; first those that its legs are in."""
    if call.state == "ended":
        return []
    names = list(dict.fromkeys([*call.here, *reversed(call.everywhere)]))
    lengths = accumulate(len(quote_plus(f"{name},", errors="replace")) for name in names)
    return [name for name, length in zip(names, lengths, strict=True) if length <= MOST_CHARACTERS][:MOST_CONVERSATIONS]


def _lanes(call: dict[str, Any], now: datetime) -> list[dict[str, Any]]:
    """What each leg did, in one list for a table: the conversations it went to are between what it did there."""
    found = []
    for leg in call["legs"]:
        did = [each | {"seconds": _seconds(each["since"], each["until"], now)} for each in leg["segments"]]
        moves = [{"moved": stay["conversation_uuid"], "since": stay["since"]} for stay in leg["stays"][1:]]
        steps = sorted([*moves, *did], key=itemgetter("since"))
        found.append({"leg": leg, **_party(leg), "steps": steps})
    return found


def _seconds(since: str | None, until: str | None, now: datetime) -> float:
    end = datetime.fromisoformat(until) if until else now
    return max(0.0, (end - datetime.fromisoformat(since)).total_seconds()) if since else 0.0


def _way(call: dict[str, Any]) -> list[dict[str, Any]]:
    """What the call flow served and what the caller did, oldest first; an error is with the answer that caused it."""
    answers = [{"sort": "answer", "errors": [], **answer} for answer in call["answers"]]
    alone: list[dict[str, Any]] = []
    for error in call["errors"]:
        cause = error["answer"]
        of = [answer for answer in answers if cause and answer["at"] == cause["at"] and answer["ncco"] == cause["ncco"]]
        (of[0]["errors"] if of else alone).append({"sort": "error", **error})
    inputs = [{"sort": "input", **each} for each in call["inputs"]]
    return sorted([*answers, *inputs, *alone], key=itemgetter("at"))


def _source(call: Call, recording_uuid: str | None) -> str | None:
    """The address at which this server plays a recording; None if it cannot be named."""
    for kept in call.events.values():
        event = kept.event
        if isinstance(event, Recording) and event.recording_uuid == recording_uuid and recording_uuid:
            where: dict[str, Any] = {"recording_uuid": recording_uuid, "conversation_uuid": event.conversation}
            return url_for("recordings.get_recording", **where) if event.conversation else None
    return None
