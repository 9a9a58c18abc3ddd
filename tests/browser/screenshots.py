"""`make screenshots`: every page, as a phone and a desktop show it, light and dark, in docs/screenshots/.

Starts the server with simulated calls of all kinds, and a made-up week, and looks at it after a while, when a transfer
and a conference go on.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.browser import chromium, phone_screenshots
from tests.browser.pages import CUSTOMER_OF_A_TRANSFER, PAGES
from tests.browser.week import send_a_week
from tests.engines import free_ports, wait_until
from tests.serving import ROOT, Client

FOLDER = ROOT / "docs" / "screenshots"
TOKEN = "operator-of-the-screenshots"
PICTURED = "transferred-by-agent"  # whose call is shown by itself (tests/browser/pages.py)
SECONDS_OF_CALLS = 60.0
NAMES = """
numbers:
  "442079460000": Main number
  "447700900301": Sales 1
  "447700900302": Sales 2
  "447700900310": Grace
  "447700900331": Ines
  "447700900332": Mr Okafor
  "447700900333": Billing
"""
AGENT, CUSTOMER, BILLING = "447700900331", CUSTOMER_OF_A_TRANSFER, "447700900333"
HOST, GUESTS = "447700900310", ("447700900334", "447700900335")
SCROLLED_MS = 300  # until what has come into sight is drawn
QUALITY = 80  # of WebP
MOST_BYTES = 150_000  # tests/test_docs.py checks it


def main() -> None:
    """Make them all again."""
    if chromium.program() is None:
        sys.exit(chromium.MISSING)
    with tempfile.TemporaryDirectory() as folder:
        port, names = free_ports(1)[0], Path(folder, "names.yaml")
        names.write_text(NAMES)
        own = {"DATA_DIR": folder, "PORT": str(port), "ACCESS_TOKENS": f"operator:{TOKEN}", "NAMES_FILE": str(names)}
        environ = os.environ | own
        flask = [sys.executable, "-m", "flask", "simulate"]
        demo = subprocess.Popen([*flask, "demo", "--every", "1.5"], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: _answers(port), "the server answers")
            send_a_week(port)
            ends = time.monotonic() + SECONDS_OF_CALLS
            pictured = [*flask, "call", "--scenario", PICTURED]  # takes less
            subprocess.run(pictured, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL, check=True)
            time.sleep(max(0.0, ends - time.monotonic()))
            take(f"http://127.0.0.1:{port}", Acting(port))
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(60)
    take_phone()


def _answers(port: int) -> bool:
    try:
        return Client(port).ask("GET", "/healthz").status == 200
    except OSError:
        return False


class Acting:
    """Acts on calls of the server at *port*."""

    def __init__(self, port: int) -> None:
        self._client = Client(port)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """What the server replies."""
        sent = json.dumps({} if body is None else body).encode() if method == "POST" else None
        headers = {"Authorization": f"Bearer {TOKEN}", "Content_Type": "application/json"}
        reply = self._client.ask(method, f"/api/v1{path}", sent, **headers)
        assert reply.status < 300, reply.body
        return reply.json

    def in_room(self, room: str, *numbers: str) -> list[str]:
        """Calls to *numbers*, who will talk in *room*; their legs."""
        ncco = [{"action": "conversation", "name": f"{room}-{time.monotonic_ns()}"}]
        placed = [{"to": {"type": "phone", "number": number}, "ncco": ncco} for number in numbers]
        return [self.ask("POST", "/calls", body)["leg"] for body in placed]

    def together(self) -> None:
        """A transfer, whose recipient is consulted, and a conference of three."""
        host, first = self.in_room("one", HOST, GUESTS[0])
        _, second = self.in_room("two", HOST, GUESTS[1])
        agent, customer = self.in_room("desk", AGENT, CUSTOMER)
        wait_until(lambda: self._talk(agent, customer, host, first, second), "they talk")
        begun = {"initiator_call": agent, "transferred_call": customer, "to": BILLING}
        transfer = self.ask("POST", "/transfers", begun)["id"]
        meeting = {"host_call_id": host, "participant_call_ids": [first, second]}
        conference = self.ask("POST", "/conferences", meeting)["conference_id"]
        wait_until(lambda: self.ask("GET", f"/transfers/{transfer}")["status"] == "answered", "it is answered")
        wait_until(lambda: self.ask("GET", f"/conferences/{conference}")["started"], "they have joined")

    def _talk(self, *legs: str) -> bool:
        calls = [self.ask("GET", f"/calls/{leg}") for leg in legs]
        return all(call["phase"] == "talking" for call in calls)


def take(base: str, acting: Acting) -> None:
    """Screenshots of every page at *base*."""
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = chromium.launched(playwright)
        for size in chromium.SIZES:
            for scheme in ("light", "dark"):
                acting.together()
                for shown in (page_of for page_of in PAGES if page_of.pictured):
                    token = None if shown.role is None else TOKEN
                    with chromium.opened(browser, base, size=size, scheme=scheme, token=token) as context:
                        page = context.new_page()
                        path = shown.path
                        if shown.link is not None:
                            page.goto(shown.link[0])
                            path = page.locator(shown.link[1]).first.get_attribute("href") or path
                        page.goto(path)
                        if shown.sees is not None:
                            for _ in range(2):  # what comes into sight is laid out then, and may be higher
                                seen = page.locator(shown.sees).first
                                seen.evaluate("part => part.scrollIntoView({block: 'nearest'})")
                                page.wait_for_timeout(SCROLLED_MS)
                        save(page, FOLDER / f"{shown.name}-{size}-{scheme}.webp")
        browser.close()


def take_phone() -> None:
    """Screenshots of the phone."""
    with sync_playwright() as playwright:
        phone_screenshots.take(playwright, NAMES, lambda page, name: picture(page, FOLDER / f"{name}.webp"))


def save(page: Page, file: Path) -> None:
    """What is in sight of *page*, once it is loaded, as WebP."""
    page.wait_for_load_state("networkidle")
    picture(page, file)


def picture(page: Page, file: Path) -> None:
    """What is in sight of *page* now, as WebP, which Playwright itself does not write."""
    session = page.context.new_cdp_session(page)
    size: dict[str, Any] = dict(page.viewport_size or {})
    clip = {"x": 0, "y": page.evaluate("scrollY"), **size, "scale": page.evaluate("devicePixelRatio")}
    taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY, "clip": clip})
    file.write_bytes(base64.b64decode(taken["data"]))
    print(f"{file.relative_to(ROOT)}  {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
