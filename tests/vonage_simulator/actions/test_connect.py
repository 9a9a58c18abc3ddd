"""The `connect` action: ringing, failures, and what follows when the two have hung up."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vonage_simulator.stage import (
    OTHER,
    OURS,
    STAYS,
    Answer,
    Json,
    Played,
    connect,
    inbound,
    outbound,
    play,
    scenario,
    talk,
)
from vonage_simulator.carrier import Carrier
from vonage_simulator.ledger import Leg, Target
from vonage_simulator.scenario import FarEnd

THEN: Json = {"action": "talk", "text": "then"}
FAILURES = [("busy", "busy"), ("rejects", "rejected"), ("unreachable", "unanswered"), ("fails", "failed")]
WEBSOCKET = "wss://assistant.example.com/audio"


def call(
    *actions: Json, callee: FarEnd = STAYS, caller: FarEnd | None = None, answers: Json | None = None, **more: Any
) -> Played:
    """A telephone calls; *callee* is who is rung."""
    given: dict[str, Answer] = {"/answer": [*actions]} | (answers or {})
    return play(scenario(inbound(caller), callees={"*": callee}), given, **more)


def endpoint(**fields: Any) -> Json:
    return {"action": "connect", "from": OURS, "endpoint": [fields]}


# ---- endpoints

ENDPOINTS = [
    (endpoint(type="phone", number=OTHER), "phone", OTHER),
    (endpoint(type="app", user="Alice"), "app", "Alice"),
    (endpoint(type="sip", uri="sip:bob@pbx.example.com"), "sip", "sip:bob@pbx.example.com"),
    (endpoint(type="sip", user="bob", domain="pbx"), "sip", "bob@pbx"),
    (endpoint(type="websocket", uri=WEBSOCKET), "websocket", WEBSOCKET),
    (endpoint(type="vbc", extension="4001"), "vbc", "4001"),
]


@pytest.mark.parametrize(("action", "kind", "name"), ENDPOINTS)
def test_every_endpoint_can_be_rung(action: Json, kind: str, name: str) -> None:
    """Telephones ring; a websocket closed by its side sends `disconnected` first."""
    played = call(action, THEN)
    (callee,) = played.callees
    rings = ["ringing"] if kind in ("phone", "sip", "vbc") else []
    closes = ["disconnected"] if kind == "websocket" else []
    assert played.statuses(callee) == ["started", *rings, "answered", *closes, "completed"]
    assert (played.result.rung, callee.to, callee.endpoint) == ([name], name, kind)
    assert callee.conversation is played.leg.conversation
    events = [body for body in played.events if body.get("uuid") == callee.uuid and body["status"] != "disconnected"]
    assert {body["direction"] for body in events} == {"outbound"}
    assert played.result.said == ["then"]


def test_the_events_of_the_leg_have_its_headers() -> None:
    played = call(
        endpoint(type="sip", uri="sip:bob@x.example", headers={"a": "1"}, standardHeaders={"User-to-User": "4a"})
    )
    headers = [event["headers"] for event in played.events if event["uuid"] == played.callees[0].uuid]
    assert headers == [{"a": "1", "User-to-User": "4a"}] * 4
    closed = call(endpoint(type="websocket", uri=WEBSOCKET, headers={"customer": "1"}))
    assert [event["headers"] for event in closed.events if event["status"] == "disconnected"] == [{"customer": "1"}]


@pytest.mark.parametrize(
    ("options", "numbers", "shown"),
    [
        ({"from": "447700900999"}, (OURS,), {"447700900999"}),
        ({}, (OURS,), {"Unknown"}),
        ({"randomFromNumber": True}, (OURS,), {OURS}),
        ({"randomFromNumber": True}, (OURS, OTHER), {OURS, OTHER}),
        ({"randomFromNumber": True}, (), {"Unknown"}),
        ({"randomFromNumber": False}, (OURS,), {"Unknown"}),
    ],
)
def test_the_number_shown_to_the_callee(options: Json, numbers: tuple[str, ...], shown: set[str]) -> None:
    """The given number, any of the application's, or an unknown one."""
    action = {"action": "connect", "endpoint": [{"type": "phone", "number": OTHER}], **options}
    played = call(*[action] * 12, callee=FarEnd(does="busy", after=0.1), numbers=numbers)
    assert {leg.from_ for leg in played.callees} == shown


def test_an_app_caller_is_shown_by_name() -> None:
    story = scenario(inbound(from_="Bob", to="Alice", endpoint="app"), callees={"*": STAYS})
    played = play(story, [{"action": "connect", "endpoint": [{"type": "phone", "number": OTHER}]}])
    names = [event["from"] for event in played.events if event["uuid"] == played.callees[0].uuid]
    assert names == ["Bob", "Bob", "Bob", "Unknown"], "as the app-to-phone log has it: Unknown in `completed`"


def test_keys_may_be_played_to_the_callee_who_answers() -> None:
    played = call(endpoint(type="phone", number=OTHER, dtmfAnswer="p12#"))
    assert played.when("dtmf", digits="p12#") == played.when("status", status="answered")[:1]


# ---- the course of a call


def test_the_two_talk_until_the_callee_hangs_up_and_the_script_goes_on() -> None:
    played = call(talk(7.0), connect(), THEN)
    assert played.when("ring") == [7.6]
    assert played.callees[0].disconnected_by == "user"
    assert played.when("talk", text="then") == [18.6]


def test_a_caller_hears_it_ring_and_is_answered_with_the_callee() -> None:
    played = call(connect(), callee=FarEnd(after=5.0, hangs_up_after=3.0))
    assert played.when("status", status="answered") == [5.0, 5.0]


def test_a_callee_leaves_a_moment_after_the_caller() -> None:
    """As in the published log: 0.06 seconds."""
    played = call(connect(), callee=FarEnd(after=1.0), caller=FarEnd(hangs_up_after=20.0))
    caller, callee = played.leg, played.callees[0]
    assert (callee.times["completed"] - caller.times["completed"]).total_seconds() == 0.06
    assert (caller.disconnected_by, callee.disconnected_by) == ("user", "platform")


@pytest.mark.parametrize(("first", "answered"), [([], False), ([talk(1.4)], True)])
def test_a_caller_may_give_up_while_it_rings(first: list[Json], answered: bool) -> None:
    """The callee's leg is cancelled, then completed; the caller's is completed, answered or not."""
    played = call(*first, connect(), callee=FarEnd(does="never_answers"), caller=FarEnd(hangs_up_after=12.0))
    assert played.statuses(played.callees[0]) == ["started", "ringing", "cancelled", "completed"]
    assert played.statuses() == ["ringing", "started", *(["answered"] if answered else []), "completed"]
    assert played.ended == (12.6 if answered else 12.0)
    assert (played.leg.bill is not None, played.leg.answered) == (True, answered)


@pytest.mark.parametrize(("timeout", "seconds"), [(None, 60.0), (10, 10.0)])
def test_it_rings_only_so_long(timeout: int | None, seconds: float) -> None:
    options: Json = {} if timeout is None else {"timeout": timeout}
    played = call(connect(**options), THEN, callee=FarEnd(does="never_answers"))
    assert played.statuses(played.callees[0]) == ["started", "ringing", "timeout", "completed"]
    assert played.when("status", status="timeout") == [seconds]
    assert played.when("talk") == [seconds]


def test_they_may_talk_only_so_long() -> None:
    played = call(connect(limit=7), THEN, callee=FarEnd(after=1.0))
    assert played.when("talk") == [8.0]
    assert played.callees[0].disconnected_by == "platform"


@pytest.mark.parametrize(("does", "status"), FAILURES)
def test_a_callee_who_does_not_answer_lets_the_script_go_on(does: Any, status: str) -> None:
    """`completed` follows at once, but for `rejected`."""
    played = call(connect(), THEN, callee=FarEnd(does=does, after=2.0))
    completed = [] if status == "rejected" else ["completed"]
    assert played.statuses(played.callees[0]) == ["started", "ringing", status, *completed]
    assert played.when("talk") == [2.0]


def test_several_callees_are_rung_in_turn() -> None:
    """Each once the one before has failed or hung up; all in one conversation."""
    callees = {"447700900301": FarEnd(does="busy", after=1.0), "447700900302": STAYS, "447700900303": STAYS}
    played = play(scenario(inbound(), callees=callees), [connect(number) for number in callees])
    assert played.result.rung == list(callees)
    assert played.when("ring") == [0.0, 1.0, 12.0]
    assert [leg.status for leg in played.callees] == ["busy", "completed", "completed"]
    assert len(played.carrier.ledger.conversations) == 1


def test_events_of_the_callee_may_go_elsewhere() -> None:
    """The caller's do not."""
    played = call(connect(eventUrl=["stage:/own"], eventMethod="GET"))
    assert [event["status"] for event in played.to("/own")] == ["started", "ringing", "answered", "completed"]
    assert {event["uuid"] for event in played.events} == {played.leg.uuid}
    assert {got.method for got in played.got if got.path == "/own"} == {"GET"}


def test_too_many_new_calls_a_second_are_reported() -> None:
    """The connect is skipped, and the script goes on."""
    played = call(*[connect()] * 5, THEN, callee=FarEnd(does="busy", after=0.1), calls_per_second=3.0)
    assert len(played.callees) == 3
    assert [event["reason"] for event in played.having("reason")] == ["Calls per second limit exceeded."] * 2
    assert "then" in played.result.said
    slower = call(*[connect()] * 5, callee=FarEnd(does="busy", after=0.4), calls_per_second=3.0)
    assert len(slower.callees) == 5


# ---- synchronous


def synchronous(does: str, reply: Any) -> Played:
    answers = {"/event": lambda got: reply if got.data["to"] == OTHER and got.data["status"] in ANSWERED_WITH else None}
    callee = FarEnd(does=does, after=1.0)  # type: ignore[arg-type]
    return call(connect(eventType="synchronous", timeout=20), THEN, callee=callee, answers=answers)


ANSWERED_WITH = ("timeout", "failed", "rejected", "unanswered", "busy")
EVERY_FAILURE = [*FAILURES, ("never_answers", "timeout")]


@pytest.mark.parametrize(("does", "status"), EVERY_FAILURE)
@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ([{"action": "talk", "text": "instead"}], ["instead"]),
        ([], []),
        (None, ["then"]),
        ({}, ["then"]),
        (500, ["then"]),
    ],
)
def test_a_failure_that_is_synchronous_may_be_answered(does: str, status: str, reply: Any, said: list[str]) -> None:
    """An NCCO replaces the rest; without one the next action comes."""
    played = synchronous(does, reply)
    assert played.result.said == said
    statuses = played.statuses(played.callees[0])
    assert statuses[2:] == ([status] if status == "rejected" else [status, "completed"])


def test_without_synchronous_nobody_reads_the_reply() -> None:
    answers = {"/event": lambda _: [talk(70.0)]}
    assert call(connect(), THEN, callee=FarEnd(does="busy"), answers=answers).result.said == ["then"]


@pytest.mark.parametrize(
    ("reply", "said"),
    [([{"action": "talk", "text": "instead"}], ["instead"]), ([], []), (None, ["then"])],
)
def test_a_websocket_that_closes_may_be_answered(reply: Any, said: list[str]) -> None:
    """With what the caller hears next."""
    answers = {"/event": lambda got: reply if got.data["status"] == "disconnected" else None}
    assert call(endpoint(type="websocket", uri=WEBSOCKET), THEN, answers=answers).result.said == said


# ---- onAnswer


def whispered(whisper: Any, callee: FarEnd = STAYS, **more: Any) -> Played:
    on_answer = endpoint(type="phone", number=OTHER, onAnswer={"url": "stage:/whisper"})
    return call(on_answer, THEN, callee=callee, answers={"/whisper": whisper}, **more)


def test_a_callee_may_hear_something_before_being_connected() -> None:
    """Only then are the two connected; the request is like that to an answer URL, by GET."""
    played = whispered([talk(3.5)])
    callee = played.callees[0]
    (request,) = [got for got in played.got if got.path == "/whisper"]
    assert (request.method, request.data["uuid"], request.data["to"]) == ("GET", callee.uuid, OTHER)
    assert played.when("status", status="answered") == [1.0, 4.5]


@pytest.mark.parametrize("whisper", [[], 500, "nonsense"])
def test_without_anything_to_hear_they_are_connected_at_once(whisper: Any) -> None:
    played = whispered(whisper)
    assert played.when("status", status="answered") == [1.0, 1.0]
    assert played.result.said == ["then"]


def test_a_callee_who_hangs_up_before_being_connected_has_not_answered_the_caller() -> None:
    played = whispered([talk(35.0)], callee=FarEnd(after=1.0, hangs_up_after=2.0))
    assert played.when("status", status="answered") == [1.0, 3.0], "the next action answers the caller"
    assert played.when("talk", text="then") == [3.0]


@pytest.mark.parametrize("gone", ["hangs up", "is put through to elsewhere"])
def test_a_caller_may_hang_up_while_the_callee_still_hears_something(gone: str) -> None:
    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        await carrier.clock.sleep(3.0)
        if gone == "hangs up":
            carrier._legs[legs[0].uuid].end("user", gone)
        else:
            carrier.transfer(legs[0].uuid, ncco=[talk(14.0)])

    on_answer = endpoint(type="phone", number=OTHER, onAnswer={"url": "stage:/whisper"})
    answers = {"/answer": [talk(1.4), on_answer], "/whisper": [talk(70.0)]}
    played = play(scenario(inbound(), callees={"*": FarEnd(after=0.5)}), answers, during=during)
    assert played.callees[0].disconnected_by == "platform"
    ends = {"hangs up": 3.06, "is put through to elsewhere": 3.0}
    assert played.when("status", status="completed")[0 if gone != "hangs up" else 1] == ends[gone]


def test_a_callee_transferred_before_being_connected_is_lost_to_the_caller() -> None:
    async def during(carrier: Carrier, _: list[Leg]) -> None:
        await carrier.clock.sleep(2.0)
        callee = next(line.leg for line in carrier._legs.values() if line.leg.to == OTHER)
        carrier.transfer(callee.uuid, ncco=[talk(14.0)])

    played = whispered([talk(7.0)], callee=FarEnd(after=1.0), during=during)
    assert played.when("talk", text="then") == [2.0]
    assert len(played.callees[0].moves) == 1


# ---- transfers meanwhile


def test_ringing_is_cancelled_when_the_caller_is_transferred() -> None:
    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        await carrier.clock.sleep(10.0)
        carrier.transfer(legs[0].uuid, url=Target(carrier.application.answer.url.replace("answer", "other"), "GET"))  # type: ignore[union-attr]

    played = call(talk(1.4), connect(), callee=FarEnd(does="never_answers"), during=during, answers={"/other": [THEN]})
    assert played.callees[0].status == "cancelled"
    assert played.result.said[-1] == "then"


def test_an_outbound_call_may_connect_too() -> None:
    played = play(scenario(outbound(FarEnd(after=1.0)), callees={"*": STAYS}), [connect(), THEN])
    assert played.callees[0].conversation is played.leg.conversation
    assert played.result.said == ["then"]
