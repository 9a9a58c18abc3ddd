"""The voicemails of a user: list, play, say that one was heard, delete. Users have their own alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from flask import Response, request, url_for
from marshmallow import RAISE, Schema, fields

from app.api import cursors
from app.api.blueprint import Blueprint
from app.api.recordings import SOUND, played
from app.api.schemas import Flag, PageArgs
from app.api.users import user_of
from app.auth.access import current_role, guard_own, require
from app.auth.reveals import reveal
from app.auth.tokens import Role
from app.calls import voicemails as calls_voicemails
from app.calls.fields import listed, nullable
from app.calls.voicemails import VoicemailSchema
from app.domain.users import DEFAULTS
from app.errors import Problem
from app.services import services
from app.store.apart import apart
from app.store.voicemails import KeptVoicemail, LeftVoicemail

voicemails = Blueprint("voicemails", __name__, url_prefix="/api/v1/users", description="Messages left for a user.")
voicemails.before_request(guard_own())


class VoicemailsArgs(PageArgs):
    """Which voicemails."""

    heard = fields.Boolean(metadata={"description": "those that were heard, or those that were not"})


class VoicemailsSchema(Schema):
    """A page of voicemails, newest first by when their recordings were received."""

    items = listed(VoicemailSchema)
    next = nullable(fields.String, description="cursor of the next page; null at the end")


class HeardArgs(Schema):
    """What to say of a voicemail."""

    heard = Flag(required=True)


@voicemails.get("/<user:name>/voicemails")
@voicemails.arguments(VoicemailsArgs, location="query", unknown=RAISE)
@voicemails.alt_response(200, schema=VoicemailsSchema)
def list_voicemails(args: dict[str, Any], name: str) -> dict[str, Any]:
    """List the voicemails of a user, newest first."""
    heard, limit = args.get("heard"), args["limit"]
    found = services().store.voicemails(name, heard=heard)
    if not found:
        user_of(name)
    of = f"voicemails of {name}, heard: {heard}"
    if "cursor" in args:
        after = tuple(cursors.read(args["cursor"], of))
        found = [one for one in found if one[: len(after)] < after]
    page = found[:limit]
    following = cursors.write(list(page[-1][:3]), of) if len(found) > limit else None
    return {"items": _dumped(name, services().store.left_voicemails(name, page)), "next": following}


@voicemails.get("/<user:name>/voicemails/<id:voicemail_id>")
@voicemails.alt_response(200, schema=VoicemailSchema)
def get_voicemail(name: str, voicemail_id: str) -> dict[str, Any]:
    """Get one voicemail."""
    return _dumped(name, [_left(name, voicemail_id)])[0]


@voicemails.get("/<user:name>/voicemails/<id:voicemail_id>/audio")
@voicemails.doc(responses={"200": SOUND | {"description": "All of it"}, "206": SOUND | {"description": "A part"}})
def get_audio(name: str, voicemail_id: str) -> Response:
    """Play a voicemail. `Range` is understood. That does not say that it was heard."""
    # Voices say more than numbers do: the user, and those who may play recordings.
    require(cast("Role", services().settings.recordings_role), user=name)
    left = _left(name, voicemail_id)
    return played(left.recording.recording_url, left.listed.recording)


@voicemails.put("/<user:name>/voicemails/<id:voicemail_id>")
@voicemails.arguments(HeardArgs, unknown=RAISE)
@voicemails.alt_response(200, schema=VoicemailSchema)
def put_voicemail(args: dict[str, Any], name: str, voicemail_id: str) -> dict[str, Any]:
    """Say whether a voicemail was heard. Said again, when it was first heard stays."""
    return _heard(name, voicemail_id, heard=args["heard"])


@voicemails.patch("/<user:name>/voicemails/<id:voicemail_id>")
@voicemails.arguments(HeardArgs, unknown=RAISE)
@voicemails.alt_response(200, schema=VoicemailSchema)
def patch_voicemail(args: dict[str, Any], name: str, voicemail_id: str) -> dict[str, Any]:
    """Say whether a voicemail was heard: the same as PUT."""
    return _heard(name, voicemail_id, heard=args["heard"])


@voicemails.delete("/<user:name>/voicemails/<id:voicemail_id>")
@voicemails.response(204)
def delete_voicemail(name: str, voicemail_id: str) -> Response:
    """Take a voicemail off the list. Its recording stays with the call, and at Vonage, as long as these keep it."""
    if not services().store.remove_voicemail(name, _listed(name, voicemail_id)):
        raise _unknown(voicemail_id)
    return Response(status=204)


def _heard(name: str, id_: str, *, heard: bool) -> dict[str, Any]:
    if not services().store.hear(name, _listed(name, id_), datetime.now(UTC) if heard else None):
        raise _unknown(id_)
    return _dumped(name, [_left(name, id_)])[0]


def _listed(name: str, id_: str) -> KeptVoicemail:
    """The voicemail of *name* with this id. Raises Problem (404)."""
    found = next((one for one in services().store.voicemails(name) if one.recording == id_), None)
    if found is None:
        raise _unknown(id_)
    return found


def _left(name: str, id_: str) -> LeftVoicemail:
    """The same, with its recording."""
    found = services().store.left_voicemails(name, [_listed(name, id_)])
    if not found:
        raise _unknown(id_)
    return found[0]


def _unknown(id_: str) -> Problem:
    detail = "This user has no voicemail with this id, or none any more: it goes with its call."
    return Problem(404, "Unknown voicemail", detail, id=id_)


def _dumped(name: str, left: Sequence[LeftVoicemail]) -> list[dict[str, Any]]:
    """Each of *left* as JSON for this request."""
    parts, role = services(), current_role()
    if request.method != "HEAD":
        reveal((one.listed.recording for one in left), masked_too=role == "user")
    callers = list(dict.fromkeys(by.from_user for one in left if (by := one.recording.voicemail) and by.from_user))
    profiles = parts.store.profiles(callers)
    users = {user: (kept.settings or DEFAULTS).display_name for user, kept in zip(callers, profiles, strict=True)}
    names, mask = parts.names.current(), parts.sessions.masks_for(role)
    urls = {one.listed.recording: _url(name, one.listed.recording) for one in left}

    def dump() -> list[dict[str, Any]]:
        return [
            calls_voicemails.dump(one, url=urls[one.listed.recording], mask_numbers=mask, names=names, users=users)
            for one in left
        ]

    return apart(dump)


def _url(name: str, id_: str) -> str:
    return url_for("voicemails.get_audio", name=name, voicemail_id=id_)
