"""What the carrier lets others watch: printed as a call goes, and what a test of a call flow asserts on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

What = Literal[
    "call",  # from, to, inbound: somebody calls, or is called
    "status",  # status: a leg's status changed
    "asked",  # url, about: the application is asked what to do, with the event it is asked about
    "told",  # url, ncco, seconds: what it said
    "sent",  # sent: a webhook was told it whose reply nobody reads; the `Sent` fills in as it is delivered
    "talk",  # text: words played to the leg
    "stream",  # url: audio played to it
    "input",  # type, and the action's options: it is asked for keys or speech
    "keys",  # digits: it pressed
    "speech",  # text: it said
    "dtmf",  # digits: played to it
    "ring",  # endpoint, to: somebody is rung for it
    "join",  # name: it entered a named conversation
    "record",  # the action's options
    "wait",  # seconds
    "notify",  # payload
    "moved",  # left, joined: it changed conversation
    "error",  # reason: the application is told of a fault of its own
    "trouble",  # words: what went wrong on the way to the application, said to whoever watches
    "left",  # keys, says: what the far end of a leg that is over was never asked for
    "hangup",  # by (user or platform), why
]


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened. `leg` is whom it happened to."""

    at: datetime
    what: What
    conversation: str
    leg: str
    data: dict[str, Any] = field(default_factory=dict)


Watch = Callable[[Happening], None]
