"""Calls of a flow to users are rooms: the caller waits in one, and the user is called into it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from app.api.operation_events import session_events
from app.control.driver import Driver
from app.store.errors import StoreUnavailable
from app.webhooks.room_calls import SORRY
from tests.control.test_killed import another_worker, mortal
from tests.control.world import AGENT, FAR_ENDS, World, world_of
from tests.control.world import BUSY as NUMBER_BUSY
from tests.engines import Engine
from vonage_simulator.ledger import Leg
from vonage_simulator.scenario import FarEnd
from vonage_simulator.voice_api.faults import FaultRule

FLOWS = Path(__file__).parent / "room_flows.yaml"
ALONE, BUSY, AFTER, GROUP, NOBODY, SLOW, MESSAGE, OWN = (f"44100000000{number}" for number in range(1, 9))


@pytest.fixture(scope="module")
def lasting(valkey: Engine, carrier_folder: Path) -> Iterator[World]:
    carrier = {"application": {"calls_per_second": None}}
    with world_of(carrier_folder, valkey.address.url, carrier=carrier, flows_file=FLOWS) as world:
        yield world


@pytest.fixture
def world(lasting: World, valkey: Engine) -> World:
    lasting.emptied(valkey)
    for user in ("Alice", "Busy", "Nobody", "Slow"):
        lasting.services.store.set_user(user, {"max_calls": 50})
    return lasting


def calls(world: World, to: str, **more: Any) -> Leg:
    """A caller of *to*, once the app knows the leg is answered."""
    from_ = f"44770{secrets.randbelow(10**7):07}"
    for user in ("Busy", "Nobody"):  # of the group, each with users of its own: Vonage lists the calls of all tests
        world.carrier.callees[user + from_] = FAR_ENDS[user]
    return world.caller(from_=from_, to=to, room=None, **more)


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


def said(caller: Leg) -> list[str]:
    """What was spoken to the caller."""
    return [span.value.what for span in caller.played if span.value.kind == "talk"]


def legs_to(world: World, caller: Leg, user: str) -> list[Leg]:
    """The legs by which *user*, or one of a group, was called for *caller*."""
    shown = {leg["uuid"] for leg in call_of(world, caller)["legs"]}
    return [leg for leg in world.legs() if leg.to in (user, f"{user}{caller.from_}") and leg.uuid in shown]


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


def test_the_users_stream_has_one_call_also_while_vonage_has_not_named_the_users_leg(world: World) -> None:
    """Webhooks of the leg come before the response to the request that called it: who only reads would see a call that
    never ends.
    """
    events, store = session_events(world.services), world.services.store
    with world.faults(FaultRule(fault="late", verbs=("create",), count=1, seconds=2.0)):
        caller = calls(world, ALONE)
        alice = next(leg for leg in room_of(world, caller).present.values() if leg is not caller)
        world.known(alice, "answered")
        events.catch_up("Alice")
        (operation,) = world.open_operations()
        assert not world.has_result(operation), "Vonage has not replied yet"
        (session,) = world.ask("GET", "/users/Alice/sessions").json["items"]
        assert (session["id"], session["leg"], session["ringing"]) == (caller.uuid, None, True)
        assert [one["id"] for one in events.now("Alice")[1]["sessions"]] == [caller.uuid]
    world.until(lambda: world.ask("GET", "/users/Alice/sessions").json["items"][0]["answered"])
    world.do(lambda: world.carrier.people.hang_up(alice.uuid))
    world.known(caller, "completed")
    events.catch_up("Alice")
    sent = [event.data for event in store.user_events("Alice", "0-0", 500) or ()]
    assert {data["session"]["id"] for data in sent if data["session"]} == {caller.uuid}
    once = [data["event"] for data in sent if data["event"] in ("call_created", "call_incoming", "call_answered")]
    assert once == ["call_created", "call_incoming", "call_answered"]
    assert [data["event"] for data in sent if data["event"] == "call_ended"] == ["call_ended"]


def test_a_call_in_a_room_stays_in_the_list_and_in_its_place_though_nobody_follows_the_user(world: World) -> None:
    """Of a user whom no stream follows the newest calls are read, and those that have a place."""
    caller = calls(world, ALONE)
    alice = next(leg for leg in room_of(world, caller).present.values() if leg is not caller)
    for _ in range(21):
        other = calls(world, ALONE)
        world.do(lambda leg=other: world.carrier.people.hang_up(leg.uuid))  # type: ignore[misc]
        world.known(other, "completed")
    world.until(lambda: len(world.open_operations()) == 1)

    def listed() -> list[str]:
        return [one["leg"] for one in world.ask("GET", "/users/Alice/sessions").json["items"]]

    world.until(lambda: listed() == [alice.uuid], 10)
    world.services.store.set_user("Alice", {"max_calls": 1})
    for _ in range(3):
        assert world.services.places.availability("Alice", "another") == "busy"
    world.do(lambda: world.carrier.people.hang_up(caller.uuid))
    world.known(alice, "completed")
    world.until(lambda: world.services.places.availability("Alice", "another") == "free", 10)
    assert listed() == []


def test_a_user_who_hangs_up_while_the_caller_comes_back_from_hold_leaves_nobody_alone(
    other_valkey: Engine, carrier_folder: Path
) -> None:
    """On its way into the room the caller's leg is in another conversation for a tenth of a second, as time passes."""
    carrier = {"speed": 1.0, "application": {"calls_per_second": None}}
    with world_of(carrier_folder, other_valkey.address.url, carrier=carrier, flows_file=FLOWS) as world:
        caller = calls(world, ALONE)
        alice = next(leg for leg in room_of(world, caller).present.values() if leg is not caller)
        world.known(alice, "answered")
        assert world.act(caller, "hold").status_code == 200
        world.until(lambda: world.control(caller)["hold"] == "held")
        assert world.act(caller, "resume").status_code == 200
        world.do(lambda: world.carrier.people.hang_up(alice.uuid))
        world.until(lambda: caller.over, 20)
        world.until(lambda: not world.open_operations())


def test_a_busy_user_and_nothing_that_follows_a_sentence(world: World) -> None:
    caller = calls(world, BUSY)
    world.known(caller, "completed")
    assert said(caller) == [SORRY["text"]]
    world.until(lambda: not world.open_operations())
    call = call_of(world, caller)
    assert (call["outcome"], call["missed"], len(call["legs"])) == ("busy", True, 2)


def test_after_the_two_have_talked_the_script_goes_on(world: World) -> None:
    caller = calls(world, AFTER)
    room = room_of(world, caller)
    alice = next(leg for leg in room.present.values() if leg is not caller)
    world.known(alice, "answered")
    world.do(lambda: world.carrier.people.hang_up(alice.uuid))
    world.until(lambda: said(caller) == ["How did we do?"])
    world.known(caller, "completed")


def test_whom_we_call_is_put_through_to_a_user_in_a_room(world: World) -> None:
    """The leg gets its script by itself, once it is answered: nobody knows its uuid before."""
    body = {"to": {"type": "phone", "number": "447700900191"}, "from": AFTER, "flow": "after"}
    response = world.ask("POST", "/calls", body)
    assert response.status_code == 201, response.text
    callee = world.until(lambda: next((leg for leg in world.legs() if leg.to == "447700900191"), None))
    alice = next(leg for leg in room_of(world, callee).present.values() if leg is not callee)
    assert alice.to == "Alice"
    world.known(alice, "answered")
    assert world.act(callee, "hold").status_code == 200
    world.until(lambda: world.control(callee)["hold"] == "held")
    assert world.act(callee, "resume").status_code == 200
    world.until(lambda: callee.hears(alice))
    world.do(lambda: world.carrier.people.hang_up(alice.uuid))
    world.until(lambda: said(callee) == ["How did we do?"])
    world.known(callee, "completed")


def test_a_leg_that_is_transferred_to_a_flow_is_put_through_in_a_room(world: World) -> None:
    agent, caller = world.in_room("447700900192", "447700900193")
    response = world.act(caller, "transfer", {"flow": "group", "step": "third"})
    assert response.status_code == 200, response.text
    user = f"Alice{caller.from_}"
    alice = next(leg for leg in room_of(world, caller).present.values() if leg is not caller)
    assert alice.to == user
    world.known(alice, "answered")
    assert world.act(caller, "transfer", {"ncco": [{"action": "conversation", "name": "between"}]}).status_code == 200
    world.until(lambda: caller.conversation.name == "between")
    world.do(lambda: world.carrier.people.hang_up(alice.uuid))
    assert world.act(caller, "transfer", {"flow": "group", "step": "third"}).status_code == 200
    again = next(leg for leg in room_of(world, caller).present.values() if leg is not caller)
    assert (again.to, again is alice) == (user, False), "rung each time"
    world.known(again, "answered")
    world.do(lambda: world.carrier.people.hang_up(caller.uuid))
    world.known(again, "completed")
    assert not agent.over


def test_a_flow_that_calls_a_user_who_is_busy_goes_on_for_whom_we_call(world: World) -> None:
    body = {"to": {"type": "phone", "number": "447700900194"}, "from": BUSY, "flow": "busy"}
    assert world.ask("POST", "/calls", body).status_code == 201
    callee = world.until(lambda: next((leg for leg in world.legs() if leg.to == "447700900194"), None))
    world.known(callee, "completed")
    assert said(callee) == [SORRY["text"]]


def test_a_ring_group_goes_from_one_to_the_next(world: World) -> None:
    """Busy, then one who never answers, then Alice."""
    caller = calls(world, GROUP)
    (alice,) = world.until(lambda: [leg for leg in legs_to(world, caller, "Alice") if caller.hears(leg)])
    world.known(alice, "answered")
    call = call_of(world, caller)
    outcomes = [(leg["to"], leg["outcome"]) for leg in call["legs"][1:]]
    group = [f"{user}{caller.from_}" for user in ("Busy", "Nobody", "Alice")]
    assert outcomes == list(zip(group, ("busy", outcomes[1][1], None), strict=True))
    steps = ["first", "second", "third"]  # nobody waits for the record of an answer
    world.until(lambda: [answer["step"] for answer in call_of(world, caller)["answers"]] == steps)
    world.do(lambda: world.carrier.people.hang_up(caller.uuid))
    world.known(alice, "completed")
    world.until(lambda: not world.open_operations())


def test_a_busy_user_s_voicemail_takes_the_message(world: World) -> None:
    caller = calls(world, MESSAGE, far_end=FarEnd(says=("Please call me back.",), stays_alone=1e6))
    (found,) = world.until(lambda: world.ask("GET", "/users/Busy/voicemails").json["items"])
    assert (found["from"], found["call_id"]) == (caller.from_, caller.uuid)


def test_a_copy_at_the_fallback_url_leads_on_as_well(world: World) -> None:
    """It names the address that failed, in which is how the call failed."""
    caller = calls(world, MESSAGE)
    room = world.until(lambda: call_of(world, caller)["answers"])[0]["ncco"][-1]["name"]
    url = world.services.store.log_of(room.removeprefix("call-"))[0].data["url"]
    request = {"from": caller.from_, "to": MESSAGE, "uuid": "leg-copy", "conversation_uuid": "CON-copy"}
    failed = {"type": "answer", "url": f"{url}&room_call=busy"}
    copy = request | {"reason": "Socket timeout.", "original_request": failed}
    ncco = world.app.test_client().post("/voice/fallback", json=copy).json
    assert [action["action"] for action in ncco] == ["talk", "record"]


def test_nobody_answers(world: World) -> None:
    caller = calls(world, NOBODY)
    world.until(lambda: world.ask("GET", "/users/Nobody/phone").json["incomingList"])
    world.known(caller, "completed")
    assert said(caller) == [SORRY["text"]]
    assert not world.ask("GET", "/users/Nobody/phone").json["sessions"]


def test_the_caller_gives_up_while_it_rings(world: World) -> None:
    caller = calls(world, SLOW)
    (called,) = world.until(lambda: legs_to(world, caller, "Slow"))
    assert [one["id"] for one in world.ask("GET", "/users/Slow/phone").json["incomingList"]] == [caller.uuid]
    world.do(lambda: world.carrier.people.hang_up(caller.uuid))
    world.until(lambda: called.over)
    assert not called.answered
    world.until(lambda: not world.open_operations())


def test_an_operator_takes_a_caller_for_whom_it_rings(world: World) -> None:
    caller = calls(world, SLOW)
    (called,) = world.until(lambda: legs_to(world, caller, "Slow"))
    ncco = [{"action": "conversation", "name": "elsewhere"}]
    assert world.act(caller, "transfer", {"ncco": ncco}).status_code == 200
    world.until(lambda: called.over)
    world.until(lambda: not world.open_operations())
    assert not caller.over


def test_a_transfer_that_failed_leads_into_a_room(world: World) -> None:
    """The transfer still sees to its legs then: that is no reason not to call the user."""
    caller, agent = world.pair()
    body = {"initiator_call": agent.uuid, "transferred_call": caller.uuid, "to": NUMBER_BUSY, "flow": "blind"}
    began = world.ask("POST", "/transfers", body | {"fallback": {"flow": "alone"}})
    assert began.status_code == 201, began.text
    (alice,) = world.until(lambda: [leg for leg in world.legs() if leg.to == "Alice" and caller.hears(leg)])
    assert world.act(caller, "hold").status_code == 200
    world.until(
        lambda: world.control(caller)["hold"] == "held", 5
    )  # its room is known, though another leg's event was answered
    assert world.act(caller, "resume").status_code == 200
    world.until(lambda: caller.hears(alice))
    world.do(lambda: world.carrier.people.hang_up(alice.uuid))
    world.known(caller, "completed")
    world.until(lambda: not world.open_operations())


@pytest.mark.parametrize("fault", ["429", "500", "lost"])
def test_a_user_who_cannot_be_called_leads_the_caller_on(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    monkeypatch.setattr("app.domain.room_calls.RING_MARGIN_SECONDS", 0)
    monkeypatch.setattr("app.control.sending.PATIENCE_SECONDS", 1.0)
    with world.faults(FaultRule(fault=fault, verbs=("create",))):
        caller = calls(world, NOBODY)
        world.known(caller, "completed")
    assert said(caller) == [SORRY["text"]]
    if fault == "429":  # where nobody can say whether it was placed, a leg may still come, and would be alone
        world.until(lambda: not world.open_operations())


def test_a_request_that_is_carried_out_after_its_time_limit_rings_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vonage lists no such call yet when it is looked for."""
    monkeypatch.setattr("app.control.vonage_client.SECONDS", 0.5)
    before = len(world.legs())
    with world.faults(FaultRule(fault="slow", verbs=("create",), seconds=2.5)):
        caller = calls(world, OWN)
        world.until(lambda: len(world.legs()) > before + 1)
    _, alice = world.legs()[before:]
    world.until(lambda: caller.hears(alice))
    time.sleep(1.5)  # in which a second one would have been called
    assert len(world.legs()) == before + 2
    world.do(lambda: world.carrier.people.hang_up(caller.uuid))
    world.known(alice, "completed")


def test_a_user_who_acts_before_it_is_known_which_leg_was_called_is_not_called_again(world: World) -> None:
    """No response came, the call is looked up, and meanwhile a transfer has taken the leg."""
    looks = FaultRule(fault="503", verbs=("list",), count=2)
    with world.faults(FaultRule(fault="lost", verbs=("create",), count=1), looks) as requests:
        caller = calls(world, OWN)
        alice = next(leg for leg in room_of(world, caller).present.values() if leg is not caller)
        world.until(lambda: world.control(alice) is not None)
        began = world.ask("POST", "/transfers", {"initiator_call": alice.uuid, "to": AGENT})
        assert began.status_code == 201, began.text
        world.until(lambda: [each.fault for each in requests() if each.verb == "list"].count(None) > 0)
    path = f"/transfers/{began.json['id']}"
    world.until(lambda: world.ask("GET", path).json["status"] == "answered")
    assert world.ask("POST", f"{path}/complete").status_code == 200
    agent = next(leg for leg in reversed(world.legs()) if leg.to == AGENT)
    world.until(lambda: agent.hears(caller) and alice.over)
    assert legs_to(world, caller, f"Alice{caller.from_}") == [alice]
    world.do(lambda: world.carrier.people.hang_up(agent.uuid))
    world.known(caller, "completed")
    world.until(lambda: not world.open_operations())


@pytest.mark.parametrize("more", [{}, {"sip_call_id": "2", "status": "started"}], ids=["the same", "another field"])
def test_an_answer_requested_twice_calls_the_user_once(world: World, more: dict[str, str]) -> None:
    caller = calls(world, SLOW)
    world.until(lambda: legs_to(world, caller, "Slow"))
    answer = call_of(world, caller)["answers"][0]
    request = next(each for each in world.events(caller) if each["kind"] == "answer")["raw"]["request"]
    again = world.app.test_client().get("/voice/answer", query_string={**request, **more})
    assert again.json == answer["ncco"]
    (called,) = legs_to(world, caller, "Slow")
    world.do(lambda: world.carrier.people.answer(called.uuid))
    room = room_of(world, caller)
    assert legs_to(world, caller, "Slow") == [called]
    assert len(room.present) == 2
    world.do(lambda: world.carrier.people.hang_up(caller.uuid))
    world.known(caller, "completed")


@pytest.mark.parametrize("carried_out", [True, False], ids=["carried out", "lost"])
@pytest.mark.parametrize("release_first", [True, False], ids=["released before", "released after"])
def test_an_answer_repeated_after_a_silent_redis_calls_the_user(
    world: World, monkeypatch: pytest.MonkeyPatch, carried_out: bool, release_first: bool
) -> None:
    """The first is a `connect`, the second a room: what the first takes back must not leave a caller there alone."""
    monkeypatch.setattr("app.domain.room_calls.ENTRY_SECONDS", 1)
    store, append = world.services.store, type(world.services.store).append
    late: list[Any] = []

    def silent(self: Any, *args: Any, later: bool = False, within: float | None = None, **more: Any) -> Any:
        if later:
            return late.append(lambda: append(self, *args, **more))
        if within and not late and not carried_out:
            raise StoreUnavailable("connection", "it was lost")
        kept = append(self, *args, **more)
        if within and not late:
            raise StoreUnavailable("timeout", "it was carried out all the same")
        return kept

    request = {"from": "447700900101", "to": SLOW, "uuid": secrets.token_hex(16), "conversation_uuid": "CON-again"}
    before = len(world.legs())
    with monkeypatch.context() as patch:
        patch.setattr(type(store), "append", silent)
        first = world.app.test_client().get("/voice/answer", query_string=request).json
        if release_first:
            late[0]()
        second = world.app.test_client().get("/voice/answer", query_string=request).json
        if not release_first:
            late[0]()
    assert [ncco[-1]["action"] for ncco in (first, second)] == ["connect", "conversation"]
    event = {**request, "direction": "inbound", "status": "answered", "timestamp": "2026-11-27T17:00:00.000Z"}
    assert world.app.test_client().post("/voice/event", json=event).status_code == 200
    world.until(lambda: len(world.legs()) > before, 15)
    over = {**event, "status": "completed", "timestamp": "2026-11-27T17:00:09.000Z"}
    assert world.app.test_client().post("/voice/event", json=over).status_code == 200
    world.until(lambda: all(leg.over for leg in world.legs()[before:]))


@pytest.mark.parametrize("is_over", [False, True])
def test_a_user_whom_the_other_copy_of_the_answer_connected_is_not_called_again(
    world: World, monkeypatch: pytest.MonkeyPatch, is_over: bool
) -> None:
    """Redis was silent for the first copy, which got a `connect`. Vonage followed that, not the room of the second.

    A leg that has ended may be of an earlier `connect`: then the caller is in the room, and is not left waiting there.
    """
    monkeypatch.setattr("app.domain.room_calls.ENTRY_SECONDS", 1)
    leg, user_leg, conversation = (secrets.token_hex(16) for _ in range(3))
    request = {"from": "447700900101", "to": SLOW, "uuid": leg, "conversation_uuid": conversation}
    before, store, client = len(world.legs()), world.services.store, world.app.test_client()

    def silent(*_: Any, later: bool = False, **__: Any) -> None:
        if not later:
            raise StoreUnavailable("timeout", "for this test")

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "append", silent)
        first = client.get("/voice/answer", query_string=request).json
    second = client.get("/voice/answer", query_string=request).json
    assert [ncco[-1]["action"] for ncco in (first, second)] == ["connect", "conversation"]
    operation = second[-1]["name"].removeprefix("call-")

    def reported(uuid: str, status: str, direction: str) -> None:
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = {"uuid": uuid, "conversation_uuid": conversation, "status": status, "timestamp": moment}
        parties = {"from": "447700900101", "to": SLOW if uuid == leg else "Slow", "direction": direction}
        assert client.post("/voice/event", json=event | parties).status_code == 200

    reported(leg, "answered", "inbound")
    reported(user_leg, "ringing", "outbound")
    reported(user_leg, "completed" if is_over else "answered", "outbound")
    world.until(lambda: any(entry.kind == "timeout" for entry in store.log_of(operation)))
    if is_over:
        world.until(lambda: len(world.legs()) > before)
    else:
        time.sleep(1)
        assert len(world.legs()) == before, "nobody is called"
    reported(leg, "completed", "inbound")
    world.until(lambda: not world.open_operations())


def test_from_a_room_the_user_consults_and_puts_through(world: World) -> None:
    caller = calls(world, ALONE)
    alice = next(leg for leg in room_of(world, caller).present.values() if leg is not caller)
    world.until(lambda: call_of(world, caller)["phase"] == "talking")
    path = world.consults(alice, AGENT)
    assert world.ask("POST", f"{path}/complete").status_code == 200
    agent = next(leg for leg in world.legs() if leg.to == AGENT and not leg.over)
    world.until(lambda: agent.hears(caller) and alice.over)
    assert not caller.over
    world.do(lambda: world.carrier.people.hang_up(agent.uuid))
    world.known(caller, "completed")
    world.until(lambda: not world.open_operations())


def test_a_caller_of_whom_nothing_is_stored_is_waited_for_in_peace(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vonage names no conversation, so the answer is of none, and no webhook of the leg comes."""
    monkeypatch.setattr("app.domain.room_calls.ENTRY_SECONDS", 0.5)
    request = {"from": "447700900101", "to": BUSY, "uuid": secrets.token_hex(16)}
    (action,) = world.app.test_client().get("/voice/answer", query_string=request).json
    operation, looks = action["name"].removeprefix("call-"), count()
    before = len(world.legs())
    world.until(lambda: any(entry.kind == "timeout" for entry in world.services.store.log_of(operation)))
    one_step = Driver._one_step
    monkeypatch.setattr(Driver, "_one_step", lambda driver, name: (next(looks), one_step(driver, name))[1])
    time.sleep(2)
    assert next(looks) < 10
    event = {**request, "conversation_uuid": "CON-late", "direction": "inbound", "status": "answered"}
    world.app.test_client().post("/voice/event", json={**event, "timestamp": "2026-11-27T17:00:00.000Z"})
    world.until(lambda: len(world.legs()) > before)


def test_without_redis_the_user_is_connected(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not certain that an operation would go on: Vonage calls the user."""
    request = {"from": "447700900101", "to": ALONE, "uuid": "leg-away", "conversation_uuid": "CON-away"}
    store = world.services.store

    def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("timeout", "for this test")

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "append", lambda *_, later=False, **__: None if later else away())
        ncco = world.app.test_client().get("/voice/answer", query_string=request).json
    assert [action["action"] for action in ncco] == ["talk", "connect"]
    assert not [leg for leg in world.legs() if leg.from_ == "leg-away"]


@pytest.mark.parametrize("wanted", ["pair", "no key"])
def test_where_no_room_is_possible_the_user_is_connected(
    wanted: str, other_valkey: Engine, carrier_folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "flows.yaml"
    file.write_text(("rooms: false\n" if wanted == "pair" else "") + FLOWS.read_text())
    without: dict[str, Any] = {"private_key": None} if wanted == "no key" else {}
    with world_of(carrier_folder, other_valkey.address.url, flows_file=file, **without) as world:
        caller = world.caller(from_="447700900101", to=ALONE, room=None)
        call = call_of(world, caller)
        assert [action["action"] for action in call["answers"][0]["ncco"]] == ["talk", "connect"]
        (called,) = world.until(lambda: [leg for leg in world.legs() if leg.to == "Alice"])
        world.until(lambda: called.hears(caller))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("when", [1, 2, 3, 4])
def test_a_worker_is_killed_while_a_user_is_called(
    world: World, monkeypatch: pytest.MonkeyPatch, when: int, after: bool
) -> None:
    with mortal(world, monkeypatch, when, after=after) as worker:
        caller = calls(world, GROUP)
        world.until(lambda: worker.killed)
        with another_worker(world, monkeypatch):
            (alice,) = world.until(lambda: [leg for leg in legs_to(world, caller, "Alice") if caller.hears(leg)])
    assert [len(legs_to(world, caller, user)) for user in ("Busy", "Nobody", "Alice")] == [1, 1, 1]
    world.do(lambda: world.carrier.people.hang_up(alice.uuid))
    world.known(caller, "completed")
    world.until(lambda: not world.open_operations())
