"""The ledger knows when a leg was where, muted, on hold, what was played to it, and who ended it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from tests.vonage_simulator.stage import (
    OTHER,
    START,
    Json,
    Ncco,
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
from vonage_simulator.holds import holds
from vonage_simulator.ledger import Leg
from vonage_simulator.ledger_json import describe
from vonage_simulator.scenario import FarEnd
from vonage_simulator.spans import Span

MUSIC = "https://example.com/music.mp3"
HOLD: Ncco = [{"action": "stream", "streamUrl": [MUSIC], "loop": 0}, room()]
Act = Callable[[Carrier, Leg], Any]


def done(*acts: tuple[float, Act], answers: Any = None, call: Any = None, **more: Any) -> Played:
    """A caller who talks for 30 seconds, and what is done meanwhile, at which second."""

    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        for second, act in acts:
            await carrier.clock.sleep(second - carrier.clock.seconds)
            act(carrier, legs[0])

    call = call or inbound(FarEnd(hangs_up_after=29.4))
    return play(scenario(call, callees={"*": FarEnd(after=1.0)}), answers or [talk(70.0)], during=during, **more)


def seconds(moment: datetime | None) -> float | None:
    return None if moment is None else (moment - START).total_seconds()


def when(spans: list[Span[Any]]) -> list[tuple[float | None, float | None]]:
    return [(seconds(span.since), seconds(span.until)) for span in spans]


def mute(on: bool) -> Act:
    return lambda carrier, leg: carrier.mute(leg.uuid, on)


def moved(ncco: Ncco) -> Act:
    return lambda carrier, leg: carrier.transfer(leg.uuid, ncco=ncco)


def stream(loop: int) -> Act:
    return lambda carrier, leg: carrier.stream(leg.uuid, MUSIC, loop=loop)


# ---- where, and muted


def test_a_leg_was_in_its_conversation_then_alone_then_in_a_room() -> None:
    played = done((5.0, moved(HOLD)), (10.0, moved([room()])))
    first, alone, passed, last = played.leg.stays
    assert when(played.leg.stays) == [(0.0, 5.0), (5.0, 10.0), (10.0, 10.1), (10.1, 30.0)]
    assert [(move.left, move.joined) for move in played.leg.moves] == [
        (first.value, alone.value),
        (alone.value, passed.value),
        (passed.value, last.value),
    ]
    assert played.carrier.ledger.conversations[last.value].name == "room"


def test_a_leg_was_muted_and_earmuffed_from_when_until_when() -> None:
    deaf: Act = lambda carrier, leg: carrier.earmuff(leg.uuid, True)  # noqa: E731
    played = done((2.0, mute(True)), (3.0, mute(True)), (4.0, mute(False)), (5.0, deaf), (6.0, mute(True)))
    assert when(played.leg.mutes) == [(2.0, 4.0), (6.0, 30.0)]
    assert when(played.leg.earmuffs) == [(5.0, 30.0)]


def test_a_member_of_a_room_was_muted_by_its_action() -> None:
    played = play(scenario(inbound(FarEnd(hangs_up_after=9.4), ncco=(room(mute=True),))))
    assert when(played.leg.mutes) == [(0.6, 10.0)]


# ---- on hold


def test_a_leg_that_is_transferred_to_music_is_on_hold_until_it_is_resumed() -> None:
    played = done((5.0, moved(HOLD)), (10.0, moved([room(mute=True)])))
    (held,) = holds(played.carrier.ledger, played.leg)
    assert (held.value, when([held])) == (MUSIC, [(5.1, 10.0)])


def test_a_leg_on_hold_that_hangs_up_is_no_more() -> None:
    played = done((5.0, moved(HOLD)))
    assert when(holds(played.carrier.ledger, played.leg)) == [(5.1, 30.0)]


@pytest.mark.parametrize(
    "acts",
    [
        [(5.0, stream(0))],
        [(5.0, moved([{"action": "stream", "streamUrl": [MUSIC], "loop": 3}, room()]))],
        [(5.0, moved([talk(1.0, loop=0)]))],
        [(5.0, moved([room(musicOnHoldUrl=[MUSIC], startOnEnter=False)]))],
    ],
    ids=["music where it is", "music that ends", "speech", "music of a room"],
)
def test_anything_else_is_no_hold(acts: list[tuple[float, Act]]) -> None:
    played = done(*acts)
    assert holds(played.carrier.ledger, played.leg) == []


def test_music_in_the_script_of_a_call_is_no_hold() -> None:
    played = play(scenario(inbound(FarEnd(hangs_up_after=9.4))), HOLD)
    assert [span.value.endless for span in played.leg.played] == [True]
    assert holds(played.carrier.ledger, played.leg) == []


def test_who_is_joined_by_another_is_not_on_hold_any_more() -> None:
    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        await carrier.clock.sleep(5.0)
        carrier.transfer(legs[0].uuid, ncco=HOLD)
        await carrier.clock.sleep(5.0)
        there = legs[0].conversation.uuid
        carrier.transfer(legs[1].uuid, ncco=[{"action": "transfer", "conversationId": there}])
        await carrier.clock.sleep(5.0)
        carrier.hang_up(legs[1].uuid)

    story = scenario(inbound(FarEnd(hangs_up_after=29.4)), inbound())
    played = play(story, [talk(70.0)], during=during)
    assert when(holds(played.carrier.ledger, played.leg)) == [(5.1, 10.1), (15.0, 30.0)]


# ---- played


def test_what_the_script_played_ends_with_it_or_with_a_transfer() -> None:
    played = play(scenario(inbound()), [talk(7.0), talk(1.4, loop=2)])
    assert when(played.leg.played) == [(0.6, 7.6), (7.6, 10.4)]
    cut = done((5.0, moved([{"action": "talk", "text": "then"}])))
    assert when(cut.leg.played) == [(0.6, 5.0), (5.1, 5.6)]
    assert [(span.value.kind, span.value.by, span.value.endless) for span in cut.leg.played] == [
        ("talk", "script", False)
    ] * 2


def test_a_prompt_ends_with_the_first_key() -> None:
    ask: Json = {"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 1}}
    played = play(scenario(inbound(FarEnd(keys=("1",)))), [talk(7.0, bargeIn=True), ask])
    assert when(played.leg.played) == [(0.6, 1.6)]


def test_what_is_queued_behind_an_endless_prompt_is_never_played() -> None:
    ask: Json = {"action": "input", "type": ["dtmf"]}
    prompts = [talk(7.0, bargeIn=True), talk(7.0, loop=0, bargeIn=True), talk(1.4, bargeIn=True)]
    played = play(scenario(inbound(FarEnd(keys=("1234",)))), [*prompts, ask])
    assert when(played.leg.played) == [(0.6, 1.6)]


def test_what_the_api_plays_goes_on_until_it_is_stopped() -> None:
    stop: Act = lambda carrier, leg: carrier.stop_stream(leg.uuid)  # noqa: E731
    played = done((5.0, stream(0)), (9.0, stop), (9.5, stop))
    script, music = played.leg.played
    assert (when([script, music]), music.value.by, music.value.endless) == ([(0.6, 30.0), (5.0, 9.0)], "api", True)


def test_what_the_api_plays_a_few_times_ends_by_itself() -> None:
    """An audio file takes five seconds."""
    played = done((5.0, stream(2)))
    assert when(played.leg.played) == [(0.6, 30.0), (5.0, 15.0)]


def test_another_file_takes_the_place_of_the_one_before_but_not_that_of_words() -> None:
    say: Act = lambda carrier, leg: carrier.talk(leg.uuid, "x" * 100, loop=0)  # noqa: E731
    stop: Act = lambda carrier, leg: carrier.stop_talk(leg.uuid)  # noqa: E731
    played = done((5.0, stream(0)), (6.0, say), (7.0, stream(0)), (8.0, stop))
    assert when(played.leg.played[1:]) == [(5.0, 7.0), (6.0, 8.0), (7.0, 30.0)]


def test_a_transfer_ends_what_the_api_plays() -> None:
    played = done((5.0, stream(0)), (9.0, moved([room()])))
    assert when(played.leg.played[1:]) == [(5.0, 9.0)]


def test_who_waits_alone_stays_as_long_as_something_is_played() -> None:
    waits = inbound(FarEnd(stays_alone=130.0), ncco=(room(),))
    assert done(call=waits).ended == 130.6
    stop: Act = lambda carrier, leg: carrier.stop_stream(leg.uuid)  # noqa: E731
    assert done((5.0, stream(0)), (200.0, stop), call=waits).ended == 330.0
    assert done((5.0, stream(40)), call=waits).ended == 335.0


# ---- recorded


def test_each_start_and_stop_is_a_recording_with_a_file_and_an_event() -> None:
    def record(on: bool) -> Act:
        return lambda carrier, leg: (
            carrier.record(leg.conversation.uuid, {"format": "wav"})
            if on
            else carrier.stop_record(leg.conversation.uuid)
        )

    played = done(*((second, record(second % 10 == 5)) for second in (5.0, 10.0, 15.0, 20.0)))
    conversation = played.leg.conversation
    assert when(conversation.recorded) == [(5.0, 10.0), (15.0, 20.0)]
    assert [span.value for span in conversation.recorded] == [it.url for it in conversation.recordings]
    assert [body["recording_url"] for body in played.having("recording_url")] == [
        it.url for it in conversation.recordings
    ]
    assert len({it.recording_uuid for it in conversation.recordings}) == 2
    assert [at for at in played.when("sent") if at in (11.0, 21.0)] == [11.0, 21.0]


# ---- who ended it


def ended(leg: Leg) -> tuple[str, str]:
    assert leg.ending
    return leg.ending.by, leg.ending.why


def test_who_ended_a_leg_and_why() -> None:
    hang_up: Act = lambda carrier, leg: carrier.hang_up(leg.uuid)  # noqa: E731
    assert ended(done((5.0, hang_up)).leg) == ("platform", "the Voice API")
    assert ended(done().leg) == ("user", "hung up")
    assert ended(play(scenario(inbound()), [talk(1.4)]).leg) == ("platform", "the script is over")
    for does, ending in (("busy", "user"), ("rejects", "user"), ("unreachable", "platform"), ("never_answers", "user")):
        leg = play(scenario(outbound(FarEnd(does=does, after=1.0))), [talk(1.4)]).leg  # type: ignore[arg-type]
        assert ended(leg) == (ending, leg.failure)
    cancelled = play(scenario(inbound(FarEnd(hangs_up_after=9.0)), callees={"*": FarEnd(after=30.0)}), [connect()])
    assert ended(cancelled.callees[0]) == ("platform", "the caller gave up")


# ---- as JSON


def test_the_ledger_as_json_has_all_of_it() -> None:
    """Also while calls go on."""

    async def run() -> Json:
        async with playing({"/answer": [connect()]}) as (carrier, _):
            (leg,) = await carrier.play(scenario(inbound(), callees={"*": FarEnd(after=1.0)}))
            await carrier.clock.sleep(5.0)
            carrier.mute(leg.uuid, True)
            carrier.record(leg.conversation.uuid, {})
            await carrier.clock.sleep(1.0)
            carrier.transfer(leg.uuid, ncco=HOLD)
            await carrier.clock.sleep(1.0)
            found = describe(carrier.ledger)
            carrier.stop()
            return found

    found = asyncio.run(run())
    caller, callee = found["legs"]
    first, second = (item["uuid"] for item in found["conversations"])
    assert caller == {
        "uuid": caller["uuid"],
        "direction": "inbound",
        "endpoint": "phone",
        "from": "447700900123",
        "to": "442079460000",
        "region": "eu-west",
        "status": "answered",
        "times": {
            "ringing": "2026-01-01T00:00:00.000Z",
            "started": "2026-01-01T00:00:00.000Z",
            "answered": "2026-01-01T00:00:01.000Z",
        },
        "conversations": [
            {"uuid": first, "name": None, "since": "2026-01-01T00:00:00.000Z", "until": "2026-01-01T00:00:06.000Z"},
            {"uuid": second, "name": None, "since": "2026-01-01T00:00:06.000Z", "until": None},
        ],
        "muted": [{"since": "2026-01-01T00:00:05.000Z", "until": "2026-01-01T00:00:06.000Z"}],
        "earmuffed": [],
        "played": [
            {
                "kind": "stream",
                "what": MUSIC,
                "endless": True,
                "by": "script",
                "since": "2026-01-01T00:00:06.100Z",
                "until": None,
            }
        ],
        "held": [{"url": MUSIC, "since": "2026-01-01T00:00:06.100Z", "until": None}],
        "ended": None,
    }
    assert (callee["to"], callee["ended"]) == (
        OTHER,
        {"at": "2026-01-01T00:00:06.000Z", "by": "platform", "why": "the other leg was transferred"},
    )
    assert [item["recorded"] for item in found["conversations"]] == [
        [{"url": None, "since": "2026-01-01T00:00:05.000Z", "until": "2026-01-01T00:00:06.000Z"}],
        [],
    ]
    assert [item["present"] for item in found["conversations"]] == [[], [caller["uuid"]]]
    assert (found["requests"], found["throttled"]) == ([], 0)
