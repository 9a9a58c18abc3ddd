"""What the API takes and gives, for checking the one and describing both."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, validate

from app.domain.leg_state import OUTCOMES, STATES
from app.domain.numbers import digits

CONVERSATION_STATES = ("live", "ended", "presumed_ended")
MOST_A_PAGE = 500
TIME = {"format": "date-time", "example": "2021-03-29T21:20:05.582Z"}


def nullable(field: type[fields.Field[Any]], **metadata: Any) -> fields.Field[Any]:
    """A field that is always there, and null when it is not known."""
    return field(required=True, allow_none=True, metadata=metadata)


def time(description: str) -> fields.Field[Any]:
    """A moment."""
    return nullable(fields.String, description=description, **TIME)


class Seconds(fields.Float):
    """Seconds, as they are: 12 stays 12."""

    def _serialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Any:
        return value


class PhoneNumber(fields.String):
    """A telephone number, or the last 4 or 7 digits of one; "+", blanks, dots and dashes do not count."""

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> str:
        found = digits(str(value).strip())
        if found is None:
            raise ValidationError("Not a telephone number: give all its digits, or the last 4 or 7.")
        return found


def bound(description: str) -> fields.Field[Any]:
    """A moment to list from, or up to."""
    metadata = {"description": description}
    return fields.AwareDateTime(format="iso", validate=_of_a_call, metadata=metadata)


def _of_a_call(moment: datetime) -> None:
    if moment.year < 1970:  # near the year 1 the store could not even reckon with it
        raise ValidationError("Not the time of a call: give one from 1970 on.")


class PageArgs(Schema):
    """Which part of a list."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, MOST_A_PAGE))
    cursor = fields.String(metadata={"description": "`next` of the page before"})


class ConversationsArgs(PageArgs):
    """Which conversations."""

    state = fields.String(validate=validate.OneOf(CONVERSATION_STATES))
    number = PhoneNumber(metadata={"description": "a number, or its last 4 or 7 digits"})
    outcome = fields.String(validate=validate.OneOf(OUTCOMES), metadata={"description": "of any leg"})
    since = bound("first heard at this time or later")
    until = bound("first heard before this time")


class TimesSchema(Schema):
    """When a leg reached which status."""

    started = time("the leg was created")
    ringing = time("the far end rang")
    answered = time("somebody, or something, picked up")
    completed = time("the leg was over, or was given up")


class MoveSchema(Schema):
    """A leg's coming from, or going to, another conversation."""

    conversation_uuid = nullable(fields.String)
    at = time("when")


class LegSchema(Schema):
    """One connection between Vonage and an endpoint."""

    uuid = fields.String(required=True)
    direction = nullable(fields.String, example="inbound")
    from_ = fields.String(required=True, allow_none=True, data_key="from", attribute="from")
    to = nullable(fields.String)
    state = fields.String(required=True, validate=validate.OneOf(STATES))
    status = nullable(fields.String, description="the last thing heard that matters, in Vonage's words")
    outcome = nullable(fields.String, description=f"null until completed; then one of {', '.join(OUTCOMES)}")
    times = fields.Nested(TimesSchema, required=True)
    ring_seconds = nullable(Seconds, description="ringing to answered or given up")
    talk_seconds = nullable(Seconds, description="answered to the end")
    duration_seconds = nullable(Seconds, description="as Vonage bills it")
    rate = nullable(fields.String, description="EUR per minute, a decimal string", example="0.00720000")
    price = nullable(fields.String, description="EUR, a decimal string", example="0.00144000")
    network = nullable(fields.String)
    detail = nullable(fields.String, description="why it failed, in Vonage's words")
    sip_code = nullable(fields.Integer)
    disconnected_by = nullable(fields.String, description="user or platform")
    machine = nullable(fields.String, description="human, machine, beep_start or beep_timeout")
    moved_from = fields.Nested(MoveSchema, required=True, allow_none=True)
    moved_to = fields.Nested(MoveSchema, required=True, allow_none=True)


def actions() -> fields.Field[Any]:
    """An NCCO."""
    return nullable(fields.Raw, description="a list of NCCO actions")


class AnswerSchema(Schema):
    """One asking for instructions, by an answer webhook or an event, and the NCCO served."""

    at = time("when it was asked")
    leg = nullable(fields.String, description="null where the event names none, as that of notify")
    flow = nullable(fields.String, description="the call flow; last-resort if none could answer")
    step = nullable(fields.String, description="the step of the flow", example="menu")
    version = nullable(fields.String, description="of the flow, as it was then", example="3f2a91c0")
    took_ms = nullable(fields.Float)
    ncco = actions()
    fault = nullable(fields.String, description="why the last resort was served, if it was")
    fallback_reason = nullable(fields.String, description="why the fallback URL was asked, if it was")


class SpeechSchema(Schema):
    """One guess at what was said."""

    text = nullable(fields.String)
    confidence = nullable(fields.Float)


class InputSchema(Schema):
    """What a caller keyed or said."""

    at = time("when")
    leg = nullable(fields.String)
    digits = nullable(fields.String)
    timed_out = nullable(fields.Boolean)
    speech = fields.List(fields.Nested(SpeechSchema), required=True)
    speech_timeout_reason = nullable(fields.String)
    speech_error = nullable(fields.String)
    speech_recording_url = nullable(fields.String)


class RecordingSchema(Schema):
    """A recording, and where its text is once it was transcribed."""

    at = time("when it was ready")
    recording_uuid = nullable(fields.String)
    recording_url = nullable(fields.String)
    size = nullable(fields.Integer, description="bytes")
    started_at = time("its begin")
    ended_at = time("its end")
    transcription_url = nullable(fields.String)


class CauseSchema(Schema):
    """The answer that something went wrong with."""

    at = time("when it was asked")
    flow = nullable(fields.String)
    step = nullable(fields.String)
    version = nullable(fields.String)
    ncco = actions()


class FaultSchema(Schema):
    """What went wrong: an error event, or a turn to the fallback URL."""

    at = time("when")
    kind = fields.String(required=True, validate=validate.OneOf(("error", "fallback")))
    leg = nullable(fields.String)
    reason = nullable(fields.String)
    failed_url = nullable(fields.String)
    answer = fields.Nested(
        CauseSchema,
        required=True,
        allow_none=True,
        metadata={"description": "the last that was served before; of a fallback only if its reason is the NCCO"},
    )


class ConversationSchema(Schema):
    """What legs are joined to."""

    conversation_uuid = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(CONVERSATION_STATES))
    first_heard_at = time("when the first webhook of it came")
    last_heard_at = time("when the last one came")
    started_at = time("earliest time of a leg in it")
    answered_at = time("first answered leg")
    ended_at = time("end of the last leg; null while live")
    duration_seconds = nullable(Seconds)
    price = nullable(fields.String, description="of the legs that are, or ended, in it", example="0.00144000")
    currency = fields.String(required=True)
    legs = fields.List(fields.Nested(LegSchema), required=True)
    answers = fields.List(fields.Nested(AnswerSchema), required=True)
    inputs = fields.List(fields.Nested(InputSchema), required=True)
    recordings = fields.List(fields.Nested(RecordingSchema), required=True)
    errors = fields.List(fields.Nested(FaultSchema), required=True)


class EventSchema(Schema):
    """One webhook as it was kept, or one answer."""

    kind = fields.String(required=True)
    leg = nullable(fields.String)
    status = nullable(fields.String)
    occurred_at = time("its own timestamp")
    received_at = time("when it came")
    lag_ms = nullable(fields.Integer, description="between the two")
    raw = fields.Raw(required=True, metadata={"description": "the body as it came"})
    flags = fields.List(fields.String(), required=True, metadata={"description": "what was odd about it"})


class ConversationsSchema(Schema):
    """A page of conversations; it may be short, even empty, though there is a next one."""

    items = fields.List(fields.Nested(ConversationSchema), required=True)
    next = nullable(fields.String, description="cursor of the next page; null at the end")


class EventsSchema(Schema):
    """A page of events, oldest first."""

    items = fields.List(fields.Nested(EventSchema), required=True)
    next = nullable(fields.String, description="cursor of the next page; null at the end")


class ProblemSchema(Schema):
    """What is wrong and what to do (RFC 9457)."""

    class Meta:
        unknown = INCLUDE  # an error may say more

    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    errors = fields.Dict(keys=fields.String(), metadata={"description": "argument -> what is wrong with it"})
