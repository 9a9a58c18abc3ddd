"""How long answers take while events come as fast as they are taken, beside a route that does nothing, loaded alike.

    python -m benchmarks.answers [--rounds 4] [--seconds 4] [--connections 32] [--only CASE …]

One worker each, in turn. So many connections send without a pause, to Switchhook signed events and to the Flask route
the same requests; another one asks meanwhile, one request after the other: for answers there, for nothing here. What
counts is the ratio of the latencies, round by round. On a machine that does other things they say little: so beside
them is the processor time that the worker used while an answer was waited for. Needs /proc, so Linux. The answers
connect to a user; the cases are

    free        another user each time
    taken       one who has as many calls as a user may have
    ended       one who has two calls, as many as a user may have, until one of them has just ended
    readers     as free, while six readers read a call of 10,000 events and lists of calls
    streams     as free, with 500 streams of one call each
    everything  as free, with 500 streams of all calls
    hangs       as free, while Redis does not reply
    gone        as free, while Redis is not there

In the last two the events wait on disk, and are written before the next turn.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import servers
from benchmarks.cpu import only_child, used_finely
from benchmarks.live import EVERYTHING, ONE_CALL, listening
from benchmarks.load import Result, percentile, run
from benchmarks.outage import Store, waiting
from benchmarks.readers import LONG_CALL, keep_long_call, reading
from benchmarks.webhooks import calls, request

CASES = ("free", "taken", "ended", "readers", "streams", "everything", "hangs", "gone")
EVENTS_A_SECOND = 5000  # prepared: more than a worker takes
ANSWERS_A_SECOND = 1500
SHARES = (0.5, 0.99)
FLOWS = """
routes: [{flow: any}]
flows:
  any:
    - {action: talk, text: Please hold the line while we connect your call.}
    - {action: connect, from: "447700900123", endpoint: [{type: app, user: "{{ to }}"}]}
"""
STREAMS = 500
READ = (LONG_CALL, "/api/v1/calls?limit=50", "/api/v1/conversations?limit=50")


class World(NamedTuple):
    """What runs: the server, the route that does nothing, and the store."""

    ours: servers.Server
    nothing: servers.Server
    store: Store


class Turn(NamedTuple):
    """How long each answer took, how much the worker used meanwhile, and how many events a second were taken."""

    seconds: list[float]
    used: list[float]
    events: float


def main() -> int:
    """Measure and print."""
    options = _arguments()
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        (folder / "flows.yaml").write_text(FLOWS)
        store = Store(folder)
        running.callback(store.close)
        address = f"redis://127.0.0.1:{store.port}"
        settings = {"FLOWS_FILE": str(folder / "flows.yaml"), "SPOOL_TO_LOG": "off"}
        ours = running.enter_context(servers.server("wsgi:app", address, "--workers", "1", settings=settings))
        nothing = running.enter_context(servers.server("benchmarks.nothing:app", address, "--workers", "1"))
        servers.get(ours.port, "/readyz")  # once the app is imported
        world = World(ours, nothing, store)
        keep_long_call(address)
        run(ours.port, [request(*each) for each in two_calls_to("Taken")], connections=1, most_seconds=10)
        for case in options.only:
            measure(world, case, options)
    return 0


def measure(world: World, case: str, options: argparse.Namespace) -> None:
    """Print how long answers take in *case*, and the ratios to what nothing takes."""
    turns: list[tuple[Turn, Turn]] = []
    for number in range(options.rounds + 1):  # the first one warms up
        with beside(world, case):
            ours = turn(world.ours, list(requests(case, int(options.seconds * ANSWERS_A_SECOND))), options)
        while waiting(world.ours.port) != 0:
            time.sleep(0.2)
        if case == "ended":
            ours = ours._replace(seconds=ours.seconds[::2], used=ours.used[::2])
        asked = [request("/voice/event", {})] * int(options.seconds * EVENTS_A_SECOND)
        if number:
            turns.append((ours, turn(world.nothing, asked, options)))
    rates = "events a second: {:.0f}, {:.0f}".format(
        *(statistics.median(each.events for each in side) for side in zip(*turns, strict=True))
    )
    for share in SHARES:
        took = _words([(percentile(a.seconds, share), percentile(b.seconds, share)) for a, b in turns])
        used = _words([(percentile(a.used, share), percentile(b.used, share)) for a, b in turns])
        print(f"{case:10} p{share * 100:.0f}  {took}   of the worker's time: {used}   {rates}", flush=True)


def _words(pairs: list[tuple[float, float]]) -> str:
    ratios = [ours / nothing for ours, nothing in pairs]
    ours_ms, nothing_ms = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = f"{statistics.median(ratios):5.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
    return f"{ours_ms:6.1f} ms, nothing {nothing_ms:6.1f} ms, ratio {ratio}"


@contextmanager
def beside(world: World, case: str) -> Iterator[None]:
    """What goes on during a turn, beside the events."""
    with ExitStack() as stack:
        if case == "readers":
            stack.enter_context(reading(world.ours.port, READ))
        elif case in ("streams", "everything"):
            stack.enter_context(listening(world.ours.port, STREAMS, ONE_CALL if case == "streams" else EVERYTHING))
        elif case in ("hangs", "gone"):
            world.store.begin(case)
            stack.callback(world.store.end, case)
        yield


def turn(server: servers.Server, asked: list[bytes], options: argparse.Namespace) -> Turn:
    """How long *asked* take at *server* beside a load of events."""
    worker = only_child(server.pid)
    made = islice(calls(), int(options.seconds * EVENTS_A_SECOND / 7))
    events = [request("/voice/event", event) for _, of_call in made for event in of_call]
    with ProcessPoolExecutor(1) as sender:
        load = sender.submit(_load, server.port, events, options.connections, options.seconds)
        seconds, clock = options.seconds - 0.5, partial(used_finely, worker)
        result = run(server.port, asked, connections=1, most_seconds=seconds, clock=clock)
        taken = load.result()
    if result.others:
        sys.exit(f"not all were answered: {result.others}")
    return Turn(result.latencies, result.used, taken.per_second)


def _load(port: int, events: list[bytes], connections: int, seconds: float) -> Result:
    return run(port, events, connections=connections, most_seconds=seconds)


def requests(case: str, count: int) -> Iterator[bytes]:
    """Requests for answers; where calls are to end, the webhook of the end of the call before follows each."""
    before: dict[str, Any] | None = None
    for answer, _ in islice(calls(), count):
        to = {"taken": "Taken", "ended": "Ended"}.get(case, f"user {uuid.uuid4()}")
        yield request("/voice/answer", answer | {"to": to})
        if case == "ended":
            yield request("/voice/event", status(before or answer, "completed"))
            before = answer


def two_calls_to(user: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Paths and bodies of two calls that *user* has answered."""
    for answer, _ in islice(calls(), 2):
        yield "/voice/answer", answer | {"to": user}
        yield "/voice/event", status(answer, "answered")
        yield "/voice/event", status(answer, "answered") | {"uuid": str(uuid.uuid4()), "to": user}


def status(answer: dict[str, Any], reached: str) -> dict[str, Any]:
    """A webhook of the caller's leg in the call of *answer*."""
    call = {name: answer[name] for name in ("from", "to", "uuid", "conversation_uuid")}
    return call | {"status": reached, "direction": "inbound", "timestamp": datetime.now(UTC).isoformat()}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", nargs="+", choices=CASES, default=CASES, help="of the cases")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
