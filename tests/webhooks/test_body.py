"""From bytes to a JSON object: what is one, what is none, and what the sender learns about it."""

import json
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.webhooks.body import MOST_NESTED, BadBody, read_body, read_object, read_query, write_json

plain = st.none() | st.booleans() | st.integers(-(10**16), 10**17) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    plain | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=9,
)
objects = st.dictionaries(st.text(max_size=9), values, max_size=5)


def nested(depth: int) -> bytes:
    """An object with so many objects and arrays inside each other, itself included."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def why(body: bytes, query: str = "") -> str:
    with pytest.raises(BadBody) as caught:
        read_body(body, query)
    return str(caught.value)


@given(objects)
def test_any_json_object_is_read_as_it_is(body):
    text = json.dumps(body, ensure_ascii=False).encode()
    assert read_body(text, "") == (text, body)


@given(st.binary() | st.text().map(str.encode))
def test_bytes_are_an_object_or_a_bad_body_and_nothing_else(body):
    with suppress(BadBody):
        assert isinstance(read_body(body, "")[1], dict)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"status=ringing", "not JSON"),
        (b'{"a":1', "not JSON"),
        (b'{"a":1}{"a":2}', "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":1,}', "not JSON"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":Infinity}', "Infinity"),
        (b'{"a":[-Infinity]}', "-Infinity"),
        (b'{"a":"\x00"}', "not JSON"),
        (b'{"a":"one\nline"}', "not JSON"),
        (b"\x00", "not JSON"),
        (b"[]", "array"),
        (b'[{"status":"ringing"}]', "array"),
        (b'"ringing"', "string"),
        (b"true", "boolean"),
        (b"null", "null"),
        (b"12", "number"),
        (b"1.5", "number"),
        ('{"a":1}'.encode("utf-16"), "not UTF-8"),
        ('{"a":1}'.encode("utf-16-le"), "not JSON"),
        ('{"a":1}'.encode("utf-32"), "not UTF-8"),
        ('{"a":"Zoë"}'.encode("latin-1"), "not UTF-8"),
        (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),  # half a surrogate pair, in bytes
        (b'{"a":"\xc0\x80"}', "not UTF-8"),
    ],
)
def test_a_bad_body_is_described_in_a_few_words(body, word):
    assert word in why(body)


@pytest.mark.parametrize("depth", [MOST_NESTED + 1, 100, 30_000])
def test_what_is_nested_too_deep_is_a_bad_body(depth):
    assert why(nested(depth)) == "nested deeper than 32"


@pytest.mark.parametrize("brackets", [b"[" * 60_000, b'{"a":' * 10_000, b"[" * 60_000 + b"]" * 60_000])
def test_endless_brackets_are_a_bad_body_and_no_crash(brackets):
    assert why(brackets)
    assert why(b'{"a":' + brackets + b"}")


def test_32_deep_is_read_however_it_is_built():
    assert read_body(nested(MOST_NESTED), "")
    objects_only = b'{"a":' * MOST_NESTED + b"1" + b"}" * MOST_NESTED
    assert read_body(objects_only, "")
    assert read_body(b'{"wide":[' + b",".join([b"{}"] * 5000) + b"]}", ""), "wide is not deep"


def test_brackets_in_text_are_not_nesting():
    body = {"text": "[{" * 1000}
    assert read_object(json.dumps(body).encode()) == body


def test_an_escaped_lone_surrogate_is_text_like_any_other():
    text, body = read_body(rb'{"uuid":"\ud800"}', "")
    assert body == {"uuid": "\ud800"}
    assert read_object(write_json(body)) == body
    assert read_object(text) == body


def test_an_escaped_nul_is_text_like_any_other():
    assert read_body(rb'{"uuid":"a\u0000b"}', "")[1] == {"uuid": "a\0b"}


@pytest.mark.parametrize(
    ("number", "read"),
    [
        ("1e400", "1e400"),
        ("-1E+400", "-1E+400"),
        ("1e-400", 0.0),
        ("9" * 5000, "9" * 5000),
        ("-" + "9" * 5000, "-" + "9" * 5000),
        ("1" * 18, int("1" * 18)),
        ("1" * 19, "1" * 19),
        ("0.1" + "0" * 5000, 0.1),
        ("-0", 0),
    ],
)
def test_a_number_that_is_none_of_python_s_is_kept_as_its_text(number, read):
    (found,) = read_object(f'{{"a":{number}}}'.encode()).values()
    assert (found, type(found)) == (read, type(read))


def test_the_last_of_a_repeated_key_counts():
    assert read_object(b'{"status":"started","status":"ringing"}') == {"status": "ringing"}


@pytest.mark.parametrize("text", [b'{"a":1}', b' \r\n\t{"a":1}\n'])
def test_a_byte_order_mark_and_blanks_do_not_matter(text):
    assert read_body(b"\xef\xbb\xbf" + text, "")[1] == {"a": 1}
    assert read_body(text, "")[1] == {"a": 1}


def test_without_a_body_the_query_is_the_webhook():
    text, body = read_body(b"", "status=ringing&uuid=1")
    assert body == {"status": "ringing", "uuid": "1"}
    assert text == b'{"status":"ringing","uuid":"1"}'
    assert read_body(b"\xef\xbb\xbf", "status=ringing")[1] == {"status": "ringing"}


def test_a_signed_blank_does_not_let_the_query_in():
    with pytest.raises(BadBody):
        read_body(b" \n", "status=ringing")


def test_a_body_goes_before_the_query():
    assert read_body(b'{"status":"answered"}', "status=ringing")[1] == {"status": "answered"}


def test_nothing_at_all_is_an_empty_object():
    assert read_body(b"", "") == (b"{}", {})


def test_json_in_a_parameter_is_read_and_other_text_is_left_alone():
    parameters = {
        "dtmf": '{"digits":"12","timed_out":false}',
        "list": "[1,2]",
        "number": "12",
        "word": "true",
        "quoted": '"text"',
        "open": "{not json",
        "empty": "",
    }
    read: dict[str, Any] = parameters | {"dtmf": {"digits": "12", "timed_out": False}, "list": [1, 2]}
    assert read_query(urlencode(parameters)) == read


def test_the_last_of_a_repeated_parameter_counts():
    assert read_query("a=1&a=2") == {"a": "2"}


def test_colons_and_commas_are_not_escaped_in_a_query_and_a_plus_is_a_space():
    assert read_query("timestamp=2020-01-01T12:00:00.123Z&names=a,b&from=+4477&x=a%2Bb") == {
        "timestamp": "2020-01-01T12:00:00.123Z",
        "names": "a,b",
        "from": " 4477",
        "x": "a+b",
    }


def test_a_query_holds_names_in_any_language_escaped_or_not():
    assert read_query("from_user=Zo%C3%AB") == {"from_user": "Zoë"}
    assert read_query("from_user=Zoë") == {"from_user": "Zoë"}


@pytest.mark.parametrize("query", ["a=%FF", "a=%ED%A0%80", "%FF=a", "&".join(f"a{n}=1" for n in range(1001))])
def test_a_query_that_is_no_utf_8_or_without_end_is_a_bad_body(query):
    assert "query string" in why(b"", query)


def test_json_in_a_parameter_may_not_be_nested_deeper_than_in_a_body():
    """It lies inside the object that all parameters make up: what is let in here must be readable later on."""
    deepest = "a=" + quote("[" * (MOST_NESTED - 1) + "]" * (MOST_NESTED - 1))
    text, body = read_body(b"", deepest)
    assert read_body(text, "") == (text, body)
    assert why(b"", "a=" + quote("[" * MOST_NESTED + "]" * MOST_NESTED)) == "nested deeper than 32"
    assert why(b"", "a=" + quote("[" * 2000 + "]" * 2000)) == "nested deeper than 32"


@given(st.dictionaries(st.text(), st.text()))
def test_a_query_is_read_as_it_was_meant_and_its_text_reads_the_same(parameters):
    text, body = read_body(b"", urlencode(parameters))
    assert body.keys() == {str(name) for name in parameters}
    assert read_object(text) == body


@given(objects)
def test_written_json_is_read_back_also_from_within_the_record_of_an_answer(body):
    assert read_object(write_json({"request": body})) == {"request": body}


def test_the_deepest_accepted_body_is_read_from_within_the_record_of_an_answer():
    _, body = read_body(nested(MOST_NESTED), "")
    assert read_object(write_json({"request": body})) == {"request": body}
