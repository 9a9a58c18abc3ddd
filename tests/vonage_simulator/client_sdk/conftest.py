"""A carrier whose time goes as in life, and pages of its users in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import chromium
from tests.vonage_simulator.api_server import Server, serving
from tests.vonage_simulator.client_sdk.sdk_pages import Open, opener
from vonage_simulator.behaviour import Behaviour


@pytest.fixture(scope="module")
def server(carrier_folder: Path) -> Iterator[Server]:
    """A carrier with the stand-in."""
    with serving(carrier_folder, speed=1.0, behaviour=Behaviour(no_hangup_seconds=0.0)) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium.running(*chromium.FAKE_DEVICES) as browser:
        yield browser


@pytest.fixture
def open_page(browser: Browser, server: Server) -> Iterator[Open]:
    """Opens pages of users."""
    with opener(browser, server) as open_page:
        yield open_page


@pytest.fixture(autouse=True)
def nothing_left(server: Server) -> Iterator[None]:
    """End all calls and sessions after each test: they would ring in the pages of the next one."""

    def end_all() -> None:
        server.sdk.media._networks.clear()
        for session in server.sdk.calls.sessions:
            server.sdk.calls.sessions.delete(session)
        for active in [*server.carrier._legs.values()]:
            active.end("platform", "the test is over")

    yield
    server.do(end_all)
