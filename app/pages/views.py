"""The pages: the board with the status and the latest calls, the API's description, the login."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from app.api.describe import description, made_once
from app.api.status import read_status
from app.auth.access import current_role, require
from app.auth.sessions import log_in, log_out, session_role
from app.errors import Problem
from app.pages.html import page, render, response
from app.services import services
from app.store.pages import Filter

pages = Blueprint("pages", __name__)
LATEST = 50
FAULTS_SHOWN = 3


@pages.get("/")
def board() -> Response:
    """The status and the latest calls, with links to the JSON of each. In development `?token=` logs in."""
    token = request.args.get("token")
    if token is not None:
        if services().settings.in_production:
            return redirect(url_for("pages.show_login"))
        if log_in(token):
            return redirect(url_for("pages.board"))
        return redirect(url_for("pages.show_login", wrong=1))  # the token does not stay in the address
    if session_role() is None:
        return redirect(url_for("pages.show_login"))
    calls, role = services().calls, current_role()
    latest, _ = calls.page(Filter(), limit=LATEST)
    shown = calls.dump_all(latest, role)
    overview, faults = read_status(services()), _flows_faults()
    return page("board.html", overview=overview, faults=faults, calls=shown, operator=role == "operator")


@pages.get("/docs")
def docs() -> Response:
    """Every route of the API with its arguments and its response."""
    require("viewer")
    return response(made_once("docs.html", lambda: render("docs.html", spec=description())))


@pages.get("/login")
def show_login() -> Response:
    """The form that takes a token."""
    return page("login.html", wrong="wrong" in request.args)


@pages.post("/login")
def submit_login() -> Response:
    """Open a session with the token of the form."""
    if not _from_own_page():
        raise Problem(403, "Not from here", "Log in on this server's own page.")
    if log_in(request.form.get("token", "").strip()):
        return redirect(url_for("pages.board"))
    return page("login.html", 401, wrong=True)


@pages.post("/logout")
def submit_logout() -> Response:
    """End the session, in every browser that has its cookie."""
    log_out()
    return redirect(url_for("pages.show_login"))


def _from_own_page() -> bool:
    """Whether the browser says that the form is ours.

    It says so with Sec-Fetch-Site only over https and to this machine; else with Origin, as every browser does with a
    form that is posted. https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    own = {request.host, urlsplit(services().settings.public_url or "").netloc}
    return urlsplit(request.headers.get("Origin", "")).netloc in own - {""}


def _flows_faults() -> list[str]:
    """The first faults of the flows file. Viewers get only their lines, for the words may quote a PIN."""
    faults = [fault._replace(name=Path(fault.name).name) for fault in services().flows.faults[:FAULTS_SHOWN]]
    in_words = current_role() == "operator"
    return [str(fault if in_words else fault._replace(field="", words="")) for fault in faults]
