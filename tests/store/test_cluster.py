"""Slots of a cluster that move, and nodes that go away: other partitions are not affected."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from random import Random

import pytest
from redis.cluster import NodesManager

from app.store import keys, timeouts
from app.store.errors import StoreUnavailable
from app.store.pages import Filter
from app.store.store import Store
from tests import engines
from tests.cluster_nodes import move_slot
from tests.domain.builders import status
from tests.engines import Engine, Node, wait_until
from tests.generated import BASE, Webhook, read_record, several, webhooks_of
from tests.store.bounds import in_time, must_ping, works
from tests.store.conftest import opens
from tests.store.expected import NOW, Expected, assert_as_expected
from tests.store.posting import NAMES, one_of, post, received, settle

pytestmark = pytest.mark.short_timeouts


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    """A cluster of our own: other tests need theirs whole."""
    with engines.start_cluster() as engine:
        yield engine


@pytest.fixture
def engine(shared: Engine) -> Engine:
    """The shared cluster, whole and empty."""
    for node in shared.nodes:
        if node.process is None:
            node.start()
        node.thaw()
        node.ready()
    whole_again(shared)
    shared.flush()
    return shared


def whole_again(engine: Engine) -> None:
    """Wait until every node sees every other."""
    for node in engine.nodes:
        wait_until(partial(sees_all, node, len(engine.nodes)), "the nodes see each other")


def sees_all(node: Node, size: int) -> bool:
    info = node.client.execute_command("CLUSTER INFO")
    return (
        info["cluster_state"] == "ok"
        and info["cluster_slots_ok"] == str(keys.SLOTS)
        and info["cluster_size"] == str(size)
    )


def try_all(store: Store, number: int) -> tuple[set[int], set[int], set[str]]:
    """Post one event to each partition. Which took it, which did not, and why."""
    took, refused, why = set(), set(), set()
    for index, part in enumerate(keys.ALL):
        try:
            with in_time():
                assert post(store, one_of(part, number))
            took.add(index)
        except StoreUnavailable as away:
            refused.add(index)
            why.add(away.reason)
    return took, refused, why


@pytest.mark.parametrize(
    ("how", "which"),
    [("kill", 0), ("kill", 2), ("freeze", 0)],
    ids=["the node of our address is killed", "another node is killed", "a node hangs"],
)
def test_a_node_that_is_gone_takes_only_its_own_partitions_away(
    engine: Engine, open_store: Callable[..., Store], how: str, which: int
) -> None:
    store = open_store(engine)
    node = engine.nodes[which]
    its = {index for index, part in enumerate(keys.ALL) if engine.node_of(part) is node}
    assert len(its) in (5, 6)
    for number in (0, 1):
        assert try_all(store, number) == (set(range(keys.PARTITIONS)), set(), set())
    getattr(node, how)()
    for number in (2, 3) if how == "kill" else (2,):
        took, refused, why = try_all(store, number)
        assert refused == its
        assert took == set(range(keys.PARTITIONS)) - its
        assert why == {"refused" if how == "kill" else "timeout"}
    for index, part in enumerate(keys.ALL[::5]):
        name = one_of(part).event.conversation
        assert name is not None
        with in_time():
            if 5 * index in its:
                with pytest.raises(StoreUnavailable):
                    store.histories([name])
            else:
                assert store.histories([name]).conversations
    for everything in (lambda: must_ping(store), lambda: store.counts(NOW), lambda: store.page(Filter(), None, 10)):
        with in_time(), pytest.raises(StoreUnavailable):
            everything()
    if how == "kill":  # however many requests there are meanwhile
        whys = Counter(why_not(store, one_of(keys.ALL[min(its)], number)) for number in range(10, 130))
        assert whys["refused"] > 100, whys  # a busy machine may be too slow for some
        assert whys.keys() <= {"refused", "timeout"}
    # it comes back: the killed one empty
    if how == "kill":
        node.start()
    node.thaw()
    node.ready()
    whole_again(engine)
    wait_until(lambda: works(store), "it takes events again")
    assert try_all(store, 5)[0] == set(range(keys.PARTITIONS))
    must_ping(store)
    assert sum(store.counts(NOW).counters.values())


def why_not(store: Store, webhook: Webhook) -> str:
    """The reason for which the store does not take it."""
    with pytest.raises(StoreUnavailable) as away:
        post(store, webhook)
    return away.value.reason


def test_a_slot_that_moved_is_followed(engine: Engine, open_store: Callable[..., Store]) -> None:
    """All that was written before, meanwhile, by stores that do not know of it, and after, is there."""
    stores = [open_store(engine) for _ in range(2)]
    calls = [call for call in several(Random(5), 60) if all(webhook.event.conversations for webhook in call)]
    posted = [webhook for call in calls for webhook in call]
    Random(6).shuffle(posted)
    third = len(posted) // 3
    for webhook in posted[:third]:
        post(stores[0], webhook)
    part = keys.ALL[3]
    before = engine.node_of(part)
    target = engine.nodes[2]
    assert before is not target
    move_slot(engine, keys.slot(part.tag), target)
    engine.moved[part.tag] = target
    try:
        for index, webhook in enumerate(posted[third:]):
            post(stores[index % 2], webhook)
        settle(*stores)
        assert_as_expected(stores[1], engine, Expected(calls), posted=received(posted))
    finally:
        move_slot(engine, keys.slot(part.tag), before)
        del engine.moved[part.tag]


def test_while_a_slot_moves_its_events_are_refused_or_kept_and_never_both(
    engine: Engine, open_store: Callable[..., Store]
) -> None:
    """Refused events are sent again, and in the end each one is there, once."""
    store = open_store(engine)
    part = keys.ALL[3]
    before, target = engine.node_of(part), engine.nodes[2]
    first = [one_of(part, number) for number in range(20)]
    for webhook in first:
        assert post(store, webhook)
    again = [
        webhook
        for name in NAMES[3][:20]
        for webhook in webhooks_of(status("ringing", 2, uuid=f"leg of {name}", where=name), BASE)
    ]
    waiting, refused = list(again), set()

    def during() -> None:
        if waiting:
            webhook = waiting.pop(0)
            try:
                with in_time():
                    post(store, webhook)
            except StoreUnavailable as away:
                refused.add(away.reason)
                waiting.append(webhook)

    move_slot(engine, keys.slot(part.tag), target, during)
    engine.moved[part.tag] = target
    try:
        assert refused
        for webhook in again:
            post(store, webhook)
        counts = store.counts(NOW)
        assert (counts.live + counts.presumed_ended, counts.ended) == (20, 0)
        assert {name: counts.counters.get(name, 0) for name in ("started", "ringing")} == {"started": 0, "ringing": 20}
        assert [len(store.records(name)) for name in NAMES[3][:20]] == [2] * 20
    finally:
        move_slot(engine, keys.slot(part.tag), before)
        del engine.moved[part.tag]


def test_a_cluster_that_cannot_be_found_is_away_and_found_once_it_is_there(engine: Engine) -> None:
    for node in engine.nodes:
        node.kill()
    store = Store(engine.address, read=read_record, retention=NOW - BASE)
    for ask in (store.start, lambda: must_ping(store), lambda: store.counts(NOW), lambda: store.histories(["CON-1"])):
        with in_time(), pytest.raises(StoreUnavailable) as away:
            ask()
        assert away.value.reason == "cluster"
    for node in engine.nodes:
        node.start()
    for node in engine.nodes:
        node.ready()
    whole_again(engine)
    wait_until(lambda: opens(store), "it is found")
    must_ping(store)
    store.stop()


def test_nobody_waits_while_the_slots_are_read_again(
    engine: Engine, open_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(engine)
    assert try_all(store, 0)[0] == set(range(keys.PARTITIONS))
    gone = engine.nodes[1]
    its = {index for index, part in enumerate(keys.ALL) if engine.node_of(part) is gone}
    reading, finish = threading.Event(), threading.Event()
    really = NodesManager.initialize

    def slowly(manager: NodesManager) -> None:
        reading.set()
        assert finish.wait(30.0)
        really(manager)

    monkeypatch.setattr(NodesManager, "initialize", slowly)
    gone.kill()
    numbers = count(1)
    while not reading.is_set():
        assert try_all(store, next(numbers))[1] == its
    assert try_all(store, next(numbers))[1] == its
    gone.start()
    gone.ready()
    finish.set()
    wait_until(lambda: not try_all(store, next(numbers))[1], "its node is found again")


@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_many_threads_notice_no_more_of_a_node_that_is_gone_than_one(
    engine: Engine, open_store: Callable[..., Store], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeouts, "WRITE_SECONDS", 2.0)  # on a busy machine ten threads take longer
    store = open_store(engine)
    gone = engine.nodes[1]
    getattr(gone, how)()
    failed: list[str] = []

    def work(number: int) -> None:
        for step in range(20):
            part = keys.ALL[(number + step) % keys.PARTITIONS]
            try:
                with in_time():
                    post(store, one_of(part, number * 20 + step))
            except StoreUnavailable as away:
                if engine.node_of(part) is not gone:
                    failed.append(f"partition {keys.ALL.index(part)}: {away.reason}: {away}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
