"""The page of delivery: how webhooks came, in what order and shape, and how they were replied to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.api.site import BROWSER, Site, status
from tests.engines import wait_until
from tests.generated import iso
from tests.pages.test_figures_page import shown, words


def late(site: Site, name: str, state: str, ms: int) -> None:
    """Post a status that happened *ms* ago."""
    site.post(status(state, name, timestamp=iso(datetime.now(UTC) - timedelta(milliseconds=ms))))


def test_who_has_not_logged_in_sees_none(site: Site) -> None:
    assert site.browser().get("/delivery", headers=BROWSER).status_code == 401


@pytest.mark.parametrize(("period", "points"), [("hour", 61), ("day", 25), ("week", 169)])
def test_what_was_delivered_how_is_shown(site: Site, period: str, points: int) -> None:
    body = status("completed", "CON-1", timestamp=iso(datetime.now(UTC) - timedelta(seconds=4)))
    site.post(body)
    site.post(body)
    late(site, "CON-1", "started", 4000)
    late(site, "CON-2", "something-new", 4000)
    site.post({"x": 1})
    page = shown(site, f"/delivery?period={period}")
    text = words(page)
    for figure in (
        *("events kept 3", "repeats 25% 1", "out of order 25% 1", "unknown shapes 25% 1", "unfiled 1", "refused 0"),
        *("fallbacks 0", "last resorts 0", "the limit is 5.0 s", "None was refused."),
    ):
        assert figure in text
    assert "lag, median 5.0 s" in text, "within its bucket"
    values = page.values("td", "data-value")
    assert len(values) in {2 * points, 2 * points - 2}
    assert {value for value in values if value} == {"5000"}
    assert page.values("figure", "data-table") == ["lag"]
    assert "lag" in page.values("table", "id")


def test_refusals_are_by_their_reason(open_site: Callable[..., Site]) -> None:
    site = open_site(signature_secrets=(("key", "s" * 32),), webhook_verify="enforce")
    for _ in range(3):
        assert site.app.test_client().post("/voice/event", json={}).status_code >= 400
    wait_until(lambda: "refused 3" in words(shown(site, "/delivery")), "they are counted, a moment later")
    text = words(shown(site, "/delivery"))
    assert "missing 3" in text
    assert "None was refused." not in text


def test_a_lag_above_all_that_is_counted_exactly_is_no_unknown_one(site: Site) -> None:
    late(site, "CON-1", "started", 7 * 24 * 3_600_000)
    assert "lag, median >" in words(shown(site, "/delivery"))


def test_without_webhooks_it_says_so(site: Site) -> None:
    page = shown(site, "/delivery")
    assert "No webhook in this time" in words(page)
    assert page.values("figure", "data-table") == []
