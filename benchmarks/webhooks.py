"""Signed webhooks without end, each distinct: a published call under other ids."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import servers
from vonage_simulator.delivery.signing import sign
from vonage_simulator.ledger import Application

SAMPLE = Path(__file__).parent.parent / "tests" / "samples" / "phone-to-app.events.jsonl"


def calls(spread: int = 10**8) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """The published call again and again, with other ids, numbers and times: the answer request, the seven events.

    *spread*: the seconds over which the times are.
    """
    draw = random.Random()
    published = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
    while True:
        conversation = f"CON-{uuid.uuid4()}"
        legs = {event["uuid"]: str(uuid.uuid4()) for event in published}
        caller = str(draw.randrange(44_7000_000_000, 44_7999_999_999))
        later = timedelta(seconds=draw.randrange(spread), milliseconds=draw.randrange(1000))
        events = [
            event
            | {
                "conversation_uuid": conversation,
                "uuid": legs[event["uuid"]],
                "from": caller,
                "timestamp": _later(event["timestamp"], later),
            }
            for event in published
        ]
        answer = {
            "from": caller,
            "to": published[0]["to"],
            "uuid": events[0]["uuid"],
            "conversation_uuid": conversation,
        }
        yield answer | {"endpoint_type": "phone", "region_url": "https://api-eu-3.vonage.com"}, events


def signed(body: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    """The text of *body*, and the headers of a signed POST of it."""
    text = json.dumps(body, separators=(",", ":")).encode()
    application = Application(id="", api_key=servers.API_KEY, signature_secret=servers.SECRET)
    token = sign(application, text, now=time.time(), jti=str(uuid.uuid4()))
    return text, {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}


def request(path: str, body: dict[str, Any]) -> bytes:
    """A signed POST as bytes."""
    text, headers = signed(body)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}Content-Length: {len(text)}\r\n\r\n".encode() + text


def _later(timestamp: str, by: timedelta) -> str:
    at = datetime.fromisoformat(timestamp).astimezone(UTC) + by
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
