"""The phone: a call comes in and goes out, is talked in, and ends."""

from __future__ import annotations

import re
from functools import partial

from playwright.sync_api import expect

from tests.browser.phone.phones import CUSTOMER, Open
from tests.control.world import BUSY, World
from vonage_simulator.ledger import Leg

SPEED = 1.0  # of the carrier: timers are of its clock
NAMED = "447700900150"  # Mrs Lovelace


def test_the_tutorial_to_the_letter(world: World, open_phone: Open) -> None:
    """A telephone calls Alice: "please hold", the box changes, Answer, they talk, hang up."""
    alice = open_phone("Alice")
    caller = world.caller(CUSTOMER, room=None)
    call = alice.sees(CUSTOMER, "incoming")
    expect(call.get_by_role("button")).to_have_text(["Answer", "Reject", "Ignore"])
    alice.press(CUSTOMER, "Answer")
    call = alice.sees(CUSTOMER, "talking")
    expect(call.get_by_role("timer")).to_have_text(re.compile("0:0[1-9]"))
    alice.press(CUSTOMER, "Hang up")
    alice.sees_none()
    alice.says(f"The call with {CUSTOMER} is over.")
    world.known(caller, "completed")


def test_the_caller_hangs_up(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    caller = world.caller(NAMED, room=None)
    alice.sees("Mrs Lovelace", "incoming")
    expect(alice.call("Mrs Lovelace")).to_contain_text(NAMED)
    alice.press("Mrs Lovelace", "Answer")
    alice.sees("Mrs Lovelace", "talking")
    world.do(partial(world.carrier.people.hang_up, caller.uuid))
    alice.sees_none()


def test_a_call_that_is_rejected_leads_the_caller_to_the_voicemail(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    caller = world.caller(CUSTOMER, room=None)
    alice.sees(CUSTOMER, "incoming")
    alice.press(CUSTOMER, "Reject")
    alice.sees_none()
    alice.until(lambda: any("leave a message" in words for words in said(caller)))


def test_a_caller_who_gives_up_is_a_missed_call(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    caller = world.caller(CUSTOMER, room=None)
    alice.sees(CUSTOMER, "incoming")
    expect(alice.page).to_have_title(re.compile(f"^{CUSTOMER} calls"))
    world.do(partial(world.carrier.people.hang_up, caller.uuid))
    alice.sees_none()
    alice.says(f"Missed call from {CUSTOMER}")
    expect(alice.page).to_have_title(re.compile("^Phone"))


def test_alice_calls_a_telephone_mutes_herself_and_sends_keys(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    alice.dial("+44 7700 900102")
    call = alice.sees("447700900102", "talking")
    leg = world.until(lambda: next((leg for leg in world.legs() if leg.from_user == "Alice"), None))
    alice.press("447700900102", "Mute")
    expect(call.get_by_role("button", name="Unmute")).to_have_attribute("aria-pressed", "true")
    world.until(lambda: leg.muted)
    alice.press("447700900102", "Unmute")
    expect(call.get_by_role("button", name="Mute", exact=True)).to_have_attribute("aria-pressed", "false")
    world.until(lambda: not leg.muted)
    alice.press("447700900102", "Keypad")
    for key in "12#":
        call.locator(".keypad").get_by_role("button", name=key, exact=True).click()
    expect(call.locator(".digits")).to_have_text("12#")
    alice.press("447700900102", "Hang up")
    alice.sees_none()


def test_a_telephone_that_is_busy(open_phone: Open) -> None:
    alice = open_phone("Alice")
    alice.dial(BUSY)
    alice.sees(BUSY, "system")  # the flow says that nobody answers


def test_alice_calls_bob(world: World, open_phone: Open) -> None:
    alice, bob = open_phone("Alice"), open_phone("Bob")
    alice.page.get_by_role("tabpanel", name="Contacts").get_by_role("button", name="Bob").click()
    bob.sees("Alice", "incoming")
    bob.press("Alice", "Answer")
    bob.sees("Alice", "talking")
    alice.sees("Bob", "talking")
    bob.press("Alice", "Hang up")
    alice.sees_none()
    bob.sees_none()


def said(leg: Leg) -> list[str]:
    """What was spoken to a leg."""
    return [span.value.what for span in leg.played if span.value.kind == "talk"]
