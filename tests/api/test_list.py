"""The list of conversations: its filters, its pages, and its responses to wrong arguments."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.calls import queries
from app.store import pages
from tests.api.site import LIST, OPERATOR, VIEWER, Site, is_problem, status
from tests.generated import BASE, Webhook, iso, several

ALICE, BOB, CAROL = "447700900123", "442079460000", "33612340123"


def seconds(number: float) -> datetime:
    """The moment so many seconds after the first call came."""
    return BASE + timedelta(seconds=number)


@pytest.fixture
def filled(site: Site) -> Site:
    """Five calls, a minute apart, the oldest first."""
    calls = [
        ("CON-1", [status("completed", "CON-1", from_=ALICE, to=BOB, duration="5")]),
        ("CON-2", [status("busy", "CON-2", from_=BOB, to="+44 7700 900-123")]),
        ("CON-3", [status("ringing", "CON-3", from_=CAROL, to="Alice")]),
        ("CON-4", [status("answered", "CON-4", "one", from_=ALICE), status("rejected", "CON-4", "two", to=CAROL)]),
        ("CON-5", [status("started", "CON-5", from_="Bob", to="sip:bob@example.com")]),
    ]
    for index, (_, bodies) in enumerate(calls):
        site.record(*bodies, received=seconds(60 * index))
    return site


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "54321"),
        ({"state": "live"}, "543"),
        ({"state": "ended"}, "21"),
        ({"state": "presumed_ended"}, ""),
        ({"outcome": "answered"}, "1"),
        ({"outcome": "busy"}, "2"),
        ({"outcome": "rejected"}, "4"),  # of any leg, also while the call goes on
        ({"outcome": "timeout"}, ""),
        ({"number": ALICE}, "421"),
        ({"number": f"+{ALICE}"}, "421"),
        ({"number": " +44 7700 900123 "}, "421"),
        ({"number": "+44 (7700) 900-123"}, "421"),
        ({"number": "0123"}, "4321"),
        ({"since": iso(seconds(120))}, "543"),
        ({"until": iso(seconds(120))}, "21"),
        ({"since": iso(seconds(60)), "until": iso(seconds(180))}, "32"),
        ({"since": iso(seconds(60.001))}, "543"),
        ({"until": iso(seconds(60.001))}, "21"),
        ({"since": "2126-11-20T12:01:00.000001Z"}, "543"),
        ({"until": "2126-11-20T12:01:00.000001Z"}, "21"),
        ({"since": "2126-11-20T13:02:00+01:00"}, "543"),
        ({"since": "1970-01-01T00:00:00Z", "until": "9999-12-31T23:59:59.999999-14:00"}, "54321"),
        ({"since": iso(seconds(180)), "until": iso(seconds(60))}, ""),
        ({"state": "live", "number": "0123", "since": iso(seconds(150))}, "4"),
        (
            {"state": "live", "number": ALICE, "outcome": "rejected", "until": iso(seconds(999)), "since": iso(BASE)},
            "4",
        ),
        ({"state": "ended", "outcome": "rejected"}, ""),
    ],
)
def test_filters_narrow_the_list_and_keep_its_order(filled: Site, query: dict[str, Any], found: str) -> None:
    """Newest first by first receipt; all filters together."""
    expected = [f"CON-{number}" for number in found]
    assert filled.listed(**query) == expected
    assert filled.listed(**query, limit=1) == expected, "for any size of a page"


@pytest.mark.parametrize("length", range(1, 13))
def test_viewers_find_calls_by_whole_numbers_or_the_last_four_digits_only(filled: Site, length: int) -> None:
    """Else they could find out by trying, digit by digit, what is masked."""
    query = {"number": ALICE[-length:]}
    if length not in (4, 7) and length < 8:
        for token in (VIEWER, OPERATOR):
            problem = is_problem(filled.get(LIST, token=token, **query), 422)
            assert "whole, or its last 4 or 7 digits" in problem["errors"]["number"][0]
        return
    by_operator, by_viewer = (
        [item["conversation_uuid"] for item in filled.read(LIST, token=token, **query)["items"]]
        for token in (OPERATOR, VIEWER)
    )
    everybody = {4: "4321", 12: "421"}.get(length, "")
    assert by_viewer == [f"CON-{number}" for number in everybody]
    assert by_operator == ([f"CON-{number}" for number in "421"] if length == 7 else by_viewer)


def test_a_viewer_cannot_go_on_with_the_cursor_of_an_operators_search(filled: Site) -> None:
    page = filled.read(LIST, token=OPERATOR, number=ALICE[-7:], limit=1)
    is_problem(filled.get(LIST, number=ALICE[-7:], limit=1, cursor=page["next"]), 422)
    assert filled.read(LIST, token=OPERATOR, number=ALICE[-7:], limit=1, cursor=page["next"])["items"]


def test_a_whole_number_of_seven_digits_is_found_by_viewers(site: Site) -> None:
    site.record(status("ringing", "CON-niue", from_="6834321"), status("ringing", "CON-other", from_="446834321"))
    assert site.listed(number="6834321") == ["CON-niue"]


def test_where_nothing_is_masked_viewers_search_as_operators_do(open_site: Callable[..., Site]) -> None:
    site = open_site(mask_numbers=False)
    site.record(status("ringing", "CON-1", from_=ALICE))
    assert site.listed(number=ALICE[-7:]) == ["CON-1"]


def test_a_plus_in_the_address_may_as_well_be_a_blank(filled: Site) -> None:
    """In a query string "+" means a blank, and few people know it."""
    for text in ("+447700900123", "%2B447700900123", "%2B44+7700+900123"):
        items = filled.send("GET", f"{LIST}?number={text}").json
        assert items is not None
        assert [item["conversation_uuid"] for item in items["items"]] == ["CON-4", "CON-2", "CON-1"]


def test_later_webhooks_do_not_move_a_call_in_the_list(filled: Site) -> None:
    filled.record(status("completed", "CON-3"), received=seconds(900))
    assert filled.listed() == ["CON-5", "CON-4", "CON-3", "CON-2", "CON-1"]
    assert filled.listed(state="ended") == ["CON-3", "CON-2", "CON-1"]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 500])
def test_a_page_has_as_many_items_as_its_limit(filled: Site, limit: int) -> None:
    page = filled.read(LIST, limit=limit)
    assert list(page) == ["items", "next"]
    assert len(page["items"]) == min(limit, 5)
    if limit < 5:
        assert isinstance(page["next"], str)


def test_the_default_limit_is_fifty(site: Site) -> None:
    for number in range(52):
        site.record(status("ringing", f"CON-{number}"), received=seconds(number))
    page = site.read(LIST)
    assert len(page["items"]) == 50
    assert len(site.read(LIST, cursor=page["next"])["items"]) == 2


def test_an_empty_list_is_a_list(site: Site) -> None:
    assert site.read(LIST) == {"items": [], "next": None}


WRONG = [
    *(
        "limit=0",
        "limit=501",
        "limit=-1",
        "limit=ten",
        "limit=1.5",
        "limit=",
        "limit=1e2",
        "limit=99999999999999999999",
    ),
    *("state=", "state=LIVE", "state=over", "state=any", "state=live,ended"),
    *("outcome=", "outcome=completed", "outcome=Answered"),
    *("number=Alice", "number=%2B", "number=1234567890123456", "number=12x", "number=%D9%A1%D9%A2%D9%A3"),
    *("number=7", "number=123", "number=00123", "number=900123"),  # neither whole nor the last 4 or 7
    *("since=", "since=yesterday", "since=2126-11-20", "since=2126-11-20T12:00:00", "since=1617052805", "since=now"),
    *("since=0001-01-01T00:00:00Z", "since=1969-12-31T23:59:59Z", "since=2026-13-01T00:00:00Z", "since=%00"),
    *("until=", "until=0001-01-01T00:00:00%2B14:00", "until=10000-01-01T00:00:00Z", "until=2126-11-20T25:00:00Z"),
    *("cursor=x", "cursor=AAAA", "cursor=null", "cursor=%00"),
    *("page=2", "Limit=1", "offset=0", "legs.outcome=busy", "=", "limit[]=1", "state%00=live"),
]


@pytest.mark.parametrize("query", WRONG)
def test_a_wrong_or_unknown_parameter_is_named(site: Site, query: str) -> None:
    """Exact with people: a filter that is silently ignored shows unwanted calls."""
    problem = is_problem(site.send("GET", f"{LIST}?{query}"), 422)
    name = query.partition("=")[0].replace("%00", "\0")
    assert list(problem["errors"]) == [name]
    assert problem["errors"][name][0]
    assert name in problem["detail"]


def test_an_empty_number_or_cursor_is_none(site: Site) -> None:
    site.record(status("ringing", "CON-1", from_="447700900123"))
    everything = site.read(LIST)
    assert [call["conversation_uuid"] for call in everything["items"]] == ["CON-1"]
    assert site.read(f"{LIST}?number=&cursor=") == everything
    assert site.read(f"{LIST}/CON-1/events?cursor=") == site.read(f"{LIST}/CON-1/events")


@pytest.mark.parametrize(
    ("since", "words"),
    [("2126-11-20T12:00:00", "time zone"), ("2126-11-20", "Z at the end"), ("2126-11-20T12:00:00+01:00", "%2B")],
)
def test_a_time_that_is_not_understood_comes_with_one_that_is(site: Site, since: str, words: str) -> None:
    problem = is_problem(site.get(f"{LIST}?since={since}"), 422)
    assert words in problem["errors"]["since"][0]


def test_every_wrong_parameter_is_named_at_once(site: Site) -> None:
    query = {"limit": "0", "state": "x", "outcome": "x", "number": "x", "since": "x", "until": "x", "more": "x"}
    problem = is_problem(site.get(LIST, **query), 422)
    assert set(problem["errors"]) == set(query)


@pytest.mark.parametrize("query", ["limit=0", "cursor=x", "state=live", "since=2126-11-20T12:00:00Z"])
def test_the_events_of_a_call_take_no_other_parameters_than_their_own(filled: Site, query: str) -> None:
    problem = is_problem(filled.send("GET", f"{LIST}/CON-1/events?{query}"), 422)
    assert list(problem["errors"]) == [query.partition("=")[0]]


# -- cursors ----------------------------------------------------------------------------------------------------------


def test_a_cursor_is_valid_only_for_its_own_list(filled: Site) -> None:
    """Carried over to other filters it would leave calls out, and nobody would see it."""
    cursor = filled.read(LIST, state="live", limit=1)["next"]
    assert filled.read(LIST, state="live", limit=2, cursor=cursor)["items"], "another size of page is the same list"
    events = filled.read(f"{LIST}/CON-4/events", limit=1)["next"]
    for query in ({}, {"state": "ended"}, {"state": "live", "number": "0123"}, {"state": "live", "since": iso(BASE)}):
        for wrong in (cursor, events):
            assert list(is_problem(filled.get(LIST, **query, cursor=wrong), 422)["errors"]) == ["cursor"]
    for path, wrong in (("CON-4", cursor), ("CON-5", events), ("CON-4/events", events)):
        is_problem(filled.get(f"{LIST}/{path}/events", cursor=wrong), 422)
    assert filled.read(f"{LIST}/CON-4/events", cursor=events)["items"]


def test_a_cursor_reveals_no_number(filled: Site) -> None:
    cursor = filled.read(LIST, number=ALICE, limit=1)["next"]
    assert ALICE.encode() not in base64.urlsafe_b64decode(cursor + "==")


def forged(cursor: str, position: list[Any]) -> str:
    """*cursor* with another position in it, and the signature that it had."""
    text = json.dumps(position, separators=(",", ":")).encode()
    return f"{base64.urlsafe_b64encode(text).decode().rstrip('=')}.{cursor.rpartition('.')[2]}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.text(min_size=1, max_size=80)
    | st.binary(min_size=1, max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode())
)
@example("=" * 50)
@example("W10")  # []
@example("e30")  # {}
@example("WyIiLDEsIiJd" * 2000)
def test_an_invalid_cursor_is_refused(lasting_site: Site, cursor: str) -> None:
    for path in (LIST, f"{LIST}/CON-1/events"):
        is_problem(lasting_site.get(path, cursor=cursor), 422)


@given(JSON)
def test_json_that_is_no_cursor_is_refused(lasting_site: Site, value: Any) -> None:
    text = json.dumps(value).encode()
    for path in (LIST, f"{LIST}/CON-1/events"):
        is_problem(lasting_site.get(path, cursor=base64.urlsafe_b64encode(text).decode()), 422)


@given(st.lists(JSON, max_size=3) | st.tuples(st.integers(), st.text(max_size=8)).map(list))
@example([1])
@example([1.0, ""])
@example([True, ""])
@example([2**53, ""])
@example([-1, ""])
@example([10**30, ""])
@example([0, "not base64"])
@example([0, "ÿ"])
@example([0, "\ud800"])
@example([2**53 - 1, base64.b64encode(b"\xff\xfe").decode()])
def test_a_cursor_with_another_position_in_it_is_refused(lasting_site: Site, position: list[Any]) -> None:
    """Cursors are signed: a changed one is a 422, never an error of ours."""
    lasting_site.record(status("ringing", "CON-1"), status("ringing", "CON-2"))
    for path in (LIST, f"{LIST}/CON-1/events"):
        lasting_site.record(status("ringing", "CON-1"))
        cursor = lasting_site.read(path, limit=1)["next"]
        changed = forged(cursor, position)
        if changed == cursor:
            assert position == [1], "the second event"
        else:
            assert list(is_problem(lasting_site.get(path, cursor=changed), 422)["errors"]) == ["cursor"]


def test_a_page_may_end_at_any_id(site: Site) -> None:
    """Also at one that UTF-8 cannot hold."""
    names = {"\ud800x", "CON-1", "CON-2", "☎"}
    site.record(*(status("ringing", name, name) for name in names))
    assert sorted(site.listed(limit=1)) == sorted(names)


# -- pages over time --------------------------------------------------------------------------------------------------


def test_every_call_is_on_exactly_one_page(site: Site) -> None:
    chance = Random(8)
    for call in several(chance, 60):
        site.record_webhooks([Webhook(w.event, w.text, BASE, w.sort) for w in call])  # all in one millisecond
    whole = site.listed(limit=500)
    assert len(whole) == len(set(whole)) > 60
    for limit in (1, 7, 50):
        assert site.listed(limit=limit) == whole
    for state in ("live", "ended"):
        assert site.listed(limit=3, state=state) == [
            name for name in whole if site.conversation(name)["state"] == state
        ]


def test_pages_hold_while_calls_come_and_end(site: Site) -> None:
    """A cursor is a position that never changes: no earlier call is missed or doubled."""
    before = [f"CON-{number}" for number in range(120)]
    for number, name in enumerate(before):
        site.record(status("ringing", name, from_=ALICE), received=seconds(number // 3))
    over = threading.Event()
    faults: list[BaseException] = []

    def calls_go_on(chance: Random, thread: int) -> None:
        number = 0
        try:
            while not over.is_set():
                number += 1
                site.record(
                    status("started", f"CON-new-{thread}-{number}", from_=ALICE), received=seconds(100 + number)
                )
                site.record(status("answered", chance.choice(before[1::2])), received=seconds(500))
                site.record(status("completed", chance.choice(before[1::2])), received=seconds(900))
        except BaseException as fault:  # noqa: BLE001 - checked below
            faults.append(fault)

    threads = [threading.Thread(target=calls_go_on, args=(Random(number), number)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    try:
        for query in ({}, {"number": ALICE}, {"number": "0123"}, {"state": "live"}, {"until": iso(seconds(60))}):
            for limit in (7, 50):
                found = site.listed(limit=limit, **query)
                assert len(found) == len(set(found)), "none is doubled"
                stay = set(before[::2]) if "state" in query else set(before)  # those that do not end meanwhile
                assert stay <= set(found), "none is missed"
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not faults


def test_a_page_may_be_short_if_an_outcome_is_rare(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome is known only of calls that were read, and their number is limited; the cursor continues there."""
    monkeypatch.setattr(queries, "MAX_READ", 10)
    site.record(status("busy", "CON-oldest"), received=BASE)
    for number in range(60):
        site.record(status("completed", f"CON-{number}"), received=seconds(1 + number))
    page = site.read(LIST, outcome="busy", limit=5)
    assert page["items"] == []
    assert page["next"] is not None
    assert site.listed(outcome="busy", limit=5) == ["CON-oldest"]


def test_a_page_may_be_short_if_the_search_takes_long(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the store's time for one request is up: then there would be no page at all, ever."""
    monkeypatch.setattr(queries, "MAX_SECONDS", 0.0)
    site.record(status("busy", "CON-oldest"), received=BASE)
    for number in range(5):
        site.record(status("completed", f"CON-{number}"), received=seconds(1 + number))
    first = site.read(LIST, outcome="busy", limit=1)
    assert first["items"] == []
    assert first["next"] is not None
    assert site.listed(outcome="busy", limit=1) == ["CON-oldest"]


def test_a_page_may_be_empty_if_the_store_reached_its_limit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_SCANNED", 0)
    now = datetime.now(UTC)
    old = now - timedelta(hours=9)
    site.record(status("ringing", "CON-oldest"), status("busy", "CON-oldest", "two"), received=old)
    for number in range(200):
        at = old + timedelta(seconds=1 + number)
        site.record(status("ringing", f"CON-{number}"), received=at)
        site.record(status("answered", f"CON-{number}"), received=now)
    empty = 0
    for query in ({"state": "presumed_ended"}, {"state": "presumed_ended", "outcome": "busy"}):
        page: dict[str, Any] = {"items": [], "next": None}
        found = []
        while True:
            page = site.read(LIST, **query, limit=1, **({"cursor": page["next"]} if page["next"] else {}))
            found += page["items"]
            empty += not page["items"] and page["next"] is not None
            if page["next"] is None:
                break
        assert [item["conversation_uuid"] for item in found] == ["CON-oldest"]
    assert empty, "some were"


def test_a_moment_may_be_given_in_any_zone(filled: Site) -> None:
    east = seconds(120).astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert filled.listed(since=east.isoformat()) == ["CON-5", "CON-4", "CON-3"]


def test_head_is_accepted_as_well(filled: Site) -> None:
    response = filled.send("HEAD", LIST, token=VIEWER)
    assert (response.status_code, response.data) == (200, b"")
