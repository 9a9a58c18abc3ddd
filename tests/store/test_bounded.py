"""Nothing that strangers or faults send fills Redis."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from typing import cast

import pytest

from app.domain.operations import Entry
from app.store import audit, events, keys, operations, signals
from app.store.audit import Reveal
from app.store.errors import StoreUnavailable, TooManyOperations
from app.store.housekeeping import Housekeeping
from app.store.operations import OnceReply
from app.store.pages import Filter
from app.store.store import Store
from tests import engines
from tests.domain.builders import status
from tests.engines import Engine
from tests.generated import BASE, Body, webhooks_of
from tests.store.posting import post_surely, send, settle
from tests.store.test_pages import walk

HERE = "CON-1"
MOST = keys.EVENTS_OF_A_CONVERSATION


def fill_up(engine: Engine, length: int) -> None:
    """Let HERE have *length* events: copies of its first one."""
    part = keys.of(HERE)
    client, key = engine.node_of(part).client, part.events(HERE.encode())
    first, missing = cast("bytes", client.lindex(key, 0)), length - client.llen(key)
    client.rpush(key, *[first] * missing)


def stored(store: Store) -> int:
    """How many events HERE has."""
    return len(store.records(HERE))


def test_a_conversation_has_so_many_events_at_most_and_its_states_are_kept_up(store: Store, engine: Engine) -> None:
    send(store, status("started", 1, uuid="leg 1", where=HERE), status("started", 1, uuid="leg 2", where=HERE))
    fill_up(engine, MOST - 1)
    assert send(store, status("odd", 2, uuid="leg 1", where=HERE)) == [True]
    assert stored(store) == MOST
    assert store.records(HERE)[-1].notes == ("capped",), "the last one before some are left out says so"
    assert store.records(HERE)[-2].notes == ()

    assert send(store, status("odder", 3, uuid="leg 1", where=HERE)) == [False]
    assert stored(store) == MOST
    assert store.counts(BASE).counters["capped"] == 1
    assert "repeats" not in store.counts(BASE).counters

    assert send(store, status("completed", 4, uuid="leg 1", where=HERE)) == [True], "it changes the state of the leg"
    assert (stored(store), store.records(HERE)[-1].notes) == (MOST + 1, ("capped",))
    assert store.counts(BASE).live == 1

    fill_up(engine, 2 * MOST)
    assert send(store, status("completed", 5, uuid="leg 2", where=HERE)) == [False]
    assert stored(store) == 2 * MOST
    counts = store.counts(BASE)
    assert (counts.live, counts.ended, counts.counters["started"]) == (0, 1, 0), "counted as ended all the same"
    assert send(store, status("started", 1, uuid="leg 3", where="CON-2")) == [True], "others go on"


def large(number: int, length: int = 20_000) -> str:
    """Text that does not become shorter than half of its *length*."""
    return Random(number).randbytes(length // 2).hex()


def test_a_conversation_has_so_many_bytes_of_large_events_at_most(
    store: Store, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Usual ones go on being kept, and so do those that change the state of a leg, for as many bytes again."""
    part = keys.of(HERE)
    send(store, status("started", 1, uuid="leg", where=HERE), status("started", 1, uuid="leg 2", where=HERE))
    kept = 0
    while send(store, status(f"odd {kept}", 2, uuid="leg", where=HERE, bulk=large(kept))) == [True]:
        kept += 1
    lengths = [len(record) for record in engine.ask(part, "LRANGE", part.events(HERE.encode()), 0, -1)]
    assert 0.95 * keys.LARGE_RECORDS < sum(lengths) < keys.LARGE_RECORDS
    assert [record.notes for record in store.records(HERE)[-2:]] == [(), ("capped",)]
    assert store.counts(BASE).counters["capped"] == 1
    assert send(store, status("odder", 3, uuid="leg", where=HERE)) == [True], "a usual one"
    assert send(store, status("completed", 4, uuid="leg", where=HERE, bulk=large(-1))) == [True]
    assert store.records(HERE)[-1].notes == ("capped",)
    engine.ask(part, "HSET", part.meta(HERE.encode()), "b", 2 * keys.LARGE_RECORDS)
    assert send(store, status("answered", 5, uuid="leg 2", where=HERE, bulk=large(-2))) == [False]
    assert store.counts(BASE).counters["answered"] == 1, "counted all the same"
    store.delete(HERE)
    assert send(store, status("odd", 6, uuid="leg", where=HERE, bulk=large(-3))) == [True], "it begins anew"


def used(engine: Engine, key: bytes) -> int:
    """Bytes of memory that *key* of partition 0 has."""
    return int(engine.ask(keys.ALL[0], "MEMORY", "USAGE", key, "SAMPLES", 0))


def test_a_flood_of_large_webhooks_of_no_conversation_leaves_the_latest_of_so_many_bytes(
    store: Store, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "UNFILED_BYTES", 600_000)
    for number in range(50):
        assert store.unfile(large(number, 60_000).encode(), "no conversation", BASE)
    found = store.unfiled()
    assert used(engine, keys.ALL[0].unfiled) < 1.2 * events.UNFILED_BYTES
    assert 15 < len(found) < 25
    latest = range(49, 49 - len(found), -1)
    assert [record.body for _, _, record in found] == [large(number, 60_000).encode() for number in latest]


def test_a_flood_of_readers_leaves_the_latest_of_the_audit_log(
    store: Store, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is shown other calls: lists of 500."""
    monkeypatch.setattr(audit, "MOST_BYTES", 300_000)
    monkeypatch.setattr(audit, "REMEMBERED", 3000)
    for number in range(25):
        calls = tuple(f"CON-{number:04}{call:032}" for call in range(audit.MOST_CALLS))
        store.note_reveal(Reveal("somebody", "operator", "address", "GET /", "x" * 500, len(calls), calls))
    settle(store)
    entries = store.audit(1000)
    assert used(engine, keys.ALL[0].audit) < 1.5 * audit.MOST_BYTES
    assert 10 < len(entries) < 18
    assert entries[0].reveal.calls[0].startswith("CON-0024")
    assert engine.ask(keys.ALL[0], "ZCARD", keys.ALL[0].revealed) == audit.REMEMBERED


def step(name: str, length: int = 0) -> Entry:
    return Entry(name, BASE, "step", name, {"text": "x" * length})


def do(store: Store, operation: str, length: int = 0) -> None:
    """Begin an operation and end it."""
    store.append(operation, [step("created", length)], due_in=0)
    till = store.claim(operation, "me", 60)
    assert till
    assert not store.release(operation, "me", till, None)


def test_a_flood_of_operations_leaves_the_logs_of_the_latest_and_of_all_that_are_under_way(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "MOST_CLOSED", 3)
    monkeypatch.setattr(operations, "CLOSED_BYTES", 1000)
    names = [name for name in map(str, range(1000)) if keys.of(name) is keys.ALL[3]]
    store.append("0" + names[0], [step("created")], due_in=60)
    do(store, names[0])
    store.append(names[0], [step("goes on")], due_in=60)
    for name in names[1:7]:
        do(store, name)
    there = [name for name in names[:7] if store.log_of(name)]
    assert there == [names[0], *names[4:7]], "the first one is under way again"
    for name in names[7:10]:
        do(store, name, 600)
    assert [name for name in names[4:10] if store.log_of(name)] == names[8:10], "they are larger"


def test_so_many_operations_are_under_way_at_most(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "MOST_OPEN", 3)
    names = [name for name in map(str, range(1000)) if keys.of(name) is keys.ALL[3]]
    for name in names[:3]:
        assert store.append(name, [step("created")], due_in=60) == 1
    with pytest.raises(TooManyOperations):
        store.append(names[3], [step("created")], due_in=60)
    assert store.log_of(names[3]) == []
    assert store.append(names[0], [step("more")], due_in=0) == 2, "those that are go on"
    do_end = store.claim(names[0], "me", 60)
    assert do_end
    store.release(names[0], "me", do_end, None)
    assert store.append(names[3], [step("created")], due_in=60) == 1


def test_a_flood_of_requests_of_one_login_leaves_the_latest_replies(
    store: Store, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "MOST_REPLIES", 5)
    store.begin_once("other", "key", "digest", "claim")
    store.end_once("other", "key", "digest", (201, "{}"))
    for number in range(20):
        assert store.begin_once("one", str(number), "digest", "claim") is None
        store.end_once("one", str(number), "digest", (201, str(number)))
    settle(store)
    assert sum(key.startswith(keys.ONCE) for key in set(engine.keys())) == 5 + 1
    assert store.begin_once("one", "19", "digest", "claim") == OnceReply("digest", 201, "19")
    assert store.begin_once("other", "key", "digest", "claim") == OnceReply("digest", 201, "{}"), (
        "another login's is there"
    )
    assert store.begin_once("one", "0", "digest", "claim") is None


def test_a_flood_of_webhooks_of_no_conversation_leaves_the_latest(
    store: Store, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "UNFILED_SEEN", 100)
    monkeypatch.setattr(events, "UNFILED_LENGTH", 50)
    part, there = keys.ALL[0], set[int]()
    client = engine.node_of(part).client
    for start in (0, 400):
        for number in range(start, start + 400):
            assert store.unfile(b"%d" % number, "no conversation", BASE)
        assert client.xlen(part.unfiled) == 50
        assert client.zcard(part.unfiled_seen) == 100
        there.add(len(engine.keys()))
    assert len(there) == 1, "no more keys than before"
    assert not store.unfile(b"799", "no conversation", BASE), "known again"
    assert store.unfiled()[0][2].body == b"799"


FLOOD, LIVE, EACH = 600, 40, 3


def test_a_flood_on_a_small_redis_keeps_live_calls_and_drops_the_oldest_ended_ones_whole(
    open_store: Callable[..., Store],
) -> None:
    """Twice as much as there is room for, from eight senders; a 2xx comes only for what is kept."""
    with engines.single(engines.VALKEY, "--maxmemory", "25mb", "--maxmemory-policy", "noeviction") as engine:
        store = open_store(engine)
        live = {f"CON-live-{number}" for number in range(LIVE)}
        for name in live:
            send(store, status("started", 1, uuid=f"leg of {name}", where=name), seconds=-60)
        housekeeping = Housekeeping(store, max_memory_mb=25, room_seconds=0.05)
        housekeeping.start()
        try:
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda number: post_call(store, number), range(FLOOD)))
            engines.wait_until(lambda: store.used_bytes() <= 0.9 * 25 * 1024 * 1024, "there is room")
        finally:
            housekeeping.stop()
            housekeeping._thread.join(10)
        listed = walk(store, Filter(), 500)
        assert live == set(listed[-LIVE:]), "live ones stay, though they are the oldest"
        numbers = [int(name.removeprefix("CON-")) for name in listed[:-LIVE]]
        assert 150 < len(numbers) < FLOOD - 50, "much room is left to calls"
        assert min(numbers) > FLOOD - len(numbers) - 120, "the oldest went, but for those that were sent meanwhile"
        assert {len(store.records(f"CON-{number}")) for number in numbers} == {EACH}, "each is whole"
        gone = next(number for number in range(FLOOD) if number not in numbers)
        assert not engine.ask(keys.of(f"CON-{gone}"), "EXISTS", keys.of(f"CON-{gone}").meta(f"CON-{gone}".encode()))


def post_call(store: Store, number: int) -> None:
    """A call that ends: some large webhooks, received a second after those of the call before, and one of no call."""
    with contextlib.suppress(StoreUnavailable):  # Redis is full
        store.unfile(large(-number, 60_000).encode(), "no conversation", BASE)
    for index, name in enumerate(("started", "answered", "completed")):
        bulk = large(3 * number + index, 24_000)
        body: Body = status(name, index, uuid=f"leg {number}", where=f"CON-{number}", bulk=bulk)
        for webhook in webhooks_of(body, BASE + timedelta(seconds=number)):
            post_surely(store, webhook)


def test_a_full_redis_says_so_and_takes_events_again_once_there_is_room(open_store: Callable[..., Store]) -> None:
    with engines.single() as engine:
        store = open_store(engine)
        send(store, status("completed", 1, uuid="leg", where=HERE))
        engine.nodes[0].client.config_set("maxmemory", "500kb")
        with pytest.raises(StoreUnavailable):
            send(store, status("started", 1, uuid="leg 2", where="CON-2"))
        assert stored(store) == 1, "it is read all the same"
        assert Housekeeping(store, max_memory_mb=1)._make_room() == 1, "and a full Redis lets the oldest be deleted"
        engine.nodes[0].client.config_set("maxmemory", "25mb")
        assert send(store, status("started", 1, uuid="leg 2", where="CON-2")) == [True]


def test_a_flood_of_events_leaves_the_latest_in_the_feed(store: Store, engine: Engine) -> None:
    with ThreadPoolExecutor(8) as pool:
        flood = range(keys.FEED_LENGTH + 300)
        list(pool.map(lambda number: send(store, status(f"odd {number}", 1, where=HERE)), flood))
    part = keys.of(HERE)
    assert keys.FEED_LENGTH <= engine.node_of(part).client.xlen(part.feed) <= keys.FEED_LENGTH + 100


def test_a_flood_of_signals_leaves_the_latest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "MOST_SIGNALS", 10)
    for number in range(30):
        store.send_signals([("Alice", {"number": number})])
    assert [signal.data["number"] for signal in store.signals(signals.BEFORE_ALL, 100)] == list(range(20, 30))
