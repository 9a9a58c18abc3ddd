"""A captured call can be shared: it has no real telephone number."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.vonage_simulator.capturing import CALLEE, CALLER, captured
from tests.vonage_simulator.ledgers import leg, pressed, said
from vonage_simulator.capture.anonymize import Anonymizer
from vonage_simulator.capture.capture import scenario
from vonage_simulator.ledger import Answer, Conversation
from vonage_simulator.scenarios import dump

PUBLISHED = json.loads((Path(__file__).parents[1] / "samples" / "phone-to-app.expected.json").read_text())
HERE = "CON-here"


def test_no_real_number_is_left():
    """In any field and any form; numbers for drama stay, and so does any text that is no number."""
    number, other = "447911123456", "33612345678"
    call = Conversation(uuid=HERE)
    leg(call, **(CALLER | {"from_": f" +{number}", "to": "442079460001", "headers": {"X-Id": "CON-12345678"}}))
    leg(call, "sip", **(CALLEE | {"to": f"sip:{other}@example.com", "started": 3, "answered": 4}))
    text = f"Call +44 7911 123456, 07911 123456 or {other}; today is 2021-03-29, it costs 0.00720000"
    call.answers.append(Answer("leg", "https://example.com", [{"action": "talk", "text": text}]))
    call.inputs += [
        pressed(3, number),
        pressed(5, "12345678901234"),
        pressed(7, "4711"),
        said(9, (f"it is {number}", "1")),
    ]
    found = captured(call)
    written = dump(found)
    assert not re.search(f"{number}|7911|{other}", written)
    assert found.calls[0].from_ == "+447700900001"
    assert found.calls[0].to == "442079460001"
    assert list(found.callees) == ["sip:447700900002@example.com"]
    assert found.calls[0].headers == {"X-Id": "CON-12345678"}
    assert found.calls[0].far_end.keys == ("447700900001", "12345678901234", "4711")
    assert found.calls[0].far_end.says == ("it is 447700900001",)
    ncco = found.calls[0].ncco
    assert ncco is not None
    said_now = "Call +447700900001, 447700900001 or 447700900002; today is 2021-03-29, it costs 0.00720000"
    assert ncco[0]["text"] == said_now
    assert number in dump(captured(call, keep_numbers=True))


def test_a_stand_in_is_never_a_number_of_the_call():
    call = Conversation(uuid=HERE)
    leg(call, **(CALLER | {"from_": "447911123456"}))
    leg(call, "callee", **(CALLEE | {"to": "447700900001", "started": 3, "answered": 4}))
    found = captured(call)
    assert (found.calls[0].from_, list(found.callees)) == ("447700900002", ["447700900001"])


def test_masked_numbers_are_read():
    view = json.loads(
        json.dumps(PUBLISHED).replace("441234567890", "********7890").replace("442038297050", "********7050")
    )
    found = scenario(view).calls[0]
    assert (found.from_, found.to, found.endpoint) == ("447700900001", "442079460001", "phone")
    assert scenario(view, keep_numbers=True).calls[0].from_ == "********7890"


@pytest.mark.parametrize(
    "text",
    [
        "CON-8f5a100c-fbce-4218-8d4b-163413350000",
        "0779a56d002f1c7f47f82ef5fe84ab79",
        "12345678901234567890",
        "https://example.com/v1.20210329",
        "123456",
        "2021-03-29T21:20:05.582Z",
        "1234567890abcdef;encoding=hex",
        "rec-8f5a100c-fbce-4218-8d4b-163413350000.mp3",
        "2021-03-29 21:20",
        "Basic plan, 0.0072 EUR, 1200 seconds",
    ],
)
def test_a_text_that_is_no_telephone_number_stays(text: str):
    assert Anonymizer().replace(text) == text


def test_the_number_of_keys_stays():
    """Also where they are a number of the call, and its stand-in has more digits."""
    numbers = Anonymizer()
    assert numbers.party("33612345678") == "447700900001"
    assert numbers.keys("33612345678#") == "12345678901#"
    assert numbers.keys("123456*7") == "123456*7"


def test_a_thousand_numbers_get_a_thousand_stand_ins():
    numbers = Anonymizer()
    found = [numbers.party(f"4479{count:08}") for count in range(999)]
    assert len(set(found)) == 999
    assert all(re.fullmatch(r"447700900\d{3}", number) for number in found)


KNOWN = "447911123456"


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (f"{KNOWN}x", "447700900001x"),
        (f"room-{KNOWN}", "room-447700900001"),
        (f"X-Caller-{KNOWN}", "X-Caller-447700900001"),
        (f"a{KNOWN}_1", "a447700900001_1"),
        ("rec/%2B447911123456.mp3", "rec/%2B447700900001.mp3"),
        ("0044 7911 123456", "447700900001"),
        ("0 7 9 1 1 1 2 3 4 5 6", "447700900001"),
        ("+44/7911\u00a0 123-456", "+447700900001"),
        ("+44 (0) 7911 123456", "+447700900001"),
        ("7911.123.456", "447700900001"),
        ("+447911123456 12 times", "+447700900001 12 times"),
        (int(KNOWN), 447700900001),
        (float(KNOWN), 447700900001.0),
        ([{KNOWN: [7911123456]}], [{"447700900001": [447700900001]}]),
        ([1200, 0.0072, True, None, 123456789], [1200, 0.0072, True, None, 123456789]),
    ],
)
def test_a_number_of_the_calls_is_found_however_it_is_written(written: object, found: object):
    assert Anonymizer(known=[KNOWN]).replace(written) == found
    assert Anonymizer(known=[KNOWN], keep=True).replace(written) == written


@pytest.mark.parametrize(
    "text",
    [
        "(555) 123-4567",
        "555-123-4567",
        "44 7911 123456",
        "44  7911\u00a0123456",
        "0044 7911 123456",
        "0 7 9 1 1 1 2 3 4 5 6",
        "room-447911123456",
        "447911123456_room",
    ],
)
def test_an_unknown_number_is_found_by_its_form(text: str):
    found = Anonymizer().replace(text)
    assert re.sub("room|[-_]", "", found) == "447700900001"


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://user:s3cret@example.com/a", "https://example.com/a"),
        ("see wss://example.com:80/a?token=SECRET#b now", "see wss://example.com:80/a now"),
        ("https://example.com/@alice", "https://example.com/@alice"),
        ("sip:bob:s3cret@example.com;transport=tls?X-Token=a", "sip:bob@example.com;transport=tls"),
    ],
)
def test_urls_lose_their_secrets(url: str, found: str):
    assert Anonymizer().replace(url) == Anonymizer(keep=True).replace(url) == found


def test_headers_lose_their_secrets():
    headers = {"X-Auth": "a", "Cookie": ["a"], "X-Api-Key": 5, "X-A": "Bearer a", "X-B": {"b": ["basic a"]}, "X-C": "a"}
    left = {"X-Auth": "left-out", "Cookie": "left-out", "X-Api-Key": 5, "X-A": "left-out", "X-B": {"b": ["left-out"]}}
    assert Anonymizer(keep=True).replace_headers(headers) == left | {"X-C": "a"}
    assert Anonymizer().replace([{"headers": headers, "endOnKey": "#"}]) == [
        {"headers": left | {"X-C": "a"}, "endOnKey": "#"}
    ]
