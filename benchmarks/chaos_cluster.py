"""Faults of a store that is a cluster, three primaries with a replica each: in `benchmarks/chaos.py` and `acted.py`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import cycle
from random import Random
from typing import Final, cast

from redis import Redis

from app.store import keys
from benchmarks.chaos_faults import Fault, Kind, Target
from tests import cluster_nodes
from tests.engines import Engine, Node, start_cluster

CLUSTER: Final = "cluster"  # what its faults concern
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


def _of_node(fault: Callable[[Engine, Random], None]) -> Fault:
    def of_target(target: Target, chance: Random) -> None:
        fault(cast("Cluster", target.store).engine, chance)

    return of_target


OF_THE_NODES: Final[Mapping[str, Callable[[Engine, Random], None]]] = {
    "primary": restart_primary,
    "taken over": fail_over,
    "handed over": hand_over,
    "node frozen": freeze_primary,
    "slots moved": move_slots,
}
WEIGHTS: Final = {"primary": 3, "taken over": 3, "slots moved": 4}  # of all others: 2
CLUSTER_FAULTS: Final[Mapping[str, Kind]] = {
    name: Kind(_of_node(fault), WEIGHTS.get(name, 2), CLUSTER) for name, fault in OF_THE_NODES.items()
}


class Cluster:
    """Three primaries with a replica each; what is written counts as kept once a replica has it.

    *engine*: nodes that others go on using; without it they are its own.
    """

    pid: int | None = None  # it has several

    def __init__(self, engine: Engine | None = None) -> None:
        self._own = ExitStack()
        self.engine = engine or self._own.enter_context(start_cluster(replicas=True, options=cluster_nodes.DURABLE))
        self.settings: Mapping[str, str] = settings_of(self.engine)

    @property
    def client(self) -> Redis:
        return cluster_nodes.primaries(self.engine)[0].client

    def end(self, number: int, away: float) -> None:  # noqa: ARG002 - it is killed, and comes back at once
        cluster_nodes.restart(self.engine, cluster_nodes.primaries(self.engine)[0])

    def wait_for_replica(self) -> None:
        """Nothing: each fault of a node waits for what it needs itself."""

    def close(self) -> None:
        self._own.close()


@contextmanager
def disturbed() -> Iterator[Mapping[str, str]]:
    """A cluster whose nodes have one fault after the other; the settings with which a server keeps its calls there."""
    over = threading.Event()
    with start_cluster(replicas=True, options=cluster_nodes.DURABLE) as cluster:

        def disturb() -> None:
            chance = Random(1)
            for fault in cycle(OF_THE_NODES.values()):
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


def settings_of(cluster: Engine) -> dict[str, str]:
    """The settings of a server whose store is *cluster*; what is kept is confirmed by a replica."""
    return {"REDIS_URL": cluster.address.url, "REDIS_CLUSTER": "on", "REDIS_WAIT_REPLICAS": "1"}


def _one_of(cluster: Engine, chance: Random) -> Node:
    return chance.choice(cluster_nodes.primaries(cluster))
