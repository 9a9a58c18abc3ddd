"""In which order actions may follow each other."""

from __future__ import annotations

import pytest

from app.flows.sequence import faults
from tests.nccos import BARGE, BARGE_IN, CONNECT, INPUT, PLACEHOLDER, STREAM, TALK

LOOP, LOOP_STREAM = TALK | {"loop": 0}, STREAM | {"loop": 0}
RECORD = {"action": "record", "endOnKey": "#"}
UNTIL = {"endOnSilence": 3, "endOnKey": "#"}
CONVERSATION = {"action": "conversation", "name": "support"}
TRANSFER = {"action": "transfer", "conversationId": "CON-1"}


@pytest.mark.parametrize("last", [CONVERSATION, TRANSFER])
def test_nothing_runs_after_a_conversation_or_a_transfer(last):
    name = last["action"]
    assert faults([TALK, last]) == []
    assert faults([TALK, last, TALK, CONNECT]) == [
        ((1,), f"It must be the last action: what follows a {name} never runs.")
    ]
    assert [path for path, _ in faults([last, last, TALK])] == [(0,), (1,)]


@pytest.mark.parametrize(
    ("ncco", "wrong"),
    [
        ([LOOP], []),
        ([TALK, LOOP_STREAM], []),
        ([LOOP, TALK], [0]),
        ([TALK, LOOP_STREAM, RECORD, LOOP], [1]),
        ([LOOP | {"bargeIn": False}, INPUT], [0]),
        ([LOOP | {"bargeIn": True}, INPUT], []),
        ([LOOP | {"bargeIn": PLACEHOLDER}, INPUT], []),
        ([TALK | {"loop": PLACEHOLDER}, TALK], []),
        ([TALK | {"loop": 1}, STREAM | {"loop": 2}, TALK], []),
        ([RECORD | {"loop": 0}, TALK], []),
    ],
)
def test_what_is_played_without_end_and_cannot_be_interrupted_is_the_last(ncco, wrong):
    assert [path for path, _ in faults(ncco)] == [(index, "loop") for index in wrong]


def test_a_loop_is_reported_in_words():
    ((_, words),) = faults([LOOP, TALK])
    assert words == "It is 0, so that the talk never ends, but an action follows; it must be 1 or more, or the last."


@pytest.mark.parametrize(
    ("ncco", "wrong"),
    [
        *BARGE_IN,
        ([TALK | {"bargeIn": PLACEHOLDER}, CONNECT], []),
        ([TALK | {"bargeIn": False}, CONNECT], []),
        ([BARGE, {"action": PLACEHOLDER}], []),
    ],
)
def test_after_barge_in_the_next_action_of_another_kind_is_input(ncco, wrong):
    assert [path for path, _ in faults(ncco)] == [(index, "bargeIn") for index in wrong]


def test_barge_in_is_reported_in_words():
    assert [words for _, words in faults([BARGE, TALK, CONNECT, BARGE])] == [
        "It is true, but the next action that is no talk is connect; it must be input.",
        "It is true, but the next action that is no talk is missing; it must be input.",
    ]


@pytest.mark.parametrize(
    ("ncco", "wrong"),
    [
        *(([{"action": "record", option: value}], []) for option, value in UNTIL.items()),
        *(([{"action": "record", option: PLACEHOLDER}], []) for option in UNTIL),
        ([{"action": "record"}], [0]),
        ([{"action": "record", "timeOut": 60}], [0]),
        ([{"action": "record", "timeOut": 60}, TALK], []),
        ([{"action": "record", "timeOut": 60, "endOnKey": "#"}], []),
        ([TALK, {"action": "record", "format": "mp3", "beepStart": True, "split": "conversation"}], [1]),
        ([{"action": "record"}, CONNECT], []),
        ([{"action": "record"}, CONVERSATION], []),
        ([{"action": "record"}, {"action": "record"}], [1]),
        ([{"action": PLACEHOLDER}], []),
    ],
)
def test_a_recording_that_does_not_wait_is_not_the_last(ncco, wrong):
    """The call would end as it begins."""
    assert [path for path, _ in faults(ncco)] == [(index,) for index in wrong]


def test_a_recording_of_nothing_is_reported_in_words():
    ((_, words),) = faults([{"action": "record"}])
    assert words == (
        "It is the last action and does not wait, so that the call ends at once and nothing is recorded;"
        " there must be endOnSilence or endOnKey, or an action after it."
    )


def test_faults_are_reported_in_order():
    assert [path for path, _ in faults([LOOP, CONVERSATION, BARGE, TRANSFER])] == [(0, "loop"), (1,), (2, "bargeIn")]
