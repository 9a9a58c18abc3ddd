"""What waits on disk until Redis takes it (app/spool), and how such a write is counted only once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

from app.store.codec import Record
from app.store.tallies import Tallied


class Counted(IntEnum):
    """How a webhook is counted when it is written. The scripts get the digit: see `to_count` in `lua/common.lua`."""

    NO = 0
    YES = 1  # each time: every write of it is a request of its own
    IF_KEPT = 2  # once: our record of an answer, which only we can repeat
    LATER = 3  # once: it was in the spool, and Redis had not been asked before
    AGAIN = 4  # once, or not at all: Redis may have carried out the first try


class Spooled(NamedTuple):
    """*record* is to be kept with its conversation or, with *unfiled_for* (why), in the list of unfiled webhooks."""

    record: Record
    counted: Counted
    unfiled_for: str | None = None


Write = Spooled | Tallied  # what the disk keeps: the write of a webhook, or a batch of counts


class Spill(Protocol):
    """Keeps writes on disk. Neither way raises."""

    def spill(self, writes: Sequence[Write]) -> bool:
        """Keep *writes*. Returns whether the disk took them."""

    def spill_soon(self, write: Spooled, if_not: Callable[[], None]) -> None:
        """Keep *write* in some milliseconds, and call *if_not* if the disk does not take it."""
