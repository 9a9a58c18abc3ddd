"""The session of a browser: its id in a signed cookie, all else in Redis, so that logging out ends it everywhere.

Another site's page can make a browser send the cookie, but cannot read our pages: what acts carries the session's CSRF
token besides, which is on each of them. https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from typing import Final

from flask import Flask, Request, g, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from app.auth.guessing import begin_attempt, was_right
from app.auth.tokens import Access, Role, access_of, fingerprint
from app.services import services

ID: Final = "id"  # key in the cookie
CSRF_HEADER: Final = "X-CSRF-Token"  # of scripts
CSRF_FIELD: Final = "csrf_token"  # of forms
WITHOUT_SESSION: Final = ("/voice/", "/static/")  # webhooks are to be answered soon, and assets are for everybody
SESSION_SECONDS: Final = 7 * 24 * 3600


class Sessions(SecureCookieSessionInterface):
    """Sessions in signed cookies. Webhooks and assets have none, which saves time."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of *request*; None for a webhook or an asset."""
        return None if request.path.startswith(WITHOUT_SESSION) else super().open_session(app, request)


def log_in(token: str) -> bool:
    """Open a session with *token*, one of ACCESS_TOKENS. Returns False for an unknown one.

    Raises Problem: 429 after too many of them; and StoreUnavailable: without Redis there is no session.
    """
    attempt = begin_attempt(request.remote_addr)
    access = access_of(token)
    if access is None:
        return False
    was_right(attempt)
    name = secrets.token_urlsafe(32)
    services().store.open_session(name, fingerprint(token), SESSION_SECONDS)
    session[ID] = name
    return True


def log_out() -> None:
    """End the session, in every browser that has its cookie. Raises StoreUnavailable: then it goes on."""
    if name := session.get(ID):
        services().store.end_session(str(name))
        session.pop(ID)


def session_name() -> str | None:
    """The name of the session of this request; None without one."""
    name = session.get(ID)
    return str(name) if name else None


def stored_access(name: str) -> Access | None:
    """What the session *name* is good for as it is kept now; None once it has ended. Raises StoreUnavailable."""
    return _access_of(services().store.login_of(name))


def session_login() -> str | None:
    """The fingerprint of the token that the session was opened with; None without a session.

    Raises StoreUnavailable for a cookie of ours while Redis is away.
    """
    if "session_login" not in g:
        name = session_name()
        g.session_login = services().store.login_of(name) if name else None
    found: str | None = g.session_login
    return found


def session_access() -> Access | None:
    """What the session is good for. Removing a token from ACCESS_TOKENS ends the sessions opened with it.

    Raises StoreUnavailable for a cookie of ours while Redis is away.
    """
    return _access_of(session_login())


def session_role() -> Role | None:
    """The role of the session. Raises StoreUnavailable for a cookie of ours while Redis is away."""
    access = session_access()
    return access.role if access else None


def _access_of(login: str | None) -> Access | None:
    """What the token with the fingerprint *login* is good for now."""
    return access_of(login, fingerprint) if login else None


def csrf_token() -> str | None:
    """The CSRF token of the session; None without one. Derived from the session's id, so it ends with it."""
    name = session_name()
    if name is None:
        return None
    key = services().settings.secret_key.encode()
    return hmac.new(key, f"csrf:{name}".encode(), sha256).hexdigest()


def csrf_token_sent() -> bool:
    """Whether the request carries the CSRF token of its session."""
    sent, known = request.headers.get(CSRF_HEADER) or request.form.get(CSRF_FIELD, ""), csrf_token()
    return known is not None and hmac.compare_digest(sent.encode(errors="surrogatepass"), known.encode())
