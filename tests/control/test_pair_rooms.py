"""A pair that a `connect` joined is moved into a room, where CONNECT_TO_ROOM says so: at carriers of both kinds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.control.test_killed import another_worker, mortal
from tests.control.world import AGENT, CALLER, World, world_of
from tests.engines import Engine
from vonage_simulator.voice_api.faults import FaultRule

SECOND = "447700900106"


@pytest.fixture(scope="module")
def lasting(valkey: Engine, carrier_folder: object) -> Iterator[World]:
    carrier = {"application": {"calls_per_second": None}}
    with world_of(carrier_folder, valkey.address.url, carrier=carrier, connect_to_room="try") as world:  # type: ignore[arg-type]
        yield world


@pytest.fixture
def world(lasting: World, valkey: Engine) -> World:
    """At a carrier that leaves a leg for a while where its pair was."""
    lasting.emptied(valkey)
    behave(lasting, left_behind="ends", left_behind_seconds=30.0)
    return lasting


def behave(world: World, **behaviour: object) -> None:
    world.carrier.behaviour = replace(world.carrier.behaviour, **behaviour)  # type: ignore[arg-type]


@pytest.mark.parametrize("left_behind", ["stays", "ends"])
def test_a_pair_is_really_held(world: World, left_behind: str) -> None:
    behave(world, left_behind=left_behind)
    caller, agent = world.pair()
    held = world.act(caller, "hold")
    assert held.status_code == 200, held.text
    world.until(lambda: world.control(caller)["hold"] == "held")
    assert not caller.hears(agent)
    assert world.act(caller, "resume").status_code == 200
    world.until(lambda: caller.hears(agent) and agent.hears(caller))
    assert (caller.conversation.name or "").startswith("call-")
    assert len(world.ask("GET", f"/calls/{caller.uuid}").json["legs"]) == 2, "it is one call still"
    world.do(lambda: world.carrier.people.hang_up(agent.uuid))
    world.known(caller, "completed")
    world.until(lambda: not world.open_operations())


def test_a_muted_leg_comes_muted_into_the_room(world: World) -> None:
    caller, agent = world.pair()
    assert world.act(agent, "mute").status_code == 200
    assert world.act(caller, "hold").status_code == 200
    assert world.act(caller, "resume").status_code == 200
    world.until(lambda: agent.hears(caller))
    assert agent.muted
    assert world.control(agent)["muted"]


def test_a_pair_consults_and_puts_through(world: World) -> None:
    caller, agent = world.pair()
    path = world.consults(agent, SECOND)
    assert world.ask("POST", f"{path}/complete").status_code == 200
    second = next(leg for leg in world.legs() if leg.to == SECOND and not leg.over)
    world.until(lambda: second.hears(caller) and agent.over)


def test_a_pair_becomes_a_conference(world: World) -> None:
    caller, agent = world.pair()
    other, second = world.in_room(CALLER, SECOND, room="two")
    assert world.act(second, "hold").status_code == 200
    body = {"host_call_id": agent.uuid, "participant_call_ids": [caller.uuid, second.uuid]}
    response = world.ask("POST", "/conferences", body)
    assert response.status_code == 201, response.text
    everybody = (caller, agent, second)
    world.until(lambda: all(one.hears(two) for one in everybody for two in everybody if one is not two))
    world.until(lambda: other.over)
    world.ask("DELETE", f"/conferences/{response.json['conference_id']}")


def test_where_vonage_ends_who_is_left_behind_nobody_stays_alone(world: World) -> None:
    """At once: the pair is lost. That is said, and the other one is not left in silence."""
    behave(world, left_behind_seconds=0.0)
    caller, agent = world.pair()
    held = world.act(caller, "hold")
    assert (held.status_code, held.json["title"]) == (409, "Not in a state for it"), held.text
    assert "connect_pair" in held.json["detail"]
    for leg in (caller, agent):
        world.known(leg, "completed")
    world.until(lambda: not world.open_operations())


def test_what_vonage_refuses_changes_nothing(world: World) -> None:
    caller, agent = world.pair()
    with world.faults(FaultRule(fault="400", verbs=("transfer",))):
        held = world.act(caller, "hold")
    assert held.status_code == 409, held.text
    assert "nothing has changed" in held.json["detail"]
    assert caller.hears(agent)
    assert agent.hears(caller)
    world.until(lambda: not world.open_operations())


def test_after_a_failed_try_it_can_be_tried_again(world: World) -> None:
    """The NCCO that Vonage refused leads nowhere: the two are a pair still."""
    caller, agent = world.pair()
    with world.faults(FaultRule(fault="400", verbs=("transfer",))):
        assert world.act(caller, "hold").status_code == 409
    held = world.act(caller, "hold")
    assert held.status_code == 200, held.text
    assert world.act(caller, "resume").status_code == 200
    world.until(lambda: caller.hears(agent))


@pytest.mark.parametrize("fault", ["400", "500", "cut"])
def test_a_leg_that_cannot_follow_is_not_left_in_silence(world: World, fault: Any) -> None:
    """At a carrier that ends nobody who is left behind. In silence they stayed, and nothing could be done to them."""
    behave(world, left_behind="stays")
    caller, agent = world.pair()
    with world.faults(FaultRule(fault=fault, verbs=("transfer",), first=2)):
        assert world.act(caller, "hold").status_code == 409
        for leg in (caller, agent):
            world.known(leg, "completed")
    world.until(lambda: not world.open_operations())


def test_a_leg_that_could_not_follow_at_once_does_so_a_moment_later(world: World) -> None:
    behave(world, left_behind="stays")
    caller, agent = world.pair()
    with world.faults(FaultRule(fault="500", verbs=("transfer",), first=2, count=1)):
        held = world.act(caller, "hold").status_code
        if held == 409:  # the second try may come while the request waits
            world.until(lambda: caller.hears(agent) and caller.conversation.name)
    world.until(lambda: held == 200 or world.act(caller, "hold").status_code == 200)
    world.until(lambda: world.control(caller)["hold"] == "held")


@pytest.mark.parametrize("left_behind", ["stays", "ends"])
def test_a_move_that_is_carried_out_late_leaves_nobody_alone(world: World, left_behind: str) -> None:
    """After it was looked up, and nothing had changed yet."""
    behave(world, left_behind=left_behind, left_behind_seconds=0.0)
    caller, agent = world.pair()
    with world.faults(FaultRule(fault="slow", verbs=("transfer",), count=1, seconds=5.0)):
        assert world.act(caller, "hold").status_code == 409
        if left_behind == "ends":
            for leg in (caller, agent):
                world.known(leg, "completed")
        else:
            world.until(lambda: agent.hears(caller) and agent.conversation.name)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("when", [3, 6])
def test_a_worker_is_killed_as_the_pair_moves(
    world: World, monkeypatch: pytest.MonkeyPatch, when: int, after: bool
) -> None:
    behave(world, left_behind="stays")
    # On a busy machine a worker may take half a second for one request, and be overtaken before it is killed.
    monkeypatch.setattr("tests.control.test_killed.LEASE", 2.0)
    caller, agent = world.pair()
    with mortal(world, monkeypatch, when, after=after) as worker:
        world.act(caller, "hold")
        world.until(lambda: worker.killed)
        with another_worker(world, monkeypatch):
            world.until(lambda: (agent.conversation.name or "").startswith("call-"))
            world.until(lambda: not caller.hears(agent) or (caller.conversation.name or "").startswith("call-"))
    assert not caller.over
    assert not agent.over


def test_without_the_setting_a_conference_of_a_pair_is_refused(other_valkey: Engine, carrier_folder: object) -> None:
    with world_of(carrier_folder, other_valkey.address.url) as world:  # type: ignore[arg-type]
        caller, agent = world.pair()
        _, second = world.in_room(CALLER, AGENT, room="two")
        body = {"host_call_id": agent.uuid, "participant_call_ids": [caller.uuid, second.uuid]}
        refused = world.ask("POST", "/conferences", body)
        assert refused.status_code == 409
        assert "connect_pair" in refused.json["detail"]
        assert caller.hears(agent)
