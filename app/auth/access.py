"""Which role a request has, and the guards that refuse it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from flask import current_app, request

from app.auth.sessions import CSRF_HEADER, csrf_token_sent, session_login, session_name, session_role, stored_role
from app.auth.tokens import RANK, Role, fingerprint, role_of
from app.errors import Problem
from app.web.logs import known

READS = ("GET", "HEAD")


class Login(NamedTuple):
    """Who sent a request: the role, and the fingerprint of the token."""

    role: Role
    fingerprint: str


def current_login() -> Login | None:
    """By the bearer token of this request or, without an Authorization header, by its session; None if unknown."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme:
        role = role_of(token) if scheme.lower() == "bearer" else None
        login = Login(role, fingerprint(token)) if role else None
    else:
        role = session_role()
        login = Login(role, session_login() or "") if role else None
    if login is not None:
        known()
    return login


def current_role() -> Role | None:
    """The role of whoever sent this request."""
    login = current_login()
    return login.role if login else None


def still_has_role(role: Role) -> Callable[[], bool]:
    """A check, after this request, of whether its token or session still has *role*: for a response that goes on.

    What it returns raises StoreUnavailable for a session while Redis is away.
    """
    if request.headers.get("Authorization"):
        return lambda: True  # tokens change with a restart only
    name, context = session_name(), current_app.app_context

    def check() -> bool:
        with context():
            found = stored_role(name) if name else None
        return found is not None and RANK[found] >= RANK[role]

    return check


def require(role: Role) -> None:
    """Refuse the request unless it has *role* or a higher one.

    A cookie alone never acts: another site's page could have made the browser send it. A bearer token can only be sent
    by who knows it.
    """
    if request.method == "OPTIONS":
        return  # a browser's preflight carries no credentials
    current = current_role()
    if current is None:
        detail = "Send 'Authorization: Bearer TOKEN' with a token of ACCESS_TOKENS."
        if "Authorization" in request.headers:
            detail = f"The Authorization header has no known token. {detail}"
        raise Problem(401, "Not logged in", detail, {"WWW-Authenticate": "Bearer"})
    if request.method not in READS and "Authorization" not in request.headers and not csrf_token_sent():
        detail = f"A cookie acts only together with {CSRF_HEADER}, which every page has in a meta element: reload it."
        raise Problem(403, "CSRF token missing or wrong", detail)
    if RANK[current] < RANK[role]:
        raise Problem(403, "Not allowed", f"This needs the token of an {role}; yours is a {current}'s.")


def guard(*, read: Role = "viewer", act: Role = "operator") -> Callable[[], None]:
    """A check for `before_request` of a blueprint: *read* is the role for GET and HEAD, *act* for other methods."""
    return lambda: require(read if request.method in READS else act)
