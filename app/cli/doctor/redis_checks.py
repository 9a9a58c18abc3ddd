"""What `flask doctor` finds at Redis: version, policy, persistence, memory, clock, time of a round trip."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from statistics import median
from typing import Final

from app.cli.doctor.finding import Finding
from app.store.store import Store

LEAST: Final = (6, 2)  # docs/deployment.md
MOST_CLOCK_SECONDS: Final = 5.0  # apart: receipts are by the server's clock, expiry by that of Redis
SLOW_SECONDS: Final = 0.05  # a round trip; each event takes one, and a read is given up after 0.4
FULL: Final = 0.8  # of maxmemory
ROUNDS: Final = 5

Info = Mapping[bytes, bytes]


def redis_findings(store: Store) -> Iterator[Finding]:
    """Of each node, then of clock and round trip. Raises StoreUnavailable."""
    for info in store.node_infos():
        yield from (version(info), policy(info), persistence(info), memory(info))
    rounds, apart = [], 0.0
    for _ in range(ROUNDS):
        begun = time.monotonic()
        there = store.clock()
        rounds.append(time.monotonic() - begun)
        apart = time.time() - there
    yield clock(apart)
    yield round_trip(rounds)


def version(info: Info) -> Finding:
    """Valkey says its own version, and in `redis_version` that of the Redis it can replace."""
    name = "Valkey" if b"valkey_version" in info else "Redis"
    said = (info.get(b"valkey_version") or info[b"redis_version"]).decode()
    numbers = tuple(int(part) for part in re.findall(r"\d+", info[b"redis_version"].decode())[:2])
    if numbers < LEAST:
        return Finding("fault", "store version", f"{name} {said}", "Use Redis 6.2 or later, or Valkey 7.2 or later.")
    return Finding("ok", "store version", f"{name} {said}")


def policy(info: Info) -> Finding:
    """https://redis.io/docs/latest/develop/reference/eviction/"""
    found = info.get(b"maxmemory_policy", b"noeviction").decode()
    if found == "noeviction":
        return Finding("ok", "eviction policy", found)
    do = "Set maxmemory-policy to noeviction: Redis removes parts of calls when it is full."
    return Finding("fault", "eviction policy", found, do)


def persistence(info: Info) -> Finding:
    """https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/"""
    if info.get(b"aof_enabled") != b"1":
        do = "Set appendonly to yes: without it, a restart of Redis loses what came since its last snapshot."
        return Finding("advice", "persistence", "no append-only file", do)
    if info.get(b"aof_last_write_status", b"ok") != b"ok":
        return Finding(
            "fault", "persistence", "the last write to the append-only file failed", "See the disk of Redis."
        )
    return Finding("ok", "persistence", "append-only file")


def memory(info: Info) -> Finding:
    """How much of `maxmemory` is used; 0 means no limit."""
    used, limit = int(info[b"used_memory"]), int(info.get(b"maxmemory", b"0"))
    if not limit:
        return Finding("ok", "memory", f"{megabytes(used)} used, no limit (maxmemory)")
    found = f"{megabytes(used)} of {megabytes(limit)} used"
    if used < FULL * limit:
        return Finding("ok", "memory", found)
    do = "Give Redis more memory, lower RETENTION_DAYS, or set MAX_MEMORY_MB: then the oldest ended calls go first."
    return Finding("fault", "memory", found, do)


def clock(apart: float, than: str = "Redis") -> Finding:
    """*apart*: seconds by which this machine's clock is ahead of that of *than*."""
    found = f"{abs(apart):.1f} s {'ahead of' if apart > 0 else 'behind'} {than}"
    if abs(apart) <= MOST_CLOCK_SECONDS:
        return Finding("ok", f"clock and {than}", found)
    return Finding(
        "fault",
        f"clock and {than}",
        found,
        "Set the clocks by NTP: the age of signatures and of calls is counted by them.",
    )


def round_trip(seconds: Iterable[float]) -> Finding:
    """The median of some round trips."""
    usual = median(seconds)
    found = f"{usual * 1000:.1f} ms"
    if usual <= SLOW_SECONDS:
        return Finding("ok", "round trip to Redis", found)
    return Finding("advice", "round trip to Redis", found, "Put Redis into the region of this server.")


def megabytes(size: int) -> str:
    """*size* in bytes, to be read."""
    return f"{size / 2**20:.1f} MB"
