"""The phone of a user: the page, and the contacts that it searches. All else comes by the API and the user's stream."""

from __future__ import annotations

from typing import Final, NamedTuple

from flask import Blueprint, request
from werkzeug.wrappers import Response

from app.auth.access import current_login
from app.auth.tokens import users_with_token
from app.domain.users import DEFAULTS
from app.errors import Problem
from app.pages import phone_words
from app.pages.html import page
from app.pages.phone_headers import phone_headers
from app.services import services

phone_page = Blueprint("phone_page", __name__, url_prefix="/phone")

MOST_CONTACTS: Final = 50  # that are listed at once; the search finds the others
MOST_USERS: Final = 1_000  # that are looked at
LONGEST_SEARCH: Final = 60  # characters


class Contact(NamedTuple):
    """Somebody to call: a number with a name, or a user."""

    name: str
    address: str
    is_user: bool
    available: bool = False  # a user whose page is connected, and who may be disturbed
    quiet: bool = False  # a user who is not to be disturbed


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


def contacts(user: str, wanted: str = "") -> list[Contact]:
    """Whom *user* may call: named numbers and other users with *wanted* in them, by name. Raises StoreUnavailable.

    Whose address it is comes first: the page asks here whether somebody is known, and the list has a limit.
    """
    store = services().store
    others = sorted({*store.user_names("", MOST_USERS), *users_with_token()} - {user})
    found = [Contact(name, number, is_user=False) for number, name in services().names.current().numbers.items()]
    for name, kept in zip(others, store.profiles(others) if others else (), strict=True):
        settings = kept.settings or DEFAULTS
        quiet = settings.do_not_disturb
        available = kept.registration.registered and not quiet
        found.append(Contact(settings.display_name or name, name, is_user=True, available=available, quiet=quiet))
    text = wanted.casefold()
    fits = (one for one in found if text in one.name.casefold() or text in one.address.casefold())
    return sorted(fits, key=lambda one: (one.address != wanted, one.name.casefold(), one.address))[:MOST_CONTACTS]


def _user() -> str:
    """The user who has logged in. Raises Problem: 401 without a login, 403 for anybody else's."""
    login = current_login()
    if login is None:
        raise Problem(401, "Not logged in", "Log in with a user's token of ACCESS_TOKENS.")
    if login.user is None:
        raise Problem(403, "Not a user", "The phone is a user's: log in with a token that ACCESS_TOKENS gives a user.")
    return login.user
