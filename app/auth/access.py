"""Who may read and who may act: bearer tokens for programs, a cookie for people at a browser."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Any, Final, Literal

from flask import Flask, Request, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from app.domain.numbers import masked
from app.errors import Problem
from app.services import services

Role = Literal["viewer", "operator"]
RANK: Final = {"viewer": 1, "operator": 2}
LOGIN: Final = "login"  # in the session: which token it was made with, as a keyed hash


class Sessions(SecureCookieSessionInterface):
    """Sessions in signed cookies; a webhook has none, and is spared the looking."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of *request*; None, which stands for none, for a webhook."""
        return None if request.path.startswith("/voice/") else super().open_session(app, request)


def role_of(token: str) -> Role | None:
    """The role of *token*; None if it is nobody's. Takes as long whichever it is."""
    found: Role | None = None
    given = token.encode(errors="surrogatepass")
    for role, known in services().settings.access_tokens:
        if hmac.compare_digest(given, known.encode()):
            found = role  # type: ignore[assignment]
    return found


def log_in(token: str) -> bool:
    """Remember in the session who *token* is. False if it is nobody's."""
    if role_of(token) is None:
        return False
    session[LOGIN] = _fingerprint(token)
    return True


def log_out() -> None:
    """Forget who is at the browser."""
    session.pop(LOGIN, None)


def session_role() -> Role | None:
    """The role of who is at the browser. Taking a token out of ACCESS_TOKENS ends the sessions made with it."""
    login = str(session.get(LOGIN, "")).encode()
    found: Role | None = None
    for role, token in services().settings.access_tokens:
        if hmac.compare_digest(login, _fingerprint(token).encode()):
            found = role  # type: ignore[assignment]
    return found


def current_role() -> Role | None:
    """The role of this request: of its bearer token or, for a GET without one, of its session.

    A cookie alone never acts: another site's page could have sent it.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme:
        return role_of(token.strip()) if scheme.lower() == "bearer" else None
    return session_role() if request.method in ("GET", "HEAD") else None


def require(role: Role) -> None:
    """Let the request through only for *role* or above."""
    if request.method == "OPTIONS":
        return  # a browser asks, without credentials, whether a script may ask
    current = current_role()
    if current is None:
        detail = "Send 'Authorization: Bearer TOKEN' with a token of ACCESS_TOKENS."
        raise Problem(401, "Not logged in", detail, {"WWW-Authenticate": "Bearer"})
    if RANK[current] < RANK[role]:
        raise Problem(403, "Not allowed", f"This takes the token of an {role}; yours is a {current}'s.")


def sees_numbers() -> bool:
    """Whether whole telephone numbers may be shown."""
    return current_role() == "operator" or not services().settings.mask_numbers


def shown(told: Any) -> Any:
    """*told* (JSON) as whoever asks may see it: with its telephone numbers masked, unless whole ones may be shown."""
    return told if sees_numbers() else masked(told)


def _fingerprint(token: str) -> str:
    return hmac.new(services().settings.secret_key.encode(), token.encode(), sha256).hexdigest()[:32]
