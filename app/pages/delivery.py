"""The page with the quality of delivery over the last hour, day or week."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, request
from werkzeug.wrappers import Response

from app.auth.access import require
from app.calls.delivery import read_delivery
from app.calls.figures import PERIODS
from app.domain.histograms import LAG, STORED, TOOK
from app.pages.html import page
from app.services import services

delivery_page = Blueprint("delivery_page", __name__)


@delivery_page.get("/delivery")
def delivery() -> Response:
    """How webhooks came, and how they were replied to. `period` is one of PERIODS, else a day."""
    require("viewer")
    period = request.args.get("period", "")
    if period not in PERIODS:
        period = "day"
    now = datetime.now(UTC)
    found = read_delivery(services().store, now - PERIODS[period], now, now)
    longest = {"lag": LAG.bounds[-1], "answers": TOOK.bounds[-1], "store": STORED.bounds[-1]}
    return page("delivery.html", delivery=found, period=period, periods=tuple(PERIODS), longest=longest)
