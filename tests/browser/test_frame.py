"""The frame of the pages, used as people use it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import TOKENS, Visit
from tests.engines import wait_until


def press(page: Page, *keys: str) -> None:
    """Press *keys*, one after the other."""
    for key in keys:
        page.keyboard.press(key)


def focused(page: Page) -> str:
    """The text of what has the focus."""
    found: str = page.evaluate("document.activeElement.innerText ?? ''")
    return found.strip()


def test_one_logs_in_and_out_with_the_keyboard_alone(visit: Visit) -> None:
    page = visit("/", role=None)
    assert page.url.endswith("/login")
    expect(page.get_by_label("Access token")).to_be_focused()
    page.keyboard.type("wrong")
    press(page, "Enter")
    expect(page.get_by_role("alert")).to_contain_text("No such token")
    expect(page.get_by_label("Access token")).to_be_focused()
    page.keyboard.type(TOKENS["operator"])
    press(page, "Enter")
    expect(page.get_by_role("heading", name="Board")).to_be_visible()
    seen = []
    for _ in range(40):
        press(page, "Tab")
        seen.append(focused(page))
        if seen[-1] == "Log out":
            break
    assert seen[0] == "To the content"
    assert {"Board", "API", "Français", "Log out"} <= set(seen)
    press(page, "Enter")
    page.wait_for_url("**/login")
    page.goto("/")
    assert page.url.endswith("/login")


def test_one_lands_on_the_page_that_one_wanted(visit: Visit) -> None:
    page = visit("/calls?outcome=answered", role=None)
    page.get_by_role("main").get_by_role("link", name="Log in").click()
    page.get_by_label("Access token").fill("wrong")
    press(page, "Enter")
    expect(page.get_by_role("alert")).to_contain_text("No such token")
    page.get_by_label("Access token").fill(TOKENS["viewer"])
    press(page, "Enter")
    page.wait_for_url("**/calls?outcome=answered")


def test_one_skips_to_the_content(visit: Visit) -> None:
    page = visit("/")
    press(page, "Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_in_viewport()
    press(page, "Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_one_opens_a_call_from_the_board_with_the_keyboard_alone(visit: Visit) -> None:
    page = visit("/")
    press(page, "Tab", "Enter")
    for _ in range(40):
        press(page, "Tab")
        if page.evaluate("document.activeElement.closest('.group tbody a') !== null"):
            break
    press(page, "Enter")
    page.wait_for_url("**/calls/*")


def test_whatever_has_the_focus_shows_it(visit: Visit) -> None:
    page = visit("/")
    for _ in range(12):
        press(page, "Tab")
        width = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        assert width == "3px", focused(page)


def test_the_switch_of_languages_keeps_the_page(visit: Visit) -> None:
    page = visit("/docs?x=1")
    page.get_by_role("button", name="Français").click()
    expect(page.get_by_role("button", name="English")).to_be_visible()
    assert page.url.endswith("/docs?x=1")
    page.goto("/")
    expect(page.get_by_role("heading", name="Tableau de bord")).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Board")).to_be_visible()


def test_moments_are_in_the_readers_zone_and_it_is_named(visit: Visit) -> None:
    """The published call was on 29 March 2021, in summer time."""
    page = visit("/")
    expect(page.get_by_text("Times in Europe/Paris")).to_be_visible()
    first = page.locator("td time").first
    shown = first.get_attribute("datetime")
    assert shown is not None
    hour = page.evaluate(
        "at => new Date(at).toLocaleTimeString('en-GB', {timeZone: 'Europe/Paris', hourCycle: 'h23'})", shown
    )
    expect(first).to_have_text(hour)
    expect(first).to_have_attribute("title", re.compile(r"(CET|GMT\+[12]|CEST)$"))


def test_a_moment_of_another_year_has_its_year(visit: Visit) -> None:
    page = visit("/")
    shown = page.evaluate(
        """async () => {
            const script = document.querySelector('script[type=module]').src.replace('frame.js', 'times.js');
            const times = await import(script);
            const now = new Date(times.serverNow());
            const other = new Date(now.getFullYear(), now.getMonth() === 5 ? 6 : 5, 1, 12);
            return [times.moment('2021-03-29T21:20:05.582Z'), times.moment(other.toISOString())];
        }"""
    )
    assert shown[0] == "29 Mar 2021, 23:20:05"
    assert re.fullmatch(r"1 Ju[nl], 12:00:00", shown[1]), shown[1]


def test_without_scripts_moments_are_in_utc_and_it_says_so(visit: Visit) -> None:
    page = visit("/", java_script_enabled=False)
    expect(page.get_by_text("Times in UTC")).to_be_visible()
    first = page.locator("td time").first
    expect(first).to_have_text((first.get_attribute("datetime") or "")[11:19])


def test_a_timer_counts_from_its_moment(visit: Visit) -> None:
    page = visit("/")
    page.evaluate(
        """async () => {
            const script = document.querySelector('script[type=module]').src.replace('frame.js', 'times.js');
            const times = await import(script);
            const timer = document.createElement('span');
            timer.id = 'timer';
            timer.dataset.since = new Date(times.serverNow() - 3_661_000).toISOString();
            document.body.append(timer);
            times.localise(document.body);
        }"""
    )
    timer = page.locator("#timer")
    expect(timer).to_have_text(re.compile(r"1:01:0\d"))
    before = timer.inner_text()
    expect(timer).not_to_have_text(before)


def test_a_timer_goes_by_the_servers_clock(visit: Visit) -> None:
    """Of a reader whose clock is an hour behind."""
    page = visit("/login", role=None)
    page.clock.install(time=page.evaluate("Date.now() - 3_600_000"))
    page.goto("/login")
    apart = page.evaluate(
        """async () => {
            const script = document.querySelector('script[type=module]').src.replace('frame.js', 'times.js');
            const server = document.querySelector('meta[name="server-time"]').content;
            return (await import(script)).serverNow() - Date.parse(server);
        }"""
    )
    assert 0 <= apart < 60_000


def test_notes_stay_folded_away_until_they_change(visit: Visit) -> None:
    page = visit("/")
    notes = page.locator("details[data-notes]")

    def kept() -> bool:
        """Whether the browser keeps that these notes are folded away: it does so a moment after the click."""
        return f"notes={notes.get_attribute('data-notes')}" in page.evaluate("document.cookie")

    expect(notes).to_have_attribute("open", "")
    notes.locator("summary").click()
    wait_until(kept, "they are kept folded away")
    page.goto("/docs")
    expect(notes).not_to_have_attribute("open", "")
    expect(notes.get_by_text("UNSIGNED WEBHOOKS")).not_to_be_visible()
    page.context.add_cookies([{"name": "notes", "value": "of-another-day", "url": page.url}])
    page.goto("/docs")
    expect(notes.get_by_text("UNSIGNED WEBHOOKS")).to_be_visible()
    notes.locator("summary").click()
    wait_until(kept, "they are kept folded away")
    notes.locator("summary").click()
    wait_until(lambda: not kept(), "they are kept open")
    page.goto("/docs")
    expect(notes.get_by_text("UNSIGNED WEBHOOKS")).to_be_visible()


def test_a_viewer_is_named_as_one_and_sees_no_number(visit: Visit) -> None:
    page = visit("/", role="viewer")
    expect(page.locator(".who")).to_have_text("Viewer")
    assert "447700900123" not in page.content()
    assert "********0123" in page.content()


def test_states_are_in_words_as_well(visit: Visit) -> None:
    page = visit("/", language="fr-FR")
    badges = page.locator(".badge[data-state]")
    assert badges.count() > 5
    for text in badges.all_text_contents():  # also of rows out of sight, which are not laid out
        assert text.strip()
    expect(page.locator('.badge[data-state="unanswered"]').first).to_have_text("sans réponse")


def test_who_wants_less_motion_gets_none(visit: Visit) -> None:
    page = visit("/", reduced_motion="reduce")
    assert page.locator(".nav a").first.evaluate("each => getComputedStyle(each).transitionDuration") == "0s"
