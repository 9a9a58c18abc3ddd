"""A real server with calls, a real Chromium, and whoever looks at it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser import chromium
from tests.browser.origins import Origin, serving_pages
from tests.engines import Engine, wait_until
from tests.generated import iso
from tests.serving import ROOT, Server
from vonage_simulator.certificate import application_keys

TOKENS = {"operator": "operator-of-the-browser-tests", "viewer": "viewer-of-the-browser-tests"}
SAMPLE = ROOT / "tests" / "samples" / "phone-to-app.events.jsonl"

APPLICATION_ID = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"

Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests of a file: while Playwright runs, nothing else in its process can use asyncio."""
    with chromium.running() as browser:
        yield browser


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    """An origin for pages that are not the server's."""
    with serving_pages() as origin:
        yield origin


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, carrier_folder: Path, valkey: Engine) -> Iterator[Server]:
    """A server with a call of each kind, which no test changes."""
    tokens = ",".join(f"{role}:{token}" for role, token in TOKENS.items())
    folder: Path = tmp_path_factory.mktemp("browser")
    key, _ = application_keys(carrier_folder)  # so that pages offer to play recordings
    server = Server(
        folder,
        REDIS_URL=valkey.address.url,
        WEB_CONCURRENCY="1",
        ACCESS_TOKENS=tokens,
        VONAGE_APPLICATION_ID=APPLICATION_ID,
        VONAGE_PRIVATE_KEY=str(key),
    )
    try:
        valkey.flush()
        server.ready()
        fill(server)
        yield server
    finally:
        server.kill()


def fill(server: Server) -> None:
    """The published call, one in each other state, and names and words that strangers chose."""
    for line in SAMPLE.read_text().splitlines():
        server.post("/voice/event", json.loads(line))
    server.post("/voice/event", {"note": "<b>of no conversation</b>"})
    now = datetime.now(UTC)
    for number, (status, from_, to) in enumerate(
        [
            *(("ringing", "447700900123", "442079460000"), ("answered", "447700900124", "Alice")),
            *(("busy", "447700900125", "442079460000"), ("failed", "447700900126", "442079460001")),
            *(("unanswered", "447700900127", "Zoë 李"), ("rejected", "<b>447700900128", "sip:bob@example.com")),
            ("timeout", "447700900129", "442079460000" + "-and-a-user-name-that-is-far-too-long-for-a-phone" * 2),
        ]
    ):
        body: dict[str, Any] = {"conversation_uuid": f"CON-{number}", "uuid": f"leg-{number}", "from": from_, "to": to}
        started = {"status": "started", "timestamp": iso(now - timedelta(seconds=90))}
        for event in (started, {"status": status, "timestamp": iso(now - timedelta(seconds=60))}):
            assert server.post("/voice/event", body | event).status == 200
    wait_until(lambda: calls_counted(server) == 7, "the calls of now are counted")


def calls_counted(server: Server) -> int:
    """How many calls the figures of *server* have; 0 while a busy machine cannot say."""
    reply = server.ask("GET", "/api/v1/figures", Authorization=f"Bearer {TOKENS['operator']}")
    return int(reply.json["calls"]["total"]) if reply.status == 200 else 0


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Visit]:
    """Opens pages: `visit("/", role="viewer", size="phone", scheme="dark", language="fr-FR")`; role None: no login."""
    with ExitStack() as stack:

        def open_page(path: str, *, role: str | None = "operator", **more: Any) -> Page:
            token = None if role is None else TOKENS[role]
            context: BrowserContext = stack.enter_context(
                chromium.opened(browser, f"http://127.0.0.1:{server.port}", token=token, **more)
            )
            page = context.new_page()
            page.goto(path)
            return page

        yield open_page
