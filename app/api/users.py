"""Users of the application: who there is, and what operators set for them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from flask import Response
from marshmallow import RAISE, Schema, ValidationError, fields, post_load

from app.api import cursors
from app.api.blueprint import Blueprint
from app.api.operation_events import note_change
from app.api.schemas import Flag, PageArgs, Whole
from app.auth.access import current_login, current_role, guard
from app.auth.tokens import users_with_token
from app.calls import sessions
from app.calls.fields import Timestamp, listed, nullable
from app.calls.names import LONGEST_NAME, cleaned
from app.domain.marks import LONGEST
from app.domain.numbers import masked
from app.domain.users import DEFAULTS, Registration, UserSettings
from app.errors import Problem
from app.services import services
from app.store.users import User

users = Blueprint("users", __name__, url_prefix="/api/v1/users", description="Users of the application.")
users.before_request(guard())

MOST_CALLS: Final = 50


class Shown(fields.String):
    """A name that is shown; null for none."""

    def __init__(self, description: str, **more: Any) -> None:
        words = f"{description}: 1 to {LONGEST_NAME} printable characters; null for none"
        super().__init__(allow_none=True, metadata={"description": words, "format": "name"}, **more)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        name = cleaned(super()._deserialize(value, attr, data, **kwargs) or "")
        if name is None:
            raise ValidationError(f"Give 1 to {LONGEST_NAME} printable characters, or null.")
        return name


class ChangesArgs(Schema):
    """What to change."""

    display_name = Shown("what the user is shown as")
    max_calls = Whole("calls at once, but for consultations", 1, MOST_CALLS)
    auto_answer = Flag(metadata={"description": "the page answers by itself"})
    do_not_disturb = Flag(metadata={"description": "calls are diverted"})
    record_permissions = Whole("0 none, 1 pause and resume a recording, 2 also start one", 0, 2)


class SettingsArgs(ChangesArgs):
    """All settings; what is left out gets its default."""

    @post_load
    def complete(self, given: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Every setting."""
        return asdict(DEFAULTS) | given


class UserSchema(Schema):
    """A user."""

    name = fields.String(required=True, metadata={"example": "Alice"})
    display_name = nullable(fields.String, description="what the user is shown as")
    max_calls = fields.Integer(required=True, metadata={"description": "calls at once, but for consultations"})
    auto_answer = fields.Boolean(required=True, metadata={"description": "the page answers by itself"})
    do_not_disturb = fields.Boolean(required=True, metadata={"description": "calls are diverted"})
    record_permissions = fields.Integer(
        required=True, metadata={"description": "0 none, 1 pause and resume a recording, 2 also start one"}
    )
    registered = fields.Boolean(required=True, metadata={"description": "the page is connected to Vonage, it says"})
    registration_expires_at = Timestamp("when that ends unless the page says it again")
    registration_attempts = fields.Integer(
        required=True, metadata={"description": "how often the page has tried to connect again"}
    )


class UsersSchema(Schema):
    """A page of users, by name."""

    items = listed(UserSchema)
    next = nullable(fields.String, description="cursor of the next page; null at the end")


@users.get("")
@users.arguments(PageArgs, location="query", unknown=RAISE)
@users.alt_response(200, schema=UsersSchema)
def list_users(args: dict[str, Any]) -> dict[str, Any]:
    """List the users that have settings or a token of ACCESS_TOKENS, by name."""
    store, limit = services().store, args["limit"]
    after = str(cursors.read(args["cursor"], "users")[0]) if "cursor" in args else ""
    with_token = [name for name in users_with_token() if _order(name) > _order(after)]
    found = sorted({*store.user_names(after, limit + 1), *with_token}, key=_order)
    page = found[:limit]
    profiles = zip(page, store.profiles(page), strict=True)
    items = [user_json(name, kept.settings or DEFAULTS, kept.registration) for name, kept in profiles]
    return {"items": items, "next": cursors.write([page[-1]], "users") if len(found) > limit else None}


@users.put("/<user:name>")
@users.arguments(SettingsArgs, unknown=RAISE)
@users.alt_response(200, schema=UserSchema)
def put_user(args: dict[str, Any], name: str) -> dict[str, Any]:
    """Set all settings of a user, who need not be known before. They stay until they are deleted."""
    return changed_user(possible(name), args)


@users.delete("/<user:name>")
@users.response(204)
def delete_user(name: str) -> Response:
    """Delete the settings of a user, and what the page reported. Calls stay, as do tokens."""
    if not services().store.remove_user(name):
        raise unknown_user(name)
    return Response(status=204)


def user_of(name: str) -> User:
    """What is kept of the user *name*. Raises Problem (404) for one of whom nothing is known."""
    kept, login = services().sessions.user(name), current_login()
    has_token = name in users_with_token() or (login is not None and login.user == name)
    if kept.settings is None and not kept.called and not has_token:
        raise unknown_user(name)
    return kept


def changed_user(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """The user *name* as JSON, after these *changes*."""
    store = services().store
    if changes:
        store.set_user(name, changes)
    if "record_permissions" in changes:
        note_change(name)
    (kept,) = store.profiles([name])
    return user_json(name, kept.settings or DEFAULTS, kept.registration)


def user_json(name: str, settings: UserSettings, registration: Registration) -> dict[str, Any]:
    """A user as JSON for this request."""
    json = sessions.user_json(name, settings, registration)
    return dict(masked(json)) if services().sessions.masks_for(current_role()) else json


def unknown_user(name: str) -> Problem:
    """Of whom nothing is known."""
    detail = "No such user has settings or a token, and no call names one. An operator may PUT settings here."
    return Problem(404, "Unknown user", detail, name=name)


def possible(name: str) -> str:
    """*name*. Raises Problem (422) if no user can have it."""
    if len(name) > LONGEST or not name.isprintable():
        raise Problem(422, "No user name", f"Give a name of 1 to {LONGEST} printable characters.")
    return name


def _order(name: str) -> bytes:
    return name.encode(errors="surrogatepass")  # as Redis orders them
