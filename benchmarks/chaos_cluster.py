"""The faults of `benchmarks/chaos.py` while the store is a cluster: three primaries with a replica each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Final

from app.store import keys
from benchmarks.chaos_faults import FAULTS, Faults, Target
from tests import cluster_nodes
from tests.engines import Engine, Node, start_cluster

OF_THE_SERVER: Final = ("worker", "workers", "master", "reload", "restart")
BETWEEN_KEYS: Final = 0.002  # seconds, while a slot moves


def restart_primary(cluster: Engine, _: Target, chance: Random) -> None:
    """A primary is killed, and starts again with its append-only file."""
    cluster_nodes.restart(cluster, _one_of(cluster, chance))


def fail_over(cluster: Engine, _: Target, chance: Random) -> None:
    """A primary is killed, its replica takes over, and it comes back as the replica."""
    cluster_nodes.fail_over(cluster, _one_of(cluster, chance))


def hand_over(cluster: Engine, _: Target, chance: Random) -> None:
    """A primary and its replica change places."""
    cluster_nodes.hand_over(cluster, _one_of(cluster, chance))


def freeze_primary(cluster: Engine, _: Target, chance: Random) -> None:
    """A primary replies to nobody for a moment, too short for its replica to take over."""
    node = _one_of(cluster, chance)
    node.freeze()
    time.sleep(chance.uniform(0.2, 1.0))
    node.thaw()


def move_slots(cluster: Engine, _: Target, chance: Random) -> None:
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


def faults_on(cluster: Engine) -> Faults:
    """The faults of a server whose store is *cluster*."""
    of_nodes = {name: (partial(fault, cluster), weight) for name, (fault, weight) in OF_THE_NODES.items()}
    return {name: FAULTS[name] for name in OF_THE_SERVER} | of_nodes


def settings_of(cluster: Engine) -> dict[str, str]:
    """The settings of a server whose store is *cluster*; what is kept is confirmed by a replica."""
    return {"REDIS_URL": cluster.address.url, "REDIS_CLUSTER": "on", "REDIS_WAIT_REPLICAS": "1"}


def _one_of(cluster: Engine, chance: Random) -> Node:
    return chance.choice(cluster_nodes.primaries(cluster))
