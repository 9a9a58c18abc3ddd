"""Notes in the audit log who is shown whole telephone numbers. Whatever shows a call to somebody calls `reveal`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from flask import request

from app.auth.access import current_login
from app.auth.guessing import source
from app.domain.numbers import mask
from app.services import services
from app.store.audit import Reveal

HASH_LENGTH: Final = 12  # hex digits: enough to tell people apart
LONGEST_FILTERS: Final = 500  # characters


def reveal(calls: Iterable[str], *, total: int | None = None, masked_too: bool = False) -> None:
    """Note that this request is shown *calls* (conversation ids, or a leg's), unless their numbers are masked for it.

    *masked_too*: also if they are masked, for there is more to it: a recording. *total*: how many they are, where
    *calls* are only the first of a long export. Written later: it costs the request nothing it would notice.
    """
    login = current_login()
    if login is None or (services().calls.masks_for(login.role) and not masked_too):
        return
    named = tuple(calls)
    services().store.note_reveal(
        Reveal(
            who=login.fingerprint[:HASH_LENGTH],
            role=login.role,
            address=source(request.remote_addr)[:HASH_LENGTH],
            route=f"{request.method} {request.url_rule.rule if request.url_rule else request.path}",
            filters=mask(request.query_string.decode(errors="replace"))[:LONGEST_FILTERS],
            total=len(named) if total is None else total,
            calls=named,
        )
    )
