"""The page of figures: the figures, a table beside each picture, numbers as each reader may see them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.services import services
from app.store import keys
from tests.api.site import BROWSER, OPERATOR, VIEWER, Site, status
from tests.generated import iso
from tests.pages.browsing import Page, logged_in

NUMBER = "442079460000"


def counted(site: Site) -> None:
    """Count the calls, as the workers do."""
    while services(site.app).counting.count(range(keys.PARTITIONS), datetime.now(UTC)):
        pass


def call(site: Site, name: str, *, to: str = NUMBER, outcome: str = "completed", **more: Any) -> None:
    """A call that began two minutes ago and, if it was answered, was so for a minute."""
    now = datetime.now(UTC)
    for seconds, state in ((120, "started"), *(((60, "answered"),) if outcome == "completed" else ()), (0, outcome)):
        site.post(status(state, name, timestamp=iso(now - timedelta(seconds=seconds)), to=to, **more))
    counted(site)


def shown(site: Site, address: str = "/figures", token: str = VIEWER, language: str = "en") -> Page:
    """The page as a browser reads it."""
    response = logged_in(site, token).get(address, headers=BROWSER | {"Accept-Language": language})
    assert response.status_code == 200
    return Page(response.text)


def words(page: Page) -> str:
    """All its text, with one blank between words."""
    return " ".join(" ".join(page.text).split())


def test_who_has_not_logged_in_sees_none(site: Site) -> None:
    assert site.browser().get("/figures", headers=BROWSER).status_code == 401


@pytest.mark.parametrize(("period", "points"), [("hour", 61), ("day", 96), ("week", 168)])
def test_the_figures_of_a_period_are_shown_with_a_point_for_each_step(site: Site, period: str, points: int) -> None:
    call(site, "CON-1", price="0.25000000")
    call(site, "CON-2", outcome="busy")
    page = shown(site, f"/figures?period={period}")
    text = words(page)
    for figure in ("Calls", "answered (ASR) 50% 1", "average talk (ACD) 1:00", "busy 50% 1", "failed 0% 0", "€0.25"):
        assert figure in text
    (current,) = [a for name, a in page.elements if name == "a" and a.get("aria-current") == "true"]
    assert f"period={period}" in (current["href"] or "")
    values = [int(value) for value in page.values("td", "data-value")]
    assert len(values) >= 2 * points
    assert sum(values[::2]) == 2, "calls"
    since = site.read("/api/v1/figures", period=period)["since"]
    assert since in page.values("time", "datetime"), "the quarter of an hour with which it begins"
    assert page.values("figure", "data-table") == ["series"]
    assert "series" in page.values("table", "id"), "what the picture is drawn from is there for who does not see it"


def test_the_heat_map_is_of_a_week_by_the_clock_of_the_reader(site: Site) -> None:
    call(site, "CON-1")
    heat = [name for name in shown(site, "/figures?period=week").values("td", "class") if name.startswith("heat-")]
    assert len(heat) == 7 * 24
    assert sorted(set(heat)) == ["heat-0", "heat-4"]
    assert heat.count("heat-4") == 1
    ahead = shown(site, "/figures?period=week&tz=Asia/Kathmandu")
    moved = [name for name in ahead.values("td", "class") if name.startswith("heat-")]
    assert (heat.index("heat-4"), 0) != (moved.index("heat-4"), 1)
    assert abs(moved.index("heat-4") - heat.index("heat-4")) in {5, 6, 7 * 24 - 5, 7 * 24 - 6}
    assert "Days and hours in Asia/Kathmandu" in words(ahead)
    assert not [name for name in shown(site).values("td", "class") if name.startswith("heat-")]


def test_calls_of_one_minute_are_said_to_be_that_and_not_to_be_at_once(site: Site) -> None:
    call(site, "CON-1")
    for language, label, meaning in (
        ("en", "most in one minute 1", "calls that were on at some time in that minute"),
        ("fr", "maximum en une minute 1", "appels en cours à un moment ou un autre de cette minute"),
    ):
        page = shown(site, language=language)
        assert label in words(page)
        assert page.values("dt", "title") == page.values("th", "title") == [meaning]


def test_of_a_number_the_answered_calls_are_counted(site: Site) -> None:
    """A share would be of all calls, live ones too, and that of the tile is of the ended ones."""
    call(site, "CON-1")
    call(site, "CON-2", outcome="busy")
    call(site, "CON-3", outcome="ringing")
    call(site, "CON-4", to="Alice")
    text = words(shown(site))
    text = text[text.index("Numbers called most") :]
    assert "********0000 3 1 €" in text
    assert "others, or none 1 1 €" in text


def test_a_zone_or_period_that_is_none_is_passed_over(site: Site) -> None:
    call(site, "CON-1")
    text = words(shown(site, "/figures?tz=../etc/passwd&period=<script>"))
    assert "Days and hours in UTC" in text
    assert "<script>" not in text


def test_numbers_have_their_names_and_are_masked_for_viewers(open_site: Callable[..., Site], tmp_path: Path) -> None:
    names = tmp_path / "names.yaml"
    names.write_text(f'numbers:\n  "{NUMBER}": Réception <b>\n')
    site = open_site(names_file=names)
    call(site, "CON-1")
    call(site, "CON-2", to="Alice")
    for token, number in ((VIEWER, "********0000"), (OPERATOR, NUMBER)):
        text = words(shown(site, token=token))
        assert f"Réception <b> {number}" in text
        assert "others, or none" in text
    assert NUMBER not in words(shown(site))


def test_without_calls_it_says_so(site: Site) -> None:
    page = shown(site)
    assert "No call in this time" in words(page)
    assert page.values("figure", "data-table") == []


def test_in_french(site: Site) -> None:
    call(site, "CON-1", price="0.25000000")
    text = words(shown(site, language="fr"))
    for word in ("Statistiques", "décrochés (ASR) 100 % 1", "Appels au fil du temps", "0,25", "Depuis : "):
        assert word in text.replace("\u202f", " ").replace("\xa0", " ")
