"""Redis is gone, hangs or is slow for minutes while events go on coming: what each waits, how the spool empties, truth.

    python -m benchmarks.outage [--fault gone|hangs|slow] [--delay 0.3] [--rate 200] [--minutes 10]

One server with two workers and a store that keeps its data on disk. Events of whole calls come at an even rate over 16
connections: half a minute before, all through the outage, until nothing waits any more, and half a minute after that,
to compare with. Each must get its 200. In the end every event is in the store, every call has ended, and the counters
say how many were sent. What an event waited is from when it was due; each connection sends one after the other, so with
--fault slow, where an event takes up to 0.7 s, the rate must be below 20.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from redis import Redis
from redis.exceptions import RedisError

from benchmarks import servers
from benchmarks.cpu import children, used_by
from benchmarks.webhooks import calls, signed
from config.embedded import binary
from tests.delaying import Delaying

CONNECTIONS = 16
BEFORE_SECONDS = 30.0


class Sent(NamedTuple):
    """One event: in which phase, how long its reply took, from when it was due, and the status (0: none came)."""

    phase: str
    seconds: float
    status: int


class Store:
    """The engine, with its data on disk, so that it comes back with them.

    *proxy*: in front of it, if it is to be slow: replies come *delay* seconds late then.
    """

    def __init__(
        self, folder: Path, port: int | None = None, proxy: Delaying | None = None, delay: float = 0.0
    ) -> None:
        self.port, self._proxy, self._delay = port or servers.free_port(), proxy, delay
        self._command = [str(binary()), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._command += ["--save", "", "--appendonly", "yes"]
        self.process = self._start()

    def begin(self, fault: str) -> None:
        """Let it be gone, hang, or be slow."""
        if fault == "slow" and self._proxy:
            self._proxy.seconds = self._delay
        elif fault == "hangs":
            self.process.send_signal(signal.SIGSTOP)
        else:
            self.process.terminate()
            self.process.wait(30)

    def end(self, fault: str) -> None:
        """Let it be back."""
        if fault == "slow" and self._proxy:
            self._proxy.seconds = 0.0
        elif fault == "hangs":
            self.process.send_signal(signal.SIGCONT)
        else:
            self.process = self._start()

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait(30)

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        client = Redis(port=self.port)
        while True:
            with contextlib.suppress(RedisError):
                client.ping()
                return process
            time.sleep(0.05)


class Senders:
    """Events at an even rate: each connection sends whole calls, event by event, when they are due."""

    def __init__(self, port: int, rate: float) -> None:
        self.sent: list[Sent] = []
        self.phase = "before"
        self.done = False
        self._port, self._interval = port, CONNECTIONS / rate
        self._threads = [
            threading.Thread(target=self._send, args=(number,), daemon=True) for number in range(CONNECTIONS)
        ]

    def start(self) -> None:
        """Begin."""
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after the calls that are under way."""
        self.done = True
        for thread in self._threads:
            thread.join()

    def _send(self, number: int) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        due = (self._began + self._interval * (turn + number / CONNECTIONS) for turn in count())
        for _, events in calls():
            if self.done:
                return
            for event in events:
                at = next(due)
                time.sleep(max(0.0, at - time.monotonic()))
                self.sent.append(Sent(self.phase, *_post(connection, event, at)))


def _post(connection: HTTPConnection, event: dict[str, Any], due: float) -> tuple[float, int]:
    body, headers = signed(event)
    try:
        connection.request("POST", "/voice/event", body, headers)
        response = connection.getresponse()
        response.read()
    except OSError:
        connection.close()
        return time.monotonic() - due, 0
    return time.monotonic() - due, response.status


def main() -> int:
    """Run it, print what came of it; 1 if anything was lost, refused or counted wrongly."""
    options = _arguments()
    port = servers.free_port()
    with tempfile.TemporaryDirectory() as name, contextlib.closing(Delaying(port)) as proxy:
        folder = Path(name)
        (folder / "store").mkdir()
        store = Store(folder / "store", port, proxy, options.delay)
        address = f"redis://127.0.0.1:{proxy.port if options.fault == 'slow' else port}"
        settings = {"DATA_DIR": str(folder / "data"), "SPOOL_TO_LOG": "off"}
        try:
            with servers.server("wsgi:app", address, settings=settings) as server:
                return _run(options, store, server, folder / "data")
        finally:
            store.close()


def _run(options: argparse.Namespace, store: Store, server: servers.Server, data: Path) -> int:
    senders = Senders(server.port, options.rate)
    servers.get(server.port, "/readyz")
    senders.start()
    time.sleep(min(BEFORE_SECONDS, options.minutes * 60))
    store.begin(options.fault)
    senders.phase = "outage"
    before = sum(map(used_by, children(server.pid)))
    time.sleep(options.minutes * 60)
    cpu = sum(map(used_by, children(server.pid))) - before
    disk = sum(path.stat().st_size for path in data.iterdir())
    waited = max(waiting(server.port), 0)
    _print_phase("before", senders.sent)
    _print_phase("outage", senders.sent)
    store.end(options.fault)
    senders.phase, back = "after", time.monotonic()
    while waiting(server.port) != 0:
        time.sleep(0.5)
    drained = time.monotonic() - back
    _print_phase("after", senders.sent)
    senders.phase = "drained"
    time.sleep(min(BEFORE_SECONDS, options.minutes * 60))
    senders.stop()
    while waiting(server.port) != 0:
        time.sleep(0.5)
    _print_phase("drained", senders.sent)
    events = sum(each.phase == "outage" for each in senders.sent)
    print(f"the outage: {waited} waited, {disk / 1e6:.1f} MB on disk, {cpu / events * 1e6:.0f} µs of CPU an event")
    print(f"afterwards: nothing waited after {drained:.1f} s, {waited / drained:.0f} a second, beside new events")
    return _truth(server.port, senders.sent)


def _print_phase(phase: str, all_sent: list[Sent]) -> None:
    sent = [each for each in list(all_sent) if each.phase == phase]
    seconds = sorted(each.seconds for each in sent) or [0.0]
    at = {share: seconds[min(len(seconds) - 1, int(share * len(seconds)))] * 1000 for share in (0.5, 0.99, 1.0)}
    late = sum(each > 1 for each in seconds)
    refused = sum(each.status != 200 for each in sent)
    print(
        f"{phase:8}{len(sent):8} events, p50 {at[0.5]:7.1f} ms, p99 {at[0.99]:7.1f} ms, longest {at[1.0]:7.1f} ms, "
        f"over a second: {late}, not 200: {refused}",
        flush=True,
    )


def _truth(port: int, sent: list[Sent]) -> int:
    status = json.loads(servers.get(port, "/status"))
    found = {name: status["webhooks"][name] for name in ("received", "repeats")} | status["conversations"]
    wanted = {"received": len(sent), "repeats": 0, "live": 0, "presumed_ended": 0, "ended": len(sent) // 7}
    print(f"kept and counted: {found}")
    if found != wanted:
        print(f"but it should be: {wanted}")
    return int(found != wanted or any(each.status != 200 for each in sent))


def waiting(port: int) -> int:
    """How many events wait on disk; -1 while nobody knows."""
    with contextlib.suppress(Exception):
        lines = servers.get(port, "/metrics").decode().splitlines()
        return next(int(float(line.split()[1])) for line in lines if line.startswith("switchhook_spool_waiting "))
    return -1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--fault", choices=("gone", "hangs", "slow"), default="gone")
    parser.add_argument("--delay", type=float, default=0.3, help="of each reply, with --fault slow (seconds)")
    parser.add_argument("--rate", type=float, default=200, help="events a second")
    parser.add_argument("--minutes", type=float, default=10)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
