"""Which worker asks Vonage what became of silent calls, and which calls are silent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from app.store import keys, scripts
from app.store.codec import milliseconds
from app.store.connected import Connected
from app.store.link import Command

MOST_SILENT: Final = 200  # conversations of one partition and span that are read together


class Span(NamedTuple):
    """A span of time: later than *after*, up to *until*."""

    after: datetime
    until: datetime


class LookUps(Connected):
    """What the look-ups at Vonage need to know."""

    def take_look_ups(self, holder: str, seconds: float) -> bool:
        """Whether *holder* alone looks up calls now, for *seconds* from now. Raises StoreUnavailable."""
        key = keys.LOOK_UPS
        took = ("SET", key, holder, "NX", "PX", round(seconds * 1000))
        return self._writer.send([Command(key, took)])[0] is not None

    def keep_look_ups(self, holder: str, seconds: float) -> bool:
        """Whether *holder* has it still; it has for *seconds* more. Raises StoreUnavailable."""
        key = keys.LOOK_UPS
        (found,) = self._reader.fetch([Command(key, ("GET", key))])
        if found != holder.encode():
            return False
        return bool(self._writer.send([Command(key, ("PEXPIRE", key, round(seconds * 1000)))])[0])

    def end_look_ups(self, holder: str) -> None:
        """Let another worker do it, if *holder* has it still. Raises StoreUnavailable."""
        key = keys.LOOK_UPS
        self._writer.send([Command(key, (b"", self._ttl, holder), scripts.GIVE_BACK, (key,))])

    def silent(self, spans: Sequence[Span]) -> list[str]:
        """Live conversations of which nothing was received since a moment in one of *spans*.

        The latest first, and at most MOST_SILENT of each partition and span. Raises StoreUnavailable.
        """
        commands = [
            Command(
                part.last_received,
                (
                    *("ZREVRANGEBYSCORE", part.last_received, milliseconds(span.until)),
                    *(f"({milliseconds(span.after)}", "WITHSCORES", "LIMIT", 0, MOST_SILENT),
                ),
            )
            for part in keys.ALL
            for span in spans
        ]
        found = {
            name: float(score)
            for flat in self._reader.fetch(commands)
            for name, score in zip(flat[::2], flat[1::2], strict=True)
        }
        return [keys.decode(name) for name in sorted(found, key=lambda name: -found[name])]
