"""Lists of conversations: newest first, nothing missed, nothing twice, at a cost that does not grow with the store."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from app.store import keys
from app.store.codec import milliseconds
from app.store.pages import MAX_SCANNED, Filter, Page, Position
from app.store.store import Store
from tests.domain.builders import at, status
from tests.engines import Engine
from tests.generated import BASE
from tests.store.posting import send, settle

ALICE, BOB, CAROL = "447700900123", "442079460000", "14155550123"


def begin(store: Store, name: str, seconds: float = 0.0, *, ended: bool = False, **more: Any) -> None:
    """A conversation whose first event was received *seconds* after the base."""
    first = "completed" if ended else "started"
    send(store, status(first, 1, uuid=f"leg {name}", where=name, **more), seconds=seconds)


def end(store: Store, name: str, seconds: float) -> None:
    """Its end, received later."""
    send(store, status("completed", 5, uuid=f"leg {name}", where=name), seconds=seconds)


def walk(store: Store, wanted: Filter, limit: int, meanwhile: Callable[[], object] = lambda: None) -> list[str]:
    """All pages of a list, one after the other."""
    found: list[Position] = []
    after: Position | None = None
    for _ in range(10_000):
        page = store.page(wanted, after, limit)
        assert len(page.items) <= limit
        found += page.items
        if page.next is None:
            break
        assert after is None or (page.next > after) == wanted.oldest_first, "a cursor always goes on"
        after = page.next
        meanwhile()
    else:
        raise AssertionError("it never ends")
    assert found == sorted(found, reverse=not wanted.oldest_first), "newest or oldest first"
    assert len(set(found)) == len(found), "nothing twice"
    return [keys.decode(position.conversation) for position in found]


def test_all_pages_together_are_all_there_is(store: Store) -> None:
    names = [f"CON-{number}" for number in range(60)]
    times = Random(1).sample(range(1000), 60)
    for name, seconds in zip(names, times, strict=True):
        begin(store, name, seconds, ended=seconds % 3 == 0)
    newest_first = [name for _, name in sorted(zip(times, names, strict=True), reverse=True)]
    assert store.page(Filter(), None, 60).conversations == newest_first
    for limit in (1, 7, 50, 500):
        assert walk(store, Filter(), limit) == newest_first, limit
        assert walk(store, Filter(oldest_first=True), limit) == newest_first[::-1], limit
        some = Filter("ended", since=at(100), until=at(900), oldest_first=True)
        assert walk(store, some, limit) == walk(store, some._replace(oldest_first=False), limit)[::-1], limit


def test_an_empty_store_has_one_empty_page(store: Store) -> None:
    for state in ("any", "live", "presumed_ended", "ended"):
        assert store.page(Filter(state), None, 50) == Page((), None)
    assert store.page(Filter(number=ALICE), None, 50) == Page((), None)


def test_conversations_of_one_millisecond_are_all_listed(store: Store) -> None:
    names = {f"CON-{number}" for number in range(90)} | {"CON-\ud800", "CON-\x00", "CON-é", "CON-"}
    for name in names:
        begin(store, name, ended=name.endswith("3"))
    for limit in (1, 7, 500):
        assert set(walk(store, Filter(), limit)) == names, limit
        assert set(walk(store, Filter("ended"), limit)) == {name for name in names if name.endswith("3")}, limit
        assert set(walk(store, Filter(oldest_first=True), limit)) == names, limit


def test_states(store: Store) -> None:
    for seconds in range(30):
        begin(store, f"CON-{seconds}", seconds, ended=seconds % 3 == 0)
    quiet = Filter("live", presumed_before=at(10))
    assert walk(store, quiet, 4) == [f"CON-{seconds}" for seconds in range(29, 9, -1) if seconds % 3]
    presumed = quiet._replace(state="presumed_ended")
    assert walk(store, presumed, 4) == [f"CON-{seconds}" for seconds in range(9, 0, -1) if seconds % 3]
    assert walk(store, Filter("ended"), 4) == [f"CON-{seconds}" for seconds in range(27, -1, -3)]
    assert len(walk(store, Filter("any"), 4)) == 30


def test_a_state_is_decided_as_the_counts_decide_it(store: Store) -> None:
    begin(store, "CON-1", 10)
    for moment in (at(10), at(10) + timedelta(milliseconds=1)):
        listed = [
            store.page(Filter(s, presumed_before=moment), None, 9).conversations for s in ("live", "presumed_ended")
        ]
        counts = store.counts(moment)
        assert [len(names) for names in listed] == [counts.live, counts.presumed_ended]


NUMBERS: dict[str, dict[str, Any]] = {
    "CON-1": {"from_": ALICE, "to": BOB},
    "CON-2": {"from_": f"+{ALICE}", "to": "Alice"},
    "CON-3": {"from_": CAROL, "to": ALICE},
    "CON-4": {"from_": "sip:447700900123@example.com", "to": BOB},
    "CON-5": {"from_": "900123", "to": "0123"},
    "CON-6": {"from_": "10900123", "to": None},
}


# What is searched for -> what is found.
BY_NUMBER = {
    ALICE: ["CON-4", "CON-3", "CON-2", "CON-1"],
    BOB: ["CON-4", "CON-1"],
    CAROL: ["CON-3"],
    "0123": ["CON-6", "CON-5", "CON-4", "CON-3", "CON-2", "CON-1"],  # four digits: also the end of a number
    "0000": ["CON-4", "CON-1"],
    "0900123": ["CON-6", "CON-4", "CON-3", "CON-2", "CON-1"],  # seven as well
    "5550123": ["CON-3"],
    "900123": ["CON-5"],  # six only the whole
    "00123": [],
    "447700900124": [],
    "9999": [],
    "123": [],
    "7700900123": [],
}


def test_numbers(store: Store) -> None:
    for seconds, (name, parties) in enumerate(NUMBERS.items()):
        begin(store, name, seconds, ended=seconds % 2 == 0, **parties)
    for (number, found), limit in itertools.product(BY_NUMBER.items(), (1, 50)):
        assert walk(store, Filter(number=number), limit) == found, (number, limit)
        ended = [name for name in found if name in ("CON-1", "CON-3", "CON-5")]
        assert walk(store, Filter("ended", number=number), limit) == ended, (number, limit)
        live = [name for name in found if name not in ended]
        assert walk(store, Filter("live", number=number), limit) == live, (number, limit)


def test_since_is_included_and_until_is_not(store: Store) -> None:
    for number in range(10):
        begin(store, f"CON-{number}", number / 1000, from_=ALICE)

    def listed(since: datetime | None = None, until: datetime | None = None, **more: Any) -> list[int]:
        names = walk(store, Filter(since=since, until=until, **more), 3)
        return [int(name.removeprefix("CON-")) for name in reversed(names)]

    three, seven, fraction = at(0.003), at(0.007), timedelta(microseconds=1)
    assert listed(since=three) == [3, 4, 5, 6, 7, 8, 9]
    assert listed(since=three + fraction) == [4, 5, 6, 7, 8, 9]
    assert listed(since=three - fraction) == [3, 4, 5, 6, 7, 8, 9]
    assert listed(until=seven) == [0, 1, 2, 3, 4, 5, 6]
    assert listed(until=seven + fraction) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert listed(until=seven - fraction) == [0, 1, 2, 3, 4, 5, 6]
    assert (
        listed(three, seven) == listed(three, seven, number=ALICE) == listed(three, seven, state="live") == [3, 4, 5, 6]
    )
    assert listed(seven, three) == listed(three, three) == []
    assert listed(since=at(99)) == listed(until=at(-99)) == []
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    assert listed(first, last) == listed(since=first) == listed(until=last) == list(range(10))
    assert listed(since=last) == listed(until=first) == []


def test_nothing_that_was_there_is_missed_or_doubled_while_calls_come_and_end(
    engine: Engine, open_store: Callable[..., Store]
) -> None:
    store, other = open_store(engine), open_store(engine)
    there = [f"CON-{number}" for number in range(200)]
    for number, name in enumerate(there):
        begin(store, name, number, ended=number % 2 == 0)
    lasting = [name for number, name in enumerate(there) if number % 4 == 1]
    stop = threading.Event()

    def go_on() -> None:
        for number in range(100_000):
            if stop.is_set():
                return
            begin(other, f"CON-new-{number}", Random(number).randrange(300), ended=number % 3 == 0)
            end(other, there[number * 4 % 200 + 3], 500)  # every fourth ends while it is listed

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        for _ in range(3):
            seen = walk(store, Filter(), 7)
            assert [name for name in seen if name in set(there)] == there[::-1]
            live = walk(store, Filter("live"), 7)
            assert [name for name in live if name in set(lasting)] == lasting[::-1]
    finally:
        stop.set()
        thread.join()


# -- cost -------------------------------------------------------------------------------------------------------------

LIMIT = 50
FEW, MANY = 3_000, 30_000
MOST_COMMANDS = keys.PARTITIONS * (2 * (LIMIT + MAX_SCANNED) + MAX_SCANNED)  # however many there are

QUERIES = {
    "any": Filter(),
    "live": Filter("live", presumed_before=BASE - timedelta(days=1)),
    "ended": Filter("ended"),
    "a state with no members": Filter("presumed_ended", presumed_before=BASE - timedelta(days=1)),
    "a number that many have": Filter(number=BOB),
    "the end of one": Filter(number="0000"),
    "a number that one has": Filter(number="447700000042"),
    "a number nobody has, with an end that many have": Filter(number="19999990000"),
    "a number nobody has": Filter(number="19999999999"),
    "since": Filter(since=BASE),
    "until": Filter(until=BASE + timedelta(seconds=5)),
    "all of it": Filter("ended", BOB, BASE, BASE + timedelta(days=1)),
}


def fill(engine: Engine, numbers: Iterable[int], *, end: str = "") -> None:
    """Index entries of conversations that all called one number, a millisecond apart; half of them live.

    *end*: four digits with which all callers' numbers end; else each ends with its own.
    """
    by_partition: dict[int, list[tuple[int, bytes]]] = {}
    for number in numbers:
        name = f"CON-{number}"
        by_partition.setdefault(keys.partition(name), []).append((number, name.encode()))
    for partition, entries in by_partition.items():
        part = keys.ALL[partition]
        with engine.node_of(part).client.pipeline(transaction=False) as pipe:
            for start in range(0, len(entries), 500):
                some = entries[start : start + 500]
                first = {name: milliseconds(BASE) + number for number, name in some}
                for index, half in ((part.live, 0), (part.last_received, 0), (part.ended, 1)):
                    if chosen := {name: first[name] for number, name in some if number % 2 == half}:
                        pipe.zadd(index, chosen)
                pipe.zadd(part.number(BOB), first)
                for number, raw in some:
                    caller = f"4477{number:08}{end}"
                    pipe.zadd(part.number(caller), {raw: first[raw]})
                    pipe.hset(part.meta(raw), "x", f"{caller} {BOB}")
            pipe.execute()


def costs(store: Store, engine: Engine) -> dict[str, tuple[int, int]]:
    """For each question how many were found, and how many commands it took."""
    found = {}
    for name, wanted in QUERIES.items():
        store.page(wanted, None, LIMIT)  # the script is known from now on
        engine.reset_calls()
        page = store.page(wanted, None, LIMIT)
        found[name] = (len(page.items), engine.calls())
    return found


def test_a_page_costs_no_more_however_many_conversations_there_are(
    valkey: Engine, open_store: Callable[..., Store]
) -> None:
    valkey.flush()
    store = open_store(valkey)
    fill(valkey, range(FEW))
    few = costs(store, valkey)
    fill(valkey, range(FEW, MANY))
    many = costs(store, valkey)
    for name, (items, commands) in many.items():
        assert commands <= MOST_COMMANDS, name
        assert items == few[name][0], name
        if items == LIMIT:
            assert commands <= few[name][1] * 1.1, name
    assert {name for name, (items, _) in many.items() if items == LIMIT} >= {
        "any",
        "live",
        "ended",
        "a number that many have",
        "all of it",
    }
    # Every question comes to its end all the same.
    assert walk(store, QUERIES["a number nobody has, with an end that many have"], LIMIT) == []
    assert walk(store, QUERIES["a state with no members"], LIMIT) == []
    assert walk(store, QUERIES["a number that one has"], LIMIT) == ["CON-42"]


def test_counting_costs_no_more_however_many_conversations_there_are(
    valkey: Engine, open_store: Callable[..., Store]
) -> None:
    valkey.flush()
    store = open_store(valkey)
    taken: list[int] = []
    for numbers in (range(100), range(100, 5000)):
        fill(valkey, numbers)
        valkey.reset_calls()
        store.counts(BASE)
        taken.append(valkey.calls())
    assert taken[0] == taken[1] == 4 * keys.PARTITIONS


def test_an_event_costs_no_more_however_many_conversations_there_are(
    valkey: Engine, open_store: Callable[..., Store]
) -> None:
    valkey.flush()
    store = open_store(valkey)
    taken: list[int] = []
    for numbers in (range(100), range(100, 5_000)):
        fill(valkey, numbers)
        begin(store, f"CON-before-{len(taken)}")
        settle(store)
        valkey.reset_calls()
        begin(store, f"CON-after-{len(taken)}", from_=ALICE, to=BOB)
        end(store, f"CON-after-{len(taken)}", 9)
        settle(store)
        taken.append(valkey.calls())
    assert taken[0] == taken[1]


def test_parts_of_a_page_need_not_come_in_order_of_partitions(store: Store) -> None:
    """Two conversations of one moment in different partitions: the larger name first, on any page."""
    names: Sequence[str] = sorted((f"CON-{number}" for number in range(40)), reverse=True)
    for name in names:
        begin(store, name)
    assert walk(store, Filter(), 3) == list(names)
