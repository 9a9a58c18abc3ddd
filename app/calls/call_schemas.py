"""Whole calls and their events as the JSON of the API."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import fields, validate

from app.calls.fields import ExactNumber, ObjectSchema, Timestamp, listed, nullable
from app.calls.names import NOBODY, Known
from app.calls.schemas import (
    CONVERSATION_STATES,
    CURRENCY,
    AnswerSchema,
    CauseSchema,
    EventSchema,
    FaultSchema,
    InputSchema,
    LegSchema,
    RecordingSchema,
)
from app.calls.stored_event import StoredEvent
from app.domain.calls import PHASES, Call, CallLeg
from app.domain.events import Answer
from app.domain.leg_state import OUTCOMES
from app.domain.numbers import masked

DOING: Final = ("ringing", "talk", "hold", "wait")


class StaySchema(ObjectSchema):
    """A leg was in a conversation."""

    conversation_uuid = fields.String(required=True, attribute="conversation")
    since = Timestamp("when it came", "arrived")
    until = Timestamp("when it left, or ended; null while it is there", "left")


class SegmentSchema(ObjectSchema):
    """What a leg did for a time."""

    doing = fields.String(required=True, validate=validate.OneOf(DOING))
    since = Timestamp("when it began", "start")
    until = Timestamp("when it ended; null while it goes on", "end")


class CallLegSchema(LegSchema):
    """A leg of a call; where it was, and what it did there."""

    class Meta:
        exclude = ("moved_from", "moved_to")  # the stays say more

    user = nullable(fields.String, description="the application's user that it belongs to", example="Alice")
    stays = listed(StaySchema, description="the conversations it was in, oldest first")
    segments = listed(SegmentSchema, description="ringing; talk; hold; wait: answered, and nobody else is there")

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        leg: CallLeg = obj
        if attr in ("user", "stays", "segments"):
            return getattr(leg, attr)
        return self.of_leg(leg.leg, attr, default)


class CallRowSchema(ObjectSchema):
    """A call: the conversations that its legs tie together."""

    id = fields.String(required=True, metadata={"description": "the uuid of its first leg; fixed"})
    state = fields.String(required=True, validate=validate.OneOf(CONVERSATION_STATES))
    direction = nullable(fields.String, description="of the first leg", example="inbound")
    from_ = nullable(fields.String, data_key="from", description="who calls", example="447700900123")
    to = nullable(fields.String, description="who is called", example="442079460000")
    from_user = nullable(fields.String, description="the application's user who calls", example="Bob")
    users = fields.List(fields.String(), required=True, metadata={"description": "users that call or are called"})
    phase = nullable(
        fields.String,
        description=f"what goes on in a live call: {', '.join(PHASES.values())}",
        example="talking",
    )
    phase_since = Timestamp("since when")
    outcome = nullable(fields.String, description=f"of an ended call, one of {', '.join(OUTCOMES)}", example="answered")
    missed = fields.Boolean(required=True, metadata={"description": "it came in, has ended, and nobody answered"})
    first_heard_at = Timestamp("when its first webhook was received", "first_received")
    last_heard_at = Timestamp("when its latest webhook was received", "last_received")
    started_at = Timestamp("when its first leg began", "started")
    answered_at = Timestamp("when the first callee answered; of a call of one leg, when that was answered", "answered")
    ended_at = Timestamp("when the last leg ended; null while live", "ended")
    duration_seconds = nullable(ExactNumber, example=11.992)
    wait_seconds = nullable(ExactNumber, description="start to answered", example=7.443)
    talk_seconds = nullable(ExactNumber, description="while two legs talked; null while live", example=4.489)
    hold_seconds = nullable(ExactNumber, description="while a leg was on hold; null while live", example=0)
    price = nullable(fields.String, description="of all legs, a decimal string", example="0.00144000")
    currency = fields.String(required=True, dump_default=CURRENCY)
    flow = nullable(fields.String, description="the call flow that answered last", example="menu")
    step = nullable(fields.String, description="its step", example="sales")
    keys = fields.List(fields.String(), required=True, metadata={"description": "pressed, one item an input"})
    has_recording = fields.Boolean(required=True)
    conversations = fields.List(fields.String(), required=True, metadata={"description": "ids of its conversations"})
    conferences = fields.List(
        fields.String(), required=True, metadata={"description": "ids of conversations of several calls it was in"}
    )
    linked = fields.List(
        fields.String(), required=True, metadata={"description": "ids of calls that it shares a conference with"}
    )
    legs = listed(CallLegSchema, description="the first one is the caller's")


class CallSchema(CallRowSchema):
    """A call with all that happened in it."""

    answers = listed(AnswerSchema)
    inputs = listed(InputSchema)
    recordings = listed(RecordingSchema)
    errors = listed(FaultSchema)


class CallEventSchema(EventSchema):
    """One stored webhook of a call, or one answer."""

    conversations = fields.List(fields.String(), required=True, metadata={"description": "ids; a transfer names two"})
    answer = fields.Nested(
        AnswerSchema, required=True, allow_none=True, metadata={"description": "of an answer: what was served"}
    )
    cause = fields.Nested(
        CauseSchema, required=True, allow_none=True, metadata={"description": "of an error: the answer that led to it"}
    )


ROW, WHOLE, EVENT = CallRowSchema(), CallSchema(), EventSchema()
ANSWER, CAUSE = AnswerSchema(), CauseSchema()
IDS: Final = ("id", "conversations", "conferences", "linked")


def dump(call: Call, *, mask_numbers: bool, row: bool = False, names: Known = NOBODY) -> dict[str, Any]:
    """*call* as JSON, numbers of legs with their *names*; with *mask_numbers*, every telephone number is masked."""
    json: dict[str, Any] = (ROW if row else WHOLE).dump(call)
    for leg in json["legs"]:
        leg["from_name"], leg["to_name"] = names.of(leg["from"]), names.of(leg["to"])
    return {**masked(json), **{name: json[name] for name in IDS}} if mask_numbers else json


def dump_event(call: Call, stored: StoredEvent, *, mask_numbers: bool) -> dict[str, Any]:
    """An event of *call* as JSON, in the same way."""
    event = stored.event
    answer = ANSWER.dump((stored.position[0], event)) if isinstance(event, Answer) else None
    cause = next((wrong.cause for wrong in call.errors if wrong.event.canonical == event.canonical), None)
    json: dict[str, Any] = EVENT.dump(stored) | {
        "conversations": list(event.conversations),
        "answer": answer,
        "cause": CAUSE.dump((cause.at, cause.answer)) if cause else None,
    }
    if not mask_numbers:
        return json
    return {**masked(json), **{name: json[name] for name in ("lag_ms", "conversations")}}
