"""The result of a call."""

from __future__ import annotations

from tests.vonage_simulator.stage import (
    CALLER,
    OTHER,
    OURS,
    Json,
    connect,
    inbound,
    outbound,
    play,
    room,
    scenario,
    talk,
)
from vonage_simulator.call_result import CallResult, transcript
from vonage_simulator.scenario import FarEnd

MENU: list[Json] = [
    {"action": "talk", "text": "Hello", "bargeIn": True},
    {"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 1}},
    {"action": "input", "type": ["speech"]},
    {"action": "stream", "streamUrl": ["https://example.com/a.mp3"]},
    {"action": "notify", "payload": {"step": 1}, "eventUrl": ["stage:/notify"]},
    {"action": "record", "format": "wav", "timeOut": 3},
    connect(),
    room("support"),
]


def result_of(far_end: FarEnd | None = None, *actions: Json) -> CallResult:
    caller = far_end or FarEnd(keys=("1",), says=("sales",), hangs_up_after=60.0)
    return play(
        scenario(inbound(caller), callees={OTHER: FarEnd(after=1.0, hangs_up_after=5.0)}), [*actions] or MENU
    ).result


def test_every_happening_is_available_by_name() -> None:
    call = result_of()
    assert (call.said, call.played) == (["Hello"], ["https://example.com/a.mp3"])
    assert call.asked_for == [{"type": ["dtmf"], "dtmf": {"maxDigits": 1}}, {"type": ["speech"]}]
    assert (call.pressed, call.spoken) == (["1"], ["sales"])
    assert (call.rung, call.joined, call.notified) == ([OTHER], ["support"], [{"step": 1}])
    assert call.recorded == [{"format": "wav", "timeOut": 3}]
    assert [len(ncco) for ncco in call.nccos] == [len(MENU)]
    assert call.troubles == []


def test_it_has_the_course_of_the_call() -> None:
    call = result_of()
    assert (call.status, call.answered, call.ended_by) == ("completed", True, "user")
    assert [leg.to for leg in call.legs] == [OURS, OTHER]
    assert call.seconds == 60.7, "`completed` is sent a little later"
    assert {event["uuid"] for event in call.events if "uuid" in event} == {leg.uuid for leg in call.legs}


def test_it_has_the_failure_of_a_call() -> None:
    """Nobody hung up then."""
    call = play(scenario(outbound(FarEnd(does="busy"))), [talk(7.0)]).result
    assert (call.status, call.answered, call.ended_by) == ("busy", False, None)


def test_the_end_of_another_leg_is_not_the_end_of_the_call() -> None:
    call = result_of(FarEnd(), connect())
    assert [happening.data["by"] for happening in call.happenings if happening.what == "hangup"] == ["user", "platform"]
    assert call.ended_by == "platform"


def test_an_empty_result_has_an_empty_transcript() -> None:
    assert (CallResult([], []).seconds, str(CallResult([], []))) == (0.0, "")


def test_the_transcript_has_a_line_for_each_happening_with_its_seconds() -> None:
    call = result_of(FarEnd(hangs_up_after=3.0), talk(7.0))
    lines = str(call).splitlines()
    assert lines[0] == f"   0.000  {CALLER}    calls {OURS}"
    assert lines[3].startswith(f"   0.000  {CALLER}    requests http://")
    assert lines[4:] == [
        f"   0.000  {CALLER}    gets NCCO: talk",
        f"   0.600  {CALLER}    answered",
        f"   0.600  {CALLER}    hears “{'x' * 69}…”",
        f"   3.600  {CALLER}    hangs up",
        f"   3.600  {CALLER}    completed",
    ]
    assert transcript(call.happenings, []) != lines, "without the legs there are no names"
