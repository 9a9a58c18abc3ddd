"""The pages with charts, as a browser draws them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.engines import wait_until

DRAWN = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Set();
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) colours.add(data.slice(i, i + 3).join());
    return [...colours];
}"""


def colours(page: Page) -> set[str]:
    """The colours in the chart, as `red,green,blue`."""
    canvas = page.locator("figure.chart canvas")
    expect(canvas).to_be_visible()
    return set(canvas.evaluate(DRAWN))


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_a_chart_is_drawn_from_its_table_in_the_colours_of_the_page(visit: Visit, size: str) -> None:
    page = visit("/figures?period=hour&tz=Europe/Paris", size=size)
    assert {"10,83,158", "125,68,0"} <= colours(page), "bars and line"
    page.emulate_media(color_scheme="dark")
    wait_until(lambda: "134,189,248" in colours(page), "it is drawn anew")
    page.get_by_text("As a table").click()
    expect(page.locator("table#series")).to_be_visible()


def test_the_point_under_the_mouse_is_read_out(visit: Visit) -> None:
    page = visit("/figures?period=hour&tz=Europe/Paris")
    expect(page.locator("figure.chart .legend b").first).to_have_text("")
    page.locator("figure.chart .u-over").hover()
    expect(page.locator("figure.chart .legend b").first).to_have_text("0")
    expect(page.locator("figure.chart .at")).to_contain_text(":")


def test_lag_is_drawn(visit: Visit) -> None:
    page = visit("/delivery?period=hour")
    assert colours(page)


def test_days_and_hours_are_in_the_readers_zone_also_in_the_next_period(visit: Visit) -> None:
    page = visit("/figures")
    page.wait_for_url("**/figures?tz=Europe%2FParis")
    expect(page.get_by_text("Days and hours in Europe/Paris")).to_be_visible()
    page.get_by_role("link", name="Last week").click()
    page.wait_for_url("**period=week**")
    expect(page.get_by_text("Days and hours in Europe/Paris")).to_be_visible()
    expect(page.get_by_role("heading", name="Calls by hour and weekday")).to_be_visible()
