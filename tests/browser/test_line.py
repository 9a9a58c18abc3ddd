"""A page of another origin rings, answers and has sound: the client with a line to Vonage's Client SDK."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import chromium
from tests.browser.other_origin import OtherOrigin, opened_page, other_origin, sees, tokens_of
from tests.control.test_session_verbs import to
from tests.control.world import AGENT, World, world_of
from tests.engines import Engine
from vonage_simulator.ledger import Leg

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """With a microphone that needs nobody's consent."""
    if chromium.program() is None:
        pytest.skip(chromium.MISSING)
    with sync_playwright() as playwright:
        browser = chromium.launched(playwright, *chromium.FAKE_DEVICES)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def origin() -> Iterator[OtherOrigin]:
    with other_origin() as origin:
        yield origin


@pytest.fixture(scope="module")
def world(valkey: Engine, tmp_path_factory: pytest.TempPathFactory, origin: OtherOrigin) -> Iterator[World]:
    """An app that the pages may call, and its carrier."""
    folder: Path = tmp_path_factory.mktemp("carrier")
    carrier = {"application": {"calls_per_second": None}, "speed": 1.0}
    with world_of(folder, valkey.address.url, carrier=carrier, cors_origins=(origin.url,)) as world:
        origin.page("/", world.base)
        origin.served["/phone-token"] = tokens_of(world)
        yield world


@pytest.fixture(autouse=True)
def own_room(world: World, valkey: Engine) -> None:
    valkey.flush()
    for user in ("Alice", "Bob"):
        world.services.store.set_user(user, {"max_calls": 5})
    world.room = f"room-{secrets.token_hex(4)}"


@pytest.fixture
def open_page(browser: Browser, world: World, origin: OtherOrigin) -> Iterator[Open]:
    """Opens pages of users, each in a browser of its own."""
    faults: list[Any] = []
    with ExitStack() as stack:

        def open_(user: str = "Alice", *, beside: Page | None = None) -> Page:
            if beside is None:
                context = stack.enter_context(chromium.opened(browser, origin.url, permissions=["microphone"]))
                context.set_default_timeout(30_000)
            else:
                context = beside.context
            page = opened_page(context, f"/?user={user}", faults)
            page.wait_for_function("window.phone?.line?.status === 'connected'")
            return page

        yield open_
    assert faults == []


def rings(world: World, user: str = "Alice", number: str = AGENT) -> tuple[Leg, str]:
    """A customer who is in a room into which the user is called; and the user's leg, which rings."""
    customer = to(world, {"type": "phone", "number": number}, world.room)
    body = {"to": {"type": "app", "user": user}, "ncco": [{"action": "conversation", "name": world.room}]}
    leg = world.created(world.ask("POST", "/calls", body))
    return customer, leg.uuid


def test_a_page_rings_and_answers_and_hangs_up(world: World, open_page: Open) -> None:
    page = open_page()
    world.until(lambda: world.ask("GET", "/users/Alice").json["registered"])
    customer, leg = rings(world)
    sees(page, "call_incoming")
    page.wait_for_function("leg => phone.line.legs.has(leg)", arg=leg)
    (session,) = page.evaluate("phone.incomingList.map((each) => each.id)")
    assert page.evaluate("id => phone.line.legOf(id).callId", session) == leg
    assert page.evaluate("leg => phone.line.sessionOf(leg).id", leg) == session
    assert page.evaluate("id => phone.answer(id)", session) == {"code": 0, "message": ""}
    sees(page, f"call_answered {session}")
    alice = world.carrier.ledger.legs[leg]
    world.until(lambda: alice.hears(customer))
    assert page.evaluate("id => phone.mute(id)", session) is True
    sees(page, "call_muted")
    assert alice.muted
    assert page.evaluate("leg => phone.line.legs.get(leg).muted", leg) is True
    assert page.evaluate("id => phone.hangup(id)", session) is True
    sees(page, f"call_ended {session}")
    assert page.evaluate("phone.line.legs.size") == 0
    world.until(lambda: alice.over)
