"""What the carrier reports while calls go on: for a terminal, and for the assertions of tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

What = Literal[
    "call",  # from, to, inbound: a call begins
    "status",  # status: a leg's status changed
    "request",  # url, about: a webhook whose reply is read is sent; about: the event, or None for an answer webhook
    "reply",  # url, ncco, seconds: the reply to it
    "sent",  # sent: an event whose reply is ignored is sent; the `Sent` fills in as it is delivered
    "talk",  # text: spoken to the leg
    "stream",  # url: audio played to it
    "input",  # type, and the action's options: keys or speech are expected of it
    "keys",  # digits: pressed by it
    "speech",  # text: said by it
    "dtmf",  # digits: played to it
    "ring",  # endpoint, to: rung for it
    "join",  # name: it entered a named conversation
    "voice",  # speaks_to, hears: who hears it there and whom it hears; None: everybody
    "record",  # the action's options
    "wait",  # seconds
    "notify",  # payload
    "moved",  # left, joined: it changed conversation
    "error",  # reason: an error event is sent
    "trouble",  # words, perhaps url: what went wrong between carrier and application
    "left",  # keys, says: what the far end of a leg that is over had no chance to enter
    "invite",  # the browser of an app user begins to ring
    "mute",  # on: whether nobody hears it
    "earmuff",  # on: whether it hears nobody
    "hangup",  # by (user or platform), why
]


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened to a leg."""

    at: datetime
    what: What
    conversation: str
    leg: str
    data: dict[str, Any] = field(default_factory=dict)


Watch = Callable[[Happening], None]


class Watchers:
    """Everybody who watches; they may come and go while calls go on."""

    def __init__(self, *watchers: Watch | None) -> None:
        self._watchers = [watcher for watcher in watchers if watcher]

    def __call__(self, happening: Happening) -> None:
        for watcher in [*self._watchers]:
            watcher(happening)

    def __bool__(self) -> bool:
        return bool(self._watchers)

    def add(self, watcher: Watch) -> None:
        self._watchers.append(watcher)

    def remove(self, watcher: Watch) -> None:
        self._watchers.remove(watcher)
