"""The events that webhooks report: one frozen dataclass per kind.

Kinds and fields: https://developer.vonage.com/en/voice/voice-api/webhook-reference#event-webhook
Every field but `canonical` may be None: the carrier leaves out, nulls and renames fields without notice.
Moments are UTC-aware; durations are seconds; money is a plain decimal string in EUR.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, ClassVar, Final, TypeVar

UNKNOWN_STATUS = "unknown_status"  # flag: a status this code does not know
LOOKED_UP = "looked_up"  # flag: it is no webhook, but what Vonage's API said when it was asked
NO_TIMESTAMP = "no_timestamp"  # flag: no readable `timestamp`: the received time is used
CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
MERGED_BY_CODE = frozenset({"canonical", "flags"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The fields of every kind.

    `canonical` is the body as canonical JSON (see `canonical_json`): two webhooks are the same if it is equal.
    `occurred` is the webhook's own `timestamp`; None if it has none that can be read.
    `flags` name what was odd about the body.
    """

    kind: ClassVar[str]
    identity: ClassVar[tuple[str, ...]] = ()  # the fields that identify the fact reported, if they do

    canonical: bytes
    conversation: str | None = None
    leg: str | None = None
    occurred: datetime | None = None
    flags: tuple[str, ...] = ()

    @property
    def conversations(self) -> tuple[str, ...]:
        """The conversations this event is kept with; none if it names none."""
        return (self.conversation,) if self.conversation else ()

    @property
    def dedup_key(self) -> Hashable:
        """Identifies the fact reported. Bodies that differ but have the same key are variants of it, counted once.

        The whole body where a part of its identity is missing, for two facts might then look the same.
        Vonage sends no event id: developer.vonage.com/en/getting-started/concepts/webhooks
        """
        parts = [getattr(self, name) for name in self.identity]
        return (self.kind, *parts) if parts and None not in parts else self.canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStatus(Event):
    """A leg reached a status. `status` is lower case; an unknown one is kept as it came."""

    kind: ClassVar[str] = "status"
    identity: ClassVar[tuple[str, ...]] = ("leg", "status", "occurred")

    status: str
    direction: str | None = None
    from_: str | None = None
    to: str | None = None
    detail: str | None = None
    sip_code: int | None = None

    @property
    def dedup_key(self) -> Hashable:
        return (self.kind, *(getattr(self, name) for name in self.identity))


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed(CallStatus):
    """A leg has ended: what it cost and who ended it. Never comes for a leg that was rejected."""

    start_time: datetime | None = None
    end_time: datetime | None = None
    duration: float | None = None
    rate: str | None = None
    price: str | None = None
    network: str | None = None
    disconnected_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection(CallStatus):
    """Answering-machine detection: `status` human or machine, `sub_state` beep_start or beep_timeout."""

    kind: ClassVar[str] = "detection"
    identity: ClassVar[tuple[str, ...]] = ("leg", "status", "sub_state", "occurred")

    sub_state: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected(CallStatus):
    """The application closed the WebSocket of a leg; completed follows."""

    kind: ClassVar[str] = "disconnected"


@dataclass(frozen=True, slots=True)
class Voicemail:
    """Whose voicemail a recording is, and who left it: a number or an application's user, on the leg `leg`."""

    user: str
    from_: str | None = None
    from_user: str | None = None
    leg: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording(Event):
    """A recording is available. Names no leg: it belongs to the conversation.

    `voicemail` is of the address of ours that the webhook came to, not of its body.
    """

    kind: ClassVar[str] = "record"
    identity: ClassVar[tuple[str, ...]] = ("recording_uuid",)

    recording_uuid: str | None = None
    recording_url: str | None = None
    size: int | None = None  # bytes
    start_time: datetime | None = None
    end_time: datetime | None = None
    voicemail: Voicemail | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcription(Event):
    """The text of a recording is available."""

    kind: ClassVar[str] = "transcription"
    identity: ClassVar[tuple[str, ...]] = ("recording_uuid",)

    recording_uuid: str | None = None
    transcription_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionFailed(Event):
    """The text of a recording will not come; `error` says why. Not documented; seen in one public source."""

    kind: ClassVar[str] = "transcription_failed"
    identity: ClassVar[tuple[str, ...]] = ("recording_uuid", "error")

    recording_uuid: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class SpeechResult:
    """A transcription of what was said; `confidence` between 0 and 1."""

    text: str | None
    confidence: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Input(Event):
    """What the caller keyed or said. `timed_out` may be true although there are digits."""

    kind: ClassVar[str] = "input"
    identity: ClassVar[tuple[str, ...]] = ("leg", "occurred")

    from_: str | None = None
    to: str | None = None
    digits: str | None = None
    timed_out: bool | None = None
    speech_results: tuple[SpeechResult, ...] | None = None
    speech_timeout_reason: str | None = None
    speech_error: str | None = None
    speech_recording_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Event):
    """A leg went from one conversation (`left`) to another (`joined`) and keeps its id."""

    kind: ClassVar[str] = "transfer"
    identity: ClassVar[tuple[str, ...]] = ("leg", "joined", "occurred")

    left: str | None = None
    joined: str | None = None

    @property
    def conversations(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for name in (self.left, self.joined) if name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify(Event):
    """A `notify` action was reached; its payload is in the raw body only."""

    kind: ClassVar[str] = "notify"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallError(Event):
    """Vonage could not do what an NCCO or a request says, most often because the NCCO is invalid."""

    kind: ClassVar[str] = "error"

    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback(Event):
    """Vonage turned to the fallback URL: `url` had failed for `reason`.

    The request it repeats is an event of its own, the same whether it came by the fallback or not.
    https://developer.vonage.com/en/voice/voice-api/webhook-reference#fallback-url
    """

    kind: ClassVar[str] = "fallback"

    reason: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(Event):
    """None of the kinds above. What this server did itself is in `actions.py`."""

    kind: ClassVar[str] = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Event):
    """Our record of an answer: the request and the NCCO returned. `canonical` is an id of ours: each request is kept.

    `from_user` calls from an app and has no number; `region_url` is where to control the call; `reason` is why the
    fallback URL was requested, if it was. All of these are None in the reply to an event, which is kept by itself: then
    only conversation and leg are known.
    `ncco` is the JSON text returned after `took_ms` milliseconds by a `step` of the call flow `flow`, in its `version`
    of that time; `fault` is why the last resort was served, if it was. `diverted` are users who took no other call, so
    that the caller got something else; `unclaimed` those of whom the store did not say in time whether they do.
    `room_for` is the JSON text of the `connect` in whose place the NCCO leads into a room, to which the user is called.
    """

    kind: ClassVar[str] = "answer"

    from_: str | None = None
    from_user: str | None = None
    to: str | None = None
    region_url: str | None = None
    flow: str | None = None
    step: str | None = None
    version: str | None = None
    fault: str | None = None
    ncco: str | None = None
    took_ms: float | None = None
    reason: str | None = None
    diverted: tuple[str, ...] = ()
    unclaimed: tuple[str, ...] = ()
    room_for: str | None = None

    @property
    def connects(self) -> str | None:
        """The JSON text of the NCCO with the actions that say who is called."""
        return f"[{self.room_for}]" if self.room_for else self.ncco


EventT = TypeVar("EventT", bound=Event)


def canonical_json(body: Mapping[str, Any]) -> bytes:
    """The JSON by which webhooks are compared: keys sorted, no blanks.

    A fallback copy is compared without `reason` and `original_request`; with them it is a `Fallback`, another event.
    """
    return CANONICAL.encode(body).encode()


def merge(variants: Iterable[EventT]) -> EventT:
    """One event out of variants of one fact, field by field; their order does not matter.

    A value wins over None, then the value of the later `occurred`, then that of the larger canonical bytes.
    """
    earliest_first = sorted(variants, key=lambda event: (event.occurred is not None, event.occurred, event.canonical))
    newest = earliest_first[-1]
    if len(earliest_first) == 1:
        return newest
    known: dict[str, Any] = {}
    for event in earliest_first:
        for field in fields(event):
            value = getattr(event, field.name)
            if value is not None and field.name not in MERGED_BY_CODE:
                known[field.name] = value
    flags = sorted({flag for event in earliest_first for flag in event.flags})
    return replace(newest, **known, flags=tuple(flags))
