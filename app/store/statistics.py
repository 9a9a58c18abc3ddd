"""Reading statistics by minute and by hour.

The scripts count what they keep in two hashes of their partition: one for ten minutes, of which each field is the digit
of the minute and a code, and one for an hour, of which each field is a code. The first is kept for some hours, the
second for eight days, so a week is read from 168 hashes of a partition.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from app.store import keys
from app.store.apart import apart
from app.store.codes import OF_CALLS, name_of
from app.store.connected import Connected

Counts = Mapping[
    str, int
]  # by name: those of NAMES, and "lag:3", "took:3", "stored:3", "kind:status", "refused:expired"


class Statistics(Connected):
    """Reading statistics. All of it raises StoreUnavailable."""

    def minutes(self, first: int, last: int) -> dict[int, dict[str, int]]:
        """Statistics of calls by minute since 1970, *last* included: events, repeats, conversations, legs, ..."""
        counted = self.statistics_by_minute(first, last)
        of_calls = {minute: {name: by[name] for name in by if name in OF_CALLS} for minute, by in counted.items()}
        return {minute: by for minute, by in of_calls.items() if by}

    def statistics_by_minute(self, first: int, last: int) -> dict[int, Counts]:
        """Everything counted, by minute since 1970, *last* included; of the last hours only."""
        starts = range(first - first % keys.MINUTES_A_BUCKET, last + 1, keys.MINUTES_A_BUCKET)
        counted = self._counted([(start, part.bucket(start)) for part in keys.ALL for start in starts], digits=1)
        return {minute: counted[minute] for minute in sorted(counted) if first <= minute <= last}

    def statistics_by_hour(self, first: int, last: int) -> dict[int, Counts]:
        """Everything counted, by hour since 1970, *last* included; of the last eight days."""
        return self._counted([(hour, part.hour(hour)) for part in keys.ALL for hour in range(first, last + 1)])

    def _counted(self, hashes: Iterable[tuple[int, bytes]], *, digits: int = 0) -> dict[int, Counts]:
        """The sums of *hashes*, each with the time it begins at; *digits* in front of a field are added to that."""
        hashes = list(hashes)
        replies = self._reader.hashes([key for _, key in hashes])

        def add_up() -> dict[int, Counts]:
            found: defaultdict[int, Counter[str]] = defaultdict(Counter)
            for (start, _), flat in zip(hashes, replies, strict=True):
                for field, value in zip(flat[::2], flat[1::2], strict=True):
                    text = field.decode(errors="replace")
                    name = name_of(text[digits:])
                    if name is not None and (not digits or text[:digits].isdecimal()):
                        found[start + int(text[:digits] or 0)][name] += int(value)
            return {start: dict(found[start]) for start in sorted(found)}

        return apart(add_up)
