"""Faults at random under load, and at the end the truth: `make chaos`, or `python -m benchmarks.chaos --seed N`.

    python -m benchmarks.chaos [--faults 200] [--seed 1] [--cluster]

The store is the embedded one, or with --cluster one of three primaries with a replica each, whose nodes have faults of
their own: they are killed, replaced by their replicas, and slots move between them (`benchmarks/chaos_cluster.py`).

Senders play calls without a pause, and send each webhook until it is acknowledged, as if Vonage never gave up. Then
what the server says is compared with what was sent: no acknowledged event is lost, none is there twice, and the
counters say the same.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.chaos_cluster import clustered
from benchmarks.chaos_faults import FAULTS, Faults
from benchmarks.cpu import children
from benchmarks.servers import ROOT, TOKEN, free_port
from config.embedded import Engine

SENDERS = 4
RESPONSE_SECONDS = 10.0
START_SECONDS = 60.0
MOST_PAUSE = 0.4  # seconds of load between two faults
PROGRESS = 8  # webhooks that are acknowledged between two faults
LIFE = ("started", "ringing", "answered", "completed")


class Supervised:
    """A server with two workers and an embedded store, or that of *settings*, which is started again whenever it has
    ended.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.port, self.starts = free_port(), 0
        self._folder, self._settings, self._engine = folder, settings or {}, Engine(folder / "var")
        self._over = threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._supervise)
        self._thread.start()

    @property
    def master(self) -> int:
        return self._process.pid

    @property
    def workers(self) -> list[int]:
        with suppress(OSError):
            store = self.store
            return [child for child in children(self.master) if child != store]
        return []

    @property
    def store(self) -> int | None:
        return self._engine.pid()

    def stop(self) -> None:
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(START_SECONDS)

    def end(self) -> None:
        """Stop it for good."""
        self._over.set()
        self._thread.join()
        self.stop()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _start(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        environ = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "VIRTUAL_ENV")}
        environ |= {"DATA_DIR": str(self._folder / "var"), "PORT": str(self.port), "WEB_CONCURRENCY": "2"}
        environ |= {"ACCESS_TOKENS": f"operator:{TOKEN}", **self._settings}
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py", "wsgi:app"],
                cwd=ROOT,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _supervise(self) -> None:
        while not self._over.wait(0.1):
            if self._process.poll() is not None:  # while workers of the one before have its port, it does not start
                self._process = self._start()


def ask(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of a response. Raises OSError, HTTPException."""
    connection = HTTPConnection("127.0.0.1", port, timeout=RESPONSE_SECONDS)
    try:
        connection.request(method, path, body, {"Authorization": f"Bearer {TOKEN}"} if method == "GET" else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def patiently(port: int, path: str) -> Any:
    """The JSON at *path* of the API, once the server gives it."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(OSError, HTTPException):
            status, body = ask(port, "GET", path)
            if status == 200:
                return json.loads(body)
        if time.monotonic() > deadline:
            raise TimeoutError(f"the server does not give {path}")
        time.sleep(0.1)


@dataclass
class Truth:
    """What was sent, and acknowledged, by conversation; `responses` counts those that were not 2xx, and errors."""

    acknowledged: dict[str, list[str]] = field(default_factory=dict)
    responses: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def count(self) -> int:
        with self.lock:
            return sum(map(len, self.acknowledged.values()))


def webhooks(conversation: str) -> Iterator[dict[str, Any]]:
    """A call of two legs, one webhook after the other."""
    began = datetime.now(UTC)
    for number, status in enumerate(LIFE):
        for leg in ("caller", "callee"):
            at = began + timedelta(seconds=number, milliseconds=leg == "callee")
            body = {"conversation_uuid": conversation, "uuid": f"{conversation}-{leg}", "status": status}
            body |= {"from": "447700900123", "to": "442079460000", "timestamp": at.isoformat(timespec="milliseconds")}
            body |= {"direction": "inbound" if leg == "caller" else "outbound"}
            yield body | ({"duration": "2", "price": "0.01", "rate": "0.30"} if status == "completed" else {})


def send(port: int, truth: Truth, name: str, over: threading.Event) -> None:
    """Play calls until it is *over*; the last one is played to its end."""
    count = 0
    while not over.is_set():
        count += 1
        conversation = f"CON-{name}-{count}"
        for body in webhooks(conversation):
            text = json.dumps(body).encode()
            while True:
                try:
                    status, _ = ask(port, "POST", "/voice/event", text)
                except (OSError, HTTPException) as error:
                    wrong = type(error).__name__
                else:
                    if status == 200:
                        break
                    wrong = str(status)
                with truth.lock:
                    truth.responses[wrong] += 1
                time.sleep(0.05)
            with truth.lock:
                truth.acknowledged.setdefault(conversation, []).append(f"{body['uuid']} {body['status']}")


def differences(port: int, truth: Truth) -> Iterator[str]:
    """Where the server does not say what was sent."""
    deadline = time.monotonic() + START_SECONDS
    while waiting := patiently(port, "/status")["spool"]["waiting"]:
        if time.monotonic() > deadline:
            yield f"{waiting} events still wait on disk"
            break
        time.sleep(0.1)
    kept = 0
    for conversation, sent in truth.acknowledged.items():
        found = patiently(port, f"/api/v1/conversations/{conversation}/events?limit=500")["items"]
        there = Counter(f"{event['leg']} {event['status']}" for event in found)
        kept += len(found)
        yield from (f"{conversation}: lost {lost}" for lost in (Counter(sent) - there).elements())
        yield from (f"{conversation}: {extra} is there once more" for extra in (there - Counter(sent)).elements())
        state = patiently(port, f"/api/v1/conversations/{conversation}")
        legs = [(leg["outcome"], leg["duration_seconds"]) for leg in state["legs"]]
        if (state["state"], state["price"], legs) != ("ended", "0.02", [("answered", 2)] * 2):
            yield f"{conversation}: it is {state['state']}, costs {state['price']}, and its legs are {legs}"
    status = patiently(port, "/status")
    counters = status["webhooks"]
    said = {"ended": status["conversations"]["ended"], "kept": counters["received"] - counters["repeats"]}
    said |= {"live": status["conversations"]["live"], "legs": sum(status["legs"].values())}
    should = {"ended": len(truth.acknowledged), "kept": kept, "live": 0, "legs": 0}
    yield from (
        f"counter {name}: {said[name]} instead of {should[name]}" for name in said if said[name] != should[name]
    )


def at_random(faults: Faults, count: int, seed: int) -> list[str]:
    """The names of so many *faults*, as often as they weigh."""
    return Random(seed).choices(list(faults), [weight for _, weight in faults.values()], k=count)


def campaign(
    folder: Path, plan: Sequence[str], seed: int, *, faults: Faults = FAULTS, settings: Mapping[str, str] | None = None
) -> list[str]:
    """Let a server have the faults that *plan* names, one after the other, under load.

    Returns what came of it, "wrong: …" where that is not right.
    """
    chance, truth, over = Random(seed), Truth(), threading.Event()
    server = Supervised(folder, settings)
    senders = [
        threading.Thread(target=send, args=(server.port, truth, f"{seed}-{number}", over)) for number in range(SENDERS)
    ]
    try:
        patiently(server.port, "/status")
        for sender in senders:
            sender.start()
        for name in plan:
            _progress(truth)
            time.sleep(chance.uniform(0, MOST_PAUSE))
            faults[name][0](server, chance)
        _progress(truth)
    finally:
        over.set()
        for sender in senders:
            if sender.ident:
                sender.join()
    try:
        wrong = [f"wrong: {each}" for each in differences(server.port, truth)]
    finally:
        server.end()
    said = ", ".join(f"{count} x {name}" for name, count in sorted(Counter(plan).items()))
    failed = ", ".join(f"{count} x {name}" for name, count in sorted(truth.responses.items())) or "none"
    return [
        f"faults: {said}; the server was started {server.starts} times",
        f"{truth.count} webhooks of {len(truth.acknowledged)} calls were acknowledged; tries that failed: {failed}",
        *(wrong or ["nothing was lost or doubled, and the counters are right"]),
    ]


def _progress(truth: Truth) -> None:
    """Wait until some more webhooks were acknowledged."""
    goal, deadline = truth.count + PROGRESS, time.monotonic() + START_SECONDS
    while truth.count < goal:
        if time.monotonic() > deadline:
            raise TimeoutError("no webhook is acknowledged any more")
        time.sleep(0.02)


def main() -> int:
    """Print what came of a campaign."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cluster", action="store_true", help="with a store of six nodes, and their faults")
    chosen = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        faults, settings = stack.enter_context(clustered()) if chosen.cluster else (FAULTS, {})
        plan = at_random(faults, chosen.faults, chosen.seed)
        lines = campaign(folder, plan, chosen.seed, faults=faults, settings=settings)
    print(f"seed {chosen.seed}", *lines, sep="\n")
    return 1 if any(line.startswith("wrong: ") for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
