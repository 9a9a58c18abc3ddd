"""Counters of what is not kept itself: refused webhooks, and how long webhooks waited for the store.

They gather for a moment and are sent as one batch: a flood of refusals must not become a flood of commands, or of
commits on disk. A batch keeps its number until Redis or the disk has it, so one that is sent again is counted once.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from itertools import chain
from time import monotonic, time
from typing import Final, NamedTuple

from app.store import keys, scripts
from app.store.link import Command

TALLY_SECONDS: Final = 0.1  # for how long they gather
NUMBERS_KNOWN: Final = 64  # of the latest batches of a process; see `lua/tally.lua`
KNOWN_MS: Final = 86_400_000  # for how long


class Tally(NamedTuple):
    """One counter. See `lua/tally.lua`."""

    minute: int
    name: str
    code: str


class Tallied(NamedTuple):
    """A batch: how much to add to each counter. By *process* and *number* it is known again."""

    process: bytes
    number: int
    counts: Mapping[Tally, int]

    def pack(self) -> bytes:
        """This batch as bytes."""
        counts = [[*tally, number] for tally, number in self.counts.items()]
        return json.dumps([self.process.hex(), self.number, counts]).encode()


def unpack(packed: bytes) -> Tallied:
    """The batch that `pack` made *packed* of. Raises ValueError or TypeError."""
    process, number, counts = json.loads(packed)
    return Tallied(bytes.fromhex(process), number, {Tally(*tally): count for *tally, count in counts})


def tally_command(tallied: Tallied) -> Command:
    """The call of `lua/tally.lua` for a batch."""
    part = keys.ALL[0]
    known = part.tallied(tallied.process)
    minutes = dict.fromkeys(tally.minute for tally in tallied.counts)
    buckets = chain.from_iterable((part.bucket(minute), part.hour(minute // 60)) for minute in minutes)
    counts = chain.from_iterable((*tally, number) for tally, number in tallied.counts.items())
    args = (part.tag, 0, tallied.number, NUMBERS_KNOWN, KNOWN_MS, *counts)
    return Command(part.counts, args, scripts.TALLY, (known, part.counts, *dict.fromkeys(buckets)))


class Tallies:
    """What this process has counted and nobody else has yet."""

    def __init__(self) -> None:
        self._process, self._number = os.urandom(8), 0
        self._counts: Counter[Tally] = Counter()
        self._due_at = 0.0  # monotonic
        self._batch: Tallied | None = None  # taken, and neither in Redis nor on disk

    def __bool__(self) -> bool:
        return bool(self._counts or self._batch)

    def add(self, name: str, code: str, seconds: float = TALLY_SECONDS) -> bool:
        """Add 1. True: it is the first of a batch, which is due in so many *seconds*."""
        is_first = not self._counts
        self._counts[Tally(int(time()) // 60, name, code)] += 1
        if is_first:
            self.postpone(seconds)
        return is_first

    def postpone(self, seconds: float) -> None:
        """Let the next batch be due in so many *seconds*."""
        self._due_at = monotonic() + seconds

    def pause(self) -> float:
        """Seconds until a batch is due."""
        return self._due_at - monotonic()

    def batch(self) -> Tallied | None:
        """What is to be sent next: the same until it is `done`. None: nothing was counted."""
        if self._batch is None and self._counts:
            counts, self._counts = self._counts, Counter()
            self._number += 1
            self._batch = Tallied(self._process, self._number, counts)
        return self._batch

    def done(self, batch: Tallied | None) -> None:
        """*batch*, if it is that, is in Redis or on disk, or it was given up."""
        if batch is not None:
            self._batch = None

    def total(self) -> int:
        """How much was counted and is neither in Redis nor on disk."""
        return self._counts.total() + (sum(self._batch.counts.values()) if self._batch else 0)
