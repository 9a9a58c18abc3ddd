"""The simulated call gives the log that Vonage published; every scenario ends, also if it is interrupted."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from tests.vonage_simulator.stage import (
    OURS,
    START,
    Got,
    Json,
    Ncco,
    Played,
    connect,
    inbound,
    leaves_nothing,
    outbound,
    play,
    playing,
    room,
    scenario,
)
from vonage_simulator import scenarios
from vonage_simulator.carrier import Carrier
from vonage_simulator.ledger import Leg
from vonage_simulator.scenario import FarEnd, Scenario

SAMPLE = Path(__file__).parents[1] / "samples" / "phone-to-app.events.jsonl"
PUBLISHED: list[Json] = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
BEGAN = datetime.fromisoformat("2021-03-29T21:20:05.582Z")
GREETING = "Please hold the line while we connect your call."
# https://developer.vonage.com/en/vonage-client-sdk/tutorials (phone to app)
TUTORIAL: Ncco = [
    {"action": "talk", "text": GREETING},
    {"action": "connect", "from": "441234567890", "endpoint": [{"type": "app", "user": "Alice"}]},
]
IDS = ("uuid", "conversation_uuid")


def answer(request: Got) -> Ncco:
    """As the three tutorials do: a telephone reaches Alice, an app user the user it called."""
    to = request.data["to"] if "from_user" in request.data else "Alice"
    endpoint = {"type": "phone", "number": to} if to.isdigit() else {"type": "app", "user": to}
    return [TUTORIAL[0], {"action": "connect", "from": OURS, "endpoint": [endpoint]}]


def run(name: str) -> Played:
    return play(scenarios.find(name), {"/answer": answer})


def test_the_tutorials_call_gives_the_published_log() -> None:
    """Event for event as they arrived, field for field, in the order of the keys; only the ids are others."""
    played = play(scenarios.find("phone-to-app"), TUTORIAL, start=BEGAN)
    ids: dict[str, str] = {}
    for ours, theirs in zip(played.events, PUBLISHED, strict=True):
        for name in IDS:
            assert ids.setdefault(ours[name], theirs[name]) == theirs[name]
        assert json.dumps(ours | {name: theirs[name] for name in IDS}) == json.dumps(theirs)
    assert len(ids) == len(set(ids.values())) == 3, "one conversation, two legs, each with an id of its own"


def test_ids_have_the_form_of_the_published_ones() -> None:
    """32 hex digits for who called, dashes for whom `connect` rang, CON- for the conversation."""
    played = play(scenarios.find("phone-to-app"), TUTORIAL, start=BEGAN)
    caller, alice = played.leg, played.callees[0]
    assert [len(caller.uuid), caller.uuid.count("-")] == [32, 0]
    assert [len(alice.uuid), alice.uuid.count("-")] == [36, 4]
    assert caller.conversation.uuid.startswith("CON-")


def test_the_answer_request_of_the_published_call_is_as_in_2021() -> None:
    """Without endpoint_type and region_url, which came later."""
    played = play(scenarios.find("phone-to-app"), TUTORIAL, start=BEGAN)
    (request,) = played.to("/answer")
    leg = played.leg
    assert request == {
        "to": "442038297050",
        "from": "441234567890",
        "conversation_uuid": leg.conversation.uuid,
        "uuid": leg.uuid,
    }


@pytest.mark.parametrize("name", scenarios.names())
def test_every_scenario_ends_without_trouble(name: str) -> None:
    """`play` asserts that no leg and no task is left."""
    played = run(name)
    assert bool(played.result.troubles) == (name == "wrong-ncco"), played.result.troubles
    for leg in played.result.legs:
        last = played.statuses(leg)[-1]
        assert last == ("rejected" if leg.failure == "rejected" else "completed")
        assert leg.bill or leg.failure == "rejected"


@pytest.mark.parametrize("name", scenarios.names())
def test_the_same_seed_of_ids_gives_the_same_webhooks(name: str) -> None:
    """Body for body, and in the same order."""
    first, second = run(name), run(name)
    assert first.events == second.events
    assert first.to("/answer") == second.to("/answer")


def test_a_wrong_ncco_is_reported_and_ends_the_call() -> None:
    played = run("wrong-ncco")
    assert played.having("reason")[0]["reason"] == "Syntax error in NCCO. Invalid value type or action."
    assert (played.result.answered, played.result.ended_by) == (False, "platform")


def test_a_second_playing_has_rooms_of_its_own() -> None:
    """Two conferences of one scenario are two, though they have one name in it."""

    async def once_more(carrier: Carrier, _: list[Leg]) -> None:
        await carrier.play(scenarios.find("conference"))

    played = play(scenarios.find("conference"), during=once_more)
    named = [room.name for room in played.carrier.ledger.conversations.values() if room.name]
    assert named == ["standup", "standup-2"]
    assert [len(room.legs) for room in played.carrier.ledger.conversations.values() if room.name] == [3, 3]


def test_a_scenarios_ncco_may_go_to_the_conversation_of_another_of_its_calls() -> None:
    """To the one it is in at that time, whose legs then hear each other."""
    played = run("joins-conversation")
    waits, comes = played.called
    assert comes.conversation is waits.conversation
    assert [body["conversation_uuid_to"] for body in played.having("conversation_uuid_to")] == [waits.conversation.uuid]


# ---- many, and in a moment


def test_a_hundred_may_call_at_once() -> None:
    """Each has the same events, and all of them leave."""
    story = scenario(*[inbound(from_=f"4477009001{number:02}") for number in range(100)])
    played = play(story, [room()], during=_all_go)
    assert {tuple(played.statuses(leg)) for leg in played.called} == {("ringing", "started", "answered", "completed")}
    assert sum(bool(leg.moves) for leg in played.called) == 50


async def _all_go(carrier: Carrier, _: list[Leg]) -> None:
    await carrier.clock.sleep(20.0)
    for line in list(carrier._legs.values()):
        line.end("user", "hung up")


MOMENTS = ["phone-to-app", "ring-group", "conference", "hold-and-resume", "voicemail", "notification-machine"]


@pytest.mark.parametrize("name", MOMENTS)
def test_a_call_may_end_at_any_moment(name: str) -> None:
    """All are hung up at each moment with a happening: each leg is completed once, and no task is left."""
    story = scenarios.find(name)
    moments = sorted({(happening.at - START).total_seconds() for happening in run(name).result.happenings})
    for moment in moments:
        ended = asyncio.run(_ended_at(moment, story))
        assert all(statuses.count("completed") == 1 for statuses in ended), (moment, ended)


async def _ended_at(moment: float, story: Scenario) -> list[list[str]]:
    async with playing({"/answer": answer}) as (carrier, stage):
        playing_on = asyncio.create_task(carrier.play(story))
        await carrier.clock.sleep(moment)
        for line in list(carrier._legs.values()):
            line.end("platform", "all are hung up")
        await playing_on
        await carrier.over()
        await leaves_nothing(carrier)
        return [
            [got.data["status"] for got in stage.got if got.data.get("uuid") == uuid and "status" in got.data]
            for uuid in carrier.ledger.legs
        ]


def test_a_scenario_of_zeros_takes_no_time() -> None:
    at_once = FarEnd(after=0.0, hangs_up_after=0.0, stays_alone=0.0, greeting=0.0)
    machine = replace(at_once, does="machine", hangs_up_after=None)
    story = scenario(
        inbound(at_once),
        outbound(at_once),
        outbound(machine, advanced_machine_detection={"mode": "default"}),
        callees={"*": at_once},
        stream_seconds=0.0,
    )
    played = play(story, [connect(), {"action": "stream", "streamUrl": ["https://example.com/a.mp3"]}])
    assert {leg.status for leg in played.result.legs} <= {"completed", "cancelled"}
