"""The figures of calls, and how webhooks are delivered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import request
from marshmallow import RAISE, Schema, ValidationError, fields, validate

from app.api.blueprint import Blueprint
from app.auth.access import current_role, guard
from app.auth.reveals import reveal
from app.calls.fields import ExactNumber, Timestamp, listed, nullable
from app.calls.figures import HOURS_A_DAY, PERIODS, read_figures
from app.calls.schemas import CURRENCY
from app.domain.leg_state import OUTCOMES
from app.services import services

figures = Blueprint("figures", __name__, url_prefix="/api/v1/figures", description="Figures of calls.")
figures.before_request(guard())


class TimeZone(fields.String):
    """The name of a time zone: Europe/Paris. Described by the format `time-zone`: there are about 600."""

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Any:
        try:
            return ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValidationError("Not a time zone that is known here: give a name such as Europe/Paris.") from None


class FiguresArgs(Schema):
    """Which figures."""

    period = fields.String(load_default="day", validate=validate.OneOf(tuple(PERIODS)))
    tz = TimeZone(
        load_default=ZoneInfo("UTC"),
        metadata={"description": "of days and hours: Europe/Paris", "format": "time-zone", "default": "UTC"},
    )


def counted() -> fields.Field[Any]:
    """How many."""
    return fields.Integer(required=True)


def price() -> fields.Field[Any]:
    """Money."""
    return fields.String(required=True, metadata={"description": "EUR, a decimal string", "example": "0.00144000"})


def rate(of: str = "of those that have ended") -> fields.Field[Any]:
    """A share."""
    return nullable(ExactNumber, description=f"{of}; 0 to 1; null without any")


class AverageSchema(Schema):
    """Seconds."""

    average = nullable(ExactNumber, description="seconds; null without any")


class TalkSchema(AverageSchema):
    """Talk time of answered calls; the average is the ACD."""

    total = ExactNumber(required=True)


class AtOnceSchema(Schema):
    """Calls that were live at some time in a minute: with short calls far more than at any one moment."""

    now = counted()
    peak = counted()
    peak_at = Timestamp("the latest minute of the peak; null without calls")


class PointSchema(Schema):
    """A step of the series."""

    at = Timestamp("its start")
    calls = fields.Integer(required=True, metadata={"description": "that began in it"})
    at_once = fields.Integer(required=True, metadata={"description": "the most in a minute of it"})
    answered = nullable(fields.Integer, description="of those that began in it; null in steps of a minute")
    price = nullable(fields.String, description="EUR, a decimal string; null in steps of a minute")


class DaySchema(Schema):
    """A day in the time zone; the first and the last one are parts of one."""

    date = fields.String(required=True, metadata={"format": "date"})
    calls = counted()
    answered = counted()
    price = price()


class CallOutcomesSchema(Schema.from_dict({name: counted() for name in OUTCOMES})):  # type: ignore[misc]
    """Calls by what became of them."""

    total = counted()
    live = fields.Integer(required=True, metadata={"description": "of these, those that have not ended"})


class RatesSchema(Schema.from_dict({name: rate() for name in OUTCOMES})):  # type: ignore[misc]
    """Shares of the calls that have ended, by outcome; that of `answered` is the ASR."""


class OfNumberSchema(Schema):
    """Calls to a number, or to some."""

    calls = counted()
    answered = counted()
    answered_rate = rate("of all calls, live ones too")
    price = price()


class NumberSchema(OfNumberSchema):
    """Calls to a number."""

    number = fields.String(required=True, metadata={"description": "digits; masked for viewers"})
    name = nullable(fields.String, description="the name that was given to it")


class FiguresSchema(Schema):
    """Figures of the calls that began in a span of time. A call counts once, however often it was transferred."""

    period = fields.String(required=True, validate=validate.OneOf(tuple(PERIODS)))
    tz = fields.String(required=True, metadata={"example": "Europe/Paris"})
    since = Timestamp("begins with a quarter of an hour")
    until = Timestamp("the end of the minute that runs")
    calls = fields.Nested(CallOutcomesSchema, required=True)
    rates = fields.Nested(RatesSchema, required=True)
    talk_seconds = fields.Nested(TalkSchema, required=True)
    wait_seconds = fields.Nested(AverageSchema, required=True, metadata={"description": "to the answer"})
    at_once = fields.Nested(AtOnceSchema, required=True)
    price = price()
    currency = fields.String(required=True, metadata={"example": CURRENCY})
    step_seconds = fields.Integer(required=True, metadata={"description": "of the series"})
    series = listed(PointSchema)
    days = listed(DaySchema)
    heat_map = fields.List(
        fields.List(fields.Integer(), validate=validate.Length(equal=HOURS_A_DAY)),
        required=True,
        validate=validate.Length(equal=7),
        metadata={"description": "calls by day of the week, Monday first, and by hour of the day"},
    )
    numbers = listed(NumberSchema, description="the numbers called most")
    other_numbers = fields.Nested(
        OfNumberSchema, required=True, metadata={"description": "calls to other numbers, or to none"}
    )


@figures.get("")
@figures.arguments(FiguresArgs, location="query", unknown=RAISE)
@figures.alt_response(200, schema=FiguresSchema)
def get_figures(args: dict[str, Any]) -> dict[str, Any]:
    """Get the figures of the last hour, day or week."""
    parts = services()
    reveal([request.path])
    mask = parts.calls.masks_for(current_role())
    names = parts.names.current()
    return read_figures(parts.store, args["period"], args["tz"], datetime.now(UTC), mask_numbers=mask, names=names)
