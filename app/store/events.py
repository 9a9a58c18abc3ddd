"""Writing: each event is kept once, with its conversation; what it says of its leg is shared with the leg's others."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from app.domain.actions import OURS
from app.domain.events import Answer, Event, Recording
from app.domain.legs import place_of
from app.store import keys, scripts, timeouts
from app.store.codec import ACTION, ANSWER, EVENT, VOICEMAIL, Record, milliseconds, pack
from app.store.codes import code_of, stored_code
from app.store.contract import EventWriter
from app.store.errors import StoreUnavailable
from app.store.legs import Legs
from app.store.link import Command
from app.store.operations import Operations
from app.store.record_command import NO_NEWS, RecordResult, digest, record_command
from app.store.writer import Late

UNFILED_LENGTH: Final = 1000
UNFILED_SEEN: Final = 10_000  # bodies that are known again


def _sort(event: Event) -> bytes:
    if isinstance(event, OURS):
        return ACTION
    if isinstance(event, Recording) and event.voicemail:
        return VOICEMAIL
    return ANSWER if isinstance(event, Answer) else EVENT


class Events(Legs, Operations, EventWriter):
    """Keeping webhooks, and what was done to calls."""

    def record(
        self, event: Event, body: bytes, received: datetime, notes: tuple[str, ...] = (), *, counted: bool = True
    ) -> bool:
        record = Record(_sort(event), received, body, notes)
        kept, news, until = False, NO_NEWS, time.monotonic() + timeouts.WRITE_SECONDS
        for index, name in enumerate(event.conversations):
            command = record_command(
                self._ttl, event, name, record, counted=counted and index == 0, first=index == 0, news=news
            )
            result = RecordResult(*self._writer.send([command], until)[0])
            if result.kept or not isinstance(event, OURS):  # of a first copy Redis may have replied too late
                self.wake(result.operations)
            kept = bool(result.kept)  # the last one's: of two requests with the same transfer one alone gets True
            news = result.news
            if event.leg and (result.note or not result.kept):
                # A repeat may be one of which the first copy came no further than this. Its time is not its receipt.
                place = place_of(event, event.occurred or received) if kept or event.occurred else news.place
                before, follow = event.conversations[:index], event.conversations[index + 1 :]
                try:
                    news = self.share(event.leg, name, result, place, received, until, before=before, skip=follow)
                except StoreUnavailable:
                    if result.order:
                        raise
                    # It is noted, and known here alone: only the node with the leg's entry is away.
        return kept

    def record_later(
        self, event: Event, body: bytes, received: datetime, notes: tuple[str, ...] = (), *, counted: bool = True
    ) -> None:
        record = Record(_sort(event), received, body, notes)
        for index, name in enumerate(event.conversations):
            command = record_command(self._ttl, event, name, record, counted=counted and index == 0, first=index == 0)
            self._writer.send_later(command, self._after(event.leg, name))

    def _after(self, leg: str | None, conversation: str) -> Callable[[Any], Sequence[Late]]:
        shared = self.shared_later(leg, conversation) if leg else None

        def then(reply: Any) -> Sequence[Late]:
            self.wake(RecordResult(*reply).operations)
            return shared(reply) if shared else ()

        return then

    def unfile(self, body: bytes, why: str, received: datetime) -> bool:
        return bool(self._writer.send([self._unfile_command(body, why, received)])[0])

    def unfile_later(self, body: bytes, why: str, received: datetime) -> None:
        self._writer.send_later(self._unfile_command(body, why, received))

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

    def _unfile_command(self, body: bytes, why: str, received: datetime) -> Command:
        part = keys.ALL[0]
        minute = milliseconds(received) // 60_000
        record = pack(Record(EVENT, received, body))
        args = (part.tag, self._ttl, digest(body), record, why, UNFILED_LENGTH, minute, UNFILED_SEEN)
        named = (part.unfiled, part.unfiled_seen, part.counts, part.bucket(minute), part.hour(minute // 60))
        return Command(part.unfiled, args, scripts.UNFILE, named)
