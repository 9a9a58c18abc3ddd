"""Replicas that confirm what is written: what was kept is still there after a fail-over."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from time import sleep

import pytest

from app.store import keys
from app.store.errors import StoreUnavailable
from app.store.link import Address, Command, Link
from app.store.operations import RUNNING_SECONDS
from app.store.redis_errors import NotReplicated
from app.store.store import Store
from tests import cluster_nodes, engines
from tests.engines import Engine, Node, wait_until
from tests.generated import Webhook
from tests.store.posting import numbered, one_of, post, post_surely

pytestmark = pytest.mark.short_timeouts
AWAY = {"replicas", "timeout"}  # why it takes nothing: the second on a busy machine


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    with engines.replicated() as engine:
        yield engine


@pytest.fixture
def engine(shared: Engine) -> Iterator[Engine]:
    """A primary and its replica, empty."""
    shared.flush()
    yield shared
    shared.nodes[1].thaw()


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[Engine]:
    with engines.start_cluster(replicas=True) as engine:
        yield engine


def waiting(engine: Engine, replicas: int = 1) -> Engine:
    """The same, at whose address replicas confirm."""
    return engine.at(engine.address._replace(replicas=replicas))


def why_not(store: Store, webhook: Webhook) -> str | None:
    """The reason for which the store does not take it; None: it does."""
    try:
        post(store, webhook)
    except StoreUnavailable as away:
        return away.reason
    return None


def test_a_command_that_wrote_nothing_is_confirmed_only_with_what_was_there_before(engine: Engine) -> None:
    """WAIT alone is not enough: it waits for what its own connection wrote, and a repeat may write nothing."""
    key = keys.ALL[3].probe
    with closing(Link(engine.address)) as other, closing(Link(engine.address, replicas=1)) as link:
        assert link.exchange([Command(key, ("GET", key))]) == [None]
        engine.nodes[1].freeze()
        assert other.exchange([Command(key, ("SET", key, "1"))]) == [b"OK"]
        for _ in range(2):
            (reply,) = link.exchange([Command(key, ("GET", key))])
            assert isinstance(reply, NotReplicated), reply
        engine.nodes[1].thaw()
        wait_until(lambda: link.exchange([Command(key, ("GET", key))]) == [b"1"], "the replica confirms")


def test_an_event_is_kept_once_a_replica_has_it(engine: Engine, open_store: Callable[..., Store]) -> None:
    store = open_store(waiting(engine))
    post_surely(store, numbered(1))
    replica = engine.nodes[1]
    assert replica.client.exists(keys.ALL[keys.partition("CON-1")].events(b"CON-1"))
    replica.freeze()
    assert {why_not(store, numbered(number)) for number in (1, 2, 3)} <= AWAY
    wait_until(lambda: store.ping() == "replicas", "it says what is missing")
    assert "CON-2" in store.histories(["CON-2"]).conversations  # it can be read, and a repeat changes nothing
    replica.thaw()
    wait_until(lambda: why_not(store, numbered(2)) is None, "a replica confirms")
    assert len(store.histories(["CON-2"]).conversations["CON-2"]) == 1


def test_a_request_that_no_replica_confirmed_is_done_when_it_is_repeated(
    engine: Engine, open_store: Callable[..., Store]
) -> None:
    """Its key is on the primary, and must not say for half a minute that the first request is under way."""
    store = open_store(waiting(engine))
    engine.nodes[1].freeze()
    with pytest.raises(StoreUnavailable):
        store.begin_once("me", "key", "digest", "first")
    engine.nodes[1].thaw()

    def done() -> bool:
        try:
            return store.begin_once("me", "key", "digest", "repeat") is None
        except StoreUnavailable:
            return False

    wait_until(done, "the repeat is the first", seconds=RUNNING_SECONDS / 2)


def test_more_replicas_than_there_are_keep_nothing(engine: Engine, open_store: Callable[..., Store]) -> None:
    store = open_store(engine)
    two = Store(engine.address._replace(replicas=2), read=store._read, retention=store.retention)
    with pytest.raises(StoreUnavailable, match=r"1 of 2 replicas confirmed \(REDIS_WAIT_REPLICAS\)"):
        post(two, numbered(1))
    two.stop()


@pytest.mark.parametrize("replicas", [0, 1])
def test_a_replica_that_takes_over_has_all_that_was_kept_if_it_had_to_confirm(
    open_store: Callable[..., Store], replicas: int
) -> None:
    """And without that may lack what came last."""
    with engines.replicated() as engine:
        store, (primary, replica) = open_store(waiting(engine, replicas)), engine.nodes
        post_surely(store, numbered(0))
        wait_until(lambda: replica.client.dbsize() == primary.client.dbsize(), "the replica has it")
        replica.freeze()
        primary.client.execute_command("CLIENT KILL TYPE replica")  # else the system keeps for it what is sent now
        kept = [0, *(number for number in range(1, 5) if why_not(store, numbered(number)) is None)]
        assert kept == ([0] if replicas else [0, 1, 2, 3, 4])
        primary.kill()
        replica.thaw()
        replica.client.replicaof("NO", "ONE")
        after = open_store(Engine("promoted", [replica]))
        names = [f"CON-{number}" for number in kept]
        lost = set(names) - set(after.histories(names).conversations)
        assert lost == (set() if replicas else set(names[1:]))


def test_a_primary_that_becomes_a_replica_is_left_for_the_one_that_its_address_leads_to_now(
    open_store: Callable[..., Store],
) -> None:
    """A planned fail-over of a hosted Redis: its name moves, and connections to the former primary stay open."""
    with engines.replicated() as engine:
        primary, replica = engine.nodes
        address = primary.folder / "socket"
        store = open_store(engine.at(Address(f"unix://{address}")))
        post_surely(store, numbered(1))
        primary.client.execute_command("FAILOVER")
        wait_until(lambda: replica.client.info("replication")["role"] == "master", "it has been handed over")
        wait_until(lambda: why_not(store, numbered(2)) == "readonly", "it takes no writes")
        (replica.folder / "socket").replace(address)
        post_surely(store, numbered(2))
        after = open_store(Engine("promoted", [replica]))
        assert after.histories(["CON-1", "CON-2"]).conversations.keys() == {"CON-1", "CON-2"}


@pytest.fixture
def cluster(shared_cluster: Engine) -> Engine:
    """Three primaries and their replicas, empty; any of them may be the primary now."""
    cluster_nodes.flush(shared_cluster)
    return waiting(shared_cluster)


def test_in_a_cluster_each_node_waits_for_its_own_replica(cluster: Engine, open_store: Callable[..., Store]) -> None:
    store = open_store(cluster)
    primary = cluster_nodes.primaries(cluster)[1]
    frozen, its = cluster_nodes.replica_of(cluster, primary), partitions_of(cluster, primary)
    frozen.freeze()
    try:
        refused = {number: why_not(store, one_of(keys.ALL[number])) for number in range(keys.PARTITIONS)}
    finally:
        frozen.thaw()
    assert {number for number, why in refused.items() if why} == its
    assert {why for why in refused.values() if why} <= AWAY
    for number in its:
        post_surely(store, one_of(keys.ALL[number]))


def partitions_of(cluster: Engine, node: Node) -> set[int]:
    """The partitions that a node of a cluster has."""
    owners = [cluster_nodes.owner_of(cluster, keys.slot(part.tag)) for part in keys.ALL]
    return {number for number, owner in enumerate(owners) if owner is node}


def test_in_a_cluster_nothing_kept_is_lost_when_a_primary_is_killed_and_its_replica_takes_over(
    cluster: Engine, open_store: Callable[..., Store]
) -> None:
    """While events of all partitions come in; the killed one's are refused until the replica has taken over."""
    store, victim = open_store(cluster), cluster_nodes.primaries(cluster)[0]
    its = partitions_of(cluster, victim)
    kept: list[str] = []
    refused: Counter[str] = Counter()
    failing = threading.Thread(target=cluster_nodes.fail_over, args=(cluster, victim))
    for number in range(100_000):
        if number == 200:
            failing.start()
        webhook, name = numbered(number), f"CON-{number}"
        if (why := why_not(store, webhook)) is None:
            kept.append(name)
            if refused and keys.partition(name) in its:
                break
        else:
            refused[why] += 1
            assert keys.partition(name) in its, "the other nodes go on"
            sleep(0.01)
    failing.join()
    assert refused, "it was noticed"
    found = store.histories(kept).conversations
    assert set(kept) <= found.keys()
