"""What pages say to each other to connect: it is passed on, and kept for no longer than that takes.

One stream for all users, of which every worker with streams of users reads what is new: `app/live/signals.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from time import time
from typing import Any, Final, NamedTuple

from app.store import keys, scripts
from app.store.connected import Connected
from app.store.link import Command

LIFETIME_MS: Final = 15_000
MOST_SIGNALS: Final = 1000  # that are kept: 64 MB, if all are as large as a request may be
RATE: Final = 200  # signals that a user may send
RATE_SECONDS: Final = 10  # in so much time
BEFORE_ALL: Final = "0-0"


class Signal(NamedTuple):
    """`data` is the event as the user *to* gets it; `id` is where a reader goes on after it."""

    id: str
    to: str
    data: Mapping[str, Any]


class Signals(Connected):
    """All raise StoreUnavailable."""

    def may_signal(self, name: str) -> bool:
        """Whether the user *name* may send another signal now."""
        key = keys.of(name).signalling(name, int(time()) // RATE_SECONDS)
        commands = [Command(key, ("INCR", key)), Command(key, ("EXPIRE", key, 2 * RATE_SECONDS))]
        return int(self._writer.send(commands)[0]) <= RATE

    def send_signals(self, signals: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Let each user, the first of a pair, get the event that is the second."""
        texts = [json.dumps([to, data]) for to, data in signals]
        if texts:
            args = (b"", self._ttl, MOST_SIGNALS, LIFETIME_MS, *texts)
            self._writer.send([Command(keys.SIGNALS, args, scripts.SIGNAL, (keys.SIGNALS,))])

    def latest_signal(self) -> str:
        """The id of the latest signal; BEFORE_ALL if there is none."""
        (found,) = self._reader.fetch([Command(keys.SIGNALS, ("XREVRANGE", keys.SIGNALS, "+", "-", "COUNT", 1))])
        return found[0][0].decode() if found else BEFORE_ALL

    def signals(self, after: str, limit: int) -> list[Signal]:
        """At most *limit* signals after the one with the id *after*, oldest first."""
        words = ("XRANGE", keys.SIGNALS, _next(after), "+", "COUNT", limit)
        (found,) = self._reader.fetch([Command(keys.SIGNALS, words)])
        return [Signal(id_.decode(), *json.loads(fields[1])) for id_, fields in found]


def _next(id_: str) -> str:
    """The lowest id after *id_*: "(" is of Redis 6.2."""
    milliseconds, _, number = id_.partition("-")
    return f"{milliseconds}-{int(number) + 1}"
