"""What an event costs each part of a deployment, and how the rate grows: `python -m benchmarks.scale`.

    python -m benchmarks.scale [--rounds 3] [--seconds 5] [--connections 32]

One and two workers on one node, and on the three primaries of a cluster, in turn; all on this machine, so that with two
cores the rate grows no further than these allow. What counts for a larger deployment is what one event takes of
each part: processor time of a worker, of Redis and of its busiest node, and bytes in and out of Redis. docs/scale.md
goes on from there.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple

from redis import Redis

from benchmarks import servers
from benchmarks.cpu import children, used_by
from benchmarks.load import run
from benchmarks.webhooks import calls, request
from tests.engines import start_cluster

PREPARED = 3000  # calls of seven events, for each turn
QUIET_SECONDS = 0.5  # until all is written


class Taken(NamedTuple):
    """What a round took, for each event. Times in microseconds, the rate in events a second."""

    rate: float
    worker: float
    redis: float  # all nodes together, and
    busiest: float  # the one that took most of it: what a primary more would take from
    received: float  # bytes by Redis
    sent: float


class Nodes(NamedTuple):
    """A store: the address of one of its nodes, and all of them."""

    address: str
    clients: list[Any]
    settings: dict[str, str]

    def used(self) -> list[tuple[float, int, int]]:
        """Seconds of the processor, bytes received and bytes sent, of each node since it started."""
        return [
            (
                info["used_cpu_user"] + info["used_cpu_sys"],
                info["total_net_input_bytes"],
                info["total_net_output_bytes"],
            )
            for info in (client.info() for client in self.clients)
        ]


@contextmanager
def single(program: str | None = None) -> Iterator[Nodes]:
    """One node, of the embedded engine or of *program*."""
    with servers.store(program) as address:
        yield Nodes(address, [Redis.from_url(address)], {})


@contextmanager
def cluster() -> Iterator[Nodes]:
    """Three primaries."""
    with start_cluster() as engine:
        yield Nodes(engine.address.url, [node.client for node in engine.nodes], {"REDIS_CLUSTER": "on"})


def measure(nodes: Nodes, workers: int, seconds: float, connections: int) -> Taken:
    """One round on a server with so many workers."""
    made = [request("/voice/event", event) for _, events in islice(calls(), PREPARED) for event in events]
    options = ("--workers", str(workers))
    with servers.server("wsgi:app", nodes.address, *options, settings=nodes.settings) as server:
        for _ in range(4 * workers):
            servers.get(server.port, "/readyz")
        run(server.port, made[:500], connections=connections, most_seconds=seconds)
        time.sleep(QUIET_SECONDS)
        processes = children(server.pid)
        before, used = nodes.used(), sum(map(used_by, processes))
        result = run(server.port, made[500:], connections=connections, most_seconds=seconds)
        time.sleep(QUIET_SECONDS)
        after, used = nodes.used(), sum(map(used_by, processes)) - used
    if result.others:
        sys.exit(f"not every event was kept: {result.others}")
    count = len(result.answered)
    nodes_took = [
        [(b - a) / count for a, b in zip(*node, strict=True)]
        for node in zip(before, after, strict=True)  # of one node
    ]
    redis, received, sent = map(sum, zip(*nodes_took, strict=True))
    busiest = max(seconds for seconds, _, _ in nodes_took)
    return Taken(result.per_second, used / count * 1e6, redis * 1e6, busiest * 1e6, received, sent)


def main() -> int:
    """Measure in turn, and print the medians."""
    options = _arguments()
    turns = {(store, workers): list[Taken]() for store in (single, cluster) for workers in (1, 2)}
    for number in range(options.rounds):
        for (store, workers), taken in turns.items():
            with store() as nodes:
                taken.append(measure(nodes, workers, options.seconds, options.connections))
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    print(f"{'':24}{'events/s':>10}{'worker µs':>11}{'Redis µs':>10}{'busiest':>10}{'bytes in':>10}{'bytes out':>10}")
    for (store, workers), taken in turns.items():
        rate, worker, redis, busiest, received, sent = _medians(taken)
        name = f"{'a node' if store is single else '3 primaries'}, {workers} worker{'s' * (workers > 1)}"
        print(f"{name:24}{rate:10.0f}{worker:11.0f}{redis:10.0f}{busiest:10.0f}{received:10.0f}{sent:10.0f}")
    return 0


def _medians(taken: Sequence[Taken]) -> Taken:
    return Taken(*(statistics.median(values) for values in zip(*taken, strict=True)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each turn, at most")
    parser.add_argument("--connections", type=int, default=32)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
