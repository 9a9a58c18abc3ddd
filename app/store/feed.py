"""The feed: what changed, partition by partition, for those who listen. `lua/common.lua` writes the entries.

Each partition has a stream of about `keys.FEED_LENGTH` entries, one for each change of a conversation, in the order in
which they were made; nothing is said about the order between partitions. A repeat makes no entry, nor does expiry: it
is no news, and tidying would push real entries out of the capped stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from app.domain.conversations import History, Kept
from app.domain.leg_state import STATES, LegState
from app.domain.legs import Known
from app.store import keys
from app.store.errors import StoreUnavailable
from app.store.legs import entry_command, read_entry
from app.store.link import Command
from app.store.queries import MAX_READ_FOR_LEGS, Queries, conversations_to_read
from app.store.reader import NOTHING

CARRY: Final = "carry"
DELETE: Final = "delete"
OPERATION: Final = "operation"

MOST_SHOWN_AGAIN: Final = 8  # conversations, of each leg: where it is and the latest that it was in

EntryId = tuple[int, int]  # of a stream's entry: milliseconds by the clock of Redis, number within the millisecond
FeedPosition = tuple[EntryId, ...]  # for each partition the latest entry that was read; (0, 0): there was none
NOTHING_YET: Final[EntryId] = (0, 0)


class FeedEntry(NamedTuple):
    """One change.

    `position` is the event's index in the list of its conversation: a listener that reads the events up to it sees what
    the script saw. 0 begins a conversation, also anew, after it expired or was deleted. None if no event was kept: then
    `kind`, else the event's, is CARRY (news of the leg came from another conversation), DELETE, or OPERATION (a
    transfer or conference with legs in it changed its state). `before` and `after` are the state of the leg; None while
    it is not in the conversation, and without a leg. So a transfer takes a leg out of one conversation (`after` is
    None) and into another, and a leg's state changes in one entry only.
    """

    id: str
    conversation: str
    position: int | None
    kind: str
    leg: str | None
    before: LegState | None
    after: LegState | None

    @property
    def entry_id(self) -> EntryId:
        """`id` as numbers, which can be compared."""
        milliseconds, _, number = self.id.partition("-")
        return int(milliseconds), int(number)


class Ordered(NamedTuple):
    """What is needed to compute conversations as they were after each of their events.

    `lists`: the events of each conversation by index; None for one that cannot be read. `others`: those of other
    conversations that their legs have been in. `legs`: of each leg that has been in several, what else is known of it,
    and which they are.
    """

    lists: dict[str, list[Kept | None]]
    others: dict[str, History]
    legs: dict[str, tuple[Known, list[str]]]


class Feed(Queries):
    """Reading the feed. All that reads raises StoreUnavailable."""

    def close(self) -> None:
        """Close the connections that read."""
        self._reader.close()

    def latest(self) -> FeedPosition:
        """The position after all entries there are."""
        commands = [Command(part.feed, ("XREVRANGE", part.feed, "+", "-", "COUNT", 1)) for part in keys.ALL]
        return tuple(
            read_feed_entry(*found[0]).entry_id if found else NOTHING_YET for found in self._reader.fetch(commands)
        )

    def entries(
        self,
        after: FeedPosition,
        limit: int,
        until: FeedPosition | None = None,
        missing: list[StoreUnavailable] | None = None,
    ) -> list[list[FeedEntry]] | None:
        """For each partition at most *limit* entries after *after*, oldest first, up to *until*.

        None if entries that came after *after* are no longer there: the stream was trimmed, or the store emptied. With
        *missing*, partitions that are away have none, as long as others are there; it gets their errors.
        """
        wanted = [
            (number, begin, end)
            for number, (begin, end) in enumerate(zip(after, until or (None,) * keys.PARTITIONS, strict=True))
            if begin != end
        ]
        commands = []
        for number, begin, end in wanted:
            feed = keys.ALL[number].feed
            # With the entry at the position: while it is there, none of those behind it was trimmed.
            words = ("XRANGE", feed, _as_text(begin), _as_text(end) if end else "+", "COUNT", limit + 1)
            commands.append(Command(feed, words))
            if begin == NOTHING_YET:
                commands.append(Command(feed, ("XLEN", feed)))
        replies = iter(self._reader.fetch(commands, missing))
        if missing and len(missing) == len(commands):
            raise missing[0]
        found: list[list[FeedEntry]] = [[] for _ in keys.ALL]
        for number, begin, _ in wanted:
            reply = next(replies)
            length = next(replies) if begin == NOTHING_YET else None
            if reply is NOTHING or length is NOTHING:
                continue
            entries = [read_feed_entry(entry, fields) for entry, fields in reply]
            if length is not None:
                if length >= keys.FEED_LENGTH:
                    return None
            elif not entries or entries.pop(0).entry_id != begin:
                return None
            found[number] = entries[:limit]
        return found

    def ordered(self, entries: Iterable[FeedEntry], missing: list[StoreUnavailable] | None = None) -> Ordered:
        """All that is known of the conversations of *entries*, event by event.

        With those that the legs of *entries* were in before: what is shown of them may have changed as well. With
        *missing*, what other partitions would add is left out while they are away; it gets their errors.
        """
        wanted: dict[str, None] = {}
        of_entries: dict[str, None] = {}
        for entry in entries:
            wanted[entry.conversation] = None
            if entry.leg:
                of_entries[entry.leg] = None
        own = list(wanted)
        for names in self._moving(of_entries, missing).values():
            wanted |= dict.fromkeys(names[1][:MOST_SHOWN_AGAIN])
        lists = self._kept_lists(own) | self._kept_lists(list(wanted)[len(own) :], missing)
        legs = self._moving({kept.event.leg: None for found in lists.values() for kept in found if kept}, missing)
        others = dict.fromkeys(name for _, names in legs.values() for name in names if name not in lists)
        return Ordered(lists, self._histories_alone(list(others)[:MAX_READ_FOR_LEGS], missing=missing), legs)

    def moved(
        self, entries: Iterable[FeedEntry], missing: list[StoreUnavailable] | None = None
    ) -> dict[str, list[str]]:
        """Of those legs of *entries* that have been in several conversations: where each is, and the latest of them."""
        legs = dict.fromkeys(entry.leg for entry in entries)
        return {leg: names[:MOST_SHOWN_AGAIN] for leg, (_, names) in self._moving(legs, missing).items()}

    def _moving(
        self, legs: Iterable[str | None], missing: list[StoreUnavailable] | None = None
    ) -> dict[str, tuple[Known, list[str]]]:
        """Those of *legs* that have been in several conversations: what is known of them, and which they were."""
        uuids = [uuid for uuid in legs if uuid]
        entries = (read_entry(found or None) for found in self._reader.fetch([*map(entry_command, uuids)], missing))
        return {
            uuid: (Known(news.bits, news.place), conversations_to_read(news, names))
            for uuid, (news, names) in zip(uuids, entries, strict=True)
            if news.place.order
        }


def _as_text(entry: EntryId) -> str:
    return f"{entry[0]}-{entry[1]}"


def read_feed_entry(entry: bytes, fields: Sequence[bytes]) -> FeedEntry:
    """An element of the reply to XRANGE or XREAD: its id, and its fields, each name before its value."""
    conversation, index, kind, leg, states = fields[1::2]
    before, after = (STATES[int(digit)] if digit != "-" else None for digit in states.decode())
    return FeedEntry(
        entry.decode(),
        keys.decode(conversation),
        int(index) if index else None,
        kind.decode(),
        keys.decode(leg) or None,
        before,
        after,
    )
