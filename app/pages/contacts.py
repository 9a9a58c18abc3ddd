"""Whom people can call: numbers that have a name, and the users of the application."""

from __future__ import annotations

from typing import Final, NamedTuple

from app.auth.tokens import users_with_token
from app.domain.users import DEFAULTS
from app.services import services

MOST_CONTACTS: Final = 50  # that are listed at once; the search finds the others
MOST_USERS: Final = 1_000  # that are looked at


class Contact(NamedTuple):
    """Somebody to call: a number with a name, or a user."""

    name: str
    address: str
    is_user: bool
    available: bool = False  # a user whose page is connected, and who may be disturbed
    quiet: bool = False  # a user who is not to be disturbed


def contacts(user: str | None = None, wanted: str = "", most: int = MOST_CONTACTS) -> list[Contact]:
    """Whom *user* may call, or an operator: named numbers and other users with *wanted* in them, by name.

    *most* of them at once; first whose address it is, for the page asks here whether somebody is known. Raises
    StoreUnavailable.
    """
    store = services().store
    others = sorted({*store.user_names("", MOST_USERS), *users_with_token()} - {user or ""})
    found = [Contact(name, number, is_user=False) for number, name in services().names.current().numbers.items()]
    for name, kept in zip(others, store.profiles(others) if others else (), strict=True):
        settings = kept.settings or DEFAULTS
        quiet = settings.do_not_disturb
        available = kept.registration.registered and not quiet
        found.append(Contact(settings.display_name or name, name, is_user=True, available=available, quiet=quiet))
    text = wanted.casefold()
    fits = (one for one in found if text in one.name.casefold() or text in one.address.casefold())
    return sorted(fits, key=lambda one: (one.address != wanted, one.name.casefold(), one.address))[:most]
