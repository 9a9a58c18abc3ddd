"""The figures as the API gives them. That they are right, tests/calls/test_figures.py shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.services import services
from app.store import keys
from tests.api.site import OPERATOR, Site, is_problem, status
from tests.generated import iso

FIGURES = "/api/v1/figures"


def counted(site: Site) -> None:
    """Count the calls, as the workers do."""
    while services(site.app).counting.count(range(keys.PARTITIONS), datetime.now(UTC)):
        pass


def call(site: Site, name: str, **more: Any) -> None:
    """A call that began two minutes ago and ended now."""
    now = datetime.now(UTC)
    party = {"from_": "447700900123", "to": "442079460000"}
    site.post(status("started", name, timestamp=iso(now - timedelta(minutes=2)), **party))
    site.post(status("answered", name, timestamp=iso(now - timedelta(minutes=1)), **party))
    site.post(status("completed", name, timestamp=iso(now), **party, **more))


def test_calls_are_counted_for_operators_and_viewers_with_numbers_as_each_may_see_them(site: Site) -> None:
    call(site, "CON-1", price="0.00144000")
    call(site, "CON-2")
    counted(site)
    for period, step in (("hour", 60), ("day", 900), ("week", 3600)):
        found = site.read(FIGURES, period=period, tz="Europe/Paris")
        assert (found["period"], found["tz"], found["step_seconds"]) == (period, "Europe/Paris", step)
        assert (found["calls"]["total"], found["calls"]["answered"], found["rates"]["answered"]) == (2, 2, 1)
        assert found["talk_seconds"]["average"] == pytest.approx(60, abs=0.01)
        assert found["price"] == "0.00144000"
        assert found["at_once"]["peak"] == 2
        assert sum(point["calls"] for point in found["series"]) == 2
        assert [each["number"] for each in found["numbers"]] == ["********0000"]
    masked, whole = site.read(FIGURES), site.read(FIGURES, token=OPERATOR)
    assert whole["numbers"][0] == masked["numbers"][0] | {"number": "442079460000"}
    site.send("DELETE", "/api/v1/conversations/CON-1", token=OPERATOR)
    assert site.read(FIGURES)["calls"]["total"] == 1
    assert site.read(FIGURES)["price"] == "0.00000000"


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "Europe", "\x00", "x" * 5000, "/etc/localtime"])
def test_an_unknown_time_zone_is_named(site: Site, zone: str) -> None:
    assert list(is_problem(site.get(FIGURES, tz=zone), 422)["errors"]) == ["tz"]


def test_other_wrong_arguments_are_named(site: Site) -> None:
    assert list(is_problem(site.get(FIGURES, period="month"), 422)["errors"]) == ["period"]
    assert list(is_problem(site.get(FIGURES, since="x"), 422)["errors"]) == ["since"]
    is_problem(site.get(FIGURES, token=None), 401)
