"""The pages: the board and its stream, the API's description, the login, the language."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from flask import Blueprint, current_app, redirect, request, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

from app.api.describe import description
from app.api.status import read_status
from app.api.stream import refuse_if_full
from app.auth.access import current_role, require, still_may
from app.auth.reveals import reveal, revealing
from app.auth.sessions import csrf_token_sent, log_in, log_out, session_role
from app.errors import Problem
from app.live.connection import Connection
from app.live.rendering import Form
from app.pages import languages
from app.pages.acting import missing
from app.pages.board import board as live_board
from app.pages.board_rows import MOST, conversations, render, render_figures
from app.pages.html import page, small_page
from app.services import services

pages = Blueprint("pages", __name__)
PHONE: Final = "/phone"
OWN: Final = re.compile(r"/(?![/\\])[^\x00-\x1f\x7f-\x9f]*")


@pages.get("/")
def board() -> Response:
    """The live calls and those that ended lately, as they are now; a user is led to the phone.

    In development `?token=` logs in.
    """
    token = request.args.get("token")
    if token is not None:
        if services().settings.in_production:
            return redirect(url_for("pages.show_login"))
        if log_in(token):
            return redirect(url_for("pages.board"))
        return redirect(url_for("pages.show_login", wrong=1))  # the token does not stay in the address
    role = session_role()
    if role is None:
        return redirect(url_for("pages.show_login"))
    if role == "user":
        return redirect(PHONE)
    shown, figures = live_board().now()
    overview = read_status(services())
    form, names = _form(), services().names.current()
    rows = dict(zip(shown, render(shown.values(), form, names), strict=True))
    reveal(conversations(shown.values()))
    groups = {group: Markup("".join(rows[key] for key, one in shown.items() if one.group == group)) for group in MOST}  # noqa: S704 - rendered with escapes
    return page(
        "board.html",
        overview=overview,
        figures=render_figures(figures),
        groups=groups,
        operator=current_role() == "operator",
        missing=missing(services()),
    )


@pages.get("/board/stream")
def follow_board() -> Response:
    """What changes on the board, as server-sent events of HTML; the first is all of it."""
    require("viewer")
    refuse_if_full(services().live)
    connection, may_read = Connection(), still_may("viewer")

    def goes_on() -> bool:
        return not connection.is_gone and may_read()

    return connection.stream(live_board().stream(_form(), connection.hang_up, goes_on, revealing()))


@pages.get("/board/notices")
def show_notices() -> Response:
    """What whoever runs the server must know now: a part of the board."""
    require("viewer")
    return page("notices.html")


def _form() -> Form:
    return Form(languages.language(), services().calls.masks_for(current_role()))


@pages.get("/docs")
def docs() -> Response:
    """Every route of the API with its arguments and its response."""
    require("viewer")
    return page("docs.html", spec=description())


@pages.get("/login")
def show_login() -> Response:
    """The form that takes a token; `next` is the page to go to then."""
    return small_page("login.html", wrong="wrong" in request.args, next=request.args.get("next"))


@pages.post("/login")
def submit_login() -> Response:
    """Open a session with the token of the form, and go to its `next`."""
    if not _from_own_page():
        raise Problem(403, "Not from here", "Log in on this server's own page.")
    wanted = request.form.get("next", "")
    if log_in(request.form.get("token", "").strip()):
        return redirect(_own(wanted))
    return small_page("login.html", 401, wrong=True, next=wanted)


@pages.post("/logout")
def submit_logout() -> Response:
    """End the session, in every browser that has its cookie."""
    if session_role() is not None and not csrf_token_sent():
        raise Problem(403, "CSRF token missing or wrong", "Log out with the button of a page; reload it first.")
    log_out()
    return redirect(url_for("pages.show_login"))


@pages.post("/language")
def switch_language() -> Response:
    """Keep the language that was chosen, and go back."""
    chosen = request.form.get("language", "")
    response = redirect(_own(request.form.get("back", "")), 303)
    if chosen in languages.LOCALES:
        response.set_cookie(
            languages.COOKIE,
            chosen,
            max_age=languages.COOKIE_SECONDS,
            secure=bool(current_app.config["SESSION_COOKIE_SECURE"]),
            httponly=True,
            samesite="Lax",
        )
    return response


def _own(address: str) -> str:
    """*address* if it is a path of this server, with a query or without; else the board's.

    A link or form of another site must lead nowhere else. Browsers take "//elsewhere" and "/\\elsewhere" for other
    sites, and pass over tabs and line ends in between. https://url.spec.whatwg.org/#concept-basic-url-parser
    """
    return address if OWN.fullmatch(address) else url_for("pages.board")


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
