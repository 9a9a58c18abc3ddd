"""What pages need to show a screen to each other, from page to page: https://www.w3.org/TR/webrtc/

Vonage carries no picture in a call, so pages connect to each other. This server passes on what they say to do so, to
the event streams of those who are in the call, and keeps none of it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from marshmallow import RAISE, Schema, ValidationError, fields, validate, validates_schema

from app.api.blueprint import Blueprint
from app.api.sessions import session_of
from app.api.users import user_of
from app.auth.access import guard_own, require
from app.calls.fields import listed, timestamp
from app.calls.members import others_in
from app.errors import Problem
from app.services import services

screen_sharing = Blueprint(
    "screen_sharing", __name__, url_prefix="/api/v1/users", description="Screens, shown from page to page."
)
screen_sharing.before_request(guard_own())

SIGNAL: Final = "screen_share_signal"
AGAIN: Final = {"Retry-After": "1"}
LONGEST_SDP: Final = 20_000  # characters; one of a screen with sound has about 6,000
LONGEST_CANDIDATE: Final = 500
MOST_CANDIDATES: Final = 50
WITH_DESCRIPTION: Final = ("offer", "answer")
KINDS: Final = ("announce", "want", "offer", "answer", "candidates", "end")
NAME_OF_PAGE: Final = r"^[A-Za-z0-9_-]{1,64}\Z"
# What browsers write is ASCII: another character may take twelve bytes where the signal is kept.
PLAIN: Final = r"^[\t\r\n\x20-\x7e]*\Z"


def _plain(most: int, least: int = 0, **more: Any) -> fields.String:
    return fields.String(validate=[validate.Length(least, most), validate.Regexp(PLAIN, error="Not ASCII.")], **more)


def _id(description: str, **more: Any) -> fields.String:
    about = {"description": f"{description}: letters, digits, - and _", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
    return fields.String(validate=validate.Regexp(NAME_OF_PAGE), metadata=about, **more)


class DescriptionArgs(Schema):
    """An RTCSessionDescription."""

    type = fields.String(required=True, validate=validate.OneOf(WITH_DESCRIPTION))
    sdp = _plain(LONGEST_SDP, least=1, required=True)


class CandidateArgs(Schema):
    """An RTCIceCandidate, as its `toJSON` has it. An empty one ends them."""

    candidate = _plain(LONGEST_CANDIDATE, required=True)
    sdpMid = _plain(64, load_default=None, allow_none=True)  # noqa: N815
    sdpMLineIndex = fields.Integer(  # noqa: N815
        load_default=None, allow_none=True, strict=True, validate=validate.Range(0, 100)
    )
    usernameFragment = _plain(256, load_default=None, allow_none=True)  # noqa: N815


class SignalArgs(Schema):
    """What a page says to another one, or to all in the call."""

    type = fields.String(
        required=True,
        validate=validate.OneOf(KINDS),
        metadata={"description": "announce and end are the sharer's to all, want is who wants to see it"},
    )
    page = _id("the page that says it", required=True)
    share = _id("the share that it is about", required=True)
    to = fields.String(load_default=None, allow_none=True, metadata={"description": "a user; null: all in the call"})
    to_page = _id("a page of that user; null: all", load_default=None, allow_none=True)
    description = fields.Nested(DescriptionArgs, unknown=RAISE, metadata={"description": "of an offer or an answer"})
    candidates = fields.List(
        fields.Nested(CandidateArgs, unknown=RAISE),
        validate=validate.Length(1, MOST_CANDIDATES),
        metadata={"description": "of an announcement of candidates"},
    )

    @validates_schema
    def fits(self, data: dict[str, Any], **_: Any) -> None:
        """Each type comes with what belongs to it."""
        has = {name for name in ("description", "candidates") if name in data}
        needs = {"description"} if data["type"] in WITH_DESCRIPTION else {"candidates"} & {data["type"]}
        if has != needs:
            words = f"With {' and '.join(needs)}." if needs else "Without description and candidates."
            raise ValidationError({"type": [words]})
        if needs and not (data["to"] and data["to_page"]):
            raise ValidationError({"to_page": ["Name the user and the page that it is for."]})


class PassedOnSchema(Schema):
    """Whom a signal was passed on to."""

    members = fields.List(
        fields.String(), required=True, metadata={"description": "the other users in the call now, by name"}
    )


class IceServerSchema(Schema):
    """A server of ICE_SERVERS, as RTCPeerConnection takes it."""

    urls = fields.Raw(required=True, metadata={"description": "an address, or a list of them"})
    username = fields.String()
    credential = fields.String()


class IceServersSchema(Schema):
    """The servers by which pages find a way to each other."""

    ice_servers = listed(IceServerSchema)


@screen_sharing.get("/<user:name>/ice-servers")
@screen_sharing.alt_response(200, schema=IceServersSchema)
def get_ice_servers(name: str) -> dict[str, Any]:
    """Get what RTCPeerConnection needs as `iceServers`: the setting ICE_SERVERS."""
    require("operator", user=name)  # it may hold passwords, which are not for who only looks on
    user_of(name)
    return {"ice_servers": list(services().settings.ice_servers)}


@screen_sharing.post("/<user:name>/sessions/<id:session_id>/signals")
@screen_sharing.arguments(SignalArgs, unknown=RAISE)
@screen_sharing.alt_response(202, schema=PassedOnSchema)
def send_signal(args: dict[str, Any], name: str, session_id: str) -> tuple[dict[str, Any], int]:
    """Pass on what a page says to the pages of the other users in the call, by their event streams. It is not kept."""
    parts = services()
    if not parts.store.may_signal(name):  # before all that takes longer
        raise Problem(429, "Too many signals", "The pages of this user say too much to others: wait a moment.", AGAIN)
    session = session_of(name, session_id)
    if not session.live and args["type"] != "end":
        raise Problem(409, "Call over", "This user takes no part in the call any more.")
    others = others_in(parts.sessions, session)
    to = args.pop("to")
    if to is not None and to not in {other.user for other in others}:
        raise Problem(409, "Not in the call", "The user whom it is for is not in the call, or not any more.")
    data = {"event": SIGNAL, "at": timestamp(datetime.now(UTC)), "from": name, **args}
    parts.store.send_signals(
        (other.user, {**data, "user": other.user, "session_id": other.id})
        for other in others
        if to in (None, other.user)
    )
    return {"members": [other.user for other in others]}, 202
