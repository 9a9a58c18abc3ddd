"""Reading: conversations, legs, lists and counters."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from app.domain.conversations import History, Kept, by_leg, history, join, moved_between
from app.store import keys
from app.store.apart import apart
from app.store.codec import Record, milliseconds, unpack
from app.store.connected import Connected
from app.store.contract import CallReader, Counts
from app.store.errors import UnreadableRecord
from app.store.link import Command
from app.store.pages import Filter, Page, Position, merge_pages

log = logging.getLogger(__name__)

MAX_MOVES_READ: Final = 64  # conversations read together with one because its legs moved


class Queries(Connected, CallReader):
    """Reading calls."""

    def records(self, conversation: str, first: int = 0, last: int = -1) -> list[Record]:
        (stored,) = self._reader.fetch([_events_command(conversation, first, last)])
        unreadable: list[str] = []
        records = apart(lambda: _readable(conversation, stored, unreadable))
        _log(unreadable)
        return records

    def histories(self, conversations: Iterable[str]) -> dict[str, History]:
        wanted = list(dict.fromkeys(conversations))
        alone = self._histories_alone(wanted)
        of_legs = {name: by_leg(events) for name, events in alone.items()}
        # Each round reads the conversations that the legs' moves name and that are unread, until none is left.
        followed = [_Followed(name, leg, events) for name in wanted for leg, events in of_legs[name].items()]
        moving = followed
        while moving := [leg for leg in moving if leg.unread()]:
            read = self._histories_alone(sorted({other for leg in moving for other in leg.unread()} - alone.keys()))
            alone |= read
            of_legs |= {name: by_leg(events) for name, events in read.items()}
            for leg in moving:
                for other in leg.unread():
                    leg.add(other, of_legs[other].get(leg.uuid, {}))
        parts = {name: [alone[name]] for name in wanted if alone[name]}
        for leg in followed:
            if len(leg.read) > 1:
                parts[leg.conversation].append(leg.events)
        return {name: join(*of_name) for name, of_name in parts.items()}

    def leg_history(self, leg: str) -> History:
        raw = keys.encode(leg)
        lists = self._reader.fetch([Command(part.legs, ("HGET", part.legs, raw)) for part in keys.ALL])
        conversations = [keys.decode(name) for packed in lists if packed for name in _length_prefixed(packed)]
        alone = self._histories_alone(conversations[:MAX_MOVES_READ])
        return join(*(by_leg(events).get(leg, {}) for events in alone.values()))

    def page(self, wanted: Filter, after: Position | None, limit: int) -> Page:
        commands = [wanted.command(part, self._ttl, after, limit) for part in keys.ALL]
        return merge_pages(self._reader.fetch(commands), limit)

    def counts(self, presumed_before: datetime) -> Counts:
        before = f"({milliseconds(presumed_before)}"
        commands = [
            command
            for part in keys.ALL
            for command in (
                Command(part.live, ("ZCARD", part.live)),
                Command(part.last_received, ("ZCOUNT", part.last_received, "-inf", before)),
                Command(part.ended, ("ZCARD", part.ended)),
                Command(part.counts, ("HGETALL", part.counts)),
            )
        ]
        replies = self._reader.fetch(commands)
        live, presumed, ended = (sum(replies[offset::4]) for offset in range(3))
        counters: dict[str, int] = {}
        for flat in replies[3::4]:
            for name, value in zip(flat[::2], flat[1::2], strict=True):
                counters[name.decode()] = counters.get(name.decode(), 0) + int(value)
        return Counts(live - presumed, presumed, ended, counters)

    def minutes(self, first: int, last: int) -> dict[int, dict[str, int]]:
        """Statistics by minute since 1970, *last* included: events, repeats, conversations, legs, seconds, outcomes."""
        starts = range(first - first % keys.MINUTES_A_BUCKET, last + 1, keys.MINUTES_A_BUCKET)
        buckets = [(start, part.bucket(start)) for part in keys.ALL for start in starts]
        replies = self._reader.fetch([Command(key, ("HGETALL", key)) for _, key in buckets])
        found: defaultdict[int, Counter[str]] = defaultdict(Counter)
        for (start, _), flat in zip(buckets, replies, strict=True):
            for field, value in zip(flat[::2], flat[1::2], strict=True):
                offset, _, name = field.decode().partition(":")
                found[start + int(offset)][name] += int(value)
        return {minute: dict(found[minute]) for minute in sorted(found) if first <= minute <= last}

    def unfiled(self, limit: int | None = None, before: str | None = None) -> list[tuple[str, str, Record]]:
        """The webhooks that belong to no conversation, newest first: entry, why, record; those *before* an entry."""
        key = keys.ALL[0].unfiled
        most = ("COUNT", limit) if limit is not None else ()
        (entries,) = self._reader.fetch([Command(key, ("XREVRANGE", key, f"({before}" if before else "+", "-", *most))])
        return [(entry.decode(), fields[3].decode(), unpack(fields[1])) for entry, fields in entries]

    def _histories_alone(self, conversations: Sequence[str]) -> dict[str, History]:
        """The history of each of *conversations*, without those of other conversations."""
        lists = self._reader.fetch([_events_command(name) for name in conversations])
        unreadable: list[str] = []

        def read(name: str, stored: Sequence[bytes]) -> History:
            records = _readable(name, stored, unreadable)
            return history(Kept(self._read(record), record.received) for record in records)

        found = apart(lambda: {name: read(name, stored) for name, stored in zip(conversations, lists, strict=True)})
        _log(unreadable)
        return found


class _Followed:
    """A leg of *conversation* whose moves are followed: its events, and the conversations they were read from."""

    def __init__(self, conversation: str, uuid: str, events: History) -> None:
        self.conversation, self.uuid, self.events, self.read = conversation, uuid, events, {conversation}

    def unread(self) -> list[str]:
        """The conversations that its moves name and that have not been read for it."""
        if len(self.read) >= MAX_MOVES_READ:
            return []
        return sorted(moved_between(self.events) - self.read)

    def add(self, conversation: str, events: History) -> None:
        """Add its *events* in *conversation*."""
        self.read.add(conversation)
        self.events = join(self.events, events)


def _events_command(conversation: str, first: int = 0, last: int = -1) -> Command:
    key = keys.of(conversation).events(keys.encode(conversation))
    return Command(key, ("LRANGE", key, first, last))


def _readable(conversation: str, stored: Iterable[bytes], unreadable: list[str]) -> list[Record]:
    """The records. Of one that this version cannot read, because a later one wrote it, *unreadable* gets the reason."""
    name, records = keys.encode(conversation), []
    for raw in stored:
        try:
            records.append(unpack(raw, name))
        except UnreadableRecord as error:
            unreadable.append(f"a record of {conversation} is passed over: {error}")
    return records


def _log(unreadable: Iterable[str]) -> None:
    for words in unreadable:
        log.error(words)


def _length_prefixed(packed: bytes) -> Iterable[bytes]:
    """The names in "3:one5:three"."""
    while packed:
        length, _, rest = packed.partition(b":")
        yield rest[: int(length)]
        packed = rest[int(length) :]
