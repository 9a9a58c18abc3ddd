"""Reading: conversations, legs, lists and counters."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from app.domain.conversations import History, Kept, by_leg, join
from app.domain.legs import Known
from app.domain.marks import recording_mark
from app.store import keys
from app.store.apart import apart
from app.store.codec import Record, milliseconds, unpack
from app.store.contract import CallReader, Counts, Histories, LegHistory, Tied
from app.store.errors import StoreUnavailable, UnreadableRecord
from app.store.histories import history_alone, of_kept
from app.store.legs import entry_command, read_entry
from app.store.link import Command
from app.store.pages import Filter, Page, Position, merge_pages
from app.store.record_command import News
from app.store.statistics import Statistics

log = logging.getLogger(__name__)

# Conversations that are read together with others because legs have been in them. State, outcome and place of a leg are
# known without: they are in its entry.
MAX_READ_OF_A_LEG: Final = 256
MAX_READ_FOR_LEGS: Final = 1000  # for all legs of a page
MAX_TIED: Final = 1000  # read because legs tie them to those that are wanted, in so many steps at most:
MAX_STEPS: Final = 16


class Queries(Statistics, CallReader):
    """Reading calls."""

    def records(self, conversation: str, first: int = 0, last: int = -1) -> list[Record]:
        (stored,) = self._reader.fetch([events_command(conversation, first, last)])
        unreadable: list[str] = []
        records = apart(lambda: _records(conversation, stored, unreadable))
        _log(unreadable)
        return [record for record in records if record is not None]

    def records_of(self, conversations: Iterable[str]) -> list[Record]:
        names = list(conversations)
        lists = self._reader.fetch([events_command(name) for name in names])
        unreadable: list[str] = []

        def read() -> list[Record]:
            found = zip(names, lists, strict=True)
            return [record for name, stored in found for record in _records(name, stored, unreadable) if record]

        records = apart(read)
        _log(unreadable)
        return records

    def histories(self, conversations: Iterable[str]) -> Histories:
        alone = self._histories_alone(list(dict.fromkeys(conversations)))
        of_legs = {name: by_leg(events) for name, events in alone.items()}
        uuids = list(dict.fromkeys(leg for legs in of_legs.values() for leg in legs))
        entries = dict(zip(uuids, map(read_entry, self._reader.fetch([*map(entry_command, uuids)])), strict=True))
        wanted = {leg: conversations_to_read(*entry) for leg, entry in entries.items() if entry[0].place.order}
        others = dict.fromkeys(name for names in wanted.values() for name in names if name not in alone)
        of_legs |= {
            name: by_leg(events) for name, events in self._histories_alone(list(others)[:MAX_READ_FOR_LEGS]).items()
        }
        parts: dict[str, list[History]] = {leg: [] for leg in wanted}
        for legs in of_legs.values():
            for leg in legs.keys() & parts.keys():
                parts[leg].append(legs[leg])
        moving = {leg: LegHistory(join(*of_leg), _known(entries[leg][0])) for leg, of_leg in parts.items()}
        return Histories({name: _as_first_received(events, moving) for name, events in alone.items() if events}, moving)

    def tied(self, conversations: Iterable[str]) -> Tied:
        found = Tied({}, {}, {})
        names = list(dict.fromkeys(conversations))
        read, looked_up, most = set[str](), set[str](), len(names) + MAX_TIED
        for _ in range(MAX_STEPS):
            if not names:
                break
            read.update(names)
            histories = self._histories_alone(names, found.first_received)
            found.conversations.update((name, events) for name, events in histories.items() if events)
            legs = dict.fromkeys(k.event.leg for events in histories.values() for k in events.values() if k.event.leg)
            new = [leg for leg in legs if leg not in looked_up]
            looked_up.update(new)
            reached: dict[str, None] = {}
            for leg, packed in zip(new, self._reader.fetch([*map(entry_command, new)]), strict=True):
                news, of_leg = read_entry(packed)
                if news.place.order:
                    found.legs[leg] = _known(news)
                    reached |= dict.fromkeys(conversations_to_read(news, of_leg))
            names = [name for name in reached if name not in read][: most - len(read)]
        return found

    def conversations_of(self, id_: str) -> list[str]:
        marked = [part.mark(recording_mark(id_)) for part in keys.ALL]
        commands = [Command(key, ("ZRANGE", key, 0, MAX_READ_OF_A_LEG)) for key in marked]
        entry, *of_recording = self._reader.fetch([entry_command(id_), *commands])
        names = [keys.decode(name) for found in of_recording for name in found]
        return list(dict.fromkeys([id_, *conversations_to_read(*read_entry(entry)), *names]))

    def leg_history(self, leg: str) -> LegHistory:
        (packed,) = self._reader.fetch([entry_command(leg)])
        news, names = read_entry(packed)
        alone = self._histories_alone(conversations_to_read(news, names))
        return LegHistory(join(*(by_leg(events).get(leg, {}) for events in alone.values())), _known(news))

    def page(self, wanted: Filter, after: Position | None, limit: int) -> Page:
        commands = [wanted.command(part, self._ttl, after, limit) for part in keys.ALL]
        return merge_pages(self._reader.fetch(commands), limit, oldest_first=wanted.oldest_first)

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

    def unfiled(self, limit: int | None = None, before: str | None = None) -> list[tuple[str, str, Record]]:
        """The webhooks that belong to no conversation, newest first: entry, why, record; those *before* an entry."""
        key = keys.ALL[0].unfiled
        most = ("COUNT", limit) if limit is not None else ()
        (entries,) = self._reader.fetch([Command(key, ("XREVRANGE", key, f"({before}" if before else "+", "-", *most))])
        return [(entry.decode(), fields[3].decode(), unpack(fields[1])) for entry, fields in entries]

    def _histories_alone(
        self,
        conversations: Sequence[str],
        first_received: dict[str, datetime] | None = None,
        missing: list[StoreUnavailable] | None = None,
    ) -> dict[str, History]:
        """The history of each of *conversations*, without those of other conversations.

        *first_received* gets when the earliest event of each was received. *missing*: see `Reader.fetch`.
        """
        lists = self._reader.fetch([events_command(name) for name in conversations], missing)
        unreadable: list[str] = []

        def fold() -> dict[str, History]:
            found = {}
            for name, stored in zip(conversations, lists, strict=True):
                try:
                    alone = history_alone(self._read, name, stored)
                except UnreadableRecord:  # without the record that cannot be read
                    alone = of_kept([event for event in self._kept(name, stored, unreadable) if event is not None])
                if first_received is not None and alone.first_received is not None:
                    first_received[name] = alone.first_received
                found[name] = alone.events
            return found

        histories = apart(fold)
        _log(unreadable)
        return histories

    def _kept_lists(
        self, conversations: Sequence[str], missing: list[StoreUnavailable] | None = None
    ) -> dict[str, list[Kept | None]]:
        """The events of each of *conversations* by index; None for one that cannot be read."""
        lists = self._reader.fetch([events_command(name) for name in conversations], missing)
        return self.as_kept(dict(zip(conversations, lists, strict=True)))

    def as_kept(self, lists: Mapping[str, Sequence[bytes]]) -> dict[str, list[Kept | None]]:
        """The events of each conversation by index, of its records as they are stored."""
        unreadable: list[str] = []
        found = apart(lambda: {name: self._kept(name, stored, unreadable) for name, stored in lists.items()})
        _log(unreadable)
        return found

    def _kept(self, conversation: str, stored: Iterable[bytes], unreadable: list[str]) -> list[Kept | None]:
        records = _records(conversation, stored, unreadable)
        return [record and Kept(self._read(record), record.received) for record in records]


def _as_first_received(events: History, moving: Mapping[str, LegHistory]) -> History:
    """The *events* of a conversation; a transfer was received when its first copy was, also if that went elsewhere."""
    elsewhere = {
        canonical: moving[leg].events.get(canonical, kept)
        for canonical, kept in events.items()
        if (leg := kept.event.leg) and leg in moving
    }
    return join(events, elsewhere) if elsewhere else events


def conversations_to_read(news: News, names: Sequence[str]) -> list[str]:
    """The conversations of a leg that are read to describe it: where it is, and the latest."""
    place = keys.decode(news.place.name)
    return list(dict.fromkeys([*filter(None, [place]), *reversed(names)]))[:MAX_READ_OF_A_LEG]


def _known(news: News) -> Known:
    return Known(news.bits, news.place)


def events_command(conversation: str, first: int = 0, last: int = -1) -> Command:
    """Read the records of *conversation* from index *first* to *last*."""
    key = keys.of(conversation).events(keys.encode(conversation))
    return Command(key, ("LRANGE", key, first, last))


def _records(conversation: str, stored: Iterable[bytes], unreadable: list[str]) -> list[Record | None]:
    """The records by index. None for one that a later version wrote and this cannot read; *unreadable* says why."""
    name, records = keys.encode(conversation), list[Record | None]()
    for raw in stored:
        try:
            records.append(unpack(raw, name))
        except UnreadableRecord as error:
            records.append(None)
            unreadable.append(f"a record of {conversation} is passed over: {error}")
    return records


def _log(unreadable: Iterable[str]) -> None:
    for words in unreadable:
        log.error(words)
