"""What of an event the script has to know: bits and numbers. The rules behind them live in `app/domain`."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple

from app.domain.events import UNKNOWN_STATUS, CallStatus, Completed, Event, Transfer, Unknown
from app.domain.legs import bits_of
from app.domain.numbers import numbers_in
from app.domain.standing import comes_after
from app.store import keys, scripts
from app.store.link import Command
from app.store.records import EPOCH, milliseconds


class Terms(NamedTuple):
    """What every script is told (`lua/common.lua`), after the partition's tag."""

    minutes_a_bucket: int
    retention_ms: int
    feed_length: int


def digest(body: bytes) -> bytes:
    """By what a body is known to have come before."""
    return blake2b(body, digest_size=12).digest()


def record_command(
    terms: Terms,
    event: Event,
    home: str,
    stored: bytes,
    received: datetime,
    *,
    counted: bool,
    carried: tuple[int, int] = (0, 0),
) -> Command:
    """Keep *event*, packed as *stored*, with the conversation *home*.

    *counted*: whether it counts as a webhook received here. *carried*: bits and billed seconds its leg brings along.
    """
    moved_at, joined = 0, ""
    if isinstance(event, Transfer):
        moved_at, joined = ((event.occurred or received) - EPOCH) // timedelta(microseconds=1), event.joined or ""
    return _command(
        terms,
        home,
        stored,
        digest(event.canonical),
        received,
        event.leg or "",
        bits=bits_of(event) | carried[0],
        later=comes_after(event.status) if isinstance(event, CallStatus) else 0,
        billed=max(int(event.duration or 0) if isinstance(event, Completed) else 0, carried[1]),
        move=(moved_at, keys.encode(joined)),
        counted=counted,
        unknown=isinstance(event, Unknown) or UNKNOWN_STATUS in event.flags,
        numbers=" ".join(numbers_in(event)),
    )


def carry_command(terms: Terms, home: str, leg: str, bits: int, billed: int, received: datetime) -> Command:
    """Tell the conversation *home* what is known of *leg* from the conversation it came from."""
    return _command(terms, home, b"", b"", received, leg, bits=bits, billed=billed)


def _command(
    terms: Terms,
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
    return Command(events, args, scripts.RECORD, (events, part.meta(name)))
