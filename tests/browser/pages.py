"""Every page there is, for tests that go over all of them, and for the screenshots."""

from __future__ import annotations

from typing import Final, NamedTuple


class PageOf(NamedTuple):
    """A page: its address, a name for files, and who sees it (None: who has not logged in).

    `pictured`: whether there are screenshots of it. `link`: for these the address is that of the first such link.
    `sees`: a selector of what is to be in sight in them. `repeats`: a selector of its many parts that are alike, which
    follow each other.
    """

    path: str
    name: str
    role: str | None = "operator"
    pictured: bool = True
    link: tuple[str, str] | None = None  # the address of a page, and a selector
    sees: str | None = None
    repeats: str | None = None


CUSTOMER_OF_A_TRANSFER: Final = "447700900332"  # in the screenshots

PAGES: Final = (
    PageOf("/", "board", sees=f"#group-live tr:has(.going-on .verbs):has-text('{CUSTOMER_OF_A_TRANSFER}')"),
    PageOf("/calls", "calls"),
    PageOf("/calls?number=0123", "calls-found", pictured=False),
    PageOf("/calls?number=12&state=odd&since=then", "calls-wrong", pictured=False),
    PageOf(
        "/calls/0779a56d002f1c7f47f82ef5fe84ab79", "call", link=("/calls?number=447700900151&state=ended", "a.to-call")
    ),
    PageOf(
        "/calls/leg-1",
        "call-live",
        link=(f"/calls?state=live&number={CUSTOMER_OF_A_TRANSFER}", "a.to-call"),
        sees="#transfer",
    ),
    PageOf("/calls/nothing", "call-unknown", pictured=False),
    PageOf("/unfiled", "unfiled"),
    PageOf("/figures?period=week&tz=Europe/Paris", "figures"),
    PageOf("/delivery?period=hour", "delivery"),
    PageOf("/docs", "api", repeats="section.operation"),
    PageOf("/login", "login", None),
    PageOf("/nowhere", "not-found"),
)
