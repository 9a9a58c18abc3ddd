"""Notes in the audit log who is shown whole telephone numbers. All that shows a call to somebody calls `reveal`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from flask import request

from app.auth.access import Login, current_login
from app.auth.guessing import source
from app.domain.numbers import mask
from app.services import services
from app.store.audit import Reveal

HASH_LENGTH: Final = 12  # hex digits: enough to tell people apart
LONGEST_FILTERS: Final = 500  # characters


def reveal(calls: Iterable[str], *, total: int | None = None, masked_too: bool = False) -> None:
    """Note that this request is shown *calls* (conversation ids, or a leg's), unless their numbers are masked for it.

    *masked_too*: also if they are masked elsewhere: a recording says more, and a user sees whole numbers in own
    sessions. *total*: how many they are, where *calls* are only the first of a long export. Written later: it costs the
    request nothing it would notice.
    """
    login = current_login()
    if login is None or (services().calls.masks_for(login.role) and not masked_too):
        return
    named = tuple(calls)
    services().store.note_reveal(_note(login, named, len(named) if total is None else total))


def revealing() -> Callable[[Iterable[str]], None]:
    """`reveal` for a response that goes on after this request."""
    login, parts = current_login(), services()
    if login is None or parts.calls.masks_for(login.role):
        return lambda _: None
    note = _note(login, (), 0)

    def reveal_more(calls: Iterable[str]) -> None:
        named = tuple(calls)
        parts.store.note_reveal(note._replace(calls=named, total=len(named)))

    return reveal_more


def _note(login: Login, calls: tuple[str, ...], total: int) -> Reveal:
    return Reveal(
        who=login.fingerprint[:HASH_LENGTH],
        role=login.role,
        address=source(request.remote_addr)[:HASH_LENGTH],
        route=f"{request.method} {request.url_rule.rule if request.url_rule else request.path}",
        filters=mask(request.query_string.decode(errors="replace"))[:LONGEST_FILTERS],
        total=total,
        calls=calls,
    )
