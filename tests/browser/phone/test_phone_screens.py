"""The phone shares the screen with another user: it arrives in the other page, and stops with the call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import chromium
from tests.browser.phone.phones import CUSTOMER, Open
from tests.browser.phone.test_phone_several import in_call
from tests.browser.test_screens import SCREEN
from tests.control.world import World


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """With a screen to share."""
    with chromium.running(*chromium.FAKE_DEVICES, *SCREEN) as browser:
        yield browser


def test_alice_shows_bob_her_screen(open_phone: Open) -> None:
    alice, bob = open_phone("Alice"), open_phone("Bob")
    alice.dial("Bob")
    bob.sees("Alice", "incoming")
    bob.press("Alice", "Answer")
    alice.sees("Bob", "talking")
    alice.press("Bob", "Share the screen")
    stop = alice.call("Bob").get_by_role("button", name="Stop sharing")
    expect(stop).to_have_attribute("aria-pressed", "true")
    video = bob.call("Alice").locator("video")
    expect(video).to_be_visible()
    bob.until(lambda: video.evaluate("video => video.getVideoPlaybackQuality().totalVideoFrames") > 2)
    stop.click()
    expect(stop).to_have_count(0)
    expect(video).to_have_count(0)


def test_a_telephone_is_shown_no_screen(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice")
    in_call(world, alice)
    expect(alice.call(CUSTOMER).get_by_role("button", name="Share the screen")).to_have_count(0)
