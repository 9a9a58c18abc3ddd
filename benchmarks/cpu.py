"""CPU time of a worker per event and per answer, in this checkout and in another one.

    python -m benchmarks.cpu --other ../before [--rounds 3] [--requests 5000] [--connections 8]

Both versions take turns, each time as a fresh server with one worker and a store of its own. User and system time of
the worker count, what it writes after its reply included; the machine may be busy with other things meanwhile.
Needs /proc, so Linux. The other checkout needs its own .venv.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from benchmarks import servers
from benchmarks.load import run
from benchmarks.webhooks import calls, request

TICKS = os.sysconf("SC_CLK_TCK")  # the unit of CPU times in /proc/<pid>/stat, per second
QUIET = 0.2  # seconds without work, after which all is written
WARM_UP = 500  # requests that are not measured
KINDS = ("start", "event", "answer")


def main() -> int:
    """Measure both, print microseconds and ratios; 1 if any request failed."""
    options = _arguments()
    used: dict[str, dict[Path, list[float]]] = {kind: {options.other: [], servers.ROOT: []} for kind in KINDS}
    for number in range(options.rounds):
        turns = [options.other, servers.ROOT]
        for checkout in turns if number % 2 == 0 else reversed(turns):
            for kind, microseconds in measure(checkout, options.requests, options.connections):
                used[kind][checkout].append(microseconds)
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    print(f"{'microseconds of CPU':20}{'other':>12}{'this':>12}{'ratio':>8}   from      to")
    for kind, times in used.items():
        other, this = times[options.other], times[servers.ROOT]
        ratios = [b / a for a, b in zip(other, this, strict=True)]
        print(
            f"{'a start' if kind == 'start' else f'an {kind}':20}"
            f"{statistics.median(other):12.1f}{statistics.median(this):12.1f}"
            f"{statistics.median(ratios):8.3f}{min(ratios):8.3f}{max(ratios):8.3f}"
        )
    return 0


def measure(checkout: Path, count: int, connections: int) -> Iterator[tuple[str, float]]:
    """For each kind the worker's microseconds, per request where there are requests."""
    with servers.store() as address, servers.server("wsgi:app", address, "--workers", "1", checkout=checkout) as server:
        servers.get(server.port, "/readyz")  # the first request waits until the app is imported
        worker = only_child(server.pid)
        yield "start", settled(worker) * 1e6
        for kind in ("event", "answer"):
            for measured, number in ((False, WARM_UP), (True, count)):
                prepared = list(islice(requests_of(kind), number))
                before = settled(worker)
                send(server.port, prepared, connections)
                if measured:
                    yield kind, (settled(worker) - before) / number * 1e6
        if children(server.pid) != [worker]:
            sys.exit(f"{checkout}: the worker was replaced")


def requests_of(kind: str) -> Iterator[bytes]:
    """Signed requests without end: the events of the published call under other ids, or its answer request."""
    for answer, events in calls():
        if kind == "answer":
            yield request("/voice/answer", answer)
        else:
            yield from (request("/voice/event", event) for event in events)


def send(port: int, requests: Sequence[bytes], connections: int) -> None:
    """Send *requests*, each once; ends this program if one of them has no 2xx."""
    result = run(port, requests, connections=connections, most_seconds=300)
    if len(result.answered) != len(requests):
        sys.exit(f"{len(result.answered)} of {len(requests)} requests succeeded; other answers: {result.others}")


def children(pid: int) -> list[int]:
    """The processes that *pid* started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def only_child(pid: int) -> int:
    """The one process that *pid* started: the worker of a gunicorn with one."""
    (child,) = children(pid)
    return child


def used_by(pid: int) -> float:
    """Seconds of user and system time of a process, all threads included. Source: proc(5), /proc/<pid>/stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def used_finely(pid: int) -> float:
    """The same, to the microsecond, but not what threads used that have ended. Source: sched-stats in Linux's docs."""
    tasks = Path(f"/proc/{pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9


def settled(pid: int) -> float:
    """The same, once the process has nothing left to do."""
    used = used_by(pid)
    while True:
        time.sleep(QUIET)
        before, used = used, used_by(pid)
        if used - before <= 1 / TICKS:
            return used


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--other", type=Path, required=True, help="checkout to compare with, with a .venv of its own")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=5000, help="of each kind, in each round")
    parser.add_argument("--connections", type=int, default=8)
    options = parser.parse_args()
    options.other = options.other.resolve()
    return options


if __name__ == "__main__":
    sys.exit(main())
