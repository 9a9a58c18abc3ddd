"""Every wrong value in a server's view is found."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.vonage_simulator import ledgers
from tests.vonage_simulator.ledgers import at
from tests.vonage_simulator.mutations import mutations
from vonage_simulator.ledger import Conversation, ErrorEvent
from vonage_simulator.verify.differences import Difference, differences
from vonage_simulator.verify.expected_view import expected

PUBLISHED = ledgers.api_view(ledgers.published())
RIGHT = {
    name: (make(), ledgers.api_view(make()))
    for name, make in (("published", ledgers.published), ("eventful", ledgers.eventful))
}
WRONG = [(name, what, view) for name, (_, right) in RIGHT.items() for what, view in mutations(right)]


def test_a_correct_view_has_no_differences():
    for call, view in RIGHT.values():
        assert differences(expected(call), copy.deepcopy(view)) == []
        assert differences(expected(call), json.loads(json.dumps(view))) == []
    assert len(WRONG) > 500


@pytest.mark.parametrize(
    ("name", "view"), [(name, view) for name, _, view in WRONG], ids=[what for _, what, _ in WRONG]
)
def test_a_view_with_one_change_is_wrong(name: str, view: Any):
    """Each field, each item of each list, one at a time."""
    found = differences(expected(RIGHT[name][0]), view)
    assert found
    assert all("\n" not in str(difference) for difference in found)


def test_what_the_carrier_cannot_know_is_not_compared():
    call, view = RIGHT["eventful"]
    view = copy.deepcopy(view) | {"first_heard_at": None, "more": 1}
    view["answers"][0] |= {"took_ms": 99, "flow": "other", "at": None}
    assert differences(expected(call), view) == []


def test_the_order_of_legs_does_not_matter_but_lists_are_oldest_first():
    call, view = RIGHT["eventful"]
    assert differences(expected(call), view | {"legs": view["legs"][::-1]}) == []
    for name in ("inputs", "recordings", "errors"):
        (found,) = differences(expected(call), view | {name: view[name][::-1]})
        assert (found.path, found.expected) == (name, "oldest first")


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ("0.00144", "price, the same amount in another notation: expected 0.00144000, got 0.00144"),
        ("1.44E-3", "price, the same amount in another notation: expected 0.00144000, got 1.44E-3"),
        (0.00144, "price, the same amount in another notation: expected 0.00144000, got 0.00144"),
        ("0.00144001", "price: expected 0.00144000, got 0.00144001"),
        (None, "price: expected 0.00144000, got null"),
        ("much", "price: expected 0.00144000, got much"),
    ],
)
def test_amounts_of_money(says: Any, words: str):
    """The same value written in another way is a difference, too, and is named as such."""
    assert list(map(str, differences(expected(ledgers.published()), PUBLISHED | {"price": says}))) == [words]


def test_only_money_is_read_as_an_amount():
    call = Conversation(uuid="CON-here", inputs=[ledgers.pressed(1, "1")])
    view = ledgers.api_view(call)
    view["inputs"][0] |= {"digits": "01", "timed_out": True}
    assert list(map(str, differences(expected(call), view))) == [
        "inputs[0] digits: expected 1, got 01",
        "inputs[0] timed_out: expected false, got true",
    ]


def test_a_difference_is_a_line():
    view = copy.deepcopy(PUBLISHED)
    view["legs"][0]["times"]["answered"] = None
    view["inputs"] = [{"at": "2021-03-29T21:20:05.582Z", "digits": "1"}]
    assert list(map(str, differences(expected(ledgers.published()), view))) == [
        "leg 0779a56d002f1c7f47f82ef5fe84ab79 times.answered: expected 2021-03-29T21:20:06.182Z, got null",
        "inputs[0]: expected no such thing, got {'at': '2021-03-29T21:20:05.582Z', 'digits': '1'}",
    ]


def test_an_item_that_differs_in_one_field_is_reported_by_that_field():
    call = Conversation(uuid="CON-here", errors=[ErrorEvent(at(1), "Syntax error in NCCO.")])
    view = expected(call) | {"errors": [expected(call)["errors"][0] | {"reason": "Something else."}]}
    assert differences(expected(call), view) == [
        Difference("errors[0] reason", "Syntax error in NCCO.", "Something else.")
    ]
