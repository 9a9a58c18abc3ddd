"""What the steps of an operation leave its legs with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.legs import Leg, project_leg
from app.domain.operations import Entry
from app.domain.step_log import Aim, Steps
from tests.domain.test_leg_control import ANSWERED, LEG, MUSIC, ROOM, moved

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TO_ROOM, ON = moved(ROOM, "CON-between", 5), moved("CON-between", MUSIC, 6)


def leg_of(*moments: Any) -> Leg:
    return project_leg(LEG, [ANSWERED, *moments])


def done(name: str, verb: str, leg: Leg) -> list[Entry]:
    """A step that Vonage accepted, when *leg* was known like this."""
    plan = Steps([], {LEG: leg}).first_due([Aim(name, verb, LEG)], lambda _: ({}, []), NOW)
    assert plan is not None
    assert plan.step is not None
    data = {"verb": verb, "leg": LEG, "noted": plan.step.noted}
    return [
        Entry(f"step {name}", NOW, "step", name, data),
        Entry(f"result {name}", NOW + timedelta(seconds=1), "result", name, {"result": "done"}),
    ]


@pytest.mark.parametrize(
    ("earmuffed_at", "now", "lost"),
    [
        (None, leg_of(TO_ROOM), True),
        (leg_of(TO_ROOM), leg_of(TO_ROOM), False),
        (leg_of(TO_ROOM), leg_of(TO_ROOM, ON), True),  # a leg comes into a room by way of another conversation
        (leg_of(TO_ROOM, ON), leg_of(TO_ROOM, ON), False),
    ],
)
def test_a_leg_that_is_earmuffed_on_its_way_hears_again_once_it_arrives(
    earmuffed_at: Leg | None, now: Leg, lost: bool
) -> None:
    log = done("move", "move", leg_of())
    log += done("earmuff", "earmuff", earmuffed_at) if earmuffed_at else []
    assert Steps(log, {LEG: now}).earmuff_lost(LEG) is lost


def test_a_leg_that_was_not_moved_has_lost_nothing() -> None:
    assert not Steps(done("earmuff", "earmuff", leg_of()), {LEG: leg_of(TO_ROOM)}).earmuff_lost(LEG)
