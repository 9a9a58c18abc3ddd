"""What the figures need of a call: its home, how it ended, talk, wait and price, as the list of calls has them."""

from __future__ import annotations

from typing import Any

import pytest

from app.domain.call_summary import CallSummary, price_of, price_units, summaries_of
from app.domain.calls import read_calls
from app.domain.conversations import Kept, history
from app.domain.leg_state import FAILURES
from tests.domain.builders import HERE, LATER, PRESUME_ENDED_AFTER, THERE, at, kept, status, transfer
from tests.generated import BASE


def summaries(*bodies: Any, later: bool = True) -> dict[str, CallSummary]:
    """The calls after *bodies*."""
    found: dict[str, list[Kept]] = {}
    for event in kept(*bodies):
        for name in event.event.conversations:
            found.setdefault(name, []).append(event)
    histories = {name: history(events) for name, events in found.items()}
    now = LATER if later else BASE
    calls = read_calls(histories, now=now, presume_ended_after=PRESUME_ENDED_AFTER).calls.values()
    return summaries_of(calls, histories)


def one(*bodies: Any, later: bool = True) -> CallSummary:
    """The only call after *bodies*."""
    (found,) = summaries(*bodies, later=later).values()
    return found


INBOUND = [
    status("started", 0, uuid="caller", from_="447700900123", to="442079460000"),
    status("answered", 1, uuid="caller"),
]


def test_a_call_of_one_leg_is_as_its_leg() -> None:
    found = one(*INBOUND, status("completed", 31, uuid="caller", price="0.0072", duration="30"))
    assert found == CallSummary(at(0), at(31), "answered", 30.0, 1.0, "0.0072", "442079460000")


@pytest.mark.parametrize("failure", FAILURES)
def test_that_a_flow_picked_up_is_no_answer_if_those_called_gave_none(failure: str) -> None:
    found = one(*INBOUND, status(failure, 20, uuid="agent"), status("completed", 22, uuid="caller", duration="21"))
    assert (found.outcome, found.talk_seconds, found.wait_seconds, found.ended) == (failure, None, None, at(22))


def test_if_none_of_those_called_answers_the_last_one_says_how_it_ended_as_in_the_list_of_calls() -> None:
    agents = [status("busy", 3, uuid="a"), status("failed", 9, uuid="b")]
    found = one(*INBOUND, *agents, status("completed", 12, uuid="caller", duration="11"))
    assert found.outcome == "failed"


def test_another_caller_in_the_conversation_is_none_of_those_called() -> None:
    first, other = INBOUND[0] | {"direction": "inbound"}, status("busy", 3, uuid="other") | {"direction": "inbound"}
    found = one(first, INBOUND[1], other, status("completed", 31, uuid="caller", duration="30"))
    assert (found.outcome, found.wait_seconds) == ("answered", 1.0)


def test_one_of_those_called_who_answers_is_enough() -> None:
    agents = [status("ringing", 2, uuid="a"), status("busy", 3, uuid="a"), status("answered", 9, uuid="b")]
    ends = [status("completed", 40, uuid="b", price="0.01"), status("completed", 41, uuid="caller", price="0.002")]
    found = one(*INBOUND, *agents, *ends)
    assert (found.outcome, found.wait_seconds, found.talk_seconds, found.price) == ("answered", 9.0, 31.0, "0.012")


def test_a_transferred_call_has_its_home_where_its_first_leg_began() -> None:
    found = summaries(
        *INBOUND, transfer(HERE, THERE, 20, uuid="caller"), status("completed", 80, where=THERE, uuid="caller")
    )
    assert found.keys() == {HERE}
    assert (found[HERE].ended, found[HERE].talk_seconds) == (at(80), 79.0)


def test_a_call_is_live_while_its_leg_lives_elsewhere() -> None:
    moved = [*INBOUND, transfer(HERE, THERE, 20, uuid="caller")]
    found = summaries(*moved, later=False)
    assert (found[HERE].ended, found[HERE].outcome) == (None, None)
    assert summaries(*moved)[HERE].outcome == "answered", "its end must have been lost"


def test_without_legs_there_is_no_call() -> None:
    assert summaries({"conversation_uuid": HERE, "payload": {}}) == {}


@pytest.mark.parametrize("price", ["0.00144000", "0", "12.5", "-0.1", "0.00000001"])
def test_a_price_is_added_up_exactly(price: str) -> None:
    units = price_units(price)
    assert units is not None
    assert float(price_of(units)) == float(price)


@pytest.mark.parametrize("price", ["9" * 40, "-" + "9" * 40])
def test_a_price_out_of_all_proportion_is_cut(price: str) -> None:
    units = price_units(price)
    assert units is not None
    assert abs(units) == 10**15
