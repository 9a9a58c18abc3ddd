"""The page with the figures of calls over the last hour, day or week."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from flask import Blueprint, request
from werkzeug.wrappers import Response

from app.auth.access import current_role, require
from app.auth.reveals import reveal
from app.calls.figures import PERIODS, read_figures
from app.pages.html import page
from app.services import services

figures_page = Blueprint("figures_page", __name__)
SHADES: Final = 4  # of the heat map, beside none


@figures_page.get("/figures")
def figures() -> Response:
    """The figures. `period` is one of PERIODS, else a day; `tz` a time zone, which static/zone.js sends, else UTC."""
    require("viewer")
    parts = services()
    reveal([request.path])
    period = request.args.get("period", "")
    found = read_figures(
        parts.store,
        period if period in PERIODS else "day",
        _zone(request.args.get("tz", "")),
        datetime.now(UTC),
        mask_numbers=parts.calls.masks_for(current_role()),
        names=parts.names.current(),
    )
    most = max(map(max, found["heat_map"]))
    return page(
        "figures.html",
        figures=found,
        periods=tuple(PERIODS),
        shade=lambda calls: -(-SHADES * calls // most) if most else 0,
    )


def _zone(name: str) -> ZoneInfo:
    """The zone *name*; UTC if it is none that is known here: a browser may know more of them."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")
