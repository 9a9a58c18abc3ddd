"""What a list costs, and an event, while the store grows to a million conversations.

    python -m benchmarks.reading [--sizes 1000,100000,1000000] [--repeats 15]

The newest 1,000 are whole two-leg calls of seven events; those before them are of `benchmarks.old_calls`. Measured is
processor time, of this process and of the engine: the machine may do other things. A first list is one of calls that
this process has not read before.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Final

from app.calls import folded_calls, queries
from app.calls.call_queries import CallFilter, CallQueries
from app.calls.queries import Calls
from app.store import histories
from app.store.link import Link
from app.store.store import Store
from benchmarks.old_calls import PIPELINED, RETENTION, fill, old_one
from tests import engines
from tests.engines import Engine
from tests.generated import read_record
from tests.store.test_memory import post_calls, published_call

WHOLE: Final = 1000
SILENT: Final = timedelta(hours=2)
LIMIT: Final = 50
RARE: Final = "447999990123"  # whole, and of nobody: all have its last four digits
WANTED: Final = {
    "all": CallFilter(),
    "state=live": CallFilter(state="live"),
    "state=ended": CallFilter(state="ended"),
    "a number of nobody, its end that of all": CallFilter(number=RARE, whole=True),
}


def main() -> int:
    """Fill and measure, size by size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="1000,100000,1000000")
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    with engines.single() as engine:
        store = Store(engine.address, read=read_record, retention=RETENTION)
        store.start()
        now, stored, smallest = datetime.now(UTC), 0, dict[str, float]()
        chance = Random(1)
        post_calls(store, [list(published_call(chance, now - timedelta(seconds=n))) for n in range(WHOLE)])
        print(f"{'conversations':>14}  {'ms':>8}{'ratio':>8}")
        for size in map(int, options.sizes.split(",")):
            fill(engine.address, stored, size - WHOLE, now - timedelta(days=1))
            stored = max(stored, size - WHOLE)
            for what, ms in measure(store, engine, options.repeats, now):
                smallest.setdefault(what, ms)
                print(f"{size:14,}  {ms:8.2f}{ms / smallest[what]:8.2f}  {what}", flush=True)
        store.stop()
    return 0


def measure(store: Store, engine: Engine, repeats: int, now: datetime) -> Iterator[tuple[str, float]]:
    """Milliseconds of processor time for each kind of read, and for an event."""
    calls = CallQueries(Calls(store, SILENT, mask_numbers=True))

    def read(wanted: CallFilter) -> None:
        page = calls.page(wanted, limit=LIMIT)
        calls.dump_all(page.calls, "viewer", rows=True)

    def anew() -> None:
        forget()
        read(CallFilter())

    for what, wanted in WANTED.items():
        yield f"a list, {what}", median(engine, repeats, partial(read, wanted))
    yield "a first list", median(engine, repeats, anew)
    number = iter(range(10**9, 2 * 10**9))

    def event_batch() -> None:
        link = Link(engine.address)
        link.exchange([old_one(next(number), now) for _ in range(PIPELINED)], 60.0)
        link.close()

    yield f"{PIPELINED} events", median(engine, repeats, event_batch)


def forget() -> None:
    """Let this process know nothing of what it has read."""
    for recent in (folded_calls.FOLDED, folded_calls.ROWS, queries.PROJECTED, queries.DUMPED):
        recent.clear()
    histories.forget()


def median(engine: Engine, repeats: int, work: Callable[[], Any]) -> float:
    """The median of *repeats*: milliseconds of this process and of the engine."""
    work()
    taken = []
    for _ in range(repeats):
        before = processor(engine)
        work()
        taken.append(processor(engine) - before)
    return 1000 * statistics.median(taken)


def processor(engine: Engine) -> float:
    """Seconds of processor time that this process and the engine have used."""
    info: dict[str, Any] = engine.nodes[0].client.info("cpu")
    return time.process_time() + float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


if __name__ == "__main__":
    sys.exit(main())
