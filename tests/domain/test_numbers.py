"""Telephone numbers: found by their digits, and shown to nobody who need not see them."""

import json

import pytest

from app.domain.numbers import digits, mask, masked, numbers_in
from tests.domain.builders import HERE, about, answer, status
from tests.generated import read_event


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("447700900123", "447700900123"),
        ("+447700900123", "447700900123"),
        ("+44 (7700) 900-123", "447700900123"),
        ("020 7946.0000", "02079460000"),
        ("999", "999"),
        ("7", "7"),
        ("123456789012345", "123456789012345"),
        ("1234567890123456", None),
        ("1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6", None),
        ("Alice", None),
        ("Alice2", None),
        ("sip:447700900123@example.com", None),
        ("447700900123x", None),
        ("٤٤٧٧٠٠٩٠٠١٢٣", None),  # digits, but none that are dialled
        ("", None),
        ("+", None),
        (" ", None),
        (None, None),
    ],
)
def test_a_number_is_its_digits_and_nothing_else_is_one(text: str, found: str | None) -> None:
    assert digits(text) == found


def test_a_conversation_is_found_by_caller_and_callee() -> None:
    assert numbers_in(read_event(status("started", 1, from_="+447700900123", to="442079460000"))) == [
        "447700900123",
        "442079460000",
    ]
    assert numbers_in(read_event(status("started", 1, from_="447700900123", to="447700900123"))) == ["447700900123"]
    by_sip = status("started", 1, from_="sip:+447700900123@example.com;user=phone", to="tel:442079460000")
    assert numbers_in(read_event(by_sip)) == ["447700900123", "442079460000"]
    assert numbers_in(read_event(status("started", 1, from_="sip:bob@example.com", to="sip:447700900123x@a"))) == []
    assert numbers_in(answer(1, from_="447700900123", to="Alice").event) == ["447700900123"]
    assert numbers_in(read_event(about(1, uuid="leg", dtmf="1234567", **{"from": "447700900123"}))) == ["447700900123"]
    assert numbers_in(read_event(about(1, payload={"from": "447700900123"}))) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("447700900123", "********0123"),
        ("+447700900123", "*********0123"),
        ("1234567", "***4567"),
        ("Call 447700900123 or 442079460000.", "Call ********0123 or ********0000."),
        ("(447700900123)", "(********0123)"),
        ('{"from":"447700900123"}', '{"from":"********0123"}'),
        ("447700900123,442079460000", "********0123,********0000"),
        ("He was 447700900123!", "He was ********0123!"),
        ("from=447700900123&to=442079460000", "from=********0123&to=********0000"),
        ("sip:447700900123@example.com", "sip:********0123@example.com"),
        ("sip:+447700900123@example.com;user=phone", "sip:*********0123@example.com;user=phone"),
        ("tel:+447700900123", "tel:*********0123"),
        ("+44 (7700) 900-123", "**************-123"),
        ("00447700900123000", "*************3000"),
    ],
)
def test_of_a_number_in_a_text_the_last_four_digits_are_shown(text: str, shown: str) -> None:
    assert mask(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6",
        "CON-12345678-1234-4321-8123-123456789012",
        "12345678-1234-4321-8123-123456789012",
        "0779a56d002f1c7f47f82ef5fe84ab79",
        "12345678901234567890123456789ab2",
        "12345678901234ab",
        "2021-03-29T21:20:05.582Z",
        "2021-03-29T21:20:05.5821234567Z",
        "0.00720000",
        "1.23456789",
        "123456",
        "GB-FIXED",
        "user1234567",
        "1234567_8",
        "",
    ],
)
def test_ids_times_and_money_stay_as_they_are(text: str) -> None:
    assert mask(text) == text


def test_a_json_value_is_masked_at_any_depth_and_its_ids_stay() -> None:
    body = {
        "from": "447700900123",
        "uuid": "1234567890",
        "call_uuid": "1234567890",
        "conversation_uuid": "1234567890",
        "price": "1234567",
        "headers": {"X-Caller": "447700900123", "list": ["447700900123", 7, None, True, 0.5]},
        "status": "answered",
    }
    hidden = masked(body)
    assert "447700900123" not in json.dumps(hidden)
    assert hidden["from"] == "********0123"
    assert hidden["headers"] == {"X-Caller": "********0123", "list": ["********0123", 7, None, True, 0.5]}
    for name in ("uuid", "call_uuid", "conversation_uuid", "price", "status"):
        assert hidden[name] == body[name]
    assert body["from"] == "447700900123", "what was handed in is left alone"


def test_the_version_of_a_flow_is_never_a_telephone_number() -> None:
    assert masked({"version": "12345678"}) == {"version": "12345678"}


def test_a_number_that_came_as_a_json_number_is_masked_too() -> None:
    assert masked({"from": 447700900123, "to": 442079460000}) == {"from": "********0123", "to": "********0000"}


def test_masking_shows_no_number_of_a_conversation_and_keeps_its_name() -> None:
    body = status("started", 1, from_="447700900123", to="442079460000")
    text = json.dumps(masked(body))
    assert HERE in text
    for number in numbers_in(read_event(body)):
        assert number not in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+447700900123 10:15", "*********0123 10:15"),
        ("+447700900123 2126-11-20", "*********0123 2126-11-20"),
        ("+447700900123 447700900199", "*********0123 ********0199"),
        ("Call 4 4 7 7 0 0 9 0 0 1 2 3.", "Call ******************* 2 3."),
        ("1 2 3 4 5 6", "1 2 3 4 5 6"),
        ("4, 4, 7, 7, 0, 0, 9, 0, 0, 1, 2, 3", "******************************2, 3"),
    ],
)
def test_characters_after_a_number_do_not_hide_it(text: str, shown: str) -> None:
    assert mask(text) == shown
