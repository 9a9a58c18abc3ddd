"""What is due of a single action."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.leg_actions import CONFIRM_SECONDS, QUEUE_SECONDS, SETTLE_SECONDS, plan, project
from app.domain.leg_control import LegControl
from app.domain.legs import Leg, Moment, project_leg
from app.domain.operations import Entry, EntryKind, Plan
from tests.domain.test_leg_control import ANSWERED, LEG, MUSIC, ROOM, moved, status

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def entry(kind: EntryKind, name: str, seconds: float = 0, **data: Any) -> Entry:
    return Entry(f"{kind} {name}", NOW + timedelta(seconds=seconds), kind, name, data)


def created(verb: str, **data: Any) -> Entry:
    return entry("created", "action", verb=verb, leg=LEG, conversation=ROOM, **data)


def due(*log: Entry, seconds: float = 0, leg: Leg | None = None, **legs: Leg) -> Plan:
    return plan(project(log, {LEG: leg or leg_of(), **legs}), NOW + timedelta(seconds=seconds))


def leg_of(*moments: Moment) -> Leg:
    return project_leg(LEG, [ANSWERED, *moments])


def steps(plan: Plan) -> list[tuple[str, str]]:
    return [(plan.step.name, plan.step.verb)] if plan.step else []


def test_it_is_sent_once_and_then_over() -> None:
    mute = created("mute")
    assert steps(due(mute)) == [("mute", "mute")]
    assert due(mute, entry("step", "mute")).step is None
    assert due(mute, entry("step", "mute"), entry("result", "mute", result="done")) == Plan()
    assert due(mute, entry("step", "mute"), entry("result", "mute", result="refused", status=400)) == Plan()


def test_what_waits_too_long_for_its_turn_is_not_sent_any_more() -> None:
    late = due(created("mute"), seconds=QUEUE_SECONDS + 1)
    assert (late.step, late.timeouts) == (None, ("queue",))
    assert due(created("mute"), entry("timeout", "queue"), seconds=QUEUE_SECONDS + 1) == Plan()


def test_a_move_waits_for_its_webhook_and_no_longer_than_so_long() -> None:
    hold = created("hold"), entry("step", "hold"), entry("result", "hold", result="done")
    assert due(*hold).check_at == NOW + timedelta(seconds=CONFIRM_SECONDS)
    assert due(*hold, seconds=CONFIRM_SECONDS).timeouts == ("confirm",)
    assert due(*hold, entry("timeout", "confirm"), seconds=CONFIRM_SECONDS) == Plan()
    assert due(*hold, leg=leg_of(moved(ROOM, MUSIC, 5))) == Plan()
    assert due(*hold, leg=leg_of(status("completed", 5))) == Plan()


def test_a_leg_that_has_only_begun_is_tried_once_more() -> None:
    first = (
        created("hangup", young=True),
        entry("step", "hangup"),
        entry("result", "hangup", result="refused", status=400),
    )
    assert due(*first).check_at == NOW + timedelta(seconds=1)
    assert steps(due(*first, seconds=1)) == [("hangup:2", "hangup")]
    again = entry("step", "hangup:2"), entry("result", "hangup:2", result="refused", status=400)
    assert due(*first, *again, seconds=2) == Plan()
    assert project([*first], {}).result is None
    assert project([*first, *again], {}).result == {"result": "refused", "status": 400}
    done = entry("step", "hangup:2"), entry("result", "hangup:2", result="done", status=204)
    assert project([*first, *done], {}).result == {"result": "done", "status": 204}


def test_a_weak_hold_takes_two_steps_and_stops_at_the_first_that_fails() -> None:
    hold = created("hold", steps=["mute", "earmuff"], arguments={"weak": True})
    assert steps(due(hold)) == [("mute", "mute")]
    muted = hold, entry("step", "mute"), entry("result", "mute", result="done")
    assert steps(due(*muted)) == [("earmuff", "earmuff")]
    assert due(hold, entry("step", "mute"), entry("result", "mute", result="gone", status=404)) == Plan()
    assert due(*muted, entry("step", "earmuff"), entry("result", "earmuff", result="done")) == Plan()


def test_the_second_refusal_of_a_leg_that_has_only_begun_counts() -> None:
    hold = created("hold", steps=["mute", "earmuff"], arguments={"weak": True}, young=True)
    log = [hold, entry("step", "mute"), entry("result", "mute", result="done", status=204)]
    log += [entry("step", "earmuff"), entry("result", "earmuff", result="refused", status=400)]
    assert project(log, {}).result is None, "it is tried once more"
    log += [entry("step", "earmuff:2"), entry("result", "earmuff:2", result="refused", status=400)]
    assert (project(log, {}).result or {}).get("result") == "refused"


def test_half_a_weak_hold_is_taken_back() -> None:
    """Else the leg would be muted, and nobody would know."""
    hold = created("hold", steps=["mute", "earmuff"], arguments={"weak": True})
    muted = hold, entry("step", "mute"), entry("result", "mute", result="done")
    half = *muted, entry("step", "earmuff"), entry("result", "earmuff", result="refused", status=400)
    assert steps(due(*half)) == [("undo", "unmute")]
    assert due(*half, entry("step", "undo"), entry("result", "undo", result="done")) == Plan()


@pytest.mark.parametrize(
    ("was", "now", "again"),
    [
        (True, LegControl(muted=True), [("mute", "mute")]),
        (False, LegControl(muted=True), [("mute", "mute")]),  # while it came back
        (True, LegControl(), [("unmute", "unmute")]),
        (False, LegControl(earmuffed=True), [("earmuff", "earmuff")]),
        (False, LegControl(), []),
    ],
)
def test_who_is_back_from_hold_is_made_as_muted_as_it_is_to_be(
    was: bool, now: LegControl, again: list[tuple[str, str]]
) -> None:
    resume = created("resume", shown={"muted": was}), entry("step", "resume"), entry("result", "resume", result="done")
    assert due(*resume).step is None
    back = replace(leg_of(moved(ROOM, MUSIC, 5)), control=now)
    assert steps(due(*resume, leg=back)) == [], "it may be in a conversation on the way yet"
    assert steps(due(*resume, leg=back, seconds=SETTLE_SECONDS)) == again
    done = [each for name, _ in again for each in (entry("step", name), entry("result", name, result="done"))]
    assert due(*resume, *done, leg=back, seconds=SETTLE_SECONDS) == Plan()


HELD = (
    created("hold", others=["agent"]),
    entry("step", "hold"),
    entry("result", "hold", result="done"),
)


def other(*moments: Moment) -> Leg:
    return project_leg("agent", [Moment(m.at, type(m.event)(**_as_agent(m))) for m in (ANSWERED, *moments)])


def _as_agent(moment: Moment) -> dict[str, Any]:
    event: Any = moment.event
    return {"canonical": b"agent" + event.canonical, "leg": "agent", "conversation": ROOM} | {
        "occurred": event.occurred,
        "status": event.status,
    }


def test_who_is_on_hold_is_hung_up_once_all_who_could_resume_have_ended() -> None:
    held = leg_of(moved(ROOM, MUSIC, 5))
    watching = due(*HELD, leg=held, agent=other())
    assert watching.step is None
    assert watching.check_at is not None
    alone = due(*HELD, leg=held, agent=other(status("completed", 8)))
    assert steps(alone) == [("give_up", "hangup")]
    assert due(*HELD, entry("step", "give_up"), entry("result", "give_up", result="done"), leg=held) == Plan()


def test_who_cannot_be_hung_up_is_hung_up_again_later() -> None:
    """Else who is on hold would hear music for as long as a call lasts."""
    held, alone = leg_of(moved(ROOM, MUSIC, 5)), other(status("completed", 8))
    log = [*HELD]
    for tries, name in enumerate(["give_up", *(f"give_up:{number}" for number in range(2, 9))]):
        begun = 1000 * tries
        assert steps(due(*log, seconds=begun, leg=held, agent=alone)) == [(name, "hangup")]
        log += [entry("step", name, begun), entry("result", name, begun, result="failed")]
        waits = due(*log, seconds=begun, leg=held, agent=alone)
        if tries < 7:
            assert (waits.step, waits.check_at) == (None, NOW + timedelta(seconds=begun + 2 * 2**tries))
    assert due(*log, seconds=7100, leg=held, agent=alone) == Plan(), "eight times are enough"
    done = [*HELD, entry("step", "give_up"), entry("result", "give_up", result="done")]
    assert due(*done, seconds=60, leg=held, agent=alone) == Plan()


def test_who_is_on_hold_is_watched_no_longer_than_a_call_lasts() -> None:
    """Should no webhook of the end have come, of nobody."""
    held = leg_of(moved(ROOM, MUSIC, 5))
    assert due(*HELD, seconds=7000, leg=held, agent=other()).check_at is not None
    assert due(*HELD, seconds=7300, leg=held, agent=other()) == Plan()


def test_a_move_before_the_hold_that_is_reported_late_ends_no_watch() -> None:
    """The leg was on its way back to the room by another conversation when it was held again."""
    moves = (moved(ROOM, "CON-between", 5), moved("CON-between", MUSIC, 7))
    held = replace(leg_of(*moves), control=LegControl(hold="held"))
    assert steps(due(*HELD, leg=held, agent=other(status("completed", 8)))) == [("give_up", "hangup")]


def test_who_is_back_or_has_ended_is_not_watched() -> None:
    ended = other(status("completed", 8))
    back = leg_of(moved(ROOM, MUSIC, 5), moved(MUSIC, ROOM, 7))
    assert due(*HELD, leg=back, agent=ended) == Plan()
    over = leg_of(moved(ROOM, MUSIC, 5), status("completed", 7))
    assert due(*HELD, leg=over, agent=ended) == Plan()


def test_what_nobody_can_say_of_a_switch_is_done_once_more() -> None:
    """To mute a leg twice does no harm; not to know whether it is muted does."""
    first = created("mute"), entry("step", "mute"), entry("result", "mute", result="unknown")
    assert project([*first], {}).result is None
    assert due(*first).check_at == NOW + timedelta(seconds=1)
    assert steps(due(*first, seconds=1)) == [("mute:2", "mute")]
    unknown = *first, entry("step", "mute:2"), entry("result", "mute:2", result="unknown")
    assert due(*unknown, seconds=2) == Plan()
    assert (project([*unknown], {}).result or {})["result"] == "unknown"
    moved_so = created("transfer"), entry("step", "transfer"), entry("result", "transfer", result="unknown")
    assert steps(due(*moved_so, seconds=1)) == [], "a move is looked up"


def test_a_mute_on_the_way_back_is_seen_though_it_is_known_a_moment_later() -> None:
    resume = created("resume"), entry("step", "resume"), entry("result", "resume", result="done")
    back = leg_of(moved(ROOM, MUSIC, 5))
    assert due(*resume, leg=back) == Plan(check_at=NOW + timedelta(seconds=SETTLE_SECONDS))
    muted = replace(back, control=LegControl(muted=True))
    assert steps(due(*resume, leg=muted, seconds=SETTLE_SECONDS)) == [("mute", "mute")]
    assert due(*resume, leg=back, seconds=SETTLE_SECONDS) == Plan()


@pytest.mark.parametrize("result", ["failed", "unknown"])
def test_a_leg_that_is_back_is_muted_by_several_tries(result: str) -> None:
    resume = created("resume", shown={"muted": True}), entry("step", "resume"), entry("result", "resume", result="done")
    back = replace(leg_of(moved(ROOM, MUSIC, 5)), control=LegControl(muted=True))
    log = [*resume]
    for tries, name in enumerate(["mute", *(f"mute:{number}" for number in range(2, 9))]):
        begun = 1000 * (tries + 1)
        assert steps(due(*log, seconds=begun, leg=back)) == [(name, "mute")]
        log += [entry("step", name, begun), entry("result", name, begun, result=result)]
        if tries < 7:
            assert due(*log, seconds=begun, leg=back) == Plan(check_at=NOW + timedelta(seconds=begun + 2**tries))
    assert due(*log, seconds=9000, leg=back) == Plan(), "eight times are enough"
    done = [*log[:-1], entry("result", "mute:8", 8000, result="done")]
    assert due(*done, seconds=9000, leg=back) == Plan()
