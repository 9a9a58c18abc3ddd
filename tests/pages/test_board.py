"""The board and its stream, in process: what is on it, what is sent of it, and to whom."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.live.rendering import Form
from app.pages import board_rows
from app.pages.board import Board
from app.pages.board_rows import Group
from app.pages.frame import state_of_notices
from app.services import services
from app.store.codec import EVENT, Record
from app.store.errors import StoreUnavailable
from app.store.spooled import Counted, Spooled
from tests.api.site import OPERATOR, VIEWER, Site, is_problem, log_out, status
from tests.engines import Engine, wait_until
from tests.folders import NOWHERE
from tests.generated import BASE, iso
from tests.pages.browsing import Page, logged_in

EN, EN_MASKED, FR = Form("en", masked=False), Form("en", masked=True), Form("fr", masked=False)


class Looking:
    """One who looks at the board: all events so far, as (type, data)."""

    def __init__(self, board: Board, form: Form) -> None:
        self.hung_up = False
        self.goes_on = True
        self.revealed: list[str] = []
        self._stream = board.stream(form, self._hang_up, lambda: self.goes_on, self.revealed.extend)
        self._text = b""

    def _hang_up(self) -> None:
        self.hung_up = True

    @property
    def events(self) -> list[tuple[str, str]]:
        """Those that are whole."""
        found = []
        for block in self._text.decode().split("\n\n")[:-1]:
            lines = [line.partition(": ")[::2] for line in block.split("\n")]
            name = dict(lines).get("event")
            if name:
                found.append((name, "\n".join(value for key, value in lines if key == "data")))
        return found

    def read_until(self, true: Callable[[list[tuple[str, str]]], Any]) -> None:
        """Read on until it is true of the events."""
        deadline = time.monotonic() + 60
        while not true(self.events):
            assert time.monotonic() < deadline, self.events
            self._text += next(self._stream)

    def rows(self) -> dict[str, str]:
        """The rows by key, as a browser has them now."""
        found: dict[str, str] = {}
        for name, data in self.events:
            if name == "board":
                found = {key: found[key] for key in json.loads(data)}
            if name == "calls":
                found |= {row[1]: row[0] for row in re.finditer(r'<tr[^>]* id="call-(\w+)".*?</tr>', data, re.DOTALL)}
            if name == "gone":
                for key in re.findall(r"\w+", data):
                    found.pop(key, None)
        return found

    def has(self, *texts: str) -> None:
        """Read on until every text is in a row."""
        self.read_until(lambda _: all(any(text in row for row in self.rows().values()) for text in texts))

    def close(self) -> None:
        """Go away."""
        self._stream.close()  # type: ignore[attr-defined]


Look = Callable[[Form], Looking]


@pytest.fixture
def look(site: Site) -> Iterator[Look]:
    """Opens streams of the board, which have begun."""
    opened: list[Looking] = []

    def open_one(form: Form) -> Looking:
        opened.append(Looking(site.app.extensions["board"], form))
        opened[-1].read_until(lambda events: "board" in dict(events))
        return opened[-1]

    yield open_one
    for looking in opened:
        looking.close()


def groups(browser: FlaskClient) -> dict[str, list[str]]:
    """The keys of the rows of the page in each group, from the top."""
    found: dict[str, list[str]] = {group: [] for group in board_rows.MOST}
    for tag, values in Page(browser.get("/").text).elements:
        if tag == "tr" and "data-group" in values:
            found[values["data-group"] or ""].append(values["id"] or "")
    return found


def group_of(site: Site, number: str) -> str | None:
    """In which group of the page the call from *number* is."""
    browser, pages = logged_in(site, OPERATOR), list[Any]()

    def is_shown() -> bool:  # a busy machine may leave no time for it
        pages.append(browser.get("/"))
        return pages[-1].status_code == 200

    wait_until(is_shown, "the board is shown")
    text = pages[-1].text
    row = next((row for row in re.findall(r"<tr.*?</tr>", text, re.DOTALL) if number in row), "")
    found = re.search(r'data-group="(\w+)"', row)
    return found[1] if found else None


@pytest.mark.parametrize(
    ("name", "direction", "ago", "group"),
    [
        *(("ringing", "inbound", 0, "live"), ("answered", "outbound", 0, "live")),
        *((name, "inbound", 1, "missed") for name in ("unanswered", "busy", "failed")),
        *(("failed", "outbound", 1, "missed"), ("busy", "outbound", 1, "ended")),
        *(("unanswered", "inbound", 90, "ended"), ("completed", "inbound", 1, "ended")),
        ("answered", "inbound", 60 * 5, "presumed"),
    ],
)
def test_each_call_is_in_one_group(site: Site, name: str, direction: str, ago: int, group: Group) -> None:
    received = datetime.now(UTC) - timedelta(minutes=ago)
    if name == "completed":
        site.record(status("answered", "CON-1", direction=direction, from_="447700900101"), received=received)
    site.record(status(name, "CON-1", direction=direction, from_="447700900101"), received=received)
    assert group_of(site, "447700900101") == group


def test_what_came_late_of_a_call_of_long_ago_is_no_missed_call_of_this_hour(site: Site) -> None:
    began = datetime.now(UTC) - timedelta(days=1)
    site.record(status("busy", "CON-1", direction="inbound", from_="447700900101", timestamp=iso(began)))
    assert group_of(site, "447700900101") == "ended"


def test_more_missed_calls_than_are_listed_are_counted_as_more(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(board_rows.MOST, "missed", 2)
    for number in range(3):
        site.record(status("busy", f"CON-{number}", f"leg-{number}", direction="inbound"))
    assert ">2+<" in logged_in(site).get("/").text


def test_the_newest_is_on_top_and_of_the_ended_only_some_are_shown(site: Site) -> None:
    now = datetime.now(UTC)
    for number in range(30):
        body = status("completed", f"CON-{number}", f"leg-{number}", direction="outbound")
        site.record(body, received=now - timedelta(minutes=number))
    shown = groups(logged_in(site))
    assert len(shown["ended"]) == board_rows.MOST["ended"]
    orders = [
        int(values["data-order"] or 0)
        for tag, values in Page(logged_in(site).get("/").text).elements
        if tag == "tr" and "data-order" in values
    ]
    assert orders == sorted(orders, reverse=True)


def test_of_more_live_calls_than_are_listed_it_says_so_and_leads_to_all(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(board_rows.MOST, "live", 3)
    for number in range(3):
        assert "see all" not in logged_in(site).get("/").text
        site.record(status("ringing", f"CON-{number}", f"leg-{number}"), received=datetime.now(UTC))
    site.record(status("ringing", "CON-3", "leg-3"), received=datetime.now(UTC))
    browser = logged_in(site)
    text = browser.get("/").text
    assert '<dt>live calls</dt> <dd>3+<div class="more"><a href="/calls?state=live">see all</a>' in text
    assert len(groups(browser)["live"]) == 3
    assert browser.get("/calls?state=live").text.count("<tr role") == 1 + 4


def test_a_transferred_call_is_one_row(site: Site, look: Look) -> None:
    looking = look(EN)
    site.record(status("answered", "CON-a", "first", direction="inbound", from_="447700900101"))
    looking.has("447700900101")
    move = {"type": "transfer", "conversation_uuid_from": "CON-a", "conversation_uuid_to": "CON-b", "uuid": "first"}
    site.record(move, status("answered", "CON-b", "second", direction="outbound", to="447700900102"))
    looking.has("447700900102")
    assert len(looking.rows()) == 1


def test_the_stream_begins_with_the_board_and_then_says_what_changes(site: Site, look: Look) -> None:
    now = datetime.now(UTC)
    site.record(status("ringing", "CON-1", from_="447700900101", to="442079460000"), received=now)
    looking = look(EN)
    (row,) = looking.rows().values()
    assert 'data-state="ringing"' in row
    assert "447700900101" in row
    site.record(status("ringing", "CON-2", from_="447700900102"), received=now)
    looking.has("447700900101", "447700900102")
    site.record(status("failed", "CON-1", from_="447700900101"), received=now)
    looking.has('data-group="missed"')
    site.send("DELETE", "/api/v1/conversations/CON-1", token=OPERATOR)
    looking.read_until(lambda _: len(looking.rows()) == 1)
    assert [name for name, _ in looking.events].count("board") == 1, "only what changed was sent"


def test_a_long_board_comes_in_pieces(site: Site, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.pages.board.ROWS_AT_ONCE", 2)
    for number in range(5):
        site.record(status("ringing", f"CON-{number}", f"leg-{number}"), received=datetime.now(UTC))
    looking = look(EN)
    assert [data.count("<tr ") for name, data in looking.events if name == "calls"] == [2, 2, 1]
    assert len(json.loads(dict(looking.events)["board"])) == len(looking.rows()) == 5


def test_the_page_and_the_stream_have_the_same_rows(site: Site, look: Look) -> None:
    """Else a browser would replace them all as soon as it is connected."""
    for number in range(5):
        site.record(status("completed", f"CON-{number}", from_=f"44770090010{number}"), received=datetime.now(UTC))
    page = logged_in(site, OPERATOR).get("/").text
    versions = set(re.findall(r'data-version="(\w+)"', page))
    assert len(versions) == 5
    assert set(re.findall(r'data-version="(\w+)"', "".join(look(EN).rows().values()))) == versions


def test_each_gets_language_and_mask_and_rows_are_rendered_once_for_all_who_want_the_same(
    site: Site, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody = [look(form) for form in (EN, EN, EN, EN_MASKED, EN_MASKED, FR)]
    rendered: list[Form] = []
    render = board_rows.render

    def counted(shown: Any, form: Form, names: Any) -> list[str]:
        if rows := list(shown):
            rendered.append(form)
        return render(rows, form, names)

    monkeypatch.setattr(board_rows, "render", counted)
    site.record(status("ringing", "CON-1", from_="447700900101"), received=datetime.now(UTC))
    seen = [("447700900101", "ringing")] * 3 + [("********0101", "ringing")] * 2 + [("447700900101", "sonne")]
    for looking, (number, word) in zip(everybody, seen, strict=True):
        looking.has(number)
        (row,) = looking.rows().values()
        assert f"</svg>{word}</span>" in row
        assert ("447700900101" in row) is (number == "447700900101")
    assert sorted(rendered) == sorted([EN, EN_MASKED, FR])


def test_figures_come_when_they_change(site: Site, look: Look) -> None:
    looking = look(FR)
    looking.read_until(lambda events: "figures" in dict(events))
    site.record(status("ringing", "CON-1"), received=datetime.now(UTC))
    looking.read_until(lambda events: sum(name == "figures" for name, _ in events) > 1)
    figures = [data for name, data in looking.events if name == "figures"]
    assert "<dt>appels en cours</dt> <dd>1</dd>" in figures[-1]
    assert all(one != other for one, other in pairwise(figures)), "only when they change"


def test_the_banner_follows_what_is_wrong(
    open_site: Callable[..., Site], valkey: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A board stays open for days."""
    monkeypatch.setattr("app.pages.board.FIGURES_SECONDS", 0.2)
    file = tmp_path / "flows.yaml"
    sound = "routes: [{ flow: a }]\nflows: { a: [{ action: talk, text: Hello. }] }\n"
    file.write_text(sound)
    site = open_site(flows_file=file)
    (node,), browser = valkey.nodes, logged_in(site)
    looking = Looking(site.app.extensions["board"], EN)

    def notices() -> list[str]:
        return re.findall('data-notices="([^"]+)"', "".join(data for name, data in looking.events if name == "figures"))

    def changes(words: str, *, to: bool) -> None:
        """The stream says so, and the banner has the words, or has them no more."""
        seen = len(notices())
        looking.read_until(lambda _: len(notices()) > seen)
        assert notices()[-1] != notices()[-2]
        assert (words in browser.get("/board/notices").text) is to

    looking.read_until(lambda _: notices())
    assert notices()[0] in browser.get("/").text
    assert "alarm" not in browser.get("/board/notices").text
    node.client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        changes("maxmemory-policy allkeys-lru", to=True)
    finally:
        node.client.config_set("maxmemory-policy", "noeviction")
    changes("maxmemory-policy", to=False)
    file.write_text(sound + "nonsense: 1\n")
    site.flows.reloader.refresh()
    changes("The flows file has 1 fault: the flows stay as they were before.", to=True)
    looking.close()


def test_the_banner_needs_a_login(site: Site) -> None:
    is_problem(site.browser().get("/board/notices"), 401)


def test_while_redis_is_away_the_banner_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = logged_in(site)

    def away(*_: Any) -> None:
        raise StoreUnavailable("timeout")

    monkeypatch.setattr(type(site.store), "evicts", away)
    assert "Redis is away (timeout): events wait on disk, and no call is shown" in browser.get("/board/notices").text


def test_events_that_wait_on_disk_are_in_the_banner(open_site: Callable[..., Site]) -> None:
    site = open_site()
    browser, spool, before = logged_in(site), services(site.app).spool, state_of_notices(services(site.app))
    assert "on disk" not in browser.get("/board/notices").text
    spool.put([Spooled(Record(EVENT, BASE, b"{}"), Counted.LATER)] * 3)
    wait_until(
        lambda: "3 events wait on disk until Redis has them, the oldest since " in browser.get("/board/notices").text,
        "it is said",
    )
    assert state_of_notices(services(site.app)) != before
    spool._file._put_aside("a test says so")
    assert "could not be read; their file was put aside" in browser.get("/board/notices").text
    nowhere = logged_in(open_site(data_dir=NOWHERE))
    assert nowhere.get("/readyz").json == {"degraded": ["spool"]}
    assert "The disk takes no events" in nowhere.get("/board/notices").text


def test_a_call_that_becomes_presumed_ended_moves_though_nothing_comes(
    site: Site, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.pages.board.TIDY_SECONDS", 0.5)
    monkeypatch.setattr("app.pages.board.FIGURES_SECONDS", 0.2)
    late = services(site.app).presume_ended_after - timedelta(seconds=3)
    site.record(status("answered", "CON-1"), received=datetime.now(UTC) - late)
    looking = look(EN)
    (row,) = looking.rows().values()
    assert 'data-group="live"' in row
    looking.has('data-group="presumed"')


@pytest.mark.short_timeouts
def test_while_redis_is_away_it_says_so_and_then_sends_the_board_again(site: Site, valkey: Engine, look: Look) -> None:
    looking = look(EN)
    valkey.nodes[0].freeze()
    try:
        looking.read_until(lambda events: "away" in dict(events))
    finally:
        valkey.nodes[0].thaw()
    looking.read_until(lambda events: [name for name, _ in events].count("board") == 2)
    assert [name for name, _ in looking.events].count("away") == 1


def test_an_error_of_ours_is_logged_and_the_board_read_again(
    site: Site, look: Look, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looking = look(EN)
    with monkeypatch.context() as broken:
        broken.setattr(Board, "_show_again", lambda *_: 1 // 0)
        site.record(status("ringing", "CON-1", from_="447700900101"), received=datetime.now(UTC))
        wait_until(lambda: "an error of ours in the board" in caplog.text, "it is logged")
    looking.has("447700900101")


def test_the_thread_ends_with_the_last_who_looks_and_begins_with_the_next(site: Site, look: Look) -> None:
    board: Board = site.app.extensions["board"]
    look(EN).close()
    wait_until(lambda: board._thread is None, "it has ended")
    site.record(status("ringing", "CON-1", from_="447700900101"), received=datetime.now(UTC))
    assert "447700900101" in "".join(look(EN).rows().values())


def test_what_comes_while_nobody_looks_is_there_for_the_next_who_does(site: Site, look: Look) -> None:
    """The thread of the board notices late that the last one has left; the feed is not followed from then on."""
    live, browser = services(site.app).live, logged_in(site, OPERATOR)
    site.record(status("ringing", "CON-1", from_="447700900101"), received=datetime.now(UTC))
    first = look(EN)
    first.has("447700900101")
    first.close()
    wait_until(lambda: live._at is None, "the feed is not followed")
    site.record(status("ringing", "CON-2", from_="447700900102"), received=datetime.now(UTC))
    assert "447700900102" in browser.get("/").text
    look(EN).has("447700900101", "447700900102")


def test_a_stop_ends_the_streams_at_once(site: Site, look: Look) -> None:
    looking = look(EN)
    services(site.app).live.end()
    began = time.monotonic()
    with suppress(StopIteration):
        looking.read_until(lambda _: False)
    assert time.monotonic() - began < 10
    assert re.search(rb"retry: \d+\n\n$", looking._text)


def test_the_stream_is_for_those_who_have_logged_in(site: Site) -> None:
    browser = site.browser()
    is_problem(browser.get("/board/stream"), 401)
    inside = logged_in(site)
    response = inside.head("/board/stream")
    assert (response.status_code, response.content_type) == (200, "text/event-stream")
    log_out(inside)
    is_problem(inside.get("/board/stream"), 401)


def test_who_is_shown_whole_numbers_is_noted(site: Site) -> None:
    site.record(status("ringing", "CON-1", from_="447700900101"), received=datetime.now(UTC))
    logged_in(site, OPERATOR).get("/")
    logged_in(site, VIEWER).get("/")
    wait_until(lambda: site.read("/api/v1/audit", token=OPERATOR)["items"], "it is noted")
    noted = [item for item in site.read("/api/v1/audit", token=OPERATOR)["items"] if item["route"] == "GET /"]
    assert [(item["role"], item["calls"]) for item in noted] == [("operator", ["CON-1"])]


def test_who_looks_on_is_noted_with_each_call_once(site: Site, look: Look) -> None:
    now = datetime.now(UTC)
    site.record(status("ringing", "CON-1", from_="447700900101"), received=now)
    looking = look(EN)
    site.record(status("ringing", "CON-2", from_="447700900102"), received=now)
    looking.has("447700900102")
    site.record(status("answered", "CON-2", from_="447700900102"), received=now)
    looking.has("waiting")
    wait_until(lambda: len(looking.revealed) == 2, "both are noted")
    assert looking.revealed == ["CON-1", "CON-2"]


def test_a_board_that_cannot_be_read_is_no_page(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise StoreUnavailable("timeout")

    monkeypatch.setattr(board_rows, "read", away)
    assert logged_in(site).get("/").status_code == 503
