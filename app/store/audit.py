"""The audit log: who was shown whole telephone numbers, of which calls, and when. The latest entries are kept."""

from __future__ import annotations

import json
from time import monotonic
from typing import Any, Final, NamedTuple

from app.store import keys
from app.store.connected import Connected
from app.store.link import Command

LENGTH: Final = 10_000  # entries, about
REPEATED_AFTER: Final = 300.0  # seconds until the same call is noted again for the same person
MOST_REMEMBERED: Final = 20_000  # of those; the oldest are forgotten
MOST_CALLS: Final = 500  # named in an entry; of a longer list, the filters say which it was


class Reveal(NamedTuple):
    """Who was shown what. `who` and `address` are keyed hashes: a dump of Redis names nobody."""

    who: str
    role: str
    address: str
    route: str  # "GET /api/v1/conversations"
    filters: str  # of a list, as the address has them, numbers masked; else empty
    calls: tuple[str, ...]  # conversations, and legs that were shown alone; the first 500
    total: int  # how many calls there were


class Audit(Connected):
    """One stream for all workers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._noted: dict[tuple[str, str], float] = {}  # (who, call) -> when, oldest first

    def note_reveal(self, reveal: Reveal) -> None:
        """Write *reveal*, without the calls that were noted for the same person minutes ago, later: nobody waits.

        Lost with the process; each worker remembers for itself what it has noted.
        """
        calls = tuple(call for call in reveal.calls if self._is_new(reveal.who, call))
        if calls:
            total = reveal.total - len(reveal.calls) + len(calls)
            entry = reveal._replace(calls=calls[:MOST_CALLS], total=total)._asdict()
            text = json.dumps(entry, separators=(",", ":"))
            self._writer.send_later(
                Command(keys.AUDIT, ("XADD", keys.AUDIT, "MAXLEN", "~", LENGTH, "*", "reveal", text))
            )

    def audit(self, limit: int, before: str | None = None) -> list[tuple[str, Reveal]]:
        """The latest entries, newest first, with their ids; *before* this id, if it is given.

        An id begins with the milliseconds since 1970. Raises StoreUnavailable.
        """
        start = f"({before}" if before else "+"
        (found,) = self._reader.fetch([Command(keys.AUDIT, ("XREVRANGE", keys.AUDIT, start, "-", "COUNT", limit))])
        return [(entry.decode(), _reveal(fields[1])) for entry, fields in found]

    def _is_new(self, who: str, call: str) -> bool:
        now, key = monotonic(), (who, call)
        if now - self._noted.get(key, -REPEATED_AFTER) < REPEATED_AFTER:
            return False
        self._noted.pop(key, None)  # it goes to the end
        self._noted[key] = now
        if len(self._noted) > MOST_REMEMBERED:
            del self._noted[next(iter(self._noted))]
        return True


def _reveal(text: bytes) -> Reveal:
    fields = json.loads(text)
    return Reveal(**fields | {"calls": tuple(fields["calls"])})


def at(entry: str) -> int:
    """When the entry with this id was written, in milliseconds since 1970."""
    return int(entry.partition("-")[0])
