"""Where Vonage's documentation leaves it open, either behaviour can be had."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vonage_simulator.stage import Json, Played, connect, inbound, outbound, play, room, scenario, talk
from vonage_simulator.behaviour import Behaviour
from vonage_simulator.carrier import Carrier
from vonage_simulator.ledger import Leg
from vonage_simulator.refusals import NoSuchLeg, NotActive, TooEarly
from vonage_simulator.scenario import FarEnd
from vonage_simulator.spans import Spans

ENDS, STAYS = Behaviour(left_behind="ends"), Behaviour(left_behind="stays")
THEN: Json = {"action": "talk", "text": "then"}
GONE = "the other leg was transferred"


def callee_of(carrier: Carrier) -> Leg:
    return next(leg for leg in carrier.ledger.legs.values() if leg.direction == "outbound")


def split(who: str, behaviour: Behaviour, *actions: Json, **more: Any) -> Played:
    """A caller and a callee are connected at 1 s; at 10 s one of them is transferred to a talk of 14 s."""

    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        await carrier.clock.sleep(10.0)
        carrier.transfer((legs[0] if who == "caller" else callee_of(carrier)).uuid, ncco=[talk(14.0)])

    callees = {"*": FarEnd(after=1.0, stays_alone=3.0)}
    story = scenario(inbound(FarEnd(stays_alone=3.0)), callees=callees, **more)
    return play(story, list(actions) or [connect()], during=during, behaviour=behaviour)


def ended(played: Played, leg: Leg) -> tuple[float, str, str]:
    """At which second, by whom, and why."""
    assert leg.ending
    start = played.leg.times["ringing"]
    return (leg.ending.at - start).total_seconds(), leg.ending.by, leg.ending.why


# ---- the leg left behind


def test_the_callee_is_ended_when_the_caller_is_transferred() -> None:
    played = split("caller", ENDS)
    (callee,) = played.callees
    assert ended(played, callee) == (10.0, "platform", GONE)
    assert (played.leg.moves[0].left, callee.moves) == (callee.conversation.uuid, [])
    assert played.events[-1]["disconnected_by"] == "platform"


def test_the_callee_stays_and_hangs_up_in_the_end() -> None:
    played = split("caller", STAYS)
    assert ended(played, played.callees[0]) == (13.0, "user", "hung up")


def test_a_scenario_may_say_so() -> None:
    played = split("caller", ENDS, left_behind="stays")
    assert ended(played, played.callees[0])[1] == "user"


def test_the_callers_script_goes_on_when_the_callee_is_transferred() -> None:
    played = split("callee", ENDS, connect(), THEN)
    assert played.when("talk", text="then") == [10.0]
    assert ended(played, split("callee", ENDS).leg) == (10.0, "platform", "the script is over")


def test_the_caller_stays_in_the_conversation_and_hangs_up_in_the_end() -> None:
    played = split("callee", STAYS, connect(), THEN)
    assert played.when("talk", text="then") == []
    assert ended(played, played.leg) == (13.0, "user", "hung up")


@pytest.mark.parametrize("who", ["caller", "callee"])
def test_it_may_take_a_while(who: str) -> None:
    played = split(who, Behaviour(left_behind_seconds=2.0))
    left = played.callees[0] if who == "caller" else played.leg
    assert ended(played, left)[:2] == (12.0, "platform")


def test_whoever_comes_to_the_leg_left_behind_keeps_it() -> None:
    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        await carrier.clock.sleep(10.0)
        left = legs[0].conversation.uuid
        back: list[Json] = [{"action": "wait", "timeout": 2}, {"action": "transfer", "conversationId": left}]
        carrier.transfer(legs[0].uuid, ncco=back)

    story = scenario(
        inbound(FarEnd(hangs_up_after=40.0)), callees={"*": FarEnd(after=1.0, stays_alone=3.0)}, left_behind="stays"
    )
    played = play(story, [connect()], during=during)
    assert played.leg.conversation is played.callees[0].conversation
    assert played.when("status", status="completed") == [41.0, 44.0]


def both(first: str, behaviour: Behaviour, *, seconds_between: float = 0.0) -> tuple[Played, bool]:
    """Caller and callee are transferred to a room, one right after the other; was the second one still there?"""
    saved: list[bool] = []

    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        await carrier.clock.sleep(10.0)
        pair = [legs[0], callee_of(carrier)]
        for leg in pair if first == "caller" else pair[::-1]:
            try:
                carrier.transfer(leg.uuid, ncco=[room()])
                saved.append(True)
            except NoSuchLeg:
                saved.append(False)
            await carrier.clock.sleep(seconds_between)

    story = scenario(inbound(FarEnd(hangs_up_after=40.0)), callees={"*": FarEnd(after=1.0)})
    played = play(story, [connect()], during=during, behaviour=behaviour)
    return played, saved == [True, True]


@pytest.mark.parametrize("first", ["caller", "callee"])
@pytest.mark.parametrize(
    ("behaviour", "both_saved"),
    [(ENDS, False), (STAYS, True), (Behaviour(left_behind_seconds=3.0), True)],
    ids=["ends", "stays", "ends later"],
)
def test_both_legs_transferred_one_after_the_other_may_both_be_saved(
    first: str, behaviour: Behaviour, both_saved: bool
) -> None:
    played, saved = both(first, behaviour, seconds_between=1.0)
    assert saved is both_saved
    met = {leg.conversation.name for leg in (played.leg, *played.callees) if leg.moves}
    assert met == {"room"}
    assert (GONE in {ended(played, leg)[2] for leg in played.callees}) == (not both_saved and first == "caller")
    if both_saved:
        assert played.leg.conversation is played.callees[0].conversation
        assert ended(played, played.leg)[:2] == (41.0, "user")


# ---- mute


def lasted(spans: Spans[Any]) -> list[float | None]:
    """Seconds."""
    return [(span.until - span.since).total_seconds() if span.until else None for span in spans]


def muted_and_moved(behaviour: Behaviour, **options: Any) -> Leg:
    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        await carrier.clock.sleep(5.0)
        carrier.mute(legs[0].uuid, True)
        carrier.earmuff(legs[0].uuid, True)
        await carrier.clock.sleep(5.0)
        carrier.transfer(legs[0].uuid, ncco=[room(**options)])

    return play(scenario(inbound(FarEnd(hangs_up_after=20.0))), [talk(70.0)], during=during, behaviour=behaviour).leg


def test_a_transferred_leg_is_not_muted_any_more() -> None:
    leg = muted_and_moved(Behaviour())
    assert (leg.muted, leg.earmuffed) == (False, False)
    assert lasted(leg.mutes) == lasted(leg.earmuffs) == [5.0]


def test_it_is_muted_again_if_its_action_says_so() -> None:
    leg = muted_and_moved(Behaviour(), mute=True)
    assert (leg.muted, leg.earmuffed, len(leg.mutes)) == (True, False, 2)


def test_it_may_stay_muted() -> None:
    leg = muted_and_moved(Behaviour(keeps_mute=True))
    assert (leg.muted, leg.earmuffed) == (True, True)
    assert lasted(leg.mutes) == [15.6]


# ---- too early


@pytest.mark.parametrize(("seconds", "refused"), [(1.5, True), (2.5, False)])
def test_a_leg_may_not_be_ready_as_soon_as_it_is_answered(seconds: float, refused: bool) -> None:
    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        await carrier.clock.sleep(1.0 + seconds)
        if refused:
            with pytest.raises(NotActive):
                carrier.transfer(legs[0].uuid, ncco=[THEN])
        else:
            carrier.transfer(legs[0].uuid, ncco=[THEN])

    story = scenario(outbound(FarEnd(after=1.0)))
    played = play(story, [talk(70.0)], during=during, behaviour=Behaviour(no_commands_seconds=2.0))
    assert len(played.leg.moves) == (not refused)


def test_how_soon_a_new_leg_can_be_hung_up_is_set() -> None:
    """Also while calls go on."""

    async def during(carrier: Carrier, legs: list[Leg]) -> None:
        assert carrier.behaviour.no_hangup_seconds == 1.0
        carrier.behaviour = Behaviour(no_hangup_seconds=2.0)
        await carrier.clock.sleep(1.9)
        with pytest.raises(TooEarly):
            carrier.hang_up(legs[0].uuid)
        await carrier.clock.sleep(0.1)
        carrier.hang_up(legs[0].uuid)

    assert play(scenario(inbound()), [talk(70.0)], during=during).ended == 2.0


# ---- app users


@pytest.mark.parametrize(
    ("does", "statuses"),
    [
        ("answers", ["started", "answered", "completed"]),
        ("rejects", ["started", "rejected"]),
        ("never_answers", ["started", "timeout", "completed"]),
    ],
)
def test_nothing_may_be_known_of_an_app_user_who_is_rung(does: str, statuses: list[str]) -> None:
    """As in the published log: `started` has the time of what follows."""
    alice = FarEnd(does=does, after=5.0, hangs_up_after=4.0)  # type: ignore[arg-type]
    to_alice = connect("Alice", kind="app", field="user", timeout=9)
    quiet = Behaviour(apps_start="answered")
    played = play(scenario(inbound(), callees={"*": alice}), [to_alice], behaviour=quiet)
    (leg,) = played.callees
    assert played.statuses(leg) == statuses
    assert leg.times["started"] == leg.times[statuses[1]]
    usual = play(scenario(inbound(), callees={"*": alice}), [to_alice]).callees[0]
    assert usual.times["started"] == played.leg.times["started"]


def test_nothing_is_known_of_an_app_user_who_was_not_reached_before_the_caller_gave_up() -> None:
    story = scenario(inbound(FarEnd(hangs_up_after=3.0)), callees={"*": FarEnd(after=5.0)})
    played = play(story, [connect("Alice", kind="app", field="user")], behaviour=Behaviour(apps_start="answered"))
    assert played.statuses(played.callees[0]) == ["cancelled", "completed"]
