"""The call that Vonage published, sent event by event, then read from the running server."""

import json
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Serve
from tests.engines import Engine

SAMPLE = Path(__file__).parents[1] / "samples" / "phone-to-app.events.jsonl"
CONVERSATION = "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6"

# All fields that do not depend on when events were received.
EXPECTED: dict[str, Any] = json.loads(SAMPLE.with_name("phone-to-app.expected.json").read_text())


def test_the_published_call_is_returned_as_it_happened(serve: Serve, valkey: Engine):
    valkey.flush()
    server = serve(REDIS_URL=valkey.address.url)
    for line in SAMPLE.read_bytes().splitlines():
        reply = server.ask("POST", "/voice/event", line)
        assert (reply.status, reply.body) == (200, b"")
        assert "Content-Type" not in reply.headers

    response = server.api(f"/api/v1/conversations/{CONVERSATION}")
    assert response.status == 200
    first, last = response.json["first_heard_at"], response.json["last_heard_at"]
    assert first <= last
    assert response.json == EXPECTED | {"first_heard_at": first, "last_heard_at": last}
    assert list(response.json)[:4] == ["conversation_uuid", "state", "first_heard_at", "last_heard_at"], (
        "in the contract's order"
    )
    assert server.api("/api/v1/conversations").json == {"items": [response.json], "next": None}

    events = server.api(f"/api/v1/conversations/{CONVERSATION}/events").json["items"]
    assert [event["status"] for event in events] == (
        ["ringing", "started", "answered", "started", "answered", "completed", "completed"]
    )
    for leg in EXPECTED["legs"]:
        assert server.api(f"/api/v1/legs/{leg['uuid']}").json == leg

    status = server.api("/status").json
    assert status["legs"] == {"started": 0, "ringing": 0, "answered": 0}
    assert status["conversations"] == {"live": 0, "presumed_ended": 0, "ended": 1}
    counted = {"received": 7, "repeats": 0, "out_of_order": 1, "unknown": 0, "capped": 0, "unfiled": 0}
    assert status["webhooks"] == counted | {"refused": {}, "reported": {}, "get_hash": {"right": 0, "wrong": 0}}
