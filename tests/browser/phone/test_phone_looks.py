"""What holds for each state of the phone: accessible, in place on a phone, in two languages, within its policy."""

from __future__ import annotations

from typing import Final

import pytest
from playwright.sync_api import expect

from tests.browser.chromium import SIZES, Scheme
from tests.browser.phone.phones import CUSTOMER, Open, PhonePage
from tests.browser.phone.test_phone_several import SECOND, in_call, transfers
from tests.browser.test_every_page import violations
from tests.control.world import AGENT, World

LOOKS: Final[tuple[tuple[str, Scheme, str], ...]] = (("phone", "dark", "fr-FR"), ("desktop", "light", "en-GB"))
VIOLATIONS: Final = (
    "addEventListener('securitypolicyviolation', e => console.error('violation ' + e.violatedDirective))"
)
NARROW: Final = 390  # pixels


def looks_right(phone: PhonePage, state: str) -> None:
    """In both sizes and schemes; on a phone nothing is wider than it."""
    for size, scheme, _ in LOOKS:
        phone.page.set_viewport_size(SIZES[size]["viewport"])
        phone.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert violations(phone.page) == "", (state, size, scheme)
        width = phone.page.evaluate("document.documentElement.scrollWidth")
        assert size != "phone" or width <= NARROW, (state, width)


@pytest.mark.parametrize("language", ["en-GB", "fr-FR"])
def test_each_state(world: World, open_phone: Open, language: str) -> None:
    world.ask(
        "PUT", "/users/Alice", {"record_permissions": 2, "max_calls": 5, "display_name": "Alice " + "Liddell" * 7}
    )
    alice = open_phone("Alice", language=language, script=VIOLATIONS, reduced_motion="reduce")
    looks_right(alice, "idle")
    page = alice.page
    answered(world, alice, CUSTOMER)
    page.locator(".call [data-verb=keypad]").click()
    page.locator(".call [data-verb=mute]").click()
    expect(page.locator(".call [data-verb=mute]")).to_have_attribute("aria-pressed", "true")
    page.locator(".call [data-verb=record_start]").click()
    expect(page.locator("[data-recording]")).to_be_visible()
    world.caller(SECOND, room=None)
    alice.sees(SECOND, "incoming")
    looks_right(alice, "talking, and another one rings")
    alice.call(SECOND).locator("[data-verb=answer]").click()
    alice.sees(CUSTOMER, "held")
    looks_right(alice, "one on hold")
    alice.call(SECOND).locator("[data-verb=join]").click()
    looks_right(alice, "who joins")
    page.locator("#ask-join [data-close]").click()
    page.locator("#open-settings").click()
    looks_right(alice, "settings")
    page.locator("#settings button[value=close]").click()
    for tab in ("history", "voicemail"):
        page.locator(f"#tab-{tab}").click()
        looks_right(alice, tab)


def test_a_consultation_and_a_conference(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice", script=VIOLATIONS, reduced_motion="reduce")
    in_call(world, alice)
    transfers(alice, CUSTOMER, AGENT, "Talk first")
    alice.sees(AGENT, "consulting")
    looks_right(alice, "consulting")
    alice.press(AGENT, "Merge")
    expect(alice.sees("Conference", "conference").locator(".members li")).to_have_count(2)
    looks_right(alice, "conference")


def test_counts_are_not_cut_off_beside_long_words(world: World, open_phone: Open) -> None:
    alice = open_phone("Alice", size="phone", language="fr-FR")
    counts = alice.page.locator(".count")
    for count in counts.all():
        count.evaluate("count => { count.hidden = false; count.firstElementChild.textContent = '12'; }")
        assert count.evaluate("count => count.scrollWidth <= count.clientWidth")
        assert count.evaluate("count => count.firstElementChild.offsetWidth < count.clientWidth")
    assert counts.count() == 2


def answered(world: World, phone: PhonePage, number: str) -> None:
    """The same as `in_call`, in any language."""
    world.caller(number, room=None)
    phone.sees(number, "incoming").locator("[data-verb=answer]").click()
    phone.sees(number, "talking")
