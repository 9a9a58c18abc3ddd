"""Acting on calls: place one, and hang up, mute, hold, transfer, record … those that are live."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from flask import Response, jsonify, url_for
from marshmallow import RAISE, Schema

from app.api import once
from app.api.acting_errors import as_problems
from app.api.acting_schemas import (
    ActionSchema,
    CreateArgs,
    DtmfArgs,
    NoArgs,
    RecordArgs,
    StreamArgs,
    TalkArgs,
    TransferArgs,
    action_json,
)
from app.api.blueprint import Blueprint
from app.auth.access import current_login, current_role, guard
from app.control.control import Control, Requested
from app.domain.leg_control import ActionState
from app.domain.numbers import masked
from app.errors import Problem
from app.services import services

acting = Blueprint("acting", __name__, url_prefix="/api/v1", description="Acting on calls, for operators.")
acting.before_request(guard())
once.install(acting)

SCHEMA: Final = ActionSchema()
# Whose fault it is, by what came of an action: the caller's, ours, Vonage's.
FAILED: Final[dict[ActionState, tuple[int, str, str]]] = {
    "refused": (
        409,
        "Refused by Vonage",
        "The leg is not in a state for it, or the request is wrong.",
    ),
    "gone": (404, "Gone at Vonage", "Vonage knows no such leg or conversation any more."),
    "failed": (502, "Not done", "Vonage could not be reached, or had no room for it: nothing was done. Try again."),
    "unknown": (504, "No response from Vonage", "Vonage did not respond in time: it may have been done. See `action`."),
}
OUR_KEY: Final = (401, 403)  # statuses by which Vonage refuses the application's token


@acting.post("/calls")
@acting.arguments(CreateArgs, unknown=RAISE)
@acting.alt_response(201, schema=ActionSchema)
def create_call(args: dict[str, Any]) -> Response:
    """Place a call. `leg` of the response is the new one's uuid."""
    return acted(lambda control, how: control.place(args, **how), created=True)


def bare_route(
    blueprint: Blueprint, path: str, view: Callable[..., Response], *, name: str, about: str, schema: type[Schema]
) -> None:
    """A POST route that takes nothing; its response is as *schema*."""
    view.__name__, view.__doc__ = name, about
    view = blueprint.alt_response(200, schema=schema)(view)
    blueprint.post(path)(blueprint.arguments(NoArgs, unknown=RAISE, required=False)(view))


def _plain(path: str, verb: str, about: str) -> None:
    """A route that takes nothing."""

    def view(_args: dict[str, Any], uuid: str) -> Response:
        return acted(lambda control, how: control.on_leg(uuid, verb, {}, **how))

    bare_route(acting, f"/legs/<id:uuid>/{path}", view, name=verb, about=about, schema=ActionSchema)


for _path, _verb, _about in (
    ("hangup", "hangup", "Hang up a leg. That it has ended already is no error."),
    ("mute", "mute", "Let nobody hear a leg."),
    ("unmute", "unmute", "Let a leg be heard again."),
    ("earmuff", "earmuff", "Let a leg hear nobody."),
    ("unearmuff", "unearmuff", "Let a leg hear the others again."),
    ("talk/stop", "stop_talk", "Stop what is said to a leg by an action."),
    ("stream/stop", "stop_stream", "Stop what is played to a leg by an action."),
    ("listen/stop", "stop_listen", "Get the keys that a leg presses no more one by one."),
):
    _plain(_path, _verb, _about)


@acting.post("/legs/<id:uuid>/talk")
@acting.arguments(TalkArgs, unknown=RAISE)
@acting.alt_response(200, schema=ActionSchema)
def talk(args: dict[str, Any], uuid: str) -> Response:
    """Say something to a leg, while its script goes on."""
    return acted(lambda control, how: control.on_leg(uuid, "talk", args, **how))


@acting.post("/legs/<id:uuid>/stream")
@acting.arguments(StreamArgs, unknown=RAISE)
@acting.alt_response(200, schema=ActionSchema)
def stream(args: dict[str, Any], uuid: str) -> Response:
    """Play an audio file to a leg, while its script goes on."""
    return acted(lambda control, how: control.on_leg(uuid, "stream", args, **how))


@acting.post("/legs/<id:uuid>/dtmf")
@acting.arguments(DtmfArgs, unknown=RAISE)
@acting.alt_response(200, schema=ActionSchema)
def dtmf(args: dict[str, Any], uuid: str) -> Response:
    """Send tones to a leg."""
    return acted(lambda control, how: control.on_leg(uuid, "dtmf", args, **how))


@acting.post("/legs/<id:uuid>/listen")
@acting.arguments(NoArgs, unknown=RAISE, required=False)
@acting.alt_response(200, schema=ActionSchema)
def listen(_args: dict[str, Any], uuid: str) -> Response:
    """Get each key that a leg presses from now on as an input event of its own."""
    return acted(lambda control, how: control.listen(uuid, **how))


@acting.post("/legs/<id:uuid>/transfer")
@acting.arguments(TransferArgs, unknown=RAISE)
@acting.alt_response(200, schema=ActionSchema)
def transfer(args: dict[str, Any], uuid: str) -> Response:
    """Let a leg go on with another NCCO or flow, by itself: the other leg stays behind."""
    return acted(lambda control, how: control.transfer(uuid, **args, **how))


@acting.post("/legs/<id:uuid>/hold")
@acting.arguments(NoArgs, unknown=RAISE, required=False)
@acting.alt_response(200, schema=ActionSchema)
def hold(_args: dict[str, Any], uuid: str) -> Response:
    """Put a leg on hold: it hears music. If all who could resume it hang up, it is hung up."""
    return acted(lambda control, how: control.hold(uuid, **how))


@acting.post("/legs/<id:uuid>/resume")
@acting.arguments(NoArgs, unknown=RAISE, required=False)
@acting.alt_response(200, schema=ActionSchema)
def resume(_args: dict[str, Any], uuid: str) -> Response:
    """Take a leg off hold. One that was muted is muted again."""
    return acted(lambda control, how: control.resume(uuid, **how))


@acting.post("/conversations/<id:conversation_uuid>/record")
@acting.arguments(RecordArgs, unknown=RAISE)
@acting.alt_response(200, schema=ActionSchema)
def record(args: dict[str, Any], conversation_uuid: str) -> Response:
    """Start, pause, resume or stop a recording. Vonage has no pause: each part between is a file of its own."""
    return acted(lambda control, how: control.record(conversation_uuid, args["action"], **how))


@acting.get("/actions/<action_id>")
@acting.alt_response(200, schema=ActionSchema)
def get_action(action_id: str) -> Response:
    """Get what has become of an action."""
    found = services().control.requested(action_id)
    if found is None:
        raise Problem(404, "Unknown action", "No such action is stored.")
    return jsonify(masked_for_reader(SCHEMA.dump(action_json(found.id, found.done))))


def acted(act: Callable[[Control, Mapping[str, Any]], Requested], *, created: bool = False) -> Response:
    """The response to an action: 200 or 201 once Vonage accepted it, 202 if it is still to be sent."""
    control, id_ = services().control, once.action_id()
    with as_problems():
        # A repeat whose first request died with its worker: what that did counts.
        requested = control.requested(id_) if id_ else None
        requested = requested or act(control, {"by": who(), "id_": id_})
    done = requested.done
    json = SCHEMA.dump(action_json(requested.id, done))
    if done.state in FAILED:
        status, title, detail = FAILED[done.state]
        if done.status in OUR_KEY:
            status, title = 502, "Vonage refuses the key"
            detail = "VONAGE_PRIVATE_KEY must be the key of VONAGE_APPLICATION_ID."
        said = f" Vonage says: {done.detail}" if done.detail else ""
        raise Problem(status, title, detail + said, action=json)
    response = jsonify(json)
    response.status_code = 202 if done.state == "requested" else 201 if created else 200
    if requested.id:
        response.headers["Location"] = url_for("acting.get_action", action_id=requested.id)
    return response


def masked_for_reader(json: Any) -> Any:
    """*json* for the sender of this request: viewers see no whole telephone numbers."""
    return masked(json) if services().sessions.masks_for(current_role()) else json


def who() -> str:
    """Who sent this request, as it is kept with the action."""
    login = current_login()
    if login is None:
        return ""
    return f"user {login.user}" if login.user else f"{login.role} {login.fingerprint[:6]}"
