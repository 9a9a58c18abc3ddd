"""Make `app/store/codec.dict`, the dictionary by which records are packed, and print what it saves.

    python -m benchmarks.train_dictionary

Trained on calls made up here in the shapes of the webhook reference and of the published call in tests/samples, with
ids, numbers and times drawn anew for each: what it learns is the field names and their order, not anybody's call.
https://developer.vonage.com/en/voice/voice-api/webhook-reference
"""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import zstandard

from app.services import build
from app.store.codec import PACKING, PLACEHOLDER
from app.webhooks.intake import Webhook
from app.webhooks.schemas import kept_answer
from app.webhooks.to_flow import request_of
from config.settings import Settings

HERE = Path(__file__).parent
DICTIONARY = HERE.parent / "app" / "store" / "codec.dict"
SAMPLE = HERE.parent / "tests" / "samples" / "phone-to-app.events.jsonl"
SIZE = 4 * 1024  # bytes; larger ones packed no better
CALLS = 600
FLOWS = build(Settings(secret_key="of no address")).flows  # noqa: S106 - guards nothing


def compact(body: Any) -> bytes:
    """JSON as it comes over the wire: no blanks."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


class Call:
    """One made-up call; gives its webhooks and our record of the answer."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=draw.randrange(3 * 10**10))
        self.conversation = f"CON-{self.new_id()}"
        self.caller = self.number()
        self.dialled = self.number()

    def new_id(self) -> uuid.UUID:
        return uuid.UUID(int=self.draw.getrandbits(128), version=4)

    def number(self) -> str:
        return self.draw.choice(("4477", "4420", "1415", "1201", "336", "4930")) + str(
            self.draw.randrange(10**7, 10**8)
        )

    def now(self, after: float = 3.0) -> str:
        self.at += timedelta(milliseconds=self.draw.randrange(int(after * 1000)))
        return self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def second(self) -> str:
        return self.at.replace(microsecond=0).isoformat().replace("+00:00", ".000Z")

    def leg(self, uuid_: str, from_: str | None, to: str, direction: str, *, rings: bool) -> list[dict[str, Any]]:
        who = {"from": from_, "to": to, "uuid": uuid_, "conversation_uuid": self.conversation}
        events: list[dict[str, Any]] = [
            {"headers": {}, **who, "status": "started", "direction": direction, "timestamp": self.now()}
        ]
        if rings:
            events.append({"headers": {}, **who, "status": "ringing", "direction": direction, "timestamp": self.now()})
        failure = self.draw.choice(("busy", "cancelled", "failed", "rejected", "timeout", "unanswered"))
        if self.draw.random() < 0.15:
            events.append({"headers": {}, **who, "status": failure, "direction": direction, "timestamp": self.now()})
            if failure in ("failed", "rejected", "unanswered"):
                details = ("unavailable", "carrier_timeout", "invalid_number", "restricted", "declined", "cannot_route")
                events[-1] |= {
                    "detail": self.draw.choice(details),
                    "sip_code": self.draw.choice((404, 480, 486, 487, 603)),
                }
        else:
            answered: dict[str, Any] = {"start_time": None, "headers": {}, "rate": None, **who, "status": "answered"}
            events.append(answered | {"direction": direction, "network": None, "timestamp": self.now()})
        start, seconds = self.second(), self.draw.randrange(1, 900)
        self.at += timedelta(seconds=seconds)
        completed: dict[str, Any] = {
            "headers": {},
            "end_time": self.second(),
            "uuid": uuid_,
            "network": self.draw.choice(("GB-FIXED", "23433", None)),
        }
        completed |= {
            "duration": str(seconds),
            "start_time": start,
            "rate": self.draw.choice(("0.00720000", "0.00", "0.01270000")),
        }
        completed |= {"price": self.draw.choice(("0", f"0.{self.draw.randrange(10**6):08}")), "from": from_, "to": to}
        completed |= {
            "conversation_uuid": self.conversation,
            "status": "completed",
            "direction": direction,
            "timestamp": self.now(),
        }
        if self.draw.random() < 0.5:
            completed |= {"disconnected_by": self.draw.choice(("user", "platform")), "sip_code": 200}
        return [*events, completed]

    def bodies(self) -> list[bytes]:
        first = self.new_id().hex
        request = {"from": self.caller, "to": self.dialled, "uuid": first, "conversation_uuid": self.conversation}
        request |= {
            "endpoint_type": "phone",
            "region_url": f"https://api-{self.draw.choice(('us-3', 'eu-3', 'ap-3'))}.vonage.com",
        }
        endpoint = self.draw.choice(({"type": "app", "user": "Alice"}, {"type": "phone", "number": self.number()}))
        if endpoint["type"] == "phone":
            request |= {"from_user": "Alice", "to": endpoint["number"]}
        served = FLOWS.answer(request_of(Webhook(b"", request, self.at, ())), self.at)
        measured = {"id": self.new_id().hex[:16], "took_ms": round(self.draw.random(), 3)}
        answer = kept_answer(request, asdict(served) | measured)
        events = self.leg(first, self.caller, self.dialled, "inbound", rings=True)
        events += self.leg(
            str(self.new_id()), self.caller, endpoint.get("user") or endpoint["number"], "outbound", rings=False
        )
        about = {"conversation_uuid": self.conversation, "timestamp": self.now()}
        whose = {"from": self.caller, "to": self.dialled, "uuid": first}
        recording = str(self.new_id())
        rare: list[dict[str, Any]] = [
            {"dtmf": {"digits": "1", "timed_out": False}, "speech": {"results": []}, **whose, **about},
            {
                "speech": {
                    "timeout_reason": "end_on_silence_timeout",
                    "results": [{"confidence": "0.94", "text": "yes"}],
                },
                **whose,
                **about,
            },
            {
                "start_time": self.second(),
                "recording_url": f"https://api.nexmo.com/v1/files/{self.new_id()}",
                "size": 12228,
            }
            | {"recording_uuid": recording, "end_time": self.second(), **about},
            {
                "type": "record",
                "recording_uuid": recording,
                "status": "transcribed",
                "conversation_uuid": self.conversation,
            }
            | {"transcription_url": f"https://api.nexmo.com/v1/files/{self.new_id()}"},
            {
                "conversation_uuid_from": self.conversation,
                "conversation_uuid_to": f"CON-{self.new_id()}",
                "type": "transfer",
            }
            | {"uuid": first, "timestamp": self.now()},
            {
                "call_uuid": first,
                "status": "machine",
                "sub_state": "beep_start",
                "from": self.caller,
                "to": self.dialled,
                **about,
            },
            {"payload": {"step": "menu"}, **about},
            {"reason": "Syntax error in NCCO. Invalid value type or action.", **about},
        ]
        kept: list[Any] = [answer, *events, *self.draw.sample(rare, 2)]
        return [compact(body).replace(self.conversation.encode(), PLACEHOLDER) for body in kept]


def main() -> None:
    """Train and write the dictionary, and print how the published call packs."""
    draw = random.Random(2026)
    bodies = [body for _ in range(CALLS) for body in Call(draw).bodies()]
    dictionary = zstandard.train_dictionary(SIZE, list(bodies), level=19)
    DICTIONARY.write_bytes(dictionary.as_bytes())
    packer = zstandard.ZstdCompressor(compression_params=PACKING, dict_data=dictionary)
    raw = [line.encode() for line in SAMPLE.read_text().splitlines()]
    home = json.loads(raw[0])["conversation_uuid"].encode()
    print(f"{DICTIONARY.name}: {DICTIONARY.stat().st_size} bytes, trained on {len(bodies)} records")
    packed = sum(len(packer.compress(body.replace(home, PLACEHOLDER))) for body in raw)
    print(f"the published call: {sum(map(len, raw))} bytes raw, {packed} packed")


if __name__ == "__main__":
    main()
