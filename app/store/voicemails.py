"""Voicemails of a user: recordings that were left for them, and what was said of each since.

All that is kept of one is in the slot of its conversation: a field of the meta, and a member of one of two sorted sets,
by which the list and the counts are read. So it goes with the conversation, in the same script, whether that is deleted
or expires, and nothing of it is left elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from app.domain.conversations import Kept
from app.domain.events import Recording, merge
from app.store import keys, scripts
from app.store.codec import milliseconds, moment
from app.store.link import Command
from app.store.queries import Queries, events_command

MOST_LISTED: Final = 1000  # of a user, heard and unheard, in each partition: the newest
DELETED: Final = "-"


class KeptVoicemail(NamedTuple):
    """A voicemail in the list of its user; *received* is when its recording was (ms since 1970)."""

    received: int
    recording: str
    conversation: str
    heard: bool


class LeftVoicemail(NamedTuple):
    """A voicemail with its recording; *heard* is when it was, None while it is unheard."""

    listed: KeptVoicemail
    recording: Recording
    heard: datetime | None


class VoicemailCounts(NamedTuple):
    """How many voicemails a user has."""

    total: int
    unheard: int


class Voicemails(Queries):
    """All raise StoreUnavailable."""

    def voicemails(self, name: str, *, heard: bool | None = None) -> list[KeptVoicemail]:
        """The voicemails of the user *name*, newest first by receipt, in one read. *heard*: these alone, or others."""
        wanted = [(part, flag) for part in keys.ALL for flag in (False, True) if heard in (None, flag)]
        named = [(part.voicemails(name, heard=flag), flag) for part, flag in wanted]
        last = MOST_LISTED - 1
        found = self._reader.fetch([Command(key, ("ZREVRANGE", key, 0, last, "WITHSCORES")) for key, _ in named])
        listed = [
            KeptVoicemail(int(float(score)), *_named(member), flag)
            for flat, (_, flag) in zip(found, named, strict=True)
            for member, score in zip(flat[::2], flat[1::2], strict=True)
        ]
        return sorted(listed, reverse=True)

    def voicemail_counts(self, name: str) -> VoicemailCounts:
        """How many voicemails the user *name* has, in one read."""
        unheard, heard = ([part.voicemails(name, heard=flag) for part in keys.ALL] for flag in (False, True))
        found = self._reader.fetch([Command(key, ("ZCARD", key)) for key in (*unheard, *heard)])
        return VoicemailCounts(sum(found), sum(found[: keys.PARTITIONS]))

    def left_voicemails(self, name: str, listed: Sequence[KeptVoicemail]) -> list[LeftVoicemail]:
        """The voicemails *listed* of the user *name*, in one read; without those that are not there any more."""
        conversations = list(dict.fromkeys(one.conversation for one in listed))
        events = [events_command(conversation) for conversation in conversations]
        metas = [_meta(one.conversation) for one in listed]
        said = [
            Command(meta, ("HGET", meta, field_of(name, one.recording)))
            for meta, one in zip(metas, listed, strict=True)
        ]
        found = self._reader.fetch([*events, *said])
        kept = self.as_kept(dict(zip(conversations, found[: len(events)], strict=True)))
        left = []
        for one, raw in zip(listed, found[len(events) :], strict=True):
            recording = _recording(kept[one.conversation], one.recording)
            if recording is not None and raw is not None and raw.decode() != DELETED:
                left.append(LeftVoicemail(one, recording, moment(int(raw)) if raw else None))
        return left

    def hear(self, name: str, one: KeptVoicemail, at: datetime | None) -> bool:
        """Say when the voicemail *one* of the user *name* was heard, or (None) that it was not.

        When it was first heard stays. Returns False if it is not there any more.
        """
        return self._said(name, one, str(milliseconds(at)) if at else "")

    def remove_voicemail(self, name: str, one: KeptVoicemail) -> bool:
        """Take the voicemail *one* out of the list of the user *name*; its recording stays with the call.

        Returns False if it was not there any more.
        """
        return self._said(name, one, DELETED)

    def _said(self, name: str, one: KeptVoicemail, said: str) -> bool:
        part, meta = keys.of(one.conversation), _meta(one.conversation)
        args = (part.tag, self._ttl, *map(keys.encode, (one.conversation, one.recording, name)), said)
        named = (meta, part.voicemails(name, heard=False), part.voicemails(name, heard=True))
        return bool(self._writer.send([Command(meta, args, scripts.HEAR, named)])[0])


def _recording(events: Sequence[Kept | None], uuid: str) -> Recording | None:
    """The recording with this id among *events*."""
    found = [kept.event for kept in events if kept and isinstance(kept.event, Recording)]
    variants = [recording for recording in found if recording.recording_uuid == uuid]
    return merge(variants) if variants else None


def _meta(conversation: str) -> bytes:
    return keys.of(conversation).meta(keys.encode(conversation))


def field_of(user: str, recording: str) -> bytes:
    """The field of a voicemail in the meta of its conversation, as `voicemail_field` of lua/common.lua has it."""
    encoded = keys.encode(recording)
    return b"v%d:%b%b" % (len(encoded), encoded, keys.encode(user))


def _named(member: bytes) -> tuple[str, str]:
    """Recording and conversation of a *member*, as `voicemail_member` of lua/common.lua has it."""
    length, _, rest = member.partition(b":")
    return keys.decode(rest[: int(length)]), keys.decode(rest[int(length) :])
