"""The tutorial that the project began with, to the letter: one terminal, one browser, one call from a telephone.

https://developer.vonage.com/en/tutorials/vg-phone-to-app, "Run your application"
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Locator, expect

from tests.browser import chromium
from tests.browser.demos import running_demo
from tests.e2e.test_terminal import BODIES, OTHERS, PUBLISHED, fields, of_kind
from tests.serving import ROOT, Server

CALLER = "441234567890"
# How long they talked is up to this test, and so is what that costs.
OF_THE_LENGTH = {"duration", "price"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """With a microphone that beeps."""
    with chromium.running(*chromium.FAKE_DEVICES) as browser:
        yield browser


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Server]:
    """What `make demo` starts, with tokens of its own, whose server prints webhooks whole."""
    with running_demo(tmp_path, every="3600", ACCESS_TOKENS=None, LOG_FORMAT="pretty") as running:
        yield running


def test_a_telephone_calls_alice_who_answers_talks_and_hangs_up(demo: Server, browser: Browser) -> None:
    found = re.search(r"Phone\b.*?(http\S+token=\S+)", demo.said)
    assert found, "the address to open is printed"
    page = browser.new_context(permissions=["microphone", "notifications"]).new_page()
    page.goto(found[1])
    expect(page).to_have_url(re.compile("/phone$"))
    expect(page.locator("#line")).to_have_text("Ready")
    environ = {"PATH": str(Path(sys.executable).parent), "DATA_DIR": str(demo.folder / "var"), "PORT": str(demo.port)}
    command = (sys.executable, "-m", "flask", "simulate", "call", "--scenario", "phone-to-app", "--pretty")
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as caller:
        # The demo's own first call may ring, too.
        call = page.locator(".call").filter(has=page.get_by_role("heading", name=CALLER))
        try:
            answer(call)
            page.wait_for_timeout(1500)
            call.get_by_role("button", name="Hang up").click()
            expect(call).to_have_count(0)
            out, err = caller.communicate(timeout=90)
        finally:
            caller.kill()
    assert (caller.returncode, err) == (0, "")
    assert_as_published(out)
    page.context.close()
    log = (demo.folder / "var" / "demo" / "server.log").read_text()  # a call of the demo's own is there, too
    ours = fields(of_kind("EVENT", out)[0])["conversation_uuid"]
    assert [block for block in of_kind("EVENT", log) if ours in block] == of_kind("EVENT", out)
    assert set(of_kind("NCCO request", PUBLISHED)) <= set(of_kind("NCCO request", log))


def answer(call: Locator) -> None:
    """Press Answer, again where the page says after some seconds that it still rings: on a busy machine it may."""
    expect(call).to_have_attribute("data-state", "incoming", timeout=60_000)
    until = time.monotonic() + 60
    while call.get_attribute("data-state") != "talking":
        assert time.monotonic() < until, "it is never answered"
        with contextlib.suppress(Error, AssertionError):
            if call.get_attribute("data-state") == "incoming":
                call.get_by_role("button", name="Answer").click(timeout=2000)
            expect(call).to_have_attribute("data-state", "talking", timeout=5000)


def assert_as_published(printed: str) -> None:
    """The webhooks of the tutorial's log, each with its fields in their order, but for ids, times and the length."""
    assert of_kind("NCCO request", printed) == of_kind("NCCO request", PUBLISHED)
    shown = [fields(block) for block in of_kind("EVENT", printed)]
    assert [(one["status"], one["to"]) for one in shown] == [(one["status"], one["to"]) for one in BODIES]
    for ours, theirs in zip(shown, BODIES, strict=True):
        assert list(ours) == list(theirs)
        differing = {name for name in ours if ours[name] != theirs[name]}
        assert differing <= OTHERS | OF_THE_LENGTH, differing
        assert [name for name in ours if ours[name] is None] == [name for name in theirs if theirs[name] is None]
