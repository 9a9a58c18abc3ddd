"""Arguments, pages and errors of the API."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, pre_load, validate

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

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> str:
        found = searched(str(value).strip())
        if found is None:
            raise ValidationError("Give a telephone number whole, or its last 4 or 7 digits (as a viewer, its last 4).")
        return found


class Bound(fields.AwareDateTime):
    """The start or the end of a span of time."""

    def __init__(self, description: str) -> None:
        described = {"description": description, "pattern": FROM_1970}
        super().__init__(format="iso", validate=_since_1970, metadata=described)


def _since_1970(moment: datetime) -> None:
    if moment.year < 1970:  # the store's milliseconds start there
        raise ValidationError("Not the time of a call: give one from 1970 on.")


class PageArgs(Schema):
    """Which part of a list."""

    @pre_load
    def without_empty(self, given: Mapping[str, str], **_: Any) -> dict[str, str]:
        """An empty number or cursor counts as none: forms send it, and programs on the first page."""
        return {name: value for name, value in given.items() if value or name not in ("number", "cursor")}

    limit = fields.Integer(load_default=50, validate=validate.Range(1, MAX_PAGE))
    cursor = fields.String(metadata={"description": "`next` of the page before"})


class ConversationsArgs(PageArgs):
    """Which conversations."""

    state = fields.String(validate=validate.OneOf(CONVERSATION_STATES))
    number = PhoneNumber(
        metadata={
            "description": "whole, or its last 4 or 7 digits; for viewers its last 4",
            "pattern": NUMBER,
            "maxLength": MAX_NUMBER,
        }
    )
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
