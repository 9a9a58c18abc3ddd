"""The phone of docs/clients.md as it is there: a page of another origin rings, answers with sound, and hangs up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.api.site import OPERATOR
from tests.browser import chromium
from tests.browser.origins import Origin
from tests.clients.documented import example
from tests.control.world import AGENT, World, world_of
from tests.engines import Engine
from vonage_simulator.scenario import FarEnd


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """With a microphone that needs nobody's consent."""
    with chromium.running(*chromium.FAKE_DEVICES) as browser:
        yield browser


@pytest.fixture
def world(valkey: Engine, tmp_path: Path, origin: Origin) -> Iterator[World]:
    """The app as it is, with the demo's flow: callers get to Alice."""
    valkey.flush()
    flows = Path("config/flows.yaml").resolve()
    carrier = {"application": {"calls_per_second": None}, "speed": 1.0}
    more: dict[str, Any] = {"cors_origins": (origin.url,), "flows_file": flows, "app_user": "Alice"}
    with world_of(tmp_path, valkey.address.url, carrier=carrier, **more) as world:
        yield world


def test_the_phone_of_the_documentation(browser: Browser, world: World, origin: Origin) -> None:
    backend: dict[str, Any] = {}
    exec(example("python", "def phone_tokens").replace("https://YOUR-SERVER", world.base), backend)  # noqa: S102
    origin.served["/phone-tokens"] = lambda _: json.dumps(backend["phone_tokens"]("Alice", OPERATOR))
    page_text = example("html", "audio: true").replace("https://YOUR-SERVER", world.base)
    lines = [line for line in page_text.splitlines() if line.strip() and "<" not in line[:1]]
    assert len(lines) <= 10, "of script"
    origin.served["/"] = f"<!doctype html><title>Ours</title>{page_text}"
    with chromium.opened(browser, origin.url, permissions=["microphone"]) as context:
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto("/")
        world.until(lambda: world.sdk.calls.sessions.of("Alice"))
        caller = world.caller(from_=AGENT, room=None, far_end=FarEnd(stays_alone=1e6))
        page.wait_for_function("document.getElementById('caller').textContent.endsWith('calls')", timeout=60_000)
        page.get_by_role("button", name="Answer").click()
        alice = world.until(lambda: next((leg for leg in world.legs() if leg.to == "Alice" and leg.answered), None))
        world.until(lambda: alice.hears(caller))
        page.get_by_role("button", name="Hang up").click()
        world.until(lambda: alice.over)
        page.wait_for_function("document.getElementById('caller').textContent === ''")
        assert faults == []
