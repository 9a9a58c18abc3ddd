"""What it costs to follow a user: processor time and commands of Redis for each look, in one process.

    python -m benchmarks.followed [--looks 200]

Alice has had 20 calls and talks to somebody; 200 calls of others are live. A look while nothing has happened, one after
each webhook of another call, and one after everything in a call that nobody followed, by how many events it had.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from redis import Redis

from app import create_app
from app.api.operation_events import session_events
from app.services import services
from benchmarks import servers
from config.settings import Settings

CALLER, DIALLED = "447700900123", "442079460000"
OTHERS, ENDED = 200, 20
LONG: Final = (10, 50, 200)


class Calls:
    """Posts the webhooks of calls to Alice."""

    def __init__(self, app: Any) -> None:
        self._client = app.test_client()

    def post(self, body: dict[str, Any], path: str = "/voice/event") -> None:
        """Send a webhook, which has to be kept."""
        body |= {"timestamp": datetime.now(UTC).isoformat()}
        response = self._client.post(path, json=body)
        if response.status_code != 200:
            raise RuntimeError(response.text)

    def status(self, name: str, status: str, leg: str = "caller", to: str = "Alice") -> None:
        """A status of a leg of the call *name*."""
        direction = "inbound" if leg == "caller" else "outbound"
        body = {"conversation_uuid": f"CON-{name}", "uuid": f"{name}-{leg}", "direction": direction}
        self.post(body | {"from": CALLER, "to": DIALLED if leg == "caller" else to, "status": status})

    def keys(self, name: str, digits: int) -> None:
        """Somebody presses keys."""
        self.post({"conversation_uuid": f"CON-{name}", "uuid": f"{name}-caller", "dtmf": {"digits": str(digits)}})

    def answered(self, name: str, to: str = "Alice") -> None:
        """A call that was answered."""
        for leg in ("caller", "callee"):
            for status in ("started", "ringing", "answered"):
                self.status(name, status, leg, to)

    def ended(self, name: str) -> None:
        """Both hang up."""
        for leg in ("callee", "caller"):
            self.status(name, "completed", leg)


def main() -> int:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=int, default=200)
    looks = parser.parse_args().looks
    with servers.store() as address:
        app = create_app(Settings(redis_url=address, secret_key="k" * 32, caller_number=DIALLED))
        parts, redis = services(app), Redis.from_url(address)
        parts.store.start()
        try:
            measure(Calls(app), lambda: session_events(parts).catch_up("Alice"), redis, looks)
        finally:
            parts.store.stop()
            redis.close()
    return 0


def measure(calls: Calls, look: Callable[[], Any], redis: Redis, looks: int) -> None:
    """Print a line for each case."""
    for number in range(OTHERS):
        calls.answered(f"others-{number}", "Bob")
    for number in range(ENDED):
        calls.answered(f"ended-{number}")
        calls.ended(f"ended-{number}")
    calls.answered("live")
    look()
    print(f"{'':40}{'ms of CPU':>12}{'ms':>8}{'commands':>10}")
    show("nothing has happened", [timed(look, redis) for _ in range(looks)])
    found = []
    for number in range(looks):
        if number % 10 == 0:
            calls.answered(f"next-{number}")
            look()
        calls.keys(f"next-{number // 10 * 10}", number)
        found.append(timed(look, redis))
        if number % 10 == 9:
            calls.ended(f"next-{number // 10 * 10}")
            look()
    show("one webhook", found)
    for events in LONG:
        found = []
        for number in range(3):
            name = f"long-{events}-{number}"
            calls.answered(name)
            for digits in range(events):
                calls.keys(name, digits)
            found.append(timed(look, redis))
            calls.ended(name)
            look()
        show(f"a call of {events + 6} events, not followed", found)


def timed(look: Callable[[], Any], redis: Redis) -> tuple[float, float, int]:
    """Milliseconds of processor time and of any time, and commands of Redis, until a look has nothing left to find."""
    before, cpu, began = commands(redis), time.process_time(), time.perf_counter()
    while getattr(look(), "more", False):
        pass
    spent = (time.process_time() - cpu) * 1000, (time.perf_counter() - began) * 1000
    return *spent, commands(redis) - before - 1


def commands(redis: Redis) -> int:
    """How many Redis has carried out."""
    info: Any = redis.info("stats")
    return int(info["total_commands_processed"])


def show(what: str, found: list[tuple[float, float, int]]) -> None:
    """Print the medians."""
    cpu, wall, count = (statistics.median(each) for each in zip(*found, strict=True))
    print(f"{what:40}{cpu:12.1f}{wall:8.1f}{count:10.0f}")


if __name__ == "__main__":
    sys.exit(main())
