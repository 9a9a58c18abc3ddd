"""The call Vonage published, event by event as it arrived, told back by the running server."""

from pathlib import Path
from typing import Any

from tests.e2e.conftest import Serve
from tests.engines import Engine

SAMPLE = Path(__file__).parents[1] / "samples" / "phone-to-app.events.jsonl"
CONVERSATION = "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6"

TOLD: dict[str, Any] = {
    "conversation_uuid": CONVERSATION,
    "state": "ended",
    "started_at": "2021-03-29T21:20:05.582Z",
    "answered_at": "2021-03-29T21:20:06.182Z",
    "ended_at": "2021-03-29T21:20:17.574Z",
    "duration_seconds": 11.992,
    "price": "0.00144000",
    "currency": "EUR",
    "legs": [
        {
            "uuid": "0779a56d002f1c7f47f82ef5fe84ab79",
            "direction": "inbound",
            "from": "441234567890",
            "to": "442038297050",
            "state": "completed",
            "status": "completed",
            "outcome": "answered",
            "times": {
                "started": "2021-03-29T21:20:05.582Z",
                "ringing": "2021-03-29T21:20:05.582Z",
                "answered": "2021-03-29T21:20:06.182Z",
                "completed": "2021-03-29T21:20:17.514Z",
            },
            "ring_seconds": 0.6,
            "talk_seconds": 11.332,
            "duration_seconds": 12,
            "rate": "0.00720000",
            "price": "0.00144000",
            "network": "GB-FIXED",
            "detail": None,
            "sip_code": None,
            "disconnected_by": None,
            "machine": None,
            "moved_from": None,
            "moved_to": None,
        },
        {
            "uuid": "944bf4bf-8dc7-4e23-86b2-2f4234777416",
            "direction": "outbound",
            "from": "441234567890",
            "to": "Alice",
            "state": "completed",
            "status": "completed",
            "outcome": "answered",
            "times": {
                "started": "2021-03-29T21:20:13.025Z",
                "ringing": None,
                "answered": "2021-03-29T21:20:13.025Z",
                "completed": "2021-03-29T21:20:17.574Z",
            },
            "ring_seconds": None,
            "talk_seconds": 4.549,
            "duration_seconds": 5,
            "rate": "0.00",
            "price": "0",
            "network": None,
            "detail": None,
            "sip_code": None,
            "disconnected_by": None,
            "machine": None,
            "moved_from": None,
            "moved_to": None,
        },
    ],
    "answers": [],
    "inputs": [],
    "recordings": [],
    "errors": [],
}


def test_the_published_call_is_told_as_it_was(serve: Serve, valkey: Engine):
    valkey.flush()
    server = serve(REDIS_URL=valkey.address.url)
    for line in SAMPLE.read_bytes().splitlines():
        reply = server.ask("POST", "/voice/event", line)
        assert (reply.status, reply.body) == (200, b"")
        assert "Content-Type" not in reply.headers

    told = server.api(f"/api/v1/conversations/{CONVERSATION}")
    assert told.status == 200
    first, last = told.json["first_heard_at"], told.json["last_heard_at"]
    assert first <= last
    assert told.json == TOLD | {"first_heard_at": first, "last_heard_at": last}
    assert list(told.json)[:4] == ["conversation_uuid", "state", "first_heard_at", "last_heard_at"], (
        "in the contract's order"
    )
    assert server.api("/api/v1/conversations").json == {"items": [told.json], "next": None}

    events = server.api(f"/api/v1/conversations/{CONVERSATION}/events").json["items"]
    assert [event["status"] for event in events] == (
        ["ringing", "started", "answered", "started", "answered", "completed", "completed"]
    )
    for leg in TOLD["legs"]:
        assert server.api(f"/api/v1/legs/{leg['uuid']}").json == leg

    status = server.api("/status").json
    assert status["legs"] == {"started": 0, "ringing": 0, "answered": 0}
    assert status["conversations"] == {"live": 0, "presumed_ended": 0, "ended": 1}
    counted = {"received": 7, "repeats": 0, "out_of_order": 1, "unknown": 0, "unfiled": 0}
    assert status["webhooks"] == counted | {"refused": {}, "reported": {}}
