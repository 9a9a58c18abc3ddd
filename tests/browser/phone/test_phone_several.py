"""The phone with several calls: a second one, hold, transfers, conferences, recordings."""

from __future__ import annotations

from functools import partial

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.phone.phones import CUSTOMER, Open, PhonePage
from tests.control.world import AGENT, World
from vonage_simulator.ledger import Leg

SECOND = "447700900111"


def in_call(world: World, phone: PhonePage, number: str = CUSTOMER) -> Leg:
    """A telephone that talks to the user of *phone*."""
    caller = world.caller(number, room=None)
    phone.sees(number, "incoming")
    phone.press(number, "Answer")
    phone.sees(number, "talking")
    return caller


def leg_to(world: World, party: str) -> Leg:
    """The live leg to a user or a number."""
    found: Leg = world.until(lambda: next((leg for leg in world.legs() if leg.to == party and not leg.over), None))
    return found


def transfers(phone: PhonePage, who: str, to: str, how: str) -> None:
    """Begin a transfer with the dialog."""
    phone.press(who, "Transfer")
    dialog = phone.page.get_by_role("dialog")
    dialog.get_by_label("To a number, user or SIP address").fill(to)
    dialog.get_by_role("button", name=how).click()
    expect(dialog).to_have_count(0)


def test_a_call_is_held_and_resumed(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    caller = in_call(world, alice)
    alice.press(CUSTOMER, "Hold")
    alice.sees(CUSTOMER, "held")
    assert not leg_to(world, "Alice").hears(caller)
    alice.press(CUSTOMER, "Resume")
    alice.sees(CUSTOMER, "talking")
    alice.until(lambda: leg_to(world, "Alice").hears(caller))


def box(found: Locator) -> dict[str, float]:
    rectangle = found.bounding_box()
    assert rectangle is not None
    return {"x": rectangle["x"], "y": rectangle["y"], "height": rectangle["height"]}


@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_a_second_call_is_beside_the_first(world: World, open_phone: Open, size: str) -> None:
    """Both are in sight, neither covers the other; answering it puts the first on hold."""
    alice = open_phone("Alice", size=size)
    first = in_call(world, alice)
    world.caller(SECOND, room=None)
    ringing, talking = alice.sees(SECOND, "incoming"), alice.sees(CUSTOMER, "talking")
    above, below = sorted((box(ringing), box(talking)), key=lambda each: each["y"])
    assert above["y"] + above["height"] <= below["y"]
    expect(talking.get_by_role("button", name="Hang up")).to_be_in_viewport()
    expect(ringing.get_by_role("button", name="Answer")).to_be_in_viewport()
    alice.press(SECOND, "Answer")
    alice.sees(SECOND, "talking")
    alice.sees(CUSTOMER, "held")
    alice.press(CUSTOMER, "Resume")
    alice.sees(CUSTOMER, "talking")
    alice.sees(SECOND, "held")
    alice.press(CUSTOMER, "Hang up")
    alice.sees_none(CUSTOMER)
    world.known(first, "completed")
    alice.sees(SECOND, "held")


def test_a_second_call_is_ignored(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    in_call(world, alice)
    world.caller(SECOND, room=None)
    alice.sees(SECOND, "incoming")
    alice.press(SECOND, "Ignore")
    alice.sees(SECOND, "ignored")
    expect(alice.call(SECOND).get_by_role("button")).to_have_text(["Answer", "Reject"])


def test_a_blind_transfer(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    caller = in_call(world, alice)
    transfers(alice, CUSTOMER, AGENT, "Transfer now")
    alice.sees_none()
    agent = leg_to(world, AGENT)
    world.until(lambda: agent.hears(caller))


def test_a_transfer_with_a_consultation_is_swapped_and_completed(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    caller = in_call(world, alice)
    transfers(alice, CUSTOMER, AGENT, "Talk first")
    alice.sees(CUSTOMER, "held")
    consultation = alice.sees(AGENT, "consulting")
    expect(consultation).to_contain_text(f"Transfer of {CUSTOMER}")
    agent = leg_to(world, AGENT)
    expect(consultation.get_by_role("button", name="Swap")).to_be_visible()
    alice.press(AGENT, "Swap")
    alice.sees(AGENT, "held")
    alice.sees(CUSTOMER, "talking")
    alice.press(AGENT, "Complete")
    alice.sees_none()
    world.until(lambda: agent.hears(caller))


def test_a_transfer_is_cancelled(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    caller = in_call(world, alice)
    transfers(alice, CUSTOMER, AGENT, "Talk first")
    alice.sees(AGENT, "consulting")
    alice.press(AGENT, "Cancel the transfer")
    alice.sees_none(AGENT)
    alice.sees(CUSTOMER, "talking")
    alice.until(lambda: leg_to(world, "Alice").hears(caller))


def test_a_consultation_becomes_a_conference(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    caller = in_call(world, alice)
    transfers(alice, CUSTOMER, AGENT, "Talk first")
    alice.sees(AGENT, "consulting")
    agent = leg_to(world, AGENT)
    alice.press(AGENT, "Merge")
    alice.sees("Conference", "conference")
    alice.sees_none(AGENT)
    world.until(lambda: agent.hears(caller) and leg_to(world, "Alice").hears(agent))


def test_two_calls_become_a_conference_and_a_member_is_removed(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    first = in_call(world, alice)
    second = in_call(world, alice, SECOND)
    alice.sees(CUSTOMER, "held")
    alice.press(SECOND, "Conference")
    dialog = alice.page.get_by_role("dialog")
    expect(dialog.get_by_label(CUSTOMER)).to_be_checked()
    dialog.get_by_role("button", name="Join them").click()
    conference = alice.sees("Conference", "conference")
    world.until(lambda: first.hears(second))
    alice.until(lambda: sorted(conference.locator(".members bdi").all_inner_texts()) == [CUSTOMER, SECOND])
    conference.locator("li", has_text=CUSTOMER).get_by_role("button").click()
    world.known(first, "completed")
    expect(conference.locator(".members bdi")).to_have_text([SECOND])
    alice.press("Conference", "End for all")
    alice.sees_none()
    world.known(second, "completed")


def test_a_conference_is_on_hold_while_its_host_answers_another_call(world: World, open_phone: Open) -> None:
    world.ask("PUT", "/users/Alice", {"max_calls": 5})
    alice = open_phone("Alice")
    first = in_call(world, alice)
    transfers(alice, CUSTOMER, AGENT, "Talk first")
    alice.sees(AGENT, "consulting")
    alice.press(AGENT, "Merge")
    alice.sees("Conference", "conference")
    agent = leg_to(world, AGENT)
    world.until(lambda: agent.hears(first))
    world.caller(SECOND, room=None)
    alice.sees(SECOND, "incoming")
    alice.press(SECOND, "Answer")
    alice.sees(SECOND, "talking")
    alice.sees("Conference", "held")
    assert agent.hears(first), "the others go on"
    host = next(leg for leg in world.legs() if leg.to == "Alice" and not leg.over)
    assert host.earmuffed, "music on hold would be heard beside the other call"
    alice.press("Conference", "Resume")
    alice.sees("Conference", "conference")
    alice.sees(SECOND, "held")
    alice.until(lambda: host.hears(agent) and not host.earmuffed)
    alice.press(SECOND, "Resume")
    alice.sees(SECOND, "talking")
    alice.sees("Conference", "held")
    alice.until(lambda: host.earmuffed and not host.hears(agent) and agent.hears(first))


def test_a_second_press_after_hold_is_resume(world: World, open_phone: Open) -> None:
    """They share a place: who presses again asks for nothing else."""
    alice = open_phone("Alice")
    in_call(world, alice)
    expect(alice.call(CUSTOMER).locator("[data-quality]")).to_be_visible()  # a line above them
    hold = box(alice.call(CUSTOMER).get_by_role("button", name="Hold", exact=True))
    alice.press(CUSTOMER, "Hold")
    alice.sees(CUSTOMER, "held")
    resume = box(alice.call(CUSTOMER).get_by_role("button", name="Resume", exact=True))
    assert (resume["x"], resume["y"]) == (hold["x"], hold["y"])


@pytest.mark.parametrize("permissions", [0, 1, 2])
def test_recording_by_permission(world: World, open_phone: Open, permissions: int) -> None:
    world.ask("PUT", "/users/Alice", {"record_permissions": permissions})
    alice = open_phone("Alice")
    in_call(world, alice)
    call = alice.call(CUSTOMER)
    buttons = call.locator(".talking button:visible").filter(has_text="ecord")
    expect(buttons).to_have_text(["Record"] if permissions == 2 else [])
    conversation = leg_to(world, "Alice").conversation.uuid
    if permissions == 2:
        alice.press(CUSTOMER, "Record")
    else:
        world.ask("POST", f"/conversations/{conversation}/record", {"action": "start"})
    expect(call.locator("[data-recording]")).to_have_text("Recording")
    expect(buttons).to_have_text([[], ["Pause recording"], ["Pause recording", "Stop recording"]][permissions])
    if permissions:
        alice.press(CUSTOMER, "Pause recording")
        expect(call.locator("[data-recording]")).to_have_text("Recording paused")
        alice.press(CUSTOMER, "Resume recording")
        expect(call.locator("[data-recording]")).to_have_text("Recording")
    if permissions == 2:
        alice.press(CUSTOMER, "Stop recording")
        expect(call.locator("[data-recording]")).to_be_hidden()
    world.do(partial(world.carrier.people.hang_up, leg_to(world, "Alice").uuid))
    alice.sees_none()


def test_a_guest_turns_to_another_call_and_comes_back(world: World, open_phone: Open) -> None:
    """The conference is another user's: it goes on, and the guest hears it again."""
    world.ask("PUT", "/users/Alice", {"max_calls": 5})
    alice, bob = open_phone("Alice"), open_phone("Bob")
    other = in_call(world, alice, SECOND)
    alice.dial("Bob")
    bob.sees("Alice", "incoming")
    bob.press("Alice", "Answer")
    bob.sees("Alice", "talking")
    alice.sees("Bob", "talking")
    alice.sees(SECOND, "held")
    transfers(bob, "Alice", AGENT, "Talk first")
    bob.sees(AGENT, "consulting")
    bob.press(AGENT, "Merge")
    bob.sees("Conference", "conference")
    alice.sees("Conference", "conference")
    agent = leg_to(world, AGENT)
    guest = next(leg for leg in world.legs() if leg.from_user == "Alice" and not leg.over)
    alice.until(lambda: guest.hears(agent) and agent.hears(guest))
    alice.press(SECOND, "Resume")
    alice.sees(SECOND, "talking")
    alice.sees("Conference", "held")
    alice.until(lambda: not agent.hears(guest) and not guest.hears(agent))
    alice.press("Conference", "Resume")
    alice.sees(SECOND, "held")
    alice.sees("Conference", "conference")
    alice.until(lambda: guest.hears(agent) and agent.hears(guest) and not guest.earmuffed)
    alice.press("Conference", "Mute")
    unmute = alice.call("Conference").get_by_role("button", name="Unmute", exact=True)
    expect(unmute).to_be_visible()
    alice.press(SECOND, "Resume")
    alice.sees(SECOND, "talking")
    alice.until(lambda: guest.earmuffed)
    alice.press("Conference", "Resume")
    alice.sees(SECOND, "held")
    alice.until(lambda: not guest.earmuffed)
    expect(unmute).to_be_visible()
    assert guest.muted, "who was muted by choice comes back muted"
    assert not other.over
