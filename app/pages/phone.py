"""The phone of a user: the page, and the contacts that it searches. All else comes by the API and the user's stream."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, request
from werkzeug.wrappers import Response

from app.auth.access import current_login
from app.domain.users import DEFAULTS
from app.errors import Problem
from app.pages import phone_words
from app.pages.contacts import contacts
from app.pages.html import page
from app.pages.phone_headers import phone_headers
from app.services import services

phone_page = Blueprint("phone_page", __name__, url_prefix="/phone")

LONGEST_SEARCH: Final = 60  # characters


@phone_page.get("")
def show_phone() -> Response:
    """The phone of the user who has logged in."""
    user = _user()
    (kept,) = services().store.profiles([user])
    settings = kept.settings or DEFAULTS
    response = page("phone.html", user=user, settings=settings, contacts=contacts(user), words=phone_words.words())
    response.headers.update(phone_headers(services().settings))
    return response


@phone_page.get("/contacts")
def show_contacts() -> Response:
    """The contacts in which `q` occurs, in the name or the address: a part of the page."""
    searched = request.args.get("q", "")[:LONGEST_SEARCH].strip()
    return page("phone_contacts.html", contacts=contacts(_user(), searched), searched=searched)


def _user() -> str:
    """The user who has logged in. Raises Problem: 401 without a login, 403 for anybody else's."""
    login = current_login()
    if login is None:
        raise Problem(401, "Not logged in", "Log in with a user's token of ACCESS_TOKENS.")
    if login.user is None:
        raise Problem(403, "Not a user", "The phone is a user's: log in with a token that ACCESS_TOKENS gives a user.")
    return login.user
