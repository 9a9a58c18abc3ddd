"""What happens to the nodes of a cluster: one is killed and starts again, a replica takes over, slots move."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from redis.exceptions import RedisError

from app.store import keys
from tests.engines import Engine, Node, is_replica, wait_until

# What is acknowledged is in the file before the reply is sent. It stays there when a node is killed, and so do its
# slots, which are in a file beside it (nodes.conf).
# https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/#how-durable-is-the-append-only-file
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


def is_primary(node: Node) -> bool:
    """Whether it has slots of its own now."""
    with suppress(RedisError):
        return bool(node.client.info("replication")["role"] == "master")
    return False


def primaries(engine: Engine) -> list[Node]:
    """The nodes that take writes now, which may be others than at the start."""
    return [node for node in engine.nodes if is_primary(node)]


def flush(engine: Engine) -> None:
    """Delete all data."""
    for node in primaries(engine):
        node.client.flushall()


def owner_of(engine: Engine, slot: int) -> Node:
    """The node that has *slot* now."""
    slots = primaries(engine)[0].client.execute_command("CLUSTER SLOTS")
    port = next(where[1] for first, last, where, *_ in slots if first <= slot <= last)
    return next(node for node in engine.nodes if node.port == port)


def replica_of(engine: Engine, primary: Node) -> Node:
    """The replica of *primary*."""
    found = {node: node.client.info("replication") for node in engine.nodes if node is not primary}
    return next(node for node, info in found.items() if info.get("master_port") == primary.port)


def settled(engine: Engine) -> bool:
    """Whether each node is there, and each has its replica, or is one that has all of its primary."""
    for node in engine.nodes:
        try:
            info = node.client.info("replication")
            state = node.client.execute_command("CLUSTER INFO")
        except RedisError:
            return False
        is_whole = info["connected_slaves"] == 1 if info["role"] == "master" else is_replica(node)
        if not is_whole or (state["cluster_state"], state["cluster_slots_ok"]) != ("ok", str(keys.SLOTS)):
            return False
    return True


def restart(engine: Engine, primary: Node) -> None:
    """Kill *primary*, and start it again with its file; its replica does not take over meanwhile."""
    replica = replica_of(engine, primary)
    replica.client.config_set("cluster-replica-no-failover", "yes")
    primary.kill()
    primary.start()
    primary.ready()
    wait_until(lambda: settled(engine), "it is whole again")
    replica.client.config_set("cluster-replica-no-failover", "no")
    assert is_primary(primary), "what it has comes from its file alone"


def fail_over(engine: Engine, primary: Node) -> None:
    """Kill *primary*; its replica takes over, and then it comes back as a replica of that."""
    heir = replica_of(engine, primary)
    primary.kill()
    wait_until(lambda: is_primary(heir), "the replica takes over")
    primary.start()
    primary.ready()
    wait_until(lambda: settled(engine), "it is whole again")
    assert not is_primary(primary)


def hand_over(engine: Engine, primary: Node) -> None:
    """Let its replica take over from *primary*, which goes on as a replica: a planned fail-over.

    https://redis.io/docs/latest/commands/cluster-failover/
    """
    heir = replica_of(engine, primary)
    heir.client.execute_command("CLUSTER FAILOVER")
    wait_until(lambda: is_primary(heir) and settled(engine), "its replica has taken over")


def move_slot(engine: Engine, slot: int, target: Node, during: Callable[[], None] = lambda: None) -> None:
    """Hand *slot* over to *target* as an operator would, key by key; *during* runs after each of them.

    https://redis.io/docs/latest/commands/cluster-setslot/
    """
    source = owner_of(engine, slot)
    ids = {node: node.client.execute_command("CLUSTER MYID").decode() for node in engine.nodes}
    target.client.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[source])
    source.client.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[target])
    while moving := source.client.execute_command("CLUSTER GETKEYSINSLOT", slot, 100):  # new ones may come
        for key in moving:
            source.client.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
            during()
    for node in (target, source, *primaries(engine)):
        node.client.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[target])
