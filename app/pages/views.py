"""The pages: the latest calls with the status, and the login."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from app.api import render
from app.api.status import told_status
from app.auth import access
from app.calls import queries
from app.errors import Problem
from app.pages.html import page
from app.services import services
from app.store.errors import StoreUnavailable
from app.store.pages import Filter

pages = Blueprint("pages", __name__)
LATEST = 50
FAULTS_SHOWN = 3


@pages.get("/")
def board() -> AnyResponse:
    """The status and the latest calls, each with its JSON. `?token=` logs in, in development only."""
    token = request.args.get("token")
    if token is not None:
        if not services().settings.in_production and access.log_in(token):
            return redirect(url_for("pages.board"))
        return redirect(url_for("pages.login"))
    if access.session_role() is None:
        return redirect(url_for("pages.login"))
    try:
        return page("board.html", told=told_status(), faults=_flows_faults(), calls=_latest())
    except StoreUnavailable as away:
        return page("away.html", 503, reason=away.reason)


@pages.get("/login")
def login() -> AnyResponse:
    """Ask for a token."""
    return page("login.html", wrong=False)


@pages.post("/login")
def log_in() -> AnyResponse:
    """Take the token, once: a cookie stands for it from then on."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Problem(403, "Not from here", "Log in on this server's own page.")
    if access.log_in(request.form.get("token", "").strip()):
        return redirect(url_for("pages.board"))
    return page("login.html", 401, wrong=True)


@pages.post("/logout")
def log_out() -> AnyResponse:
    """End the session of this browser."""
    access.log_out()
    return redirect(url_for("pages.login"))


def _latest() -> list[dict[str, Any]]:
    calls, _ = queries.page(Filter(), limit=LATEST)
    shown: list[dict[str, Any]] = access.shown([render.conversation(call) for call in calls])
    return shown


def _flows_faults() -> list[str]:
    """The first faults of the flows file; to viewers only where they are, for words may quote a PIN."""
    faults = [fault._replace(name=Path(fault.name).name) for fault in services().flows.reloader.faults[:FAULTS_SHOWN]]
    tells = access.current_role() == "operator"
    return [str(fault if tells else fault._replace(field="", words="")) for fault in faults]
