"""What of an event the script has to know: bits and numbers. The rules behind them live in `app/domain`."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple

from app.domain.events import UNKNOWN_STATUS, CallStatus, Completed, Event, Transfer, Unknown
from app.domain.leg_state import comes_after
from app.domain.legs import bits_of
from app.domain.numbers import numbers_in
from app.store import keys, scripts
from app.store.codec import EPOCH, Record, milliseconds, pack
from app.store.link import Command


class ScriptConfig(NamedTuple):
    """What every script is told (`lua/common.lua`), after the partition's tag."""

    minutes_a_bucket: int
    retention_ms: int
    feed_length: int


class Carried(NamedTuple):
    """What one conversation knows of a leg and another has to: bits, billed seconds, newest move (us, joined)."""

    bits: int = 0
    billed: int = 0
    move: tuple[int, bytes] = (0, b"")


class Recorded(NamedTuple):
    """What `lua/record.lua` returns."""

    kept: int
    elsewhere: bytes
    bits: int
    billed: int
    changed: int
    moved_at: int
    left_behind: bytes

    def carried(self, home: str) -> Carried:
        """What other conversations have to know, said by *home*."""
        return Carried(self.bits, self.billed, (self.moved_at, self.elsewhere or keys.encode(home)))


def digest(body: bytes) -> bytes:
    """By what a body is known to have come before."""
    return blake2b(body, digest_size=8).digest()


def record_command(
    terms: ScriptConfig,
    event: Event,
    home: str,
    record: Record,
    *,
    counted: bool,
    carried: Carried | None = None,
) -> Command:
    """Keep *event*, with its *record*, in the conversation *home*.

    *counted*: whether it counts as a webhook received here. *carried*: what its leg brings along.
    """
    brought = carried or Carried()
    move = brought.move
    if isinstance(event, Transfer):
        moved_at = max(1, ((event.occurred or record.received) - EPOCH) // timedelta(microseconds=1))  # 0: not a move
        move = max(move, (moved_at, keys.encode(event.joined or "")))
    return _command(
        terms,
        home,
        pack(record, keys.encode(home)),
        digest(event.canonical),
        record.received,
        event.leg or "",
        bits=bits_of(event) | brought.bits,
        later=comes_after(event.status) if isinstance(event, CallStatus) else 0,
        billed=max(int(event.duration or 0) if isinstance(event, Completed) else 0, brought.billed),
        move=move,
        counted=counted,
        unknown=isinstance(event, Unknown) or UNKNOWN_STATUS in event.flags,
        numbers=" ".join(numbers_in(event)),
    )


def carry_command(terms: ScriptConfig, home: str, leg: str, carried: Carried, received: datetime) -> Command:
    """Tell the conversation *home* what is known of *leg* from another."""
    bits, billed, move = carried
    return _command(terms, home, b"", b"", received, leg, bits=bits, billed=billed, move=move)


def _command(
    terms: ScriptConfig,
    home: str,
    stored: bytes,
    identity: bytes,
    received: datetime,
    leg: str,
    *,
    bits: int,
    billed: int,
    later: int = 0,
    move: tuple[int, bytes] = (0, b""),
    counted: bool = False,
    unknown: bool = False,
    numbers: str = "",
) -> Command:
    """The call of `lua/record.lua`: its ARGV in order."""
    part, name = keys.of(home), keys.encode(home)
    events = part.events(name)
    args: tuple[Any, ...] = (
        part.tag,
        *terms,
        name,
        stored,
        identity,
        milliseconds(received),
        keys.encode(leg),
        bits,
        later,
        billed,
        *move,
        int(counted),
        int(unknown),
        numbers,
    )
    # While a slot moves between the nodes of a cluster, a script runs where all keys that it names lie, or not at all.
    # One it does not name may be missing when it is half done.
    named = [part.live, part.ended, part.heard, part.counts, part.legs, part.feed]
    named += [part.bucket(milliseconds(received) // 60_000), *(part.number(digits) for digits in numbers.split())]
    return Command(events, args, scripts.RECORD, (events, part.meta(name), *named))
