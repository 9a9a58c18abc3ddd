"""Telephone numbers: found by their digits, and shown to nobody who need not see them."""

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.numbers import digits, has_number, mask, masked, numbers_in
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
        ("+447700900123", "+********0123"),
        ("1234567", "***4567"),
        ("Call 447700900123 or 442079460000.", "Call ********0123 or ********0000."),
        ("(447700900123)", "(********0123)"),
        ('{"from":"447700900123"}', '{"from":"********0123"}'),
        ("447700900123,442079460000", "************,********0000"),
        ("He was 447700900123!", "He was ********0123!"),
        ("from=447700900123&to=442079460000", "from=********0123&to=********0000"),
        ("sip:447700900123@example.com", "sip:********0123@example.com"),
        ("sip:+447700900123@example.com;user=phone", "sip:+********0123@example.com;user=phone"),
        ("tel:+447700900123", "tel:+********0123"),
        ("+44 (7700) 900-123", "+** (****) **0-123"),
        ("00447700900123000", "*************3000"),
        ("(415) 555-0132", "(***) ***-0132"),
        ("(020) 7946 0018", "(***) **** 0018"),
        ("07700/900123", "*****/**0123"),
        ("07700,900,123", "*****,**0,123"),
        ("020\u20137946\u20130018", "***\u2013****\u20130018"),
        ("020\u00a07946\u00a00018", "***\u00a0****\u00a00018"),
        ("x447700900123", "x********0123"),
        ("rec_447700900123.wav", "rec_********0123.wav"),
        ("447700900123-abc", "********0123-abc"),
        ("user1234567", "user***4567"),
        ("1234567_8", "****567_8"),
        ("٤٤٧٧٠٠٩٠٠١٢٣", "********٠١٢٣"),
        ("४४७७००९००१२३", "********०१२३"),
        ("\uff14\uff14\uff17\uff17\uff10\uff10\uff19", "***\uff17\uff10\uff10\uff19"),
        ("⁴⁴⁷⁷⁰⁰⁹", "***⁷⁰⁰⁹"),
        ("4477.00900123", "****.****0123"),
        ("-447700900123", "-********0123"),
        ("2021-03-29T21:20:05.447700900123Z", "****-03-29T**:**:**.********0123Z"),
        ("447700900123-12345678-1234-4321-8123-123456789012", "********0123-12345678-1234-4321-8123-123456789012"),
        ("2079-11-2100", "****-**-2100"),
        ("?to=%28415%29%20555%2D0132", "?to=%28***%29%20***%2D0132"),
        ("4477%2D0090%2D0123", "****%2D****%2D0123"),
        ("44%E2%80%937700%252D900123", "**%E2%80%93****%252D**0123"),
        ("%2B447700900123", "%2B********0123"),
        ("%20447700900123", "%20********0123"),
        ("%447700900123", "%********0123"),
        ("%34%34%37%37%30%30%39", "%**%**%**%**%**%30%39"),
        ("+44&nbsp;7700&nbsp;900123", "+**&nbsp;****&nbsp;**0123"),
        ("020&#8209;7946&#x2011;0018", "***&#8209;****&#x2011;0018"),
        ("020&amp;nbsp;7946 0018", "***&amp;nbsp;**** 0018"),
        ("020<br>7946<br/>0018", "***<br>****<br/>0018"),
        (r"4477\u00a00090\u00a00123", r"****\u00a0****\u00a00123"),
        (r"4415\n5550132", r"****\n***0132"),
        ("4477 ext 0090 ext. 0123", "**** ext **** ext. 0123"),
        ("<12345678>1", "<*****678>1"),
        ("&12345678;1", "&*****678;1"),
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
        "2021-03-29T21:20:05.582Z",
        "2021-03-29 21:20:05+01:00",
        "2021-03-29T21:20:05.582123456Z",
        "at 2021-03-29T21:20:05Z of 12345678-1234-4321-8123-123456789012, 7",
        "https://r.example/7/12345678-1234-4321-8123-123456789012",
        "123456",
        "GB-FIXED",
        "1 2 3 4 5 6",
        "user123456 and 7",
        "123----4567",
        "12%20%2034 &nbsp;5",
        "https://a.example/7?b=%5B%5D&c=%7B2%7D",
        "",
    ],
)
def test_ids_times_and_money_stay_as_they_are(text: str) -> None:
    assert mask(text) == text


def test_a_json_value_is_masked_at_any_depth_and_its_ids_stay() -> None:
    body = {
        "from": "447700900123",
        "uuid": "1234567890abcdef12345678",
        "call_uuid": "0779a56d002f1c7f47f82ef5fe84ab79",
        "conversation_uuid": "CON-12345678-1234-4321-8123-123456789012",
        "price": "0.00720000",
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
    assert masked({"from": 447700900123, "to": 442079460000}) == {"from": 123, "to": 0}


def test_masking_shows_no_number_of_a_conversation_and_keeps_its_name() -> None:
    body = status("started", 1, from_="447700900123", to="442079460000")
    text = json.dumps(masked(body))
    assert HERE in text
    for number in numbers_in(read_event(body)):
        assert number not in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+447700900123 10:15", "+************ 10:15"),
        ("+447700900123 2126-11-20", "+************ ****-11-20"),
        ("+447700900123 447700900199", "+************ ********0199"),
        ("Call 4 4 7 7 0 0 9 0 0 1 2 3.", "Call * * * * * * * * 0 1 2 3."),
        ("1 2 3 4 5 6", "1 2 3 4 5 6"),
        ("4, 4, 7, 7, 0, 0, 9, 0, 0, 1, 2, 3", "*, *, *, *, *, *, *, *, 0, 1, 2, 3"),
    ],
)
def test_characters_after_a_number_do_not_hide_it(text: str, shown: str) -> None:
    assert mask(text) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (447700900123, 123),
        (10**9, 0),
        (1234567, 4567),
        (123456, 123456),
        (-447700900123, 123),
        (447700900123.0, 123.0),
        (4477.00900123, 123.0),
        (-20.7946001, 6001.0),
        (0.5, 0.5),
        (20.665, 20.665),
        (True, True),
    ],
)
def test_of_a_number_that_is_no_text_the_last_four_digits_are_left_in_its_type(number: float, shown: float) -> None:
    assert masked({"sip_code": number}) == {"sip_code": shown}
    assert type(masked(number)) is type(number)


@pytest.mark.parametrize(
    ("name", "amounts"),
    [
        *((name, ("0.00720000", "12.34560000", "125", 7)) for name in ("price", "rate")),
        *((name, ("125", 123456.789, 7)) for name in ("duration", "duration_seconds", "took_ms")),
        ("confidence", ("0.9", 0.912345678, 1.0, 0)),
    ],
)
def test_an_amount_stays_under_its_name_if_it_is_one(name: str, amounts: tuple[str | float, ...]) -> None:
    for amount in amounts:
        assert masked({name: amount}) == {name: amount}
    assert masked({name: "447.700900123"}) == {name: "***.*****0123"}
    assert masked({name: "447700900123"}) == {name: "********0123"}
    assert masked({name: "4477.00900123"}) == {name: "****.****0123"}
    assert masked({name: 447700900123}) == {name: 123}


def test_the_size_of_a_recording_and_ids_of_ours_stay() -> None:
    kept = {"size": 12345678, "id": "12345678901234ab", "version": "12345678"}
    assert masked(kept) == kept
    hidden = masked({"size": 447700900123, "id": "447700900123", "version": "447700900123"})
    assert hidden == {"size": 123, "id": "********0123", "version": "********0123"}


NUMBERS_IN_PLACE_OF_IDS = {"uuid": "07700 900123", "leg": "+447700900123", "recording_uuid": "447700900123"}


def test_no_name_lets_a_plain_number_through() -> None:
    hidden = {"uuid": "***** **0123", "leg": "+********0123", "recording_uuid": "********0123"}
    assert masked(NUMBERS_IN_PLACE_OF_IDS) == hidden
    assert masked({"raw": NUMBERS_IN_PLACE_OF_IDS, "legs": [NUMBERS_IN_PLACE_OF_IDS]}) == {
        "raw": hidden,
        "legs": [hidden],
    }
    assert masked({"size": 447700900, "conversation_uuid": "sip:447700900123@a"}) == {
        "size": 900,
        "conversation_uuid": "sip:********0123@a",
    }


@pytest.mark.parametrize("place", ["custom_data", "headers", "payload", "ncco"])
def test_what_stays_under_its_name_stays_only_where_the_name_is_vonages_or_ours(place: str) -> None:
    kept = {"price": "0.00720000", "duration": "123456.789", "size": 12345678, "version": "12345678"}
    assert masked({"raw": kept, "legs": [kept]}) == {"raw": kept, "legs": [kept]}
    hidden = masked(kept, inside=None)
    assert not kept.items() & hidden.items()
    assert masked({place: kept, "raw": {place: [{"deep": kept}], "legs": [kept]}}) == {
        place: hidden,
        "raw": {place: [{"deep": hidden}], "legs": [hidden]},
    }


def test_a_number_is_found_in_whatever_way_it_is_written() -> None:
    for text in (
        "447700900777",
        "+44 7700 900777",
        "tel:+44-7700-900777",
        '{"to":"0044%207700%20900777"}',
        "44(7700)900777 7",
    ):
        assert has_number(text, "447700900777")
    for text in ("447700900778", "4477 0090 x 0777", "", "777"):
        assert not has_number(text, "447700900777")


# any text

ANY_DIGITS = st.characters(categories=["Nd"]) | st.sampled_from("0123456789")
SIGNS = st.text(st.sampled_from(" -–—/.,()+_·:;#*'\"\u00a0\u202f\u200b\n\t"), max_size=3)
RUNS = st.lists(st.tuples(ANY_DIGITS, SIGNS), min_size=7, max_size=20).map(
    lambda pairs: "".join(digit + signs for digit, signs in pairs[:-1]) + pairs[-1][0]
)
AROUND = st.text(st.sampled_from('abxyzé _-./:@#%"{}01789'), max_size=12)


def most_digits_together(text: str) -> int:
    """How many digits are shown with three signs or fewer between each two of them, at most. %20 is one sign."""
    most = together = signs = 0
    text = unquote(text)
    for character in text:
        if character.isdigit():
            together, signs = together + 1, 0
        else:
            signs += 1
            if (character.isalnum() and character != "*") or signs > 3:
                together = 0
        most = max(most, together)
    return most


@given(before=AROUND, run=RUNS, after=AROUND)
def test_no_run_of_seven_digits_is_shown_whatever_is_between_and_around_them(before: str, run: str, after: str) -> None:
    text = before + run + after
    shown = mask(text)
    assert run not in shown
    assert len(shown) == len(text)
    assert most_digits_together(shown) < 7
    assert mask(shown) == shown


FREE = st.sampled_from(["text", "headers", "reason", "detail", "payload", "from_user", "url", "network", "timestamp"])
LEAVES = RUNS | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none()


@given(st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FREE, inner, max_size=3)))
def test_a_json_value_keeps_its_shape_and_shows_no_run_in_any_place(value: Any) -> None:
    assert shape_of(masked(value)) == shape_of(value)
    for leaf in leaves_of(masked(value)):
        assert most_digits_together(leaf) < 7


def shape_of(value: Any) -> Any:
    """Names and types."""
    if isinstance(value, dict):
        return {name: shape_of(item) for name, item in value.items()}
    return [*map(shape_of, value)] if isinstance(value, list) else type(value)


def leaves_of(value: Any) -> list[str]:
    """Every text and number in it, as text."""
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return [leaf for item in items for leaf in leaves_of(item)]
    return [str(value)]


@given(
    uuid=st.uuids(),
    moment=st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31)),  # noqa: DTZ001 - hypothesis wants it
    seconds=st.floats(0, 999_999),
    price=st.decimals(0, 99, places=8),
)
def test_ids_moments_durations_and_prices_stay_readable(
    uuid: Any, moment: datetime, seconds: float, price: Any
) -> None:
    for identifier in (str(uuid), f"CON-{uuid}", f"https://api.example/v1/files/{uuid}", f"{uuid}.wav", f"{uuid}, 7"):
        assert mask(identifier) == identifier
    if re.search("[a-f]", uuid.hex):
        assert mask(f"leg {uuid.hex}") == f"leg {uuid.hex}"
    for text in (
        *(moment.isoformat(timespec="milliseconds") + "Z", moment.replace(tzinfo=UTC).isoformat()),
        *(moment.strftime("%Y-%m-%d %H:%M:%S") if moment.year >= 1000 else "", f"at {moment.isoformat()}Z, 7"),
    ):
        assert mask(text) == text
    known = {"duration_seconds": round(seconds, 3), "duration": f"{int(seconds)}", "price": f"{price:f}", "rate": "1"}
    assert masked(known) == known
