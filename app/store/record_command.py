"""The call of `lua/record.lua` for an event: its bits, numbers and keys. The rules behind them live in `app/domain`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final, NamedTuple

from app.domain.events import UNKNOWN_STATUS, CallStatus, Completed, Event, Transfer, Unknown
from app.domain.leg_state import comes_after
from app.domain.legs import bits_of
from app.domain.numbers import numbers_in
from app.store import keys, scripts
from app.store.codec import EPOCH, Record, milliseconds, pack
from app.store.link import Command


class Carried(NamedTuple):
    """News of a leg from one conversation to another: bits, billed seconds, newest move (us, joined)."""

    bits: int = 0
    billed: int = 0
    move: tuple[int, bytes] = (0, b"")


NO_NEWS: Final = Carried()


class RecordResult(NamedTuple):
    """What `lua/record.lua` returns; see there."""

    kept: int
    elsewhere: bytes
    bits: int
    billed: int
    changed: int
    moved_at: int
    previously: bytes

    def carried(self, conversation: str) -> Carried:
        """The news for other conversations, after the event was recorded in *conversation*."""
        return Carried(self.bits, self.billed, (self.moved_at, self.elsewhere or keys.encode(conversation)))


def digest(body: bytes) -> bytes:
    """Digest used to detect repeated bodies."""
    return blake2b(body, digest_size=8).digest()


def record_command(
    ttl: int, event: Event, conversation: str, record: Record, *, counted: bool, carried: Carried = NO_NEWS
) -> Command:
    """Keep *event*, with its *record*, in *conversation*.

    *ttl* is the retention in ms; *counted*: whether it counts as a webhook received here; *carried*: news of its leg
    from another conversation.
    """
    bits, billed, move = carried
    if isinstance(event, Completed):
        billed = max(int(event.duration or 0), billed)
    if isinstance(event, Transfer):
        moved_at = max(1, ((event.occurred or record.received) - EPOCH) // timedelta(microseconds=1))  # 0: not a move
        move = max(move, (moved_at, keys.encode(event.joined or "")))
    later = comes_after(event.status) if isinstance(event, CallStatus) else 0
    unknown = isinstance(event, Unknown) or UNKNOWN_STATUS in event.flags
    kept = (pack(record, keys.encode(conversation)), digest(event.canonical), milliseconds(record.received), event.kind)
    leg = (keys.encode(event.leg or ""), bits_of(event) | bits, later, billed, *move)
    return _command(ttl, conversation, (*kept, *leg, int(counted), int(unknown)), numbers_in(event))


def carry_command(ttl: int, conversation: str, leg: str, carried: Carried, received: datetime) -> Command:
    """Take into *conversation* the news of *leg* that another conversation has."""
    bits, billed, move = carried
    nothing_kept = (b"", b"", milliseconds(received), "carry")
    return _command(ttl, conversation, (*nothing_kept, keys.encode(leg), bits, 0, billed, *move, 0, 0), ())


def _command(ttl: int, conversation: str, args: tuple[bytes | int | str, ...], numbers: Sequence[str]) -> Command:
    """The call of `lua/record.lua`; *args* are its ARGV from the record on, but for *numbers*, which come last."""
    part, name = keys.of(conversation), keys.encode(conversation)
    events, minute = part.events(name), int(args[2]) // 60_000
    # While a slot moves between the nodes of a cluster, a script runs where all keys that it names are, or not at all.
    # A key that it does not name may be missing halfway.
    named = (events, part.meta(name), *part.indexes, part.bucket(minute), *map(part.number, numbers))
    return Command(events, (part.tag, ttl, name, *args, " ".join(numbers)), scripts.RECORD, named)
