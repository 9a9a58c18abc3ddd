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
    PageOf("/figures?period=week&tz=Europe/Paris", "figures"),
    PageOf("/delivery?period=hour", "delivery"),
    PageOf("/docs", "api"),
    PageOf("/login", "login", None),
    PageOf("/nowhere", "not-found"),
)
