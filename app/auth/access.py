"""Which role a request has, and the guards that refuse it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote

from flask import current_app, g, request

from app.auth.sessions import CSRF_HEADER, csrf_token_sent, session_access, session_login, session_name, stored_access
from app.auth.tokens import OF_USER, RANK, Origin, Role, access_of, fingerprint, short_lived
from app.errors import Problem
from app.services import services
from app.web.logs import known

READS = ("GET", "HEAD")
OWN = "/api/v1/users/{}/sessions"  # what a user may read


class Login(NamedTuple):
    """Who sent a request: the role, the fingerprint of the token and, if it is a user's, the user.

    `expires`: when a short-lived token does; None for others. `origin`: what a token that it makes descends from.
    """

    role: Role
    fingerprint: str
    user: str | None = None
    expires: datetime | None = None
    origin: Origin | None = None


def current_login() -> Login | None:
    """By the bearer token of this request or, without an Authorization header, by its session; None if unknown.

    Raises StoreUnavailable where that takes a look at a session.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme:
        if "token_login" not in g:  # it is read several times in a request
            g.token_login = _login_of(token) if scheme.lower() == "bearer" else None
        login: Login | None = g.token_login
    else:
        access, of_session = session_access(), session_login() or ""
        origin = Origin(of_session, session_name())
        login = Login(access.role, of_session, access.user, origin=origin) if access else None
    if login is not None:
        known()
    return login


def _login_of(token: str) -> Login | None:
    """Who sends *token*; None for an unknown one. Raises StoreUnavailable for one that descends from a login."""
    if access := access_of(token):
        known_by = fingerprint(token)
        return Login(access.role, known_by, access.user, origin=Origin(known_by))
    found = short_lived(token)
    if found is None or (found.origin is not None and not _goes_on(found.origin)):
        return None
    known_by = fingerprint(OF_USER + found.user)  # one for all of a user, in the audit log
    return Login("user", known_by, found.user, found.expires, found.origin)


def _goes_on(origin: Origin) -> bool:
    """Whether its token is still in ACCESS_TOKENS, and its session goes on. Raises StoreUnavailable."""
    if origin.session is not None and services().store.login_of(origin.session) != origin.login:
        return False
    return access_of(origin.login, fingerprint) is not None


def current_role() -> Role | None:
    """The role of whoever sent this request."""
    login = current_login()
    return login.role if login else None


def still_may(role: Role, *, user: str | None = None) -> Callable[[], bool]:
    """A check, after this request, of whether its token or session still has *role*, or is *user*'s.

    It is for a response that goes on.

    What it returns raises StoreUnavailable for a session while Redis is away.
    """
    context, token = current_app.app_context, request.headers.get("Authorization", "").partition(" ")[2].strip()
    if token:  # of ACCESS_TOKENS, which change with a restart only; or short-lived

        def is_known() -> bool:
            with context():
                return _login_of(token) is not None

        return is_known
    name = session_name()

    def check() -> bool:
        with context():
            found = stored_access(name) if name else None
        return found is not None and _may(found.role, found.user, role, user)

    return check


def require(role: Role, *, user: str | None = None) -> None:
    """Refuse the request unless it has *role* or a higher one, or comes from *user*.

    A cookie alone never acts: another site's page could have made the browser send it. A bearer token can only be sent
    by who knows it.
    """
    if request.method == "OPTIONS":
        return  # a browser's preflight carries no credentials
    login = current_login()
    if login is None:
        detail = "Send 'Authorization: Bearer TOKEN' with a token of ACCESS_TOKENS."
        if "Authorization" in request.headers:
            detail = f"The Authorization header has no known token. {detail}"
        raise Problem(401, "Not logged in", detail, {"WWW-Authenticate": "Bearer"})
    if request.method not in READS and "Authorization" not in request.headers and not csrf_token_sent():
        detail = f"A cookie acts only together with {CSRF_HEADER}, which every page has in a meta element: reload it."
        raise Problem(403, "CSRF token missing or wrong", detail)
    if not _may(login.role, login.user, role, user):
        detail = f"This needs the token of {'an' if role == 'operator' else 'a'} {role}; yours is a {login.role}'s."
        if login.user is not None:
            detail += f" It is for that user's own calls alone: {OWN.format(quote(login.user, safe=''))}."
        raise Problem(403, "Not allowed", detail)


def _may(has: Role, is_user: str | None, role: Role, user: str | None) -> bool:
    """Whether who *has* a role, and *is_user*, may do what needs *role*, or to be *user*."""
    return RANK[has] >= RANK[role] or (is_user is not None and is_user == user)


def guard(*, read: Role = "viewer", act: Role = "operator") -> Callable[[], None]:
    """A check for `before_request` of a blueprint: *read* is the role for GET and HEAD, *act* for other methods."""
    return lambda: require(read if request.method in READS else act)


def guard_own() -> Callable[[], None]:
    """The same for what belongs to the user whose `name` is in the address: that user reads and acts, too."""

    def check() -> None:
        user = (request.view_args or {}).get("name")
        require("viewer" if request.method in READS else "operator", user=user)

    return check
