"""Tokens for the page of a user: one for this server, and one with which the page logs in at Vonage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from marshmallow import RAISE, Schema, fields

from app.api.acting_errors import as_problems
from app.api.blueprint import Blueprint
from app.api.schemas import Flag, Whole
from app.api.users import possible
from app.auth.access import Login, current_login, guard_own
from app.auth.tokens import short_lived_token
from app.calls.fields import Timestamp, nullable, timestamp
from app.domain.users import DEFAULTS
from app.services import services

user_tokens = Blueprint(
    "user_tokens", __name__, url_prefix="/api/v1/users", description="Tokens for the pages of a user."
)
user_tokens.before_request(guard_own())

SECONDS: Final = 3600
LEAST_SECONDS: Final = 60
MOST_SECONDS: Final = 24 * 3600
LATEST: Final = datetime.max.replace(tzinfo=UTC)
SDK_SECONDS: Final = 15 * 60  # the default at Vonage: https://developer.vonage.com/conversation/guides/jwt-acl


class TokenArgs(Schema):
    """What the tokens are to be good for."""

    seconds = Whole("until it expires", LEAST_SECONDS, MOST_SECONDS, load_default=SECONDS)
    sdk = Flag(load_default=True, metadata={"description": "also one for Vonage's Client SDK"})


class TokenSchema(Schema):
    """The tokens of a user."""

    token = fields.String(required=True, metadata={"description": "to be sent as `Authorization: Bearer`"})
    expires_at = Timestamp("when it expires; or the login that it was made with ends")
    sdk_token = nullable(fields.String, description="for `createSession` of Vonage's Client SDK; null if not wanted")
    sdk_expires_at = Timestamp("when that one expires")
    sdk_url = fields.String(required=True, metadata={"description": "script of Vonage's Client SDK"})
    sdk_hash = nullable(fields.String, description="`integrity` of that script; null if it is not known")


@user_tokens.post("/<user:name>/token")
@user_tokens.arguments(TokenArgs, unknown=RAISE, required=False)
@user_tokens.alt_response(201, schema=TokenSchema)
def create_token(args: dict[str, Any], name: str) -> tuple[dict[str, Any], int]:
    """Make tokens with which the page of a user reads and acts on that user's own sessions, until they expire.

    A user gets them for an hour at most, and with a short-lived token for no longer than that one. They end with the
    login, and with the token of ACCESS_TOKENS, that they descend from; those for the SDK expire.
    """
    parts, login = services(), cast("Login", current_login())
    now = datetime.now(UTC).replace(microsecond=0)
    seconds = args["seconds"] if login.user is None else min(args["seconds"], SECONDS)
    expires = min(now + timedelta(seconds=seconds), login.expires or LATEST)
    token = short_lived_token(possible(name), expires, login.origin)
    sdk_token, sdk_expires = None, None
    if args["sdk"]:
        sdk_expires = min(expires, now + timedelta(seconds=SDK_SECONDS))
        with as_problems():
            sdk_token = parts.app_users.tokens.for_phone(name, sdk_expires)
            (kept,) = parts.store.profiles([name])
            parts.app_users.ensure(name, (kept.settings or DEFAULTS).display_name)
    return {
        "token": token,
        "expires_at": timestamp(expires),
        "sdk_token": sdk_token,
        "sdk_expires_at": timestamp(sdk_expires),
        "sdk_url": parts.settings.client_sdk_url,
        "sdk_hash": parts.settings.client_sdk_hash,
    }, 201
