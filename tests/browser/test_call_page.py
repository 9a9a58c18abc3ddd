"""The page of a call, and the history and its files, in a browser."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Visit
from tests.browser.test_every_page import SCHEMES, violations
from tests.engines import wait_until
from tests.generated import iso
from tests.serving import Server
from vonage_simulator import audio

BEGAN = datetime.now(UTC) - timedelta(seconds=60)
PATIENCE = 30_000  # ms
_numbers = count(1)


class LiveCall:
    """A call that goes on as the test says."""

    def __init__(self, server: Server) -> None:
        number = next(_numbers)
        self.server, self.leg, self.conversation = server, f"live-leg-{number}", f"CON-live-{number}"
        self.path = f"/calls/{self.leg}"

    def send(self, at: float, **body: Any) -> None:
        """A webhook of its first leg."""
        whose = {"uuid": self.leg, "conversation_uuid": self.conversation}
        sent = self.server.post("/voice/event", whose | {"timestamp": iso(BEGAN + timedelta(seconds=at))} | body)
        assert sent.status == 200

    def status(self, status: str, at: float, **more: Any) -> None:
        """A status of its first leg."""
        parties = {"from": "447700900177", "to": "442079460000", "direction": "inbound"}
        self.send(at, status=status, **parties, **more)


@pytest.fixture
def live_call(server: Server) -> LiveCall:
    """A call that rings."""
    call = LiveCall(server)
    call.status("ringing", 0)
    return call


def follows(page: Page) -> None:
    """The page has read itself again after its stream was opened, so that what comes now comes by the stream."""
    read = "performance.getEntriesByType('resource').some(each => each.name === location.href)"
    wait_until(lambda: page.evaluate(read), "the page has read itself again")


def test_the_page_of_a_live_call_changes_without_a_reload(visit: Visit, live_call: LiveCall) -> None:
    page = visit(live_call.path)
    head = page.locator("#head")
    expect(head.locator('[data-state="ringing"]').first).to_be_visible()
    follows(page)
    page.evaluate("window.same = true")
    live_call.status("answered", 5)
    expect(head.locator('[data-state="waiting"]')).to_be_visible(timeout=PATIENCE)
    live_call.send(6, dtmf={"digits": "42#"}, type="input")
    expect(page.locator("#way kbd")).to_have_text("42#", timeout=PATIENCE)
    live_call.send(8, recording_uuid=f"REC-{live_call.leg}", recording_url="https://api.nexmo.com/v1/files/x")
    expect(page.locator("#recordings")).to_contain_text(f"REC-{live_call.leg}", timeout=PATIENCE)
    live_call.status("completed", 30, price="0.01")
    expect(head.locator('[data-state="ended"]')).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#live")).to_have_attribute("data-follow", "[]")
    expect(page.locator("#cut")).to_be_hidden()
    assert page.evaluate("window.same"), "the page was loaded once"


def test_transfers_are_followed_through_five_conversations_by_one_stream(visit: Visit, live_call: LiveCall) -> None:
    live_call.status("answered", 5)
    page = visit(live_call.path)
    opened: list[str] = []
    page.on("request", lambda request: opened.append(request.url) if "/api/v1/stream" in request.url else None)
    follows(page)
    names = [live_call.conversation, *(f"{live_call.conversation}-{letter}" for letter in "bcde")]
    for at, (left, joined) in enumerate(pairwise(names), 10):
        live_call.send(at, type="transfer", conversation_uuid_from=left, conversation_uuid_to=joined)
        expect(page.locator("#head")).to_contain_text(joined, timeout=PATIENCE)
    expect(page.locator("#live")).to_have_attribute("data-follow", re.compile(names[-1]))
    wait_until(lambda: page.evaluate("true") and names[-1] in opened[-1], "the stream was opened")
    followed = [sorted(parse_qs(urlsplit(url).query)["conversation"][0].split(",")) for url in opened]
    assert followed[-4:] == [names[:number] for number in range(2, 6)], "one for all, each time"
    # Of the first conversation, which the leg has left long ago.
    live_call.send(16, conversation_uuid=names[0], recording_uuid="REC-late", recording_url="https://api.nexmo.com/x")
    expect(page.locator("#recordings")).to_contain_text("REC-late", timeout=PATIENCE)
    live_call.status("completed", 20, conversation_uuid=names[-1])
    expect(page.locator('#head [data-state="ended"]')).to_be_visible(timeout=PATIENCE)


def test_what_is_folded_open_and_the_place_stay(visit: Visit, live_call: LiveCall) -> None:
    page = visit(live_call.path, size="phone")
    follows(page)
    page.locator("#raw-1 summary").click()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    before = page.evaluate("scrollY")
    assert before > 0
    live_call.status("answered", 5)
    expect(page.locator("#raw-2")).to_be_attached(timeout=PATIENCE)
    expect(page.locator("#raw-1")).to_have_attribute("open", "")
    assert page.evaluate("scrollY") >= before


def test_it_says_when_the_connection_is_cut_and_goes_on_by_itself(visit: Visit, live_call: LiveCall) -> None:
    page = visit(live_call.path)
    follows(page)
    page.context.set_offline(True)
    live_call.status("answered", 5)
    expect(page.locator("#cut")).to_be_visible(timeout=PATIENCE)
    page.context.set_offline(False)
    expect(page.locator('#head [data-state="waiting"]')).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#cut")).to_be_hidden(timeout=PATIENCE)


def test_a_recording_is_played_here_and_goes_on_while_the_page_changes(visit: Visit, live_call: LiveCall) -> None:
    live_call.send(8, recording_uuid="REC-1", recording_url="https://api.nexmo.com/v1/files/x")
    page = visit(live_call.path)
    requested: list[str] = []

    def play(route: Route) -> None:
        requested.append(route.request.url)
        route.fulfill(body=audio.silence("wav", 30), content_type="audio/wav")

    page.route("**/api/v1/recordings/**", play)
    follows(page)
    player = page.locator("audio")
    expect(player).to_have_attribute("preload", "none")
    assert requested == [], "nothing is fetched before it is played"
    player.evaluate("player => { player.muted = true; return player.play() }")
    assert {urlsplit(url)._replace(scheme="", netloc="").geturl() for url in requested} == {
        f"/api/v1/recordings/REC-1?conversation_uuid={live_call.conversation}"
    }
    live_call.send(9, recording_uuid="REC-2", recording_url="https://api.nexmo.com/v1/files/y")
    expect(page.locator("#events")).to_contain_text("REC-2", timeout=PATIENCE)
    assert player.evaluate("player => !player.paused")


def test_a_recording_that_cannot_be_played_says_so(visit: Visit, live_call: LiveCall) -> None:
    live_call.send(8, recording_uuid="REC-1", recording_url="https://elsewhere.example/x")
    page = visit(live_call.path)
    expect(page.get_by_text("It cannot be played now:")).to_be_hidden()
    page.locator("audio").evaluate("player => { player.play().catch(() => {}) }")
    expect(page.get_by_text("It cannot be played now:")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("link", name="see why").click()
    expect(page.get_by_text("Not at Vonage").first).to_be_visible()


def test_axe_finds_nothing_in_a_live_call(visit: Visit, live_call: LiveCall) -> None:
    live_call.status("answered", 5)
    live_call.send(6, dtmf={"digits": "42#"}, type="input")
    live_call.send(7, reason="Syntax error in NCCO.")
    live_call.send(8, recording_uuid="REC-1", recording_url="https://api.nexmo.com/v1/files/x")
    moved = {"conversation_uuid_from": live_call.conversation, "conversation_uuid_to": f"{live_call.conversation}-b"}
    live_call.send(10, type="transfer", **moved)
    page = visit(live_call.path, reduced_motion="reduce")  # colours change at once
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == "", scheme


def test_a_link_is_copied(visit: Visit, live_call: LiveCall) -> None:
    page = visit(live_call.path, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy Link to this call").click()
    expect(page.locator("#said")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    page.get_by_role("button", name="Copy The ladder as text").click()
    wait_until(lambda: "seconds" in page.evaluate("navigator.clipboard.readText()"), "the ladder is copied")


def test_calls_are_searched_for_in_the_readers_time_zone(visit: Visit) -> None:
    page = visit("/calls")
    page.get_by_label("Number", exact=True).fill("0125")
    page.get_by_label("From (Europe/Paris)").fill("2026-01-15T09:30")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**/calls?*")
    assert page.url.endswith("/calls?number=0125&since=2026-01-15T08%3A30%3A00Z")
    expect(page.get_by_label("From (Europe/Paris)")).to_have_value("2026-01-15T09:30")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(1)
    rows.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("447700900125")


@pytest.mark.parametrize(("role", "number"), [("operator", "447700900125"), ("viewer", "********0125")])
def test_what_was_searched_for_is_saved_as_a_file_with_the_mask_of_the_role(
    visit: Visit, tmp_path: Path, role: str, number: str
) -> None:
    page = visit("/calls?state=ended", role=role)
    page.get_by_label("Number", exact=True).fill("0125")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**number=0125**")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    download.value.save_as(tmp_path / "calls.csv")
    with (tmp_path / "calls.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["from"], row["outcome"]) == (number, "busy")
