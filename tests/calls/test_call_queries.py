"""Lists of whole calls: each call that fits comes once, whatever the filter and the size of a page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, cast

import pytest

from app.calls import queries
from app.calls.call_queries import CallFilter, CallPosition, CallQueries
from app.calls.queries import Calls
from app.domain.calls import Call, read_calls
from app.store import keys
from app.store import queries as store_queries
from app.store.codec import ANSWER
from app.store.store import Store
from tests.engines import Engine, wait_until
from tests.generated import BASE, NUMBERS, Body, Webhook, conversations_of, iso, read_record, several, webhooks_of
from tests.store.test_pages import fill

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
PRESUME_ENDED_AFTER = timedelta(hours=2)


@pytest.fixture
def calls(valkey: Engine) -> Iterator[CallQueries]:
    """Reads from an empty store."""
    valkey.flush()
    store = Store(valkey.address, read=read_record, retention=timedelta(days=7))
    yield CallQueries(Calls(store, PRESUME_ENDED_AFTER, mask_numbers=True))
    store.stop()


def record(calls: CallQueries, *webhooks: Webhook) -> None:
    """Store all *webhooks*."""
    store = cast("Store", calls.reader.store)
    for webhook in webhooks:
        if webhook.sort == ANSWER:
            store.record_later(webhook.event, webhook.text, webhook.received)
        elif webhook.event.conversations:
            store.record(webhook.event, webhook.text, webhook.received)
    wait_until(lambda: not store.answers_waiting, "answers are written")
    store.ping()
    for number in range(16):
        store.settle_noted(number)


def listed(calls: CallQueries, wanted: CallFilter, limit: int) -> list[str]:
    """The ids of all calls that fit, page by page."""
    found: list[str] = []
    after: CallPosition | None = None
    while True:
        page = calls.page(wanted, limit=limit, after=after)
        assert len(page.calls) <= limit
        received = [call.first_received for call in page.calls]
        assert received == sorted(received, reverse=wanted.sort == "newest"), wanted
        found += [call.id for call in page.calls]
        if page.next is None:
            return found
        assert page.next != after, "the list goes on"
        after = page.next


def phone_call(number: int, *, where: str, at: datetime, uuid: str = "") -> list[Webhook]:
    """A caller who has reached us."""
    body: Body = {"uuid": uuid or f"leg-{number:03}", "conversation_uuid": where, "direction": "inbound"}
    body |= {"from": f"4477009{number:05}", "to": "442079460000", "timestamp": iso(at)}
    return [webhook for name in ("ringing", "answered") for webhook in webhooks_of(body | {"status": name}, at)]


def moved(uuid: str, left: str, joined: str, at: datetime) -> list[Webhook]:
    """A leg's transfer."""
    body = {"type": "transfer", "uuid": uuid, "conversation_uuid_from": left, "conversation_uuid_to": joined}
    return webhooks_of(body | {"timestamp": iso(at)}, at)


FILTERS: list[dict[str, Any]] = [
    {},
    {"state": "live"},
    {"state": "ended"},
    {"state": "presumed_ended"},
    {"outcome": "answered"},
    {"outcome": "busy", "state": "ended"},
    {"missed": True},
    {"missed": False},
    {"has_recording": True},
    {"flow": "tutorial"},
    {"flow": "none"},
    {"user": "Alice"},
    {"user": "Alice", "state": "live"},
    {"user": "Alice", "number": NUMBERS[0]},
    *({"number": number} for number in NUMBERS),
    *({"number": NUMBERS[1], "state": state} for state in ("live", "ended", "presumed_ended")),
    {"number": "0123"},
    {"number": "0900123"},
    {"number": "0900123", "whole": True},
    {"since": BASE + timedelta(minutes=5)},
    {"until": BASE + timedelta(minutes=5)},
    {"since": BASE + timedelta(minutes=2), "until": BASE + timedelta(minutes=8), "state": "live"},
    {"until": BASE + timedelta(minutes=5), "number": "0123", "outcome": "answered"},
    {"until": BASE + timedelta(minutes=4), "state": "ended"},
    *({"sort": "oldest"} | more for more in ({}, {"state": "live"}, {"number": "0123"}, {"user": "Alice"})),
    {"sort": "oldest", "since": BASE + timedelta(minutes=2), "until": BASE + timedelta(minutes=8)},
]


@pytest.mark.parametrize("orderly", [True, False])
def test_each_call_that_fits_comes_once_whatever_the_filter(calls: CallQueries, orderly: bool) -> None:
    chance = Random(11)
    generated = several(chance, 30, orderly=orderly)
    webhooks = [webhook for call in generated for webhook in call]
    long_ago = {name for call in generated[::5] for name in conversations_of(call)}
    record(
        calls,
        *(
            webhook._replace(received=LONG_AGO + (webhook.received - BASE))
            if long_ago & {*webhook.event.conversations}
            else webhook
            for webhook in webhooks
        ),
    )
    tied = calls.reader.store.tied(sorted(conversations_of(webhooks)))
    everything = read_calls(
        tied.conversations,
        known=tied.legs,
        first_received=tied.first_received,
        now=datetime.now(UTC),
        presume_ended_after=PRESUME_ENDED_AFTER,
    ).calls
    assert len(everything) > 25
    seen = 0
    for chosen in FILTERS:
        wanted = CallFilter(**chosen)
        expected = sorted(id_ for id_, call in everything.items() if wanted.fits(call))
        for limit in (7, 500):
            found = listed(calls, wanted, limit)
            assert sorted(found) == expected, (chosen, limit)
        seen += len(expected)
    assert seen > 180
    for call in list(everything.values())[::4]:
        assert [call.id] == [found for found in listed(calls, CallFilter(id=call.id), 50) if found == call.id]
        for other in (call.id, *(leg.leg.uuid for leg in call.legs), *call.conversations):
            found_call = calls.call(other)
            assert found_call is not None
            assert found_call.id == call.id, other


def test_calls_are_listed_newest_first(calls: CallQueries) -> None:
    webhooks: list[Webhook] = []
    for number in range(30):
        webhooks += phone_call(number, where=f"CON-{number}", at=BASE + timedelta(seconds=number))
    record(calls, *webhooks)
    record(calls, *moved("leg-003", "CON-3", "CON-hold", BASE + timedelta(hours=1)))
    newest_first = [f"leg-{number:03}" for number in reversed(range(30))]
    assert listed(calls, CallFilter(), 7) == newest_first
    assert listed(calls, CallFilter(state="live"), 50) == newest_first
    assert "leg-003" in listed(calls, CallFilter(state="live"), 7)[:7], "on the page of its live conversation"


@pytest.mark.parametrize("limit", [3, 7, 50])
def test_live_calls_are_in_order_on_a_page_wherever_they_are_live(calls: CallQueries, limit: int) -> None:
    """Calls live in their first conversation, in a later one, in a room that others began: each comes once."""
    crowded = [name for name in (f"CON-{number}" for number in range(2000)) if keys.partition(name) < 3][:20]
    places = crowded + [f"AWAY-{number}" for number in range(20)]  # most are in three of the partitions
    webhooks: list[Webhook] = []
    for number, where in enumerate(places):
        at = BASE + timedelta(seconds=number)
        webhooks += phone_call(number, where=where, at=at)
        if number % 4 == 1:
            webhooks += moved(f"leg-{number:03}", where, f"LATER-{number}", at + timedelta(seconds=5 + number % 7))
        if number % 4 == 2:
            webhooks += moved(f"leg-{number:03}", where, "ROOM", at + timedelta(seconds=1))
    record(calls, *webhooks)
    oldest_first = [f"leg-{number:03}" for number in range(len(places))]
    for sort in ("newest", "oldest"):
        found = listed(calls, CallFilter(state="live", sort=sort), limit)
        assert sorted(found) == oldest_first, "each once"
        assert limit < 50 or found == (oldest_first if sort == "oldest" else oldest_first[::-1])


@pytest.mark.parametrize("limit", [1, 7, 500])
def test_a_conference_lists_all_of_its_calls_whatever_the_page(calls: CallQueries, limit: int) -> None:
    """Their own conversations have ended for the store: all are live in the one of the conference."""
    webhooks: list[Webhook] = []
    for number in range(20):
        at = BASE + timedelta(seconds=number)
        webhooks += phone_call(number, where=f"CON-{number}", at=at)
        webhooks += moved(f"leg-{number:03}", f"CON-{number}", "ROOM", at + timedelta(seconds=1))
    record(calls, *webhooks)
    everybody = [f"leg-{number:03}" for number in range(20)]
    assert sorted(listed(calls, CallFilter(state="live"), limit)) == everybody
    assert sorted(listed(calls, CallFilter(id="ROOM"), limit)) == everybody
    assert listed(calls, CallFilter(), limit) == everybody[::-1]
    one = calls.call("leg-007")
    assert one is not None
    assert len(one.linked) == 19
    assert one.conferences == ("ROOM",)
    assert calls.call("ROOM") == calls.call("leg-000")


def test_a_call_larger_than_what_is_read_at_once_is_still_found(
    calls: CallQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest conversations are read: a room full of strangers costs no more than the limit."""
    monkeypatch.setattr(store_queries, "MAX_TIED", 20)
    webhooks: list[Webhook] = []
    for number in range(60):
        at = BASE + timedelta(seconds=number)
        webhooks += phone_call(number, where=f"CON-{number}", at=at)
        webhooks += moved(f"leg-{number:03}", f"CON-{number}", "ROOM", at + timedelta(seconds=1))
    record(calls, *webhooks)
    tied = calls.reader.store.tied(["CON-33"])
    assert len(tied.conversations) <= 21
    one = calls.call("CON-33")
    assert one is not None
    assert (one.id, one.conversations, one.conferences) == ("leg-033", ("CON-33",), ("ROOM",))


def test_a_page_gives_up_and_goes_on_at_its_cursor(calls: CallQueries, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MAX_READ", 25)
    webhooks: list[Webhook] = []
    for number in range(100):
        webhooks += phone_call(number, where=f"CON-{number}", at=BASE + timedelta(seconds=number))
    record(calls, *webhooks)
    page = calls.page(CallFilter(missed=True), limit=50)
    assert page.calls == []
    assert page.next is not None
    assert listed(calls, CallFilter(missed=True), 50) == []
    assert listed(calls, CallFilter(number="4477009" + "00003"), 50) == ["leg-003"]


def test_calls_are_found_by_their_users_and_recordings_until_they_are_deleted(calls: CallQueries) -> None:
    store = cast("Store", calls.reader.store)
    record(calls, *phone_call(1, where="CON-1", at=BASE))
    ncco = [{"action": "connect", "endpoint": [{"type": "app", "user": "Zoë 1"}]}]
    served = {"request": {"conversation_uuid": "CON-1", "uuid": "leg-001", "from_user": "Bob"}, "ncco": ncco, "id": "1"}
    record(calls, *webhooks_of(served, BASE))
    recorded = {"conversation_uuid": "CON-1", "recording_uuid": "REC-1", "recording_url": "https://r.example/1"}
    record(calls, *webhooks_of(recorded, BASE))
    for chosen in ({"user": "Bob"}, {"user": "Zoë 1"}, {"id": "REC-1"}):
        assert listed(calls, CallFilter(**cast("Any", chosen)), 5) == ["leg-001"]
    assert listed(calls, CallFilter(user="Zoë"), 5) == []
    assert cast("Call", calls.call("REC-1")).id == "leg-001"
    assert store.delete("CON-1")
    for chosen in ({"user": "Bob"}, {"user": "Zoë 1"}, {"id": "REC-1"}, {}):
        assert listed(calls, CallFilter(**cast("Any", chosen)), 5) == []
    assert calls.call("REC-1") is None


def test_the_events_of_a_call_come_once_oldest_first(calls: CallQueries) -> None:
    at = [BASE + timedelta(seconds=number) for number in range(4)]
    record(calls, *moved("leg-001", "CON-1", "CON-2", at[2]), *phone_call(1, where="CON-1", at=at[0]))
    late = {"conversation_uuid": "CON-2", "uuid": "leg-001", "status": "completed", "timestamp": iso(at[3])}
    record(calls, *webhooks_of(late, at[1]))
    call = calls.call("CON-2")
    assert call is not None
    events = calls.events(call)
    assert [(stored.event.kind, stored.position[0]) for stored in events] == [
        ("status", at[0]),
        ("status", at[0]),
        ("transfer", at[2]),
        ("status", at[3]),
    ]


def test_what_one_worker_deleted_while_a_page_was_read_is_left_out(calls: CallQueries) -> None:
    """The cursor within a conference goes on, though the conference is gone."""
    webhooks: list[Webhook] = []
    for number in range(5):
        at = BASE + timedelta(seconds=number)
        webhooks += phone_call(number, where=f"CON-{number}", at=at)
        webhooks += moved(f"leg-{number:03}", f"CON-{number}", "ROOM", at + timedelta(seconds=1))
    record(calls, *webhooks)
    record(calls, *phone_call(9, where="CON-9", at=BASE - timedelta(hours=1)))
    page = calls.page(CallFilter(state="live"), limit=2)
    assert [call.id for call in page.calls] == ["leg-001", "leg-000"]
    cast("Store", calls.reader.store).delete("ROOM")
    rest = calls.page(CallFilter(state="live"), limit=50, after=page.next)
    assert [call.id for call in rest.calls] == ["leg-009"]


def test_a_page_looks_at_so_many_conversations_at_most_however_few_fit(calls: CallQueries, valkey: Engine) -> None:
    """The cursor goes on where it stopped, though nothing was found."""
    wanted, taken = CallFilter(number="19999990000", whole=True), list[int]()
    for numbers in (range(20_000), range(20_000, 40_000)):
        fill(valkey, numbers, end="0000")
        calls.page(wanted, limit=50)  # the script is known from now on
        valkey.reset_calls()
        page = calls.page(wanted, limit=50)
        taken.append(valkey.calls())
        assert page.calls == []
        assert page.next is not None
    assert taken[0] == taken[1]
    assert listed(calls, wanted, 500) == []
