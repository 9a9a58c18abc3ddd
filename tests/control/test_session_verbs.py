"""A user acts on the sessions that are the user's, and on no others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.api.site import TOKENS
from tests.control.world import AGENT, World, world_of
from tests.engines import Engine
from vonage_simulator.ledger import Leg

ALICE, BOB = "token-of-the-user-alice-1", "token-of-the-user-bob-12"
SECOND, THIRD = "447700900106", "447700900107"


@pytest.fixture(scope="module")
def lasting_world(valkey: Engine, carrier_folder: Path) -> Iterator[World]:
    tokens = (*TOKENS, ("user/Alice", ALICE), ("user/Bob", BOB))
    carrier = {"application": {"calls_per_second": None}}
    with world_of(carrier_folder, valkey.address.url, carrier=carrier, access_tokens=tokens) as world:
        yield world


def to(world: World, endpoint: dict[str, str], room: str) -> Leg:
    script = [{"action": "conversation", "name": room}]
    leg = world.created(world.ask("POST", "/calls", {"to": endpoint, "ncco": script}))
    world.known(leg, "answered")
    world.until(partial(world.is_in, leg, room))
    return leg


def call_of_alice(world: World, number: str = AGENT, room: str = "room") -> tuple[Leg, Leg, str]:
    """A customer's leg, Alice's, and the id of her session."""
    name = f"{world.room}-{room}"
    customer = to(world, {"type": "phone", "number": number}, name)
    alice = to(world, {"type": "app", "user": "Alice"}, name)

    def talks() -> Any:
        found = world.ask("GET", "/users/Alice/sessions", token=ALICE).json["items"]
        return next((one["id"] for one in found if one["leg"] == alice.uuid and one["answered"]), None)

    return customer, alice, str(world.until(talks))


def acts(world: World, session: str, verb: str, body: Any = None, token: str = ALICE) -> Any:
    return world.ask("POST", f"/users/Alice/sessions/{session}/{verb}", body or {}, token=token)


def done(response: Any) -> Any:
    assert response.status_code in (200, 201), response.text
    return response.json


def test_a_user_mutes_holds_and_hangs_up_an_own_session(world: World) -> None:
    customer, alice, session = call_of_alice(world)
    assert done(acts(world, session, "mute"))["by"] == "user Alice"
    assert alice.muted
    assert not customer.muted
    done(acts(world, session, "unmute"))
    done(acts(world, session, "hold"))
    world.until(lambda: world.control(customer)["hold"] == "held")
    assert world.control(customer)["held_by"] == "user Alice"
    done(acts(world, session, "unhold"))
    world.until(lambda: customer.hears(alice))
    done(acts(world, session, "dtmf", {"digits": "1#"}))
    done(acts(world, session, "hangup"))
    world.known(alice, "completed")


@pytest.mark.parametrize("verb", ["mute", "hold", "hangup", "terminate", "reject"])
def test_nobody_else_acts_on_it(world: World, verb: str) -> None:
    customer, alice, session = call_of_alice(world)
    assert acts(world, session, verb, token=BOB).status_code == 403
    stolen = world.ask("POST", f"/users/Bob/sessions/{session}/{verb}", {}, token=BOB)
    assert stolen.status_code == 404, "it is no session of Bob's"
    assert not any((alice.muted, alice.over, customer.over))
    for path in (f"/legs/{customer.uuid}/hangup", f"/legs/{alice.uuid}/hangup"):
        assert world.ask("POST", path, {}, token=ALICE).status_code == 403


def test_an_operator_acts_on_every_session(world: World) -> None:
    _, alice, session = call_of_alice(world)
    response = world.ask("POST", f"/users/Alice/sessions/{session}/mute", {})
    assert done(response)["by"].startswith("operator ")
    assert alice.muted


def test_to_terminate_ends_it_for_everybody(world: World) -> None:
    customer, alice, session = call_of_alice(world)
    done(acts(world, session, "terminate"))
    for leg in (customer, alice):
        world.known(leg, "completed")


def test_what_rings_no_more_is_not_rejected(world: World) -> None:
    _, _, session = call_of_alice(world)
    response = acts(world, session, "reject")
    assert (response.status_code, response.json["title"]) == (409, "Not ringing")


def test_to_take_one_off_hold_puts_the_other_on_hold(world: World) -> None:
    first, _, session = call_of_alice(world, AGENT, "one")
    done(acts(world, session, "hold"))
    world.until(lambda: world.control(first)["hold"] == "held")
    second, _, _ = call_of_alice(world, SECOND, "two")
    done(acts(world, session, "unhold"))
    world.until(lambda: world.control(second)["hold"] == "held")
    world.until(lambda: world.control(first)["hold"] is None)
    chosen = world.services.sessions.user("Alice").chosen
    assert chosen, "it is the current one"
    assert chosen.session == session


@pytest.mark.parametrize(
    ("permissions", "allowed"), [(0, ()), (1, ("pause", "resume")), (2, ("start", "pause", "resume", "stop"))]
)
def test_recording_needs_permission(world: World, permissions: int, allowed: tuple[str, ...]) -> None:
    _, _, session = call_of_alice(world)
    assert world.ask("PATCH", "/users/Alice", {"record_permissions": permissions}).status_code == 200
    for what in ("start", "pause", "resume", "stop"):
        response = acts(world, session, "record", {"action": what})
        if what not in allowed:
            assert (response.status_code, response.json["title"]) == (403, "Recording not allowed")
        elif permissions == 2:
            done(response)
        else:
            assert response.status_code == 409, "nothing is being recorded"


def test_a_user_transfers_the_other_party(world: World) -> None:
    customer, alice, session = call_of_alice(world)
    response = acts(world, session, "transfer", {"to": THIRD, "flow": "blind"})
    assert response.status_code == 201, response.text
    recipient = world.until(lambda: next((leg for leg in world.legs() if leg.to == THIRD), None))
    world.until(lambda: customer.hears(recipient) and alice.over)
