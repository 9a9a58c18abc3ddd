"""An app, its simulated carrier with the stand-in for Vonage's Client SDK, and browsers of its users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.api.site import TOKENS
from tests.browser import chromium
from tests.browser.phone.phones import USERS, Open, phones
from tests.control.world import World, world_of
from tests.engines import Engine
from tests.serving import ROOT

expect.set_options(timeout=20_000)  # ms: two cores may be busy with other tests


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """With a microphone that beeps."""
    with chromium.running(*chromium.FAKE_DEVICES) as browser:
        yield browser


@pytest.fixture(scope="module")
def world(valkey: Engine, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[World]:
    """The app with the flows of a phone; its carrier goes five times as fast as life, or as the module's SPEED says."""
    folder: Path = tmp_path_factory.mktemp("phone")
    names = folder / "names.yaml"
    names.write_text('numbers:\n  "447700900150": Mrs Lovelace\n')
    settings: dict[str, Any] = {
        "access_tokens": (*TOKENS, *((f"user/{user}", token) for user, token in USERS.items())),
        "flows_file": ROOT / "config" / "ready" / "phone.yaml",
        "names_file": names,
        "caller_number": "442079460000",
    }
    carrier = {"application": {"calls_per_second": None}, "speed": getattr(request.module, "SPEED", 5.0)}
    with world_of(folder, valkey.address.url, carrier=carrier, **settings) as world:
        yield world


@pytest.fixture
def open_phone(browser: Browser, world: World) -> Iterator[Open]:
    """Opens phones of users."""
    with phones(browser, world) as open_phone:
        yield open_phone


@pytest.fixture(autouse=True)
def nobody_talks(world: World, valkey: Engine) -> None:
    """Each test begins with no calls, and nothing stored."""
    world.emptied(valkey)
