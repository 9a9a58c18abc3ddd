"""Conferences with the carrier at the other side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.control.world import AGENT, CALLER, World
from vonage_simulator.ledger import Leg

SECOND, THIRD = "447700900105", "447700900106"


def begun(world: World, host: Leg, *participants: Leg, **more: Any) -> str:
    body = {"host_call_id": host.uuid, "participant_call_ids": [leg.uuid for leg in participants]}
    response = world.ask("POST", "/conferences", body | more)
    assert response.status_code == 201, response.text
    return str(response.json["conference_id"])


def conference(world: World, id_: str) -> Any:
    return world.ask("GET", f"/conferences/{id_}").json


def joined(world: World, id_: str) -> set[str]:
    return {member["call_id"] for member in conference(world, id_)["members"] if member["status"] == "joined"}


def all_hear(*legs: Leg) -> bool:
    return all(one.hears(other) for one in legs for other in legs if one is not other)


def two_calls(world: World) -> tuple[Leg, Leg, Leg, Leg]:
    """The host's two legs and whom they talk to: the first is on hold."""
    host, customer = world.in_room(AGENT, CALLER, room="one")
    world.act(customer, "hold")
    world.until(lambda: world.control(customer)["hold"] == "held")
    second_host, second = world.in_room(AGENT, SECOND, room="two")
    return host, customer, second_host, second


def three(world: World, **more: Any) -> tuple[str, Leg, Leg, Leg]:
    """A conference of a host and two others."""
    host, customer, _, second = two_calls(world)
    id_ = begun(world, host, customer, second, **more)
    world.until(lambda: joined(world, id_) == {host.uuid, customer.uuid, second.uuid})
    return id_, host, customer, second


def test_two_calls_become_one_and_the_hosts_other_leg_is_hung_up(world: World) -> None:
    host, customer, second_host, second = two_calls(world)
    id_ = begun(world, host, customer, second)
    world.until(lambda: joined(world, id_) == {host.uuid, customer.uuid, second.uuid})
    assert all_hear(host, customer, second)
    world.known(second_host, "completed")
    found = conference(world, id_)
    assert (found["host"], set(found["participants"])) == (host.uuid, {customer.uuid, second.uuid})
    assert (found["started"], found["finished"]) == (True, False)
    assert found["conversation_uuid"] == host.conversation.uuid
    assert world.control(customer)["hold"] is None


def test_one_is_removed_and_the_others_go_on_until_one_is_left(world: World) -> None:
    id_, host, customer, second = three(world)
    response = world.ask("DELETE", f"/conferences/{id_}/participants/{customer.uuid}")
    assert response.status_code == 200, response.text
    world.known(customer, "completed")
    assert all_hear(host, second)
    world.ask("DELETE", f"/conferences/{id_}/participants/{second.uuid}")
    world.known(host, "completed")
    world.until(lambda: conference(world, id_)["finished"])
    assert conference(world, id_)["participants"] == []


def test_one_is_detached_and_is_on_hold_for_the_host(world: World) -> None:
    id_, host, customer, second = three(world)
    world.ask("DELETE", f"/conferences/{id_}/participants/{customer.uuid}?mode=detach")
    world.until(lambda: world.control(customer)["hold"] == "held")
    assert not customer.over
    assert all_hear(host, second)


@pytest.mark.parametrize("resumed", [False, True])
def test_who_was_detached_can_be_added_again(world: World, resumed: bool) -> None:
    id_, host, customer, second = three(world)
    world.ask("DELETE", f"/conferences/{id_}/participants/{customer.uuid}?mode=detach")
    world.until(lambda: world.control(customer)["hold"] == "held")
    if resumed:  # alone in its room, where nobody waits for it
        assert world.act(customer, "resume").status_code == 200
        world.until(lambda: world.control(customer)["hold"] is None)
    response = world.ask("PUT", f"/conferences/{id_}/participants/{customer.uuid}", {})
    assert response.status_code == 200, response.text
    world.until(lambda: customer.uuid in joined(world, id_))
    assert all_hear(host, customer, second)
    world.until(lambda: world.control(customer)["hold"] is None)


def test_the_host_is_not_removed_but_hung_up(world: World) -> None:
    id_, host, _, _ = three(world)
    response = world.ask("DELETE", f"/conferences/{id_}/participants/{host.uuid}")
    assert (response.status_code, response.json["detail"]) == (
        409,
        "It is the host: hang it up, or end the conference.",
    )


def test_the_end_is_the_end_for_all(world: World) -> None:
    id_, host, customer, second = three(world)
    assert world.ask("DELETE", f"/conferences/{id_}").status_code == 200
    for leg in (host, customer, second):
        world.known(leg, "completed")
    world.until(lambda: conference(world, id_)["finished"])


def test_when_the_host_leaves_all_are_hung_up(world: World) -> None:
    id_, host, customer, second = three(world)
    world.act(host, "hangup")
    for leg in (customer, second):
        world.known(leg, "completed")
    world.until(lambda: conference(world, id_)["finished"])


def test_when_the_host_leaves_the_others_may_go_on(world: World) -> None:
    id_, host, customer, second = three(world, host_leaves="hand_over")
    world.act(host, "hangup")
    world.known(host, "completed")
    world.until(lambda: conference(world, id_)["host"] != host.uuid)
    assert all_hear(customer, second)
    world.act(second, "hangup")
    world.known(customer, "completed")


def test_another_call_is_added(world: World) -> None:
    id_, host, customer, second = three(world)
    agent, third = world.in_room(AGENT, THIRD, room="three")
    response = world.ask("PUT", f"/conferences/{id_}/participants/{third.uuid}", {})
    assert response.status_code == 200, response.text
    world.until(lambda: third.uuid in joined(world, id_))
    assert all_hear(host, customer, second, third)
    world.known(agent, "completed")
    again = world.ask("PUT", f"/conferences/{id_}/participants/{third.uuid}", {})
    assert (again.status_code, again.json["error_id"]) == (409, "participant-already-in-conference")
    assert all_hear(host, customer, second, third), "adding twice changes nothing"


def test_two_are_removed_at_once(world: World) -> None:
    id_, host, customer, second = three(world)
    with ThreadPoolExecutor(2) as pool:
        paths = [f"/conferences/{id_}/participants/{leg.uuid}" for leg in (customer, second)]
        found = list(pool.map(lambda path: world.ask("DELETE", path).status_code, paths))
    assert found == [200, 200]
    for leg in (host, customer, second):
        world.known(leg, "completed")
    world.until(lambda: conference(world, id_)["finished"])


@pytest.mark.parametrize("wrong", ["unknown host", "unknown participant", "host alone", "nobody"])
def test_everything_is_checked_before_anybody_moves(world: World, wrong: str) -> None:
    host, customer, _, second = two_calls(world)
    alone = world.caller()
    ids = {
        "unknown host": ("none", [customer.uuid], 404, "host-call-not-found"),
        "unknown participant": (host.uuid, [second.uuid, "none"], 404, "participant-call-not-found"),
        "host alone": (alone.uuid, [customer.uuid], 404, "host-call-creation-error"),
        "nobody": (host.uuid, [], 422, None),
    }
    one, others, status, error = ids[wrong]
    before = [len(leg.moves) for leg in (host, customer, second)]
    response = world.ask("POST", "/conferences", {"host_call_id": one, "participant_call_ids": others})
    assert (response.status_code, response.json.get("error_id")) == (status, error), response.text
    assert [len(leg.moves) for leg in (host, customer, second)] == before
    assert world.ask("GET", "/conferences").json["items"] == []


def test_the_host_is_on_hold_while_the_others_go_on(world: World) -> None:
    id_, host, customer, second = three(world)
    path = f"/conferences/{id_}/participants/{host.uuid}"
    assert world.ask("POST", f"{path}/hold", {}).status_code == 200
    world.until(lambda: not host.hears(customer))
    assert all_hear(customer, second)
    world.until(lambda: world.control(host)["hold"] == "held")
    assert world.ask("POST", f"{path}/resume", {}).status_code == 200
    world.until(lambda: all_hear(host, customer, second))
    assert world.ask("POST", f"{path}/resume", {}).status_code == 409


def test_who_was_detached_is_resumed_by_hand_once_the_host_is_back(world: World) -> None:
    """Otherwise the two would wait for each other, one with music and one in silence, until they give up."""
    id_, host, customer, second = three(world)
    world.ask("DELETE", f"/conferences/{id_}/participants/{customer.uuid}?mode=detach")
    world.until(lambda: world.control(customer)["hold"] == "held")
    assert world.act(host, "hold").status_code == 409, "the host is in the conference"
    world.ask("DELETE", f"/conferences/{id_}/participants/{second.uuid}")
    world.until(lambda: conference(world, id_)["finished"])
    world.until(lambda: world.control(host)["moving"] is None)
    response = world.act(customer, "resume")
    assert response.status_code == 200, response.text
    world.until(lambda: all_hear(host, customer))
    world.until(lambda: world.control(customer)["hold"] is None)
    response = world.act(customer, "hold")
    assert response.status_code == 200, response.text


def test_who_is_added_stays_muted_and_belongs_to_the_conference(world: World) -> None:
    id_, host, _, _ = three(world)
    _, third = world.in_room(AGENT, THIRD, room="three")
    assert world.act(third, "mute").status_code == 200
    world.ask("PUT", f"/conferences/{id_}/participants/{third.uuid}", {})
    world.until(lambda: third.uuid in joined(world, id_))
    assert third.hears(host)
    assert third.muted
    assert world.control(third)["muted"] is True
    refused = world.act(third, "hold")
    assert (refused.status_code, refused.json.get("operation_id")) == (409, id_)
    world.act(third, "unmute")
    member = f"/conferences/{id_}/participants/{third.uuid}"
    assert world.ask("POST", f"{member}/hold", {}).status_code == 200
    world.until(lambda: world.control(third)["hold"] == "held")
    assert world.ask("POST", f"{member}/resume", {}).status_code == 200
    world.until(lambda: host.hears(third))
    assert world.control(third)["muted"] is False
