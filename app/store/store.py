"""The store: the events of every call, kept once and found again.

Workers hold no state. An event costs one round trip to one slot, whatever else the store holds; a transfer, or an event
that is late for a leg that has gone on, one for each conversation concerned.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from app.domain.conversations import History, Kept, by_leg, history, join, moved_between
from app.domain.events import Answer, Event
from app.store import keys, scripts
from app.store.codec import ANSWER, EVENT, MILLISECOND, Record, milliseconds, pack, unpack
from app.store.errors import StoreUnavailable, UnreadableRecord, WrongLayout
from app.store.link import Address, Command
from app.store.pages import Filter, Page, Position, merge_pages
from app.store.reader import Reader
from app.store.record_command import Carried, Recorded, ScriptConfig, carry_command, digest, record_command
from app.store.writer import Writer

log = logging.getLogger(__name__)

WRITE_SECONDS: Final = 0.7  # a request waits no longer for its event to be kept
FEED_LENGTH: Final = 1000  # entries a partition's feed remembers, about
UNFILED_LENGTH: Final = 1000
AT_ONCE: Final = 100  # index entries that housekeeping looks at with one command
MOST_HOPS: Final = 64  # conversations one leg's news is carried through
MOST_MOVES_READ: Final = 64  # conversations read together with one because its legs moved


class Counts(NamedTuple):
    """Sums over all partitions. `counters` holds legs by state and webhooks by what became of them."""

    live: int
    presumed_ended: int
    ended: int
    counters: dict[str, int]


class Store:
    """All that Switchhook keeps, in Redis (single node, replicated or cluster).

    `read` turns a record back into the event it came of. `overflow` is asked when Redis did not take an event in time:
    it returns True if it keeps the record, and will see to it that `record_again` gets it.
    Every method raises StoreUnavailable when Redis does not answer in time.
    """

    name: Final = "redis"

    def __init__(
        self,
        address: Address,
        *,
        read: Callable[[Record], Event],
        retention: timedelta,
        connections: int = 5,
        overflow: Callable[[Record], bool] | None = None,
    ) -> None:
        self._read = read
        self._writer = Writer(address, seconds=WRITE_SECONDS)
        self._reader = Reader(address, links=max(1, connections - 2))  # one is the writer's, one the feed's
        self._overflow = overflow
        self._terms = ScriptConfig(keys.MINUTES_A_BUCKET, retention // MILLISECOND, FEED_LENGTH)
        self.retention = retention

    def start(self) -> None:
        """Claim the store. Raises WrongLayout if it was laid out for another number of partitions."""
        self._writer.now([Command(keys.LAYOUT, ("SET", keys.LAYOUT, keys.PARTITIONS, "NX"))])
        (found,) = self._reader.ask([Command(keys.LAYOUT, ("GET", keys.LAYOUT))])
        if int(found) != keys.PARTITIONS:
            raise WrongLayout(
                f"the calls in this Redis are spread over {int(found)} partitions, this version spreads them over "
                f"{keys.PARTITIONS}: use the version that wrote them, or an empty Redis (REDIS_URL)"
            )

    def stop(self) -> None:
        """Write what is still to be written, and close all connections."""
        self._writer.close()
        self._reader.close()

    # -- writing ------------------------------------------------------------------------------------------------------

    def record(
        self, event: Event, body: bytes, received: datetime, notes: tuple[str, ...] = (), *, counted: bool = True
    ) -> bool:
        """Keep *event*, whose JSON text is *body*, with its conversation: with both, for a transfer.

        *notes* are what the signature check noted; *counted*: whether it counts as a webhook received. Returns False
        if it was there already: nothing changed, nobody is told. May be repeated until it succeeds.
        """
        record = Record(EVENT, received, body, notes)
        try:
            return self._record(event, record, counted=counted)
        except StoreUnavailable:
            if self._overflow is not None and self._overflow(record):
                return True
            raise

    def record_again(self, record: Record) -> bool:
        """Keep what the overflow took. Returns False if it was there already; raises StoreUnavailable."""
        return self._record(self._read(record), record, counted=True)

    def _record(self, event: Event, record: Record, *, counted: bool) -> bool:
        kept, carried, until = False, Carried(), time.monotonic() + WRITE_SECONDS
        for place, home in enumerate(event.conversations):
            command = record_command(self._terms, event, home, record, counted=counted and place == 0, carried=carried)
            told = Recorded(*self._writer.now([command], until)[0])
            kept = bool(told.kept)  # the last one's: two who race with a transfer are not both told that it is new
            carried = told.carried(home)
            if event.leg and (told.elsewhere or told.left_behind):
                self._spread(event.leg, told, carried, record.received, until, known=event.conversations[place + 1 :])
        return kept

    def record_later(
        self, event: Event, body: bytes, received: datetime, notes: tuple[str, ...] = (), *, counted: bool = True
    ) -> None:
        """Keep the record of an answer that was given, or an event, some time: nobody waits for it."""
        record = Record(ANSWER if isinstance(event, Answer) else EVENT, received, body, notes)
        for home in event.conversations:
            self._writer.later(record_command(self._terms, event, home, record, counted=counted))

    def unfile(self, body: bytes, why: str, received: datetime) -> bool:
        """Keep a webhook that belongs to no conversation. Returns False if it was there already."""
        return bool(self._writer.now([self._unfile_command(body, why, received)])[0])

    def unfile_later(self, body: bytes, why: str, received: datetime) -> None:
        """The same, some time: nobody waits for it."""
        self._writer.later(self._unfile_command(body, why, received))

    def count(self, name: str) -> None:
        """Count something that happened to a webhook that is not kept, some time: `refused:expired`."""
        self._writer.count(keys.ALL[0].counts, name)

    def _unfile_command(self, body: bytes, why: str, received: datetime) -> Command:
        home = keys.ALL[0]
        stored = pack(Record(EVENT, received, body))
        args = (home.tag, *self._terms, digest(body), stored, why, UNFILED_LENGTH)
        return Command(home.unfiled, args, scripts.UNFILE, (home.unfiled,))

    def _spread(
        self, leg: str, told: Recorded, carried: Carried, received: datetime, until: float, known: Sequence[str]
    ) -> None:
        """Tell where *leg* went, and where it was thought to be, what one conversation was *told* of it; and so on.

        *known* are those that get the event itself next, and this with it. Raises StoreUnavailable after *until*.
        """
        asked = [(told, carried)]
        for _ in range(MOST_HOPS):
            if not asked:
                return
            told, carried = asked.pop()
            for name in filter(None, (told.elsewhere, told.left_behind)):
                other = keys.decode(name)
                if other in known or not (carried.bits or carried.billed or told.left_behind):
                    continue
                command = carry_command(self._terms, other, leg, carried, received)
                answer = Recorded(*self._writer.now([command], until)[0])
                if answer.changed:
                    asked.append((answer, answer.carried(other)))

    # -- reading ------------------------------------------------------------------------------------------------------

    def records(self, conversation: str, first: int = 0, last: int = -1) -> list[Record]:
        """What is kept of *conversation* alone, in the order in which it was kept, from place *first* to *last*."""
        (stored,) = self._reader.ask([_events_command(conversation, first, last)])
        return _readable(conversation, stored)

    def histories(self, conversations: Iterable[str]) -> dict[str, History]:
        """What was heard of each of *conversations* and, of those of its legs that moved from or to it, elsewhere."""
        wanted = list(dict.fromkeys(conversations))
        alone = self._alone(wanted)
        of_legs = {name: by_leg(heard) for name, heard in alone.items()}
        # What is told of a leg grows by what the conversations it moved between tell of it, until nothing new turns up.
        legs = [_Followed(name, leg, heard) for name in wanted for leg, heard in of_legs[name].items()]
        moved = legs
        while moved := [one for one in moved if one.further()]:
            missing = {other for one in moved for other in one.further()} - alone.keys()
            read = self._alone(sorted(missing))
            alone |= read
            of_legs |= {name: by_leg(heard) for name, heard in read.items()}
            for one in moved:
                for other in one.further():
                    one.take(other, of_legs[other].get(one.leg, {}))
        told = {name: [alone[name]] for name in wanted if alone[name]}
        for one in legs:
            if len(one.read) > 1:
                told[one.home].append(one.heard)
        return {name: join(*parts) for name, parts in told.items()}

    def leg_history(self, leg: str) -> History:
        """All that was heard in the conversations that *leg* has been in: one read of all partitions, then of those."""
        name = keys.encode(leg)
        lists = self._reader.ask([Command(part.legs, ("HGET", part.legs, name)) for part in keys.ALL])
        conversations = [keys.decode(one) for each in lists if each for one in _behind_lengths(each)]
        alone = self._alone(conversations[:MOST_MOVES_READ])
        return join(*(by_leg(heard).get(leg, {}) for heard in alone.values()))

    def page(self, wanted: Filter, after: Position | None, limit: int) -> Page:
        """The next conversations that *wanted* lets through, newest first by first receipt.

        A page may be shorter than *limit*, even empty, though there is more: no more than a set number is looked at.
        """
        commands = [wanted.command(part, self._terms, after, limit) for part in keys.ALL]
        return merge_pages(self._reader.ask(commands), limit)

    def counts(self, presumed_before: datetime) -> Counts:
        """How many there are of everything; the live ones last heard before *presumed_before* are presumed ended."""
        cutoff = milliseconds(presumed_before)
        replies = iter(
            self._reader.ask(
                [
                    command
                    for part in keys.ALL
                    for command in (
                        Command(part.live, ("ZCARD", part.live)),
                        Command(part.heard, ("ZCOUNT", part.heard, "-inf", f"({cutoff}")),
                        Command(part.ended, ("ZCARD", part.ended)),
                        Command(part.counts, ("HGETALL", part.counts)),
                    )
                ]
            )
        )
        live = presumed = ended = 0
        counters: dict[str, int] = {}
        for in_live, in_presumed, in_ended, flat in zip(replies, replies, replies, replies, strict=True):
            live += in_live - in_presumed
            presumed += in_presumed
            ended += in_ended
            for name, value in zip(flat[::2], flat[1::2], strict=True):
                counters[name.decode()] = counters.get(name.decode(), 0) + int(value)
        return Counts(live, presumed, ended, counters)

    def minutes(self, first: int, last: int) -> dict[int, dict[str, int]]:
        """Statistics by minute since 1970, *last* included: events, repeats, conversations, legs, seconds, outcomes."""
        buckets = range(first // keys.MINUTES_A_BUCKET, last // keys.MINUTES_A_BUCKET + 1)
        places = [(part, bucket) for part in keys.ALL for bucket in buckets]
        named = [(bucket, part.bucket(bucket * keys.MINUTES_A_BUCKET)) for part, bucket in places]
        told: dict[int, dict[str, int]] = {}
        for (bucket, _), flat in zip(
            named, self._reader.ask([Command(key, ("HGETALL", key)) for _, key in named]), strict=True
        ):
            for field, value in zip(flat[::2], flat[1::2], strict=True):
                minute, _, name = field.decode().partition(":")
                at = told.setdefault(bucket * keys.MINUTES_A_BUCKET + int(minute), {})
                at[name] = at.get(name, 0) + int(value)
        return {minute: at for minute, at in sorted(told.items()) if first <= minute <= last}

    def unfiled(self) -> list[tuple[str, str, Record]]:
        """The webhooks that belong to no conversation, oldest first: entry, why, record."""
        key = keys.ALL[0].unfiled
        (entries,) = self._reader.ask([Command(key, ("XRANGE", key, "-", "+"))])
        return [(entry.decode(), fields[3].decode(), unpack(fields[1])) for entry, fields in entries]

    @property
    def answers_waiting(self) -> int:
        """Records of answers that Redis has not taken yet."""
        return self._writer.waiting

    @property
    def answers_lost(self) -> int:
        """Records of answers that this process had to give up."""
        return self._writer.lost

    def ping(self) -> str | None:
        """Write to every partition: None, or why one of them could keep no event now."""
        try:
            self._writer.now([Command(part.probe, ("SET", part.probe, "", "PX", 10_000)) for part in keys.ALL])
        except StoreUnavailable as away:
            return away.reason
        return None

    # -- removing -----------------------------------------------------------------------------------------------------

    def delete(self, conversation: str) -> bool:
        """Delete all that is kept of *conversation*. Returns False if there was nothing."""
        return self.delete_all([conversation]) == 1

    def delete_all(self, conversations: Iterable[str]) -> int:
        """Delete all that is kept of *conversations*; returns how many there were."""
        by_partition: dict[int, list[bytes]] = {}
        for conversation in conversations:
            by_partition.setdefault(keys.partition(conversation), []).append(keys.encode(conversation))
        commands = [
            Command(part.counts, (part.tag, *self._terms, *names), scripts.REMOVE, (part.counts,))
            for number, names in by_partition.items()
            for part in (keys.ALL[number],)
        ]
        return sum(self._writer.now(commands)) if commands else 0

    def forget(self, number: str) -> int:
        """Delete every conversation with the telephone number *number* (digits), and what is unfiled with it.

        Returns how many conversations there were.
        """
        removed, after = 0, None
        wanted = Filter(number=number, whole=True)  # not all whose numbers end like it
        while True:
            page = self.page(wanted, after, 100)
            removed += self.delete_all(page.conversations)
            if page.next is None:
                break
            after = page.next
        key = keys.ALL[0].unfiled
        entries = [entry for entry, _, record in self.unfiled() if number.encode() in record.body]
        if entries:
            self._writer.now([Command(key, ("XDEL", key, *entries))])
        return removed

    def forget_on_disk(self, seconds: float = 0.0) -> bool:
        """Have Redis write its append-only file anew, if it keeps one: what was deleted still stands in the old one.

        Waits up to *seconds* for it. Returns False if it was not done, or not done by then.
        """
        until = time.monotonic() + seconds
        nodes = {self._reader.node_of(part.live): part for part in keys.ALL}
        keep_one = [part for part in nodes.values() if self._info(part, "persistence")[b"aof_enabled"] == b"1"]
        rewritten = [self._rewrite_file(part, until) for part in keep_one]
        return all(rewritten)

    def _rewrite_file(self, part: keys.Partition, until: float) -> bool:
        """Have the node that holds *part* do it. One that is under way may have begun before the deletion."""
        begun = False
        while True:
            if not begun:
                with suppress(StoreUnavailable):
                    self._writer.now([Command(part.live, ("BGREWRITEAOF",))])
                    begun = True
            elif self._info(part, "persistence")[b"aof_rewrite_in_progress"] == b"0":
                return True
            if time.monotonic() > until:
                return False
            time.sleep(0.05)

    # -- housekeeping -------------------------------------------------------------------------------------------------

    def lease(self, partition: int, holder: str, seconds: int) -> bool:
        """Whether *holder* may tidy *partition* for the next *seconds*."""
        key = keys.ALL[partition].lease
        return self._writer.now([Command(key, ("SET", key, holder, "NX", "EX", seconds))])[0] is not None

    def forget_expired(self, partition: int, now: datetime) -> int:
        """Take conversations whose events have expired out of every index of *partition*. Returns how many.

        What belongs to no conversation, and was filed as long ago, goes as well.
        """
        part, cutoff = keys.ALL[partition], milliseconds(now - self.retention)
        forgotten = 0
        for index in (part.live, part.ended):
            passed_over, looked_at = 0, AT_ONCE
            while looked_at == AT_ONCE:
                args = (part.tag, *self._terms, cutoff, passed_over, AT_ONCE)
                ((gone, looked_at),) = self._writer.now([Command(index, args, scripts.TIDY, (index,))])
                forgotten += gone
                passed_over += looked_at - gone
        if partition == 0:
            self._writer.now([Command(part.unfiled, ("XTRIM", part.unfiled, "MINID", max(cutoff, 0)))])
        return forgotten

    def evicts(self) -> str | None:
        """The policy by which Redis removes keys of its own accord when it is full; None if it does not."""
        policy = self._info(keys.ALL[0], "memory").get(b"maxmemory_policy", b"noeviction").decode()
        return None if policy == "noeviction" else policy

    def used_bytes(self) -> int:
        """Memory that Redis uses, over all nodes of a cluster."""
        nodes = {self._reader.node_of(part.live): part for part in keys.ALL}
        return sum(int(self._info(part, "memory")[b"used_memory"]) for part in nodes.values())

    def oldest_ended(self, most: int) -> list[str]:
        """The ended conversations that were first heard of the longest ago."""
        commands = [Command(part.ended, ("ZRANGE", part.ended, 0, most - 1, "WITHSCORES")) for part in keys.ALL]
        found = [
            (float(score), name)
            for flat in self._reader.ask(commands)
            for name, score in zip(flat[::2], flat[1::2], strict=True)
        ]
        return [keys.decode(name) for _, name in sorted(found)[:most]]

    def _info(self, part: keys.Partition, section: str) -> dict[bytes, bytes]:
        """What the node that holds *part* says of itself."""
        (text,) = self._reader.ask([Command(part.live, ("INFO", section))])
        return dict(line.split(b":", 1) for line in text.splitlines() if b":" in line)

    def _alone(self, conversations: Sequence[str]) -> dict[str, History]:
        """What was heard in each of *conversations* alone."""
        lists = self._reader.ask([_events_command(name) for name in conversations])
        return {
            name: history(Kept(self._read(record), record.received) for record in _readable(name, stored))
            for name, stored in zip(conversations, lists, strict=True)
        }


class _Followed:
    """A leg of the conversation *home* while what is known of it is gathered."""

    def __init__(self, home: str, leg: str, heard: History) -> None:
        self.home, self.leg, self.heard, self.read = home, leg, heard, {home}

    def further(self) -> list[str]:
        """The conversations it moved between that have not been read for it."""
        if len(self.read) >= MOST_MOVES_READ:
            return []
        return sorted(moved_between(self.heard) - self.read)

    def take(self, conversation: str, heard: History) -> None:
        """Add what was *heard* of it in *conversation*."""
        self.read.add(conversation)
        self.heard = join(self.heard, heard)


def _events_command(conversation: str, first: int = 0, last: int = -1) -> Command:
    key = keys.of(conversation).events(keys.encode(conversation))
    return Command(key, ("LRANGE", key, first, last))


def _readable(conversation: str, stored: Iterable[bytes]) -> list[Record]:
    """The records; one that cannot be read, for a later version wrote it, is passed over and named in the log."""
    records = []
    for number, one in enumerate(stored):
        if number % AT_ONCE == AT_ONCE - 1:
            time.sleep(0)  # a long conversation is no reason for a caller to wait
        try:
            records.append(unpack(one, keys.encode(conversation)))
        except UnreadableRecord as error:
            log.error("a record of %s is passed over: %s", conversation, error)  # noqa: TRY400 - it says all there is
    return records


def _behind_lengths(packed: bytes) -> Iterable[bytes]:
    """The names in "3:one5:three"."""
    while packed:
        length, _, rest = packed.partition(b":")
        yield rest[: int(length)]
        packed = rest[int(length) :]
