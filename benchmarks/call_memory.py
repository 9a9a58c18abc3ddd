"""How many bytes of Redis a call takes in a store of some size, and what they are for.

    python -m benchmarks.call_memory [--calls 6000] [--engine PROGRAM]

Calls of two legs and seven events with their answer request, through a server with one worker. The first half fills
what has a fixed size, and lets sorted sets and hashes grow out of their small forms; the second half is counted. Below
that are the bytes of each kind of key (MEMORY USAGE), for a call of all of them; what is missing to the sum is the
table of keys, and what the allocator keeps.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from redis import Redis

from app.store import keys
from benchmarks import servers
from benchmarks.cpu import send
from benchmarks.webhooks import calls, request

TOGETHER = 1000  # calls that are prepared at a time: tokens get too old
SPREAD_SECONDS = 3600  # figures are kept by the hour
MOST_SECONDS = 600  # until the figures of all calls are counted
KIND = re.compile(r"(?:\{\w+\}|switchhook:)(\w+:?)")  # of a key, as docs/store.md lists them


def main() -> int:
    """Send both halves, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--engine", help="a redis-server; by default the embedded engine")
    options = parser.parse_args()
    half = options.calls // 2
    with servers.store(options.engine) as address, servers.server("wsgi:app", address, "--workers", "1") as server:
        servers.get(server.port, "/readyz")
        redis, made = Redis.from_url(address), _requests()
        before = after_sending(redis, server.port, made, half)
        used = (after_sending(redis, server.port, made, half) - before) / half
        print(f"{used:.0f} bytes a call, of the {half:,} after the first {half:,}")
        for kind, size in by_kind(redis).most_common():
            if each := round(size / (2 * half)):
                print(f"{each:8}  {kind}")
    return 0


def after_sending(redis: Redis, port: int, made: Iterator[list[bytes]], count: int) -> int:
    """The bytes that are used after so many more calls."""
    for first in range(0, count, TOGETHER):
        some = islice(made, min(TOGETHER, count - first))
        send(port, [each for call in some for each in call], 16)
    deadline = time.monotonic() + MOST_SECONDS
    while sum(redis.zcard(part.touched) for part in keys.ALL):
        if time.monotonic() > deadline:
            sys.exit("the figures of the calls were not counted in time")
        time.sleep(1)
    return int(redis.info("memory")["used_memory"])


def by_kind(redis: Redis) -> Counter[str]:
    """The bytes of all keys, by kind."""
    found = Counter[str]()
    names = list(redis.scan_iter(count=1000))
    for first in range(0, len(names), TOGETHER):
        some = names[first : first + TOGETHER]
        with redis.pipeline(transaction=False) as pipe:
            for key in some:
                pipe.memory_usage(key, samples=0)
            sizes = pipe.execute()
        for key, size in zip(some, sizes, strict=True):
            kind = KIND.match(key.decode(errors="replace"))
            found[kind[1] if kind else "other"] += size or 0
    return found


def _requests() -> Iterator[list[bytes]]:
    """The requests of a call, without end."""
    for answer, events in calls(SPREAD_SECONDS):
        yield [request("/voice/answer", answer), *(request("/voice/event", event) for event in events)]


if __name__ == "__main__":
    sys.exit(main())
