"""The phone of a user in a real browser, as somebody who looks at it and clicks on it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.browser import chromium
from tests.control.world import World

USERS: Final = {"Alice": "token-of-alice", "Bob": "token-of-bob", "Carol": "token-of-carol"}
CUSTOMER: Final = "447700900101"
READY: Final = re.compile("Ready|Prêt")
# What Chromium itself says of a request that failed, as is meant in tests of networks that fail.
OF_THE_NETWORK: Final = ("Failed to load resource", "net::ERR", "WebSocket connection to")
# Chromium says so of a screen that it captures without a question, and captures it; the page wants no camera.
OF_THE_SCREEN: Final = "Permissions policy violation: camera is not allowed"


class PhonePage:
    """One page of a user."""

    def __init__(self, page: Page, user: str, *, network_fails: bool = False) -> None:
        self.page, self.user = page, user
        self.faults: list[str] = []
        self._network_fails = network_fails
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._said)

    def _said(self, message: ConsoleMessage) -> None:
        passes = self._network_fails and any(words in message.text for words in OF_THE_NETWORK)
        if message.type == "error" and not passes and OF_THE_SCREEN not in message.text:
            self.faults.append(message.text)

    def open(self) -> PhonePage:
        """Load the page, and wait until calls can come."""
        self.page.goto("/phone")
        return self.ready()

    def ready(self) -> PhonePage:
        """Wait until calls can come."""
        expect(self.page.locator("#line")).to_have_text(READY)
        return self

    def call(self, who: str | None = None, state: str | None = None) -> Locator:
        """The call with *who*, in *state*: `self.call("447700900101", "talking")`."""
        found = self.page.locator(f".call[data-state={state}]" if state else ".call")
        return found.filter(has=self.page.get_by_role("heading", name=who, exact=True)) if who else found

    def sees(self, who: str, state: str) -> Locator:
        """Wait until the call with *who* is in *state*."""
        found = self.call(who, state)
        expect(found).to_have_count(1)
        return found

    def sees_none(self, who: str | None = None) -> None:
        """Wait until there is no call, or none with *who*."""
        expect(self.call(who)).to_have_count(0)

    def press(self, who: str, button: str) -> None:
        """Press the button of the call with *who*."""
        self.call(who).get_by_role("button", name=button, exact=True).click()

    def dial(self, to: str) -> None:
        """Call somebody."""
        self.page.locator("#to").fill(to)
        self.page.locator("#dial").get_by_role("button", name="Call now", exact=True).click()

    def says(self, words: str) -> None:
        """Wait until the line at the bottom says so."""
        expect(self.page.locator("#said")).to_contain_text(words)

    def until(self, holds: Callable[[], Any], seconds: float = 30.0) -> Any:
        """Wait until *holds* is true, while the page goes on; returns its value."""
        end = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < end, "it never became true"
            self.page.wait_for_timeout(40)
        return found


Open = Callable[..., PhonePage]


@contextmanager
def phones(browser: Browser, world: World) -> Iterator[Open]:
    """Opens phones: `open_phone("Alice")` in a browser of its own, `open_phone("Alice", beside=page)` in the same."""
    opened: list[PhonePage] = []
    with ExitStack() as stack:

        def open_phone(
            user: str,
            *,
            beside: PhonePage | None = None,
            base: str = world.base,
            network_fails: bool = False,
            script: str = "",
            **more: Any,
        ) -> PhonePage:
            more.setdefault("permissions", ["microphone", "notifications"])
            context: BrowserContext = (
                beside.page.context
                if beside
                else stack.enter_context(chromium.opened(browser, base, token=USERS[user], **more))
            )
            context.set_default_timeout(20_000)
            page = PhonePage(context.new_page(), user, network_fails=network_fails)
            page.page.add_init_script(script)
            opened.append(page)
            return page.open()

        yield open_phone
    faults = [fault for page in opened for fault in page.faults]
    assert faults == [], faults
