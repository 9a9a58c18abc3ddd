"""What is to be gone is gone: deleted, forgotten with a number, expired, or to make room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from app.domain.operations import Entry
from app.domain.session_events import Mark
from app.store import keys
from app.store.housekeeping import Housekeeping
from app.store.operations import OnceReply
from app.store.pages import Filter
from app.store.store import Store
from tests.domain.builders import HERE, THERE, status, transfer
from tests.engines import Engine, in_turn, wait_until
from tests.generated import BASE, EVENT, Body, several, webhooks_of
from tests.store.expected import NOW, PRESUME_ENDED_AFTER, Expected, assert_indexes
from tests.store.posting import post, send, settle

ALICE, BOB, CAROL = "447700900123", "442079460000", "14155550123"


def life(name: str, caller: str = ALICE, called: str = BOB, **more: Any) -> list[Body]:
    """A call that came and went."""
    parties: dict[str, Any] = {"from_": caller, "to": called, "where": name, "uuid": f"leg of {name}"}
    return [
        status("started", 1, **parties),
        status("answered", 2, **parties),
        status("completed", 5, **parties, **more),
    ]


def traces(store: Store, engine: Engine, *words: str) -> list[bytes]:
    """Keys and values outside of the feed in which one of *words* is found, once what nobody waits for is written."""
    settle(store)
    found = Counter(each for each in engine.everything() if any(keys.encode(word) in each for word in words))
    for part in keys.ALL:
        for _, fields in engine.ask(part, "XRANGE", part.feed, "-", "+"):
            found -= Counter(fields.values())
    return [*found.elements()]


def test_of_a_deleted_conversation_nothing_is_left_but_its_name_in_the_feed(store: Store, engine: Engine) -> None:
    """Listeners have to learn that it is gone; new entries of the feed replace the name in time."""
    send(store, *life("CON-kept", CAROL, BOB))
    kept = Counter(engine.everything())
    send(store, *life(HERE, duration="12"), {"dtmf": "1", "uuid": f"leg of {HERE}", "conversation_uuid": HERE})
    assert traces(store, engine, HERE)
    assert store.delete(HERE) is True
    assert traces(store, engine, HERE, ALICE) == []
    assert store.delete(HERE) is False
    assert store.delete("CON-never") is False
    assert store.records(HERE) == []
    assert store.histories([HERE]).conversations == {}
    assert store.leg_history(f"leg of {HERE}").events == {}
    assert store.page(Filter(number=ALICE), None, 9).conversations == []
    assert store.page(Filter(), None, 9).conversations == ["CON-kept"]
    gone = [found for found in kept - Counter(engine.everything()) if not found.isdigit()]
    assert [found for found in gone if b"-" not in found] == [], "and of the other one nothing is missing"


@pytest.mark.parametrize(("engine", "seed"), in_turn(range(3)), indirect=["engine"])
def test_deleting_some_leaves_the_others_as_they_are(store: Store, engine: Engine, seed: int) -> None:
    chance = Random(seed)
    calls = [[w for w in call if w.event.conversations and w.sort == EVENT] for call in several(chance, 60)]
    for call in calls:
        for webhook in call:
            post(store, webhook)
    goes, stays = Expected(calls[::2]), Expected(calls[1::2])
    assert store.delete_all(goes.projections) == len(goes.projections)
    assert store.delete_all(goes.projections) == 0
    assert_indexes(engine, stays)
    counts = store.counts(NOW - PRESUME_ENDED_AFTER)
    assert +Counter({state: counts.counters[state] for state in ("started", "ringing", "answered")}) == stays.legs
    states = stays.states()
    assert (counts.live, counts.presumed_ended, counts.ended) == (
        states["live"],
        states["presumed_ended"],
        states["ended"],
    )
    assert store.delete_all(stays.projections) == len(stays.projections)
    settle(store)
    left = {key.partition(b"}")[2].partition(b":")[0] for key in engine.keys() - {keys.LAYOUT}}
    assert left == {b"counted", b"counts", b"feed", b"hours", b"minutes", b"probe"}


def test_a_deleted_conversation_may_begin_anew(store: Store, engine: Engine) -> None:
    calls = [[w for w in call if w.event.conversations and w.sort == EVENT] for call in several(Random(9), 20)]
    webhooks = [webhook for call in calls for webhook in call]
    for webhook in webhooks:
        post(store, webhook)
    before = Counter(store.counts(NOW).counters)
    assert store.delete_all(Expected(calls).projections)
    for webhook in webhooks:
        post(store, webhook)
    after = store.counts(NOW).counters
    assert {name: after[name] for name in ("started", "ringing", "answered")} == {
        name: before[name] for name in ("started", "ringing", "answered")
    }
    assert_indexes(engine, Expected(calls))


def test_a_number_is_forgotten_with_all_its_conversations_and_no_others(store: Store, engine: Engine) -> None:
    mine = [f"CON-mine-{number}" for number in range(130)]
    for number, name in enumerate(mine):
        parties = [(ALICE, BOB), (f"+{ALICE}", "Alice"), (CAROL, ALICE)][number % 3]
        send(store, *life(name, *parties)[: number % 3 + 1], seconds=number // 7)
    send(store, *life("CON-other", CAROL, BOB))
    store.unfile(b'{"from":"447700900123","status":"ringing"}', "no conversation", BASE)
    store.unfile(b'{"from":"14155550123","status":"ringing"}', "no conversation", BASE)
    for text in (
        '"+44 7700 900123"',
        '"tel:+44-7700-900123"',
        "to=%2B44%207700%20900123&",
        "+44\u00a07700\u00a0900123",
    ):
        store.unfile(text.encode(), "not JSON", BASE)
    assert store.forget(ALICE) == (len(mine), 5)
    assert store.forget(ALICE) == (0, 0)
    assert traces(store, engine, ALICE, "CON-mine") == []
    assert store.page(Filter(), None, 500).conversations == ["CON-other"]
    assert store.page(Filter(number=CAROL), None, 500).conversations == ["CON-other"]
    assert [record.body for _, _, record in store.unfiled()] == [b'{"from":"14155550123","status":"ringing"}']


@pytest.mark.parametrize("number", ["0123", "0900123", "900123"])
def test_forgetting_a_short_number_is_not_forgetting_all_that_end_like_it(store: Store, number: str) -> None:
    send(store, *life("CON-long", ALICE, BOB), *life("CON-short", number, BOB))
    assert store.forget(number).conversations == 1
    assert store.page(Filter(), None, 9).conversations == ["CON-long"]


# -- housekeeping -----------------------------------------------------------------------------------------------------


def test_what_has_expired_is_taken_out_of_every_index_and_counter(
    engine: Engine, open_store: Callable[..., Store]
) -> None:
    brief = open_store(engine, retention=timedelta(milliseconds=150))
    long = open_store(engine)
    now = datetime.now(UTC)
    calls = [[w for w in call if w.event.conversations and w.sort == EVENT] for call in several(Random(11), 60)]
    goes, stays = calls[::2], calls[1::2]
    for store, some in ((brief, goes), (long, stays)):
        for webhook in (webhook for call in some for webhook in call):
            post(store, webhook._replace(received=now - timedelta(days=1)))
    gone = Expected(goes).projections
    wait_until(lambda: not any(brief.records(name) for name in gone), "they expire")
    housekeeping = Housekeeping(brief, max_memory_mb=None)
    assert housekeeping.tidy(datetime.now(UTC)) == len(gone)
    there = Expected([[w._replace(received=now - timedelta(days=1)) for w in call] for call in stays])
    assert_indexes(engine, there)
    counts = long.counts(NOW)
    assert +Counter({state: counts.counters[state] for state in ("started", "ringing", "answered")}) == there.legs
    assert not set(gone) & set(long.page(Filter(), None, 500).conversations)
    other = Housekeeping(long, max_memory_mb=None)
    assert other.tidy(datetime.now(UTC)) == 0


def test_what_belongs_to_no_conversation_expires_as_well(store: Store) -> None:
    store.unfile(b'{"from":"447700900123"}', "no conversation", BASE)
    now = datetime.now(UTC)
    store.forget_expired(0, now + store.retention - timedelta(minutes=1))
    assert len(store.unfiled()) == 1
    store.forget_expired(0, now + store.retention + timedelta(minutes=1))
    assert store.unfiled() == []


def test_a_partition_is_tidied_by_one_worker_at_a_time(store: Store) -> None:
    assert store.lease(3, "one", 50)
    assert not store.lease(3, "another", 50)
    assert not store.lease(3, "one", 50)
    assert store.lease(4, "another", 50)


def test_old_ones_that_are_still_kept_hide_no_expired_ones_behind_them(store: Store, engine: Engine) -> None:
    """A long-lived call stays in the index, before many that came after it and are gone."""
    names = [name for name in (f"CON-{number}" for number in range(4000)) if keys.partition(name) == 5][:230]
    for index, name in enumerate(names):
        send(store, *life(name), seconds=index)
    part = keys.ALL[5]
    for index, name in enumerate(names):
        if index % 2:
            engine.ask(part, "DEL", part.events(keys.encode(name)))
    assert store.forget_expired(5, NOW) == 0, "nothing is old enough to have expired"
    assert store.forget_expired(5, NOW + store.retention) == 115
    assert set(store.page(Filter(), None, 500).conversations) == set(names[::2])


def test_when_memory_runs_out_the_oldest_ended_conversations_go_whole(
    valkey: Engine, open_store: Callable[..., Store]
) -> None:
    valkey.flush()
    store = open_store(valkey)
    send(store, status("started", 1, where="CON-live", from_=CAROL), seconds=-9)
    for number in range(1500):
        bulk = Random(number).randbytes(4000).hex()
        send(
            store, status("completed", 5, where=f"CON-{number}", uuid=f"leg of CON-{number}", bulk=bulk), seconds=number
        )
    used = store.used_bytes()
    assert abs(used - valkey.nodes[0].client.info("memory")["used_memory"]) < 200_000
    allowed = used // 1024 // 1024 - 1
    roomy = Housekeeping(store, max_memory_mb=2 * allowed + 2)
    assert roomy.tidy(NOW) == 0
    removed = Housekeeping(store, max_memory_mb=allowed).tidy(NOW)
    assert 0 < removed < 1500
    assert store.used_bytes() <= 0.9 * allowed * 1024 * 1024
    left = []
    after = None
    while True:
        page = store.page(Filter(), after, 500)
        left += page.conversations
        if page.next is None:
            break
        after = page.next
    assert left == [f"CON-{number}" for number in range(1499, removed - 1, -1)] + ["CON-live"], "never one that is live"
    assert traces(store, valkey, f"CON-{removed - 1}") == []


def test_housekeeping_goes_on_by_itself(engine: Engine, open_store: Callable[..., Store]) -> None:
    store = open_store(engine, retention=timedelta(milliseconds=100))
    for webhook in (w for body in life(HERE) for w in webhooks_of(body, datetime.now(UTC))):
        post(store, webhook)
    wait_until(lambda: not store.records(HERE), "it expires")
    housekeeping = Housekeeping(store, max_memory_mb=None, every_seconds=0.05)
    housekeeping.start()
    wait_until(lambda: store.page(Filter(), None, 9).conversations == [], "it is forgotten")
    housekeeping.stop()
    housekeeping._thread.join(5)


def test_a_leg_that_moved_is_deleted_with_each_of_its_conversations(store: Store, engine: Engine) -> None:
    """The other conversation still shows where its leg came from."""
    send(store, status("answered", 1, from_=ALICE), transfer(HERE, THERE, 2))
    assert store.delete(HERE)
    assert store.page(Filter(), None, 9).conversations == [THERE]
    assert traces(store, engine, ALICE) == []
    assert store.counts(BASE - timedelta(days=1)).counters["answered"] == 1
    assert store.delete(THERE)
    assert traces(store, engine, HERE, THERE) == []


def test_deleting_a_call_and_posting_it_again_adds_up(store: Store, engine: Engine) -> None:
    calls = [[w for w in call if w.event.conversations and w.sort == EVENT] for call in several(Random(21), 30)]
    for call in calls:
        for webhook in call:
            post(store, webhook)
    for number, call in enumerate(calls[::3]):
        for _ in range(2):
            store.delete_all(Expected([call]).projections)
            for webhook in Random(number).sample(call, len(call)):
                post(store, webhook)
    expected = Expected(calls)
    assert_indexes(engine, expected)
    counts = store.counts(NOW - PRESUME_ENDED_AFTER)
    assert +Counter({state: counts.counters[state] for state in ("started", "ringing", "answered")}) == expected.legs


def test_with_a_number_goes_what_operations_and_streams_of_users_have_of_it(store: Store, engine: Engine) -> None:
    send(store, *life(HERE), *life("CON-kept", CAROL))
    leg = f"leg of {HERE}"
    for id_, number, due_in in (("ended", ALICE, None), ("other", CAROL, None), ("goes on", ALICE, 60.0)):
        entry = Entry("created", BASE, "created", "transfer", {"to": {"type": "phone", "number": number}})
        store.append(id_, [entry], due_in=due_in)
    for principal, key, number in (("Alice", "1", ALICE), ("Alice", "2", CAROL)):
        assert store.begin_once(principal, key, "digest", "claim") is None
        store.end_once(principal, key, "digest", (201, f'{{"to": "{number}"}}'))
    events = [{"event": "call_created", "session": {"number": number}} for number in (ALICE, CAROL)]
    assert store.publish("Alice", 0, {leg: Mark(sent=("call_created",))}, events)
    store.set_remarks("Alice", leg, {"name": "Mrs Lovelace"})
    store.set_remarks("Alice", "leg of CON-kept", {"name": "Mr Babbage"})
    settle(store)
    assert store.forget(ALICE).conversations == 1
    assert len(traces(store, engine, ALICE)) == 1, "an operation that goes on is needed"
    assert traces(store, engine, "Lovelace") == []
    assert [bool(store.log_of(id_)) for id_ in ("ended", "other", "goes on")] == [False, True, True]
    assert [event.data["session"]["number"] for event in store.user_events("Alice", "0-0", 9) or ()] == [CAROL]
    again = store.begin_once("Alice", "1", "digest", "claim")
    assert again == OnceReply("digest", 201, "{}"), "it is not done again"
    assert store.begin_once("Alice", "2", "digest", "claim") == OnceReply("digest", 201, f'{{"to": "{CAROL}"}}')
    assert traces(store, engine, "Babbage")
