"""Many workers, every kind of call, every order, everything twice: the store comes to what the events come to."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from app.store import keys
from app.store.store import Store
from tests.domain.builders import HERE, THERE, YONDER, status, transfer
from tests.engines import Engine
from tests.generated import BASE, Webhook, several, webhooks_of
from tests.store.posting import post, settle
from tests.store.truth import FIRST_MINUTE, LAST_MINUTE, NOW, Truth, assert_tells_the_truth, sum_of, told_of


def post_all(stores: Sequence[Store], webhooks: Sequence[Webhook], *, threads: int) -> Counter[bytes]:
    """Post from many threads through several stores; how often each event was said to be new."""
    new: Counter[bytes] = Counter()
    lock = threading.Lock()
    together = threading.Barrier(threads)

    def work(number: int) -> None:
        together.wait()
        for place in range(number, len(webhooks), threads):
            if post(stores[number % len(stores)], webhooks[place]):
                with lock:
                    new[webhooks[place].event.canonical] += 1

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, number) for number in range(threads)]:
            done.result()
    settle(*stores)
    return new


def flat(calls: Iterable[Iterable[Webhook]]) -> list[Webhook]:
    return [webhook for call in calls for webhook in call]


def with_homes(calls: Iterable[Iterable[Webhook]]) -> list[list[Webhook]]:
    """What the store is asked to record: an event that names no conversation is none of its business."""
    return [[webhook for webhook in call if webhook.event.conversations] for call in calls]


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_the_order_and_however_many_workers_it_comes_to_the_same(
    engine: Engine, open_store: Callable[..., Store], seed: int
):
    chance = Random(seed)
    calls = with_homes(several(chance, 80))
    posted = flat(calls) * 2
    chance.shuffle(posted)
    stores = [open_store(engine) for _ in range(3)]
    new = post_all(stores, posted, threads=12)
    truth = Truth(calls)
    waited_for = {webhook.event.canonical for webhook in truth.events if webhook.sort == b"e"}
    assert set(new) == waited_for
    assert set(new.values()) == {1}, "each event is new to exactly one of those who posted it"
    assert_tells_the_truth(stores[0], engine, truth, posted=len(posted))


@pytest.mark.parametrize("seed", range(6))
def test_one_call_whose_copies_race_each_other(engine: Engine, open_store: Callable[..., Store], seed: int):
    """Transfers and statuses late for a conversation that was left, all at once."""
    chance = Random(seed)
    calls = [
        call for call in with_homes(several(chance, 40)) if any(webhook.event.kind == "transfer" for webhook in call)
    ]
    posted = [webhook for call in calls for webhook in chance.sample(call * 2, 2 * len(call))]  # call after call
    stores = [open_store(engine) for _ in range(2)]
    new = post_all(stores, posted, threads=8)
    assert set(new.values()) == {1}
    assert_tells_the_truth(stores[1], engine, Truth(calls), posted=len(posted))


def test_calls_that_contradict_themselves_are_kept_all_the_same(engine: Engine, open_store: Callable[..., Store]):
    """Nobody can tell where their legs are; but every event is there, and nothing of them stays behind."""
    calls = with_homes(several(Random(77), 120, orderly=False))
    posted = flat(calls) * 2
    Random(78).shuffle(posted)
    stores = [open_store(engine) for _ in range(2)]
    new = post_all(stores, posted, threads=8)
    assert set(new.values()) == {1}
    truth = Truth(calls)
    for name, kept in {name: stores[0].records(name) for name in truth.told}.items():
        assert {record.body for record in kept} <= {webhook.text for webhook in posted}
        assert len(kept) == len(truth.of(name))
    for name, heard in stores[0].histories(truth.told).items():
        assert {one.event for one in heard.values()} >= {webhook.event for webhook in truth.of(name)}
    counts = stores[0].counts(NOW)
    assert counts.live + counts.presumed_ended + counts.ended == len(truth.told)
    assert all(count >= 0 for count in counts.counters.values())
    assert all(at >= 0 for at in sum_of(stores[0].minutes(FIRST_MINUTE, LAST_MINUTE)).values())
    assert stores[0].delete_all(truth.told) == len(truth.told)
    counts = stores[0].counts(NOW)
    assert (counts.live, counts.presumed_ended, counts.ended) == (0, 0, 0)
    assert {counts.counters.get(state, 0) for state in ("started", "ringing", "answered")} == {0}
    assert {keys.decode(leg) for part in keys.ALL for leg in engine.ask(part, "HKEYS", part.legs)} == set()


def test_a_leg_whose_way_back_was_lost_is_where_it_went_last(store: Store):
    """It went away, came back (of which nobody was told), and went elsewhere, where it ended."""
    bodies = [
        status("answered", 1),
        transfer(HERE, THERE, 2),
        transfer(HERE, YONDER, 4),
        status("completed", 9, where=YONDER),
    ]
    for webhook in (webhook for body in bodies for webhook in webhooks_of(body, BASE)):
        post(store, webhook)
    told = {name: told_of(name, heard).state for name, heard in store.histories([HERE, THERE, YONDER]).items()}
    assert told == {HERE: "ended", THERE: "ended", YONDER: "ended"}
    assert store.counts(BASE).ended == 3


def test_a_leg_is_not_told_from_a_conversation_to_which_only_others_moved(store: Store):
    """Its own transfer was lost: what became of it there is not known here, to neither story nor counters."""
    two = {"uuid": "two"}
    bodies = [
        status("answered", 1) | two,
        status("completed", 9, where=THERE) | two,
        status("answered", 1),
        transfer(HERE, THERE, 2),
    ]
    for webhook in (webhook for body in bodies for webhook in webhooks_of(body, BASE)):
        post(store, webhook)
    told = {name: told_of(name, heard).state for name, heard in store.histories([HERE, THERE]).items()}
    counts = store.counts(BASE)
    assert told == dict.fromkeys((HERE, THERE), "presumed_ended"), "nothing was heard for long, and neither has ended"
    assert (counts.live, counts.ended) == (2, 0)
    assert counts.counters["answered"] == 2


def test_news_of_a_leg_reaches_a_conversation_that_was_told_of_its_move_before(store: Store):
    bodies = [status("timeout", 1), transfer(THERE, YONDER, 5), transfer(YONDER, HERE, 3)]
    for webhook in (webhook for body in bodies for webhook in webhooks_of(body, BASE)):
        post(store, webhook)
    told = {name: told_of(name, heard).state for name, heard in store.histories([HERE, THERE, YONDER]).items()}
    assert set(told.values()) == {"ended"}
    counts = store.counts(BASE)
    assert (counts.live, counts.ended) == (0, 3)
    assert counts.counters.get("started", 0) == 0
