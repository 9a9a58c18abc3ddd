"""Maintenance: deleting on request, expiry, and how much memory Redis uses."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple

from app.domain.numbers import has_number
from app.store import keys, scripts
from app.store.codec import milliseconds
from app.store.errors import StoreUnavailable
from app.store.legs import Legs, touch_command
from app.store.link import Command
from app.store.pages import Filter
from app.store.queries import Queries
from app.store.traces import Traces

BATCH_SIZE: Final = 100  # conversations that one command checks or deletes


class Forgotten(NamedTuple):
    """How many were deleted because of a telephone number."""

    conversations: int
    unfiled: int


class Maintenance(Queries, Legs, Traces):
    """Removing conversations: on request, after their retention, and before Redis is full."""

    def delete(self, conversation: str) -> bool:
        """Delete *conversation*. Returns False if there is none."""
        return self.delete_all([conversation]) == 1

    def delete_all(self, conversations: Iterable[str], *, from_figures: bool = True) -> int:
        """Delete *conversations*, and take their calls out of the figures as well; returns how many there were.

        Of the others, what is left is deleted as well.
        """
        by_partition: dict[keys.Partition, list[bytes]] = {}
        deleted = list(conversations)
        others = self.tied(deleted).conversations.keys() - {*deleted} if from_figures else ()
        for conversation in deleted:
            by_partition.setdefault(keys.of(conversation), []).append(keys.encode(conversation))
        commands = [
            Command(part.counts, (part.tag, self._ttl, int(from_figures), *names), scripts.REMOVE, (part.counts,))
            for part, names in by_partition.items()
        ]
        removed = 0
        for part, (count, notes) in zip(by_partition, self._writer.send(commands) if commands else (), strict=True):
            removed += count
            with suppress(StoreUnavailable):  # they are deleted all the same; housekeeping does the rest
                self.settle(part, notes)
        if others:  # the calls of those that were deleted are counted by what is left of them
            self._writer.send([touch_command(name) for name in others])
        return removed

    def forget(self, number: str) -> Forgotten:
        """Delete every conversation, and unfiled webhook, with the telephone number *number* (digits).

        An unfiled webhook may write it in any way. What else has it, or is of a session in these calls, goes too.
        """
        removed, after, legs = 0, None, set[str]()
        wanted = Filter(number=number, whole=True)  # not all whose numbers end like it
        while True:
            page = self.page(wanted, after, BATCH_SIZE)
            histories = self._histories_alone(page.conversations).values()
            legs |= {kept.event.leg for history in histories for kept in history.values() if kept.event.leg}
            removed += self.delete_all(page.conversations)
            if page.next is None:
                break
            after = page.next
        key = keys.ALL[0].unfiled
        entries = [
            entry for entry, _, record in self.unfiled() if has_number(record.body.decode(errors="replace"), number)
        ]
        if entries:
            self._writer.send([Command(key, ("XDEL", key, *entries))])
        self.forget_traces([part for part, _ in self._nodes()], number, legs)
        return Forgotten(removed, len(entries))

    def forget_on_disk(self, seconds: float = 0.0) -> bool:
        """Let Redis rewrite its append-only file, if it has one: the old one still contains what was deleted.

        Waits up to *seconds*. Returns False if that is not done by then.
        """
        until = time.monotonic() + seconds
        with_file = [part for part, info in self._nodes() if info[b"aof_enabled"] == b"1"]
        rewritten = [self._rewrite_file(part, until) for part in with_file]
        return all(rewritten)

    def _rewrite_file(self, part: keys.Partition, until: float) -> bool:
        """Let the node that holds *part* do it. One that is under way may have begun before the deletion."""
        begun = False
        while True:
            if not begun:
                with suppress(StoreUnavailable):
                    self._writer.send([Command(part.live, ("BGREWRITEAOF",))])
                    begun = True
            elif self._info(part)[0][b"aof_rewrite_in_progress"] == b"0":
                return True
            if time.monotonic() > until:
                return False
            time.sleep(0.05)

    def lease(self, partition: int, holder: str, seconds: int) -> bool:
        """Whether *holder* may tidy *partition* for the next *seconds*."""
        key = keys.ALL[partition].lease
        return self._writer.send([Command(key, ("SET", key, holder, "NX", "EX", seconds))])[0] is not None

    def forget_expired(self, partition: int, now: datetime) -> int:
        """Remove conversations whose events have expired from the indexes of *partition*. Returns how many.

        Unfiled webhooks of the same age go as well.
        """
        part, cutoff = keys.ALL[partition], milliseconds(now - self.retention)
        forgotten = 0
        for index in (part.live, part.ended):
            skip, checked = 0, BATCH_SIZE
            while checked == BATCH_SIZE:
                args = (part.tag, self._ttl, cutoff, skip, BATCH_SIZE)
                ((gone, checked),) = self._writer.send([Command(index, args, scripts.TIDY, (index,))])
                forgotten += gone
                skip += checked - gone
        if partition == 0:
            self._writer.send([Command(part.unfiled, ("XTRIM", part.unfiled, "MINID", max(cutoff, 0)))])
        return forgotten

    def evicts(self) -> str | None:
        """The policy by which Redis removes keys when it is full; None if it does not."""
        policy = self._info(keys.ALL[0])[0].get(b"maxmemory_policy", b"noeviction").decode()
        return None if policy == "noeviction" else policy

    def used_bytes(self) -> int:
        """The memory that Redis uses, over all nodes of a cluster."""
        return sum(int(info[b"used_memory"]) for _, info in self._nodes())

    def node_infos(self) -> list[dict[bytes, bytes]]:
        """INFO of the node, or of each node of a cluster that holds partitions."""
        return [info for _, info in self._nodes()]

    def clock(self) -> float:
        """The time at Redis, in seconds since 1970; one round trip."""
        ((seconds, microseconds),) = self._reader.fetch([Command(keys.ALL[0].live, ("TIME",))])
        return int(seconds) + int(microseconds) / 1_000_000

    def oldest_ended(self, limit: int) -> list[str]:
        """The ended conversations whose first events were received the longest ago."""
        commands = [Command(part.ended, ("ZRANGE", part.ended, 0, limit - 1, "WITHSCORES")) for part in keys.ALL]
        found = [
            (float(score), name)
            for flat in self._reader.fetch(commands)
            for name, score in zip(flat[::2], flat[1::2], strict=True)
        ]
        return [keys.decode(name) for _, name in sorted(found)[:limit]]

    def _nodes(self) -> Iterable[tuple[keys.Partition, dict[bytes, bytes]]]:
        """For each node, one of its partitions, and its INFO."""
        infos = zip(keys.ALL, self._info(*keys.ALL), strict=True)
        return {info[b"run_id"]: (part, info) for part, info in infos}.values()

    def _info(self, *parts: keys.Partition) -> list[dict[bytes, bytes]]:
        """INFO from the nodes that hold *parts*."""
        replies = self._reader.fetch([Command(part.live, ("INFO",)) for part in parts])
        return [dict(line.split(b":", 1) for line in text.splitlines() if b":" in line) for text in replies]
