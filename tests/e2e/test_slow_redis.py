"""Redis replies late, each time: webhooks get their 2xx all the same, and afterwards each is there, counted once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from tests.delaying import slow_redis
from tests.e2e.conftest import Serve
from tests.e2e.test_redis_outage import CALLER, LONGEST
from tests.engines import wait_until
from tests.serving import Server

SENDERS, CALLS = 8, 6
STATUSES = ("started", "ringing", "answered", "completed")


# One that is within the time for an exchange and, with a second one behind it, beyond the time for a webhook; and one
# beyond both.
@pytest.mark.parametrize("seconds", [0.3, 1.5])
def test_with_a_slow_redis_nobody_waits_for_long_and_nothing_is_lost(serve: Serve, seconds: float) -> None:
    with slow_redis() as slow:
        server = serve(REDIS_URL=f"redis://127.0.0.1:{slow.port}")
        assert server.post("/voice/event", event(0, "started")).status == 200
        slow.seconds = seconds
        numbers, longest, lock = count(1), 0.0, threading.Lock()

        def send(path: str, body: dict[str, Any]) -> bytes:
            nonlocal longest
            reply = server.post(path, body)
            assert reply.status == 200, reply
            with lock:
                longest = max(longest, reply.seconds)
            return reply.body

        def call(_: int) -> None:
            number = next(numbers)
            names = {"conversation_uuid": f"CON-{number}", "uuid": f"leg-{number}"}
            assert b"connect" in send("/voice/answer", CALLER | names)
            for status in STATUSES:
                assert send("/voice/event", event(number, status)) == b""

        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(call, range(CALLS)))
            copy = event(1, "machine", original_request={"type": "event"}, reason="Socket timeout.")
            list(pool.map(lambda body: send("/voice/event", body), [copy, {"status": "ringing"}]))
        assert longest < LONGEST
        slow.seconds = 0.0
        # The answers of all calls, their events, a copy and its original in one, one of no conversation, the first.
        wait_until(lambda: received(server) == CALLS * (1 + len(STATUSES)) + 3, "all are counted")
        status = server.api("/status").json
        assert {name: status["webhooks"][name] for name in ("repeats", "unfiled")} == {"repeats": 0, "unfiled": 1}
        assert (status["conversations"]["live"], status["conversations"]["ended"]) == (1, CALLS)
        for number in range(1, CALLS + 1):
            found = server.api(f"/api/v1/conversations/CON-{number}").json
            assert [leg["state"] for leg in found["legs"]] == ["completed"]
            assert len(found["answers"]) == 1


def event(number: int, status: str, **more: Any) -> dict[str, Any]:
    return CALLER | {"conversation_uuid": f"CON-{number}", "uuid": f"leg-{number}", "status": status} | more


def received(server: Server) -> int | None:
    """How many webhooks are counted; None while Redis is too slow to say so."""
    found = server.api("/status")
    return int(found.json["webhooks"]["received"]) if found.status == 200 else None
