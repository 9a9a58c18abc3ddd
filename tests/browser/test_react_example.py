"""The phone in React of docs/examples: bundled as its README says, in a page of another origin."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import chromium
from tests.browser.origins import Origin
from tests.browser.other_origin import begin_anew, opened_page, phone_page, sees, tokens_of
from tests.browser.test_screens import FOLLOWING, SCREEN, WATCHING, watches
from tests.control.test_session_verbs import SECOND, to
from tests.control.world import AGENT, World, world_of
from tests.engines import Engine
from tests.serving import ROOT
from vonage_simulator.ledger import Leg

EXAMPLE = ROOT / "docs" / "examples"
README = (EXAMPLE / "README.md").read_text()


def run(*command: str, folder: Path) -> None:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's folder, with what it needs."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("no node and npm on the path")
    if chromium.program() is None:
        pytest.skip(chromium.MISSING)
    folder = tmp_path_factory.mktemp("react")
    shutil.copytree(EXAMPLE / "react", folder, dirs_exist_ok=True)
    (install,) = (line for line in README.splitlines() if line.startswith("npm install"))
    run(*install.split(), "--no-audit", "--no-fund", folder=folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.running(*chromium.FAKE_DEVICES, *SCREEN) as browser:
        yield browser


@pytest.fixture(scope="module")
def world(installed: Path, valkey: Engine, tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[World]:
    """The app, with the example bundled for it by the README's command, and a page of Bob's that watches."""
    carrier = {"application": {"calls_per_second": None}, "speed": 1.0}
    folder = tmp_path_factory.mktemp("carrier")
    with world_of(folder, valkey.address.url, carrier=carrier, cors_origins=(origin.url,)) as world:
        wazo = installed / "wazo.js"
        wazo.write_text(wazo.read_text().replace("https://YOUR-SERVER", world.base))
        (bundle,) = (line for line in README.splitlines() if line.startswith("npx esbuild"))
        run(*bundle.replace("'", "").replace("https://*", "http://*").split(), folder=installed)
        origin.served["/"] = (installed / "index.html").read_text()
        origin.served["/main.js"] = (installed / "main.js").read_text()
        origin.served["/phone-tokens"] = origin.served["/phone-token"] = tokens_of(world)
        origin.served["/bob"] = phone_page(world.base, WATCHING + FOLLOWING)
        sdk = world.sdk_url.rpartition("/")[0]
        scripts, hosts = f"'self' {world.base} {sdk}/", f"'self' {world.base} {sdk} {sdk.replace('http', 'ws')}"
        inline = "'unsafe-inline' 'unsafe-eval'"  # Bob's script is in his page, and the test asks the pages
        origin.policy = f"default-src 'none'; script-src {inline} {scripts}; connect-src {hosts}"
        yield world


@pytest.fixture
def alice(world: World, valkey: Engine, browser: Browser, origin: Origin) -> Iterator[Page]:
    """Her page, which is the example."""
    begin_anew(world, valkey, "Alice", "Bob")
    faults: list[Any] = []
    with chromium.opened(browser, origin.url, permissions=["microphone"]) as context:
        context.set_default_timeout(60_000)
        page = opened_page(context, "/?user=Alice", faults)
        world.until(lambda: world.sdk.calls.sessions.of("Alice"))
        yield page
    assert faults == []


def answered(world: World, page: Page, room: str, other: Leg) -> Leg:
    """Alice's leg, once she has answered by the button and hears *other*, who is in the room."""
    body = {"to": {"type": "app", "user": "Alice"}, "ncco": [{"action": "conversation", "name": room}]}
    leg = world.created(world.ask("POST", "/calls", body))
    page.get_by_role("button", name="Answer").click()
    world.until(lambda: leg.hears(other))
    return leg


def test_two_calls_become_a_conference(world: World, alice: Page) -> None:
    legs = []
    for number, (room, party) in enumerate((("one", AGENT), ("two", SECOND)), 1):
        other = to(world, {"type": "phone", "number": party}, f"{world.room}-{room}")
        legs += [other, answered(world, alice, f"{world.room}-{room}", other)]
        alice.wait_for_function("count => document.querySelectorAll('li').length === count", arg=number)
    world.until(lambda: not legs[1].hears(legs[0]))  # who was first is on hold
    alice.get_by_role("button", name="Merge").click()
    alice.get_by_role("button", name="End the conference of 2").click()
    for leg in legs:
        world.until(partial(lambda leg: leg.over, leg))
    alice.wait_for_function("document.querySelectorAll('li').length === 0")


def test_screens_are_shared(world: World, alice: Page, browser: Browser, origin: Origin) -> None:
    with chromium.opened(browser, origin.url) as context:
        context.set_default_timeout(60_000)
        bob = opened_page(context, "/bob?user=Bob", [])
        sees(bob, "sessions")
        leg = to(world, {"type": "app", "user": "Bob"}, world.room)
        answered(world, alice, world.room, leg)
        alice.get_by_role("button", name="Share the screen").click()
        watches(bob, "Alice")
        bob.evaluate("void phone.startScreenSharing({ video: true }, phone.getSessions()[0])")
        alice.wait_for_function("document.querySelector('video')?.currentTime > 0.2")
        alice.get_by_role("button", name="Hang up").click()
        sees(bob, "lost Alice")
        alice.wait_for_function("document.querySelector('video') === null")
