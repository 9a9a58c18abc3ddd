"""Calls of a flow to users are rooms: the caller waits in one, and the user is called into it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.api.site import OPERATOR
from tests.control.world import CALLER, World, world_of
from tests.engines import Engine
from vonage_simulator.ledger import Leg
from vonage_simulator.scenario import FarEnd

FLOWS = Path(__file__).parent / "room_flows.yaml"
ALONE, BUSY, AFTER, GROUP, NOBODY = (f"44100000000{number}" for number in range(1, 6))


@pytest.fixture(scope="module")
def lasting(valkey: Engine, carrier_folder: Path) -> Iterator[World]:
    carrier = {"application": {"calls_per_second": None}}
    with world_of(carrier_folder, valkey.address.url, carrier=carrier, flows_file=FLOWS) as world:
        yield world


@pytest.fixture
def world(lasting: World, valkey: Engine) -> World:
    valkey.flush()
    for user in ("Alice", "Busy", "Nobody"):
        lasting.services.store.set_user(user, {"max_calls": 50})
    return lasting


def calls(world: World, to: str, **more: Any) -> Leg:
    """A caller of *to*, once the app knows the leg is answered."""
    return world.caller(from_=f"44770090{secrets.randbelow(10000):04}", to=to, room=None, **more)


def rung(world: World, caller: Leg, user: str) -> Leg:
    """The leg by which *user* is called for *caller*."""

    def found() -> Leg | None:
        legs = [leg for leg in world.legs() if leg.to == user]
        return next(iter(legs), None)

    return world.until(found)


def room_of(world: World, caller: Leg) -> Any:
    """The room of the carrier in which *caller* is, once another leg is there."""

    def found() -> Any:
        conversation = caller.conversation
        return (conversation.name or "").startswith("call-") and len(conversation.present) == 2 and conversation

    return world.until(found)


def call_of(world: World, leg: Leg) -> Any:
    """The call that the app shows for the leg."""
    response = world.ask("GET", f"/calls/{leg.uuid}")
    if "Location" in response.headers:
        response = world.ask("GET", response.headers["Location"].removeprefix("/api/v1"))
    return response.json


def said(world: World, leg: Leg, text: str) -> bool:
    return any(each.what == "talk" and text in str(each) for each in leg.heard)


def test_the_user_is_called_into_the_room_of_the_caller(world: World) -> None:
    caller = calls(world, ALONE)
    room = room_of(world, caller)
    alice = next(leg for leg in room.present.values() if leg is not caller)
    assert alice.to == "Alice"
    world.until(lambda: call_of(world, alice)["phase"] == "talking")
    call = call_of(world, alice)
    assert [leg["uuid"] for leg in call["legs"]] == [caller.uuid, alice.uuid]
    assert call["id"] == caller.uuid, "one call, and its id is that of the caller's leg"
    (session,) = world.ask("GET", "/users/Alice/sessions").json["items"]
    assert (session["id"], session["leg"], session["answered"]) == (caller.uuid, alice.uuid, True)
    assert session["number"] == caller.from_
    assert world.act(caller, "hold").status_code == 200
    world.until(lambda: world.control(caller)["hold"] == "held")
    assert len(room.present) == 1, "only one side is moved, and the other stays"
    assert world.act(caller, "resume").status_code == 200
    world.until(lambda: len(room.present) == 2)
    world.do(lambda: world.carrier.people.hang_up(alice.uuid))
    world.known(caller, "completed")
    world.until(lambda: not world.open_operations())
