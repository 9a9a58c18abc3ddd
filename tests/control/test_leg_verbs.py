"""What can be done to one leg, with the carrier at the other side."""

from __future__ import annotations

from tests.control.world import AGENT, CALLER, World


def test_a_leg_is_muted_and_unmuted(world: World) -> None:
    leg = world.caller()
    response = world.act(leg, "mute")
    assert response.status_code == 200, response.text
    assert (response.status_code, response.json["state"], response.json["confirmed_by"]) == (200, "confirmed", "reply")
    assert leg.muted
    assert world.control(leg)["muted"] is True
    assert world.act(leg, "unmute").status_code == 200
    assert not leg.muted
    assert world.control(leg)["muted"] is False


def test_a_leg_is_hung_up_and_that_is_confirmed_by_its_end(world: World) -> None:
    leg = world.caller()
    response = world.act(leg, "hangup")
    assert response.status_code == 200, response.text
    world.known(leg, "completed")
    found = world.action(response.json["id"])
    assert (found["state"], found["confirmed_by"]) == ("confirmed", "webhook")
    assert leg.disconnected_by == "platform"
    again = world.act(leg, "hangup")
    assert (again.status_code, again.json["state"]) == (200, "confirmed")


def test_hold_and_resume(world: World) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    room = customer.conversation
    assert world.act(customer, "mute").status_code == 200
    response = world.act(customer, "hold")
    assert response.status_code == 200, response.text
    world.until(lambda: world.control(customer)["hold"] == "held")
    assert customer.conversation is not room
    assert world.action(response.json["id"])["confirmed_by"] == "webhook"
    response = world.act(customer, "resume")
    assert response.status_code == 200, response.text
    world.until(lambda: world.control(customer)["hold"] is None)
    world.until(lambda: customer.conversation is room)
    world.until(lambda: customer.muted)
    assert world.control(customer)["muted"] is True
    assert not agent.over
