"""What the live feed costs, and how soon it says what happened.

    python -m benchmarks.live [--rounds 5] [--seconds 4]

One worker. First 200 events a second with 50 listeners of everything: from the moment an event is sent until a listener
has it. Then events as fast as they are taken, in turns without listeners and with some: 500 that follow one call each,
as the pages of calls do, and nothing happens in these; one that follows everything; and 500 of those. What counts is
the ratio within the run; on a busy machine, the processor time. `make bench` measures this, too. Needs /proc, so Linux.
"""

from __future__ import annotations

import argparse
import selectors
import socket
import statistics
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from itertools import islice
from multiprocessing import Event, Process, Queue
from multiprocessing.synchronize import Event as Signal
from typing import Any, cast

from app.live.stream import HEARTBEAT_SECONDS
from benchmarks import servers
from benchmarks.cpu import children, used_by
from benchmarks.load import Result, run
from benchmarks.webhooks import calls, request

RATE, WATCHERS, SENDERS, SECONDS = 200, 50, 8, 20
ONE_CALL, EVERYTHING = "/api/v1/stream?conversation=CON-{number}", "/api/v1/stream"
CASES = (  # listeners, of what, path
    (0, "", ""),
    (500, "of one call each", ONE_CALL),
    (1, "of everything", EVERYTHING),
    (500, "of everything", EVERYTHING),
)
AT = b'"at":"'


def listen(port: int, path: str, count: int, ready: Signal, over: Signal, found: Queue[Any], measure: bool) -> None:
    """Open so many streams and read them until it is over. Puts the latencies (s), the bytes, and how many were cut."""
    head = f"HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {servers.TOKEN}\r\n\r\n"
    latencies: list[float] = []
    received, cut = 0, 0
    with selectors.DefaultSelector() as selector:
        for number in range(count):
            stream = socket.create_connection(("127.0.0.1", port), timeout=30)
            stream.sendall(f"GET {path.format(number=number)} {head}".encode())
            stream.recv(65536)
            selector.register(stream, selectors.EVENT_READ)
        ready.set()
        while not over.is_set():
            for key, _ in selector.select(0.2):
                piece = cast("socket.socket", key.fileobj).recv(1 << 20)
                received += len(piece)
                if not piece:
                    cut += 1
                    selector.unregister(key.fileobj)
                elif measure:
                    now = time.time()
                    for each in piece.split(AT)[1:]:
                        if len(each) >= 24 and b'"before":' in each[:40]:  # the event's own, not that of its input
                            at = datetime.fromisoformat(each[:23].decode()).replace(tzinfo=UTC)
                            latencies.append(now - at.timestamp())
        for key in list(selector.get_map().values()):
            cast("socket.socket", key.fileobj).close()
    found.put((latencies, received, cut))


@contextmanager
def listening(port: int, count: int, path: str, *, measure: bool = False) -> Iterator[dict[str, Any]]:
    """So many listeners in a process of their own. What they found is there after the block."""
    ready, over, found = Event(), Event(), Queue()  # type: ignore[var-annotated]
    process = Process(target=listen, args=(port, path, count, ready, over, found, measure))
    process.start()
    ready.wait(60)
    time.sleep(1)
    result: dict[str, Any] = {}
    try:
        yield result
    finally:
        over.set()
        result["latencies"], result["bytes"], result["cut"] = found.get(timeout=60)
        process.join()
        time.sleep(HEARTBEAT_SECONDS + 1)  # by then the worker has noticed that they are gone


def ingest(server: servers.Server, rounds: int, seconds: float) -> None:
    """Print events a second, and what the worker used for each, without listeners and with them."""
    made, port, (worker,) = calls(), server.port, children(server.pid)
    used: dict[tuple[int, str, str], list[float]] = {case: [] for case in CASES}  # seconds
    results: dict[tuple[int, str, str], list[Result]] = {case: [] for case in CASES}
    for number in range(rounds + 1):  # the first one warms up
        for case in CASES:
            bodies = [request("/voice/event", event) for _, events in islice(made, 700) for event in events]
            count, _, path = case
            with ExitStack() as stack:
                found = stack.enter_context(listening(port, count, path)) if count else {}
                before = used_by(worker)
                result = run(port, bodies, connections=32, most_seconds=seconds)
                used_for_each = (used_by(worker) - before) / len(result.answered)
            if found.get("cut"):
                print(f"         {found['cut']} of {count} listeners were cut")
            if number:
                results[case].append(result)
                used[case].append(used_for_each)
    nobody = results[CASES[0]]
    for case, of_case in results.items():
        ratios = [ours.per_second / alone.per_second for ours, alone in zip(of_case, nobody, strict=True)]
        rate, p99 = (
            statistics.median(each) for each in zip(*((r.per_second, r.percentile(0.99)) for r in of_case), strict=True)
        )
        print(
            f"{case[0]:4} listeners {case[1]:18} {rate:6.0f} events a second   p99 {p99:6.1f} ms   "
            f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})   "
            f"{statistics.median(used[case]) * 1e6:5.0f} microseconds of CPU for each"
        )


def latency(port: int) -> None:
    """Print how long events take to listeners, at a rate."""
    with listening(port, WATCHERS, "/api/v1/stream", measure=True) as found, ThreadPoolExecutor(SENDERS) as pool:
        began = time.monotonic()
        jobs = [pool.submit(_send_paced, port, began, number) for number in range(SENDERS)]
        for job in jobs:
            job.result()
        time.sleep(2)
    latencies = sorted(found["latencies"])
    wanted = RATE * SECONDS * WATCHERS
    p50, p95, p99 = (latencies[int(share * len(latencies))] * 1000 for share in (0.5, 0.95, 0.99))
    print(
        f"{RATE} events a second, {WATCHERS} listeners: seen after {p50:.0f} ms (median), {p95:.0f} ms (95th), "
        f"{p99:.0f} ms (99th); {len(latencies)} of {wanted} seen"
    )


def _send_paced(port: int, began: float, sender: int) -> None:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    conversation, leg = "", ""
    for number in range(RATE * SECONDS // SENDERS):
        if number % 7 == 0:
            conversation, leg = f"CON-{uuid.uuid4()}", str(uuid.uuid4())
        time.sleep(max(0.0, began + (number * SENDERS + sender) / RATE - time.monotonic()))
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        reached = ("started", "ringing", "answered", "human", "machine", "disconnected", "completed")[number % 7]
        body = {"conversation_uuid": conversation, "uuid": leg, "status": reached, "timestamp": now}
        body |= {"from": "447700900123", "to": "442079460000", "direction": "inbound"}
        head, _, text = request("/voice/event", body).partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        status = 503
        while status == 503:  # a busy machine: it is sent again, as Vonage does
            connection.request("POST", "/voice/event", text, headers)
            answer = connection.getresponse()
            answer.read()
            status = answer.status
        if status != 200:
            raise RuntimeError(f"an event was not kept: {status}")
    connection.close()


def measure(rounds: int, seconds: float) -> None:
    """Measure and print."""
    with servers.store() as address, servers.server("wsgi:app", address, "--workers", "1") as ours:
        latency(ours.port)
        ingest(ours, rounds, seconds)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn, at most")
    options = parser.parse_args()
    measure(options.rounds, options.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
