"""The tokens of ACCESS_TOKENS, the short-lived ones of users, and what each is good for."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, Literal, NamedTuple, cast

import jwt

from app.services import services

Role = Literal["user", "viewer", "operator"]
RANK: Final = {"user": 0, "viewer": 1, "operator": 2}
OF_USER: Final = "user/"  # in ACCESS_TOKENS; the user's name follows
AUDIENCE: Final = "switchhook users"
ALGORITHM: Final = "HS256"


class Access(NamedTuple):
    """What a token is good for: its role and, of a user's token, the user."""

    role: Role
    user: str | None = None


class Origin(NamedTuple):
    """What a short-lived token descends from: the fingerprint of a token of ACCESS_TOKENS, and perhaps a login's name.

    With either it ends.
    """

    login: str
    session: str | None = None


class ShortLived(NamedTuple):
    """What a short-lived token says."""

    user: str
    expires: datetime
    origin: Origin | None


def access_of(given: str, form: Callable[[str], str] = str) -> Access | None:
    """What the token of ACCESS_TOKENS is good for whose *form* is *given*; None for an unknown one.

    Any of them takes the same time.
    """
    found: Access | None = None
    sent = given.encode(errors="surrogatepass")
    for role, token in services().settings.access_tokens:
        if hmac.compare_digest(sent, form(token).encode()):
            user = role.removeprefix(OF_USER) if role.startswith(OF_USER) else None
            found = Access("user", user) if user else Access(cast("Role", role))
    return found


def users_with_token() -> list[str]:
    """The users that ACCESS_TOKENS names."""
    named = (role for role, _ in services().settings.access_tokens if role.startswith(OF_USER))
    return list(dict.fromkeys(role.removeprefix(OF_USER) for role in named))


def fingerprint(token: str) -> str:
    """A keyed hash of *token*, which a cookie may hold."""
    return hmac.new(services().settings.secret_key.encode(), token.encode(), sha256).hexdigest()[:32]


def short_lived_token(user: str, expires: datetime, origin: Origin | None = None) -> str:
    """A token for *user*, signed with SECRET_KEY. Nothing of it is kept."""
    claims = {"aud": AUDIENCE, "sub": user, "iat": datetime.now(UTC), "exp": expires}
    if origin is not None:
        claims |= {name: value for name, value in origin._asdict().items() if value is not None}
    return jwt.encode(claims, _signing_key(), algorithm=ALGORITHM)


def short_lived(token: str) -> ShortLived | None:
    """What a short-lived *token* says; None unless it was made here and has not expired."""
    if token.count(".") != 2:
        return None  # no JWT
    required = ["aud", "sub", "exp"]
    try:
        claims = jwt.decode(
            token, _signing_key(), algorithms=[ALGORITHM], audience=AUDIENCE, options={"require": required}
        )
    except (jwt.InvalidTokenError, ValueError):
        return None
    origin = Origin(claims["login"], claims.get("session")) if "login" in claims else None
    return ShortLived(str(claims["sub"]), datetime.fromtimestamp(claims["exp"], UTC), origin)


def _signing_key() -> bytes:
    """A key of its own, so that nothing else that SECRET_KEY signs is taken for a token."""
    return hmac.new(services().settings.secret_key.encode(), AUDIENCE.encode(), sha256).digest()
