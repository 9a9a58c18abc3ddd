"""How many signed events and answers a second, beside a Flask route that does nothing: `make bench`.

    python -m benchmarks.run [--rounds 5] [--seconds 4] [--connections 32] [-- options for gunicorn]

Both servers run at the same time under the same config/gunicorn.py and take turns; what counts is the ratio, for
machines differ and are noisy. Every event is distinct and signed, and at the end every one that was acknowledged is
looked up in the store. Then: answers while six readers read a conversation of 10,000 events again and again; Redis
memory for a call of seven events, its answer request and its NCCO; the live feed, on one worker (`benchmarks.live`);
and one worker beside an Express server (`benchmarks.peers`).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import uuid
from itertools import islice
from typing import Any

from redis import Redis

from benchmarks import live, servers
from benchmarks.kept import kept
from benchmarks.load import Result, run
from benchmarks.peers import comparison
from benchmarks.readers import EVENTS_READ, READERS, keep_long_call, reading
from benchmarks.webhooks import calls, request

CALLS_FOR_MEMORY = 2000
LIVE_ROUNDS = 3  # four minutes
READING_SECONDS = 18.0


def main() -> int:
    """Measure, prove, print. 1 if an acknowledged event is missing or a request failed."""
    options = _arguments()
    with (
        servers.store() as address,
        servers.server("benchmarks.nothing:app", address, *options.gunicorn) as nothing,
        servers.server("wsgi:app", address, *options.gunicorn) as ours,
    ):
        sound = measure(options, address, nothing.port, ours.port)
        beside_readers(address, ours.port)
        memory(address, ours.port)
    live.measure(LIVE_ROUNDS, options.seconds)
    sound &= comparison.measure()
    return 0 if sound else 1


def measure(options: argparse.Namespace, address: str, nothing: int, ours: int) -> bool:
    """Take turns, print rates, latencies and the ratios; True if every acknowledged event is kept."""
    made = calls()
    rounds: dict[str, list[Result]] = {"nothing": [], "events": [], "answers": []}
    acknowledged: list[dict[str, Any]] = []
    for number in range(options.rounds + 1):  # the first one warms up
        for name, results in rounds.items():
            made_calls = [next(made) for _ in range(options.calls)]
            bodies = [event for _, events in made_calls for event in events]
            if name == "answers":  # as many: each call asks once for each of its events
                bodies = [answer | {"uuid": str(uuid.uuid4())} for answer, events in made_calls for _ in events]
            result = run(
                nothing if name == "nothing" else ours,
                [request("/voice/answer" if name == "answers" else "/voice/event", body) for body in bodies],
                connections=options.connections,
                most_seconds=options.seconds,
            )
            if name == "events":
                acknowledged += [bodies[place] for place in result.answered]
            if number:
                results.append(result)
    for name, results in rounds.items():
        rate = statistics.median(one.per_second for one in results)
        p50, p99 = (statistics.median(one.percentile(share) for one in results) for share in (0.5, 0.99))
        print(f"{name:8} {rate:8.0f} a second   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms")
    for name in ("events", "answers"):
        ratios = [b.per_second / a.per_second for a, b in zip(rounds["nothing"], rounds[name], strict=True)]
        print(
            f"ratio    {statistics.median(ratios):8.2f}            from {min(ratios):.2f} to {max(ratios):.2f}  {name}"
        )
    others = {status: count for results in rounds.values() for one in results for status, count in one.others.items()}
    missing = sum(not found for found in kept(address, acknowledged))
    shown = f"{len(acknowledged) - missing} of {len(acknowledged)} acknowledged events"
    print(f"kept     {shown}; other answers: {others or 'none'}")
    return not missing and not others


def beside_readers(address: str, port: int) -> None:
    """Print how long answers take, one after the other, while six readers read a very long conversation."""
    keep_long_call(address)
    answers = [request("/voice/answer", answer) for answer, _ in islice(calls(), 2000)]
    with reading(port) as found:
        alone = run(port, answers, connections=1, most_seconds=READING_SECONDS)
    p50, p99 = (alone.percentile(share) for share in (0.5, 0.99))
    reads = f"{found['reads']} reads of {EVENTS_READ} events"
    print(f"beside {READERS} readers ({reads})   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms")


def memory(address: str, port: int) -> None:
    """Print what a call costs Redis: seven events, the answer request and the NCCO, indexes included."""
    redis = Redis.from_url(address)
    made = calls()
    before = redis.info("memory")["used_memory"]
    for answer, events in (next(made) for _ in range(CALLS_FOR_MEMORY)):
        bodies = [request("/voice/answer", answer), *(request("/voice/event", event) for event in events)]
        run(port, bodies, connections=4, most_seconds=10)
    deadline = time.monotonic() + 10
    while json.loads(servers.get(port, "/status"))["store"]["answers_waiting"] and time.monotonic() < deadline:
        time.sleep(0.1)
    used = redis.info("memory")["used_memory"] - before
    print(f"memory   {used / CALLS_FOR_MEMORY:8.0f} bytes a call, over {CALLS_FOR_MEMORY} calls")
    redis.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn, at most")
    parser.add_argument("--calls", type=int, default=2500, help="of seven events, prepared for each turn")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("gunicorn", nargs="*", help="options for gunicorn, after --")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
