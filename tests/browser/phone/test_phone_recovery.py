"""The phone after a reload, without a network, with tokens that have expired, and in two tabs: it says what is so, and
recovers."""

from __future__ import annotations

import re
from contextlib import closing
from functools import partial

from playwright.sync_api import Route, expect

from tests.browser.phone.phones import CUSTOMER, Open
from tests.browser.phone.test_phone_several import in_call, leg_to, transfers
from tests.clients.cutting import Cutting
from tests.control.world import AGENT, World
from vonage_simulator.voice_api.faults import FaultRule

# How many cards there were at once.
MOST_CARDS = """() => {
  const [seen, calls] = [{ cards: 0 }, document.getElementById("calls")];
  const count = () => (seen.cards = Math.max(seen.cards, calls.children.length));
  new MutationObserver(count).observe(calls, { childList: true });
  return seen;
}"""
NOT_READY = re.compile("Connecting")


def test_a_call_goes_on_when_the_page_is_loaded_again(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    caller = in_call(world, alice)
    own = leg_to(world, "Alice")
    alice.open()
    call = alice.sees(CUSTOMER, "talking")
    expect(call).not_to_contain_text("another window")
    assert leg_to(world, "Alice") is own
    assert own.hears(caller)
    with alice.page.expect_response("**/mute"):
        alice.press(CUSTOMER, "Mute")
    assert own.muted
    alice.press(CUSTOMER, "Hang up")
    alice.sees_none()
    world.known(caller, "completed")


def test_a_transfer_goes_on_when_the_page_is_loaded_again(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    caller = in_call(world, alice)
    transfers(alice, CUSTOMER, AGENT, "Talk first")
    alice.sees(AGENT, "consulting")
    alice.open()
    alice.sees(AGENT, "consulting")
    alice.press(AGENT, "Complete")
    alice.sees_none()
    agent = leg_to(world, AGENT)
    world.until(lambda: agent.hears(caller))


def test_a_call_rings_on_when_the_page_is_loaded_again(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    world.caller(CUSTOMER, room=None)
    alice.sees(CUSTOMER, "incoming")
    alice.open()
    alice.sees(CUSTOMER, "incoming")
    alice.press(CUSTOMER, "Answer")
    alice.sees(CUSTOMER, "talking")


def test_without_a_network(world: World, open_phone: Open) -> None:
    """The stream of the server is cut: the page says so; then it shows what happened meanwhile."""
    with closing(Cutting(world.base)) as network:
        alice = open_phone("Alice", base=network.url, network_fails=True)
        caller = in_call(world, alice)
        network.stop()
        expect(alice.page.locator("[data-trouble=server]")).to_be_visible()
        expect(alice.page.locator("#line")).to_have_text(NOT_READY)
        alice.sees(CUSTOMER, "talking")
        world.do(partial(world.carrier.people.hang_up, caller.uuid))
        world.known(caller, "completed")
        network.go_on()
        alice.ready()
        expect(alice.page.locator("[data-trouble]")).to_have_count(0)
        alice.sees_none()


def test_offline_altogether(world: World, open_phone: Open) -> None:
    """Neither the server nor Vonage can be reached; the call is still there afterwards."""
    with closing(Cutting(world.base)) as network:
        alice = open_phone("Alice", base=network.url, network_fails=True)
        caller = in_call(world, alice)
        network.stop()
        alice.page.context.set_offline(True)
        world.do(partial(world.sdk.cut, "Alice"))
        expect(alice.page.locator("#line")).to_have_text(NOT_READY)
        alice.press(CUSTOMER, "Hold")
        alice.says("Hold: not known: the server could not be reached")
        network.go_on()
        alice.page.context.set_offline(False)
        alice.ready()
        alice.press(CUSTOMER, "Hold")
        alice.sees(CUSTOMER, "held")
        alice.press(CUSTOMER, "Resume")
        alice.sees(CUSTOMER, "talking")
        world.until(lambda: leg_to(world, "Alice").hears(caller))


def test_the_connection_to_vonage_is_cut(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice", network_fails=True)
    caller = in_call(world, alice)
    states = alice.page.evaluate_handle(
        """() => {
            const seen = [];
            const line = document.getElementById("line");
            new MutationObserver(() => seen.push(line.dataset.state)).observe(line, { attributes: true });
            return seen;
        }"""
    )
    world.do(partial(world.sdk.cut, "Alice"))
    alice.until(lambda: "reconnecting" in states.json_value())
    alice.ready()
    alice.sees(CUSTOMER, "talking")
    alice.press(CUSTOMER, "Hang up")
    alice.sees_none()
    world.known(caller, "completed")


def test_without_a_token_for_vonage_calls_are_shown(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice", network_fails=True)
    refused = {"status": 502, "title": "Vonage is away", "detail": "Vonage did not answer."}

    def as_while_vonage_is_away(route: Route) -> None:
        if route.request.post_data == '{"sdk":false}':
            route.continue_()
        else:
            route.fulfill(status=502, json=refused, content_type="application/problem+json")

    caller = in_call(world, alice)
    alice.page.route("**/users/Alice/token", as_while_vonage_is_away)
    alice.page.reload()
    alice.sees(CUSTOMER, "talking")
    expect(alice.page.locator("#line")).to_have_text(NOT_READY)
    expect(alice.page.locator("#troubles")).to_contain_text("There is no connection to Vonage")
    world.do(partial(world.carrier.people.hang_up, caller.uuid))
    alice.sees_none()
    alice.page.unroute_all()
    alice.ready()
    alice.faults[:] = [fault for fault in alice.faults if "Vonage did not answer" not in fault]  # said in the console


def test_an_expired_token_is_replaced(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice", network_fails=True)
    caller = in_call(world, alice)
    with alice.page.expect_response("**/api/v1/users/Alice/token"):
        world.do(partial(world.sdk.expire, "Alice"))
    alice.ready()
    alice.sees(CUSTOMER, "talking")
    world.do(partial(world.carrier.people.hang_up, caller.uuid))
    alice.sees_none()
    in_call(world, alice, "447700900111")


def test_a_second_tab_rings_too_and_says_that_the_first_has_answered(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    second = open_phone("Alice", beside=alice)
    world.caller(CUSTOMER, room=None)
    for tab in (alice, second):
        tab.sees(CUSTOMER, "incoming")
    alice.press(CUSTOMER, "Answer")
    alice.sees(CUSTOMER, "talking")
    other = second.sees(CUSTOMER, "talking")
    expect(other).to_contain_text("The sound is in another window or on another device.")
    expect(alice.call(CUSTOMER)).not_to_contain_text("another window")
    second.press(CUSTOMER, "Hold")
    alice.sees(CUSTOMER, "held")
    second.press(CUSTOMER, "Hang up")
    alice.sees_none()
    second.sees_none()


def test_a_call_that_is_rejected_in_one_tab_rings_in_no_other(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    second = open_phone("Alice", beside=alice)
    world.caller(CUSTOMER, room=None)
    for tab in (alice, second):
        tab.sees(CUSTOMER, "incoming")
    second.press(CUSTOMER, "Reject")
    for tab in (alice, second):
        tab.sees_none()


def test_a_login_that_has_ended(world: World, open_phone: Open) -> None:
    """The call goes on, the page says what is to be done, and works again after another login elsewhere."""
    alice = open_phone("Alice", network_fails=True)
    in_call(world, alice)
    other = alice.page.context.new_page()
    other.goto("/phone")
    other.get_by_role("button", name="Log out").click()
    other.wait_for_url("**/login")
    trouble = alice.page.locator("[data-trouble=login]")
    expect(trouble).to_be_visible(timeout=60_000)
    expect(trouble.get_by_role("link", name="Log in")).to_have_attribute("href", "/login?next=/phone")
    alice.sees(CUSTOMER, "talking")
    assert not leg_to(world, "Alice").over


def test_a_leg_of_which_vonage_says_late_whose_call_it_is_for_is_one_call(world: World, open_phone: Open) -> None:
    """Its webhooks come before the response to the request that placed it."""
    alice = open_phone("Alice")
    most, before = alice.page.evaluate_handle(MOST_CARDS), len(world.legs())
    with world.faults(FaultRule(fault="late", verbs=("create",), seconds=1.5)):
        world.caller(CUSTOMER, room=None)
        alice.sees(CUSTOMER, "incoming")
        leg = world.until(lambda: next((leg for leg in world.legs()[before:] if leg.to == "Alice"), None))
        alice.press(CUSTOMER, "Answer")
        world.known(leg, "answered")
        assert len(world.ask("GET", "/users/Alice/phone").json["sessions"]) == 1
        alice.sees(CUSTOMER, "talking")
    alice.press(CUSTOMER, "Hold")
    alice.sees(CUSTOMER, "held")
    assert most.json_value() == {"cards": 1}
