"""How a webhook is printed for people; the published log itself is in tests/e2e/test_terminal.py."""

from __future__ import annotations

from typing import Any

import pytest

from vonage_simulator.tutorial_log import event, ncco_request


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("text", "'text'"),
        ("it's", '"it\'s"'),
        ('it\'s "it"', "'it\\'s \"it\"'"),
        ("a\\b", "'a\\\\b'"),
        ("\x1b[31m\n", r"'\x1b[31m\n'"),
        (None, "null"),
        (True, "true"),
        (12, "12"),
        (0.5, "0.5"),
        ({}, "{}"),
        ([], "[]"),
        ({"digits": "1", "timed-out": False}, "{\n    digits: '1',\n    'timed-out': false\n  }"),
        (["a", 1], "[\n    'a',\n    1\n  ]"),
    ],
)
def test_every_value_is_printed_on_lines_of_its_own_and_controls_no_terminal(value: Any, printed: str) -> None:
    assert event({"name": value}) == f"EVENT:\n{{\n  name: {printed}\n}}\n---"


def test_the_request_of_an_ncco_names_who_calls_and_whom_a_user_calls() -> None:
    by_number = {"from": "441234567890", "to": "442038297050"}
    assert ncco_request(by_number) == "NCCO request:\n  - caller: 441234567890\n---"
    by_user = {"from_user": "Alice", "to": "442038297050", "from": ""}
    assert ncco_request(by_user) == "NCCO request:\n  - caller: Alice\n  - callee: 442038297050\n---"
    assert ncco_request({}) == "NCCO request:\n  - caller: null\n---"
    assert "\n\x1b" not in ncco_request({"from": "1\n\x1b[2J"})
