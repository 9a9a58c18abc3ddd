"""Conversations, legs and events as the JSON of the API. Each field is declared once: for the dump and for OpenAPI."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, get_args

from marshmallow import fields, validate

from app.calls.fields import ExactNumber, Ncco, ObjectSchema, Timestamp, listed, nullable
from app.calls.names import NOBODY, Known
from app.calls.stored_event import StoredEvent
from app.domain.causes import WentWrong
from app.domain.conversations import Conversation, Member
from app.domain.leg_state import OUTCOMES, STATES
from app.domain.legs import Leg
from app.domain.numbers import masked
from app.domain.recording import RecordState

CURRENCY = "EUR"  # of all prices at Vonage
CONVERSATION_STATES = ("live", "ended", "presumed_ended")


class TimesSchema(ObjectSchema):
    """When a leg reached each status."""

    started = Timestamp("the leg was created")
    ringing = Timestamp("the far end rang")
    answered = Timestamp("a person or a machine picked up")
    completed = Timestamp("the leg ended, or failed")


class Moved(NamedTuple):
    """The other conversation of a leg's move, and when the leg moved."""

    conversation_uuid: str | None
    at: datetime


class MoveSchema(ObjectSchema):
    """A leg's move from, or to, another conversation."""

    conversation_uuid = nullable(fields.String)
    at = Timestamp("when")


class ControlSchema(ObjectSchema):
    """How a leg is controlled, by actions of this server."""

    muted = fields.Boolean(required=True, metadata={"description": "nobody hears it"})
    earmuffed = fields.Boolean(required=True, metadata={"description": "it hears nobody"})
    hold = nullable(
        fields.String,
        description="holding, resuming: Vonage accepted it; held: a webhook confirmed it; weak: muted and earmuffed",
    )
    held_by = nullable(fields.String, description="who put it on hold")
    playing = nullable(fields.String, description="talk or stream, if it is played by an action")
    listening = fields.Boolean(required=True, metadata={"description": "each key it presses is sent by itself"})
    moving = nullable(
        fields.String, "pending", description="the id of an action that moves it, which no webhook confirmed yet"
    )
    hangup_requested = fields.Boolean(required=True)

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        value = getattr(obj, attr, default)
        return value and value.action if attr == "pending" else value


class LegSchema(ObjectSchema):
    """One connection between Vonage and an endpoint."""

    uuid = fields.String(required=True)
    direction = nullable(fields.String, example="inbound")
    from_ = nullable(fields.String, data_key="from")
    to = nullable(fields.String)
    from_name = nullable(fields.String, description="the name that was given to the number `from`")
    to_name = nullable(fields.String, description="the name that was given to the number `to`")
    state = fields.String(required=True, validate=validate.OneOf(STATES))
    status = nullable(fields.String, description="the status that says most, in Vonage's words")
    outcome = nullable(fields.String, description=f"null until completed; then one of {', '.join(OUTCOMES)}")
    times = fields.Nested(TimesSchema, required=True)
    ring_seconds = nullable(ExactNumber, description="ringing to answered or given up")
    talk_seconds = nullable(ExactNumber, description="answered to the end")
    duration_seconds = nullable(ExactNumber, description="as Vonage bills it")
    rate = nullable(fields.String, description="EUR per minute, a decimal string", example="0.00720000")
    price = nullable(fields.String, description="EUR, a decimal string", example="0.00144000")
    network = nullable(fields.String)
    detail = nullable(fields.String, description="why it failed, in Vonage's words")
    sip_code = nullable(fields.Integer)
    disconnected_by = nullable(fields.String, description="user or platform")
    machine = nullable(
        fields.String, description="the latest verdict: human or machine; of a machine beep_start or beep_timeout"
    )
    moved_from = fields.Nested(MoveSchema, required=True, allow_none=True)
    moved_to = fields.Nested(MoveSchema, required=True, allow_none=True)
    control = fields.Nested(ControlSchema, required=True)

    def get_attribute(self, obj: Member, attr: str, default: Any) -> Any:
        if attr == "moved_from":
            arrival = obj.presence.arrival
            return arrival and Moved(arrival.left, arrival.at)
        if attr == "moved_to":
            departure = obj.presence.departure
            return departure and Moved(departure.joined, departure.at)
        return self.of_leg(obj.leg, attr, default)

    @staticmethod
    def of_leg(leg: Leg, attr: str, default: Any) -> Any:
        """What is of the leg itself."""
        if attr == "times":
            return leg
        if attr in ("from_name", "to_name"):
            return None  # `dump` knows the names
        return getattr(leg, attr, default)


class MomentSchema(ObjectSchema):
    """Dumps a tuple that starts with a time and an event."""

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:  # noqa: ARG002
        return obj[0] if attr == "at" else getattr(obj[1], attr, None)  # an error event has no `url`


class AnswerSchema(MomentSchema):
    """An answer to Vonage: the NCCO served in reply to an answer webhook or an event."""

    at = Timestamp("when the request came")
    leg = nullable(fields.String, description="null where the event names none, as notify does")
    flow = nullable(fields.String, description="the call flow; last-resort if no flow could answer")
    step = nullable(fields.String, description="the step of the flow")
    version = nullable(fields.String, description="of the flow at that time: eight hexadecimal digits")
    took_ms = nullable(fields.Float)
    ncco = Ncco()
    fault = nullable(fields.String, description="why the last resort was served, if it was")
    fallback_reason = nullable(fields.String, "reason", description="why Vonage used the fallback URL, if it did")
    region_url = nullable(
        fields.String,
        description="where Vonage's API controls the leg; null where an event was answered",
        example="https://api-us-3.vonage.com",
    )
    diverted = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "users who took no other call, so that the caller got something else"},
    )
    unclaimed = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "users of whom Redis did not say in 50 ms whether they do: the call was put through"},
    )


class SpeechSchema(ObjectSchema):
    """One guess at what was said."""

    text = nullable(fields.String)
    confidence = nullable(fields.Float)


class InputSchema(MomentSchema):
    """What a caller keyed or said."""

    at = Timestamp("when")
    leg = nullable(fields.String)
    digits = nullable(fields.String)
    timed_out = nullable(fields.Boolean)
    speech = listed(SpeechSchema)
    speech_timeout_reason = nullable(fields.String)
    speech_error = nullable(fields.String)
    speech_recording_url = nullable(fields.String)

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        return obj[1].speech_results or () if attr == "speech" else super().get_attribute(obj, attr, default)


class RecordingSchema(ObjectSchema):
    """A recording and, once it was transcribed, where its text is, or why there is none."""

    at = Timestamp("when it was ready")
    recording_uuid = nullable(fields.String)
    recording_url = nullable(fields.String)
    size = nullable(fields.Integer, description="bytes")
    started_at = Timestamp("its start", "start_time")
    ended_at = Timestamp("its end", "end_time")
    transcription_url = nullable(fields.String)
    transcription_error = nullable(fields.String, description="why it was not transcribed, if that failed")
    voicemail_of = nullable(fields.String, description="the user for whom it is a message, if it is one")


class CauseSchema(AnswerSchema):
    """The answer that led to an error."""

    class Meta:
        exclude = ("leg", "took_ms", "fault", "diverted", "unclaimed", "fallback_reason", "region_url")


class FaultSchema(MomentSchema):
    """What went wrong: an error event, or a request to the fallback URL."""

    at = Timestamp("when")
    kind = fields.String(required=True, validate=validate.OneOf(("error", "fallback")))
    leg = nullable(fields.String)
    reason = nullable(fields.String)
    failed_url = nullable(fields.String, "url")
    answer = fields.Nested(
        CauseSchema,
        required=True,
        allow_none=True,
        attribute="cause",
        metadata={"description": "the last one served before; for a fallback only if its reason is the NCCO"},
    )

    def get_attribute(self, obj: WentWrong, attr: str, default: Any) -> Any:
        if attr == "cause":
            return obj.cause and (obj.cause.at, obj.cause.answer)
        return super().get_attribute(obj, attr, default)


class ConversationSchema(ObjectSchema):
    """Legs that can hear each other."""

    conversation_uuid = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(CONVERSATION_STATES))
    first_heard_at = Timestamp("when its first webhook was received", "first_received")
    last_heard_at = Timestamp("when its latest webhook was received", "last_received")
    started_at = Timestamp("earliest time of a leg in it; null if only its end is known", "started")
    answered_at = Timestamp("when the first leg was answered", "answered")
    ended_at = Timestamp("when the last leg ended; null while live", "ended")
    duration_seconds = nullable(ExactNumber)
    price = nullable(fields.String, description="of the legs that are, or ended, in it", example="0.00144000")
    currency = fields.String(required=True, dump_default=CURRENCY)
    legs = listed(LegSchema)
    answers = listed(AnswerSchema)
    inputs = listed(InputSchema)
    recordings = listed(RecordingSchema)
    record_state = fields.String(
        required=True,
        validate=validate.OneOf(get_args(RecordState)),
        metadata={"description": "whether it is being recorded because of an action; not by its call flow"},
    )
    errors = listed(FaultSchema)


class EventSchema(ObjectSchema):
    """One stored webhook, or one answer."""

    kind = fields.String(required=True)
    leg = nullable(fields.String)
    status = nullable(fields.String)
    occurred_at = Timestamp("its own timestamp", "occurred")
    received_at = Timestamp("when it was received", "received")
    lag_ms = nullable(fields.Integer, description="from its timestamp to its receipt")
    raw = fields.Raw(required=True, metadata={"description": "the body as it came"})
    flags = fields.List(fields.String(), required=True, metadata={"description": "what was odd about it"})

    def get_attribute(self, obj: StoredEvent, attr: str, default: Any) -> Any:  # noqa: ARG002
        own = attr in ("received", "lag_ms", "raw", "flags")
        return getattr(obj, attr) if own else getattr(obj.event, attr, None)  # not every event has a status


SCHEMAS = {Conversation: ConversationSchema(), Member: LegSchema(), StoredEvent: EventSchema()}


def dump(item: Conversation | Member | StoredEvent, *, mask_numbers: bool, names: Known = NOBODY) -> dict[str, Any]:
    """*item* as JSON, numbers with their *names*; with *mask_numbers*, every telephone number in it is masked."""
    json: dict[str, Any] = SCHEMAS[type(item)].dump(item)
    for leg in json.get("legs", (json,)) if names is not NOBODY and not isinstance(item, StoredEvent) else ():
        leg["from_name"], leg["to_name"] = names.of(leg["from"]), names.of(leg["to"])
    if not mask_numbers:
        return json
    computed = {name: value for name, value in json.items() if name == "lag_ms"}  # and as large as it may be
    return {**masked(json), **computed}
