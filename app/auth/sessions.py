"""The session of a browser, in a signed cookie."""

from __future__ import annotations

from typing import Final

from flask import Flask, Request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from app.auth.tokens import Role, fingerprint, role_of

LOGIN: Final = "login"  # key in the session: the fingerprint of the token it was opened with


class Sessions(SecureCookieSessionInterface):
    """Sessions in signed cookies. Webhooks have none, which saves time."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of *request*; None for a webhook."""
        return None if request.path.startswith("/voice/") else super().open_session(app, request)


def log_in(token: str) -> bool:
    """Open a session with *token*. Returns False for an unknown one."""
    if role_of(token) is None:
        return False
    session[LOGIN] = fingerprint(token)
    return True


def log_out() -> None:
    """End the session."""
    session.pop(LOGIN, None)


def session_role() -> Role | None:
    """The role of the session. Removing a token from ACCESS_TOKENS ends the sessions opened with it."""
    return role_of(str(session.get(LOGIN, "")), fingerprint)
