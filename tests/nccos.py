"""NCCO that Vonage takes, one action of each sort, and values that are none: for all who judge NCCO.

https://developer.vonage.com/en/voice/voice-api/ncco-reference
"""

from __future__ import annotations

import copy
import re
from typing import Any

Json = Any
Row = tuple[str, str, list[Json], list[Json]]  # a sound action, an option of it, values it can have, values it cannot
GONE = object()  # in a row: the option is not there
URL = "https://example.com/x?y=z"


def connect(**endpoint: Json) -> dict[str, Json]:
    return {"action": "connect", "endpoint": [endpoint]}


SOUND: dict[str, dict[str, Json]] = {
    "record": {"action": "record"},
    "split record": {"action": "record", "split": "conversation"},
    "conversation": {"action": "conversation", "name": "support"},
    "connect": connect(type="app", user="Alice"),
    "talk": {"action": "talk", "text": "Hello"},
    "stream": {"action": "stream", "streamUrl": [URL]},
    "keys": {"action": "input", "type": ["dtmf"]},
    "speech": {"action": "input", "type": ["speech"]},
    "input": {"action": "input", "type": ["dtmf", "speech"]},
    "notify": {"action": "notify", "payload": {"a": 1}, "eventUrl": [URL]},
    "wait": {"action": "wait"},
    "transfer": {"action": "transfer", "conversationId": "CON-1"},
    "phone": connect(type="phone", number="447700900123"),
    "answering": connect(type="phone", number="447700900123", onAnswer={"url": URL}),
    "websocket": connect(type="websocket", uri="wss://example.com/audio"),
    "authorized": connect(type="websocket", uri="wss://example.com/audio", authorization={"type": "vonage"}),
    "sip": connect(type="sip", uri="sip:alice@example.com"),
    "sip domain": connect(type="sip", domain="example", user="alice"),
    "vbc": connect(type="vbc", extension="111"),
}


def put(action: Json, path: str, value: Json) -> Json:
    """*action* with what is at *path* ("endpoint[0].number") set to *value*; what is not there on the way is made."""
    *way, last = (int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path))
    inner = action
    for part in way:
        inner = inner[part] if isinstance(part, int) else inner.setdefault(part, {})
    if value is GONE:
        del inner[last]
    else:
        inner[last] = value
    return action


def changed(sound: str, path: str, value: Json) -> Json:
    """One of the sound actions, but for what is at *path*."""
    return put(copy.deepcopy(SOUND[sound]), path, value)


def padded(size: int) -> dict[str, str]:
    """Headers of *size* bytes; é is two of them."""
    return {"k": "é" + "a" * (size - len('{"k":""}') - 2)}


NO_FLAG: list[Json] = ["true", 1, 0, None]
NO_OBJECT: list[Json] = ["a", [], 1, None]
NO_LANGUAGE: list[Json] = ["en_GB", "English (UK)", "e", "en-", "", 1, None]
NO_NUMBER: list[Json] = ["1", True, None, [], float("nan"), float("inf")]

TALK, STREAM, INPUT, CONNECT = SOUND["talk"], SOUND["stream"], SOUND["keys"], SOUND["connect"]
BARGE, BARGE_STREAM = TALK | {"bargeIn": True}, STREAM | {"bargeIn": True}
# What stands behind what can be interrupted, and the places of what nothing right stands behind.
BARGE_IN: list[tuple[list[Json], list[int]]] = [
    ([BARGE, INPUT], []),
    ([BARGE, TALK, TALK, INPUT, CONNECT], []),
    ([BARGE_STREAM, STREAM, INPUT], []),
    ([BARGE, INPUT, BARGE_STREAM, INPUT], []),
    ([BARGE], [0]),
    ([BARGE, TALK], [0]),
    ([BARGE, BARGE, CONNECT, INPUT], [0, 1]),
    ([BARGE_STREAM, TALK, INPUT], [0]),
    ([INPUT, TALK, BARGE, SOUND["record"], INPUT], [2]),
    ([INPUT, CONNECT, BARGE], [2]),
]
