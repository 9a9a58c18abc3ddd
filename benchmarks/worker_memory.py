"""A worker's memory, and what an event costs it, while it takes a million events.

    python -m benchmarks.worker_memory [--events 1000000] [--every 100000] [--connections 8]

gunicorn with one worker, in production, on a store of its own; each event is distinct, signed, and of a two-leg call.
Printed is what the worker has for itself alone (RssAnon, in MB), and the microseconds of its processor for an event.
Needs /proc, so Linux.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from redis import Redis

from benchmarks import servers
from benchmarks.cpu import only_child, requests_of, send, settled

TOGETHER = 10_000  # prepared at a time: tokens get too old


def main() -> int:
    """Send, and print a line now and then."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--every", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=8)
    options = parser.parse_args()
    with servers.store() as address, servers.server("wsgi:app", address, "--workers", "1") as server:
        servers.get(server.port, "/readyz")
        worker, made, store = only_child(server.pid), requests_of("event"), Redis.from_url(address)
        print(f"{'events':>10}{'worker MB':>11}{'µs each':>9}{'Redis MB':>10}")
        print(f"{0:10,}{megabytes(worker):11.1f}", flush=True)
        for sent in range(options.every, options.events + 1, options.every):
            before = settled(worker)
            _send(server.port, made, options.every, options.connections)
            used = (settled(worker) - before) / options.every * 1e6
            print(f"{sent:10,}{megabytes(worker):11.1f}{used:9.0f}{_used_by_redis(store):10.0f}", flush=True)
    return 0


def _send(port: int, made: Iterator[bytes], count: int, connections: int) -> None:
    while count > 0:
        prepared = list(islice(made, min(TOGETHER, count)))
        send(port, prepared, connections)
        count -= len(prepared)


def megabytes(pid: int) -> float:
    """What the process *pid* has in memory for itself. Source: proc(5), /proc/<pid>/status."""
    (found,) = re.findall(r"^RssAnon:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found) / 1024


def _used_by_redis(store: Redis) -> float:
    return float(store.info("memory")["used_memory"]) / 2**20


if __name__ == "__main__":
    sys.exit(main())
