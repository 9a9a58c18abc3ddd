"""What happens in a call, one line each, for a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from vonage_simulator.ledger import Leg
from vonage_simulator.trace import Happening, What

LONGEST = 70  # characters of words that are quoted
LONG_VALUE = re.compile(r"=[^&=]{30,}=*")  # of a query parameter: state that an application keeps in a URL

Data = Mapping[str, Any]


def line(happening: Happening, leg: Leg | None) -> str | None:
    """A line about what happened to *leg*; None for what has no line."""
    words = WORDS.get(happening.what)
    return f"{name(leg):14}  {words(happening.data)}" if words else None


def webhook(body: Mapping[str, Any]) -> str:
    """An event in a few words."""
    if status := body.get("status"):
        more = body.get("detail") or body.get("sub_state")
        return f"{status} ({more})" if more else str(status)
    if body.get("type") == "transfer":
        return f"moved to {body['conversation_uuid_to']}"
    for field, word in (("recording_url", "recording"), ("payload", "notify"), ("reason", "error"), ("dtmf", "input")):
        if field in body:
            return f"{word}: {body['reason']}" if field == "reason" else word
    return "event"


def name(leg: Leg | None) -> str:
    """Who is at the far end."""
    if leg is None:
        return ""
    return (leg.caller if leg.direction == "inbound" else leg.to) or "unknown"


def _reply(data: Data) -> str:
    if data["ncco"] is None:
        return "gets no NCCO"
    return f"gets NCCO: {', '.join(action['action'] for action in data['ncco']) or 'no actions'}"


def _request(data: Data) -> str:
    url = LONG_VALUE.sub("=…", data["url"])
    return f"requests {url} ({webhook(data['about'])})" if data["about"] else f"requests {url}"


def _left(data: Data) -> str:
    return f"never used {', '.join([*filter(None, data['keys']), *map(repr, filter(None, data['says']))])}"


def _voice(data: Data) -> str:
    words = []
    for verb, names in (("is heard by", data["speaks_to"]), ("hears", data["hears"])):
        if names is not None:
            words.append(f"{verb} {' and '.join(names)} only" if names else f"{verb} nobody")
    return ", ".join(words)


def _hangup(data: Data) -> str:
    words = "hangs up" if data["by"] == "user" else "is hung up"
    return words if data["why"] == "hung up" else f"{words} ({data['why']})"


WORDS: Mapping[What, Callable[[Data], str]] = {
    "call": lambda data: f"calls {data['to']}" if data["inbound"] else f"is called from {data['from']}",
    "status": lambda data: str(data["status"]),
    "request": _request,
    "left": _left,
    "reply": _reply,
    "talk": lambda data: f"hears “{_short(data['text'])}”",
    "stream": lambda data: f"hears {data['url']}",
    "input": lambda data: f"is asked for {' or '.join('keys' if kind == 'dtmf' else kind for kind in data['type'])}",
    "keys": lambda data: f"presses {data['digits']}",
    "speech": lambda data: f"says “{_short(data['text'])}”",
    "dtmf": lambda data: f"hears the tones {data['digits']}",
    "ring": lambda data: f"calls {data['to']} ({data['endpoint']})",
    "join": lambda data: f"enters the conversation “{data['name']}”",
    "voice": _voice,
    "record": lambda _: "is recorded",
    "wait": lambda data: f"waits {data['seconds']:g} s",
    "notify": lambda data: f"notifies {_short(str(data['payload']))}",
    "moved": lambda data: f"moves to {data['joined']}",
    "error": lambda data: f"error: {data['reason']}",
    "trouble": lambda data: f"TROUBLE: {data['words']}",
    "invite": lambda _: "rings in the browser",
    "mute": lambda data: "is muted" if data["on"] else "is muted no more",
    "earmuff": lambda data: "hears nobody" if data["on"] else "hears the others again",
    "hangup": _hangup,
}


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
