"""Reading everything out of a store, and writing it into another one: for `flask export` and `flask import`.

What is moved is what came: the records of each conversation, in their order, from which all else follows; and what
people set: users, names of numbers, which voicemails were heard. Indexes, counters and figures of calls are made anew
by keeping the records, so the other store may be of another kind, or another version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, NamedTuple

from app.domain.events import Recording
from app.store import keys
from app.store.codec import EVENT, MILLISECOND, Record
from app.store.events import Events
from app.store.link import Command
from app.store.names import Names
from app.store.pages import Filter
from app.store.spooled import Counted
from app.store.users import Users
from app.store.voicemails import KeptVoicemail, Voicemails, field_of

AT_ONCE: Final = 100  # conversations, or users
LEAST_KEPT: Final = 60_000  # ms; what is older than the retention is there for a moment, and tidied as usual


class Heard(NamedTuple):
    """What a user said of a voicemail: when it was first heard (ms since 1970), "-" if it was deleted."""

    user: str
    recording: str
    said: str


class Moving(Voicemails, Events, Users, Names):
    """All raise StoreUnavailable."""

    def all_conversations(self) -> Iterator[str]:
        """The ids of all conversations, newest first; those that begin meanwhile are left out."""
        after = None
        while True:
            page = self.page(Filter(), after, AT_ONCE)
            yield from page.conversations
            if page.next is None:
                return
            after = page.next

    def all_users(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The name and the settings of each user who has some."""
        after = ""
        while names := self.user_names(after, AT_ONCE):
            for name, profile in zip(names, self.profiles(names), strict=True):
                if profile.settings is not None:
                    yield name, asdict(profile.settings)
            after = names[-1]

    def bring_user(self, name: str, settings: Mapping[str, Any]) -> bool:
        """Give the user *name* these settings, unless there are some here. Returns whether there were none."""
        if self.profiles([name])[0].settings is not None:
            return False
        self.set_user(name, settings)
        return True

    def bring_name(self, number: str, name: str) -> bool:
        """Give *number* a name, unless it has one here. Returns whether it had none."""
        return bool(self._writer.send([Command(keys.NAMES, ("HSETNX", keys.NAMES, number, name))])[0])

    def heard(self, conversation: str, records: Sequence[Record]) -> list[Heard]:
        """What users said of the voicemails among *records* of *conversation*; not of those that nobody has heard."""
        found = dict.fromkeys(_voicemail(self._read(record)) for record in records)
        listed = [pair for pair in found if pair is not None]
        meta = keys.of(conversation).meta(keys.encode(conversation))
        said = self._reader.fetch([Command(meta, ("HGET", meta, field_of(*pair))) for pair in listed])
        return [Heard(*pair, text.decode()) for pair, text in zip(listed, said, strict=True) if text]

    def bring(self, conversation: str, records: Sequence[Record], heard: Sequence[Heard], now: datetime) -> int:
        """Keep *records* of *conversation*, and what users said of its voicemails. Returns how many were new.

        It expires when it would have where it comes from, if the retention is the same. To do it again changes nothing.
        """
        new = 0
        for record in records:
            # A transfer is kept with each of its conversations in its turn, behind what that had before.
            new += self._record(self._read(record), record, Counted.NO, only=conversation)
        for user, recording, said in heard:
            self._said(user, KeptVoicemail(0, recording, conversation, heard=False), said)
        if records:
            left = self._ttl - (now - max(record.received for record in records)) // MILLISECOND
            key = keys.of(conversation).events(keys.encode(conversation))
            self._writer.send([Command(key, ("PEXPIRE", key, max(left, LEAST_KEPT)))])
        return new

    def bring_unfiled(self, body: bytes, why: str, received: datetime) -> bool:
        """Keep a webhook that belongs to no conversation. Returns False if it was there already."""
        return bool(self._writer.send([self._unfile_command(Record(EVENT, received, body), why, Counted.NO)])[0])


def _voicemail(event: object) -> tuple[str, str] | None:
    """The user whose voicemail *event* is, and its recording."""
    if isinstance(event, Recording) and event.voicemail and event.recording_uuid:
        return event.voicemail.user, event.recording_uuid
    return None
