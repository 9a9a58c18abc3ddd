"""Calls of users: by the API, where the user's own leg is called first, and from the user's page."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.webhooks.room_calls import SORRY
from tests.api.site import TOKENS
from tests.control.test_killed import another_worker, mortal
from tests.control.world import BUSY, NUMBER, RINGS, World, world_of
from tests.engines import Engine
from vonage_simulator.ledger import Leg
from vonage_simulator.scenario import FarEnd

ALICE = "token-of-the-user-alice-1"
FLOWS = Path(__file__).parent / "room_flows.yaml"
SLOW_PAGE = FarEnd(after=100.0, stays_alone=1e6)


@pytest.fixture(scope="module")
def lasting(valkey: Engine, carrier_folder: Path) -> Iterator[World]:
    tokens = (*TOKENS, ("user/Alice", ALICE))
    carrier = {"application": {"calls_per_second": None}}
    with world_of(
        carrier_folder,
        valkey.address.url,
        carrier=carrier,
        flows_file=FLOWS,
        access_tokens=tokens,
        caller_number=NUMBER,
    ) as world:
        yield world


@pytest.fixture
def world(lasting: World, valkey: Engine) -> World:
    lasting.emptied(valkey)
    lasting.services.store.set_user("Alice", {"max_calls": 50})
    return lasting


def number() -> str:
    """Another one for each test: Vonage lists the calls of all."""
    return f"44770{secrets.randbelow(10**7):07}"


def begun(world: World, to: str) -> Leg:
    """Alice's own leg of a call to *to*."""
    return world.created(world.ask("POST", "/users/Alice/calls", {"number": to}, token=ALICE))


def called(world: World, to: str) -> Leg:
    """The leg that *to* is called by."""
    return world.until(lambda: next((leg for leg in world.legs() if leg.to == to), None))


def session_of(world: World, leg: Leg, user: str = "Alice") -> Any:
    return world.ask("GET", f"/users/{user}/sessions/{leg.uuid}").json


def said(leg: Leg) -> list[str]:
    return [span.value.what for span in leg.played if span.value.kind == "talk"]


def test_whom_the_user_calls_is_called_once_the_user_has_answered(world: World) -> None:
    """The user calls, though for Vonage both legs are outbound; and the page is to answer by itself."""
    to = number()
    world.carrier.callees["Alice"] = SLOW_PAGE
    try:
        alice = begun(world, to)
    finally:
        del world.carrier.callees["Alice"]
    world.until(lambda: session_of(world, alice).get("sipStatus") == "Initial")
    session = session_of(world, alice)
    assert (session["isCaller"], session["number"], session["autoAnswer"]) == (True, to, True)
    assert (session["callerNumber"], session["dialedExtension"]) == ("Alice", to)
    assert (session["ringing"], session["status"]["callStatus"]) == (False, "connecting")
    assert world.ask("GET", "/users/Alice/phone").json["incomingList"] == []
    assert [leg for leg in world.legs() if leg.to == to] == []
    world.do(lambda: world.carrier.people.answer(alice.uuid))
    other = called(world, to)
    world.until(lambda: session_of(world, alice)["answered"])
    session = session_of(world, alice)
    assert (session["isCaller"], session["number"], session["call"]["calleeNumber"]) == (True, to, to)
    call = world.ask("GET", f"/calls/{alice.uuid}").json
    assert [leg["uuid"] for leg in call["legs"]] == [alice.uuid, other.uuid]
    ring = next(each for each in world.events(alice) if each["raw"].get("verb") == "ring")
    assert ring["raw"]["by"] == "user Alice"


def test_it_is_a_room_with_all_that_is_possible_there(world: World) -> None:
    to, third = number(), number()
    alice = begun(world, to)
    other = called(world, to)
    world.until(lambda: session_of(world, alice)["answered"])
    at = f"/users/Alice/sessions/{alice.uuid}"
    assert world.ask("POST", f"{at}/hold", {}, token=ALICE).status_code == 200
    world.until(lambda: world.control(other)["hold"] == "held")
    assert not alice.over
    assert world.ask("POST", f"{at}/unhold", {}, token=ALICE).status_code == 200
    world.until(lambda: other.hears(alice))
    begun_ = world.ask("POST", f"{at}/transfer", {"to": third}, token=ALICE)
    assert begun_.status_code == 201, begun_.text
    transfer = f"/users/Alice/transfers/{begun_.json['id']}"
    world.until(lambda: world.ask("GET", transfer, token=ALICE).json["status"] == "answered")
    assert world.ask("POST", f"{transfer}/complete", {}, token=ALICE).status_code == 200
    recipient = called(world, third)
    world.until(lambda: other.hears(recipient))
    world.known(alice, "completed")
    world.do(lambda: world.carrier.people.hang_up(other.uuid))
    world.known(recipient, "completed")
    world.until(lambda: not world.open_operations())


def test_a_user_with_one_place_calls(world: World) -> None:
    """It is the call's before anybody knows its leg, which may ask for its script before Vonage's response comes."""
    world.services.store.set_user("Alice", {"max_calls": 1})
    to = number()
    alice = begun(world, to)
    other = called(world, to)
    world.until(lambda: other.hears(alice))
    assert set(world.services.store.engaged("Alice")) == {alice.uuid}
    world.services.store.set_user("Alice", {"max_calls": 50})


def test_a_user_who_reaches_nobody_hears_why_and_the_session_says_so(world: World) -> None:
    alice = begun(world, BUSY)
    world.known(alice, "completed")
    assert said(alice) == [SORRY["text"]]
    world.until(lambda: session_of(world, alice)["cause"] == "busy")
    assert session_of(world, alice)["answered"] is False


def test_a_user_who_gives_up_ends_it_for_whom_it_rings_at(world: World) -> None:
    alice = begun(world, RINGS)
    other = world.until(lambda: next((leg for leg in reversed(world.legs()) if leg.to == RINGS), None))
    world.until(lambda: session_of(world, alice)["status"]["callStatus"] == "calling")
    session = session_of(world, alice)
    assert (session["ringing"], session["answeredBySystem"]) == (True, False)
    assert world.ask("POST", f"/users/Alice/sessions/{alice.uuid}/hangup", {}, token=ALICE).status_code == 200
    world.known(other, "completed")
    world.until(lambda: not world.open_operations())


def test_an_own_page_that_does_not_answer_is_no_missed_call(world: World) -> None:
    to = number()
    world.carrier.callees["Alice"] = FarEnd(does="busy", after=0.1)
    try:
        alice = begun(world, to)
    finally:
        del world.carrier.callees["Alice"]
    world.known(alice, "completed")
    session = session_of(world, alice)
    assert (session["cause"], session["isCaller"], session["number"]) == ("busy", True, to)
    assert [leg for leg in world.legs() if leg.to == to] == []


@pytest.mark.parametrize("wanted", ["Redis is silent", "rooms are off"])
def test_where_no_room_is_possible_the_two_are_a_pair(
    wanted: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not certain then that an operation would go on, or a flows file says so: Vonage calls the other one."""
    to = number()
    if wanted == "rooms are off":
        monkeypatch.setattr(type(world.services.flows), "rooms_in", lambda *_: False)
    else:
        monkeypatch.setattr(type(world.services.room_calls), "begin", lambda *_, **__: False)
    alice = begun(world, to)
    other = called(world, to)
    world.until(lambda: other.hears(alice))
    world.until(lambda: session_of(world, alice)["answered"])
    session = session_of(world, alice)
    assert (session["isCaller"], session["number"], session["pair"]) == (True, to, True)
    assert not (alice.conversation.name or "").startswith("call-")


def test_an_address_that_this_server_did_not_seal_gets_a_sentence(world: World) -> None:
    request = {"state": "made-up", "uuid": "leg-x", "conversation_uuid": "CON-x", "from": NUMBER, "to": "Alice"}
    response = world.app.test_client().get("/voice/calls", query_string=request)
    assert [action["action"] for action in response.json] == ["talk"]


def test_a_copy_at_the_fallback_url_connects_as_well(world: World) -> None:
    to = number()
    alice = begun(world, to)
    action = next(each for each in world.events(alice) if each["raw"].get("verb") == "create")["raw"]
    original = {"type": "answer", "url": action["arguments"]["answer_url"][0]}
    parties = {"uuid": "leg-y", "conversation_uuid": "CON-y", "from": NUMBER, "to": "Alice"}
    body = {"reason": "timeout", "original_request": original, **parties}
    (room,) = world.app.test_client().post("/voice/fallback", json=body).json
    assert room["action"] == "conversation"


@pytest.mark.parametrize("user", ["Alice", "Bob"])
def test_a_call_from_a_page_is_a_room(world: World, user: str) -> None:
    to = number()
    alice = world.caller(user, to, endpoint="app", room=None)
    other = called(world, to)
    world.until(lambda: other.hears(alice))
    world.until(lambda: session_of(world, alice, user)["answered"])
    session = session_of(world, alice, user)
    assert (session["isCaller"], session["number"], session["autoAnswer"], session["pair"]) == (True, to, False, False)
    assert world.act(other, "hold").json["verb"] == "hold"
    world.until(lambda: world.control(other)["hold"] == "held")
    world.do(lambda: world.carrier.people.hang_up(alice.uuid))
    world.known(other, "completed")


def test_a_call_from_a_page_that_is_not_answered_goes_on_in_the_flow(world: World) -> None:
    world.carrier.callees[f"sip:{RINGS}@example.com"] = FarEnd(does="never_answers")
    teller = world.caller("Teller", RINGS, endpoint="app", room=None)
    world.until(lambda: said(teller) == ["Nobody is there."])
    world.known(teller, "completed")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("when", [1, 2])
def test_a_worker_is_killed_while_a_user_calls(
    world: World, monkeypatch: pytest.MonkeyPatch, when: int, after: bool
) -> None:
    to = number()
    with mortal(world, monkeypatch, when, after=after) as worker:
        alice = world.caller("Alice", to, endpoint="app", room=None)
        world.until(lambda: worker.killed)
        with another_worker(world, monkeypatch):
            other = called(world, to)
            world.until(lambda: other.hears(alice))
    world.do(lambda: world.carrier.people.hang_up(alice.uuid))
    world.known(other, "completed")
    assert len([leg for leg in world.legs() if leg.to == to]) == 1
    world.until(lambda: not world.open_operations())
