"""The requests of the simulated Voice API.

Source: https://developer.vonage.com/en/api/voice. Unknown fields are ignored.
"""

from __future__ import annotations

from datetime import UTC
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from vonage_simulator import ncco
from vonage_simulator.ledger import FAILURES, Application
from vonage_simulator.voice_api.endpoints import CallerField, EndpointField
from vonage_simulator.voice_api.reading import Body, flag, method, one_url, whole

STATUSES = ("started", "ringing", "answered", "machine", "completed", *FAILURES)


def _can_be_run(actions: Any) -> None:
    """Raise ValidationError for an NCCO that Vonage could not run, with each fault under its action and field."""
    by_action: dict[int, dict[str, list[str]]] = {}
    for fault in ncco.faults(actions):
        if fault.action is None:
            raise ValidationError(str(fault))
        by_action.setdefault(fault.action, {}).setdefault(fault.field, []).append(str(fault))
    if by_action:
        raise ValidationError(by_action)


class DetectionSchema(Body):
    """Advanced machine detection. The least beep_timeout is 45 in the NCCO reference, 30 in the OpenAPI file."""

    behavior = fields.String(validate=validate.OneOf(("continue", "hangup")))
    mode = fields.String(validate=validate.OneOf(("default", "detect", "detect_beep")))
    beep_timeout = whole(30, 120)


class CreateSchema(Body):
    """`POST /v1/calls`: the settings of the application are the defaults."""

    def __init__(self, application: Application) -> None:
        super().__init__()
        self._application = application

    to = fields.List(EndpointField(), required=True, validate=validate.Length(equal=1, error="Not exactly one."))
    from_ = CallerField(data_key="from", load_default=None)
    random_from_number = flag(load_default=False)
    ncco = fields.Raw(validate=_can_be_run, load_default=None)
    answer_url = one_url(load_default=None)
    answer_method = method(load_default="GET")
    event_url = one_url(load_default=None)
    event_method = method(load_default="POST")
    machine_detection = fields.String(validate=validate.OneOf(("continue", "hangup")), load_default=None)
    advanced_machine_detection = fields.Nested(DetectionSchema, load_default=None)
    length_timer = whole(1, 86_400, load_default=7200)
    ringing_timer = whole(1, 120, load_default=60)

    @validates_schema(skip_on_field_errors=False)
    def has_what_it_needs(self, data: dict[str, Any], **_: Any) -> None:
        wrong = {}
        for name, key, other in (("from", "from_", "random_from_number"), ("ncco", "ncco", "answer_url")):
            if key in data and other in data:  # else it is wrong, and reported as that
                given = (data[key] is not None, bool(data[other]))
                if all(given):
                    wrong[name] = [f"Not together with {other}."]
                elif not any(given):
                    wrong[name] = [f"Give this or {other}."]
        if data.get("random_from_number") and not self._application.numbers:
            wrong["random_from_number"] = ["The application has no number."]
        if data.get("event_url", True) is None and self._application.event is None:
            wrong["event_url"] = ["Give this: the application has none."]
        if wrong:
            raise ValidationError(wrong)


class DestinationSchema(Body):
    """Where a transferred leg gets its NCCO."""

    type = fields.String(required=True, validate=validate.Equal("ncco"))
    ncco = fields.Raw(validate=_can_be_run)
    url = one_url()

    @validates_schema
    def one_of_two(self, data: dict[str, Any], **_: Any) -> None:
        if ("ncco" in data) == ("url" in data):
            raise ValidationError("Give either this or url.", "ncco")


class ModifySchema(Body):
    """`PUT /v1/calls/{uuid}`."""

    action = fields.String(
        required=True,
        validate=validate.OneOf(("hangup", "mute", "unmute", "earmuff", "unearmuff", "transfer")),
    )
    destination = fields.Nested(DestinationSchema)

    @validates_schema
    def has_destination(self, data: dict[str, Any], **_: Any) -> None:
        if data["action"] == "transfer" and "destination" not in data:
            raise ValidationError("Missing data for required field.", "destination")


class PlayedSchema(Body):
    """The reference has `level` as text, SDKs send it as a number."""

    loop = whole(0, load_default=1)
    level = fields.Float(validate=validate.Range(-1, 1))


class StreamSchema(PlayedSchema):
    """`PUT /v1/calls/{uuid}/stream`."""

    stream_url = one_url(required=True)


class TalkSchema(PlayedSchema):
    """`PUT /v1/calls/{uuid}/talk`."""

    text = fields.String(required=True, validate=validate.Length(1))
    language = fields.String()
    style = whole(0)
    premium = flag()


class DtmfSchema(Body):
    """`PUT /v1/calls/{uuid}/dtmf`."""

    digits = fields.String(required=True, validate=validate.Regexp(r"[0-9*#p]+\Z", error="Not digits, *, # and p."))


class ListenSchema(Body):
    """`PUT /v1/calls/{uuid}/input/dtmf`."""

    event_url = one_url(required=True)


class TranscriptionSchema(Body):
    """The transcription of a recording."""

    language = fields.String()
    event_url = one_url(attribute="eventUrl")
    event_method = method(attribute="eventMethod")
    sentiment_analysis = flag(attribute="sentimentAnalysis")


class RecordSchema(Body):
    """`PUT /v1/conversations/{id}/record`; it loads with the names of the NCCO action."""

    action = fields.String(required=True, validate=validate.OneOf(("start", "stop")))
    event_url = one_url(attribute="eventUrl")
    event_method = method(attribute="eventMethod")
    format = fields.String(validate=validate.OneOf(("mp3", "wav", "ogg")))
    split = fields.String(validate=validate.Equal("conversation"))
    channels = whole(1, 32)
    transcription = fields.Nested(TranscriptionSchema)


class CallsSchema(Body):
    """The query of `GET /v1/calls`."""

    status = fields.String(validate=validate.OneOf(STATUSES))
    date_start = fields.NaiveDateTime(format="iso", timezone=UTC)
    date_end = fields.NaiveDateTime(format="iso", timezone=UTC)
    page_size = fields.Integer(validate=validate.Range(1, 100), load_default=10)
    record_index = fields.Integer(validate=validate.Range(0), load_default=0)
    order = fields.String(validate=validate.OneOf(("asc", "desc")), load_default="asc")
    conversation_uuid = fields.String()
