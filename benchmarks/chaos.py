"""Faults at random under load, and at the end the truth: `make chaos`, or `python -m benchmarks.chaos --seed N`.

Senders play calls without a pause: an answer, then events, each sent until there is a 200, as if Vonage never gave up.
Meanwhile the server has faults: of its processes, of its store and of its disk (`chaos_faults.py`). Then what it says
is compared with what was sent: no acknowledged event is lost, none is there twice, the counters say the same, and
nothing waits any more. Callers always got NCCO, and events got 503 only while neither the store nor the disk took them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.chaos_cluster import CLUSTER, CLUSTER_FAULTS, Cluster
from benchmarks.chaos_faults import FAULTS, PAIR, SERVER, STORE
from benchmarks.chaos_server import START_SECONDS, Supervised, patiently
from benchmarks.chaos_stores import Pair, Store
from benchmarks.chaos_truth import Truth, differences, play

SENDERS: Final = 4
MOST_PAUSE: Final = 0.4  # seconds of load between two faults
PROGRESS: Final = 8  # events that are acknowledged between two faults
ALL_FAULTS: Final = {**FAULTS, **CLUSTER_FAULTS}
# What each kind of campaign's faults concern. With PAIR there is a Redis with a replica, with CLUSTER there are six
# nodes, else the embedded store.
CAMPAIGNS: Final = {
    "embedded": (SERVER, STORE),
    "redis": (STORE, PAIR),
    "all": (SERVER, STORE, PAIR),
    "cluster": (SERVER, CLUSTER),
}
RIGHT: Final = "nothing was lost or doubled, the counters are right, and so was every response"


def campaign(
    folder: Path, concerns: Sequence[str], faults: int | None, seed: int, store: Store | None = None
) -> list[str]:
    """Let a server have faults of what they may concern; returns what came of it, and RIGHT or "wrong: …" at the end.

    *faults*: how many; first each kind comes once. None: that is all. *store*: its store; None: one that fits.
    """
    chance, truth, over = Random(seed), Truth(killed=SERVER in concerns), threading.Event()
    kinds = {name: kind for name, kind in ALL_FAULTS.items() if kind.of in concerns}
    chosen = chance.sample(list(kinds), len(kinds))
    if faults is not None:
        weights = [kind.weight for kind in kinds.values()]
        chosen = [*chosen, *chance.choices(list(kinds), weights, k=faults)][:faults]
    server = Supervised(folder, store or _store(concerns))
    senders = [
        threading.Thread(target=play, args=(server, truth, f"{seed}-{number}", over)) for number in range(SENDERS)
    ]
    try:
        patiently(server.port, "/status")
        for sender in senders:
            sender.start()
        for name in chosen:
            _progress(truth)
            truth.fault = "none"
            time.sleep(chance.uniform(0, MOST_PAUSE))
            truth.fault = name
            kinds[name].fault(server, chance)
        _progress(truth)
        over.set()
        for sender in senders:
            sender.join()
        wrong = [*truth.wrong, *differences(server.port, truth)]
    finally:
        over.set()
        server.end()
    said = [f"{len(chosen)} faults, {server.starts} starts of the server", *_came(truth, Counter(chosen))]
    return [*said, *(f"wrong: {each}" for each in wrong)] if wrong else [*said, RIGHT]


def _store(concerns: Sequence[str]) -> Store | None:
    """None: the server starts one itself."""
    if CLUSTER in concerns:
        return Cluster()
    return Pair() if PAIR in concerns else None


def _came(truth: Truth, done: Counter[str]) -> Iterator[str]:
    """What came of the requests, by the fault under way when they were sent."""
    yield f"{truth.count} events of {len(truth.acknowledged)} calls were acknowledged"
    yield f"{'fault':12} {'times':>5} {'200':>7} {'after 1 s':>10} {'longest':>8}    others"
    for name, tries in truth.tries.items():
        late, longest = sum(each > 1 for each in tries.seconds), max(tries.seconds, default=0.0)
        others = ", ".join(f"{count} x {what}" for what, count in sorted(tries.others.items()))
        yield f"{name:12} {done[name]:5} {len(tries.seconds):7} {late:10} {longest:6.2f} s    {others}"


def _progress(truth: Truth) -> None:
    """Wait until some more events were acknowledged."""
    goal, deadline = truth.count + PROGRESS, time.monotonic() + START_SECONDS
    while truth.count < goal:
        if time.monotonic() > deadline:
            raise TimeoutError("no event is acknowledged any more")
        time.sleep(0.02)


def main() -> int:
    """Print what came of the campaigns; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=200, help="in each campaign")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=CAMPAIGNS, help="one campaign; else embedded and redis")
    options = parser.parse_args()
    failed = False
    for name in [options.only] if options.only else ["embedded", "redis"]:
        with tempfile.TemporaryDirectory() as folder:
            lines = campaign(Path(folder), CAMPAIGNS[name], options.faults, options.seed)
        print(f"--- {name}, seed {options.seed}", *lines, sep="\n", flush=True)
        failed = failed or lines[-1] != RIGHT
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
