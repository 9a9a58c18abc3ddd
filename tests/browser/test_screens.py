"""A screen that Alice shares is really seen by Bob: in browsers of their own, from page to page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import chromium
from tests.browser.origins import Origin
from tests.browser.other_origin import begin_anew, opened_page, phone_page, sees, tokens_of
from tests.clients.cutting import Cutting
from tests.control.test_session_verbs import SECOND, to
from tests.control.world import World, world_of
from tests.engines import Engine
from vonage_simulator.ledger import Leg

Open = Callable[..., Page]
USERS = ("Alice", "Bob", "Carol")
# The pages are on this machine: without a network, names of candidates cannot be resolved.
SCREEN = ("--auto-select-desktop-capture-source=Entire screen", "--disable-features=WebRtcHideLocalIpsWithMdns")
WATCHING = """
  window.screens = [];
  window.frames = 0;
  phone.on("screen_share_received", ({ session, from, stream }) => {
    screens.push({ session: session.id, from, stream });
    seen.push(`received ${from}`);
    const video = document.body.appendChild(document.createElement("video"));
    Object.assign(video, { srcObject: stream, muted: true, autoplay: true });
    const count = () => { frames += 1; video.requestVideoFrameCallback(count); };
    video.requestVideoFrameCallback(count);
  });
  phone.on("screen_share_lost", ({ from }) => seen.push(`lost ${from}`));
"""
# A network does not fail on this machine: what the browser says if one does. https://www.w3.org/TR/webrtc/
FAILING = """
  window.connections = [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    #failed = false;
    constructor(...args) { super(...args); connections.push(this); }
    get connectionState() { return this.#failed ? "failed" : super.connectionState; }
    fail() { this.#failed = true; this.dispatchEvent(new Event("connectionstatechange")); }
  };
"""
FOLLOWING = "await phone.connect();"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """With a screen that is shared without a question."""
    with chromium.running(*chromium.FAKE_DEVICES, *SCREEN) as browser:
        yield browser


@pytest.fixture(scope="module")
def world(valkey: Engine, tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("carrier")
    carrier = {"application": {"calls_per_second": None}}
    with world_of(folder, valkey.address.url, carrier=carrier, cors_origins=(origin.url,)) as world:
        origin.served["/"] = phone_page(world.base, WATCHING + FOLLOWING)
        origin.served["/blind"] = phone_page(world.base, FOLLOWING)
        origin.served["/failing"] = phone_page(world.base, FAILING + WATCHING + FOLLOWING)
        origin.served["/phone-token"] = tokens_of(world, sdk=False)
        yield world


@pytest.fixture(autouse=True)
def own_room(world: World, valkey: Engine) -> None:
    begin_anew(world, valkey, *USERS)


@pytest.fixture
def open_page(browser: Browser, world: World, origin: Origin) -> Iterator[Open]:
    """Opens pages of users, each in a browser of its own."""
    faults: list[Any] = []
    with ExitStack() as stack:

        def open_(user: str, path: str = "/") -> Page:
            context = stack.enter_context(chromium.opened(browser, origin.url))
            context.set_default_timeout(30_000)
            page = opened_page(context, f"{path}?user={user}", faults)
            sees(page, "sessions")
            return page

        yield open_
    assert faults == []


def enters(world: World, *users: str) -> list[Leg]:
    """Legs of users in the room of the test."""
    return [to(world, {"type": "app", "user": user}, world.room) for user in users]


def session_of(page: Page) -> str:
    """The id of the one session of the page, once there are others in it."""
    page.wait_for_function("phone.getSessions().length === 1 && phone.getSessions()[0].answered")
    return str(page.evaluate("phone.getSessions()[0].id"))


def shares(page: Page) -> str:
    """Share the screen in the one session; returns its id."""
    session = session_of(page)
    assert page.evaluate("id => phone.startScreenSharing({ video: true }, id).then((it) => it.active)", session)
    return session


def watches(page: Page, from_: str, count: int = 1) -> None:
    """Wait until the page gets the screen of a user, for the *count*-th time, and frames of it."""
    sees(page, f"received {from_}", count)
    page.evaluate("frames = 0")
    page.wait_for_function("frames > 5")


def sees_nothing(page: Page) -> None:
    """Nothing is shown to the page, nor will be of what is announced."""
    page.wait_for_function("phone.screensOf(phone.getSessions()[0]?.id ?? '').length === 0")


def test_a_screen_is_seen_by_the_other_user_until_it_is_stopped(world: World, open_page: Open) -> None:
    alice, bob = open_page("Alice"), open_page("Bob")
    enters(world, "Alice", "Bob")
    session = shares(alice)
    sees(alice, f"screen_share_started {session}")
    watches(bob, "Alice")
    assert bob.evaluate(
        "[screens[0].stream instanceof MediaStream, screens[0].session === phone.getSessions()[0].id]"
    ) == [*(True, True)]
    assert bob.evaluate("phone.screensOf(phone.getSessions()[0])[0].from") == "Alice"
    assert not [each for each in bob.evaluate("seen") if each.startswith("screen_share")], "it is the sharer's alone"
    assert alice.evaluate("id => phone.stopScreenSharing(id)", session) is True
    sees(bob, "lost Alice")
    sees(alice, f"screen_share_ended {session}")
    sees_nothing(bob)
    assert bob.evaluate("screens[0].stream.getTracks().map((track) => track.readyState)") == ["ended"]
    assert alice.evaluate("id => phone.stopScreenSharing(id)", session) is False


def test_both_share_at_once(world: World, open_page: Open) -> None:
    alice, bob = open_page("Alice"), open_page("Bob")
    enters(world, "Alice", "Bob")
    for page in (alice, bob):
        session_of(page)
    start = "phone.startScreenSharing({ video: true }, phone.getSessions()[0]).then(() => true)"
    for page in (alice, bob):
        page.evaluate(f"void ({start})")
    watches(alice, "Bob")
    watches(bob, "Alice")


def test_it_survives_a_hold(world: World, open_page: Open) -> None:
    alice, bob = open_page("Alice"), open_page("Bob")
    enters(world, "Alice", "Bob")
    session = shares(alice)
    watches(bob, "Alice")
    assert alice.evaluate("id => phone.hold(id)", session) is True
    sees(alice, f"call_held {session}")
    alice.wait_for_timeout(6_000)  # longer than from one announcement to the next
    bob.evaluate("frames = 0")
    bob.wait_for_function("frames > 5")
    assert alice.evaluate("id => phone.unhold(id)", session) is True
    sees(alice, f"call_resumed {session}")
    bob.evaluate("frames = 0")
    bob.wait_for_function("frames > 5")
    assert "lost Alice" not in bob.evaluate("seen")


def test_who_loads_the_page_again_gets_it_again(world: World, open_page: Open) -> None:
    alice, bob = open_page("Alice"), open_page("Bob")
    enters(world, "Alice", "Bob")
    shares(alice)
    watches(bob, "Alice")
    bob.reload()
    watches(bob, "Alice")


def test_who_joins_later_gets_it_and_who_leaves_gets_nothing_more(world: World, open_page: Open) -> None:
    alice, bob, carol = open_page("Alice"), open_page("Bob"), open_page("Carol")
    enters(world, "Alice", "Bob")
    shares(alice)
    watches(bob, "Alice")
    (leg,) = enters(world, "Carol")
    watches(carol, "Alice")
    assert world.act(leg, "hangup").status_code == 200
    sees(carol, "lost Alice")
    bob.evaluate("frames = 0")
    bob.wait_for_function("frames > 5")


def test_it_stops_with_the_call(world: World, open_page: Open) -> None:
    alice, bob = open_page("Alice"), open_page("Bob")
    leg, _ = enters(world, "Alice", "Bob")
    session = shares(alice)
    stream = alice.evaluate_handle("id => phone.startScreenSharing({}, id)", session)
    watches(bob, "Alice")
    assert world.act(leg, "hangup").status_code == 200
    sees(alice, f"call_ended {session}")
    sees(bob, "lost Alice")
    assert stream.evaluate("(it) => it.active") is False
    world.until(lambda: not world.ask("GET", f"/users/Alice/sessions/{session}").json["screensharing"])


def test_it_stops_by_the_browsers_own_button(world: World, open_page: Open) -> None:
    alice, bob = open_page("Alice"), open_page("Bob")
    enters(world, "Alice", "Bob")
    session = shares(alice)
    watches(bob, "Alice")
    # What the browser does then: the track ends, and an event says so. https://www.w3.org/TR/screen-capture/
    alice.evaluate(
        """async (id) => {
          const [track] = (await phone.startScreenSharing({}, id)).getTracks();
          track.stop();
          track.dispatchEvent(new Event("ended"));
        }""",
        session,
    )
    sees(alice, f"screen_share_ended {session}")
    sees(bob, "lost Alice")


def test_it_stops_when_the_page_disconnects(world: World, open_page: Open) -> None:
    alice, bob = open_page("Alice"), open_page("Bob")
    enters(world, "Alice", "Bob")
    session = shares(alice)
    watches(bob, "Alice")
    alice.evaluate("phone.disconnect()")
    sees(bob, "lost Alice")
    world.until(lambda: not world.ask("GET", f"/users/Alice/sessions/{session}").json["screensharing"])


def test_it_stops_with_the_page(world: World, open_page: Open) -> None:
    alice, bob = open_page("Alice"), open_page("Bob")
    enters(world, "Alice", "Bob")
    session = shares(alice)
    watches(bob, "Alice")
    alice.goto("about:blank")
    sees(bob, "lost Alice")
    world.until(lambda: not world.ask("GET", f"/users/Alice/sessions/{session}").json["screensharing"])


def test_a_cut_event_stream_does_not_end_it_and_its_end_is_seen(world: World, open_page: Open, origin: Origin) -> None:
    with closing(Cutting(world.base)) as network:
        origin.served["/through"] = phone_page(network.url, WATCHING + FOLLOWING)
        alice, bob = open_page("Alice"), open_page("Bob", "/through")
        enters(world, "Alice", "Bob")
        session = shares(alice)
        watches(bob, "Alice")
        network.cut()
        sees(bob, "connected", 2)
        bob.evaluate("frames = 0")
        bob.wait_for_function("frames > 5")
        assert "lost Alice" not in bob.evaluate("seen")
        assert alice.evaluate("id => phone.stopScreenSharing(id)", session) is True
        sees(bob, "lost Alice")


def test_a_connection_that_fails_is_made_again(world: World, open_page: Open) -> None:
    alice, bob = open_page("Alice"), open_page("Bob", "/failing")
    enters(world, "Alice", "Bob")
    shares(alice)
    watches(bob, "Alice")
    bob.evaluate("connections[0].fail()")
    sees(bob, "lost Alice")
    watches(bob, "Alice", 2)


def test_telephones_and_pages_that_show_no_screens_are_skipped(world: World, open_page: Open) -> None:
    alice, bob = open_page("Alice"), open_page("Bob", "/blind")
    to(world, {"type": "phone", "number": SECOND}, world.room)
    enters(world, "Alice", "Bob")
    counted = "performance.getEntriesByType('resource').filter((each) => each.name.endsWith('/signals')).length"
    session = shares(alice)
    sees(alice, f"screen_share_started {session}")
    alice.wait_for_function(f"{counted} >= 2")
    assert bob.evaluate(counted) == 0, "nothing is asked for"
    assert bob.evaluate("phone.screensOf(phone.getSessions()[0])") == []


def test_who_announces_more_screens_than_there_can_be_is_not_asked_for_all(world: World, open_page: Open) -> None:
    """Each would cost the other page a request and a connection, of which it has only so many."""
    bob = open_page("Bob")
    alice, _ = enters(world, "Alice", "Bob")
    bob.wait_for_function("phone.getSessions()[0]?.answered")
    asked: list[str] = []
    bob.on("request", lambda request: asked.append(request.url) if request.url.endswith("/signals") else None)
    path = f"/users/Alice/sessions/{alice.uuid}/signals"
    for number in range(20):
        body = {"type": "announce", "page": "page", "share": f"share-{number}"}
        assert world.ask("POST", path, body).json == {"members": ["Bob"]}
    bob.wait_for_timeout(2000)  # it would have been asked for
    assert len(asked) == 8
