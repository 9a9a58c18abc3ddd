"""Recordings, played through this server: only the application's token opens them at Vonage."""

from __future__ import annotations

from typing import Any, Final, cast

from flask import Response, request
from marshmallow import RAISE, Schema, fields

from app.api.blueprint import Blueprint
from app.auth.access import require
from app.auth.reveals import reveal
from app.auth.tokens import Role
from app.errors import Problem
from app.recordings import NotPlayable, Reason, Span
from app.services import services

recordings = Blueprint("recordings", __name__, url_prefix="/api/v1/recordings", description="What was recorded.")

PROBLEMS: Final[dict[Reason, tuple[int, str, str]]] = {
    "no_key": (
        501,
        "No private key",
        "Vonage gives recordings to their application only: set VONAGE_APPLICATION_ID and VONAGE_PRIVATE_KEY.",
    ),
    "elsewhere": (502, "Not at Vonage", "The webhook names an address that is not one of Vonage's: nothing was sent."),
    "gone": (404, "No longer there", "Vonage has no such recording: it keeps them for a limited time, or not yet."),
    "refused": (
        502,
        "Refused by Vonage",
        "Vonage refuses the key: it must be of the application that recorded.",
    ),
    "away": (502, "Vonage is away", "Vonage did not give the recording. Try again in a moment."),
    "slow": (504, "Vonage is slow", "Vonage did not give the recording in time. Try again in a moment."),
    "too_large": (502, "Too large", "The recording is larger than this server passes on. Fetch it from Vonage."),
    "no_audio": (502, "Not audio", "What is at the address of the recording is no audio: it was not passed on."),
    "busy": (503, "Too much at once", "Too many recordings are being played. Try again in a moment."),
}
SOUND: Final[dict[str, Any]] = {"content": {"audio/*": {}}}


@recordings.before_request
def guard_by_setting() -> None:
    """Voices say more than numbers do: operators only, unless RECORDINGS_ROLE says otherwise."""
    require(cast("Role", services().settings.recordings_role))


class RecordingArgs(Schema):
    """Where the recording is looked for."""

    conversation_uuid = fields.String(required=True, metadata={"description": "the conversation that was recorded"})


@recordings.get("/<id:recording_uuid>")
@recordings.arguments(RecordingArgs, location="query", unknown=RAISE)
@recordings.doc(responses={"200": SOUND | {"description": "All of it"}, "206": SOUND | {"description": "A part"}})
def get_recording(args: dict[str, Any], recording_uuid: str) -> Response:
    """Play a recording. `Range` is understood."""
    conversation = services().calls.conversation(args["conversation_uuid"])
    kept = conversation.recordings if conversation else ()
    urls = [each.recording_url for each in kept if each.recording_uuid == recording_uuid and each.recording_url]
    return played(urls[-1] if urls else None, recording_uuid)


def played(url: str | None, recording_uuid: str) -> Response:
    """The recording at *url*, or the part that `Range` asks for; who listens is noted. Raises Problem."""
    if not url:
        raise Problem(404, "Unknown recording", "No such recording, or none with an address, is stored with this call.")
    try:
        audio = services().recordings.open(url, Span.read(request.headers.get("Range")))
    except NotPlayable as fault:
        status, title, detail = PROBLEMS[fault.reason]
        raise Problem(status, title, detail, reason=fault.reason) from fault
    reveal([recording_uuid], masked_too=True)
    response = Response(audio, audio.status, content_type=audio.type or None)
    response.call_on_close(audio.close)
    response.headers["Accept-Ranges"] = "bytes"
    # A browser may show it alone, in a player of its own.
    response.headers["Content-Security-Policy"] = "default-src 'none'; media-src 'self'; frame-ancestors 'none'"
    if audio.length is not None:
        response.headers["Content-Length"] = str(audio.length)
    if audio.content_range is not None:
        response.headers["Content-Range"] = audio.content_range
    return response
