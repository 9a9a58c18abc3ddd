"""The live board: a real server, real calls of the simulator, and browsers that never reload."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from app.store.store import Store
from tests import engines
from tests.browser import chromium
from tests.browser.conftest import TOKENS
from tests.engines import Engine, wait_until
from tests.generated import read_record
from tests.serving import Server
from tests.store.posting import send
from vonage_simulator import scenarios
from vonage_simulator.simulation import application, simulation

PATIENCE = 60_000  # ms, for what a busy machine does late
SPEED = 3.0  # of the simulated calls: what they do lasts some seconds

LIVE, MISSED, ENDED = "#group-live tbody tr", "#group-missed tbody tr", "#group-ended tbody tr"
HOSTILE = "<img src=x onerror=\"document.title='ran'\"><script>document.title='ran'</script>\"'>{{7*7}}"

Look = Callable[..., Page]


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Playwright waits 5 seconds for what is expected; a busy machine may need more."""
    expect.set_options(timeout=PATIENCE)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """A store of their own: the tests of other pages look at calls that nobody changes."""
    with engines.single() as engine:
        yield engine


class Servers:
    """One server of one worker at a time; a test may end it and start the next."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self._folder, self._engine = folder, engine
        self._started: list[Server] = []

    def start(self, **environ: Any) -> Server:
        """A new one, which serves the next tests, too."""
        tokens = ",".join(f"{role}:{token}" for role, token in TOKENS.items())
        own: dict[str, Any] = {"REDIS_URL": self._engine.address.url, "WEB_CONCURRENCY": "1", "ACCESS_TOKENS": tokens}
        self._started.append(Server(self._folder, **own, **environ))
        return self._started[-1].ready()

    def running(self) -> Server:
        """The last one, or a new one if that has ended."""
        if self._started and self._started[-1].process.poll() is None:
            return self._started[-1]
        return self.start()

    def kill(self) -> None:
        """End all."""
        for server in self._started:
            server.kill()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Servers]:
    """The servers of these tests."""
    servers = Servers(tmp_path_factory.mktemp("board"), engine)
    yield servers
    servers.kill()


@pytest.fixture
def server(servers: Servers, engine: Engine) -> Server:
    """The one that runs, without calls."""
    engine.flush()
    return servers.running()


@pytest.fixture
def look(browser: Browser) -> Iterator[Look]:
    """Opens the board of a server: `look(server, role="viewer")`. It is connected, and will be in the same document."""
    with ExitStack() as stack:

        def open_board(server: Server, role: str = "operator", **more: Any) -> Page:
            base = f"http://127.0.0.1:{server.port}"
            context = stack.enter_context(chromium.opened(browser, base, token=TOKENS[role], **more))
            context.set_default_timeout(PATIENCE)
            page = context.new_page()
            page.goto("/")
            page.evaluate("window.opened = true")
            return page

        yield open_board


def post(server: Server, name: str, status: str, leg: str = "", **more: Any) -> None:
    """A webhook of the conversation CON-*name*."""
    body = {"conversation_uuid": f"CON-{name}", "uuid": leg or f"leg-{name}", "status": status, "direction": "inbound"}
    numbers = {"from": "447700900100", "to": "442079460000"}
    assert server.post("/voice/event", body | numbers | {k.rstrip("_"): v for k, v in more.items()}).status == 200


def with_text(page: Page, selector: str, text: str) -> Any:
    """An expectation of the rows with this text."""
    return expect(page.locator(selector).filter(has_text=text), text)


@contextmanager
def playing(server: Server, *names: str) -> Iterator[None]:
    """The simulator places the calls of these scenarios; all of them are over at the end."""

    async def run() -> None:
        base = f"http://127.0.0.1:{server.port}"
        aim = application(answer_url=f"{base}/voice/answer", event_url=f"{base}/voice/event")
        async with simulation(aim, speed=SPEED) as carrier:
            await asyncio.gather(*(carrier.play(scenarios.find(name)) for name in names))
            await carrier.over()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        yield
    finally:
        thread.join()


def record_states(page: Page, number: str) -> None:
    """Note in the page each state that the row of a caller has, and whom its legs are."""
    page.evaluate(
        """number => {
            window.states = []; window.legs = new Set();
            new MutationObserver(() => {
                const row = [...document.querySelectorAll('tbody tr')].find(row => row.innerText.includes(number));
                const state = row?.querySelector('td.state [data-state]')?.dataset.state;
                if (state && window.states.at(-1) !== state) window.states.push(state);
                for (const leg of row?.querySelectorAll('.leg .number') ?? []) window.legs.add(leg.textContent);
            }).observe(document.body, { subtree: true, childList: true, attributes: true });
        }""",
        number,
    )


def rows(page: Page) -> list[str]:
    """The ids of all rows, from the top."""
    found: list[str] = page.evaluate("[...document.querySelectorAll('.group tbody tr')].map(row => row.id)")
    return found


def in_order(wanted: list[str], found: list[str]) -> bool:
    """Whether *found* holds *wanted* in this order, with others between them."""
    rest = iter(found)
    return all(state in rest for state in wanted)


def test_calls_appear_ring_talk_are_held_and_transferred_and_end_without_reload(server: Server, look: Look) -> None:
    held, moved, viewer = look(server), look(server), look(server, "viewer")
    expect(held.get_by_text("No call is live.")).to_be_visible()
    record_states(held, "447700900150")
    record_states(moved, "447700900151")
    with playing(server, "hold-and-resume", "transferred-by-agent"):
        with_text(held, LIVE, "447700900150").to_have_count(1)
        timer = held.locator(LIVE).first.locator("td.amount .timer")
        before = timer.inner_text()
        expect(timer).not_to_have_text(before)
        with_text(viewer, LIVE, "********0150").to_have_count(1)
        with_text(held, ENDED, "447700900150").to_have_count(1)
        with_text(moved, ENDED, "447700900151").to_have_count(1)
    # What a page notes of itself, it notes a moment after it has changed.
    seen = ["ringing", "talking", "on_hold", "talking", "answered"]
    wait_until(lambda: in_order(seen, held.evaluate("states")), "the row went through its states")
    seen_moved = ["ringing", "talking", "ringing", "talking", "answered"]
    wait_until(lambda: in_order(seen_moved, moved.evaluate("states")), "the other one, too")
    assert {"Alice", "447700900310"} <= set(moved.evaluate("[...legs]"))
    expect(viewer.locator(ENDED)).to_have_count(2)
    assert rows(held) == rows(moved) == rows(viewer)
    assert "447700900150" not in viewer.content()
    assert [page.evaluate("window.opened") for page in (held, moved, viewer)] == [True] * 3


def test_after_a_cut_nothing_is_missing(server: Server, servers: Servers, engine: Engine, look: Look) -> None:
    store = Store(engine.address, read=read_record, retention=timedelta(days=7))
    post(server, "goes-on", "ringing", from_="447700900101")
    post(server, "ends", "ringing", from_="447700900102")
    page = look(server)
    expect(page.locator(LIVE)).to_have_count(2)
    post(server, "seen", "ringing", from_="447700900103")
    expect(page.locator(LIVE)).to_have_count(3)
    server.process.send_signal(signal.SIGTERM)
    server.ended()
    expect(page.get_by_text("Not connected: this is the state of")).to_be_visible()
    expect(page.locator(LIVE)).to_have_count(3)
    body = {"conversation_uuid": "CON-ends", "uuid": "leg-ends", "from": "447700900102", "direction": "inbound"}
    send(store, body | {"status": "completed"})
    for number in range(3):
        new = {"conversation_uuid": f"CON-new-{number}", "uuid": f"leg-new-{number}", "from": f"44770090020{number}"}
        send(store, new | {"status": "ringing"})
    store.stop()
    again = servers.start(PORT=str(server.port))
    expect(page.locator(LIVE)).to_have_count(5)
    with_text(page, LIVE, "447700900102").to_have_count(0)
    expect(page.locator("#cut")).to_be_hidden()
    post(again, "later", "ringing", from_="447700900104")
    with_text(page, LIVE, "447700900104").to_have_count(1)
    assert page.evaluate("window.opened")


def test_while_redis_is_away_the_board_says_so_and_goes_on_after(server: Server, engine: Engine, look: Look) -> None:
    post(server, "1", "ringing")
    page = look(server)
    post(server, "2", "ringing")
    expect(page.locator(LIVE)).to_have_count(2)
    engine.nodes[0].freeze()
    try:
        expect(page.get_by_text("Redis is away: this is the state of")).to_be_visible()
    finally:
        engine.nodes[0].thaw()
    expect(page.locator("#cut")).to_be_hidden()
    post(server, "3", "ringing")
    expect(page.locator(LIVE)).to_have_count(3)


def test_what_strangers_send_is_text_in_what_comes_later_too(server: Server, look: Look) -> None:
    said: list[str] = []
    page = look(server)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    post(server, f"x{HOSTILE}", "ringing", leg=f"leg{HOSTILE}", from_=f"from{HOSTILE}", to=f"to{HOSTILE}")
    dtmf = {"digits": f"1{HOSTILE}", "timed_out": False}
    input_ = {"conversation_uuid": f"CON-x{HOSTILE}", "uuid": f"leg{HOSTILE}", "dtmf": dtmf}
    assert server.post("/voice/event", input_).status == 200
    row = page.locator(LIVE).filter(has_text=f"from{HOSTILE}")
    for text in (f"from{HOSTILE}", f"to{HOSTILE}", f"1{HOSTILE}"):
        expect(row).to_contain_text(text)
    assert row.locator("img, script").count() == 0
    assert "Board" in page.title()
    post(server, f"x{HOSTILE}", "unanswered", leg=f"leg{HOSTILE}", from_=f"from{HOSTILE}", to=f"to{HOSTILE}")
    expect(page.locator(MISSED)).to_contain_text(f"from{HOSTILE}")
    expect(page.locator("#news")).to_contain_text(f"Missed call from from{HOSTILE}")
    assert said == []


def test_the_order_is_steady_under_the_mouse(server: Server, look: Look) -> None:
    page = look(server)
    post(server, "old", "ringing", from_="447700900101")
    with_text(page, LIVE, "447700900101").to_have_count(1)
    timer = page.evaluate(
        """() => {
            const move = () => document.querySelector('#group-live tbody tr').dispatchEvent(
                new PointerEvent('pointermove', { bubbles: true, pointerType: 'mouse' }));
            move();
            return setInterval(move, 200);
        }"""
    )
    post(server, "old", "answered", from_="447700900101")
    post(server, "new", "ringing", from_="447700900102")
    expect(page.get_by_role("button", name="Show what is new")).to_be_visible()
    expect(page.locator(LIVE).locator("[data-state=waiting]")).to_have_count(1)  # what it says is new, not where it is
    expect(page.locator(LIVE)).to_have_count(1)
    page.evaluate(f"clearInterval({timer})")
    page.get_by_role("button", name="Show what is new").click()
    expect(page.locator(LIVE)).to_have_count(2)
    with_text(page, f"{LIVE}:first-child", "447700900102").to_have_count(1)


def test_focus_and_selection_outlast_a_change(server: Server, look: Look) -> None:
    page = look(server)
    post(server, "1", "ringing", from_="447700900101")
    expect(page.locator(LIVE)).to_have_count(1)  # it came by the stream, which has sent the board by now
    link = page.locator(f"{LIVE} a")
    link.focus()
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#group-live td:nth-child(2) .number'))")
    post(server, "1", "answered", from_="447700900101")
    post(server, "2", "ringing", from_="447700900102")
    expect(page.locator(LIVE)).to_have_count(2)
    expect(page.locator("[data-state=waiting]")).to_have_count(0)  # it waits: somebody copies the number
    assert page.evaluate("getSelection().toString()") == "447700900101"
    page.evaluate("getSelection().removeAllRanges()")
    expect(page.locator("[data-state=waiting]")).to_have_count(1)
    assert page.evaluate("document.activeElement.tagName") == "A"


def test_a_deleted_call_leaves_the_board(server: Server, look: Look) -> None:
    post(server, "1", "ringing")
    page = look(server)
    post(server, "2", "ringing")
    expect(page.locator(LIVE)).to_have_count(2)
    sent = server.ask("DELETE", "/api/v1/conversations/CON-1", Authorization=f"Bearer {TOKENS['operator']}")
    assert sent.status == 204
    expect(page.locator(LIVE)).to_have_count(1)


def test_calls_that_begin_are_announced_and_figures_follow(server: Server, look: Look) -> None:
    page = look(server, language="fr-FR")
    post(server, "1", "ringing", from_="447700900101")
    expect(page.locator("#news")).to_have_text("Appel de 447700900101 vers 442079460000")
    expect(page.locator("#board-counts .tile").first).to_contain_text("1")
    expect(page.locator("#board-pulse .some")).to_have_count(1)
    page.get_by_text("En tableau").click()
    expect(page.locator("#board-minutes tbody tr").first).to_be_visible()


def test_timers_rest_while_they_are_out_of_sight(server: Server, look: Look) -> None:
    for number in range(60):
        post(server, str(number), "ringing", from_=f"4477009{number:05}")
    page = look(server)
    first, last = (page.locator(LIVE).nth(place).locator("td.amount .timer") for place in (0, 59))

    def ticks() -> None:
        now = first.text_content() or ""
        expect(first).not_to_have_text(now)

    ticks()
    before = last.text_content() or ""
    ticks()
    ticks()
    assert last.text_content() == before
    last.scroll_into_view_if_needed()
    expect(last).not_to_have_text(before)


def test_the_banner_follows_what_is_wrong_without_reload(server: Server, engine: Engine, look: Look) -> None:
    page, alarm = look(server), "maxmemory-policy allkeys-lru"
    expect(page.get_by_text("UNSIGNED WEBHOOKS ARE ACCEPTED")).to_be_visible()
    engine.nodes[0].client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        expect(page.get_by_role("alert").filter(has_text=alarm)).to_be_visible()
    finally:
        engine.nodes[0].client.config_set("maxmemory-policy", "noeviction")
    expect(page.get_by_text(alarm)).to_have_count(0)
    expect(page.get_by_text("UNSIGNED WEBHOOKS ARE ACCEPTED")).to_be_visible()
    assert page.evaluate("window.opened")


def test_whose_login_has_ended_leaves_the_board(server: Server, look: Look) -> None:
    """Also in pages that are open: at the next sign of life of their streams."""
    page = look(server)
    other = page.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")


def test_without_scripts_the_page_shows_the_calls(server: Server, look: Look) -> None:
    post(server, "1", "ringing", from_="447700900101")
    page = look(server, java_script_enabled=False)
    with_text(page, LIVE, "447700900101").to_have_count(1)
    assert "reload to update" in page.locator(".page-head").inner_text()
