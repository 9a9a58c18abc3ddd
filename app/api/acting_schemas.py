"""What the routes that act on calls take and return."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.calls.fields import Timestamp, listed, nullable
from app.domain.leg_control import Done
from app.domain.numbers import digits
from app.domain.transfers import ARROWS

LOOP: Final = {"description": "how often it is played; 0 for ever"}
NCCO: Final = {"description": "a list of NCCO actions, with which the leg goes on"}
# https://developer.vonage.com/en/api/voice#createCall
RING_SECONDS: Final = validate.Range(1, 120)
CALL_SECONDS: Final = validate.Range(1, 86400)


class NoArgs(Schema):
    """Nothing."""


class TalkArgs(Schema):
    """What is said to the leg. https://developer.vonage.com/en/api/voice#startTalk"""

    text = fields.String(required=True, validate=validate.Length(1, 1500))
    language = fields.String(metadata={"description": "BCP-47, en-US by default"})
    style = fields.Integer(validate=validate.Range(0))
    premium = fields.Boolean()
    loop = fields.Integer(validate=validate.Range(0), metadata=LOOP)
    level = fields.Float(validate=validate.Range(-1, 1))


class StreamArgs(Schema):
    """What is played to the leg. https://developer.vonage.com/en/api/voice#startStream"""

    url = fields.URL(required=True, schemes={"http", "https"}, require_tld=False)
    loop = fields.Integer(validate=validate.Range(0), metadata=LOOP)
    level = fields.Float(validate=validate.Range(-1, 1))


class DtmfArgs(Schema):
    """The tones that the leg hears. https://developer.vonage.com/en/api/voice#startDTMF"""

    digits = fields.String(
        required=True,
        validate=validate.Regexp(r"[0-9*#p]{1,50}\Z", error="Give digits, * and #; p is a pause of half a second."),
    )


class ScriptArgs(Schema):
    """What the leg runs: an NCCO, or a step of a call flow."""

    ncco = fields.List(fields.Dict(keys=fields.String()), validate=validate.Length(1), metadata=NCCO)
    flow = fields.String(metadata={"description": "a call flow of this server"})
    step = fields.String(metadata={"description": "a step of it; by default its first"})

    @validates_schema
    def is_one(self, data: dict[str, Any], **_: Any) -> None:
        if ("ncco" in data) == ("flow" in data):
            raise ValidationError("Give either ncco or flow.", "ncco")
        if "step" in data and "flow" not in data:
            raise ValidationError("A step is one of a flow: give that, too.", "step")


class TransferArgs(ScriptArgs):
    """Where the leg goes on."""


class RecordArgs(Schema):
    """What to do with the recording of a conversation."""

    action = fields.String(required=True, validate=validate.OneOf(("start", "pause", "resume", "stop")))


class DetectionArgs(Schema):
    """https://developer.vonage.com/en/voice/voice-api/concepts/advanced-machine-detection"""

    behavior = fields.String(validate=validate.OneOf(("continue", "hangup")))
    mode = fields.String(validate=validate.OneOf(("default", "detect", "detect_beep")))
    beep_timeout = fields.Integer(validate=validate.Range(45, 120))


class CreateArgs(ScriptArgs):
    """A call to place. https://developer.vonage.com/en/api/voice#createCall"""

    to = fields.Dict(
        keys=fields.String(),
        required=True,
        metadata={
            "description": "an endpoint as in a connect action, of the type phone, sip, app, websocket or vbc:"
            ' `{"type": "phone", "number": "442079460000"}`',
        },
    )
    from_ = fields.String(
        data_key="from",
        validate=validate.Regexp(r"[1-9][0-9]{6,14}\Z", error="Give a number of yours: 7 to 15 digits."),
        metadata={"description": "by default CALLER_NUMBER, else any number of the application"},
    )
    ringing_timer = fields.Integer(validate=RING_SECONDS, metadata={"description": "seconds; 60 by default"})
    length_timer = fields.Integer(validate=CALL_SECONDS, metadata={"description": "seconds; 7200 by default"})
    machine_detection = fields.String(validate=validate.OneOf(("continue", "hangup")))
    advanced_machine_detection = fields.Nested(DetectionArgs)
    region = fields.String(metadata={"description": "a host of VONAGE_API_HOSTS; by default the first"})


class EndpointOrNumber(fields.Raw):
    """An endpoint as in a connect action, or a telephone number for short."""

    def __init__(self, **more: Any) -> None:
        described = "an endpoint as in a connect action, or a telephone number"
        super().__init__(metadata={"description": described}, **more)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        number = digits(value) if isinstance(value, str) else None
        if number is None:
            raise ValidationError("Give an endpoint, or a telephone number with its country code.")
        return {"type": "phone", "number": number}


class FallbackArgs(ScriptArgs):
    """What the transferred leg runs if nobody is reached."""


class TransferCallArgs(Schema):
    """A transfer to somebody who is called for it."""

    initiator_call = fields.String(required=True, metadata={"description": "the leg that transfers the other one"})
    transferred_call = fields.String(metadata={"description": "the other leg; needed if there are several"})
    to = EndpointOrNumber(required=True)
    flow = fields.String(
        validate=validate.OneOf(("attended", "blind")),
        metadata={"description": "attended, by default: the initiator talks to the recipient first"},
    )
    timeout = fields.Integer(validate=RING_SECONDS, metadata={"description": "seconds to ring; 30 by default"})
    fallback = fields.Nested(
        FallbackArgs, metadata={"description": "if a blind transfer fails; by default back to the initiator"}
    )


class RunningTransferSchema(Schema):
    """A transfer. https://wazo-platform.org/uc-doc/api_sdk/rest_api/calld/transfers"""

    id = fields.String(required=True)
    flow = fields.String(required=True, metadata={"description": "attended or blind"})
    form = fields.String(required=True, metadata={"description": "room, or pair: two legs that a connect joined"})
    status = fields.String(required=True, metadata={"description": f"one of {', '.join(ARROWS)}"})
    pending = nullable(fields.String, description="complete, swap or merge, while that is being done")
    talking_to = nullable(fields.String, description="after swaps: the leg that the initiator talks to")
    initiator_call = fields.String(required=True)
    transferred_call = fields.String(required=True)
    recipient_call = nullable(fields.String, description="the leg of the recipient; null until there is one")
    to = fields.Raw(required=True)
    conference_id = nullable(fields.String, description="the conference that it became")
    outcome = nullable(
        fields.String, description="completed, cancelled, abandoned or merged; null until that is decided"
    )
    requested_by = fields.String(required=True)
    created_at = Timestamp("when it was requested")
    since = Timestamp("since when it has had its status")


class TransfersSchema(Schema):
    """Transfers that have not ended."""

    items = listed(RunningTransferSchema)
    next = nullable(fields.String, description="always null: all are listed")


class ConferenceArgs(Schema):
    """A conference of live calls."""

    host_call_id = fields.String(required=True, metadata={"description": "the host's leg"})
    participant_call_ids = fields.List(
        fields.String(), required=True, validate=validate.Length(1), metadata={"description": "the others' legs"}
    )
    host_leaves = fields.String(
        validate=validate.OneOf(("end", "hand_over")),
        metadata={"description": "what happens then: by default all are hung up"},
    )


class MemberSchema(Schema):
    """A leg of a conference."""

    call_id = fields.String(required=True)
    status = fields.String(required=True, metadata={"description": "joining, joined, leaving or left"})
    held = fields.Boolean(required=True, metadata={"description": "it hears music while the others go on"})


class ConferenceSchema(Schema):
    """A conference. https://wazo-platform.org/uc-doc/api_sdk/rest_api/calld/adhoc_conference"""

    conference_id = fields.String(required=True)
    host = fields.String(required=True, metadata={"description": "the host's leg"})
    participants = fields.List(fields.String(), required=True, metadata={"description": "the other legs"})
    members = listed(MemberSchema)
    host_leaves = fields.String(required=True)
    started = fields.Boolean(required=True)
    finished = fields.Boolean(required=True)
    answer_time = Timestamp("when the first one had joined")
    conversation_uuid = nullable(fields.String, description="of the room")
    requested_by = fields.String(required=True)
    created_at = Timestamp("when it was requested")


class ConferencesSchema(Schema):
    """Conferences that have not ended."""

    items = listed(ConferenceSchema)
    next = nullable(fields.String, description="always null: all are listed")


class RemoveArgs(Schema):
    """How a participant is removed."""

    mode = fields.String(
        load_default="hangup",
        validate=validate.OneOf(("hangup", "detach")),
        metadata={"description": "detach: back to a call with the host, on hold"},
    )


class ActionSchema(Schema):
    """Something that was requested, and what has become of it."""

    id = fields.String(required=True)
    verb = fields.String(required=True)
    leg = nullable(fields.String)
    conversation_uuid = nullable(fields.String)
    arguments = fields.Raw(required=True)
    by = fields.String(required=True, metadata={"description": "who requested it"})
    requested_at = Timestamp("when it was requested")
    state = fields.String(
        required=True,
        metadata={
            "description": "requested: not sent, or no response yet; accepted: Vonage accepted it, and a webhook is to"
            " confirm it; confirmed; refused, gone, failed: it was not done; unknown: nobody can say"
        },
    )
    confirmed_by = nullable(
        fields.String, description="webhook; reply: Vonage confirms it by no webhook; timeout: none came in 10 s"
    )
    vonage_status = nullable(fields.Integer, description="of Vonage's response")
    vonage_detail = nullable(fields.String, description="what Vonage says is wrong")


def action_json(id_: str, done: Done) -> dict[str, Any]:
    """An action as ActionSchema has it."""
    action = done.action
    known: dict[str, Any] = {"id": id_, "verb": action.verb, "leg": action.leg, "by": action.by}
    known |= {"conversation_uuid": action.conversation, "arguments": action.argument, "requested_at": done.at}
    known |= {"state": done.state, "confirmed_by": done.confirmed_by}
    return known | {"vonage_status": done.status, "vonage_detail": done.detail}
