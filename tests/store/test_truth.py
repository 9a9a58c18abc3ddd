"""Many workers, every kind of call, every order, everything twice: the store comes to what the events come to."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from app.store.store import Store
from tests.engines import Engine, wait_until
from tests.generated import Webhook, several
from tests.store.truth import Truth, assert_tells_the_truth, post


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
    for store in stores:
        wait_until(lambda store=store: not store.answers_waiting, "answers are written")
    return new


def flat(calls: Iterable[Iterable[Webhook]]) -> list[Webhook]:
    return [webhook for call in calls for webhook in call]


def with_homes(calls: Iterable[Iterable[Webhook]]) -> list[list[Webhook]]:
    """What the store is asked to record: an event that names no conversation is none of its business."""
    return [[webhook for webhook in call if webhook.event.homes] for call in calls]


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
