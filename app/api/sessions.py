"""What a user's phone shows: the user, the sessions, the current one. Users read and act on their own alone."""
# ruff: noqa: N815 - the names of Phone are Yeastar's

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast, get_args

from flask import Response, redirect, request, url_for
from marshmallow import RAISE, Schema, fields, validate

from app.api import cursors, examples
from app.api.blueprint import Blueprint
from app.api.operation_events import note_change, note_share
from app.api.schemas import Flag, PageArgs, Whole
from app.api.users import ChangesArgs, Shown, UserSchema, changed_user, user_json, user_of
from app.auth.access import current_login, current_role, guard_own
from app.auth.reveals import reveal
from app.calls.call_queries import CallPosition
from app.calls.fields import Timestamp, listed, nullable, timestamp
from app.calls.session_schemas import SessionSchema
from app.calls.sessions import Phone
from app.domain.marks import LONGEST
from app.domain.sessions import Media, Session
from app.domain.users import DEFAULTS, Chosen, Registration
from app.errors import Problem
from app.services import services
from app.store import keys

sessions = Blueprint(
    "sessions", __name__, url_prefix="/api/v1/users", description="The calls of a user, and the phone as a whole."
)
sessions.before_request(guard_own())

BY_USER: Final = frozenset({"do_not_disturb"})  # what users set for themselves
REGISTRATION_SECONDS: Final = 120
LONGEST_ADDRESS: Final = 500  # characters
MOS: Final = (0, 5)  # of a mean opinion score, which begins at 1; 0: nothing was heard yet


class SessionsArgs(PageArgs):
    """Which sessions."""

    state = fields.String(
        load_default="live",
        validate=validate.OneOf(("live", "ended")),
        metadata={"description": "live ones are listed all at once"},
    )


class SessionsSchema(Schema):
    """Sessions, newest first; a page of those that have ended may be short, even empty, though there is a next one."""

    items = listed(SessionSchema)
    next = nullable(fields.String, description="cursor of the next page; null at the end")


class RemarksArgs(Schema):
    """What to change of what is shown, and what the page reports; null takes a text away."""

    name = Shown("of the other party")
    company = Shown("of the other party")
    avatar = fields.Url(
        allow_none=True,
        schemes={"http", "https"},
        validate=validate.Length(max=LONGEST_ADDRESS),
        metadata={"description": "address of a picture", "format": "web-address"},
    )
    manual = Flag(metadata={"description": "`name` has priority over the names that are known"})
    ignored = Flag(metadata={"description": "let it ring in silence"})
    screensharing = Flag(metadata={"description": "the page shares the screen"})
    sdk_call_id = fields.String(
        data_key="sdkCallId",
        validate=validate.Length(1, LONGEST),
        metadata={"description": "by which Vonage's Client SDK knows the call"},
    )
    media = fields.String(validate=validate.OneOf(get_args(Media)), metadata={"description": "sound of the page"})
    mos = fields.Float(
        validate=validate.Range(*MOS), metadata={"description": "how good that is, as the Client SDK computes it"}
    )


class CurrentArgs(Schema):
    """Which session is the current one."""

    currentSessionID = fields.String(required=True)


class CurrentSchema(Schema):
    """The current session."""

    currentSessionID = nullable(fields.String)
    currentSession = fields.Nested(SessionSchema, required=True, allow_none=True)


class VoicemailCountsSchema(Schema):
    """How many voicemails there are."""

    total = fields.Integer(required=True)
    unheard = fields.Integer(required=True)


class UserWithVoicemailSchema(UserSchema):
    """A user, with how many voicemails there are."""

    voicemail = fields.Nested(VoicemailCountsSchema, required=True)


class PhoneSchema(CurrentSchema):
    """A user's phone, with the names of Yeastar's PhoneOperator."""

    sessions = listed(SessionSchema, description="live ones, newest first")
    incomingList = listed(SessionSchema, description="those of them that ring at the user")
    isMaxCall = fields.Boolean(required=True, metadata={"description": "no other call is taken"})
    isRegistered = fields.Boolean(required=True, metadata={"description": "the page is connected to Vonage, it says"})
    reRegistryPhoneTimes = fields.Integer(
        required=True, metadata={"description": "how often the page has tried to connect again"}
    )
    recordPermissions = fields.Integer(
        required=True, metadata={"description": "0 none, 1 pause and resume a recording, 2 also start one"}
    )
    voicemail = fields.Nested(VoicemailCountsSchema, required=True)


class RegistrationArgs(Schema):
    """What the page knows of its connection to Vonage."""

    registered = Flag(required=True)
    seconds = Whole("how long it is taken to hold: say it again before", 10, 3600, load_default=REGISTRATION_SECONDS)
    attempts = Whole("how often it has tried to connect again", 0, 1000, load_default=0)


class RegistrationSchema(Schema):
    """Whether the page is connected, as it says."""

    registered = fields.Boolean(required=True)
    expires_at = Timestamp("when that ends unless the page says it again; null if it is not connected")
    attempts = fields.Integer(required=True)


@sessions.get("/<user:name>")
@sessions.alt_response(200, schema=UserWithVoicemailSchema)
def get_user(name: str) -> dict[str, Any]:
    """Get a user. One that only has a token, or was only called, has default settings."""
    kept = user_of(name)
    return user_json(name, kept.settings or DEFAULTS, kept.registration) | {"voicemail": _voicemail(name)}


@sessions.patch("/<user:name>")
@sessions.arguments(ChangesArgs, unknown=RAISE)
@sessions.alt_response(200, schema=UserSchema)
def patch_user(args: dict[str, Any], name: str) -> dict[str, Any]:
    """Change some settings of a user. Users set `do_not_disturb` for themselves, and nothing else."""
    login = current_login()
    if login and login.user is not None and not args.keys() <= BY_USER:
        others = ", ".join(sorted(args.keys() - BY_USER))
        raise Problem(403, "Not allowed", f"A user sets do_not_disturb alone; an operator sets {others}.")
    user_of(name)
    return changed_user(name, args)


@sessions.get("/<user:name>/phone")
@sessions.alt_response(200, schema=PhoneSchema)
def get_phone(name: str) -> dict[str, Any]:
    """Get all that the phone of a user shows: live sessions, the current one, those that ring."""
    kept = user_of(name)
    phone = services().sessions.phone(name, kept)
    dumped = _dumped(phone.sessions)
    current = phone.current.id if phone.current else None
    return {
        "currentSessionID": current,
        "currentSession": next((one for one in dumped if one["id"] == current), None),
        "sessions": dumped,
        "incomingList": [one for one in dumped if one["status"]["isRing"]],
        "isMaxCall": phone.is_full,
        "isRegistered": kept.registration.registered,
        "reRegistryPhoneTimes": kept.registration.attempts,
        "recordPermissions": (kept.settings or DEFAULTS).record_permissions,
        "voicemail": _voicemail(name),
    }


@sessions.put("/<user:name>/registration")
@sessions.arguments(RegistrationArgs, unknown=RAISE)
@sessions.alt_response(200, schema=RegistrationSchema)
def put_registration(args: dict[str, Any], name: str) -> dict[str, Any]:
    """Report whether the page of a user is connected to Vonage. Said again and again, it stays so."""
    kept = user_of(name)
    now = datetime.now(UTC)
    expires = now + timedelta(seconds=args["seconds"]) if args["registered"] else None
    services().store.set_registration(name, Registration(args["registered"], expires, args["attempts"]), now)
    if kept.registration.registered != args["registered"]:
        note_change(name)
    return {"registered": args["registered"], "expires_at": timestamp(expires), "attempts": args["attempts"]}


@sessions.get("/<user:name>/current-session")
@sessions.alt_response(200, schema=CurrentSchema)
def get_current_session(name: str) -> dict[str, Any]:
    """Get the session that was chosen, called or answered last; once that ends a consultation, else the newest."""
    return _current(_phone(name).current)


@sessions.put("/<user:name>/current-session")
@sessions.arguments(CurrentArgs, unknown=RAISE)
@sessions.alt_response(200, schema=CurrentSchema)
def put_current_session(args: dict[str, Any], name: str) -> dict[str, Any]:
    """Choose the current session, one of the live ones."""
    wanted = args["currentSessionID"]
    session = next((one for one in _phone(name).sessions if one.id == wanted), None)
    if session is None:
        raise _unknown_session(wanted, "No live session of this user has this id.")
    services().store.choose_session(name, Chosen(wanted, datetime.now(UTC)))
    note_change(name)
    return _current(session)


@sessions.get("/<user:name>/sessions")
@sessions.arguments(SessionsArgs, location="query", unknown=RAISE)
@sessions.alt_response(200, schema=SessionsSchema, example=examples.SESSIONS)
def list_sessions(args: dict[str, Any], name: str) -> dict[str, Any]:
    """List the sessions of a user, newest first: the live ones, or those that have ended."""
    if args["state"] == "live":
        return {"items": _dumped(_phone(name).sessions), "next": None}
    kept = user_of(name)
    after, of = None, f"ended sessions of {name}"
    if "cursor" in args:
        first_received, conversation, call = cursors.read(args["cursor"], of)
        after = CallPosition(first_received, keys.encode(conversation), call)
    found, following = services().sessions.ended(name, kept, limit=args["limit"], after=after)
    cursor = None
    if following:
        cursor = cursors.write([following.first_received, keys.decode(following.conversation), following.call], of)
    return {"items": _dumped(found), "next": cursor}


@sessions.get("/<user:name>/sessions/<id:session_id>")
@sessions.alt_response(200, schema=SessionSchema, example=examples.SESSION)
def get_session(name: str, session_id: str) -> dict[str, Any] | Response:
    """Get one session. The id of a leg or a conversation of its call redirects to it."""
    session = session_of(name, session_id)
    if session.id != session_id:
        return cast("Response", redirect(url_for("sessions.get_session", name=name, session_id=session.id)))
    return _dumped([session])[0]


@sessions.patch("/<user:name>/sessions/<id:session_id>")
@sessions.arguments(RemarksArgs, unknown=RAISE)
@sessions.alt_response(200, schema=SessionSchema)
def patch_session(args: dict[str, Any], name: str, session_id: str) -> dict[str, Any]:
    """Change what is shown of the other party, let it ring in silence, or report what the page alone knows.

    Nothing of that is sent to Vonage.
    """
    session = session_of(name, session_id)
    if args:
        shared = session.remarks.screensharing
        services().store.set_remarks(name, session.id, args)
        note_change(name)
        session = session_of(name, session_id)
        if session.remarks.screensharing != shared:
            note_share(session)
    return _dumped([session])[0]


def session_of(name: str, id_: str) -> Session:
    """The session of *name* in the call with this id, or with a leg or conversation that has it.

    Raises Problem (404).
    """
    session = services().sessions.session(name, id_)
    if session is None:
        raise _unknown_session(id_, "This user takes no part in a call with this id, or none is stored any more.")
    return session


def _phone(name: str) -> Phone:
    return services().sessions.phone(name, user_of(name))


def _voicemail(name: str) -> dict[str, int]:
    return services().store.voicemail_counts(name)._asdict()


def _unknown_session(id_: str, detail: str) -> Problem:
    return Problem(404, "Unknown session", detail, id=id_)


def _current(session: Session | None) -> dict[str, Any]:
    dumped = _dumped([session])[0] if session else None
    return {"currentSessionID": dumped["id"] if dumped else None, "currentSession": dumped}


def _dumped(found: list[Session]) -> list[dict[str, Any]]:
    """Each of *found* as JSON for this request."""
    role = current_role()
    if request.method != "HEAD":
        reveal((session.id for session in found), masked_too=role == "user")
    return services().sessions.dump_all(found, role)
