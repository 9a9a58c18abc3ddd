"""Changes as the JSON of the stream. Shapes are those of the API; a conversation is its summary, without its lists."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import fields

from app.calls.fields import ObjectSchema, nullable, timestamp
from app.calls.names import NOBODY, Known
from app.calls.schemas import ConversationSchema, FaultSchema, InputSchema, LegSchema, RecordingSchema
from app.domain.conversations import Recorded
from app.domain.events import CallError, Event, Fallback, Input, Recording, Transcription, TranscriptionFailed, Transfer
from app.live.changes import Change


class SummarySchema(ConversationSchema):
    """A conversation without what is listed in it."""

    class Meta:
        exclude = ("legs", "answers", "inputs", "recordings", "errors")


class TransferSchema(ObjectSchema):
    """A leg's way from one conversation to another."""

    leg = nullable(fields.String)
    conversation_uuid_from = nullable(fields.String, "left")
    conversation_uuid_to = nullable(fields.String, "joined")


SUMMARY: Final = SummarySchema()
LEG: Final = LegSchema()
INPUT: Final = InputSchema()
RECORDING: Final = RecordingSchema()
TRANSFER: Final = TransferSchema()
FAULT: Final = FaultSchema()


def dump(change: Change, names: Known = NOBODY) -> dict[str, Any]:
    """*change* as JSON, numbers whole and with their *names*; docs/api.md has an example of each type."""
    at = timestamp(change.at)
    name = change.conversation_uuid
    conversation: dict[str, Any] = SUMMARY.dump(change.conversation) if change.conversation else {}
    leg: dict[str, Any] | None = LEG.dump(change.member) if change.member else None
    if leg is not None:
        leg["from_name"], leg["to_name"] = names.of(leg["from"]), names.of(leg["to"])
    return {
        "conversation_uuid": name,
        "index": change.index,
        "kind": change.kind,
        "at": at,
        "before": change.before,
        "after": change.after,
        "conversation": {"conversation_uuid": name, **conversation, "deleted": change.deleted},
        "leg": leg,
        **_details(change, change.event),
    }


def _details(change: Change, event: Event | None) -> dict[str, Any]:
    """What the event brought beside the state of leg and conversation."""
    if isinstance(event, Input):
        return {"input": INPUT.dump((change.at, event))}
    if isinstance(event, Recording | Transcription | TranscriptionFailed):
        return {"recording": RECORDING.dump(_recorded(change, event))}
    if isinstance(event, Transfer):
        return {"transfer": TRANSFER.dump(event)}
    if isinstance(event, CallError | Fallback):
        faults = change.conversation.errors if change.conversation else ()
        found = next((fault for fault in faults if fault.event.canonical == event.canonical), None)
        return {"error": FAULT.dump(found) if found else None}
    return {}


def _recorded(change: Change, event: Recording | Transcription | TranscriptionFailed) -> Recorded:
    """The recording as it is after the event: with its text, once that is known."""
    known = change.conversation.recordings if change.conversation else ()
    of_event = (recorded for recorded in known if recorded.recording_uuid == event.recording_uuid is not None)
    return next(of_event, Recorded(change.at, event.recording_uuid, getattr(event, "recording_url", None)))
