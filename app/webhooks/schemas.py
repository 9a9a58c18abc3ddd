"""One schema for each kind of webhook: JSON object in, domain event out.

Source of all names: https://developer.vonage.com/en/voice/voice-api/webhook-reference#event-webhook, read together with
the webhook classes of the Java, .NET and PHP SDKs (github.com/Vonage). Lenient: what is unknown is passed over (the raw
body is kept), what cannot be read is None and flagged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, ValidationError, pre_load

from app.domain import events
from app.domain.events import NO_TIMESTAMP, UNKNOWN_STATUS, canonical_json
from app.domain.leg_state import BITS
from app.webhooks.fields import Flag, Loose, Moment, Money, Number, Party, Status, Text, Whole, Word


class WebhookSchema(Schema):
    """What every kind has."""

    event: ClassVar[type[events.Event]]

    class Meta:
        unknown = EXCLUDE  # Vonage adds fields without notice

    conversation = Text(data_key="conversation_uuid")
    leg = Text(data_key="uuid")
    occurred = Moment(data_key="timestamp")


class CallStatusSchema(WebhookSchema):
    """started, ringing, busy, ... and any status this code has never heard of."""

    event = events.CallStatus

    status = Status()
    direction = Word()
    from_ = Party(data_key="from")
    to = Party()
    detail = Text()
    sip_code = Whole()


class CompletedSchema(CallStatusSchema):
    """A leg is over."""

    event = events.Completed

    start_time = Moment()
    end_time = Moment()
    duration = Number()
    rate = Money()
    price = Money()
    network = Text()
    disconnected_by = Word()


class DetectionSchema(CallStatusSchema):
    """human, machine: the leg is `call_uuid`; where both ids are there `uuid` wins, as in the Java SDK."""

    event = events.Detection

    call_uuid = Text()
    sub_state = Word()


class DisconnectedSchema(CallStatusSchema):
    """The application closed the WebSocket.

    https://developer.vonage.com/en/voice/voice-api/concepts/websockets
    """

    event = events.Disconnected


class RecordingSchema(WebhookSchema):
    """A recording can be fetched."""

    event = events.Recording

    recording_uuid = Text()
    recording_url = Text()
    size = Whole()
    start_time = Moment()
    end_time = Moment()


class TranscriptionSchema(WebhookSchema):
    """The text of a recording can be fetched."""

    event = events.Transcription

    recording_uuid = Text()
    transcription_url = Text()


class GuessSchema(Schema):
    """One guess at what was said; `confidence` has come as ".91" and as a number."""

    class Meta:
        unknown = EXCLUDE

    text = Text()
    confidence = Number()


class Guesses(Loose):
    """The results of speech. A field, not a `post_load`: that is passed over where another field cannot be read."""

    def read(self, value: Any) -> tuple[events.SpeechResult, ...]:
        if not isinstance(value, list):
            raise ValidationError("Not a list.")
        read = (_lenient(GUESS, one)[0] for one in value if isinstance(one, Mapping))
        return tuple(events.SpeechResult(one.get("text"), one.get("confidence")) for one in read)


class InputSchema(WebhookSchema):
    """Keys and speech. Before 2020 `dtmf` was the digits alone, with `timed_out` beside it."""

    event = events.Input

    from_ = Party(data_key="from")
    to = Party()
    digits = Text()
    timed_out = Flag()
    speech_timeout_reason = Text()
    speech_error = Text()
    speech_recording_url = Text()
    speech_results = Guesses(data_key="heard")  # the key is part of a public flag: unreadable_heard

    @pre_load
    def flatten(self, body: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        """Both forms of `dtmf`, and `speech`, as fields of one level."""
        flat = dict(body)
        dtmf, speech = body.get("dtmf"), body.get("speech")
        if isinstance(dtmf, Mapping):
            flat |= {"digits": dtmf.get("digits"), "timed_out": dtmf.get("timed_out")}
        else:
            flat["digits"] = dtmf
        if isinstance(speech, Mapping):
            flat |= {f"speech_{name}": speech.get(name) for name in ("timeout_reason", "error", "recording_url")}
            flat["heard"] = speech.get("results")
        return flat


class TransferSchema(WebhookSchema):
    """A leg went from one conversation to another."""

    event = events.Transfer

    left = Text(data_key="conversation_uuid_from")
    joined = Text(data_key="conversation_uuid_to")


class NotifySchema(WebhookSchema):
    """A `notify` action was reached."""

    event = events.Notify


class ErrorSchema(WebhookSchema):
    """Vonage could not do what it was told."""

    event = events.CallError

    reason = Text()


class FallbackSchema(WebhookSchema):
    """Vonage turned to the fallback URL.

    https://developer.vonage.com/en/voice/voice-api/webhook-reference#fallback-url
    """

    event = events.Fallback

    reason = Text()
    url = Text()

    @pre_load
    def failed_url(self, body: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        """`original_request` names the URL that failed. A transfer's copy is kept where the leg went."""
        original = body.get("original_request")
        url = original.get("url") if isinstance(original, Mapping) else original
        return {"conversation_uuid": body.get("conversation_uuid_to"), **body, "url": url}


class UnknownSchema(WebhookSchema):
    """None of the above."""

    event = events.Unknown


class AnswerSchema(WebhookSchema):
    """The answer webhook: somebody calls and Vonage asks what to do. It has no status, direction or timestamp.

    https://developer.vonage.com/en/voice/voice-api/webhook-reference#answer-webhook
    """

    event = events.Answer

    from_ = Party(data_key="from")
    from_user = Party()  # only for a caller who is a Client SDK user, who has no `from` then
    to = Party()
    reason = Text()


CALL_STATUS, COMPLETED, DETECTION, DISCONNECTED = (
    CallStatusSchema(),
    CompletedSchema(),
    DetectionSchema(),
    DisconnectedSchema(),
)
RECORDING, TRANSCRIPTION, INPUT, TRANSFER = RecordingSchema(), TranscriptionSchema(), InputSchema(), TransferSchema()
NOTIFY, ERROR, FALLBACK, UNKNOWN = NotifySchema(), ErrorSchema(), FallbackSchema(), UnknownSchema()
ANSWER, GUESS = AnswerSchema(), GuessSchema()
BY_STATUS = {
    "transcribed": TRANSCRIPTION,
    "completed": COMPLETED,
    "complete": COMPLETED,
    "human": DETECTION,
    "machine": DETECTION,
    "disconnected": DISCONNECTED,
}


def schema_of(body: Mapping[str, Any]) -> WebhookSchema:
    """Which kind a webhook is, in the order in which the SDKs tell kinds apart."""
    if body.get("original_request") is not None:  # an error has a `reason`, too: only this tells a fallback copy
        return FALLBACK
    status = body.get("status")
    if isinstance(status, str) and status.strip():
        return BY_STATUS.get(status.strip().lower(), CALL_STATUS)
    if body.get("type") == "transfer" or "conversation_uuid_from" in body:
        return TRANSFER
    if body.get("dtmf") is not None or body.get("speech") is not None:
        return INPUT
    if "recording_url" in body:
        return RECORDING
    if "payload" in body:
        return NOTIFY
    return ERROR if body.get("reason") else UNKNOWN


def read_event(body: Mapping[str, Any]) -> events.Event:
    """The event in a webhook's JSON object. Never fails: what cannot be read is None, and a flag says so."""
    schema = schema_of(body)
    data, unreadable = _lenient(schema, body)
    if schema is DETECTION:
        called = data.pop("call_uuid", None)
        data["leg"] = data.get("leg") or called
    flags = [f"unreadable_{name}" for name in unreadable]
    if schema is not TRANSCRIPTION and data.get("occurred") is None:
        flags.append(NO_TIMESTAMP)
    if schema is CALL_STATUS and data["status"] not in BITS:
        flags.append(UNKNOWN_STATUS)
    return schema.event(canonical=canonical_json(body), flags=tuple(flags), **data)


def read_answer(request: Mapping[str, Any]) -> events.Answer:
    """The answer webhook *request*, not answered yet."""
    data, _ = _lenient(ANSWER, request)
    if request.get("original_request") is None:
        data.pop("reason", None)  # a reason is why the fallback URL was asked, and only that
    return events.Answer(canonical=canonical_json(request), **data)


def kept_answer(asked: Mapping[str, Any], served: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of an answer: the request, and *served*: id, flow, step, version, took_ms, ncco, fault.

    Of these what is None is left out: every byte of it is kept in memory. Where an event was answered the request is
    its `conversation_uuid` and `uuid` alone, for the event is kept by itself. `read_kept_answer` reads it.
    """
    return {"request": asked, **{name: value for name, value in served.items() if value is not None}}


def read_kept_answer(kept: Mapping[str, Any], text: bytes) -> events.Answer:
    """The answer in what was kept of it; *text* is its JSON text."""
    ncco = json.dumps(kept.get("ncco"), separators=(",", ":"))
    known: dict[str, Any] = {name: kept.get(name) for name in ("flow", "step", "version", "fault", "took_ms")}
    return replace(read_answer(kept["request"]), canonical=text, ncco=ncco, **known)


def _lenient(schema: Schema, body: Any) -> tuple[dict[str, Any], list[str]]:
    """What can be read of *body*, and the names of the fields that cannot."""
    try:
        return schema.load(body), []
    except ValidationError as error:
        read = error.valid_data if isinstance(error.valid_data, dict) else {}
        names = error.messages if isinstance(error.messages, dict) else {}
        return dict(read), sorted(map(str, names))
