"""How a leg is controlled: a fold of actions and webhooks, whatever their order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations
from random import Random
from typing import Any

import pytest

from app.domain import actions
from app.domain.actions import Action, ActionResult, Result
from app.domain.events import CANONICAL, CallStatus, Transfer
from app.domain.leg_control import LegControl, done_to
from app.domain.legs import Leg, Moment, project_leg

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
ROOM, MUSIC, LEG = "CON-room", "CON-music", "leg"


def at(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def status(name: str, seconds: float) -> Moment:
    event = CallStatus(
        canonical=f"{name}{seconds}".encode(), conversation=ROOM, leg=LEG, occurred=at(seconds), status=name
    )
    return Moment(at(seconds), event)


def moved(left: str, joined: str, seconds: float) -> Moment:
    canonical = f"{left}{joined}{seconds}".encode()
    return Moment(at(seconds), Transfer(canonical=canonical, leg=LEG, occurred=at(seconds), left=left, joined=joined))


def action(id_: str, verb: str, sequence: int, seconds: float = 5, **more: Any) -> Moment:
    arguments = CANONICAL.encode(more.pop("arguments", {}))
    known: dict[str, Any] = {"conversation": ROOM, "leg": LEG, "after": 0} | more
    event = Action(
        canonical=b"",
        action=id_,
        verb=verb,
        sequence=sequence,
        by="operator",
        occurred=at(seconds),
        arguments=arguments,
        **known,
    )
    return Moment(at(seconds), replace(event, canonical=CANONICAL.encode(actions.kept(event)).encode()))


def result(id_: str, what: Result, seconds: float = 6, **more: Any) -> Moment:
    event = ActionResult(
        canonical=b"", leg=LEG, conversation=ROOM, action=id_, result=what, occurred=at(seconds), **more
    )
    return Moment(at(seconds), replace(event, canonical=CANONICAL.encode(actions.kept(event)).encode()))


ANSWERED = status("answered", 1)


def leg_of(*moments: Moment) -> Leg:
    return project_leg(LEG, moments)


def control(*moments: Moment) -> LegControl:
    return leg_of(ANSWERED, *moments).control


def state_of(id_: str, *moments: Moment) -> tuple[str, str | None]:
    leg = leg_of(ANSWERED, *moments)
    done = next(done for done in done_to(moments, {LEG: leg}) if done.action.action == id_)
    return done.state, done.confirmed_by


@pytest.mark.parametrize(
    "event", [action("a", "talk", 1, arguments={"text": "é"}).event, result("a", "done", status=204).event]
)
def test_an_action_is_read_as_it_was_kept(event: Any) -> None:
    assert actions.read(actions.kept(event)) == event


def test_a_leg_that_nothing_was_done_to_is_untouched() -> None:
    assert control() == LegControl()


def test_what_was_only_requested_has_no_effect_yet() -> None:
    assert control(action("a", "mute", 1)).muted is False
    assert control(action("a", "mute", 1), result("a", "done")).muted is True


@pytest.mark.parametrize("what", ["refused", "gone", "failed", "unknown"])
def test_what_was_not_done_has_no_effect(what: Result) -> None:
    assert control(action("a", "mute", 1), result("a", what)).muted is False


def test_of_mute_and_unmute_the_higher_number_wins_whatever_the_clocks_say() -> None:
    late = action("a", "mute", 1, seconds=60), result("a", "done", 61)
    early = action("b", "unmute", 2, seconds=5), result("b", "done", 6)
    assert control(*late, *early).muted is False


HOLD = action("h", "hold", 1)


def test_hold_is_requested_accepted_and_confirmed() -> None:
    assert state_of("h", HOLD) == ("requested", None)
    assert control(HOLD).hold == "holding"
    assert state_of("h", HOLD, result("h", "done", status=204)) == ("accepted", None)
    assert control(HOLD, result("h", "done")).hold == "holding", "204 is no confirmation"
    away = moved(ROOM, MUSIC, 7)
    assert state_of("h", HOLD, result("h", "done"), away) == ("confirmed", "webhook")
    assert control(HOLD, result("h", "done"), away).hold == "held"
    assert control(HOLD, away).hold == "held", "though the reply was lost"
    assert control(HOLD, result("h", "unknown"), away).hold == "held"


def test_a_move_that_was_known_before_confirms_nothing() -> None:
    before = moved(ROOM, "CON-other", 2), moved("CON-other", ROOM, 3)
    order = leg_of(ANSWERED, *before).place.order
    hold = action("h", "hold", 1, after=order)
    assert control(*before, hold, result("h", "done")).hold == "holding"
    assert control(*before, hold, result("h", "done"), moved(ROOM, MUSIC, 8)).hold == "held"


def test_without_a_webhook_a_timeout_accepts_what_vonage_accepted() -> None:
    accepted = HOLD, result("h", "done")
    assert state_of("h", *accepted, result("h", "timeout", 16)) == ("confirmed", "timeout")
    assert state_of("h", HOLD, result("h", "timeout", 16)) == ("unknown", None)
    assert state_of("h", *accepted, result("h", "timeout", 16), moved(ROOM, MUSIC, 17)) == ("confirmed", "webhook")


def story() -> list[Moment]:
    """Muted, held, resumed, held again, and the mute stays; with every event that came of it."""
    first = leg_of(ANSWERED, moved(ROOM, MUSIC, 10)).place.order
    second = leg_of(ANSWERED, moved(ROOM, MUSIC, 10), moved(MUSIC, ROOM, 20)).place.order
    return [
        ANSWERED,
        *(action("m", "mute", 1, 5), result("m", "done", 5.1)),
        *(action("h", "hold", 2, 9), result("h", "done", 9.5), moved(ROOM, MUSIC, 10)),
        action("r", "resume", 3, 19, conversation=MUSIC, after=first, arguments={"muted": True}),
        *(result("r", "done", 19.5), moved(MUSIC, ROOM, 20)),
        *(action("i", "hold", 4, 29, after=second), result("i", "done", 29.5), moved(ROOM, "CON-again", 30)),
    ]


def test_any_order_of_the_events_gives_the_same_control() -> None:
    events = story()
    expected = project_leg(LEG, events).control
    assert (expected.hold, expected.muted, expected.pending) == ("held", True, None)
    chance = Random(3)
    for _ in range(200):
        shuffled = events[:]
        chance.shuffle(shuffled)
        assert project_leg(LEG, shuffled).control == expected


def test_after_each_event_of_the_story_the_leg_is_where_it_is() -> None:
    events = story()
    holds = [project_leg(LEG, events[: index + 1]).control.hold for index in range(len(events))]
    assert holds == [
        *[None] * 3,
        *("holding", "holding", "held"),
        *("resuming", "resuming", None),
        *("holding", "holding", "held"),
    ]


def test_a_leg_that_came_back_by_itself_is_not_on_hold() -> None:
    """The music could not be played: the next action of the NCCO is the room."""
    back = HOLD, result("h", "done"), moved(ROOM, MUSIC, 7), moved(MUSIC, ROOM, 8)
    assert control(*back).hold is None


def test_a_move_that_failed_is_not_pending() -> None:
    assert control(HOLD).pending == HOLD.event
    assert control(HOLD, result("h", "refused", status=400)).pending is None
    assert control(HOLD, result("h", "refused", status=400)).hold is None
    assert control(HOLD, result("h", "unknown")).pending == HOLD.event, "a webhook may still come"


def test_a_leg_that_has_ended_is_on_hold_no_more() -> None:
    ended = control(HOLD, result("h", "done"), moved(ROOM, MUSIC, 7), status("completed", 9))
    assert (ended.hold, ended.pending, ended.held_by) == (None, None, None)


def test_a_hangup_is_confirmed_by_the_end_and_right_if_the_leg_is_gone() -> None:
    hangup = action("x", "hangup", 1)
    assert state_of("x", hangup, result("x", "done")) == ("accepted", None)
    assert state_of("x", hangup, status("completed", 8)) == ("confirmed", "webhook")
    assert state_of("x", hangup, result("x", "gone", status=404)) == ("confirmed", "reply")


def test_a_certain_result_wins_over_an_unknown_one() -> None:
    unknown, done = result("a", "unknown"), result("a", "done", 7)
    for order in permutations([action("a", "mute", 1), unknown, done]):
        assert control(*order).muted is True
