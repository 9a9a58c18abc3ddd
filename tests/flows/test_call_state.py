"""The state of a call in URLs: sealed, whole, and of bounded length."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.flows.call_state import LONGEST, CallState, StateCodec
from app.flows.model import MOST_STEPS_ENTERED, MOST_VISITS, RenderFault

CODEC = StateCodec("a secret of all workers")
NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=8)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
STATES = st.builds(
    CallState,
    known=st.dictionaries(NAMES, JSON, max_size=4),
    inputs=st.dictionaries(NAMES, st.dictionaries(NAMES, JSON, max_size=3), max_size=3),
    visits=st.dictionaries(NAMES, st.integers(1, 20), max_size=4),
    enter=st.booleans(),
)


@given(STATES)
def test_another_worker_unseals_what_one_has_sealed(call_state: CallState) -> None:
    sealed = CODEC.seal(call_state)
    assert StateCodec("a secret of all workers").unseal(sealed) == call_state
    assert set(sealed) <= {*string.ascii_letters, *string.digits, *"-_="}
    assert len(sealed) <= LONGEST


def test_nobody_reads_a_number_in_it() -> None:
    call_state = CallState(known={"from": "447700900123"}, inputs={"pin": {"digits": "4711"}})
    assert "447700900123" not in CODEC.seal(call_state)
    assert CODEC.seal(call_state) != CODEC.seal(call_state)  # nor shows whether two calls are of one caller


NOT_OURS = ["", "x", "gAAAAAB", "ä", "\ud800", CODEC.seal(CallState())[:-4] + "AAA="]


@pytest.mark.parametrize("sealed", NOT_OURS, ids=range(len(NOT_OURS)))
def test_what_is_not_ours_is_not_unsealed(sealed: str) -> None:
    with pytest.raises(RenderFault, match="none of this server's"):
        CODEC.unseal(sealed)


def test_nor_is_what_was_sealed_with_another_secret() -> None:
    with pytest.raises(RenderFault, match="SECRET_KEY"):
        StateCodec("another").unseal(CODEC.seal(CallState()))


def test_more_than_an_address_holds_is_refused() -> None:
    noise = "".join(chr(0x4E00 + number * 7919 % 20000) for number in range(4000))
    with pytest.raises(RenderFault, match="more than an address can hold"):
        CODEC.seal(CallState(known={"custom_data": {"text": noise}}))


def test_visits_are_counted_and_have_an_end() -> None:
    assert CallState(visits={"f/a": 1}).entered("f", "a") == {"f/a": 2}
    assert CallState(visits={"f/a": 1}).entered("g", "a") == {"f/a": 1, "g/a": 1}
    with pytest.raises(RenderFault, match=f"step a more than {MOST_VISITS} times"):
        CallState(visits={"f/a": MOST_VISITS}).entered("f", "a")
    with pytest.raises(RenderFault, match=f"more than {MOST_STEPS_ENTERED} steps"):
        CallState(visits={str(number): 10 for number in range(20)}).entered("f", "new")
