"""The state of a leg, for every set of statuses that can have been received of it."""

from itertools import combinations
from typing import Any

import pytest

from app.domain.leg_state import (
    ALL,
    ANSWERED,
    BILLED,
    BITS,
    COMPLETED,
    FAILURES,
    FINAL,
    OUTCOMES,
    RINGING,
    STARTED,
    STATES,
    TABLE,
    comes_after,
    state_of,
)

EVERY = range(ALL + 1)


def test_the_table_for_the_scripts_follows_the_rules() -> None:
    assert len(TABLE) == 2 * len(EVERY)
    for bits in EVERY:
        state, outcome = TABLE[2 * bits], TABLE[2 * bits + 1]
        result = state_of(bits)
        assert (STATES[int(state)], None if outcome == "-" else OUTCOMES[int(outcome)]) == result


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        (0, "started"),
        (STARTED, "started"),
        (RINGING, "ringing"),
        (STARTED | RINGING, "ringing"),
        (ANSWERED, "answered"),
        (STARTED | RINGING | ANSWERED, "answered"),
        (COMPLETED, "completed"),
        (COMPLETED | RINGING, "completed"),
        *((BITS[failure], "completed") for failure in FAILURES),
        *((BITS[failure] | ANSWERED, "completed") for failure in FAILURES),
    ],
)
def test_the_state_is_the_furthest_that_was_seen(seen: Any, state: str) -> None:
    assert state_of(seen).state == state


def test_a_leg_has_an_outcome_once_it_is_over_and_not_before() -> None:
    assert all((state_of(bits).outcome is not None) == bool(bits & FINAL) for bits in EVERY)


def test_more_statuses_never_lead_back() -> None:
    for bits in EVERY:
        for more in BITS.values():
            assert STATES.index(state_of(bits | more).state) >= STATES.index(state_of(bits).state)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_gives_its_name_whatever_else_was_seen(failure: str) -> None:
    assert state_of(BITS[failure]).outcome == failure
    assert state_of(BITS[failure] | COMPLETED).outcome == failure
    assert state_of(BITS[failure] | COMPLETED | ANSWERED | BILLED).outcome == failure


@pytest.mark.parametrize("pair", list(combinations(FAILURES, 2)))
def test_of_two_failures_the_more_specific_one_gives_its_name(pair: tuple[str, str]) -> None:
    assert state_of(BITS[pair[0]] | BITS[pair[1]] | COMPLETED).outcome == pair[0]


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        (COMPLETED, "unanswered"),
        (COMPLETED | STARTED | RINGING, "unanswered"),
        (COMPLETED | ANSWERED, "answered"),
        (COMPLETED | BILLED, "answered"),
    ],
)
def test_a_leg_that_did_not_fail_was_answered_if_it_has_an_answer_or_a_duration(seen: Any, outcome: str | None) -> None:
    assert state_of(seen).outcome == outcome


def test_out_of_order_is_what_comes_when_a_later_status_is_there() -> None:
    assert comes_after("started") & RINGING
    assert comes_after("ringing") & ANSWERED
    assert comes_after("answered") & COMPLETED
    assert not comes_after("answered") & (STARTED | RINGING | ANSWERED)
    assert comes_after("completed") == comes_after("never heard of") == 0
    for failure in FAILURES:
        assert comes_after(failure) == COMPLETED, "completed ends also a leg that failed"
        assert comes_after("ringing") & BITS[failure]
