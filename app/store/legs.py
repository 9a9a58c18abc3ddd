"""One leg, one state: what one conversation learns of a leg reaches its entry, and from there all that it concerns.

Each leg has one entry, in its own partition (`lua/leg.lua`). It says in which conversations the leg is known and, once
there are several, its bits, billed seconds and place. An event of a leg that is known in one conversation alone changes
nothing but that conversation. docs/store.md explains the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import reduce
from typing import Any, Final, TypeVar

from app.domain.legs import place_of
from app.domain.moves import MOVED, UNKNOWN_PLACE, Place, seen
from app.store import keys
from app.store.codec import unpack
from app.store.connected import Connected
from app.store.errors import UnreadableRecord
from app.store.link import Command
from app.store.record_command import (
    NO_NEWS,
    Join,
    LegResult,
    News,
    RecordResult,
    carry_command,
    leg_command,
)
from app.store.writer import Late

MAX_TURNS: Final = 5  # how often a leg is settled again because more was learnt meanwhile
BATCH: Final = 100  # legs that are settled together
BY_RELATED: Final = b"r"  # in `touched`: a conversation of the same call as one that changed
MAX_BATCHES: Final = 100  # of one partition in one round of housekeeping

Item = TypeVar("Item")


@dataclass(slots=True)
class _Unsettled:
    """A leg to settle. *names*: conversations that it is, or was, in; *notes* say so in their partitions."""

    uuid: str
    names: set[str]
    notes: list[tuple[keys.Partition, bytes]] = field(default_factory=list)
    renewed: Collection[str] = ()  # of the names, those that had expired, or been deleted, and began anew
    named: Sequence[str] = ()  # of the names, those in the entry
    views: dict[str, News] = field(default_factory=dict)  # what each conversation knows of it, where it is known
    news: News = NO_NEWS


class Legs(Connected):
    """Keeping a leg's conversations in agreement."""

    def share(
        self,
        leg: str,
        conversation: str,
        result: RecordResult,
        place: Place,
        received: datetime,
        until: float,
        *,
        before: Sequence[str] = (),
        skip: Sequence[str] = (),
    ) -> News:
        """Bring what *conversation* has just learnt of *leg* (*result*) to all that it concerns.

        *place* is where its event says that the leg is; *before*: conversations that got the event itself just before;
        *skip*: those that get it next, and the news with it. Returns what is known of the leg. Raises StoreUnavailable
        at *until*.
        """
        own = result.news
        new = result.fresh or not result.order
        join = Join.ALWAYS if before else Join.NEW if new else Join.KNOWN
        command = leg_command(self._ttl, leg, own.merge(News(place=place)), [conversation], join=join)
        entry = LegResult(*self._send([command], until)[0])
        moving = place.order >= MOVED
        unsettled = _Unsettled(leg, {conversation}, [(keys.of(conversation), result.note)] if result.note else [])
        if result.fresh == 2 or (entry.refused and new):
            unsettled.renewed = [conversation]
        if (
            result.fresh == 2
            or entry.refused
            or (entry.conversations > 1 and (not entry.knew or (result.fresh and not moving)))
        ):
            self._settle([unsettled], until, received)
            return own.merge(unsettled.news)
        if entry.order == 0:
            self._take_away(unsettled)
            return own
        news = entry.news
        concerned = {keys.decode(name) for name in (entry.place, entry.previously) if name} - {conversation, *skip}
        if _has_to_learn(conversation, own, news):
            concerned.add(conversation)
        self._send([carry_command(self._ttl, name, leg, news, received) for name in concerned], until)
        self._take_away(unsettled)
        return news

    def shared_later(self, leg: str, conversation: str) -> Any:
        """What is to be sent after an event of *leg* was kept with *conversation* later; see `Late`.

        A leg that is known elsewhere as well is left to housekeeping.
        """

        def then(reply: Any) -> Sequence[Late]:
            result = RecordResult(*reply)
            if not result.note or result.order:
                return ()

            def alone(reply: Any) -> Sequence[Late]:
                entry = LegResult(*reply)
                done = entry.conversations == 1 and entry.order == 0 and not entry.refused
                return [Late(_take_away_command(keys.of(conversation), [result.note]))] if done else ()

            return [Late(leg_command(self._ttl, leg, result.news, [conversation], join=Join.NEW), alone)]

        return then

    def settle_noted(self, partition: int) -> None:
        """Settle the legs that are noted in *partition*: their worker was killed, or Redis was away."""
        part = keys.ALL[partition]
        for _ in range(MAX_BATCHES):
            (notes,) = self._writer.send([Command(part.unsettled, ("SRANDMEMBER", part.unsettled, BATCH))])
            if not notes:
                return
            self.settle(part, notes)

    def settle(self, part: keys.Partition, notes: Iterable[bytes]) -> None:
        """Settle the legs of *notes*, which are in *part*. Raises StoreUnavailable."""
        for some in _batches(list(notes), BATCH):
            legs: dict[str, _Unsettled] = {}
            for note in some:
                length, _, rest = note.partition(b":")[2].partition(b":")
                conversation, uuid = keys.decode(rest[: int(length)]), keys.decode(rest[int(length) :])
                leg = legs.setdefault(uuid, _Unsettled(uuid, set()))
                leg.names.add(conversation)
                leg.notes.append((part, note))
            self._settle(list(legs.values()), None, datetime.now(UTC))

    def _settle(self, legs: list[_Unsettled], until: float | None, received: datetime) -> None:
        """Find out what all conversations of each of *legs* know of it, and let all of them know it.

        It may be repeated, and done by several workers at once: all that is written is merged.
        """
        for _ in range(MAX_TURNS):
            if not legs:
                return
            self._look(legs, until, received)
            entries = [self._entry_command(leg) for leg in legs]
            learning: list[tuple[_Unsettled, str]] = []
            gone: list[tuple[_Unsettled, str]] = []
            commands: list[Command] = []
            again: set[int] = set()
            for leg, reply in zip(legs, self._send(entries, until), strict=True):
                entry = LegResult(*reply)
                leg.news = entry.news
                if entry.conversations > len(leg.views):  # another one has joined since they were looked at
                    again.add(id(leg))
                if leg.news.place.order:
                    learning += ((leg, name) for name, view in leg.views.items() if _has_to_learn(name, view, leg.news))
                gone += ((leg, name) for name in leg.names - leg.views.keys())
            commands += (carry_command(self._ttl, name, leg.uuid, leg.news, received) for leg, name in learning)
            # One that was not there may be there by now, and its event have been merged before we took it out.
            commands += (carry_command(self._ttl, name, leg.uuid, NO_NEWS, received) for leg, name in gone)
            # What is left of a call whose conversation was deleted is counted anew (`figures.py`).
            gone_of = {id(leg): leg for leg, _ in gone}
            touches = [touch_command(name) for leg in gone_of.values() for name in leg.views]
            results = [RecordResult(*reply) for reply in self._send(commands, until)]
            self._send(touches, until)
            again |= {id(leg) for (leg, _), result in zip(gone, results[len(learning) :], strict=True) if result.known}
            again |= {
                id(leg)
                for (leg, _), result in zip(learning, results, strict=False)
                if result.known and result.bits | leg.news.bits != leg.news.bits
            }
            for leg in legs:
                if id(leg) not in again:
                    self._take_away(leg)
            legs = [leg for leg in legs if id(leg) in again]

    def _look(self, legs: Sequence[_Unsettled], until: float | None, received: datetime) -> None:
        """Find the conversations of each leg, what each of them knows of it, and where it is."""
        packed = self._send([entry_command(leg.uuid) for leg in legs], until)
        for leg, entry in zip(legs, packed, strict=True):
            leg.views.clear()
            leg.news, leg.named = read_entry(entry)
            leg.names.update(leg.named)
        # Each learns that it is not the only one: from now on its events go to the leg's entry.
        pairs = [(leg, name) for leg in legs for name in sorted(leg.names)]
        marks = [
            carry_command(
                self._ttl, name, leg.uuid, News(place=seen(None, name)) if len(leg.names) > 1 else NO_NEWS, received
            )
            for leg, name in pairs
        ]
        for (leg, name), reply in zip(pairs, self._send(marks, until), strict=True):
            result = RecordResult(*reply)
            if result.known:
                leg.views[name] = result.news
        for leg in legs:
            if not any(name in leg.views for name in leg.named if name not in leg.renewed):
                leg.news = NO_NEWS  # all that it is of are gone: it begins anew
            leg.news = reduce(News.merge, leg.views.values(), leg.news)
            if len(leg.views) > 1 and leg.news.place.order < MOVED:
                leg.news = leg.news.merge(News(place=self._seen(leg.uuid, list(leg.views))))

    def _entry_command(self, leg: _Unsettled) -> Command:
        known = list(leg.views)
        gone = [*(leg.names - leg.views.keys()), *(name for name in leg.renewed if name in leg.views)]
        leg.renewed = ()
        news = reduce(News.merge, leg.views.values(), NO_NEWS) if len(known) <= 1 else leg.news
        return leg_command(self._ttl, leg.uuid, news, known, gone, several=len(known) > 1)

    def _seen(self, leg: str, conversations: Sequence[str]) -> Place:
        """Where *leg*, none of whose moves were reported, was seen last."""
        found = UNKNOWN_PLACE
        for name in conversations:
            part, raw = keys.of(name), keys.encode(name)
            (stored,) = self._reader.fetch([Command(part.live, ("LRANGE", part.events(raw), 0, -1))])
            for each in stored:
                try:
                    record = unpack(each, raw)
                except UnreadableRecord:  # reading logs it
                    continue
                event = self._read(record)
                if event.leg == leg:
                    found = max(found, place_of(event, event.occurred or record.received))
        return found

    def _send(self, commands: Sequence[Command], until: float | None) -> list[Any]:
        """Send many commands, some at a time. Each batch of housekeeping has the time of a request."""
        return [reply for some in _batches(commands, 5 * BATCH) for reply in self._writer.send(some, until)]

    def _take_away(self, leg: _Unsettled) -> None:
        for part, note in leg.notes:
            self._writer.send_unwatched(_take_away_command(part, [note]))


def _batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _has_to_learn(conversation: str, view: News, news: News) -> bool:
    """Whether *conversation*, which knows *view* of a leg, is concerned by *news* of it."""
    name = keys.encode(conversation)
    if news.place.name == name:
        return view.merge(news) != view
    return view.place.order == 0 or view.place.name == name


def _take_away_command(part: keys.Partition, notes: Sequence[bytes]) -> Command:
    return Command(part.unsettled, ("SREM", part.unsettled, *notes))


def touch_command(conversation: str) -> Command:
    """Have the call that may have its home in *conversation* counted again (`figures.py`)."""
    part = keys.of(conversation)
    return Command(part.touched, ("ZINCRBY", part.touched, 1, BY_RELATED + keys.encode(conversation)))


def entry_command(leg: str) -> Command:
    """Read the entry of *leg*."""
    part = keys.of(leg)
    return Command(part.legs, ("HGET", part.legs, keys.encode(leg)))


def read_entry(packed: bytes | None) -> tuple[News, list[str]]:
    """What is known of a leg beside its conversations, and these, oldest first."""
    news, rest = NO_NEWS, packed or b""
    if rest.startswith(b"="):
        bits, billed, order, rest = rest[1:].split(b" ", 3)
        place, rest = _prefixed(rest)
        news = News(int(bits), int(billed), Place(int(order), place))
    names = []
    while rest:
        name, rest = _prefixed(rest)
        names.append(keys.decode(name))
    return news, names


def _prefixed(packed: bytes) -> tuple[bytes, bytes]:
    """The first name of "3:one5:three", and what follows it."""
    length, _, rest = packed.partition(b":")
    return rest[: int(length)], rest[int(length) :]
