"""Which step a call goes to, by the result of an action."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.flows.model import FAILED_STATUSES, Next
from app.flows.request import Result
from app.flows.transitions import plain, target, within

MENU = Next(
    keys={"1": "sales", "10": "ten", "*": "star"},
    words={"sales": "sales", "opening hours": "hours", "réserver": "booking"},
    silence="again",
    other="wrong",
    attempts=3,
    exhausted="operator",
)


def after(leads: Next, visits: int = 1, step: str = "menu", **result: Any) -> str | None:
    """The step it goes to."""
    known = {"kind": "input", "digits": "", "speech": ""} if "status" not in result else {"kind": "connect"}
    return target(leads, Result(**(known | result)), step=step, visits=visits)


@pytest.mark.parametrize(
    ("result", "step"),
    [
        ({"digits": "1"}, "sales"),
        ({"digits": "10"}, "ten"),
        ({"digits": "*"}, "star"),
        ({"digits": "2"}, "wrong"),
        ({"digits": "11"}, "wrong"),
        ({}, "again"),
        ({"digits": None, "speech": None}, "again"),
        ({"speech": "I want SALES please"}, "sales"),
        ({"speech": "what are your  Opening\tHours?"}, "hours"),
        ({"speech": "je voudrais RÉSERVER une table"}, "booking"),
        ({"speech": "wholesales"}, "wrong"),
        ({"speech": "opening the hours"}, "wrong"),
        ({"digits": "1", "speech": "opening hours"}, "sales"),
    ],
)
def test_keys_are_looked_up_whole_and_words_looked_for(result: dict[str, Any], step: str) -> None:
    assert after(MENU, **result) == step


def test_silence_and_else_lead_on_only_so_often_but_what_was_expected_always_does() -> None:
    assert [after(MENU, visits) for visits in (1, 2, 3, 4)] == ["again", "again", "operator", "operator"]
    assert [after(MENU, visits, digits="7") for visits in (2, 3)] == ["wrong", "operator"]
    assert after(MENU, 9, digits="1") == "sales"


def test_a_key_that_repeats_the_step_itself_does_so_only_so_often() -> None:
    leads = Next(keys={"0": "menu"}, attempts=2, exhausted="bye")
    assert [after(leads, visits, digits="0") for visits in (1, 2)] == ["menu", "bye"]


def test_without_exhausted_it_leads_where_it_leads() -> None:
    """A caller who comes back to a menu by its keys, again and again, is not hung up on for it."""
    assert after(Next(silence="again", attempts=1), 9) == "again"


def test_without_silence_it_is_anything_else_and_without_that_the_script_goes_on() -> None:
    assert after(Next(keys={"1": "one"}, other="wrong")) == "wrong"
    assert after(Next(keys={"1": "one"})) is None
    assert after(Next(keys={"1": "one"}, silence="again"), digits="5") is None


def test_a_step_for_any_result() -> None:
    assert after(Next(always="thanks"), speech="anything") == "thanks"
    assert after(Next(always="thanks")) == "thanks"


@pytest.mark.parametrize("status", FAILED_STATUSES)
def test_each_failure_of_a_connect_leads_to_its_step_or_to_that_of_any_other(status: str) -> None:
    leads = Next(statuses={"busy": "engaged"}, other="nobody")
    assert after(leads, status=status) == ("engaged" if status == "busy" else "nobody")
    assert after(Next(statuses={status: "there"}), status=status) == "there"
    assert after(Next(always="any"), status=status) == "any"
    assert after(Next(statuses={"busy": "menu"}, attempts=2, exhausted="bye"), visits=2, status="busy") == "bye"


@pytest.mark.parametrize("status", ["started", "ringing", "answered", "completed", "cancelled"])
def test_what_is_no_failure_leads_nowhere(status: str) -> None:
    assert after(Next(statuses={"busy": "engaged"}, other="nobody"), status=status) is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("réserver", "RE\u0301SERVER"),
        ("re\u0301server", "Réserver!"),
        ("d'accord", "D’accord."),
        ("d’accord", "ah, d`accord"),
        ("hôtel", "l’hôtel"),
        ("straße", "die STRASSE"),
        ("not  very", "No, not\u00a0very"),
        ("İstanbul", "i\u0307stanbul"),
        ("क", "क और"),
        ("a b", "a ba a b"),
    ],
)
def test_words_are_found_however_they_are_written(words: str, said: str) -> None:
    assert within(words, said)
    assert after(Next(words={words: "found"}), speech=said) == "found"


@pytest.mark.parametrize(
    ("words", "said"),
    [("क", "की"), ("e", "e\u0301"), ("sales", "wholesales"), ("a", "a_b"), ("", "a"), ("not very", "not")],
)
def test_words_are_whole(words: str, said: str) -> None:
    assert not within(words, said)


def test_of_two_the_first_can_take_all_that_the_other_is_for() -> None:
    assert within("not", "Not very")
    assert within("Not Very", "not  very")
    assert not within("not very", "not")


@given(st.text() | st.text("aÅ\u0301\u0327ßİ ’`'", max_size=300))
def test_plain_words_stay_unchanged(text: str) -> None:
    assert plain(f" {text}\t") == plain(text)
    assert plain(plain(text)) == plain(text)
