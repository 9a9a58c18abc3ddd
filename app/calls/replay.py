"""The webhooks of a call as `curl` commands, which post them again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from shlex import quote
from typing import Any

from app.calls.stored_event import StoredEvent
from app.domain.actions import was_received
from app.domain.events import Answer, Fallback


def curl_commands(events: Sequence[StoredEvent], server: str) -> list[str]:
    """A command for each webhook among *events*, to the Switchhook at *server*, in the order in which they came.

    They are unsigned: a server that checks signatures refuses them. `flask replay` signs.
    """
    commands: dict[str, None] = {}
    for stored in sorted(events, key=lambda stored: (stored.received, stored.event.canonical)):
        for path, body in _posted(stored):
            text = quote(json.dumps(body, separators=(",", ":")))
            url = quote(f"{server}{path}")
            commands[f"curl -sS -X POST {url} -H 'Content-Type: application/json' --data-binary {text}"] = None
    return list(commands)


def _posted(stored: StoredEvent) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where the webhook of an event was posted, and its body.

    The answer to an event is none, nor is what we did or what Vonage's API said.
    """
    if not was_received(stored.event):
        return
    if isinstance(stored.event, Answer):
        request: dict[str, Any] = stored.raw.get("request", {})
        if request.keys() - {"conversation_uuid", "uuid"}:
            yield "/voice/fallback" if "original_request" in request else "/voice/answer", request
    elif isinstance(stored.event, Fallback):
        yield "/voice/fallback", stored.raw
    else:
        yield "/voice/event", stored.raw
