"""Which NCCO of ours an error is about."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from app.domain.conversations import Kept, history
from tests.domain.builders import HERE, LATER, THERE, about, answer, at, history_of, kept, project_one
from tests.generated import read_event

INVALID = {"reason": "Invalid NCCO.", "original_request": {"url": "https://a.example/event", "type": "event"}}


def error(received: float, *, timestamp: float = 0.0, **more: Any) -> Kept:
    """An error event received so many seconds after the call began."""
    return Kept(read_event(about(timestamp, reason="Syntax error in NCCO.", **more)), at(received))


def fallback(received: float, **more: Any) -> Kept:
    """A turn to the fallback URL."""
    return Kept(read_event(about(0.0, **({"status": "machine"} | INVALID | more))), at(received))


def given(seconds: float, step: str, **fields: Any) -> Kept:
    """An answer that came of *step*."""
    return answer(seconds, name=step, served={"step": step}, **fields)


def blamed(*kept_events: Kept) -> list[str | None]:
    """The steps whose answers are taken for causes, error by error; the same in any order of *kept_events*."""
    found = [_blamed(order) for order in permutations(kept_events)]
    assert all(blames == found[0] for blames in found)
    return found[0]


def _blamed(kept_events: tuple[Kept, ...]) -> list[str | None]:
    errors = project_one(HERE, history([*kept_events, kept_events[0]]), LATER).errors
    return [wrong.cause.answer.step if wrong.cause else None for wrong in errors]


def test_it_is_the_last_answer_before_the_error_was_received() -> None:
    assert blamed(given(1, "one"), given(2, "two"), error(3), given(4, "three")) == ["two"]
    assert blamed(given(3, "at the same moment"), error(3)) == ["at the same moment"]
    assert blamed(error(1), given(2, "later")) == [None]
    assert blamed(error(1)) == [None]


def test_received_times_count_not_vonages_clock() -> None:
    """Its timestamp may be of before the answer, or of long after the next one."""
    for timestamp in (0.0, 99.0):
        assert blamed(given(1, "one"), error(2, timestamp=timestamp), given(3, "two")) == ["one"]


def test_each_error_has_its_own() -> None:
    assert blamed(given(1, "one"), error(2, timestamp=2), given(3, "two"), error(4, timestamp=4)) == ["one", "two"]


def test_an_error_that_names_a_leg_is_of_an_answer_for_that_leg_if_there_is_one() -> None:
    mine, other = given(1, "mine"), given(2, "other", uuid="other")
    assert blamed(mine, other, error(3, uuid="leg")) == ["mine"]
    assert blamed(mine, other, error(3)) == ["other"]
    assert blamed(other, error(3, uuid="leg")) == ["other"], "rather than none"
    assert blamed(mine, given(2, "notified", uuid=None), error(3, uuid="leg")) == ["notified"], "may be for it"


def test_answers_in_another_conversation_do_not_count() -> None:
    assert blamed(given(1, "elsewhere", where=THERE), error(2)) == [None]


def test_of_two_at_one_moment_it_is_always_the_same() -> None:
    first, two = given(1, "one"), given(1, "two")
    larger = max((first, two), key=lambda kept: kept.event.canonical)
    assert blamed(first, two, error(2)) == ["one" if larger is first else "two"]


def test_a_copy_of_the_error_that_came_later_changes_nothing() -> None:
    first, copy, later = error(2), error(9), given(5, "later")
    assert blamed(given(1, "one"), first, later, copy) == ["one"]


def test_a_turn_to_the_fallback_is_of_the_ncco_that_was_served_before_it() -> None:
    """What was served in reply to the turn itself has the same received time."""
    assert blamed(given(1, "one"), fallback(2), given(2, "in its place")) == ["one"]
    assert blamed(fallback(2), given(2, "in its place")) == [None]


@pytest.mark.parametrize(
    ("reason", "right"), [("Invalid NCCO.", True), ("invalid ncco", True), ("Socket timeout.", False), (None, False)]
)
def test_a_turn_to_the_fallback_for_another_reason_is_of_no_ncco(reason: str | None, right: bool) -> None:
    assert blamed(given(1, "one"), fallback(2, reason=reason)) == ["one" if right else None]


def test_the_cause_has_the_time_that_the_answer_has() -> None:
    found = project_one(HERE, history_of(given(1, "one"), *kept(about(0, reason="x"), received=2)), LATER)
    (wrong,) = found.errors
    assert wrong.cause is not None
    assert (wrong.at, wrong.cause.at, wrong.cause.received) == (at(0), at(1), at(1))
    assert (wrong.cause.at, wrong.cause.answer) in found.answers
