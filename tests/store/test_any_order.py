"""Many workers, every kind of call, every order, everything twice: the store contains what follows from the events."""

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
from tests.engines import Engine, in_turn
from tests.generated import BASE, Webhook, several, webhooks_of
from tests.store.expected import FIRST_MINUTE, LAST_MINUTE, NOW, Expected, assert_as_expected, read, sum_of
from tests.store.posting import post, received, settle


def post_all(stores: Sequence[Store], webhooks: Sequence[Webhook], *, threads: int) -> Counter[bytes]:
    """Post from many threads through several stores; returns how often each event was new."""
    new: Counter[bytes] = Counter()
    lock = threading.Lock()
    together = threading.Barrier(threads)

    def work(number: int) -> None:
        together.wait()
        for index in range(number, len(webhooks), threads):
            if post(stores[number % len(stores)], webhooks[index]):
                with lock:
                    new[webhooks[index].event.canonical] += 1

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, number) for number in range(threads)]:
            done.result()
    settle(*stores)
    return new


def flat(calls: Iterable[Iterable[Webhook]]) -> list[Webhook]:
    return [webhook for call in calls for webhook in call]


def with_conversations(calls: Iterable[Iterable[Webhook]]) -> list[list[Webhook]]:
    """The events that name a conversation: others are not recorded."""
    return [[webhook for webhook in call if webhook.event.conversations] for call in calls]


@pytest.mark.parametrize(("engine", "seed"), in_turn([1, 2, 3]), indirect=["engine"])
def test_any_order_and_any_number_of_workers_give_the_same_result(
    engine: Engine, open_store: Callable[..., Store], seed: int
) -> None:
    chance = Random(seed)
    calls = with_conversations(several(chance, 80))
    posted = flat(calls) * 2
    chance.shuffle(posted)
    stores = [open_store(engine) for _ in range(3)]
    new = post_all(stores, posted, threads=12)
    expected = Expected(calls)
    waited_for = {webhook.event.canonical for webhook in expected.events if webhook.sort == b"e"}
    assert set(new) == waited_for
    assert set(new.values()) == {1}, "each event is new to exactly one of those who posted it"
    assert_as_expected(stores[0], engine, expected, posted=received(posted))


@pytest.mark.parametrize(("engine", "seed"), in_turn(range(3)), indirect=["engine"])
def test_one_call_whose_copies_race_each_other(engine: Engine, open_store: Callable[..., Store], seed: int) -> None:
    """Transfers and statuses late for a conversation that was left, all at once."""
    chance = Random(seed)
    calls = [
        call
        for call in with_conversations(several(chance, 40))
        if any(webhook.event.kind == "transfer" for webhook in call)
    ]
    posted = [webhook for call in calls for webhook in chance.sample(call * 2, 2 * len(call))]  # call after call
    stores = [open_store(engine) for _ in range(2)]
    new = post_all(stores, posted, threads=8)
    assert set(new.values()) == {1}
    assert_as_expected(stores[1], engine, Expected(calls), posted=received(posted))


def test_contradictory_calls_are_kept_too(engine: Engine, open_store: Callable[..., Store]) -> None:
    """It is undefined where their legs are; but every event is there, and nothing of them stays behind."""
    calls = with_conversations(several(Random(77), 50, orderly=False))
    posted = flat(calls) * 2
    Random(78).shuffle(posted)
    stores = [open_store(engine) for _ in range(2)]
    new = post_all(stores, posted, threads=8)
    assert set(new.values()) == {1}
    expected = Expected(calls)
    for name, kept in {name: stores[0].records(name) for name in expected.projections}.items():
        assert {record.body for record in kept} <= {webhook.text for webhook in posted}
        assert len(kept) == len(expected.of(name))
    for name, events in stores[0].histories(expected.projections).conversations.items():
        assert {kept.event for kept in events.values()} == {webhook.event for webhook in expected.of(name)}
    counts = stores[0].counts(NOW)
    assert counts.live + counts.presumed_ended + counts.ended == len(expected.projections)
    assert all(count >= 0 for count in counts.counters.values())
    assert all(at >= 0 for at in sum_of(stores[0].minutes(FIRST_MINUTE, LAST_MINUTE)).values())
    assert stores[0].delete_all(expected.projections) == len(expected.projections)
    counts = stores[0].counts(NOW)
    assert (counts.live, counts.presumed_ended, counts.ended) == (0, 0, 0)
    assert {counts.counters.get(state, 0) for state in ("started", "ringing", "answered")} == {0}
    assert {keys.decode(leg) for part in keys.ALL for leg in engine.ask(part, "HKEYS", part.legs)} == set()


def test_a_leg_whose_way_back_was_lost_is_where_it_went_last(store: Store) -> None:
    """It went away, came back (which was not reported), and went elsewhere, where it ended."""
    bodies = [
        status("answered", 1),
        transfer(HERE, THERE, 2),
        transfer(HERE, YONDER, 4),
        status("completed", 9, where=YONDER),
    ]
    for webhook in (webhook for body in bodies for webhook in webhooks_of(body, BASE)):
        post(store, webhook)
    states = {name: found.state for name, found in read(store, [HERE, THERE, YONDER]).items()}
    assert states == {HERE: "ended", THERE: "ended", YONDER: "ended"}
    assert store.counts(BASE).ended == 3


def test_a_leg_whose_move_was_lost_is_one_leg_with_one_state_also_where_another_one_moved(store: Store) -> None:
    two = {"uuid": "two"}
    bodies = [
        status("answered", 1) | two,
        status("completed", 9, where=THERE) | two,
        status("answered", 1),
        transfer(HERE, THERE, 2),
    ]
    for webhook in (webhook for body in bodies for webhook in webhooks_of(body, BASE)):
        post(store, webhook)
    states = {name: found.state for name, found in read(store, [HERE, THERE]).items()}
    counts = store.counts(BASE)
    assert states == {HERE: "ended", THERE: "presumed_ended"}
    assert (counts.live, counts.ended) == (1, 1)
    assert counts.counters["answered"] == 1


def test_an_update_of_a_leg_reaches_a_conversation_that_already_has_its_move(store: Store) -> None:
    bodies = [status("timeout", 1), transfer(THERE, YONDER, 5), transfer(YONDER, HERE, 3)]
    for webhook in (webhook for body in bodies for webhook in webhooks_of(body, BASE)):
        post(store, webhook)
    states = {name: found.state for name, found in read(store, [HERE, THERE, YONDER]).items()}
    assert set(states.values()) == {"ended"}
    counts = store.counts(BASE)
    assert (counts.live, counts.ended) == (0, 3)
    assert counts.counters.get("started", 0) == 0
