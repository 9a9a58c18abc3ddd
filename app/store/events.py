"""Writing: each event is kept once, with its conversation; what follows for others is carried to them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from app.domain.events import Answer, Event
from app.store import keys, scripts
from app.store.codec import ANSWER, EVENT, Record, pack
from app.store.connected import WRITE_SECONDS, Connected
from app.store.link import Command
from app.store.record_command import Carried, RecordResult, carry_command, digest, record_command

UNFILED_LENGTH: Final = 1000
MAX_HOPS: Final = 64  # conversations that one leg's news is carried through


class Events(Connected):
    """Keeping webhooks. Every write may be repeated: what is kept already is not kept again.

    Unless it says "later", a method raises StoreUnavailable when Redis does not reply in time.
    """

    def record(
        self, event: Event, body: bytes, received: datetime, notes: tuple[str, ...] = (), *, counted: bool = True
    ) -> bool:
        """Keep *event*, whose JSON text is *body*, with its conversation; a transfer with both of its conversations.

        *notes* come from the signature check; *counted*: whether it counts as a webhook received. Returns False for a
        repeat, which changes nothing and adds nothing to the feed.
        """
        record = Record(EVENT, received, body, notes)
        kept, carried, until = False, Carried(), time.monotonic() + WRITE_SECONDS
        for index, name in enumerate(event.conversations):
            command = record_command(self._ttl, event, name, record, counted=counted and index == 0, carried=carried)
            result = RecordResult(*self._writer.send([command], until)[0])
            kept = bool(result.kept)  # the last one's: of two requests with the same transfer one alone gets True
            carried = result.carried(name)
            if event.leg and (result.elsewhere or result.previously):
                self._spread(event.leg, result, carried, received, until, skip=event.conversations[index + 1 :])
        return kept

    def record_later(
        self, event: Event, body: bytes, received: datetime, notes: tuple[str, ...] = (), *, counted: bool = True
    ) -> None:
        """Keep an event, or our record of an answer, later: the caller does not wait."""
        record = Record(ANSWER if isinstance(event, Answer) else EVENT, received, body, notes)
        for name in event.conversations:
            self._writer.send_later(record_command(self._ttl, event, name, record, counted=counted))

    def unfile(self, body: bytes, why: str, received: datetime) -> bool:
        """Keep a webhook that belongs to no conversation. Returns False for a repeat."""
        return bool(self._writer.send([self._unfile_command(body, why, received)])[0])

    def unfile_later(self, body: bytes, why: str, received: datetime) -> None:
        """The same, later."""
        self._writer.send_later(self._unfile_command(body, why, received))

    def count(self, name: str) -> None:
        """Add 1, later, to a counter of webhooks that are not kept: `refused:expired`."""
        self._writer.count(keys.ALL[0].counts, name)

    @property
    def answers_waiting(self) -> int:
        """Records of answers that Redis has not taken yet."""
        return self._writer.waiting

    @property
    def answers_lost(self) -> int:
        """Records of answers that this process had to give up."""
        return self._writer.lost

    def _unfile_command(self, body: bytes, why: str, received: datetime) -> Command:
        part = keys.ALL[0]
        args = (part.tag, self._ttl, digest(body), pack(Record(EVENT, received, body)), why, UNFILED_LENGTH)
        return Command(part.unfiled, args, scripts.UNFILE, (part.unfiled,))

    def _spread(
        self, leg: str, result: RecordResult, carried: Carried, received: datetime, until: float, skip: Sequence[str]
    ) -> None:
        """Carry news of *leg* to where it is, and where it was thought to be; and on from there, while it is news.

        *skip*: conversations that get the event itself next, and the news with it. Raises StoreUnavailable at *until*.
        """
        pending = [(result, carried)]
        for _ in range(MAX_HOPS):
            if not pending:
                return
            result, carried = pending.pop()
            for other in map(keys.decode, filter(None, (result.elsewhere, result.previously))):
                if other not in skip and (carried.bits or carried.billed or result.previously):
                    command = carry_command(self._ttl, other, leg, carried, received)
                    reply = RecordResult(*self._writer.send([command], until)[0])
                    if reply.changed:
                        pending.append((reply, reply.carried(other)))
