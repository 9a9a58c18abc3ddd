"""How webhooks are delivered, and how they are replied to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from marshmallow import RAISE, Schema, fields, validate

from app.api.blueprint import Blueprint
from app.api.schemas import Bound
from app.auth.access import guard
from app.calls.delivery import read_delivery
from app.calls.fields import ExactNumber, Timestamp, listed, nullable
from app.services import services
from app.store.codes import KINDS

delivery = Blueprint("delivery", __name__, url_prefix="/api/v1/delivery", description="The delivery of webhooks.")
delivery.before_request(guard())
MOST_HOURS = 192
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)  # room for hours before it


class DeliveryArgs(Schema):
    """Which span of time."""

    hours = fields.Integer(
        validate=validate.Range(1, MOST_HOURS),
        metadata={"description": "of this many hours up to `until`; 24 without `since`"},
    )
    since = Bound("received at this time or later; in whole minutes or hours")
    until = Bound("received before this time; now, if it is later or not given")


class BucketSchema(Schema):
    """Values up to a bound, and above that of the bucket before."""

    up_to_ms = nullable(fields.Integer, description="null: above all bounds")
    count = fields.Integer(required=True)


class HistogramSchema(Schema):
    """Milliseconds. Median and 95th percentile are the upper bound of the bucket that they are in."""

    count = fields.Integer(required=True)
    median_ms = nullable(fields.Integer, description="null without values, or above all bounds")
    p95_ms = nullable(fields.Integer, description="null without values, or above all bounds")
    buckets = listed(BucketSchema)


class AnswersSchema(HistogramSchema):
    """From the receipt of a request to the NCCO."""

    limit_ms = fields.Integer(required=True, metadata={"description": "how long Vonage waits for an answer"})
    over_limit = fields.Integer(required=True)


class TotalsSchema(Schema):
    """How many."""

    events = fields.Integer(required=True, metadata={"description": "kept; a transfer is one"})
    repeats = fields.Integer(required=True)
    out_of_order = fields.Integer(required=True, metadata={"description": "behind a later status of their leg"})
    unknown_ = fields.Integer(required=True, data_key="unknown", metadata={"description": "kind or status not known"})
    unfiled = fields.Integer(required=True, metadata={"description": "of no conversation, or not readable"})
    fallbacks = fields.Integer(required=True, metadata={"description": "requests to the fallback URL"})
    refused = fields.Integer(required=True, metadata={"description": "for their signature"})
    last_resort = fields.Integer(required=True, metadata={"description": "answers that no flow could give"})


class DeliveryPointSchema(TotalsSchema):
    """A step of the series."""

    at = Timestamp("its start")
    lag_median_ms = nullable(fields.Integer)
    lag_p95_ms = nullable(fields.Integer)
    answers = fields.Integer(required=True)
    answers_over_limit = fields.Integer(required=True)


class SharesSchema(Schema):
    """Shares of the webhooks received."""

    repeats = nullable(ExactNumber, description="0 to 1; null without any")
    out_of_order = nullable(ExactNumber)
    unknown_ = nullable(ExactNumber, data_key="unknown")


class KindSchema(Schema):
    """Webhooks of a kind."""

    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    events = fields.Integer(required=True)


class RefusalSchema(Schema):
    """Requests refused for the same reason."""

    fault = fields.String(required=True)
    requests = fields.Integer(required=True)


class DeliverySchema(TotalsSchema):
    """The delivery of webhooks in a span of time."""

    since = Timestamp("a whole minute or hour")
    until = Timestamp("the same")
    shares = fields.Nested(SharesSchema, required=True)
    lag = fields.Nested(
        HistogramSchema,
        required=True,
        metadata={"description": "from an event's own timestamp to its receipt; below 0 where clocks differ"},
    )
    answers = fields.Nested(AnswersSchema, required=True)
    store = fields.Nested(HistogramSchema, required=True, metadata={"description": "how long Redis took to keep one"})
    kinds = listed(KindSchema)
    refusals = listed(RefusalSchema)
    step_seconds = fields.Integer(required=True, metadata={"description": "60 for three hours at most, else 3600"})
    series = listed(DeliveryPointSchema)


@delivery.get("")
@delivery.arguments(DeliveryArgs, location="query", unknown=RAISE)
@delivery.alt_response(200, schema=DeliverySchema)
def get_delivery(args: dict[str, Any]) -> dict[str, Any]:
    """Get how webhooks were delivered, and how they were replied to. Kept for eight days.

    Arguments are joined by "and"; a span in which there is no time has no series.
    """
    now = datetime.now(UTC)
    until = min(args.get("until", now), now)
    since = args.get("since", EARLIEST)
    if "hours" in args or "since" not in args:
        since = max(since, until - timedelta(hours=args.get("hours", 24)))
    return read_delivery(services().store, since, until, now)
