"""What an event costs in a store of a million conversations, beside one in an empty store.

    python -m benchmarks.full_store [--stored 1000000] [--rounds 6] [--seconds 5] [--connections 32] [--engine PROGRAM]

Both stores are on this machine, and a server with one worker on each, in turn. The rate is noisy; what an event takes
of the processor of worker and Redis says more. Filling takes five minutes, and 1 GB of memory. The engine is the
redis-server on the path, if there is one: that has jemalloc, as packages and managed services have. The embedded one
has the C library's malloc, which gets slow in a large heap.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from datetime import UTC, datetime, timedelta

from app.store.link import Address
from benchmarks.old_calls import fill
from benchmarks.scale import Taken, measure, single


def main() -> int:
    """Fill one, measure in turn, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--stored", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each turn, at most")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--engine", default=shutil.which("redis-server"), help="the program; by default see above")
    options = parser.parse_args()
    with single(options.engine) as empty, single(options.engine) as full:
        fill(Address(full.address), 0, options.stored, datetime.now(UTC) - timedelta(days=1))
        turns = {"empty": empty, f"{options.stored:,}": full}
        taken = {name: list[Taken]() for name in turns}
        for number in range(options.rounds):
            empty.clients[0].flushdb()
            for name in turns if number % 2 else reversed(turns):
                taken[name].append(measure(turns[name], 1, options.seconds, options.connections))
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        allocator = full.clients[0].info("memory")["mem_allocator"]
    print(f"allocator of the engine: {allocator}")
    print(f"{'conversations':14}{'events/s':>10}{'worker µs':>11}{'Redis µs':>10}")
    for name, rounds in taken.items():
        rate, worker, redis, *_ = (statistics.median(values) for values in zip(*rounds, strict=True))
        print(f"{name:14}{rate:10.0f}{worker:11.0f}{redis:10.0f}")
    before, after = taken.values()
    for what, ratios in {
        "rate": [b.rate / a.rate for a, b in zip(before, after, strict=True)],
        "worker µs": [b.worker / a.worker for a, b in zip(before, after, strict=True)],
        "Redis µs": [b.redis / a.redis for a, b in zip(before, after, strict=True)],
    }.items():
        print(f"ratio of {what}: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f} by round)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
