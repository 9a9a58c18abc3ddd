"""The endpoints `to` and `from` of a new call.

Source: https://developer.vonage.com/en/api/voice#createCall
"""

from __future__ import annotations

import json
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from vonage_simulator.voice_api.reading import Body

RATES = ("audio/l16;rate=8000", "audio/l16;rate=16000", "audio/l16;rate=24000")
NUMBER = r"[1-9][0-9]{6,14}\Z"  # E.164 without the plus
SIP = r"sips?:\S+\Z"  # the reference has 50 characters at most, but longer ones are served
MOST_HEADERS = 512  # bytes of a websocket's, as JSON
ADDRESS = {"phone": "number", "sip": "uri", "websocket": "uri", "vbc": "extension", "app": "user"}  # field by type


class PhoneSchema(Body):
    """The reference has `dtmfAnswer`, SDKs `dtmf_answer` too."""

    number = fields.String(required=True, validate=validate.Regexp(NUMBER, error="Not 7 to 15 digits without a plus."))
    dtmf_answer = fields.String(data_key="dtmfAnswer", validate=validate.Regexp(r"[0-9*#p]+\Z"))
    shaken = fields.String()


class SipSchema(Body):
    """A URI, or a domain of the account and a user there."""

    uri = fields.String(validate=validate.Regexp(SIP, error="Not a SIP URI."))
    domain = fields.String(validate=validate.Length(1))
    user = fields.String(validate=validate.Length(1))
    headers = fields.Dict(keys=fields.String(), load_default=dict)
    standard_headers = fields.Dict(keys=fields.String(), load_default=dict)

    @validates_schema
    def has_address(self, data: dict[str, Any], **_: Any) -> None:
        if "uri" not in data and not ("domain" in data and "user" in data):
            raise ValidationError("Give this, or both domain and user.", "uri")

    @post_load
    def merge(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        address = data.get("uri") or f"sip:{data['user']}@{data['domain']}"
        return {"uri": address, "headers": data["headers"] | data["standard_headers"]}


class AuthorizationSchema(Body):
    """The authorization of a websocket's handshake."""

    type = fields.String(required=True, validate=validate.OneOf(("vonage", "custom")))
    value = fields.String()


class WebsocketSchema(Body):
    uri = fields.String(required=True, validate=validate.Regexp(r"wss?://\S+\Z", error="Not ws:// or wss://."))
    content_type = fields.String(data_key="content-type", required=True, validate=validate.OneOf(RATES))
    headers = fields.Dict(keys=fields.String(), load_default=dict)
    authorization = fields.Nested(AuthorizationSchema)

    @validates_schema
    def has_small_headers(self, data: dict[str, Any], **_: Any) -> None:
        written = json.dumps(data["headers"], ensure_ascii=False, separators=(",", ":"))
        if len(written.encode("utf-8", "surrogatepass")) > MOST_HEADERS:
            raise ValidationError(f"More than {MOST_HEADERS} bytes.", "headers")


ENDPOINTS: dict[str, Schema] = {
    "phone": PhoneSchema(),
    "sip": SipSchema(),
    "websocket": WebsocketSchema(),
    "vbc": Body.from_dict({"extension": fields.String(required=True, validate=validate.Length(1))})(),
    "app": Body.from_dict({"user": fields.String(required=True, validate=validate.Length(1))})(),
}


class EndpointField(fields.Field[dict[str, Any]]):
    """An endpoint, by its `type`; loads as `to`, `endpoint` and `headers` of a Call."""

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError("Not an endpoint object.")
        kind = value.get("type")
        if not isinstance(kind, str) or kind not in ENDPOINTS:
            raise ValidationError({"type": [f"Not one of {', '.join(ENDPOINTS)}."]})
        if "dtmf_answer" in value:
            value = {"dtmfAnswer": value["dtmf_answer"]} | value
        found = ENDPOINTS[kind].load(value)
        return {"endpoint": kind, "to": found[ADDRESS[kind]], "headers": found.get("headers", {})}


class CallerField(fields.Field[str]):
    """`{"type": "phone", "number": …}`, or just the number, which Vonage's Python SDK sends too."""

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> str:
        number = value
        if isinstance(value, dict):
            if value.get("type") != "phone":
                raise ValidationError({"type": ["Must be phone."]})
            number = value.get("number")
        if not isinstance(number, str):
            raise ValidationError({"number": ["Missing data for required field."]})
        try:
            validate.Regexp(f"({NUMBER})|({SIP})", error="Neither 7 to 15 digits without a plus nor a SIP URI.")(number)
        except ValidationError as error:
            raise ValidationError({"number": error.messages}) from error
        return number
