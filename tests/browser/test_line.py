"""A page of another origin rings, answers and has sound: the client with a line to Vonage's Client SDK."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import chromium
from tests.browser.origins import Origin
from tests.browser.other_origin import begin_anew, opened_page, phone_page, sees, tokens_of
from tests.control.test_session_verbs import SECOND, to
from tests.control.world import AGENT, NUMBER, World, world_of
from tests.engines import Engine
from vonage_simulator.ledger import Leg

Open = Callable[..., Page]
CALLED = "447700900173"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """With a microphone that needs nobody's consent."""
    with chromium.running(*chromium.FAKE_DEVICES) as browser:
        yield browser


@pytest.fixture(scope="module")
def world(valkey: Engine, tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[World]:
    """An app that the pages may call, and its carrier."""
    folder: Path = tmp_path_factory.mktemp("carrier")
    carrier = {"application": {"calls_per_second": None}, "speed": 1.0}
    more: dict[str, Any] = {"flows_file": Path("config/flows.yaml").resolve(), "caller_number": NUMBER}
    with world_of(folder, valkey.address.url, carrier=carrier, cors_origins=(origin.url,), **more) as world:
        origin.served["/"] = phone_page(world.base)
        origin.served["/phone-token"] = tokens_of(world)
        yield world


@pytest.fixture(autouse=True)
def own_room(world: World, valkey: Engine) -> None:
    begin_anew(world, valkey, "Alice", "Bob")


@pytest.fixture
def open_page(browser: Browser, world: World, origin: Origin) -> Iterator[Open]:
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
    page.wait_for_function("phone.line.legs.size === 0")
    world.until(lambda: alice.over)


def answered(world: World, page: Page, number: str = AGENT) -> tuple[Leg, Leg, str]:
    """A customer and Alice, who talk to each other in *page*; and her session."""
    customer, leg = rings(world, number=number)
    page.wait_for_function("leg => phone.line.legs.has(leg) && phone.line.sessionOf(leg)", arg=leg)
    session = str(page.evaluate("leg => phone.line.sessionOf(leg).id", leg))
    page.evaluate("id => phone.answer(id)", session)
    sees(page, f"call_answered {session}")
    alice = world.carrier.ledger.legs[leg]
    world.until(lambda: alice.hears(customer))
    return customer, alice, session


def test_sound_goes_both_ways_and_its_statistics_are_reported(world: World, open_page: Open) -> None:
    page = open_page()
    page.evaluate("phone.on('callReport', (report) => (window.report = report))")
    _, alice, session = answered(world, page)
    page.wait_for_function("window.report?.stats.audioSentPackets > 0 && report.stats.audioRecvPackets > 0")
    assert page.evaluate("[report.callId, report.session.id]") == [alice.uuid, session]
    assert page.evaluate("leg => phone.line.legs.get(leg).stats === report.stats", alice.uuid)


def test_a_call_is_rejected(world: World, open_page: Open) -> None:
    page = open_page()
    _, leg = rings(world)
    page.wait_for_function("leg => phone.line.sessionOf(leg)", arg=leg)
    assert page.evaluate("leg => phone.reject(phone.line.sessionOf(leg))", leg) is True
    sees(page, "call_ended")
    ended = world.carrier.ledger.legs[leg]
    assert ended.over
    assert not ended.answered
    page.wait_for_function("phone.line.legs.size === 0")


def test_a_second_tab_learns_that_the_call_was_answered_elsewhere(world: World, open_page: Open) -> None:
    first = open_page()
    second = open_page(beside=first)
    second.evaluate("phone.line.on('ended', ({ reason }) => seen.push(`ended ${reason}`))")
    _, alice, session = answered(world, first)
    sees(second, "ended AnsweredElsewhere")
    sees(second, f"call_answered {session}")
    assert second.evaluate("id => phone.line.legOf(id)", session) is None
    assert second.evaluate("id => phone.hangup(id)", session) is True, "by the server"
    world.until(lambda: alice.over)
    sees(first, f"call_ended {session}")
    first.wait_for_function("phone.line.legs.size === 0")


def test_a_page_that_is_loaded_again_goes_on_with_its_call(world: World, open_page: Open) -> None:
    page = open_page()
    customer, alice, session = answered(world, page)
    assert page.evaluate("id => phone.mute(id)", session) is True
    page.reload()
    page.wait_for_function("leg => phone.line?.legs.get(leg)?.media === 'ok'", arg=alice.uuid)
    assert page.evaluate("leg => phone.line.legs.get(leg).muted", alice.uuid) is True
    assert page.evaluate("id => phone.line.legOf(id).callId", session) == alice.uuid
    assert page.evaluate("id => phone.unmute(id)", session) is True
    world.until(lambda: customer.hears(alice))
    assert page.evaluate("id => phone.hangup(id)", session) is True
    world.until(lambda: alice.over)


def test_a_second_tab_does_not_take_the_call_of_the_first(world: World, open_page: Open) -> None:
    page = open_page()
    _, alice, _ = answered(world, page)
    second = open_page(beside=page)
    assert second.evaluate("phone.line.legs.size") == 0
    assert page.evaluate("leg => phone.line.legs.get(leg).media", alice.uuid) == "ok"


def test_a_connection_that_is_cut_comes_back_and_the_call_goes_on(world: World, open_page: Open) -> None:
    page = open_page()
    page.evaluate("phone.line.on('status', ({ status }) => seen.push(`line ${status}`))")
    customer, alice, session = answered(world, page)
    world.do(lambda: world.sdk.cut("Alice"))
    sees(page, "line reconnecting")
    sees(page, "line connected")
    world.until(lambda: customer.hears(alice))
    assert page.evaluate("id => phone.hangup(id)", session) is True
    world.until(lambda: alice.over)


def test_an_expired_token_is_replaced(world: World, open_page: Open) -> None:
    page = open_page()
    page.evaluate("phone.line.on('status', ({ status, error }) => seen.push(`line ${status} ${error?.message ?? ''}`))")
    world.do(lambda: world.sdk.expire("Alice"))
    sees(page, "line reconnecting Vonage has ended the session: EXPIRED_TOKEN")
    sees(page, "line connected")
    answered(world, page)


def test_a_token_is_refreshed_before_it_expires(world: World, open_page: Open, origin: Origin) -> None:
    made = tokens_of(world)
    given: list[str] = []

    def short_lived(query: dict[str, str]) -> str:
        tokens = json.loads(made(query))
        given.append(tokens["sdk_token"])
        # As if it were good for four seconds: the page gets another one after three.
        tokens["sdk_expires_at"] = (datetime.now(UTC) + timedelta(seconds=4)).isoformat()
        return json.dumps(tokens)

    origin.served["/phone-token"] = short_lived
    try:
        page = open_page()
        (session,) = world.sdk.calls.sessions.of("Alice")
        first = session.grant
        world.until(lambda: session.grant != first)
        assert len(given) >= 2
        assert page.evaluate("phone.line.status") == "connected"
    finally:
        origin.served["/phone-token"] = made


def test_what_fails_at_first_is_tried_again(world: World, browser: Browser, origin: Origin) -> None:
    made = tokens_of(world)
    given: list[str] = []

    def without_sdk_at_first(query: dict[str, str]) -> str:
        tokens = json.loads(made(query))
        if not given:
            tokens["sdk_url"] = f"{world.base}/static/none.js"
        given.append(tokens["sdk_url"])
        return json.dumps(tokens)

    origin.served["/phone-token"] = without_sdk_at_first
    origin.served["/tries"] = phone_page(
        world.base, "phone.connect({ audio: true }).catch(({ message }) => seen.push(message));"
    )
    try:
        with chromium.opened(browser, origin.url) as context:
            page = context.new_page()
            page.goto("/tries?user=Alice")
            sees(page, f"The Client SDK cannot be loaded from {world.base}/static/none.js.")
            page.wait_for_function("phone.line.status === 'connected' && phone.line.error === null")
            assert given[1] == world.sdk_url
    finally:
        origin.served["/phone-token"] = made


def test_a_refused_token_is_said_and_not_tried_again(world: World, open_page: Open, origin: Origin) -> None:
    page = open_page()
    problem = page.evaluate(
        """async () => {
          const other = new phone.constructor({ url: phone.url, user: phone.user, token: "wrong" });
          const failed = await other.connect({ audio: true }).catch((error) => error.status);
          return [failed, other.line];
        }"""
    )
    assert problem == [401, None]


def test_without_a_microphone_the_call_is_not_answered_and_the_page_says_why(
    world: World, browser: Browser, origin: Origin
) -> None:
    with chromium.opened(browser, origin.url) as context:
        page = context.new_page()
        page.add_init_script(
            """navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("no", "NotAllowedError"); };
            navigator.permissions.query = async () => ({ state: "denied" });"""
        )
        page.goto("/?user=Alice")
        page.wait_for_function("window.phone?.line?.status === 'connected'")
        _, leg = rings(world)
        page.wait_for_function("leg => phone.line.sessionOf(leg)", arg=leg)
        answer = "leg => phone.answer(phone.line.sessionOf(leg)).catch((error) => [error.status, error.title])"
        assert page.evaluate(answer, leg) == [0, "Not possible at Vonage"]
        page.wait_for_function("leg => phone.line.legs.get(leg).media === 'denied'", arg=leg)
        assert not world.carrier.ledger.legs[leg].answered
        assert world.act(leg, "hangup").status_code == 200  # else it would ring in the next test


def test_a_page_calls_out_and_presses_keys(world: World, open_page: Open) -> None:
    page = open_page()
    assert page.evaluate("number => phone.call(number)", CALLED) == {"code": 0, "message": ""}
    sees(page, "call_answered")
    session = page.evaluate("phone.getSessions()[0].id")
    assert page.evaluate("id => [...phone.line.legs.keys()].includes(id)", session), "the leg is the call's first"
    assert page.evaluate("id => phone.getSession(id).isCaller", session) is True
    assert page.evaluate("id => phone.dtmf(id, '12#')", session) is True
    assert page.evaluate("id => phone.hangup(id)", session) is True
    sees(page, f"call_ended {session}")
    page.wait_for_function("phone.line.legs.size === 0")


def test_a_second_call_that_is_answered_puts_the_first_on_hold(world: World, open_page: Open) -> None:
    page = open_page()
    first, alice, session = answered(world, page)
    world.room += "-two"
    second, other, _ = answered(world, page, SECOND)
    sees(page, f"call_held {session}")
    assert not alice.hears(first)
    assert other.hears(second)
    page.wait_for_function("phone.line.legs.size === 2")


def test_a_conference_goes_on_without_who_answers_another_call(world: World, open_page: Open) -> None:
    page, room = open_page(), world.room
    first, _, one = answered(world, page)
    world.room = room + "-two"
    second, alice, two = answered(world, page, SECOND)
    page.evaluate("([one, two]) => phone.startConference(two, [one])", [one, two])
    world.until(lambda: first.hears(alice) and second.hears(first))
    page.wait_for_function("id => phone.getSession(id)?.conference", arg=two)
    world.room = room + "-three"
    third, other, _ = answered(world, page, CALLED)
    world.until(lambda: not first.hears(alice) and not alice.hears(first))
    assert first.hears(second), "they go on"
    assert page.evaluate("id => phone.unhold(id)", two) is True
    world.until(lambda: first.hears(alice) and alice.hears(first) and not third.hears(other))


def test_calls_are_answered_by_themselves_if_the_user_wants_it_or_it_is_requested(
    world: World, open_page: Open
) -> None:
    page = open_page()
    _, leg = rings(world)
    page.wait_for_function("leg => phone.line.sessionOf(leg)", arg=leg)
    session = page.evaluate("leg => phone.line.sessionOf(leg).id", leg)
    assert not world.carrier.ledger.legs[leg].answered
    assert world.ask("POST", f"/users/Alice/sessions/{session}/answer", {}).status_code == 202
    sees(page, f"call_answered {session}")
    page.evaluate("id => phone.hangup(id)", session)
    sees(page, f"call_ended {session}")
    world.services.store.set_user("Alice", {"auto_answer": True})
    world.room += "-two"
    rings(world)
    sees(page, "call_answered", 2)


def test_microphone_and_loudspeaker_are_chosen(world: World, open_page: Open) -> None:
    page = open_page()
    _, alice, _ = answered(world, page)
    kinds = ("audioinput", "audiooutput")
    devices = page.evaluate("navigator.mediaDevices.enumerateDevices().then((all) => all.map((each) => each.toJSON()))")
    microphone, speaker = ([each["deviceId"] for each in devices if each["kind"] == kind][-1] for kind in kinds)
    page.evaluate(
        "([microphoneId, speakerId]) => phone.line.useDevices({ microphoneId, speakerId })", [microphone, speaker]
    )
    track = "phone.line.devices"
    assert page.evaluate(track) == {"microphoneId": microphone, "speakerId": speaker}
    page.evaluate("id => { phone.deviceIds = { microphoneId: id }; }", microphone)
    assert page.evaluate("phone.deviceIds") == {"microphoneId": microphone}
    page.evaluate("phone.on('callReport', ({ stats }) => (window.sent = stats.audioSentPackets))")
    page.wait_for_function("window.sent > 0")
    before = page.evaluate("window.sent")
    page.wait_for_function("before => window.sent > before", arg=before)
    assert page.evaluate("leg => phone.line.legs.get(leg).media", alice.uuid) == "ok"


def test_a_page_goes_on_as_another_user(world: World, open_page: Open) -> None:
    page = open_page()
    page.evaluate("phone.reRegister('Bob', async () => (await fetch('/phone-token?user=Bob')).json())")
    world.until(lambda: world.sdk.calls.sessions.of("Bob"))
    world.until(lambda: world.ask("GET", "/users/Bob").json["registered"])
    world.until(lambda: not world.ask("GET", "/users/Alice").json["registered"])
    world.until(lambda: not world.sdk.calls.sessions.of("Alice"))
    _, leg = rings(world, "Bob")
    page.wait_for_function("leg => phone.line.sessionOf(leg)?.user === 'Bob'", arg=leg)
    assert page.evaluate("leg => phone.answer(phone.line.sessionOf(leg))", leg) == {"code": 0, "message": ""}
    world.known(world.carrier.ledger.legs[leg], "answered")


def test_who_disconnects_hangs_up_and_is_registered_no_more(world: World, open_page: Open) -> None:
    page = open_page()
    _, alice, _ = answered(world, page)
    page.evaluate("phone.disconnect()")
    world.until(lambda: alice.over)
    world.until(lambda: not world.ask("GET", "/users/Alice").json["registered"])
    assert world.sdk.calls.sessions.of("Alice") == []
