"""Voice API commands for running calls, and stopping a carrier."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.vonage_simulator.stage import (
    OTHER,
    STAYS,
    Answer,
    Json,
    Played,
    connect,
    inbound,
    outbound,
    play,
    playing,
    scenario,
    talk,
)
from vonage_simulator.carrier import Carrier
from vonage_simulator.ledger import Leg, Target
from vonage_simulator.refusals import NoSuchConversation, NoSuchLeg, NotActive, TooEarly, TooFast
from vonage_simulator.scenario import Command, FarEnd

LONG: list[Json] = [talk(70.0)]
THEN: Json = {"action": "talk", "text": "then"}
Act = Callable[[Carrier, Leg], Any]


def after(seconds: float, *acts: Act, answers: Any = None, call: Any = None, **more: Any) -> Played:
    """A call to whose leg *acts* are done, one after the other."""

    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        await carrier.clock.sleep(seconds)
        for act in acts:
            act(carrier, legs[0])

    story = scenario(call or inbound(FarEnd(keys=("12", "3"))), callees={"*": FarEnd(after=1.0)})
    return play(story, answers or LONG, during=during, **more)


def refused(seconds: float, error: type[Exception], act: Act, **more: Any) -> None:
    def raises(carrier: Carrier, leg: Leg) -> None:
        with pytest.raises(error):
            act(carrier, leg)

    after(seconds, raises, **more)


# Everything that can be done to a leg that was answered.
ACTS: dict[str, Act] = {
    "transfer": lambda carrier, leg: carrier.transfer(leg.uuid, ncco=[THEN]),
    "talk": lambda carrier, leg: carrier.talk(leg.uuid, "Hello"),
    "stop_talk": lambda carrier, leg: carrier.stop_talk(leg.uuid),
    "stop_stream": lambda carrier, leg: carrier.stop_stream(leg.uuid),
    "stream": lambda carrier, leg: carrier.stream(leg.uuid, "https://example.com/a.mp3"),
    "dtmf": lambda carrier, leg: carrier.dtmf(leg.uuid, "1"),
    "listen": lambda carrier, leg: carrier.listen(leg.uuid, Target("http://127.0.0.1:9/")),
}
ANY_TIME: dict[str, Act] = {
    "hang_up": lambda carrier, leg: carrier.hang_up(leg.uuid),
    "mute": lambda carrier, leg: carrier.mute(leg.uuid, True),
    "earmuff": lambda carrier, leg: carrier.earmuff(leg.uuid, True),
    "stop_listening": lambda carrier, leg: carrier.stop_listening(leg.uuid),
}
RINGS = outbound(FarEnd(after=20.0))


# ---- impossible commands


@pytest.mark.parametrize("name", ACTS)
def test_commands_for_an_answered_leg_fail_before_it_is_answered(name: str) -> None:
    refused(5.0, NotActive, ACTS[name], call=RINGS)


@pytest.mark.parametrize("name", [*ACTS, *ANY_TIME])
def test_nothing_can_be_done_to_a_leg_that_is_over(name: str) -> None:
    refused(90.0, NoSuchLeg, (ACTS | ANY_TIME)[name])


@pytest.mark.parametrize("name", [*ACTS, *ANY_TIME])
def test_nothing_can_be_done_to_an_unknown_leg(name: str) -> None:
    refused(5.0, NoSuchLeg, lambda carrier, leg: (ACTS | ANY_TIME)[name](carrier, replace(leg, uuid="nobody's")))


# ---- hang up


@pytest.mark.parametrize(
    ("call", "statuses"),
    [
        (inbound(), ["ringing", "started", "answered", "completed"]),
        (outbound(FarEnd(after=0.0)), ["started", "ringing", "answered", "completed"]),
        (RINGS, ["started", "ringing", "cancelled", "completed"]),
    ],
)
def test_a_call_is_hung_up_by_the_platform(call: Any, statuses: list[str]) -> None:
    played = after(5.0, ANY_TIME["hang_up"], call=call)
    assert (played.statuses(), played.ended) == (statuses, 5.0)
    assert played.events[-1]["disconnected_by"] == "platform"


def test_a_leg_cannot_be_hung_up_in_its_first_second() -> None:
    """Help article 10359615124380."""
    refused(0.9, TooEarly, ANY_TIME["hang_up"])
    assert after(1.0, ANY_TIME["hang_up"]).ended == 1.0


def test_a_leg_is_hung_up_once() -> None:
    played = after(5.0, ANY_TIME["hang_up"])
    assert played.statuses().count("completed") == 1
    refused(5.0, NoSuchLeg, lambda carrier, leg: [ANY_TIME["hang_up"](carrier, leg) for _ in range(2)])


# ---- transfer


def test_a_leg_is_transferred_to_an_ncco_in_a_new_conversation() -> None:
    played = after(5.0, ACTS["transfer"])
    (moved,) = played.having("conversation_uuid_to")
    assert moved["timestamp"] == "2026-01-01T00:00:05.000Z"
    assert (moved["conversation_uuid_to"], played.leg.moves[0].left) == (
        played.leg.conversation.uuid,
        moved["conversation_uuid_from"],
    )
    assert played.events[-1]["conversation_uuid"] == moved["conversation_uuid_to"]
    assert (played.when("talk"), played.ended) == ([0.6, 5.1], 5.6)


@pytest.mark.parametrize(("answer", "said"), [([THEN], ["then"]), ([], []), (500, []), ([{}], []), ("nonsense", [])])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_leg_is_transferred_to_the_ncco_of_a_url(answer: Answer, said: list[str], method: str) -> None:
    """If that cannot be run, the call ends; an error event is sent if the application is at fault."""

    def act(carrier: Carrier, leg: Leg) -> None:
        assert carrier.application.answer
        url = carrier.application.answer.url.replace("/answer", "/other")
        carrier.transfer(leg.uuid, url=Target(url, method))

    played = after(5.0, act, answers={"/answer": LONG, "/other": answer})
    (request,) = [got for got in played.got if got.path == "/other"]
    assert (request.method, request.data["uuid"]) == (method, played.leg.uuid)
    assert request.data["conversation_uuid"] == played.leg.conversation.uuid
    assert (played.result.said[1:], played.result.ended_by) == (said, "platform")
    assert len(played.having("reason")) == (answer in ([{}], "nonsense"))


def test_a_callee_may_be_transferred_and_the_callers_script_goes_on() -> None:
    def act(carrier: Carrier, _: Leg) -> None:
        callee = next(leg for leg in carrier.ledger.legs.values() if leg.to == OTHER)
        carrier.transfer(callee.uuid, ncco=[talk(7.0)])

    played = after(20.0, act, answers=[connect(), THEN])
    assert played.when("talk", text="then") == [20.0]
    assert played.callees[0].moves[0].left == played.leg.conversation.uuid


def test_two_transfers_are_two_moves() -> None:
    played = after(5.0, ACTS["transfer"], ACTS["transfer"])
    assert [move.joined for move in played.leg.moves[:1]] == [move.left for move in played.leg.moves[1:]]
    assert played.result.said[1:] == ["then"], "the first script never began"


# ---- play and subscribe


def test_an_injected_talk_is_played_and_the_script_goes_on() -> None:
    played = after(5.0, ACTS["talk"], ACTS["stop_talk"], ACTS["stream"], ACTS["stop_stream"], ACTS["dtmf"])
    assert played.result.said[-1] == "Hello"
    assert played.result.played == ["https://example.com/a.mp3"]
    assert played.when("dtmf", digits="1") == [5.0]
    assert played.ended == 70.6


def test_muting_sends_no_event() -> None:
    played = after(5.0, ANY_TIME["mute"], ANY_TIME["earmuff"])
    assert (played.leg.muted, played.leg.earmuffed) == (True, True)
    assert played.statuses() == ["ringing", "started", "answered", "completed"]


def listen(carrier: Carrier, leg: Leg) -> None:
    assert carrier.application.event
    carrier.listen(leg.uuid, Target(carrier.application.event.url.replace("/event", "/keys")))


def test_each_key_can_be_subscribed_to() -> None:
    played = after(5.0, listen)
    assert [event["dtmf"]["digits"] for event in played.to("/keys")] == ["1", "2"]
    assert played.when("keys") == [6.0, 7.0]


def test_the_subscription_can_be_stopped_and_started_again() -> None:
    """It starts again with the next key."""

    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        for act in (listen, lambda *_: carrier.stop_listening(legs[0].uuid), listen):
            await carrier.clock.sleep(1.5)
            act(carrier, legs[0])

    played = play(scenario(inbound(FarEnd(keys=("12", "3")))), LONG, during=during)
    assert played.result.pressed == ["1", "3"]
    refused(5.0, NotActive, listen, call=RINGS)


# ---- record


def test_a_conversation_is_recorded_between_start_and_stop() -> None:
    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        await carrier.clock.sleep(5.0)
        carrier.record(legs[0].conversation.uuid, {"format": "wav"})
        await carrier.clock.sleep(10.0)
        carrier.stop_record(legs[0].conversation.uuid)
        carrier.stop_record(legs[0].conversation.uuid)

    played = play(scenario(inbound()), LONG, during=during)
    (made,) = played.leg.conversation.recordings
    assert (made.format, (made.ended - made.started).total_seconds()) == ("wav", 10.0)
    assert played.result.recorded == [{"format": "wav"}]


def test_only_a_conversation_with_a_member_can_be_recorded() -> None:
    refused(5.0, NoSuchConversation, lambda carrier, _: carrier.record("CON-of-nobody", {}))
    refused(5.0, NoSuchConversation, lambda carrier, _: carrier.stop_record("CON-of-nobody"))
    refused(90.0, NoSuchConversation, lambda carrier, leg: carrier.record(leg.conversation.uuid, {}))


# ---- new calls


def test_the_calls_per_second_limit_holds() -> None:
    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        for _ in range(2):
            await carrier.clock.sleep(1.0)
            for _ in range(3):
                carrier.create(outbound(FarEnd(after=1.0)), answer=None, event=None)
            with pytest.raises(TooFast):
                carrier.create(outbound(FarEnd(after=1.0)), answer=None, event=None)

    assert len(play(scenario(inbound()), LONG, during=during, calls_per_second=3.0).result.legs) == 7


def test_a_call_may_have_urls_of_its_own() -> None:
    async def during(carrier: Carrier, _: list[Leg]) -> None:
        assert carrier.application.event
        own = carrier.application.event.url
        answer, event = Target(own.replace("event", "other"), "POST"), Target(own.replace("event", "own"))
        carrier.create(outbound(FarEnd(after=1.0)), answer=answer, event=event)

    played = play(scenario(inbound()), {"/answer": LONG, "/other": [THEN]}, during=during)
    assert [event["status"] for event in played.to("/own")] == ["started", "ringing", "answered", "completed"]
    assert [got.method for got in played.got if got.path == "/other"] == ["POST"]


# ---- a scenario's commands


def controlled(*commands: Command, callee: FarEnd = STAYS, answers: Any = None) -> Played:
    call = inbound(FarEnd(hangs_up_after=40.0), control=commands)
    return play(scenario(call, callees={"*": callee}), answers or LONG)


def test_a_scenarios_commands_are_timed_from_the_answer() -> None:
    """In order of time; to a callee where one is named."""
    played = controlled(
        Command(at=20.0, do="hangup"),
        Command(at=10.0, do="mute", to=OTHER),
        Command(at=5.0, do="talk", options={"text": "Hello"}),
        callee=FarEnd(after=1.0),
        answers=[connect()],
    )
    assert (played.when("talk"), played.ended) == ([6.0], 21.0)
    assert (played.leg.muted, played.callees[0].muted) == (False, True)


def test_an_impossible_command_is_reported_to_the_watcher() -> None:
    played = controlled(Command(at=5.0, do="hangup", to="nobody"), Command(at=0.1, do="hangup"))
    assert played.result.troubles == [
        "hangup of call: A leg cannot be hung up so soon after it was made.",
        "hangup of nobody: There is no such leg, or it is over.",
    ]


def test_no_leg_is_transferred_to_an_ncco_that_cannot_be_run() -> None:
    played = controlled(Command(at=5.0, do="transfer", options={"ncco": [{"action": "talk"}]}))
    assert "the scenario's NCCO cannot be run" in played.result.troubles[0]
    assert played.leg.moves == []


# ---- stopped


@pytest.mark.parametrize("moment", [0.0, 0.3, 2.0, 6.0, 16.0, 22.0])
def test_a_stopped_carrier_sends_no_more_events(moment: float) -> None:
    """Not even that a ringing leg is cancelled; and no task is left."""

    async def run() -> tuple[int, int, int]:
        answers: Json = {"/answer": [connect(), {"action": "record"}]}
        async with playing(answers) as (carrier, _):
            callees = {"*": FarEnd(after=5.0, hangs_up_after=10.0)}
            await carrier.play(scenario(inbound(), inbound(), callees=callees))
            await carrier.clock.sleep(moment)
            said = len(carrier.sender.sent)
            carrier.stop()
            await carrier.over()
            return said, len(carrier.sender.sent), len(carrier._context._tasks)

    before, behind, tasks = asyncio.run(run())
    assert (behind, tasks) == (before, 0)
