"""How long actions take, and what they cost callers.

    python -m benchmarks.actions [--calls 60] [--rounds 5] [--seconds 4]

Two workers and a simulated carrier. First each of many calls is put on hold and resumed: from the request until Vonage
has accepted it, until a webhook has confirmed it, and until somebody who follows the stream sees that. Then events as
fast as they are taken, in turns without actions and with as many as Vonage takes, 15 a second: what counts is the ratio
within the run; carrier and senders share the machine, so that says more than it costs callers. What an action costs the
workers is their processor time. Needs /proc, so Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import requests

from benchmarks import servers
from benchmarks.cpu import children, used_by
from benchmarks.load import Result, run
from benchmarks.webhooks import calls, request
from vonage_simulator.carrier import Carrier
from vonage_simulator.certificate import application_keys, make
from vonage_simulator.ledger import Leg
from vonage_simulator.scenario import Call, FarEnd
from vonage_simulator.simulation import APPLICATION_ID, application, simulation
from vonage_simulator.voice_api.api import VoiceApi

FLOWS = """
routes:
  - flow: room
flows:
  room:
    - action: conversation
      name: "{{ from }}"
"""
STAYS = FarEnd(stays_alone=1e6)
AUTHORIZED = {"Authorization": f"Bearer {servers.TOKEN}"}
PATIENCE = 30.0  # seconds for one action to be seen


class World:
    """A carrier in a thread of its own, and what the stream of the server has said of legs."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.host, self.pid = "", 0  # of the carrier's API; of the server's master
        self.loop: asyncio.AbstractEventLoop
        self.carrier: Carrier
        self.ready, self.seen = threading.Event(), threading.Condition()
        self.holds: dict[str, str | None] = {}  # by leg, the latest

    async def carry(self, folder: Path, over: asyncio.Event) -> None:
        """Run the carrier until it is *over*."""
        self.loop = asyncio.get_running_loop()
        own = application(
            answer_url=f"{self.base}/voice/answer",
            event_url=f"{self.base}/voice/event",
            secret=(servers.API_KEY, servers.SECRET),
        )
        own.public_key = application_keys(folder)[1]
        async with simulation(own) as carrier:
            self.carrier = carrier
            api = VoiceApi(carrier)
            self.host = (await api.start(make(folder))).removeprefix("https://")
            self.ready.set()
            await over.wait()
            await api.stop()

    def place(self, number: int) -> Leg:
        """A call that comes in."""
        call = Call(from_=f"4477009{number:05}", to="442079460000", far_end=STAYS)

        async def placing() -> Leg:
            return self.carrier.place(call)

        return asyncio.run_coroutine_threadsafe(placing(), self.loop).result(30)

    def follow(self, over: threading.Event) -> None:
        """Read the stream until it is *over*."""
        with requests.get(f"{self.base}/api/v1/stream", headers=AUTHORIZED, stream=True, timeout=30) as stream:
            for line in stream.iter_lines():
                if over.is_set():
                    return
                if line.startswith(b"data: ") and (leg := json.loads(line[6:]).get("leg")):
                    with self.seen:
                        self.holds[leg["uuid"]] = leg["control"]["hold"]
                        self.seen.notify_all()

    def act(self, leg: str, verb: str) -> requests.Response:
        """The response to an action."""
        return requests.post(f"{self.base}/api/v1/legs/{leg}/{verb}", json={}, headers=AUTHORIZED, timeout=30)

    def acted(self, leg: str, verb: str, becomes: str | None) -> tuple[float, float]:
        """Seconds from the request of *verb* until it was accepted, and until the stream said that it was done."""
        began = time.monotonic()
        response = self.act(leg, verb)
        response.raise_for_status()
        accepted = time.monotonic() - began
        with self.seen:
            if not self.seen.wait_for(lambda: self.holds.get(leg, "") == becomes, PATIENCE):
                raise RuntimeError(f"{verb} was not seen within {PATIENCE} s")
        return accepted, time.monotonic() - began


@contextmanager
def world() -> Iterator[World]:
    """A server, its carrier, and somebody who follows the stream."""
    with tempfile.TemporaryDirectory() as name, servers.store() as address:
        folder, port, over = Path(name), servers.free_port(), threading.Event()
        found, ended = World(port), asyncio.Event()
        carrier = threading.Thread(target=lambda: asyncio.run(found.carry(folder, ended)))
        carrier.start()
        found.ready.wait(30)
        (folder / "flows.yaml").write_text(FLOWS)
        more = {
            "VONAGE_APPLICATION_ID": APPLICATION_ID,
            "VONAGE_PRIVATE_KEY": str(application_keys(folder)[0]),
            "VONAGE_API_HOSTS": found.host,
            "REQUESTS_CA_BUNDLE": str(make(folder).ca),
            "FLOWS_FILE": str(folder / "flows.yaml"),
        }
        with servers.server("wsgi:app", address, "--workers", "2", port=port, settings=more) as server:
            found.pid = server.pid
            follower = threading.Thread(target=found.follow, args=(over,), daemon=True)
            follower.start()
            yield found
            over.set()
        found.loop.call_soon_threadsafe(ended.set)
        carrier.join()


def latency(found: World, count: int) -> list[str]:
    """Hold and resume each of *count* calls, one after the other, and print how long that takes. Returns the legs."""
    placed = [found.place(number) for number in range(count)]
    deadline = time.monotonic() + PATIENCE
    while not all(leg.conversation.name for leg in placed) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    legs = [leg.uuid for leg in placed]
    for verb, becomes in (("hold", "held"), ("resume", None)):
        times = []
        for leg in legs:
            times.append(found.acted(leg, verb, becomes))
            time.sleep(0.1)  # fewer than Vonage takes: what is measured is no queue
        accepted, seen = (sorted(each) for each in zip(*times, strict=True))
        print(f"{count} times {verb}: {_words('accepted', accepted)}; {_words('seen on a stream', seen)}")
    return legs


def _words(what: str, times: list[float]) -> str:
    p50, p95 = (times[int(share * (len(times) - 1))] * 1000 for share in (0.5, 0.95))
    return f"{what} after {p50:.0f} ms (median), {p95:.0f} ms (95th)"


def cost(found: World, legs: list[str], rounds: int, seconds: float) -> None:
    """Print how many events a second are taken, without actions and with as many as Vonage takes."""
    made, port, workers = calls(), int(found.base.rsplit(":", 1)[1]), children(found.pid)
    rates: dict[bool, list[float]] = {False: [], True: []}
    each_event: list[float] = []  # seconds of the workers
    each_action: list[float] = []
    done = 0
    for number in range(rounds + 1):  # the first one warms up
        for acting in (False, True):
            bodies = [request("/voice/event", event) for _, events in islice(made, 700) for event in events]
            over, used = threading.Event(), sum(map(used_by, workers))
            with ThreadPoolExecutor(8) as pool, ProcessPoolExecutor(1) as sender:
                jobs = [pool.submit(_act_on, found, legs[worker::8], over) for worker in range(8 if acting else 0)]
                result = sender.submit(_send, port, bodies, seconds).result()
                over.set()
                acted = sum(job.result() for job in jobs)
            used = sum(map(used_by, workers)) - used
            if not number:
                continue
            rates[acting].append(result.per_second)
            done += acted
            if acting:
                each_action.append((used - each_event[-1] * len(result.answered)) / max(acted, 1))
            else:
                each_event.append(used / len(result.answered))
    ratios = [with_ / without for without, with_ in zip(rates[False], rates[True], strict=True)]
    print(
        f"events: {statistics.median(rates[False]):.0f} a second without actions, {statistics.median(rates[True]):.0f} "
        f"with; ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}); {done} actions\n"
        f"processor time of the workers: {statistics.median(each_event) * 1000:.2f} ms for an event, "
        f"{statistics.median(each_action) * 1000:.1f} ms for an action"
    )


def _send(port: int, bodies: list[bytes], seconds: float) -> Result:
    return run(port, bodies, connections=32, most_seconds=seconds)


def _act_on(found: World, legs: list[str], over: threading.Event) -> int:
    """Mute and unmute *legs* until it is *over*; returns how often."""
    done = 0
    while True:
        for verb in ("mute", "unmute"):
            for leg in legs:
                if over.is_set():
                    return done
                done += found.act(leg, verb).status_code == 200


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn, at most")
    options = parser.parse_args()
    with world() as found:
        cost(found, latency(found, options.calls), options.rounds, options.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
