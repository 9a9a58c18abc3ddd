"""The JavaScript client in Chromium, in a page of another origin, with tokens that expire and a network that fails."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.api.site import OPERATOR, TOKENS
from tests.browser import chromium
from tests.browser.origins import Origin
from tests.clients.cutting import Cutting
from tests.clients.documented import example
from tests.control.test_session_verbs import ALICE, call_of_alice
from tests.control.world import AGENT, NUMBER, World, world_of
from tests.engines import Engine

PARTIES = ("Somebody", NUMBER, AGENT)
PAGE = """<!doctype html>
<title>A page of another origin</title>
<script type="module">
  import { Phone } from "%(server)s/static/switchhook.js";
  const phone = new Phone({ url: "%(server)s", user: "Alice", token: () => window.freshToken() });
  window.seen = [];
  for (const name of ["connected", "disconnected", "sessions", "stopped", "deleteSession"]) {
    phone.on(name, () => window.seen.push(name));
  }
  for (const name of ["ON_CALL_INCOMING", "ON_CALL_ANSWERED", "ON_CALL_HELD", "ON_CALL_RESUMED"]) {
    phone.on(Phone[name], (callSession) => window.seen.push(`${name} ${callSession.getId()}`));
  }
  window.phone = phone;
  await phone.connect();
</script>
"""


@pytest.fixture(scope="module")
def world(valkey: Engine, tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[World]:
    """An app that the page may call, and its carrier."""
    folder: Path = tmp_path_factory.mktemp("carrier")
    settings: dict[str, Any] = {"access_tokens": (*TOKENS, ("user/Alice", ALICE)), "cors_origins": (origin.url,)}
    carrier = {"application": {"calls_per_second": None}}
    with world_of(folder, valkey.address.url, carrier=carrier, **settings) as world:
        yield world


@pytest.fixture(autouse=True)
def own_room(world: World, valkey: Engine) -> None:
    world.emptied(valkey)
    world.room = f"room-{secrets.token_hex(4)}"


@pytest.fixture
def network(world: World) -> Iterator[Cutting]:
    """Between the page and the app."""
    with closing(Cutting(world.base)) as proxy:
        yield proxy


@pytest.fixture
def page(browser: Browser, world: World, network: Cutting, origin: Origin) -> Iterator[Page]:
    """A page of another origin, whose own backend gives it tokens."""
    origin.served["/"] = PAGE % {"server": network.url}
    with chromium.opened(browser, origin.url) as context:
        context.set_default_timeout(60_000)
        made: list[str] = []

        def fresh_token() -> str:
            made.append(world.ask("POST", "/users/Alice/token", {"seconds": 60}).json["token"])
            return made[-1]

        context.expose_function("freshToken", fresh_token)
        page = context.new_page()
        faults: list[Any] = []
        page.on("pageerror", lambda error: faults.append(error))  # noqa: PLW0108 - Playwright marks it
        page.goto("/")
        sees(page, "sessions")
        yield page
        assert faults == []
        assert len(made) > 1, "one for each request"


def test_the_example_of_a_page_and_its_backend(browser: Browser, world: World, origin: Origin) -> None:
    """The blocks of docs/clients.md, as they are."""
    backend: dict[str, Any] = {}
    exec(example("python", "def phone_tokens").replace("https://YOUR-SERVER", world.base), backend)  # noqa: S102
    origin.served["/phone-tokens"] = lambda _: json.dumps(backend["phone_tokens"]("Alice", OPERATOR))
    origin.served["/example"] = example("html", "callSessions").replace("https://YOUR-SERVER", world.base)
    with chromium.opened(browser, origin.url) as context:
        page = context.new_page()
        page.goto("/example")
        page.wait_for_function("document.title === '0 calls'")
        call_of_alice(world)
        # The room that Alice is called into has nobody else for her yet, or her customer already.
        page.wait_for_function("numbers => numbers.includes(document.title)", arg=[f"{each} calls" for each in PARTIES])


def sees(page: Page, event: str, count: int = 1) -> None:
    """Wait until the page has seen *event* so many times."""
    page.wait_for_function(
        "([event, count]) => window.seen?.filter((each) => each === event).length >= count", arg=[event, count]
    )


def test_a_call_in_a_page_of_another_origin(world: World, page: Page, network: Cutting) -> None:
    customer, alice, session = call_of_alice(world)
    sees(page, f"ON_CALL_INCOMING {session}")
    sees(page, f"ON_CALL_ANSWERED {session}")
    assert page.evaluate("id => phone.getSession(id).number", session) == AGENT
    assert page.evaluate("id => phone.hold(id)", session) is True
    sees(page, f"ON_CALL_HELD {session}")
    assert not alice.hears(customer)
    assert page.evaluate("id => phone.resume(id)", session) is True
    sees(page, f"ON_CALL_RESUMED {session}")
    world.until(partial(alice.hears, customer))
    network.cut()
    sees(page, "disconnected")
    sees(page, "connected", 2)
    network.lose = 1
    assert page.evaluate("id => phone.hangup(id)", session) is True, "sent again, as the response was lost"
    sees(page, "deleteSession")
    world.known(alice, "completed")
    seen = page.evaluate("window.seen")
    assert (seen.count("sessions"), seen.count(f"ON_CALL_ANSWERED {session}"), seen.count("stopped")) == (1, 1, 0)
    problem = page.evaluate("id => phone.hold(id).then(() => phone.lastError.problem)", "unknown")
    assert (problem["status"], problem["title"]) == (404, "Unknown session")


# As Wazo's users have it for ON_SHARE_SCREEN_STARTED. This Chromium has no screen: a canvas is in its place.
SHARING = """async (id) => {
  const canvas = document.body.appendChild(document.createElement("canvas"));
  canvas.getContext("2d");
  navigator.mediaDevices.getDisplayMedia = async (options) => {
    window.options = options;
    return canvas.captureStream();
  };
  const Wazo = { Phone: phone };
  const onShareScreenStarted = async (callSession) => {
    const options = { audio: true, video: true };
    const mediaStream = await Wazo.Phone.startScreenSharing(options, callSession);
    seen.push(`sharing ${callSession.getId()} ${callSession.screensharing} ${mediaStream === window.first}`);
    return mediaStream;
  };
  Wazo.Phone.on(Wazo.Phone.ON_SHARE_SCREEN_STARTED, onShareScreenStarted);
  Wazo.Phone.on(Wazo.Phone.ON_SHARE_SCREEN_ENDED, (callSession) => seen.push(`ended ${callSession.screensharing}`));
  window.first = await Wazo.Phone.startScreenSharing({ video: true }, phone.getSession(id));
  return [first instanceof MediaStream, options.video];
}"""


def test_a_screen_is_shared(world: World, page: Page) -> None:
    _, _, session = call_of_alice(world)
    sees(page, f"ON_CALL_ANSWERED {session}")
    assert page.evaluate(SHARING, session) == [True, True]
    sees(page, f"sharing {session} true true")
    assert page.evaluate("id => phone.stopScreenSharing(id)", session) is True
    sees(page, "ended false")
    assert page.evaluate("first.getTracks().map((track) => track.readyState)") == ["ended"]
    assert page.evaluate("id => phone.stopScreenSharing(id)", session) is False
    assert page.evaluate("seen.filter((each) => each.startsWith('sharing')).length") == 1
    refused = "phone.startScreenSharing({}, 'unknown').catch((error) => [error.status, first.getTracks().length])"
    assert page.evaluate(refused) == [404, 1]
