"""Voicemails of users as the JSON of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import Schema, fields

from app.calls.fields import ExactNumber, Timestamp, nullable
from app.calls.names import NOBODY, Known
from app.domain.numbers import masked
from app.store.codec import moment
from app.store.voicemails import LeftVoicemail

PERSONAL: Final = ("from", "from_name")  # what may have telephone numbers in it; the rest is ids, times and sizes


class VoicemailSchema(Schema):
    """A message that was left for a user."""

    id = fields.String(required=True, metadata={"description": "that of the recording"})
    from_ = nullable(fields.String, "from", "from", description="number, or user, who left it")
    from_name = nullable(fields.String, description="the name of who left it, if it is known")
    at = Timestamp("when its recording was ready")
    seconds = nullable(ExactNumber, description="how long it is")
    size = nullable(fields.Integer, description="bytes")
    heard = fields.Boolean(required=True)
    heard_at = Timestamp("when it was first said to be heard; null while it is unheard")
    call_id = nullable(fields.String, description="uuid of the leg that left it: that of the call, if it is the first")
    conversation_uuid = fields.String(required=True)
    url = fields.String(required=True, metadata={"description": "where it is played, at this server"})


SCHEMA: Final = VoicemailSchema()


def dump(
    left: LeftVoicemail,
    *,
    url: str,
    mask_numbers: bool,
    names: Known = NOBODY,
    users: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    """*left* as JSON; *url* is where it is played, *users* what users are shown as."""
    listed, recording, heard = left
    by = recording.voicemail
    number, user = (by.from_, by.from_user) if by else (None, None)
    times = recording.start_time, recording.end_time
    json: dict[str, Any] = SCHEMA.dump(
        {
            "id": listed.recording,
            "from": number or user,
            "from_name": (users or {}).get(user) if user else names.of(number),
            "at": recording.occurred or moment(listed.received),
            "seconds": (times[1] - times[0]).total_seconds() if times[0] and times[1] else None,
            "size": recording.size,
            "heard": heard is not None,
            "heard_at": heard,
            "call_id": by.leg if by else None,
            "conversation_uuid": listed.conversation,
            "url": url,
        }
    )
    return json | masked({name: json[name] for name in PERSONAL}) if mask_numbers else json
