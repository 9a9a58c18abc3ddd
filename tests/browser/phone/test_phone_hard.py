"""The phone when much happens at once, or comes as nobody expects it."""

from __future__ import annotations

from functools import partial

from playwright.sync_api import expect

from tests.browser.phone.phones import CUSTOMER, USERS, Open, PhonePage
from tests.browser.phone.test_phone_several import in_call, leg_to
from tests.control.world import World
from tests.engines import Engine

CHOSEN_AGAIN = "document.dispatchEvent(new Event('visibilitychange'))"  # as when somebody comes back to the tab
ANSWER = "document.querySelector('[data-state=incoming] [data-verb=answer]').click()"
MARKUP = """<img src=x onerror=document.title='hit'>"'%(who)s$&</script>"""


def logs_in_again(phone: PhonePage, user: str) -> None:
    """In another tab: log out, and in as *user*."""
    other = phone.page.context.new_page()
    other.goto("/phone")
    other.get_by_role("button", name="Log out").click()
    other.wait_for_url("**/login")
    expect(phone.page.locator("[data-trouble=login]")).to_be_visible(timeout=60_000)
    other.goto(f"/?token={USERS[user]}")
    other.wait_for_url("**/phone")
    other.close()
    phone.page.evaluate(CHOSEN_AGAIN)


def test_after_another_login_the_page_that_stayed_open_works_again(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice", network_fails=True)
    caller = in_call(world, alice)
    logs_in_again(alice, "Alice")
    alice.ready()
    expect(alice.page.locator("[data-trouble]")).to_have_count(0)
    alice.press(CUSTOMER, "Hang up")
    alice.sees_none()
    world.known(caller, "completed")


def test_after_the_login_of_somebody_else_the_page_is_nobody_s(open_phone: Open) -> None:
    alice = open_phone("Alice", network_fails=True)
    with alice.page.expect_response("**/api/v1/users/Alice/token") as asked:
        logs_in_again(alice, "Bob")
    assert asked.value.status in (401, 403)
    alice.until(lambda: any("This needs the token of an operator" in fault for fault in alice.faults))
    expect(alice.page.locator("[data-trouble=login]")).to_be_visible()
    alice.faults.clear()  # it is meant


def test_names_and_numbers_are_text_however_long(world: World, open_phone: Open) -> None:
    assert world.ask("PUT", "/users/Bob", {"display_name": MARKUP}).status_code == 200
    alice = open_phone("Alice", size="phone")
    for who in (MARKUP, "x" * 300):
        caller = world.caller(who, room=None)
        alice.sees(who, "incoming")
        assert alice.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        world.do(partial(world.carrier.people.hang_up, caller.uuid))
        alice.sees_none()
        alice.says(f"Missed call from {who}")
    alice.page.get_by_label("Search").fill("onerror")
    expect(alice.page.locator("#contacts .entry .name")).to_have_text([MARKUP])
    assert alice.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "hit" not in alice.page.title()


def test_two_tabs_answer_at_the_same_moment(world: World, open_phone: Open) -> None:
    """One of them has the call, and both say which."""
    first = open_phone("Alice")
    tabs = (first, open_phone("Alice", beside=first))
    caller = world.caller(CUSTOMER, room=None)
    for tab in tabs:
        tab.page.wait_for_selector("[data-state=incoming]")
    for tab in tabs:
        tab.page.evaluate(ANSWER)
    shown = [tab.sees(CUSTOMER, "talking") for tab in tabs]
    first.until(lambda: sum("The sound is in another window" in call.inner_text() for call in shown) == 1)
    first.press(CUSTOMER, "Hang up")
    for tab in tabs:
        tab.sees_none()
    world.known(caller, "completed")


def test_an_answer_at_the_moment_in_which_the_caller_gives_up(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    for _ in range(3):
        caller = world.caller(CUSTOMER, room=None)
        alice.page.wait_for_selector("[data-state=incoming]")
        alice.page.evaluate(ANSWER)
        world.do(partial(world.carrier.people.hang_up, caller.uuid))
        alice.sees_none()
    in_call(world, alice)


def test_a_call_goes_on_while_redis_hangs(world: World, open_phone: Open, valkey: Engine) -> None:
    """What was requested meanwhile is done afterwards."""
    alice = open_phone("Alice", network_fails=True)
    in_call(world, alice)
    valkey.nodes[0].freeze()
    try:
        alice.press(CUSTOMER, "Hold")
        alice.page.wait_for_timeout(10_000)
        alice.sees(CUSTOMER, "talking")
    finally:
        valkey.nodes[0].thaw()
    alice.sees(CUSTOMER, "held")
    alice.ready()


def test_an_answer_that_is_lost_is_said_and_the_next_one_has_sound(world: World, open_phone: Open) -> None:
    """The connection to Vonage is cut while the browser is asked for the microphone."""
    alice = open_phone("Alice", network_fails=True)
    caller = world.caller(CUSTOMER, room=None)
    call = alice.sees(CUSTOMER, "incoming")
    alice.until(lambda: call.evaluate("(element) => Boolean(element.card.call.leg)"))
    alice.page.evaluate(ANSWER)
    world.do(partial(world.sdk.cut, "Alice"))
    alice.says("Answer: the connection is lost")
    alice.ready()
    alice.press(CUSTOMER, "Answer")
    call = alice.sees(CUSTOMER, "talking")
    alice.until(lambda: leg_to(world, "Alice").hears(caller))
    expect(call).not_to_contain_text("The sound is lost")
