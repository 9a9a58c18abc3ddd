"""People at the far ends who do what a test says, while the call lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.vonage_simulator.stage import (
    OTHER,
    Json,
    Played,
    connect,
    inbound,
    outbound,
    play,
    playing,
    room,
    scenario,
    talk,
)
from vonage_simulator.carrier import Carrier
from vonage_simulator.ledger import Leg
from vonage_simulator.people import People
from vonage_simulator.refusals import NoSuchLeg, NotActive, NotRinging
from vonage_simulator.scenario import Call, FarEnd

WAITS = FarEnd(does="waits")
THEN: Json = {"action": "talk", "text": "then"}
Act = Callable[[People, Leg], Any]


def callee_of(carrier: Carrier) -> Leg:
    return next(leg for leg in carrier.ledger.legs.values() if leg.to == OTHER)


def acted(*acts: tuple[float, Act], answers: Any = None, call: Call | None = None, callee: FarEnd = WAITS) -> Played:
    """A call, or one to a callee, and what its far end does at which second: the callee's, if there is one."""

    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        for second, act in acts:
            await carrier.clock.sleep(second - carrier.clock.seconds)
            legs_of_callees = [leg for leg in carrier.ledger.legs.values() if leg not in legs]
            act(carrier.people, (legs_of_callees or legs)[0])

    return play(scenario(call or outbound(WAITS), callees={"*": callee}), answers or [talk(70.0)], during=during)


def answer(people: People, leg: Leg) -> None:
    people.answer(leg.uuid)


def reject(people: People, leg: Leg) -> None:
    people.reject(leg.uuid)


def hang_up(people: People, leg: Leg) -> None:
    people.hang_up(leg.uuid)


def press(keys: str) -> Act:
    return lambda people, leg: people.press(leg.uuid, keys)


# ---- answer, reject, hang up


def test_somebody_who_waits_rings_until_the_timer_ends() -> None:
    played = acted()
    assert (played.statuses(), played.ended) == (["started", "ringing", "timeout", "completed"], 60.0)


def test_somebody_picks_up_and_hangs_up() -> None:
    played = acted((7.0, answer), (20.0, hang_up))
    assert (played.when("status", status="answered"), played.ended) == ([7.0], 20.0)
    assert (played.leg.disconnected_by, played.result.said) == ("user", ["x" * 1000])


def test_somebody_declines() -> None:
    played = acted((7.0, reject))
    assert played.statuses() == ["started", "ringing", "rejected"]
    assert (played.leg.detail, played.when("status", status="rejected")) == ("declined", [7.0])


def test_a_callee_who_is_connected_does_so_too() -> None:
    played = acted((7.0, answer), (20.0, hang_up), call=inbound(), answers=[connect(), THEN])
    assert played.statuses(played.callees[0]) == ["started", "ringing", "answered", "completed"]
    assert played.when("talk", text="then") == [20.0]
    assert acted((7.0, reject), call=inbound(), answers=[connect(), THEN]).when("talk", text="then") == [7.0]


def test_anybody_else_may_be_hurried() -> None:
    busy = FarEnd(does="busy", after=30.0)
    assert acted((2.0, answer), (5.0, hang_up), call=outbound(busy)).ended == 5.0
    assert acted((2.0, reject), call=outbound(FarEnd(after=30.0))).statuses()[-1] == "rejected"


def test_a_caller_gives_up_or_hangs_up() -> None:
    assert acted((0.3, hang_up), call=inbound(WAITS)).statuses() == ["ringing", "started", "completed"]
    played = acted((5.0, hang_up), call=inbound(WAITS))
    assert (played.statuses()[-2:], played.ended) == (["answered", "completed"], 5.0)


def test_a_websocket_is_closed_by_its_program() -> None:
    socket = connect("wss://example.com/socket", kind="websocket", field="uri", **{"from": "442079460000"})
    socket["endpoint"][0]["content-type"] = "audio/l16;rate=16000"
    played = acted((1.0, answer), (7.0, hang_up), call=inbound(), answers=[socket, THEN])
    assert played.statuses(played.callees[0])[-2:] == ["disconnected", "completed"]


def test_somebody_who_waits_does_not_leave_when_alone() -> None:
    async def run() -> bool:
        async with playing({"/answer": [room()]}) as (carrier, _):
            (leg,) = await carrier.play(scenario(inbound(WAITS)))
            await carrier.clock.sleep(1000.0)
            stayed = not leg.over
            carrier.people.hang_up(leg.uuid)
            await carrier.over()
            return stayed and leg.over

    assert asyncio.run(run())


# ---- keys

ASK: Json = {"action": "input", "type": ["dtmf"], "dtmf": {"timeOut": 5, "maxDigits": 3}}


def with_input(*acts: tuple[float, Act], action: Json = ASK, prompt: bool = False) -> Played:
    """The input begins at 0.6; with a prompt of 7 seconds."""
    actions = [talk(7.0, bargeIn=True), action, THEN] if prompt else [action, THEN]
    return acted(*acts, call=inbound(WAITS), answers=actions)


def result(played: Played) -> tuple[str, bool, float]:
    """The keys, whether they timed out, and when the script went on."""
    (event,) = played.having("dtmf")
    return event["dtmf"]["digits"], event["dtmf"]["timed_out"], played.when("talk", text="then")[0]


@pytest.mark.parametrize(
    ("acts", "found"),
    [
        ([(2.0, press("123"))], ("123", False, 2.0)),
        ([(2.0, press("1")), (6.0, press("23"))], ("123", False, 6.0)),
        ([(2.0, press("1")), (4.0, press("2"))], ("12", True, 9.0)),
        ([(2.0, press("1234"))], ("123", False, 2.0)),
        ([(5.8, press("1"))], ("", True, 5.6)),
        ([], ("", True, 5.6)),
    ],
    ids=["all at once", "in time", "too few", "too many", "too late", "none"],
)
def test_an_input_takes_the_keys_that_are_pressed(
    acts: list[tuple[float, Act]], found: tuple[str, bool, float]
) -> None:
    digits, timed_out, at = result(with_input(*acts))
    assert (digits, timed_out, at) == (found[0], found[1], pytest.approx(found[2]))


def test_the_hash_key_ends_an_input() -> None:
    submit = ASK | {"dtmf": {"submitOnHash": True}}
    assert result(with_input((2.0, press("1#2")), action=submit)) == ("1", False, 2.0)


def test_a_key_interrupts_the_prompt_and_silence_begins_after_it() -> None:
    played = with_input((2.0, press("123")), prompt=True)
    assert (result(played), played.leg.played[0].until) == (("123", False, 2.0), played.leg.played[1].since)
    assert result(with_input(prompt=True)) == ("", True, pytest.approx(12.6))


def test_keys_override_speech() -> None:
    both: Json = {"action": "input", "type": ["dtmf", "speech"], "dtmf": {"maxDigits": 1}}
    (event,) = with_input((9.0, press("1")), action=both).having("dtmf")
    assert (event["dtmf"]["digits"], event["speech"]) == ("1", {"error": "Speech overridden by DTMF"})


def test_an_input_for_speech_takes_no_keys() -> None:
    (event,) = with_input((2.0, press("1")), action={"action": "input", "type": ["speech"]}).having("speech")
    assert (event["dtmf"]["digits"], event["speech"]["timeout_reason"]) == (None, "start_timeout")


def test_each_key_is_an_event_where_they_are_sent_one_by_one() -> None:
    """The NCCO's listener, and that of the Voice API, get each key."""
    one_by_one: Json = {"action": "input", "type": ["dtmf"], "mode": "asynchronous"}
    played = acted((2.0, press("1")), (3.0, press("#2")), call=inbound(WAITS), answers=[one_by_one, talk(7.0)])
    assert [event["dtmf"]["digits"] for event in played.having("dtmf")] == ["1", "#", "2"]
    assert played.result.pressed == ["1", "#2"]


@pytest.mark.parametrize(("key", "seconds"), [("#", 3.4), ("1", 10.0)])
def test_the_key_of_a_recording_ends_it(key: str, seconds: float) -> None:
    record: Json = {"action": "record", "endOnKey": "#", "timeOut": 10}
    played = acted((4.0, press(key)), call=inbound(WAITS), answers=[record, THEN])
    assert played.when("talk", text="then") == [pytest.approx(0.6 + seconds + 1.0)]


def test_without_another_end_a_recording_waits_for_its_key() -> None:
    record: Json = {"action": "record", "endOnKey": "#"}
    played = acted((400.0, press("#")), call=inbound(WAITS), answers=[record, THEN])
    assert played.when("talk", text="then") == [401.0]


# ---- what cannot be


def refused(error: type[Exception], act: Act, second: float, call: Call) -> None:
    def raises(people: People, leg: Leg) -> None:
        with pytest.raises(error):
            act(people, leg)

    acted((second, raises), call=call)


@pytest.mark.parametrize("act", [answer, reject])
def test_only_who_is_rung_picks_up_or_declines(act: Act) -> None:
    refused(NotRinging, act, 5.0, inbound())
    refused(NotRinging, act, 5.0, outbound(FarEnd(after=1.0)))
    refused(NotRinging, act, 1.0, outbound(FarEnd(dialled_in=4.0)))


def test_nobody_picks_up_twice() -> None:
    def twice(people: People, leg: Leg) -> None:
        people.answer(leg.uuid)
        with pytest.raises(NotRinging):
            people.reject(leg.uuid)

    assert acted((5.0, twice), (8.0, hang_up)).statuses()[-2:] == ["answered", "completed"]


def test_who_has_not_picked_up_hangs_up_on_nobody_and_presses_nothing() -> None:
    refused(NotActive, hang_up, 5.0, outbound(WAITS))
    refused(NotActive, press("1"), 5.0, outbound(WAITS))


@pytest.mark.parametrize("act", [answer, reject, hang_up, press("1")])
def test_nobody_is_there_after_the_end(act: Act) -> None:
    refused(NoSuchLeg, act, 90.0, inbound())


@pytest.mark.parametrize("keys", ["", "a", "1 2", "1\n"])
def test_only_keys_are_pressed(keys: str) -> None:
    refused(ValueError, press(keys), 5.0, inbound())
