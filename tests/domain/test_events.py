"""When two webhooks are the same, and how differing bodies are merged."""

from itertools import permutations
from typing import Any

import pytest

from app.domain.conversations import moments
from app.domain.events import canonical_json, merge
from tests.domain.builders import HERE, THERE, about, at, history_of, status, transfer
from tests.generated import Body, read_event


def test_two_bodies_are_the_same_in_any_order_of_their_keys() -> None:
    assert canonical_json({"b": {"y": 1, "x": [2, None]}, "a": "é"}) == canonical_json(
        {"a": "é", "b": {"x": [2, None], "y": 1}}
    )
    assert canonical_json({"a": 1}) != canonical_json({"a": 1, "b": None})
    assert canonical_json({"a": [1, 2]}) != canonical_json({"a": [2, 1]})


def test_half_a_surrogate_pair_is_a_character_as_well() -> None:
    assert canonical_json({"uuid": "\ud800"}) != canonical_json({"uuid": "\udfff"})


def test_a_fallback_copy_is_no_copy_of_the_event_it_repeats_but_an_event_beside_it() -> None:
    body = status("answered", 1)
    copy = body | {"reason": "Socket timeout.", "original_request": {"url": "https://a.example", "type": "event"}}
    assert read_event(copy).kind == "fallback"
    assert read_event(copy).canonical != read_event(body).canonical
    assert len(history_of(copy, body)) == 2


FACTS = {
    "the same status of the same leg at the same moment": (status("ringing", 1), status("ringing", 1, to="1234"), True),
    "another status": (status("ringing", 1), status("answered", 1), False),
    "another leg": (status("ringing", 1), status("ringing", 1, uuid="other"), False),
    "another moment": (status("ringing", 1), status("ringing", 2), False),
    "a detection by either name of its leg": (
        status("machine", 1),
        {"call_uuid": "leg", "status": "machine", "conversation_uuid": HERE, "timestamp": at(1).isoformat(), "x": 1},
        True,
    ),
    "another sub-state": (status("machine", 1), status("machine", 1, sub_state="beep_start"), False),
    "the same recording": (
        about(1, recording_uuid="r", recording_url="https://r.example"),
        about(2, recording_uuid="r", recording_url="", size=0),
        True,
    ),
    "recordings without an id": (
        about(1, recording_url="https://r.example/1"),
        about(1, recording_url="https://r.example/2"),
        False,
    ),
    "the same transcription": (
        about(1, status="transcribed", recording_uuid="r"),
        about(2, status="transcribed", recording_uuid="r"),
        True,
    ),
    "a recording and its transcription": (
        about(1, recording_uuid="r", recording_url="u"),
        about(1, recording_uuid="r", status="transcribed"),
        False,
    ),
    "the same move": (transfer(HERE, THERE, 1), transfer(HERE, THERE, 1) | {"x": 1}, True),
    "a move to elsewhere": (transfer(HERE, THERE, 1), transfer(HERE, "CON-else", 1), False),
    "the same input": (
        about(1, uuid="leg", dtmf={"digits": "1"}),
        about(1, uuid="leg", dtmf={"digits": "1"}, speech={}),
        True,
    ),
    "input of another moment": (about(1, uuid="leg", dtmf="1"), about(2, uuid="leg", dtmf="1"), False),
    "inputs of no moment": (about(None, uuid="leg", dtmf="1"), about(None, uuid="leg", dtmf="2"), False),
    "notifications": (about(1, payload={"a": 1}), about(1, payload={"a": 2}), False),
    "errors": (about(1, reason="one"), about(1, reason="two"), False),
}


@pytest.mark.parametrize("case", FACTS)
def test_bodies_that_differ_state_one_fact_if_these_agree(case: Any) -> None:
    one, other, same = FACTS[case]
    assert read_event(one).canonical != read_event(other).canonical
    assert (read_event(one).dedup_key == read_event(other).dedup_key) == same
    assert len(moments(history_of(one, other))) == (1 if same else 2)


def merged(*bodies: Body) -> Any:
    """The event that *bodies* are merged into, in any order."""
    found = {merge(order) for order in permutations(map(read_event, bodies))}
    assert len(found) == 1
    return found.pop()


def test_a_value_wins_over_null() -> None:
    event = merged(status("completed", 1, to="447700900123", price=None), status("completed", 1, to=None, price="0.10"))
    assert (event.to, event.price) == ("447700900123", "0.10")


def test_of_two_values_the_one_with_the_later_timestamp_wins_and_a_dated_one_over_one_without() -> None:
    early, late = (about(s, recording_uuid="r", recording_url=f"https://r.example/{9 - s}", size=s) for s in (1, 2))
    undated = about(
        None, recording_uuid="r", recording_url="https://r.example/z", size=77, start_time=at(0).isoformat()
    )
    event = merged(early, late, undated)
    assert (event.recording_url, event.size, event.occurred, event.start_time) == (
        "https://r.example/7",
        2,
        at(2),
        at(0),
    )


def test_of_two_values_of_one_moment_the_one_with_the_larger_canonical_bytes_wins() -> None:
    event = merged(
        status("completed", 1, to="1111111"), status("completed", 1, to="2222222"), status("completed", 1, network="x")
    )
    assert (event.to, event.network) == ("2222222", "x")


def test_the_flags_of_every_variant_are_kept() -> None:
    assert merged(status("started", 1), status("started", 1, sip_code="many")).flags == ("unreadable_sip_code",)
