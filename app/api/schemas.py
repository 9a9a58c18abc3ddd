"""Arguments, pages and errors of the API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, pre_load, validate

from app.calls.call_schemas import CallEventSchema, CallRowSchema
from app.calls.fields import listed, nullable
from app.calls.schemas import CONVERSATION_STATES, ConversationSchema, EventSchema
from app.domain.leg_state import OUTCOMES
from app.domain.numbers import searched

MAX_PAGE = 500  # items
# For the description: what `PhoneNumber` and `Bound` take.
NUMBER = r"^$|^\+?([0-9][ ().-]?){3}[0-9]$|^\+?([0-9][ ().-]?){6,14}[0-9]$"
MAX_NUMBER = 26  # characters
FROM_1970 = "^(19[7-9][0-9]|[2-9][0-9]{3})-"


class PhoneNumber(fields.String):
    """A telephone number whole, or its last 4 or 7 digits; "+", blanks, dots and dashes do not count."""

    def __init__(self) -> None:
        words = "whole, or its last 4 or 7 digits; viewers: whole, or its last 4"
        super().__init__(metadata={"description": words, "pattern": NUMBER, "maxLength": MAX_NUMBER})

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> str:
        found = searched(str(value).strip())
        if found is None:
            raise ValidationError(
                "Give a telephone number whole, or its last 4 or 7 digits (viewers: whole, or its last 4)."
            )
        return found


class Flag(fields.Boolean):
    """True or false in JSON; marshmallow's own takes "on" and 1 as well."""

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Whole(fields.Integer):
    """A whole number in JSON, from *least* to *most*; 2.0 is one, "2" is not."""

    def __init__(self, description: str, least: int, most: int, **more: Any) -> None:
        described = {"description": description}
        super().__init__(validate=validate.Range(least, most), metadata=described, **more)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, int | float) or (isinstance(value, float) and not value.is_integer()):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs) or 0


class Bound(fields.AwareDateTime):
    """The start or the end of a span of time."""

    def __init__(self, description: str) -> None:
        words: dict[str, Any] = {
            "invalid": "Give a time as in 2026-01-31T09:00:00Z; in an address, a + must be written %2B.",
            "invalid_awareness": "Give the time zone, too: Z at the end, or as in 2026-01-31T09:00:00%2B01:00.",
        }
        described = {"description": description, "pattern": FROM_1970}
        super().__init__(format="iso", validate=_since_1970, metadata=described, error_messages=words)


def _since_1970(moment: datetime) -> None:
    if moment.year < 1970:  # the store's milliseconds start there
        raise ValidationError("Not the time of a call: give one from 1970 on.")


class Args(Schema):
    """Arguments of a list."""

    @pre_load
    def without_empty(self, given: Mapping[str, str], **_: Any) -> dict[str, str]:
        """An empty number or cursor counts as none: forms send it, and programs on the first page."""
        return {name: value for name, value in given.items() if value or name not in ("number", "cursor")}


class PageArgs(Args):
    """Which part of a list."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, MAX_PAGE))
    cursor = fields.String(metadata={"description": "`next` of the page before"})


class CallFilterArgs(Args):
    """Which calls."""

    state = fields.String(validate=validate.OneOf(CONVERSATION_STATES))
    number = PhoneNumber()
    user = fields.String(metadata={"description": "an application's user that calls or is called"})
    id = fields.String(metadata={"description": "of the call, or of one of its legs, conversations or recordings"})
    outcome = fields.String(validate=validate.OneOf(OUTCOMES))
    missed = fields.Boolean(metadata={"description": "it came in, has ended, and nobody answered"})
    flow = fields.String(metadata={"description": "a call flow that answered it"})
    since = Bound("first webhook received at this time or later")
    until = Bound("first webhook received before this time")
    has_recording = fields.Boolean()
    sort = fields.String(
        validate=validate.OneOf(("newest", "oldest")),
        metadata={"description": "which come first, by the receipt of their first webhook; by default the newest"},
    )


class CallsArgs(CallFilterArgs, PageArgs):
    """Which part of the list of which calls."""


class CallsSchema(Schema):
    """A page of calls; it may be short, even empty, though there is a next one."""

    items = listed(CallRowSchema)
    next = nullable(fields.String, description="cursor of the next page; null at the end")


class CallEventsSchema(Schema):
    """A page of the events of a call, oldest first."""

    items = listed(CallEventSchema)
    next = nullable(fields.String, description="cursor of the next page; null at the end")


class ConversationsArgs(PageArgs):
    """Which conversations."""

    state = fields.String(validate=validate.OneOf(CONVERSATION_STATES))
    number = PhoneNumber()
    outcome = fields.String(validate=validate.OneOf(OUTCOMES), metadata={"description": "of any leg"})
    since = Bound("first webhook received at this time or later")
    until = Bound("first webhook received before this time")


class ConversationsSchema(Schema):
    """A page of conversations; it may be short, even empty, though there is a next one."""

    items = listed(ConversationSchema)
    next = nullable(fields.String, description="cursor of the next page; null at the end")


class EventsSchema(Schema):
    """A page of events, oldest first."""

    items = listed(EventSchema)
    next = nullable(fields.String, description="cursor of the next page; null at the end")


class ProblemSchema(Schema):
    """What is wrong and what to do (RFC 9457)."""

    class Meta:
        unknown = INCLUDE  # an error may have more members

    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    errors = fields.Dict(keys=fields.String(), metadata={"description": "argument -> what is wrong with it"})
