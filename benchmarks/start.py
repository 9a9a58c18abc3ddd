"""How long callers wait for a server that has just been started: from the start of the process to the first NCCO.

    python -m benchmarks.start [--starts 10] [--other ../before]

gunicorn with one worker, in production, with a store that runs already; each start is a new one. The processor time is
that of gunicorn's master and its worker until then: on a busy machine it says more. With another checkout, which needs
a .venv of its own, both take turns. Needs /proc, so Linux.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks import servers
from benchmarks.cpu import children, used_by
from benchmarks.load import run
from benchmarks.webhooks import calls, request


class Start(NamedTuple):
    """Seconds until the first NCCO: by the clock, and of the processor."""

    waited: float
    used: float


def main() -> int:
    """Start, ask, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--other", type=Path, help="checkout to compare with")
    options = parser.parse_args()
    checkouts = [servers.ROOT, *([options.other.resolve()] if options.other else [])]
    found: dict[Path, list[Start]] = {checkout: [] for checkout in checkouts}
    with servers.store() as address:
        for number in range(options.starts + 1):  # the first one compiles modules
            for checkout in checkouts if number % 2 else reversed(checkouts):
                measured = start(checkout, address)
                if number:
                    found[checkout].append(measured)
    for checkout, starts in found.items():
        waited, used = (statistics.median(column) for column in zip(*starts, strict=True))
        best = min(each.waited for each in starts)
        print(f"{checkout}: first NCCO after {waited:.2f} s ({best:.2f} at best), {used:.2f} s of CPU")
    return 0


def start(checkout: Path, address: str) -> Start:
    """One start of *checkout*."""
    answer, _ = next(calls())
    asked = [request("/voice/answer", answer)]
    began = time.monotonic()
    with servers.server("wsgi:app", address, "--workers", "1", checkout=checkout) as server:
        result = run(server.port, asked, connections=1, most_seconds=30)
        waited = time.monotonic() - began
        if not result.answered:
            sys.exit(f"{checkout}: no NCCO, but {result.others}")
        used = used_by(server.pid) + sum(map(used_by, children(server.pid)))
    return Start(waited, used)


if __name__ == "__main__":
    sys.exit(main())
