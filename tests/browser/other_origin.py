"""Pages of another origin than the server's, and the backend that gives them tokens."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

from playwright.sync_api import BrowserContext, Page, WebError

from tests.control.world import World
from tests.engines import Engine

EVENTS = (
    *("connected", "disconnected", "sessions", "stopped", "call_incoming", "call_answered", "call_held", "call_muted"),
    *("call_resumed", "call_unmuted", "call_ended", "screen_share_started", "screen_share_ended"),
)
# The address of the page names the user.
PAGE = """<!doctype html>
<title>A page of another origin</title>
<script type="module">
  import { Phone } from "%(server)s/static/switchhook.js";
  const user = new URLSearchParams(location.search).get("user");
  const token = async () => (await fetch(`/phone-token?user=${user}`)).json();
  const phone = new Phone({ url: "%(server)s", user, token });
  window.seen = [];
  for (const name of %(events)s) phone.on(name, (data) => seen.push(`${name} ${data?.session?.id ?? ""}`.trim()));
  window.phone = phone;
  %(more)s
</script>
"""


def phone_page(server: str, more: str = "await phone.connect({ audio: true });") -> str:
    """A page with a phone of the server at that address, that does *more*."""
    return PAGE % {"server": server, "events": list(EVENTS), "more": more}


def begin_anew(world: World, valkey: Engine, *users: str) -> None:
    """Forget the pages and calls of the test before, and let each of *users* take several calls, in a new room."""
    for session in world.sdk.calls.sessions:
        world.do(partial(world.sdk.calls.sessions.delete, session))
    world.emptied(valkey)
    for user in users:
        world.services.store.set_user(user, {"max_calls": 5})
    world.room = f"room-{secrets.token_hex(4)}"


def tokens_of(world: World, **wanted: Any) -> Callable[[dict[str, str]], str]:
    """What the backend of the pages gives them: it has the operator's token."""

    def made(query: dict[str, str]) -> str:
        response = world.ask("POST", f"/users/{query['user']}/token", wanted)
        assert response.status_code == 201, response.text
        return str(response.text)

    return made


def opened_page(context: BrowserContext, path: str, faults: list[WebError | str]) -> Page:
    """A page whose errors go to *faults*."""
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(path)
    return page


def sees(page: Page, event: str, count: int = 1) -> None:
    """Wait until the page has seen *event* so many times."""
    seen = "window.seen?.filter((each) => `${each} `.startsWith(`${event} `)).length"
    page.wait_for_function(f"([event, count]) => {seen} >= count", arg=[event, count])
