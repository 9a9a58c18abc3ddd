"""Routing: whom a pattern is for, which route a call takes, and which routes no call ever takes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.flows.model import FlowFile, Hours, Route
from app.flows.request import Request
from app.flows.routing import choose, covers, fits, pattern_fault, shadowed

ALICE, BOB = "447700900123", "442079460000"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # a Friday
EVENING = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
OFFICE = Hours(name="office", zone=ZoneInfo("Europe/London"), week=dict.fromkeys(range(5), ((540, 1050),)))
SHOP = Hours(name="shop", zone=ZoneInfo("Europe/London"), week={4: ((540, 1260),)})


def flow_file(*routes: Route) -> FlowFile:
    """A flows file with these routes."""
    return FlowFile(file=Path("flows.yaml"), text="", version="1", loaded=NOON, routes=routes)


def taken(request: Request, *routes: Route, at: datetime = NOON) -> str | None:
    """The flow that *request* gets."""
    route = choose(flow_file(*routes), request, at)
    return None if route is None else route.flow


@pytest.mark.parametrize(
    ("text", "party", "expected"),
    [
        (BOB, BOB, True),
        (BOB, "+44 20 7946-0000", True),
        ("+44 (20) 7946 0000", BOB, True),
        (BOB, ALICE, False),
        (BOB, f"{BOB}0", False),
        (BOB, f"sip:{BOB}@example.com", False),
        ("sip:alice@example.com", "SIP:Alice@Example.com", True),
        ("sip:alice@example.com", "sip:alice@example.com;user=phone", False),
        ("Zoë", "ZOË", True),
        ("Unknown", "unknown", True),
        ("1234567890123456", "1234567890123456", True),  # too long for a number, but perhaps a name
        ("4420*", BOB, True),
        ("+44 20 *", BOB, True),
        ("4420*", "+44 20 7946 0000", True),
        ("4420*", "4420", True),
        ("4420*", ALICE, False),
        ("4420*", "4420-desk", True),
        ("4420*", "00442079460000", False),
        ("4420*", "", False),
        ("sip:alice*", "sip:ALICE@example.com", True),
        ("sip:alice*", "sip:bob@example.com", False),
        ("Zo*", "zoë", True),
        ("Alice *", "Alicebob", False),
        ("*", BOB, True),
        ("*", "Unknown", True),
        ("*", "", False),
        ("number", BOB, True),
        ("number", "+44 20 7946 0000", True),
        ("number", "1234567", True),
        ("number", "123456789012345", True),
        ("number", "123456", False),
        ("number", "1234567890123456", False),
        ("number", "Unknown", False),
        ("number", "sip:442079460000@example.com", False),
        ("number", "number", False),
    ],
)
def test_a_pattern_is_for_these_and_no_others(text: str, party: str, expected: bool) -> None:
    assert fits(text, party) is expected


@pytest.mark.parametrize("text", ["*", "number", "4420*", BOB, "Alice"])
def test_no_pattern_is_for_nobody(text: str) -> None:
    assert not fits(text, None)
    assert not fits(text, "")


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "number",
        BOB,
        "+44 20 7946 0000",
        "020 7946-0000",
        "44*",
        "+44 20 *",
        "999",
        "Alice",
        "Zoë Li",
        "sip:alice@example.com",
        "sip:alice*",
        "5f7c8ec7c33c6c004bbafe82",
        "user1234567",
        "1234567890123456",
        "24-7 desk",
    ],
)
def test_a_pattern_that_can_be_meant_is_taken(text: str) -> None:
    assert pattern_fault(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must not be empty"),
        ("  ", "must not be empty"),
        (" 44*", "blanks around"),
        ("44\n", "blanks around"),
        ("44*20", "only at its end"),
        ("*44", "only at its end"),
        ("**", "only at its end"),
        ("sip:*@example.com", "only at its end"),
        ("442O7946OOOO", "is no telephone number"),
        ("442079460000x", "is no telephone number"),
        ("+44 desk", "is no telephone number"),
        ("+", "is no telephone number"),
        ("+*", "is no telephone number"),
        ("+4420794600001234", "is no telephone number"),
        ("(020) 7946 0000", "is no telephone number"),
        ("44 20 7946 0000 123 456", "is no telephone number"),
    ],
)
def test_what_is_wrong_with_a_pattern_is_said(text: str, words: str) -> None:
    assert words in (pattern_fault(text) or "")


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        (None, None, True),
        (None, "*", True),
        ("*", None, False),
        ("*", "number", True),
        ("*", "44*", True),
        ("number", "*", False),
        ("number", BOB, True),
        ("number", "999", False),
        ("number", "Alice", False),
        ("number", "4420*", False),  # a name such as 4420-desk
        ("44*", "4420*", True),
        ("44*", "+4420*", True),
        ("+44*", "4420*", True),
        ("44*", "44-*", True),
        ("4420*", "44*", False),
        ("44*", BOB, True),
        ("44*", "+44 20 7946 0000", True),
        ("44*", "number", False),
        (BOB, "+44 20 7946 0000", True),
        (BOB, "4420*", False),
        (BOB, "*", False),
        ("sip:*", "SIP:alice@example.com", True),
        ("sip:a*", "sip:alice*", True),
        ("alice", "Alice", True),
        ("44-*", "44-2079460000", False),  # which also fits 442079460000
    ],
)
def test_a_pattern_covers_another_if_all_whom_that_is_for_are_its_own(
    wide: str | None, narrow: str | None, expected: bool
) -> None:
    assert covers(wide, narrow) is expected


def test_the_first_route_that_fits_is_taken() -> None:
    routes = (
        Route(flow="vip", from_=ALICE),
        Route(flow="london", to="4420*"),
        Route(flow="rest"),
    )
    assert taken(Request(from_=ALICE, to=BOB), *routes) == "vip"
    assert taken(Request(from_="Unknown", to=BOB), *routes) == "london"
    assert taken(Request(to="999"), *routes) == "rest"
    assert taken(Request(), *routes) == "rest"


def test_a_call_that_no_route_is_for_takes_none() -> None:
    assert taken(Request(from_=ALICE, to=BOB)) is None
    assert taken(Request(from_=ALICE, to=BOB), Route(flow="a", to="1*")) is None


def test_all_that_a_route_says_must_fit() -> None:
    route = Route(flow="both", to=BOB, from_="4477*")
    assert taken(Request(from_=ALICE, to=BOB), route) == "both"
    assert taken(Request(from_=ALICE, to=ALICE), route) is None
    assert taken(Request(from_=BOB, to=BOB), route) is None
    assert taken(Request(to=BOB), route) is None


def test_app_users_and_telephones_are_distinguished_by_a_route_that_names_one_of_them() -> None:
    user, telephone = Request(from_user="Alice", to=BOB), Request(from_=ALICE, to=BOB)
    assert taken(user, Route(flow="user", from_user="*")) == "user"
    assert taken(telephone, Route(flow="user", from_user="*")) is None
    assert taken(telephone, Route(flow="telephone", from_="*")) == "telephone"
    assert taken(user, Route(flow="telephone", from_="*")) is None
    assert taken(user, Route(flow="any")) == taken(telephone, Route(flow="any")) == "any"


def test_no_call_takes_a_route_for_both_of_them() -> None:
    route = Route(flow="both", from_="*", from_user="*")
    assert taken(Request(from_user="Alice", to=BOB), route) is None
    assert taken(Request(from_=ALICE, to=BOB), route) is None


def test_by_the_hour_another_route_is_taken() -> None:
    routes = (Route(flow="night", when=OFFICE, closed=True), Route(flow="day", when=OFFICE))
    assert taken(Request(), *routes) == "day"
    assert taken(Request(), *routes, at=EVENING) == "night"
    assert taken(Request(), routes[1], at=EVENING) is None


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        (Route(flow="a"), Route(flow="b", to=BOB, when=OFFICE), True),
        (Route(flow="a", to="44*"), Route(flow="b", to="4420*"), True),
        (Route(flow="a", to="*"), Route(flow="b"), False),
        (Route(flow="a", from_user="*"), Route(flow="b", from_="*"), False),
        (Route(flow="a", when=OFFICE), Route(flow="b"), False),
        (Route(flow="a", when=OFFICE), Route(flow="b", when=OFFICE), True),
        (Route(flow="a", when=OFFICE), Route(flow="b", when=OFFICE, closed=True), False),
        (Route(flow="a", when=OFFICE), Route(flow="b", when=SHOP), False),
        (Route(flow="a", when=OFFICE, closed=True), Route(flow="b", when=OFFICE, closed=True), True),
    ],
)
def test_a_route_is_shadowed_by_one_that_takes_all_its_calls(earlier: Route, later: Route, expected: bool) -> None:
    assert shadowed(earlier, later) is expected


WORDS = [
    "*",
    "number",
    "44",
    "+44",
    "44-",
    "4420",
    "442079460000",
    "+44 20 7946 0000",
    "999",
    "Alice",
    "sip:a@b.example",
]
TEXTS = st.sampled_from(WORDS) | st.text("42+ -().aAßs", max_size=8)
PATTERNS = st.none() | st.builds(lambda text, star: text + star, TEXTS, st.sampled_from(["", "*"]))
PARTIES = st.none() | TEXTS | st.text("42+ -.a", min_size=14, max_size=18)
WHEN = st.tuples(st.sampled_from([None, OFFICE, SHOP]), st.booleans())
ROUTES = st.builds(
    lambda to, from_, from_user, when: Route(
        flow="a", to=to, from_=from_, from_user=from_user, when=when[0], closed=when[1]
    ),
    PATTERNS,
    PATTERNS,
    PATTERNS,
    WHEN,
)
REQUESTS = st.builds(Request, to=PARTIES, from_=PARTIES, from_user=PARTIES)


@given(PATTERNS, PATTERNS, PARTIES)
@example("44*", "44-*", "44-2")
@example("44-*", "44-2", "442")
@example("ss*", "ß*", "SSa")
def test_a_caller_who_fits_a_pattern_fits_what_covers_it(
    wide: str | None, narrow: str | None, party: str | None
) -> None:
    if covers(wide, narrow) and (narrow is None or fits(narrow, party)):
        assert wide is None or fits(wide, party)


@given(ROUTES, ROUTES, REQUESTS, st.sampled_from([NOON, EVENING]))
def test_no_call_takes_a_route_that_is_shadowed(earlier: Route, later: Route, request_: Request, at: datetime) -> None:
    if shadowed(earlier, later) and choose(flow_file(later), request_, at):
        assert choose(flow_file(earlier, later), request_, at) is earlier


@given(PATTERNS)
def test_a_pattern_covers_itself(one: str | None) -> None:
    assert covers(one, one)
