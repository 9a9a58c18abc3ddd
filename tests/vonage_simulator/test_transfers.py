"""Transfers of a captured call: when they came, and what the legs did afterwards."""

from __future__ import annotations

from typing import Any

from tests.vonage_simulator import ledgers
from tests.vonage_simulator.capturing import CALLEE, CALLER, captured
from tests.vonage_simulator.ledgers import Body, answered, at, bill, leg, requests, webhooks
from vonage_simulator.capture.capture import scenario
from vonage_simulator.ledger import Answer, Conversation, Move
from vonage_simulator.scenario import Command, Scenario

HERE, THERE = "CON-here", "CON-there"
CONNECT: list[Body] = [{"action": "connect", "endpoint": [{"type": "app", "user": "Alice"}]}]
HOLD = {"action": "talk", "text": "Please hold.", "loop": 0}
ALICE: Body = CALLEE | {"to": "Alice", "started": 3, "answered": 5, "bill": bill(2)}


def transferred(*moves: Move, alice: Body, **caller: Any) -> Conversation:
    """A call that reached Alice; then its first leg was transferred. It was answered after a second."""
    call = Conversation(uuid=HERE, answers=[Answer("leg", "https://example.com", CONNECT)])
    leg(call, **(CALLER | {"moves": list(moves)} | caller))
    leg(call, "alice", **(ALICE | alice))
    return call


def commands(found: Scenario) -> list[tuple[float, str, str, Any]]:
    """When each command comes, what it does, to which leg, and with which NCCO."""
    (call,) = found.calls
    return [(each.at, each.do, each.to, each.options.get("ncco")) for each in call.control]


def test_a_leg_that_was_alone_there_was_put_on_hold_and_met_the_other_in_a_room_afterwards() -> None:
    call = transferred(Move(at(9), HERE, THERE), Move(at(12), THERE, HERE), alice={"completed": 30.06})
    found = captured(call)
    room = {"action": "conversation", "name": "captured-1"}
    assert commands(found) == [
        (8.0, "transfer", "call", [HOLD]),
        (11.0, "transfer", "call", [room | {"endOnExit": True}]),
        (11.0, "transfer", "Alice", [room]),
    ]
    assert found.callees["Alice"].stays_alone == 25.06, "she waited for the caller"


def test_a_leg_that_was_rung_there_was_connected() -> None:
    """After 1.5 seconds, of which a tenth is the transfer's."""
    call = transferred(Move(at(9), HERE, THERE), alice={"completed": 11, "disconnected_by": "user"})
    there = Conversation(uuid=THERE)
    leg(there, "bob", **(CALLEE | {"to": "33612345678", "started": 10.5, "answered": 12, "completed": 30.06}))
    call.legs["bob"] = there.legs["bob"]
    events = [answered(requests(call)[0], CONNECT), *ledgers.kept([*webhooks(call), *webhooks(there)])]
    view = ledgers.api_view(call)
    for each in view["legs"]:
        where = [{"conversation_uuid": HERE, "since": each["times"]["started"]}]
        if each["uuid"] == "leg":
            where.append({"conversation_uuid": THERE, "since": "2021-03-29T21:20:09.000Z"})
        if each["uuid"] == "bob":
            where[0]["conversation_uuid"] = THERE
        each["stays"] = where
    found = scenario(view, events)
    (command,) = commands(found)
    assert command[:3] == (8.0, "transfer", "call")
    assert command[3] == [
        {
            "action": "connect",
            "endpoint": [{"type": "phone", "number": "447700900002"}],
            "from": "442079460001",
        }
    ]
    assert found.callees["447700900002"].dialled_in == 1.4
    assert found.callees["Alice"].hangs_up_after == 6.0


def test_what_an_answer_url_gave_for_the_transfer_is_known() -> None:
    call = transferred(Move(at(9), HERE, THERE), alice={"completed": 11, "disconnected_by": "user"})
    goodbye: list[Body] = [{"action": "talk", "text": "Goodbye."}]
    first = requests(call)[0]
    events = [answered(first, CONNECT), answered(first | {"conversation_uuid": THERE}, goodbye)]
    found = captured(call, events=[*events, *ledgers.kept(webhooks(call))])
    assert commands(found) == [(8.0, "transfer", "call", goodbye)]
    assert found.calls[0].ncco == tuple(CONNECT)


def test_a_leg_that_nobody_ended_there_was_hung_up_on() -> None:
    call = transferred(
        Move(at(9), HERE, THERE), alice={"completed": 11, "disconnected_by": "user"}, disconnected_by="platform"
    )
    assert captured(call).calls[0].control[-1] == Command(at=29.0, do="hangup")


def test_a_callee_who_was_left_and_hung_up_on() -> None:
    call = transferred(Move(at(9), HERE, THERE), alice={"completed": 20})
    assert captured(call).calls[0].control[-1] == Command(at=19.0, do="hangup", to="Alice")
