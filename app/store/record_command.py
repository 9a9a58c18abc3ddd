"""The call of `lua/record.lua` for an event: its bits, numbers and keys. The rules behind them live in `app/domain`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum
from hashlib import blake2b
from typing import Final, NamedTuple

from app.domain.events import CallStatus, Completed, Event, Recording, Transfer
from app.domain.leg_state import comes_after
from app.domain.legs import bits_of, place_of
from app.domain.marks import LONGEST, marks_in
from app.domain.moves import UNKNOWN_PLACE, Place
from app.domain.numbers import numbers_in
from app.store import keys, scripts
from app.store.codec import Record, milliseconds, pack
from app.store.codes import codes_of, is_unknown
from app.store.link import Command
from app.store.spooled import Counted


class News(NamedTuple):
    """What one conversation, or a leg's entry, knows of a leg."""

    bits: int = 0
    billed: int = 0
    place: Place = UNKNOWN_PLACE

    def merge(self, other: News) -> News:
        """Both together. Commutative, associative, idempotent."""
        return News(self.bits | other.bits, max(self.billed, other.billed), max(self.place, other.place))


NO_NEWS: Final = News()


class RecordResult(NamedTuple):
    """What `lua/record.lua` returns; see there."""

    kept: int
    known: int
    bits: int
    billed: int
    order: int
    place: bytes
    note: bytes
    fresh: int
    operations: bytes
    over: Sequence[Sequence[bytes]]

    @property
    def news(self) -> News:
        """What the conversation knows of the leg now."""
        return News(self.bits, self.billed, Place(self.order, self.place))


class LegResult(NamedTuple):
    """What `lua/leg.lua` returns; see there."""

    bits: int
    billed: int
    order: int
    place: bytes
    previously: bytes
    conversations: int
    knew: int
    refused: int

    @property
    def news(self) -> News:
        """What is known of the leg."""
        return News(self.bits, self.billed, Place(self.order, self.place))


def digest(body: bytes) -> bytes:
    """Digest used to detect repeated bodies of one conversation: 48 bits are plenty for a thousand of them."""
    return blake2b(body, digest_size=6).digest()


def record_command(
    ttl: int,
    event: Event,
    conversation: str,
    record: Record,
    *,
    counted: Counted,
    first: bool = True,
    news: News = NO_NEWS,
) -> Command:
    """Keep *event*, with its *record*, in *conversation*.

    *ttl* is the retention in ms; *counted*: whether and how it counts as a webhook received here; *first*: this is the
    first of its conversations, where it is counted in the statistics; *news*: what is known of its leg elsewhere.
    """
    bits, billed, place = news
    if isinstance(event, Completed):
        billed = max(int(event.duration or 0), billed)
    if isinstance(event, Transfer):
        place = max(place, place_of(event, event.occurred or record.received))
    later = comes_after(event.status) if isinstance(event, CallStatus) else 0
    kept = (pack(record, keys.encode(conversation)), digest(event.canonical), milliseconds(record.received), event.kind)
    codes = codes_of(event, record.received) if first else ""
    leg = (keys.encode(event.leg or ""), bits_of(event) | bits, later, billed, *place)
    args = (*kept, *leg, counting(counted, record), int(is_unknown(event)), codes)
    return _command(ttl, conversation, args, numbers_in(event), marks_in(event), _voicemail(event))


def counting(counted: Counted, record: Record) -> str:
    """How the scripts count *record*: the digit of *counted*, then the microseconds in the millisecond of its receipt.

    By these it differs from a copy of it that came in the same millisecond.
    """
    return f"{counted:d}{record.received.microsecond % 1000}"


def carry_command(ttl: int, conversation: str, leg: str, news: News, received: datetime) -> Command:
    """Take *news* of *leg* into *conversation*, if the leg is known there."""
    nothing_kept = (b"", b"", milliseconds(received), "carry")
    args = (*nothing_kept, keys.encode(leg), news.bits, 0, news.billed, *news.place, "0", 0, "")
    return _command(ttl, conversation, args)


class Join(IntEnum):
    """When the entry of a leg is to stay as it is: what it knows may be of conversations that are gone."""

    ALWAYS = 0  # never
    KNOWN = 1  # if the conversation is new in it, and it has others
    NEW = 2  # also if it names the conversation, and knows more: that was before the conversation was deleted


def leg_command(
    ttl: int,
    leg: str,
    news: News,
    joined: Sequence[str],
    left: Sequence[str] = (),
    *,
    several: bool = False,
    join: Join = Join.ALWAYS,
) -> Command:
    """Merge *news* of *leg* into its entry. It is in the conversations *joined*, and no more in *left*.

    *several*: it is known in more than one, so that the news is kept although it has not moved. *join* other than
    ALWAYS: there is one in *joined*.
    """
    part = keys.of(leg)
    args = (part.tag, ttl, keys.encode(leg), news.bits, news.billed, *news.place, int(several), int(join), len(joined))
    return Command(part.legs, (*args, *map(keys.encode, (*joined, *left))), scripts.LEG, (part.legs,))


def _voicemail(event: Event) -> tuple[str, str]:
    """The user whose voicemail *event* is, and its recording; empty if it is none that can be listed."""
    if not isinstance(event, Recording) or not event.voicemail or not event.recording_uuid:
        return "", ""
    named = event.voicemail.user, event.recording_uuid
    return named if max(map(len, named)) <= LONGEST else ("", "")


def _command(
    ttl: int,
    conversation: str,
    args: tuple[bytes | int | str, ...],
    numbers: Sequence[str] = (),
    marks: Sequence[str] = (),
    voicemail: tuple[str, str] = ("", ""),
) -> Command:
    """The call of `lua/record.lua`; *args* are its ARGV from the record on to *numbers*, *voicemail* and *marks*."""
    part, name = keys.of(conversation), keys.encode(conversation)
    events, minute = part.events(name), int(args[2]) // 60_000
    # While a slot moves between the nodes of a cluster, a script runs where all keys that it names are, or not at all.
    # A key that it does not name may be missing halfway.
    statistics = (part.bucket(minute), part.hour(minute // 60))
    named = (events, part.meta(name), *part.indexes, *statistics, *map(part.number, numbers), *map(part.mark, marks))
    if voicemail[0]:
        named = (*named, part.voicemails(voicemail[0], heard=False))
    args = (part.tag, ttl, name, *args, " ".join(numbers), *map(keys.encode, (*voicemail, *marks)))
    return Command(events, args, scripts.RECORD, named)
