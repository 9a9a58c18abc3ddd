"""Outbound calls: ringing, failures, and machine detection."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vonage_simulator.stage import (
    CALLER,
    OTHER,
    OURS,
    Json,
    Played,
    connect,
    inbound,
    outbound,
    play,
    scenario,
    talk,
)
from vonage_simulator.scenario import FarEnd

HELLO = [talk(7.0)]
NOT_ANSWERED = [
    # what the far end does, the status, sip_code, detail, who ended it
    ("busy", "busy", 486, None, "user"),
    ("rejects", "rejected", 603, "declined", None),
    ("unreachable", "unanswered", 480, "unavailable", "platform"),
    ("fails", "failed", 404, "cannot_route", "platform"),
]


def call(far_end: FarEnd, answers: Any = None, **more: Any) -> Played:
    return play(scenario(outbound(far_end, **more)), answers or HELLO)


# ---- answered


def test_a_call_rings_is_answered_and_then_requests_the_answer() -> None:
    played = call(FarEnd(after=5.0))
    assert played.statuses() == ["started", "ringing", "answered", "completed"]
    assert played.when("status") == [0.0, 0.0, 5.0, 12.0]
    assert played.when("request") == [5.0], "the answer URL is requested when the callee picks up"
    (request,) = played.to("/answer")
    assert (request["from"], request["to"], request["uuid"]) == (OURS, CALLER, played.leg.uuid)
    assert {event["direction"] for event in played.events} == {"outbound"}


@pytest.mark.parametrize(
    ("kind", "rings"), [("phone", True), ("sip", True), ("vbc", True), ("app", False), ("websocket", False)]
)
def test_telephones_ring_apps_and_websockets_do_not(kind: str, rings: bool) -> None:
    """No published log shows an app ringing."""
    played = call(FarEnd(), to="somebody", endpoint=kind)
    assert ("ringing" in played.statuses()) == rings
    assert played.events[-1].get("sip_code") == (200 if rings else None), "only calls over SIP have a code"


def test_the_leg_may_start_some_time_after_it_was_dialled() -> None:
    played = call(FarEnd(dialled_in=3.5, after=1.0))
    assert played.when("status", status="started") == [3.5]
    assert played.when("status", status="answered") == [4.5]


def test_a_call_lasts_no_longer_than_its_timer() -> None:
    played = call(FarEnd(), [talk(7.0, loop=0)], length_timer=20.0)
    assert (played.ended, played.result.ended_by) == (22.0, "platform")


def test_a_leg_lasts_two_hours_at_most() -> None:
    """The default of the API, with any action. A caller who never hangs up does not stay for ever."""
    played = play(scenario(inbound()), [talk(7.0, loop=0)])
    assert (played.ended, played.result.ended_by) == (7200.6, "platform")


def test_a_call_with_an_ncco_requests_no_answer() -> None:
    played = call(FarEnd(), ncco=({"action": "talk", "text": "Hello"},))
    assert (played.to("/answer"), played.result.said) == ([], ["Hello"])


# ---- not answered


@pytest.mark.parametrize(("does", "status", "sip_code", "detail", "ended_by"), NOT_ANSWERED)
def test_a_failed_call_has_its_failure(
    does: Any, status: str, sip_code: int, detail: str | None, ended_by: str | None
) -> None:
    """Then it is completed, but for one that was rejected, after which nothing comes."""
    played = call(FarEnd(does=does, after=3.0))
    completed = ["completed"] if status != "rejected" else []
    assert played.statuses() == ["started", "ringing", status, *completed]
    failed = played.events[2]
    assert (failed.get("sip_code"), failed.get("detail")) == (sip_code, detail)
    assert (failed["timestamp"], played.to("/answer")) == ("2026-01-01T00:00:03.000Z", [])
    for event in played.events[3:]:
        assert (event["disconnected_by"], event["sip_code"]) == (ended_by, sip_code)
        assert (event["duration"], event["price"], event["start_time"]) == ("0", "0", None)


def test_the_scenario_may_give_another_reason() -> None:
    played = call(FarEnd(does="fails", detail="number_out_of_service"))
    assert played.events[2]["detail"] == "number_out_of_service"
    assert "detail" not in call(FarEnd(does="busy", detail="never told")).events[2]


@pytest.mark.parametrize("far_end", [FarEnd(does="never_answers"), FarEnd(after=31.0), FarEnd(does="busy", after=31.0)])
def test_it_rings_no_longer_than_the_ringing_timer(far_end: FarEnd) -> None:
    played = call(far_end, ringing_timer=30.0)
    assert played.statuses() == ["started", "ringing", "timeout", "completed"]
    assert played.when("status", status="timeout") == [30.0]
    assert played.events[-1]["disconnected_by"] == "user", "the callee did not answer"


def test_an_answer_at_the_last_moment_counts() -> None:
    assert call(FarEnd(after=30.0), ringing_timer=30.0).result.answered


# ---- machine detection

MACHINE = FarEnd(does="machine", after=0.0, greeting=6.0)
DEAF = FarEnd(does="machine", after=0.0, beep=False)


def detected(far_end: FarEnd, mode: str | None, answers: Any = None, **advanced: Any) -> Played:
    """A call with machine detection; *mode* None: the simple one."""
    if mode is None:
        return call(far_end, answers, machine_detection=advanced.get("behavior", "continue"))
    return call(far_end, answers, advanced_machine_detection={"mode": mode, **advanced})


def verdicts(played: Played) -> list[tuple[str, str | None, float]]:
    times = [*played.when("status", status="human"), *played.when("status", status="machine")]
    events = [event for event in played.events if event["status"] in ("human", "machine")]
    return [(event["status"], event.get("sub_state"), at) for event, at in zip(events, times, strict=False)]


@pytest.mark.parametrize("mode", [None, "default", "detect", "detect_beep"])
def test_a_person_is_reported_once(mode: str | None) -> None:
    played = detected(FarEnd(after=0.0), mode)
    assert verdicts(played) == [("human", None, 2.5)]
    assert played.leg.machine == "human"


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (None, [(None, 2.5)]),
        ("default", [(None, 2.5), ("beep_start", 6.0)]),
        ("detect", [(None, 2.5)]),
        ("detect_beep", [("beep_start", 2.5)]),
    ],
)
def test_a_machine_is_reported_as_the_mode_says(mode: str | None, expected: list[tuple[str | None, float]]) -> None:
    """The verdict, the beep, or the verdict and then the beep."""
    assert [sub_state for _, sub_state, _ in verdicts(detected(MACHINE, mode))] == [state for state, _ in expected]


@pytest.mark.parametrize(("mode", "begins"), [(None, 0.0), ("default", 0.0), ("detect", 2.5), ("detect_beep", 6.0)])
def test_the_script_waits_for_the_verdict_of_its_mode(mode: str | None, begins: float) -> None:
    """In the modes `detect` and `detect_beep`; in the others it runs meanwhile."""
    played = detected(MACHINE, mode)
    assert (played.when("talk"), played.when("reply")[-1] >= begins) == ([begins], True)


@pytest.mark.parametrize(("mode", "most"), [("default", 50), ("detect_beep", 45), ("detect_beep", 120)])
def test_the_wait_for_a_beep_has_a_limit(mode: str, most: int) -> None:
    played = detected(DEAF, mode, [talk(70.0, loop=2)], beep_timeout=most)
    assert [sub_state for _, sub_state, _ in verdicts(played)][-1] == "beep_timeout"
    assert played.when("status", status="machine")[-1] == 2.5 + most


def test_a_greeting_longer_than_the_limit_is_a_beep_timeout() -> None:
    played = detected(FarEnd(does="machine", greeting=60.0), "detect_beep", beep_timeout=45)
    assert played.leg.machine == "beep_timeout"


@pytest.mark.parametrize("mode", [None, "default", "detect", "detect_beep"])
def test_a_machine_may_be_hung_up_on(mode: str | None) -> None:
    """No answer is requested for a call that is over, and a person is not hung up on."""
    played = detected(MACHINE, mode, behavior="hangup")
    assert (played.statuses()[-2:], played.ended, played.result.ended_by) == (["machine", "completed"], 2.5, "platform")
    assert len(played.to("/answer")) == (1 if mode in (None, "default") else 0)
    assert detected(FarEnd(), mode, behavior="hangup").result.said == [HELLO[0]["text"]]


def test_each_verdict_may_be_answered_with_another_script() -> None:
    """In mode `default`: at once with the verdict, and once more with the beep."""

    def event(got: Any) -> list[Json] | None:
        if got.data.get("status") != "machine":
            return None
        return [{"action": "talk", "text": got.data.get("sub_state", "wait")}, talk(14.0)]

    played = detected(MACHINE, "default", {"/answer": [talk(70.0)], "/event": event})
    talks = [words for words in played.result.said if "x" not in words]
    assert talks == ["wait", "beep_start"]
    assert played.when("talk", text="wait") == [2.5]
    assert played.when("talk", text="beep_start") == [6.0]


def test_another_script_may_replace_a_connect_too() -> None:
    """The callee's leg ends a moment later."""

    def event(got: Any) -> list[Json] | None:
        return [talk(7.0)] if got.data.get("status") == "human" else None

    call = outbound(FarEnd(after=0.0), machine_detection="continue")
    story = scenario(call, callees={OTHER: FarEnd(after=1.0)})
    played = play(story, {"/answer": [connect()], "/event": event})
    assert played.when("status", status="completed") == [2.56, 9.5]
    assert played.callees[0].disconnected_by == "platform"


@pytest.mark.parametrize(("reply", "said"), [([talk(1.4)], 1), ([], 0)])
def test_an_awaited_verdict_may_be_answered_with_the_script(reply: list[Json], said: int) -> None:
    """Also with an empty one. Then the answer URL is not requested."""
    played = detected(
        MACHINE, "detect", {"/answer": HELLO, "/event": lambda got: reply if "call_uuid" in got.data else None}
    )
    assert (played.to("/answer"), len(played.result.said)) == ([], said)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"machineDetection": "continue"}, ["machine"]),
        ({"advancedMachineDetection": {"mode": "default"}}, ["machine", "beep_start"]),
        ({"machineDetection": "hangup", "advancedMachineDetection": {"mode": "detect"}}, ["machine"]),
    ],
)
def test_a_connect_detects_machines_too_and_the_advanced_setting_wins(options: Json, expected: list[str]) -> None:
    callees = {OTHER: FarEnd(does="machine", greeting=6.0, hangs_up_after=20.0)}
    played = play(scenario(inbound(), callees=callees), [connect(**options)])
    found = [event.get("sub_state", event["status"]) for event in played.having("call_uuid")]
    assert found == expected
    assert played.callees[0].disconnected_by == "user"


def test_a_connect_may_hang_up_on_a_machine_and_the_caller_goes_on() -> None:
    callees = {OTHER: FarEnd(does="machine")}
    played = play(scenario(inbound(), callees=callees), [connect(machineDetection="hangup"), talk(1.4)])
    assert played.callees[0].disconnected_by == "platform"
    assert len(played.result.said) == 1
