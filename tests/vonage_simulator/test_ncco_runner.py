"""A script: which actions wait, how long, what replaces the rest, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vonage_simulator.stage import Json, Played, connect, inbound, outbound, play, room, scenario, talk
from vonage_simulator import ncco_runner
from vonage_simulator.carrier import Carrier
from vonage_simulator.ledger import Leg
from vonage_simulator.scenario import FarEnd

SYNTAX_ERROR = "Syntax error in NCCO. Invalid value type or action."
JINGLE: Json = {"action": "stream", "streamUrl": ["https://example.com/jingle.mp3"]}
NOTIFY: Json = {"action": "notify", "payload": {"step": 1, "of": ["a"]}, "eventUrl": ["stage:/notify"]}


def run(*actions: Json, far_end: FarEnd | None = None, **more: Any) -> Played:
    """A caller, whose script begins at 0.6."""
    return play(scenario(inbound(far_end), **more), list(actions))


# ---- talk and stream


def test_a_talk_takes_its_time_and_then_the_next_action_runs() -> None:
    played = run(talk(7.0), talk(1.4))
    assert (played.when("talk"), played.ended) == ([0.6, 7.6], 9.0)


@pytest.mark.parametrize("loop", [1, 2, 3])
def test_a_talk_is_repeated_as_often_as_loop_says(loop: int) -> None:
    assert run(talk(7.0, loop=loop)).ended == pytest.approx(0.6 + loop * 7.0)


def test_numbers_true_and_false_may_be_text() -> None:
    assert run(talk(7.0, loop="2")).ended == pytest.approx(14.6)
    played = run(
        talk(7.0, bargeIn="true"), {"action": "input", "dtmf": {"maxDigits": "1"}}, far_end=FarEnd(keys=("12",))
    )
    assert (played.result.pressed, played.when("keys")) == (["1"], [pytest.approx(1.9)])
    (wait,) = run({"action": "wait", "timeout": "2.5"}).when("hangup")
    assert wait == pytest.approx(3.1)


@pytest.mark.parametrize("loop", [0, 10**9, 10**400])
@pytest.mark.parametrize("action", [talk(1.4), JINGLE])
def test_an_endless_action_plays_until_the_caller_hangs_up(action: Json, loop: int) -> None:
    """A huge `loop` is endless, too."""
    played = run(action | {"loop": loop}, talk(7.0), far_end=FarEnd(hangs_up_after=30.0))
    assert (played.ended, played.result.ended_by) == (30.6, "user")
    assert len(played.when("talk") + played.when("stream")) == 1


def test_ssml_is_not_spoken() -> None:
    said = f"<speak><prosody rate='slow'>{'x' * 100}</prosody></speak>"
    played = run({"action": "talk", "text": said, "language": "en-GB"})
    assert played.ended == 7.6
    assert played.result.said == [said]


@pytest.mark.parametrize(("seconds", "loop"), [(5.0, 1), (2.0, 1), (2.0, 3)])
def test_an_audio_file_lasts_as_long_as_the_scenario_says(seconds: float, loop: int) -> None:
    played = run(JINGLE | {"loop": loop}, stream_seconds=seconds)
    assert (played.result.played, played.ended) == (JINGLE["streamUrl"], 0.6 + seconds * loop)


# ---- wait


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [(None, 10.0), (2.5, 2.5), (0, 0.1), (-7, 0.1), (0.01, 0.1), (7200, 7200.0), (10**400, 7200.0)],
)
def test_a_wait_lasts_its_timeout_between_a_tenth_of_a_second_and_two_hours(
    timeout: float | None, seconds: float
) -> None:
    action: Json = {"action": "wait"} if timeout is None else {"action": "wait", "timeout": timeout}
    assert run(action).ended == pytest.approx(0.6 + seconds)


# ---- notify


def test_a_payload_is_sent_and_the_script_goes_on() -> None:
    played = run(talk(7.0), NOTIFY, talk(1.4))
    (event,) = played.to("/notify")
    assert event == {
        "payload": {"step": 1, "of": ["a"]},
        "conversation_uuid": played.leg.conversation.uuid,
        "timestamp": "2026-01-01T00:00:07.600Z",
    }
    assert (played.result.notified, played.ended) == ([NOTIFY["payload"]], 9.0)


def test_a_payload_may_be_sent_by_get() -> None:
    """Then it is JSON text."""
    played = run(NOTIFY | {"eventMethod": "GET"})
    assert [(got.method, got.data["payload"]) for got in played.got if got.path == "/notify"] == [
        ("GET", '{"step":1,"of":["a"]}')
    ]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ([{"action": "talk", "text": "instead"}], ["instead"]),
        ([], []),
        ({}, ["then"]),
        (None, ["then"]),
        (500, ["then"]),
        ([{}], ["then"]),
    ],
)
def test_an_ncco_in_the_reply_replaces_the_rest(reply: Any, said: list[str]) -> None:
    """An empty one ends the call; anything else that is no NCCO lets the script go on."""
    played = play(scenario(inbound()), {"/answer": [NOTIFY, {"action": "talk", "text": "then"}], "/notify": reply})
    assert played.result.said == said
    assert len(played.having("reason")) == (1 if reply == [{}] else 0)


def test_no_action_is_run_after_it_was_replaced() -> None:
    """Also if what replaced it is replaced in its turn."""
    answers = {
        "/answer": [NOTIFY, talk(70.0)],
        "/notify": [NOTIFY | {"eventUrl": ["stage:/second"]}, talk(35.0)],
        "/second": [talk(1.4)],
    }
    played = play(scenario(inbound()), answers)
    assert (played.when("talk"), played.ended) == ([0.0], 1.4)


# ---- when a caller is answered


@pytest.mark.parametrize(
    "action",
    [talk(1.4), JINGLE, {"action": "wait"}, {"action": "input", "type": ["dtmf"]}, {"action": "record"}, room()],
)
def test_a_caller_is_answered_by_the_first_action_that_needs_it(action: Json) -> None:
    """0.6 seconds after it began to ring: phone-to-app.events.jsonl."""
    played = run(action, far_end=FarEnd(hangs_up_after=5.0))
    assert played.when("status", status="answered") == [0.6]


def test_a_notify_or_a_connect_does_not_answer_the_caller() -> None:
    played = run(NOTIFY, connect(), talk(1.4), far_end=FarEnd(), callees={"*": FarEnd(does="busy", after=3.0)})
    assert played.when("status", status="answered") == [3.0]
    never = run(NOTIFY, connect(), callees={"*": FarEnd(does="busy")})
    assert never.statuses() == ["ringing", "started", "completed"]
    assert never.events[-1]["disconnected_by"] == "platform"


# ---- the end


def test_at_the_end_of_the_script_the_call_is_hung_up() -> None:
    played = run(talk(1.4))
    assert played.result.ended_by == played.events[-1]["disconnected_by"] == "platform"


def test_an_empty_ncco_ends_the_call_unanswered() -> None:
    played = run()
    assert (played.statuses(), played.ended) == (["ringing", "started", "completed"], 0.0)


def test_the_caller_may_hang_up_at_any_time() -> None:
    played = run(talk(7.0), talk(7.0), far_end=FarEnd(hangs_up_after=3.0))
    assert (played.ended, played.result.ended_by, len(played.result.said)) == (3.6, "user", 1)


def test_a_running_script_may_be_replaced() -> None:
    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        await carrier.clock.sleep(5.0)
        ncco_runner.replace_script(carrier._legs[legs[0].uuid], [talk(1.4)])

    played = play(scenario(inbound()), [talk(70.0), talk(7.0)], during=during)
    assert (played.when("talk"), played.ended) == ([0.6, 5.0], 6.4)


ACTIONS: list[Json] = [
    talk(14.0),
    talk(14.0, loop=0),
    JINGLE | {"loop": 4},
    {"action": "wait"},
    {"action": "input", "type": ["dtmf"], "dtmf": {"timeOut": 10}},
    {"action": "input", "type": ["speech"]},
    {"action": "input", "type": ["dtmf"], "mode": "asynchronous"},
    {"action": "record", "endOnSilence": 10},
    {"action": "record", "endOnKey": "#"},
    connect("447700900301"),
    connect("447700900302"),
    connect("447700900303", machineDetection="continue"),
    room(),
]


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: str(action["action"]))
@pytest.mark.parametrize("gone", [True, False])
@pytest.mark.parametrize("at", [2.6, 5.0])
def test_any_action_may_be_interrupted(action: Json, gone: bool, at: float) -> None:
    """By the caller, who hangs up, or by the Voice API, which runs another script; no task is left."""

    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        await carrier.clock.sleep(at)
        if gone:
            carrier._legs[legs[0].uuid].end("user", "hung up")
        else:
            carrier.transfer(legs[0].uuid, ncco=[{"action": "talk", "text": "then"}])

    callees = {"447700900301": FarEnd(does="never_answers"), "447700900302": FarEnd(after=4.4)}
    story = scenario(inbound(FarEnd(keys=("12345",), says=("x" * 100,))), callees=callees)
    played = play(story, [talk(0.7), action, talk(14.0)], during=during)
    assert (played.result.said[-1] == "then") == (not gone)
    assert played.ended == pytest.approx(at if gone else at + 0.6)


def test_completed_of_a_telephone_is_sent_a_little_late() -> None:
    """That of an app user at once: phone-to-app.events.jsonl, where the other leg's comes between."""
    for endpoint, after in (("phone", 0.1), ("app", 0.0)):
        played = play(scenario(inbound(endpoint=endpoint)), [talk(1.4)])
        (sent,) = [
            item
            for item in played.result.happenings
            if item.what == "sent" and item.data["sent"].body["status"] == "completed"
        ]
        assert (sent.at - played.leg.times["completed"]).total_seconds() == pytest.approx(after)


# ---- transfer


def join(target: str, **more: Any) -> Json:
    return {"action": "transfer", "conversationId": target, **more}


def two(*actions: Json, **more: Any) -> Played:
    """One caller who waits for twenty seconds, and another who calls at 5 and runs *actions*."""
    waits = inbound(FarEnd(hangs_up_after=20.0), ncco=(talk(7.0, loop=0),))
    return play(scenario(waits, inbound(FarEnd(**more), at=5.0, ncco=actions)))


def test_a_leg_joins_a_conversation_for_good() -> None:
    """With a transfer event; nothing behind it is run. Left alone there, it stays a while."""
    played = two(join("conversation_of: 0"), talk(7.0), stays_alone=4.0)
    waits, comes = played.called
    (moved,) = played.having("conversation_uuid_to")
    assert (moved["type"], moved["uuid"], moved["conversation_uuid_to"]) == (
        "transfer",
        comes.uuid,
        waits.conversation.uuid,
    )
    assert comes.moves[0].left == moved["conversation_uuid_from"]
    assert played.events[-1]["conversation_uuid"] == waits.conversation.uuid, (
        "its events are of the other one from then"
    )
    assert len(played.when("talk")) == 1
    assert (comes.times["completed"] - waits.times["completed"]).total_seconds() == 4.0


@pytest.mark.parametrize("target", ["CON-of-nobody", "conversation_of: 7", "conversation_of: x", "conversation_of: 1 "])
def test_a_conversation_that_is_not_there_cannot_be_joined(target: str) -> None:
    """The application gets an error event, and the script goes on."""
    played = two(join(target), {"action": "talk", "text": "then"})
    assert played.having("reason")[0]["reason"] == SYNTAX_ERROR
    assert played.having("conversation_uuid_to") == []
    assert "then" in played.result.said


def test_a_conversation_that_everybody_left_cannot_be_joined() -> None:
    played = two(talk(70.0), join("conversation_of: 0"))
    assert [event["reason"] for event in played.having("reason")] == [SYNTAX_ERROR]


def test_only_a_scenario_may_name_the_conversation_of_a_call() -> None:
    """For an application it is an unknown id like any other."""
    played = play(scenario(inbound()), [join("conversation_of: 0")])
    assert [event["reason"] for event in played.having("reason")] == [SYNTAX_ERROR]


def test_a_leg_that_joins_its_own_conversation_stays_in_it() -> None:
    played = two(join("conversation_of: 1"), hangs_up_after=9.0)
    assert (played.called[1].moves, played.called[1].disconnected_by) == ([], "user")


@pytest.mark.parametrize("direction", [inbound, outbound])
def test_a_scenarios_ncco_that_cannot_be_run_is_a_fault(direction: Any) -> None:
    played = play(scenario(direction(FarEnd(), ncco=({"action": "talk"},))))
    assert [event["reason"] for event in played.having("reason")] == [SYNTAX_ERROR]
    assert "the scenario's NCCO cannot be run: action 1 (talk), text: It is missing" in played.result.troubles[0]
    assert played.result.ended_by == "platform"


def test_an_event_url_in_a_scenario_is_replaced_anywhere() -> None:
    """As in a room that is recorded and transcribed: https://github.com/Vonage/vonage-node-sdk/issues/992."""
    own: Json = {"eventUrl": ["event_url"]}
    recorded = room(record=True, transcription=own)
    played = play(scenario(inbound(FarEnd(hangs_up_after=9.0), ncco=(recorded,))), event_method="GET")
    (event,) = played.having("transcription_url")
    assert event["status"] == "transcribed"
    assert {got.method for got in played.got if "transcription_url" in got.data} == {"GET"}
    assert played.result.troubles == []


def test_an_event_url_in_a_scenario_is_that_of_the_application() -> None:
    action = {"action": "notify", "payload": {"step": 1}, "eventUrl": ["event_url"]}
    played = play(scenario(inbound(ncco=(action,))), event_method="GET")
    assert [(got.method, got.data["payload"]) for got in played.got if "payload" in got.data] == [("GET", '{"step":1}')]
