"""Changes as server-sent events, each rendered once for each format and mask, not for each listener.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from app.calls.names import NOBODY, Known
from app.domain.numbers import masked as mask
from app.live.changes import Change
from app.live.schemas import dump

JSON: Final = "json"
NEWS: Final = "news"  # that something changed is enough
IDS: Final = "ids"  # of the conversations that changed, each once in a look; their state is not even read


class Form(NamedTuple):
    """What a listener gets changes as: the name of a format, and whether telephone numbers are masked."""

    format: str
    masked: bool


# Makes a change the data of its event; True: telephone numbers are masked. It runs in a native thread, as all that is
# done `apart`, and gets each change once.
Renderer = Callable[[Change, bool], str]


def as_json(change: Change, masked: bool, names: Known = NOBODY) -> str:
    """The data of an event of the API: one line of JSON, numbers of the leg with their *names*."""
    whole = dump(change, names)
    return to_json(mask(whole) if masked else whole)


def to_json(value: Any) -> str:
    """*value* as one line of JSON."""
    return json.dumps(value, separators=(",", ":"))


def event(name: str, data: str, position: str | None = None) -> bytes:
    """An event; *position* None: the reader's position stays as it was."""
    lines = [f"event: {name}", *([f"id: {position}"] if position else []), *(f"data: {line}" for line in _lines(data))]
    return ("\n".join(lines) + "\n\n").encode()


def retry(milliseconds: int) -> bytes:
    """How long the reader waits before it connects again."""
    return f"retry: {milliseconds}\n\n".encode()


def heartbeat(position: str | None = None) -> bytes:
    """No event, so that nothing in between takes the connection for dead; the reader's position becomes *position*."""
    return f":\nid: {position}\n\n".encode() if position else b":\n\n"


def _lines(data: str) -> list[str]:
    """The lines of *data*, by the line ends of an event stream alone."""
    return data.replace("\r\n", "\n").replace("\r", "\n").split("\n")
