"""Signed events of one process each, in turn: a Flask route that does nothing, a server in Express, and Switchhook.

    python -m benchmarks.peers [--rounds 6] [--seconds 3] [--connections 32]

The Flask route has gunicorn's gevent worker and none of our settings. The Express server (express.js) does the least
such a backend does: it checks token and body hash, keeps the leg's fields in Redis with an expiry, then replies. Each
has a store of its own, and after each round every event that was acknowledged is looked up there. First over
connections that are kept, then over one for each event. What counts is the ratio within a round, or, on a busy
machine, the processor time of an event. Express is left out if there is no Node, or if its packages cannot be
installed. Needs /proc, so Linux.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

from redis import Redis

from benchmarks import servers
from benchmarks.cpu import only_child, used_by
from benchmarks.kept import kept
from benchmarks.load import run
from benchmarks.webhooks import calls, request

ROUNDS, SECONDS, CONNECTIONS = 6, 3.0, 32
CALLS_A_SECOND = 700  # prepared, of seven events each: more than any of the three takes
FOLDER = Path(__file__).parent
OURS, NOTHING, EXPRESS = "Switchhook", "nothing", "Express"

Body = dict[str, Any]


class Peer(NamedTuple):
    """A running server: where it listens, the process that works, and how many of some events it kept."""

    port: int
    worker: int
    kept: Callable[[list[Body]], int]


class Turn(NamedTuple):
    """What a turn gave: events a second, seconds of processor time of an event."""

    rate: float
    used: float


def measure(rounds: int = ROUNDS, seconds: float = SECONDS, connections: int = CONNECTIONS) -> bool:
    """Print rates, processor times and ratios; False if a request failed or an acknowledged event is missing."""
    sound = True
    with ExitStack() as stack:
        peers = {NOTHING: stack.enter_context(_nothing()), OURS: stack.enter_context(_switchhook())}
        if (missing := _install()) is None:
            peers[EXPRESS] = stack.enter_context(_express())
        else:
            print(f"Express is left out: {missing}")
        for keep_alive in (True, False):
            turns: dict[str, list[Turn]] = {name: [] for name in peers}
            for number in range(rounds + 1):  # the first one warms up
                names = list(peers) if number % 2 else list(reversed(peers))
                for name in names:
                    turn, whole = _turn(peers[name], seconds, connections, keep_alive=keep_alive)
                    sound &= whole
                    if number:
                        turns[name].append(turn)
            print(f"{connections} connections, {'kept' if keep_alive else 'each for one event'}, {rounds} rounds")
            _show(turns)
    print("Every event that was acknowledged was kept." if sound else "Events failed or are missing.")
    return sound


def _turn(peer: Peer, seconds: float, connections: int, *, keep_alive: bool) -> tuple[Turn, bool]:
    """What *peer* did, and whether all of it succeeded and was kept."""
    bodies = [event for _, events in islice(calls(), int(seconds * CALLS_A_SECOND)) for event in events]
    requests = [request("/voice/event", body) for body in bodies]
    before = used_by(peer.worker)
    result = run(peer.port, requests, connections=connections, most_seconds=seconds, keep_alive=keep_alive)
    used = used_by(peer.worker) - before
    acknowledged = [bodies[place] for place in result.answered]
    whole = not result.others and peer.kept(acknowledged) == len(acknowledged)
    return Turn(result.per_second, used / max(1, len(acknowledged))), whole


def _show(turns: dict[str, list[Turn]]) -> None:
    ours = turns[OURS]
    for name, of_peer in turns.items():
        ratios = [our.rate / its.rate for our, its in zip(ours, of_peer, strict=True)]
        rate, used = (statistics.median(column) for column in zip(*of_peer, strict=True))
        print(
            f"{name:12}{rate:6.0f} events a second, {used * 1e6:5.0f} microseconds of CPU for each; ours is "
            f"{statistics.median(ratios):.2f} of its rate ({min(ratios):.2f} to {max(ratios):.2f})"
        )


@contextmanager
def _nothing() -> Iterator[Peer]:
    port = servers.free_port()
    command = [sys.executable, "-m", "gunicorn", "-k", "gevent", "-b", f"127.0.0.1:{port}", "benchmarks.nothing:app"]
    with servers.running(command, port, os.environ) as server:
        yield Peer(port, only_child(server.pid), len)


@contextmanager
def _switchhook() -> Iterator[Peer]:
    with servers.store() as address, servers.server("wsgi:app", address, "--workers", "1") as server:
        servers.get(server.port, "/readyz")  # once the app is imported
        yield Peer(server.port, only_child(server.pid), lambda bodies: sum(kept(address, bodies)))


@contextmanager
def _express() -> Iterator[Peer]:
    port = servers.free_port()
    with servers.store() as address:
        settings = {"PORT": str(port), "REDIS_URL": address, "SIGNATURE_SECRET": servers.SECRET}
        environment = os.environ | settings | {"NODE_ENV": "production"}
        with servers.running(["node", "express.js"], port, environment, FOLDER) as server:
            yield Peer(port, server.pid, lambda bodies: _kept_by_express(address, bodies))


def _kept_by_express(address: str, bodies: Sequence[Body]) -> int:
    with Redis.from_url(address, decode_responses=True) as redis, redis.pipeline(transaction=False) as pipeline:
        for body in bodies:
            pipeline.hget(f"leg:{body['conversation_uuid']}:{body['uuid']}", body["status"])
        found = cast("list[str | None]", pipeline.execute())
    return sum(moment == body["timestamp"] for moment, body in zip(found, bodies, strict=True))


def _install() -> str | None:
    """Install what express.js needs, once for each package-lock.json; why that is not possible, else None."""
    if not (shutil.which("node") and shutil.which("npm")):
        return "node and npm are not on the path"
    installed, wanted = FOLDER / "node_modules" / ".package-lock.json", FOLDER / "package-lock.json"
    if installed.exists() and installed.stat().st_mtime >= wanted.stat().st_mtime:
        return None
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    ran = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False)
    return None if ran.returncode == 0 else f"npm ci failed: {ran.stderr.strip()[-300:]}"
