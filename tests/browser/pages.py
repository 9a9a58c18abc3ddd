"""Every page there is, for tests that go over all of them, and for the screenshots."""

from __future__ import annotations

from typing import Final, NamedTuple


class PageOf(NamedTuple):
    """A page: its address, a name for files, and who sees it (None: who has not logged in)."""

    path: str
    name: str
    role: str | None = "operator"


PAGES: Final = (
    PageOf("/", "board"),
    PageOf("/calls", "calls"),
    PageOf("/calls?number=0123", "calls-found"),
    PageOf("/calls?number=12&state=odd&since=then", "calls-wrong"),
    PageOf("/calls/0779a56d002f1c7f47f82ef5fe84ab79", "call"),
    PageOf("/calls/nothing", "call-unknown"),
    PageOf("/unfiled", "unfiled"),
    PageOf("/docs", "api"),
    PageOf("/login", "login", None),
    PageOf("/nowhere", "not-found"),
)
