"""Pages with the script of the stand-in, as those of a phone are: with its Content-Security-Policy, in Chromium."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.origins import serving_pages
from tests.vonage_simulator.api_server import Server

PATHS = ("users", "conversations", "sessions", "knocking", "legs")
ACL: dict[str, dict[str, Any]] = {"paths": {f"/*/{path}/**": {} for path in PATHS}}
EVENTS = (
    "callInvite",
    "callInviteCancel",
    "callHangup",
    "legStatusUpdate",
    "mute",
    "earmuff",
    "dtmf",
    "callTransfer",
    "callMediaReconnecting",
    "callMediaReconnection",
    "callMediaDisconnect",
    "callMediaError",
    "reconnecting",
    "reconnection",
    "sessionError",
    "rtcStatsUpdate",
)
PAGE = """<!doctype html>
<title>A page with the SDK</title>
<script src="%s"></script>
<script src="/page.js"></script>
"""
SCRIPT = """
window.client = new vonageClientSDK.VonageClient();
window.events = [];
for (const name of %s) client.on(name, (...args) => events.push([name, ...args]));
// The result of a method, or what it was rejected with.
window.call = async (name, ...args) => {
  try {
    return { ok: (await client[name](...args)) ?? null };
  } catch (error) {
    const { type, code, message } = error;
    return { error: { type, code, message, right: error instanceof vonageClientSDK.VonageError } };
  }
};
"""


@contextmanager
def page_server(script: str) -> Iterator[str]:
    """The origin of a page that loads *script* under a strict policy."""
    origin = f"{urlsplit(script).scheme}://{urlsplit(script).netloc}"
    policy = f"default-src 'none'; script-src 'self' {origin}; connect-src 'self' {origin.replace('http', 'ws')}"
    with serving_pages() as page:
        page.policy = policy
        page.served |= {"/": PAGE % script, "/page.js": SCRIPT % list(EVENTS)}
        yield page.url


class SdkPage:
    """One page of a user."""

    def __init__(self, server: Server, context: BrowserContext, user: str) -> None:
        self._server, self.user = server, user
        self.context = context
        self.errors: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.goto("/")

    def loses_network(self) -> None:
        """Until `set_offline(False)`. The browser may let a WebSocket be that is open: it is cut."""
        self.context.set_offline(True)
        self._server.do(lambda: self._server.sdk.cut(self.user))

    def token(self, **claims: Any) -> str:
        return self._server.token(**{"sub": self.user, "acl": ACL} | claims)

    def log_in(self, session: str | None = None) -> str:
        """The id of the session."""
        return str(self.ok("createSession", self.token(), session))

    def ok(self, method: str, *args: Any) -> Any:
        """The result of a method of the client."""
        answer = self._call(method, *args)
        assert "ok" in answer, answer
        return answer["ok"]

    def error(self, method: str, *args: Any) -> tuple[str, str | None]:
        """Type and code of the VonageError that a method is rejected with."""
        answer = self._call(method, *args)
        assert answer.get("error", {}).get("right"), answer
        return answer["error"]["type"], answer["error"]["code"]

    def events(self, name: str | None = None) -> list[list[Any]]:
        """The events so far, or the arguments of those called *name*."""
        found: list[list[Any]] = self.page.evaluate("events")
        return found if name is None else [event[1:] for event in found if event[0] == name]

    def wait_for(self, name: str, *args: Any) -> list[Any]:
        """The arguments of the last event of this name, once it has come, with these as the first."""

        def come() -> list[list[Any]]:
            return [event for event in self.events(name) if event[: len(args)] == list(args)]

        return self.until(come)[-1]

    def until(self, holds: Callable[[], Any], seconds: float = 30.0) -> Any:
        end = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < end, f"it never became true; {self.events()}"
            self.page.wait_for_timeout(20)
        return found

    def _call(self, method: str, *args: Any) -> Any:
        return self.page.evaluate("([name, args]) => call(name, ...args)", [method, list(args)])


Open = Callable[..., SdkPage]


@contextmanager
def opener(browser: Browser, server: Server) -> Iterator[Open]:
    """Opens pages: `open_page("Alice")` in a browser of their own, `open_page("Alice", beside=page)` in the same."""
    contexts: list[BrowserContext] = []
    with page_server(server.sdk_url) as origin:

        def open_page(user: str, *, beside: SdkPage | None = None, microphone: bool = True) -> SdkPage:
            if server.api.users.named(user) is None:
                server.do(lambda: server.api.users.add({"name": user}))
            if beside is None:
                permissions = ["microphone"] if microphone else []
                contexts.append(browser.new_context(base_url=origin, permissions=permissions))
            return SdkPage(server, beside.context if beside else contexts[-1], user)

        try:
            yield open_page
        finally:
            for context in contexts:
                context.close()
