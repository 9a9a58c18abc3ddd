"""Whether a conversation is being recorded: what actions left, until everybody has left."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from app.domain.actions import Result
from app.domain.leg_control import done_to
from app.domain.legs import Moment
from app.domain.moves import moved as moved_to
from app.domain.recording import record_state
from app.domain.timeline import Stay
from tests.domain.test_leg_control import ROOM, action, at, result

Step = tuple[str, Result]


def recorded(*steps: Step, after: int = 0) -> Iterator[Moment]:
    for number, (verb, what) in enumerate(steps):
        yield action(f"r{number}", f"record_{verb}", number + 1, leg=None, after=after)
        yield result(f"r{number}", what)


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ([], "inactive"),
        ([("start", "done")], "active"),
        ([("start", "refused")], "inactive"),
        ([("start", "done"), ("pause", "done")], "paused"),
        ([("start", "done"), ("pause", "done"), ("resume", "done")], "active"),
        ([("start", "done"), ("pause", "failed")], "active"),
        ([("start", "done"), ("stop", "done")], "inactive"),
    ],
)
def test_a_recording_is_as_the_latest_action_that_was_done_left_it(steps: list[Step], state: str) -> None:
    moments = list(recorded(*steps))
    Random(1).shuffle(moments)
    assert record_state(ROOM, done_to(moments, {}), []) == state
    assert record_state("CON-other", done_to(moments, {}), []) == "inactive"


def stay(arrived: float, left: float | None, where: str = ROOM) -> Stay:
    return Stay(where, at(arrived), None if left is None else at(left))


# It is known at the time of the action that somebody came at second 10.
@pytest.mark.parametrize(
    ("stays", "over"),
    [
        ([stay(10, None)], False),
        ([stay(10, 20)], True),
        ([stay(10, 20), stay(15, None)], False),
        ([stay(10, 20), stay(20, None)], False),  # one comes as the other goes: nobody can say that it was empty
        ([stay(10, 20), stay(15, 30)], True),
        ([stay(10, 20), stay(30, None)], True),  # who comes later is not recorded
        ([stay(0, 5), stay(10, None)], False),  # that nobody was there before does not matter
        ([stay(0, 5), stay(10, 20), stay(30, 40)], True),
        ([stay(10, None, "CON-other"), stay(10, 20)], True),
        ([stay(0, 10), stay(12, None)], False),  # its webhook came after the action
    ],
)
def test_a_recording_is_over_once_everybody_has_left(stays: list[Stay], over: bool) -> None:
    after = moved_to(at(10), ROOM).order
    for steps, state in (([("start", "done")], "active"), ([("start", "done"), ("pause", "done")], "paused")):
        moments = list(recorded(*steps, after=after))  # type: ignore[arg-type]
        assert record_state(ROOM, done_to(moments, {}), stays) == ("inactive" if over else state)
        assert record_state(ROOM, done_to(moments, {}), stays[::-1]) == ("inactive" if over else state)
