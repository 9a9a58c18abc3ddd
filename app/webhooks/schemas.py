"""JSON object of a webhook in, domain event out: a schema for each kind, made of the fields its event has.

Source of all names: https://developer.vonage.com/en/voice/voice-api/webhook-reference#event-webhook, read together with
the webhook classes of the Java, .NET and PHP SDKs (github.com/Vonage). Lenient: what is unknown is passed over (the raw
body is kept), what cannot be read is None and flagged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load

from app.domain import events
from app.domain.events import NO_TIMESTAMP, UNKNOWN_STATUS, canonical_json
from app.domain.leg_state import BITS
from app.webhooks.body import write_json
from app.webhooks.fields import Flag, Id, Loose, Moment, Money, Number, Party, Status, Text, Whole, Word


class WebhookSchema(Schema):
    """What every kind has in common."""

    class Meta:
        unknown = EXCLUDE  # Vonage adds fields without notice

    call_uuid = Id()  # the leg, in webhooks of machine detection: see `_read`


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
        guesses = (_lenient(GUESS, guess)[0] for guess in value if isinstance(guess, Mapping))
        return tuple(events.SpeechResult(guess.get("text"), guess.get("confidence")) for guess in guesses)


class InputSchema(WebhookSchema):
    """Keys and speech. Before 2020 `dtmf` was the digits alone, with `timed_out` beside it."""

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


class FallbackSchema(WebhookSchema):
    """Vonage turned to the fallback URL.

    https://developer.vonage.com/en/voice/voice-api/webhook-reference#fallback-url
    """

    @pre_load
    def failed_url(self, body: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        """`original_request` names the URL that failed. A transfer's copy is kept where the leg went."""
        original = body.get("original_request")
        url = original.get("url") if isinstance(original, Mapping) else original
        return {"conversation_uuid": body.get("conversation_uuid_to"), **body, "url": url}


# How the fields of events are read. A field that no webhook carries (`flow`, `ncco`) is not among them.
FIELDS: Final[dict[str, fields.Field[Any]]] = {
    "conversation": Id(data_key="conversation_uuid"),
    "left": Id(data_key="conversation_uuid_from"),
    "joined": Id(data_key="conversation_uuid_to"),
    "leg": Id(data_key="uuid"),
    "occurred": Moment(data_key="timestamp"),
    "from_": Party(data_key="from"),
    "from_user": Party(),  # of an answer webhook: a Client SDK user, who has no `from`
    "to": Party(),
    "status": Status(),
    "speech_results": Guesses(data_key="heard"),  # the key is part of a public flag: unreadable_heard
    "timed_out": Flag(),
    "duration": Number(),
    **dict.fromkeys(("size", "sip_code"), Whole()),
    **dict.fromkeys(("start_time", "end_time"), Moment()),
    **dict.fromkeys(("rate", "price"), Money()),
    **dict.fromkeys(("direction", "disconnected_by", "sub_state"), Word()),
    **dict.fromkeys(("detail", "network", "digits", "reason", "url", "region_url", "error"), Text()),
    **dict.fromkeys(("recording_uuid", "recording_url", "transcription_url"), Text()),
    **dict.fromkeys(("speech_timeout_reason", "speech_error", "speech_recording_url"), Text()),
}
# The names of fields in webhooks, those included that are read elsewhere, or not at all.
NAMES: Final = frozenset(field.data_key or name for name, field in FIELDS.items()) | {
    *("call_uuid", "headers", "endpoint_type", "custom_data", "channel", "type"),
    *("dtmf", "speech", "payload", "original_request"),
}
BASES: Final[dict[type[events.Event], type[WebhookSchema]]] = {
    events.Input: InputSchema,
    events.Fallback: FallbackSchema,
}
GUESS: Final = GuessSchema()
WITHOUT_TIMESTAMP: Final = (events.Transcription, events.TranscriptionFailed)
BY_STATUS: Final[dict[str, type[events.Event]]] = {
    "transcribed": events.Transcription,
    "transcription_failed": events.TranscriptionFailed,
    "completed": events.Completed,
    "complete": events.Completed,
    "human": events.Detection,
    "machine": events.Detection,
    "disconnected": events.Disconnected,
}


def kind_of(body: Mapping[str, Any]) -> type[events.Event]:
    """Which kind of event a webhook is, in the order in which the SDKs tell kinds apart."""
    if body.get("original_request") is not None:  # an error has a `reason`, too: only this tells a fallback copy
        return events.Fallback
    status = body.get("status")
    if isinstance(status, str) and status.strip():
        return BY_STATUS.get(status.strip().lower(), events.CallStatus)
    if body.get("type") == "transfer" or "conversation_uuid_from" in body:
        return events.Transfer
    if body.get("dtmf") is not None or body.get("speech") is not None:
        return events.Input
    if "recording_url" in body:
        return events.Recording
    if "payload" in body:
        return events.Notify
    return events.CallError if body.get("reason") else events.Unknown


@cache
def schema_of(kind: type[events.Event]) -> Schema:
    """The schema that reads the fields of *kind*."""
    own = {field.name: FIELDS[field.name] for field in dataclasses.fields(kind) if field.name in FIELDS}
    return BASES.get(kind, WebhookSchema).from_dict(own, name=kind.__name__)()


def read_event(body: Mapping[str, Any]) -> events.Event:
    """The event in a webhook's JSON object. Never fails: what cannot be read is None, and a flag says so."""
    kind = kind_of(body)
    data, unreadable = _read(kind, body)
    flags = [f"unreadable_{name}" for name in unreadable]
    if not issubclass(kind, WITHOUT_TIMESTAMP) and data.get("occurred") is None:
        flags.append(NO_TIMESTAMP)
    if kind is events.CallStatus and data["status"] not in BITS:
        flags.append(UNKNOWN_STATUS)
    return kind(canonical=canonical_json(body), flags=tuple(flags), **data)


def read_answer(request: Mapping[str, Any]) -> events.Answer:
    """The answer webhook *request*, not answered yet: it gets its `canonical` with the answer.

    https://developer.vonage.com/en/voice/voice-api/webhook-reference#answer-webhook
    """
    data, _ = _read(events.Answer, request)
    if request.get("original_request") is None:
        data.pop("reason", None)  # a reason is why the fallback URL was requested, and only that
    return events.Answer(canonical=b"", **data)


def kept_answer(request: Mapping[str, Any], served: Mapping[str, Any]) -> dict[str, Any]:
    """The record of an answer: the request, and of *served* the known.

    *served*: id, flow, step, version, took_ms, ncco, fault, diverted, unclaimed, room_for.
    None is left out: Redis holds every byte in memory. Where an event was answered the request is its
    `conversation_uuid` and `uuid` alone, for the event is kept by itself. `read_kept_answer` reads it.
    """
    return {"request": request, **{name: value for name, value in served.items() if value is not None}}


def answered(request: events.Answer, kept: Mapping[str, Any], text: bytes, ncco: bytes) -> events.Answer:
    """*request* with the answer in its record *kept*. *text* and *ncco* are the JSON texts of record and NCCO."""
    known: dict[str, Any] = {name: kept.get(name) for name in ("flow", "step", "version", "fault", "took_ms")}
    known |= {name: tuple(kept.get(name) or ()) for name in ("diverted", "unclaimed")}
    room_for = write_json(kept["room_for"]).decode() if "room_for" in kept else None
    return dataclasses.replace(request, canonical=text, ncco=ncco.decode(), room_for=room_for, **known)


def read_kept_answer(kept: Mapping[str, Any], text: bytes) -> events.Answer:
    """The answer in its record; *text* is the record's JSON text."""
    return answered(read_answer(kept["request"]), kept, text, write_json(kept.get("ncco")))


def _read(kind: type[events.Event], body: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The fields of *kind* in *body*, and the names of those that cannot be read.

    The leg is `call_uuid` where `uuid` says nothing; where both ids are there `uuid` wins, as in the Java SDK.
    """
    data, unreadable = _lenient(schema_of(kind), body) if kind in BASES else _each(kind, body)  # type: ignore[arg-type]
    called = data.pop("call_uuid", None)
    if called and not data.get("leg"):
        data["leg"] = called
    return data, unreadable


@cache
def _fields_of(kind: type[events.Event]) -> list[tuple[str, str, Callable[[Any], Any]]]:
    """Of each field its name in the event, that in the webhook, and what reads it."""
    found = schema_of(kind).load_fields  # type: ignore[arg-type]  # mypy: a class is hashable
    return [(name, field.data_key or name, field.deserialize) for name, field in found.items()]


def _each(kind: type[events.Event], body: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """As `_lenient`, for a kind without hooks: its fields read one by one. `Schema.load` takes twice as long."""
    data, unreadable = {}, []
    for name, key, read in _fields_of(kind):  # type: ignore[arg-type]
        if key in body:
            try:
                data[name] = read(body[key])
            except ValidationError:
                unreadable.append(key)
    return data, sorted(unreadable)


def _lenient(schema: Schema, body: Any) -> tuple[dict[str, Any], list[str]]:
    """What can be read of *body*, and the names of the fields that cannot."""
    try:
        return schema.load(body), []
    except ValidationError as error:
        read = error.valid_data if isinstance(error.valid_data, dict) else {}
        names = error.messages if isinstance(error.messages, dict) else {}
        return dict(read), sorted(map(str, names))
