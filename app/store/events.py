"""Writing: each event is kept once, with its conversation; what it says of its leg is shared with the leg's others."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from app.domain import events
from app.domain.actions import OURS
from app.domain.events import Answer, Event, Recording
from app.domain.legs import place_of
from app.store import keys, scripts, timeouts
from app.store.codec import ACTION, ANSWER, EVENT, LOOKED_UP, VOICEMAIL, Record, milliseconds, pack
from app.store.codes import code_of, stored_code
from app.store.contract import EventWriter
from app.store.errors import StoreUnavailable
from app.store.legs import Legs
from app.store.link import Command
from app.store.operations import Operations
from app.store.places import Places
from app.store.record_command import NO_NEWS, RecordResult, counting, digest, record_command
from app.store.spooled import Counted, Spill, Spooled, Write
from app.store.tallies import Tallied, tally_command
from app.store.writer import Late

UNFILED_LENGTH: Final = 1000
UNFILED_BYTES: Final = 4_000_000  # of all of them: a body may have 64 KiB
UNFILED_SEEN: Final = 10_000  # bodies that are known again


def sort_of(event: Event) -> bytes:
    """The sort of the record of *event* (`codec.py`)."""
    if isinstance(event, OURS):
        return ACTION
    if events.LOOKED_UP in event.flags:
        return LOOKED_UP
    if isinstance(event, Recording) and event.voicemail:
        return VOICEMAIL
    return ANSWER if isinstance(event, Answer) else EVENT


class Events(Legs, Operations, Places, EventWriter):
    """Keeping webhooks, and what was done to calls."""

    def record(
        self,
        event: Event,
        body: bytes,
        received: datetime,
        notes: tuple[str, ...] = (),
        *,
        counted: bool = True,
        until: float | None = None,
        brief: bool = True,
    ) -> bool:
        """See `EventWriter.record`. *brief*: see `Writer.send`."""
        how = Counted.YES if counted else Counted.NO
        return self._record(event, Record(sort_of(event), received, body, notes), how, until=until, brief=brief)

    def event_of(self, spooled: Spooled) -> Event:
        """The event that waited in the spool. Raises any error if it cannot be read."""
        return self._read(spooled.record)

    def write(self, waited: Write) -> None:
        """Keep what waited in the spool. May be repeated, also by another process: it is counted once.

        Raises StoreUnavailable, or any other error if it cannot be read.
        """
        if isinstance(waited, Tallied):
            self._writer.send([tally_command(waited)], brief=True)
            return
        record, counted, why = waited
        if why is None:
            self._record(self.event_of(waited), record, counted)
        else:
            self._writer.send([self._unfile_command(record, why, counted)], brief=True)

    def _record(
        self,
        event: Event,
        record: Record,
        counted: Counted,
        *,
        only: str | None = None,
        until: float | None = None,
        brief: bool = True,
    ) -> bool:
        """Keep *event* in its conversations, or in *only* one of them. Returns whether it is new in the last one."""
        received = record.received
        kept, news = False, NO_NEWS
        until = time.monotonic() + timeouts.WRITE_SECONDS if until is None else until
        for index, name in enumerate(event.conversations):
            if only is not None and name != only:
                continue
            how = Counted.NO if index else counted
            command = record_command(self._ttl, event, name, record, counted=how, first=not index, news=news)
            try:
                result = RecordResult(*self._writer.send([command], until, brief=brief)[0])
            except StoreUnavailable as away:
                away.sent = away.sent or index > 0
                raise
            if result.kept or not isinstance(event, OURS):  # of a first copy Redis may have replied too late
                self.wake(result.operations)
            self._free_places(result)
            kept = bool(result.kept)  # the last one's: of two requests with the same transfer one alone gets True
            news = result.news
            if event.leg and (result.note or not result.kept):
                # A repeat may be one of which the first copy came no further than this. Its time is not its receipt.
                place = place_of(event, event.occurred or received) if kept or event.occurred else news.place
                before, follow = event.conversations[:index], event.conversations[index + 1 :]
                try:
                    news = self.share(event.leg, name, result, place, received, until, before=before, skip=follow)
                except StoreUnavailable as away:
                    if result.order:
                        away.sent = True
                        raise
                    # It is noted, and known here alone: only the node with the leg's entry is away.
        return kept

    def record_later(
        self, event: Event, body: bytes, received: datetime, notes: tuple[str, ...] = (), *, counted: bool = True
    ) -> None:
        record = Record(sort_of(event), received, body, notes)
        how = (Counted.IF_KEPT if isinstance(event, Answer) else Counted.AGAIN) if counted else Counted.NO
        spooled = Spooled(record, how)
        for index, name in enumerate(event.conversations):
            here = how if index == 0 else Counted.NO
            command = record_command(self._ttl, event, name, record, counted=here, first=index == 0)
            self._writer.send_later(command, self._after(event.leg, name), spooled)

    def spill_to(self, spill: Spill) -> None:
        """Let records of answers, and counts, wait there while Redis is away."""
        self._writer.spill = spill

    def _after(self, leg: str | None, conversation: str) -> Callable[[Any], Sequence[Late]]:
        shared = self.shared_later(leg, conversation) if leg else None

        def then(reply: Any) -> Sequence[Late]:
            result = RecordResult(*reply)
            self.wake(result.operations)
            self._free_places(result)
            return shared(reply) if shared else ()

        return then

    def _free_places(self, result: RecordResult) -> None:
        """Give back the places of a call that has ended: its users must not seem to be taken to the next caller."""
        if result.over:
            users, legs = (list(map(keys.decode, names)) for names in result.over)
            for user in users:
                self.disengage(user, legs)

    def record_looked_up(self, body: bytes, received: datetime) -> bool:
        """Keep what Vonage's API said: *body* is the JSON text of an object like that of a webhook.

        Returns False if it was there already. Raises StoreUnavailable.
        """
        event = self._read(Record(LOOKED_UP, received, body))
        return self.record(event, body, received, counted=False)

    def unfile(
        self, body: bytes, why: str, received: datetime, *, until: float | None = None, brief: bool = True
    ) -> bool:
        """See `EventWriter.unfile`. *brief*: see `Writer.send`."""
        record = Record(EVENT, received, body)
        return bool(self._writer.send([self._unfile_command(record, why, Counted.YES)], until, brief=brief)[0])

    def unfile_later(self, body: bytes, why: str, received: datetime) -> None:
        record = Record(EVENT, received, body)
        command = self._unfile_command(record, why, Counted.AGAIN)
        self._writer.send_later(command, spooled=Spooled(record, Counted.AGAIN, why))

    def count(self, name: str) -> None:
        self._writer.tally(name, code_of(name) or "")

    def waited(self, ms: float) -> None:
        """Count, later, how long a webhook waited to be kept."""
        self._writer.tally("", stored_code(ms))

    @property
    def answers_waiting(self) -> int:
        """Records of answers that Redis has not taken yet."""
        return self._writer.waiting

    @property
    def answers_lost(self) -> int:
        """Records of answers that this process had to give up."""
        return self._writer.lost

    def _unfile_command(self, record: Record, why: str, counted: Counted) -> Command:
        part = keys.ALL[0]
        received = milliseconds(record.received)
        minute = received // 60_000
        unfiled = (digest(record.body), pack(record), why, UNFILED_LENGTH, received, counting(counted, record))
        args = (part.tag, self._ttl, *unfiled, UNFILED_SEEN, UNFILED_BYTES)
        named = (
            part.unfiled,
            part.unfiled_seen,
            part.counts,
            part.bucket(minute),
            part.hour(minute // 60),
            part.counted,
        )
        return Command(part.unfiled, args, scripts.UNFILE, named)
