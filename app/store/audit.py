"""The audit log: who was shown whole telephone numbers, of which calls, and when. The latest entries are kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final, NamedTuple

from app.store import keys, scripts
from app.store.codec import milliseconds
from app.store.connected import Connected
from app.store.link import Command

LENGTH: Final = 10_000  # entries
MOST_BYTES: Final = 4_000_000  # of all entries: one may name MOST_CALLS
REMEMBERED: Final = 20_000  # calls that are not noted again for the same person
REPEATED_AFTER: Final = 300_000  # ms until the same call is noted again for the same person
MOST_CALLS: Final = 500  # named in an entry; of a longer list, the filters say which it was
HERE: Final = keys.ALL[0]  # the log is one for all partitions


class Reveal(NamedTuple):
    """Who was shown what. `who` and `address` are keyed hashes: a dump of Redis names nobody."""

    who: str
    role: str
    address: str
    route: str  # "GET /api/v1/conversations"
    filters: str  # of a list, as the address has them, numbers masked; else empty
    total: int  # how many calls were shown
    calls: tuple[
        str, ...
    ]  # conversations, a leg, or a recording; without those noted before, and the first 500 at most


class Entry(NamedTuple):
    """A reveal as it is kept. Later entries have higher ids."""

    id: str
    at: datetime
    reveal: Reveal


class Audit(Connected):
    """One stream for all workers."""

    def note_reveal(self, reveal: Reveal) -> None:
        """Write *reveal*, without the calls that were noted for the same person minutes ago, later: nobody waits.

        Lost with the process.
        """
        calls = [keys.encode(call) for call in reveal.calls[:MOST_CALLS]]
        if not calls:
            return
        fields = reveal._asdict()
        del fields["calls"]
        now, bounds = milliseconds(datetime.now(UTC)), (LENGTH, MOST_BYTES, REMEMBERED)
        args = (HERE.tag, self._ttl, now, REPEATED_AFTER, *bounds, json.dumps(fields), reveal.who, *calls)
        self._writer.send_later(Command(HERE.audit, args, scripts.REVEAL, (HERE.audit, HERE.revealed)))

    def audit(self, limit: int, before: str | None = None) -> list[Entry]:
        """The latest entries, newest first; *before* this id, if it is given. Raises StoreUnavailable."""
        start = f"({before}" if before else "+"
        command = ("XREVRANGE", HERE.audit, start, "-", "COUNT", limit)
        (found,) = self._reader.fetch([Command(HERE.audit, command)])
        return [_entry(name.decode(), fields) for name, fields in found]


def _entry(name: str, fields: list[bytes]) -> Entry:
    calls = tuple(
        keys.decode(value) for field, value in zip(fields[::2], fields[1::2], strict=True) if field == b"call"
    )
    at = datetime.fromtimestamp(int(name.partition("-")[0]) / 1000, UTC)
    return Entry(name, at, Reveal(**json.loads(fields[1]), calls=calls))
