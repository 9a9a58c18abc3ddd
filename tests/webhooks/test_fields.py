"""Each field takes what has really been seen of it, and says so where it can make nothing of a value."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError

from app.webhooks.fields import Flag, Loose, Moment, Money, Number, Party, Status, Text, Whole, Word

EVERY: list[Loose] = [Text(), Party(), Word(), Status(), Number(), Whole(), Flag(), Money(), Moment()]
by_name = pytest.mark.parametrize("field", EVERY, ids=lambda field: type(field).__name__)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def unreadable(field: Loose, value: Any) -> bool:
    try:
        field.deserialize(value)
    except ValidationError:
        return True
    return False


@by_name
@pytest.mark.parametrize("nothing", [None, "", " ", "\t\n"])
def test_every_empty_value_is_none(field, nothing):
    assert field.deserialize(nothing) is None


@by_name
def test_a_field_that_is_missing_is_left_out(field):
    class OneSchema(Schema):
        one = field

    assert OneSchema().load({}) == {}


@by_name
@given(value=json_values)
def test_a_value_is_read_or_named_unreadable_and_nothing_else(field, value):
    with suppress(ValidationError):
        hash(field.deserialize(value))


@by_name
@pytest.mark.parametrize("value", [{}, [], {"a": 1}, ["a"]])
def test_no_field_takes_an_object_or_a_list(field, value):
    assert unreadable(field, value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" 447700900000", "447700900000"),
        ("447700900000 ", "447700900000"),
        (447700900000, "447700900000"),
        (1.5, "1.5"),
        ("0A0000000123ABCD1", "0A0000000123ABCD1"),
        ("Zoë 電話", "Zoë 電話"),
        ("a\0b", "a\0b"),
        ("\ud800", "\ud800"),
        ("x" * 10_000, "x" * 10_000),
    ],
)
def test_text_is_trimmed_and_a_number_is_text_too(value, text):
    assert Text().deserialize(value) == text


def test_a_truth_value_is_no_text():
    assert unreadable(Text(), True)
    assert unreadable(Party(), False)


@pytest.mark.parametrize("value", ["Unknown", "unknown", " UNKNOWN "])
def test_an_unknown_party_is_none(value):
    assert Party().deserialize(value) is None


@pytest.mark.parametrize(
    "value", ["Alice", "sip:bob@example.com", "wss://example.com/audio", "+44 20 7946 0000", "Unknown1"]
)
def test_a_party_is_any_name_number_or_address(value):
    assert Party().deserialize(value) == value


def test_words_are_compared_in_lower_case():
    assert Word().deserialize(" OutBound ") == "outbound"
    assert Status().deserialize("RINGING") == "ringing"


@pytest.mark.parametrize("value", ["complete", "Complete", "COMPLETE ", "completed"])
def test_complete_means_completed(value):
    assert Status().deserialize(value) == "completed"


@pytest.mark.parametrize("value", ["completes", "incomplete", "held"])
def test_an_unknown_status_is_kept_as_it_is(value):
    assert Status().deserialize(value) == value


@pytest.mark.parametrize(
    ("value", "number"),
    [("12", 12), (12, 12), (12.0, 12), ("0.4", 0.4), (0, 0), ("0", 0), (".91", 0.91), ("0.9405097", 0.9405097)],
)
def test_a_number_may_come_as_text(value, number):
    found = Number().deserialize(value)
    assert (found, type(found)) == (number, type(number))


@pytest.mark.parametrize(
    "value", [-1, "-0.5", "twelve", "nan", "inf", "-Infinity", "1e400", "9" * 5000, 2**53 + 2, True, "0x10"]
)
def test_what_is_no_number_at_or_above_0_is_unreadable(value):
    assert unreadable(Number(), value)


@pytest.mark.parametrize(("value", "number"), [("603", 603), (603, 603), (603.0, 603), ("0", 0), ("603.0", 603)])
def test_a_whole_number_may_come_as_text(value, number):
    found = Whole().deserialize(value)
    assert (found, type(found)) == (number, int)


@pytest.mark.parametrize("value", [0.5, "12.5", -1, "many", False])
def test_what_is_no_whole_number_is_unreadable(value):
    assert unreadable(Whole(), value)


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize(
    "written", [(True, False), ("true", "false"), ("True", "FALSE "), ("1", "0"), (1, 0), ("yes", "no")]
)
def test_true_and_false_may_come_as_text(written, flag):
    assert Flag().deserialize(written[not flag]) is flag


@pytest.mark.parametrize("value", ["maybe", 2, "on and off", -1])
def test_what_is_neither_true_nor_false_is_unreadable(value):
    assert unreadable(Flag(), value)


@pytest.mark.parametrize(
    ("value", "money"),
    [
        ("0.00720000", "0.00720000"),
        ("0.00", "0.00"),
        ("0", "0"),
        (0, "0"),
        (1.5e-4, "0.00015"),
        ("1.5E-4", "0.00015"),
        ("1E+3", "1000"),
        (12, "12"),
        (0.1, "0.1"),
        ("-0.5", "-0.5"),
        (" 0.00144000 ", "0.00144000"),
        ("99999999999999999999.99999999999999999999", None),  # 41 characters
        ("9999999999999999999.9999999999999999999", "9999999999999999999.9999999999999999999"),
    ],
)
def test_money_is_plain_and_as_precise_as_it_came(value, money):
    if money is None:
        assert unreadable(Money(), value)
    else:
        assert Money().deserialize(value) == money


@pytest.mark.parametrize(
    "value",
    [
        "dear",
        "1,5",
        "0x1",
        "NaN",
        "sNaN",
        "Infinity",
        "-inf",
        "1e400",
        "1E+21",
        "1E-21",
        "1" * 500,
        True,
        "1_000 EUR",
        "€1",
    ],
)
def test_what_is_no_amount_of_money_is_unreadable(value):
    assert unreadable(Money(), value)


@pytest.mark.parametrize(
    "value", ["1E+999999999", "1E-999999999", "1E+999999999999999999", "-1E-999999999999999999", "0E+999999999"]
)
def test_an_exponent_without_end_is_not_written_out(value):
    """It would fill gigabytes, and the process would end with the call it serves."""
    assert unreadable(Money(), value)


@given(st.decimals("0", "1000", places=8))
def test_no_amount_changes_its_value_or_gets_an_exponent(amount):
    read = Money().deserialize(str(amount))
    assert Decimal(read) == amount
    assert "E" not in read.upper()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2021-03-29T21:20:05.582Z", utc(2021, 3, 29, 21, 20, 5, 582000)),
        ("2021-03-29T21:20:05Z", utc(2021, 3, 29, 21, 20, 5)),
        ("2021-03-29T21:20:05", utc(2021, 3, 29, 21, 20, 5)),
        ("2021-03-29 21:20:05", utc(2021, 3, 29, 21, 20, 5)),
        ("2021-03-29T21:20:05.58Z", utc(2021, 3, 29, 21, 20, 5, 580000)),
        ("2021-03-29T21:20:05.5Z", utc(2021, 3, 29, 21, 20, 5, 500000)),
        ("2021-03-29T21:20:05,582Z", utc(2021, 3, 29, 21, 20, 5, 582000)),
        ("2021-03-29T21:20:05.5821234Z", utc(2021, 3, 29, 21, 20, 5, 582123)),
        ("2021-03-29T21:20:05." + "9" * 400 + "Z", utc(2021, 3, 29, 21, 20, 5, 999999)),
        ("2021-03-29t21:20:05.582z", utc(2021, 3, 29, 21, 20, 5, 582000)),
        ("2021-03-29 21:20:05 UTC", utc(2021, 3, 29, 21, 20, 5)),
        ("2021-03-29 21:20:05 +0000", utc(2021, 3, 29, 21, 20, 5)),
        ("2021-03-29T23:20:05+02:00", utc(2021, 3, 29, 21, 20, 5)),
        ("2021-03-29T23:20:05+0200", utc(2021, 3, 29, 21, 20, 5)),
        ("2021-03-29T16:20:05-05:00", utc(2021, 3, 29, 21, 20, 5)),
        ("2021-03-30T02:50:05.582+05:30", utc(2021, 3, 29, 21, 20, 5, 582000)),
        (" 2021-03-29T21:20:05.582Z ", utc(2021, 3, 29, 21, 20, 5, 582000)),
        ("1970-01-01T00:00:00Z", utc(1970, 1, 1)),
    ],
)
def test_a_moment_is_utc_whatever_its_offset_and_fraction(text, moment):
    assert Moment().deserialize(text) == moment
    assert Moment().deserialize(text).tzinfo is UTC


@pytest.mark.parametrize("offset", ["02:00", "0200"])
def test_the_plus_that_a_query_turned_into_a_blank_is_still_a_plus(offset):
    assert Moment().deserialize(f"2021-03-29T23:20:05.582 {offset}") == utc(2021, 3, 29, 21, 20, 5, 582000)
    assert Moment().deserialize(f"2021-03-29T23:20:05 {offset}") == utc(2021, 3, 29, 21, 20, 5)


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "2021-03-29",
        "21:20:05",
        "29.03.2021 21:20:05",
        "2021-13-29T21:20:05Z",
        "2021-02-30T00:00:00Z",
        "2021-03-29T25:20:05Z",
        "2021-03-29T21:20:05+99:00",
        "2021-03-29T21:20:05.Z",
        "2021-03-29T21:20:05ZZ",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1969-12-31T23:59:59Z",
        "٢٠٢١-03-29T21:20:05Z",
        1617052805,
        1617052805.582,
        "1617052805",
        True,
    ],
)
def test_what_is_no_moment_of_a_call_is_unreadable(value):
    assert unreadable(Moment(), value)


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2900, 1, 1)),  # noqa: DTZ001 - the offset is drawn apart
    st.integers(-14 * 60, 14 * 60),
)
def test_any_moment_with_any_offset_is_read_as_what_it_is(naive, minutes):
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert Moment().deserialize(moment.isoformat()) == moment
    in_a_query = moment.isoformat().replace("+", " ")
    assert Moment().deserialize(in_a_query) == moment
