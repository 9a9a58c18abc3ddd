"""Transfers with the carrier at the other side: who hears whom, and who is left."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from app.control.vonage_client import Response, VonageClient
from app.store.feed import OPERATION
from tests.control.world import AGENT, BUSY, CALLER, RINGS, World
from vonage_simulator.ledger import Leg

THIRD = "447700900105"


def begun(world: World, initiator: Leg, to: str, **more: Any) -> Any:
    response = world.ask("POST", "/transfers", {"initiator_call": initiator.uuid, "to": to} | more)
    assert response.status_code == 201, response.text
    return response.json


def transfer(world: World, id_: str) -> Any:
    return world.ask("GET", f"/transfers/{id_}").json


def becomes(world: World, id_: str, status: str) -> Any:
    world.until(lambda: transfer(world, id_)["status"] == status)
    return transfer(world, id_)


def recipient_of(world: World, id_: str) -> Leg:
    uuid = world.until(lambda: transfer(world, id_)["recipient_call"])
    return world.carrier.ledger.legs[uuid]


def test_an_attended_transfer_that_is_completed(world: World) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    id_ = begun(world, agent, THIRD)["id"]
    becomes(world, id_, "answered")
    recipient = recipient_of(world, id_)
    world.until(lambda: agent.hears(recipient))
    assert not customer.hears(agent)
    assert world.control(customer)["hold"] == "held"
    assert world.ask("POST", f"/transfers/{id_}/complete", {}).status_code == 200
    assert becomes(world, id_, "ended")["outcome"] == "completed"
    world.until(lambda: customer.hears(recipient) and agent.over)
    assert not customer.over
    assert world.control(customer)["hold"] is None


def test_an_attended_transfer_that_is_cancelled_brings_both_back(world: World) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    id_ = begun(world, agent, THIRD)["id"]
    becomes(world, id_, "answered")
    recipient = recipient_of(world, id_)
    assert world.ask("DELETE", f"/transfers/{id_}").status_code == 200
    world.until(lambda: agent.hears(customer) and recipient.over)
    becomes(world, id_, "ended")


def test_a_recipient_who_is_busy_brings_both_back(world: World) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    found = begun(world, agent, BUSY)
    assert becomes(world, found["id"], "ended")["outcome"] == "cancelled"
    world.until(lambda: agent.hears(customer))


def test_an_initiator_who_hangs_up_while_it_rings_has_transferred_blindly(world: World) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    id_ = begun(world, agent, RINGS, timeout=60)["id"]
    becomes(world, id_, "ringback")
    world.act(agent, "hangup")
    becomes(world, id_, "blind_transferred")
    assert not customer.over


def test_swap_and_merge(world: World) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    id_ = begun(world, agent, THIRD)["id"]
    becomes(world, id_, "answered")
    recipient = recipient_of(world, id_)
    assert world.ask("POST", f"/transfers/{id_}/swap", {}).status_code == 200
    world.until(lambda: agent.hears(customer) and not agent.hears(recipient))
    world.until(lambda: transfer(world, id_)["pending"] is None)
    assert world.ask("POST", f"/transfers/{id_}/merge", {}).status_code == 200
    world.until(lambda: agent.hears(customer) and agent.hears(recipient) and customer.hears(recipient))
    found = becomes(world, id_, "ended")
    assert found["outcome"] == "merged"
    conference = world.ask("GET", f"/conferences/{found['conference_id']}").json
    assert {conference["host"], *conference["participants"]} == {agent.uuid, customer.uuid, recipient.uuid}


def test_a_blind_transfer(world: World) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    id_ = begun(world, agent, THIRD, flow="blind")["id"]
    recipient = recipient_of(world, id_)
    becomes(world, id_, "ended")
    world.until(lambda: customer.hears(recipient) and agent.over)


def test_a_blind_transfer_to_somebody_busy_recalls_the_agent(world: World) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    id_ = begun(world, agent, BUSY, flow="blind")["id"]
    becomes(world, id_, "ended")
    world.until(lambda: agent.hears(customer))
    assert not agent.over


def test_a_leg_in_a_transfer_is_not_put_on_hold_by_hand(world: World) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    id_ = begun(world, agent, THIRD)["id"]
    becomes(world, id_, "answered")
    for verb, body in (("resume", {}), ("transfer", {"flow": "goodbye"})):
        response = world.act(customer, verb, body)
        assert (response.status_code, response.json["operation_id"]) == (409, id_)
    again = world.ask("POST", "/transfers", {"initiator_call": agent.uuid, "to": THIRD})
    assert again.status_code == 409


def test_a_pair_is_transferred_blindly(world: World) -> None:
    caller, agent = world.pair()
    refused = world.ask("POST", "/transfers", {"initiator_call": agent.uuid, "to": THIRD})
    assert refused.status_code == 409
    assert "connect_pair" in refused.json["detail"]
    id_ = begun(world, agent, THIRD, flow="blind")["id"]
    recipient = recipient_of(world, id_)
    world.until(lambda: caller.hears(recipient))
    world.known(agent, "completed")
    assert not caller.over
    world.act(recipient, "hangup")
    world.until(lambda: transfer(world, id_)["status"] == "ended")


def test_a_pair_whose_recipient_is_busy_hears_the_fallback(world: World) -> None:
    caller, agent = world.pair()
    fallback = {"ncco": [{"action": "conversation", "name": "fallback"}]}
    begun(world, agent, BUSY, flow="blind", fallback=fallback)
    world.until(lambda: caller.conversation.name == "fallback")
    world.known(agent, "completed")
    assert not caller.over


def test_who_is_muted_during_a_consultation_stays_muted_after_it(world: World) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    id_ = begun(world, agent, THIRD)["id"]
    becomes(world, id_, "answered")
    assert world.act(customer, "mute").status_code == 200
    world.ask("DELETE", f"/transfers/{id_}")
    becomes(world, id_, "ended")
    world.until(lambda: customer.hears(agent) and customer.muted)
    assert world.control(customer)["muted"] is True


def test_the_recipient_belongs_to_the_transfer_and_stays_muted_through_a_swap(world: World) -> None:
    agent, customer = world.in_room(AGENT, CALLER)
    id_ = begun(world, agent, THIRD)["id"]
    becomes(world, id_, "answered")
    recipient = recipient_of(world, id_)
    assert world.act(recipient, "transfer", {"flow": "goodbye"}).json.get("operation_id") == id_
    assert world.act(recipient, "mute").status_code == 200
    for talks in (customer, recipient):
        assert world.ask("POST", f"/transfers/{id_}/swap", {}).status_code == 200
        world.until(partial(talks.hears, agent))
        world.until(lambda: transfer(world, id_)["pending"] is None)
    world.until(lambda: recipient.hears(agent))
    assert recipient.muted
    assert world.control(recipient)["muted"] is True


def test_legs_can_be_moved_by_hand_after_a_transfer_of_which_no_webhook_came(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.domain.step_log.CONFIRM_SECONDS", 0.3)
    agent, customer = world.in_room(AGENT, CALLER)
    real = VonageClient.send

    def send(self: VonageClient, host: str, method: Any, path: str, body: Any) -> Response:
        moves = body.get("action") == "transfer"
        return Response(204, {}) if moves else real(self, host, method, path, body)

    with monkeypatch.context() as patch:
        patch.setattr(VonageClient, "send", send)
        id_ = begun(world, agent, BUSY)["id"]
        becomes(world, id_, "ended")
        world.until(lambda: world.control(customer)["moving"] is None)
    response = world.act(customer, "hold")
    assert response.status_code == 200, response.text
    world.until(lambda: world.control(customer)["hold"] == "held")


def test_each_decision_is_news_to_whoever_follows_the_calls(world: World) -> None:
    """It is no event of theirs, and nothing need be sent because of it."""
    agent, customer = world.in_room(AGENT, CALLER)
    store, conversation = world.services.store, customer.conversation.uuid
    before = store.latest()
    id_ = begun(world, agent, THIRD)["id"]
    becomes(world, id_, "answered")
    world.ask("DELETE", f"/transfers/{id_}")
    becomes(world, id_, "ended")

    def news() -> list[str]:
        found = store.entries(before, 1000) or []
        return [each.conversation for entries in found for each in entries if each.kind == OPERATION]

    decisions = [entry.name for entry in store.log_of(id_) if entry.kind == "decision"]
    assert decisions == ["ringback", "answered", "cancelled", "ended"]
    world.until(lambda: news().count(conversation) == len(decisions))
