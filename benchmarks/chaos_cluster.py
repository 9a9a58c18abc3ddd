"""Faults of a store that is a cluster, three primaries with a replica each: in `benchmarks/chaos.py` and `acted.py`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import cycle
from random import Random
from typing import Final

from app.store import keys
from benchmarks.chaos_faults import FAULTS, Faults, Target
from tests import cluster_nodes
from tests.engines import Engine, Node, start_cluster

OF_THE_SERVER: Final = ("worker", "workers", "master", "reload", "restart")
BETWEEN_KEYS: Final = 0.002  # seconds, while a slot moves
BETWEEN_FAULTS: Final = 15.0  # seconds, of `disturbed`


def restart_primary(cluster: Engine, chance: Random) -> None:
    """A primary is killed, and starts again with its append-only file."""
    cluster_nodes.restart(cluster, _one_of(cluster, chance))


def fail_over(cluster: Engine, chance: Random) -> None:
    """A primary is killed, its replica takes over, and it comes back as the replica."""
    cluster_nodes.fail_over(cluster, _one_of(cluster, chance))


def hand_over(cluster: Engine, chance: Random) -> None:
    """A primary and its replica change places."""
    cluster_nodes.hand_over(cluster, _one_of(cluster, chance))


def freeze_primary(cluster: Engine, chance: Random) -> None:
    """A primary replies to nobody for a moment, too short for its replica to take over."""
    node = _one_of(cluster, chance)
    node.freeze()
    time.sleep(chance.uniform(0.2, 1.0))
    node.thaw()


def move_slots(cluster: Engine, chance: Random) -> None:
    """The slots of two partitions go to other primaries, key by key."""
    for slot in (keys.slot(part.tag) for part in chance.sample(keys.ALL, 2)):
        here = cluster_nodes.owner_of(cluster, slot)
        target = chance.choice([node for node in cluster_nodes.primaries(cluster) if node is not here])
        cluster_nodes.move_slot(cluster, slot, target, partial(time.sleep, BETWEEN_KEYS))


OF_THE_NODES: Final = {
    "primary restarted": (restart_primary, 3),
    "replica takes over": (fail_over, 3),
    "planned fail-over": (hand_over, 2),
    "primary frozen": (freeze_primary, 2),
    "slots moved": (move_slots, 4),
}


@contextmanager
def clustered() -> Iterator[tuple[Faults, Mapping[str, str]]]:
    """A cluster: its faults and the server's, and the settings with which a server keeps its calls there."""
    with start_cluster(replicas=True, options=cluster_nodes.DURABLE) as cluster:
        yield faults_on(cluster), settings_of(cluster)


@contextmanager
def disturbed() -> Iterator[Mapping[str, str]]:
    """A cluster whose nodes have one fault after the other; the settings with which a server keeps its calls there."""
    over = threading.Event()
    with start_cluster(replicas=True, options=cluster_nodes.DURABLE) as cluster:

        def disturb() -> None:
            chance = Random(1)
            for fault, _ in cycle(OF_THE_NODES.values()):
                if over.wait(BETWEEN_FAULTS):
                    break
                fault(cluster, chance)

        thread = threading.Thread(target=disturb)
        thread.start()
        try:
            yield settings_of(cluster)
        finally:
            over.set()
            thread.join()


def faults_on(cluster: Engine) -> Faults:
    """The faults of a server whose store is *cluster*."""

    def of_node(fault: Callable[[Engine, Random], None]) -> Callable[[Target, Random], None]:
        return lambda _, chance: fault(cluster, chance)

    of_nodes = {name: (of_node(fault), weight) for name, (fault, weight) in OF_THE_NODES.items()}
    return {name: FAULTS[name] for name in OF_THE_SERVER} | of_nodes


def settings_of(cluster: Engine) -> dict[str, str]:
    """The settings of a server whose store is *cluster*; what is kept is confirmed by a replica."""
    return {"REDIS_URL": cluster.address.url, "REDIS_CLUSTER": "on", "REDIS_WAIT_REPLICAS": "1"}


def _one_of(cluster: Engine, chance: Random) -> Node:
    return chance.choice(cluster_nodes.primaries(cluster))
