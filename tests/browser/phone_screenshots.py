"""Pictures of the phone, for `make screenshots`: of a demo of its own, with the calls that are placed here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from playwright.sync_api import Locator, Page, Playwright, expect

from tests.browser import chromium
from tests.engines import free_ports, wait_until
from tests.serving import ROOT, Client

TOKEN = "alice-of-the-screenshots"
FIRST, SECOND, CONSULTED = "447700900332", "447700900151", "447700900310"
LONG = 30_000  # ms that a state of a call may take to come
TALKED_MS = 5_000
FLASK = [sys.executable, "-m", "flask", "simulate"]
Place = Callable[[str], None]


def take(playwright: Playwright, names: str, save: Callable[[Page, str], None]) -> None:
    """Save pictures of the phone in its states; *names*: of numbers, as NAMES_FILE has them."""
    browser = chromium.launched(playwright, *chromium.FAKE_DEVICES)
    with _demo(names) as (base, environ):
        for size in chromium.SIZES:
            for scheme in ("light", "dark"):
                looks = chromium.opened(
                    browser, base, size=size, scheme=scheme, token=TOKEN, permissions=["microphone"]
                )
                with looks as context, _calls(environ) as place:
                    page = context.new_page()
                    _show(page, place, partial(_named, save, page, f"{size}-{scheme}"))
    browser.close()


def _named(save: Callable[[Page, str], None], page: Page, looks: str, name: str) -> None:
    save(page, f"{name}-{looks}")


def _show(page: Page, place: Place, save: Callable[[str], None]) -> None:
    page.goto("/phone")
    expect(page.locator("#line")).to_have_text("Ready", timeout=LONG)
    expect(page.locator(".call")).to_have_count(0, timeout=3 * LONG)  # the demo had begun one of its own
    place(FIRST)
    _press(_one(page, "incoming"), "Answer")
    _one(page, "talking")
    place(SECOND)
    _one(page, "incoming", SECOND)
    page.wait_for_timeout(TALKED_MS)
    save("phone")
    _press(_one(page, "incoming"), "Answer")
    _one(page, "held")
    _press(_one(page, "talking"), "Transfer")
    page.get_by_label("To a number, user or SIP address").fill(CONSULTED)
    page.get_by_role("button", name="Talk first").click()
    consulting = page.locator(".call[data-state=consulting]")
    expect(consulting.get_by_role("button", name="Swap")).to_be_visible(timeout=LONG)
    save("phone-transfer")
    _press(consulting, "Cancel the transfer")
    expect(consulting).to_have_count(0, timeout=LONG)
    for state in ("talking", "held"):
        _press(_one(page, state), "Hang up")
    expect(page.locator(".call")).to_have_count(0, timeout=LONG)


def _one(page: Page, state: str, who: str = "") -> Locator:
    """The call in *state*, with *who*, as soon as there is one."""
    found = page.locator(f".call[data-state={state}]").filter(has_text=who)
    expect(found.first).to_be_visible(timeout=LONG)
    return found.first


def _press(call: Locator, button: str) -> None:
    call.get_by_role("button", name=button, exact=True).click()


@contextmanager
def _calls(environ: dict[str, str]) -> Iterator[Place]:
    """Places calls from numbers; they end with the block."""
    running: list[subprocess.Popen[bytes]] = []

    def place(number: str) -> None:
        command = [*FLASK, "call", "--from", number, "--hang-up-after", "300"]
        running.append(subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL))

    try:
        yield place
    finally:
        for each in running:
            each.send_signal(signal.SIGINT)
        for each in running:
            each.wait(60)


@contextmanager
def _demo(names: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a demo without calls of its own, and the environment of commands that place some."""
    with tempfile.TemporaryDirectory() as folder:
        port, file = free_ports(1)[0], Path(folder, "names.yaml")
        file.write_text(names)
        own = {
            "DATA_DIR": folder,
            "PORT": str(port),
            "ACCESS_TOKENS": f"operator:operator-of-the-phone,user/Alice:{TOKEN}",
            "NAMES_FILE": str(file),
            "FLOWS_FILE": str(ROOT / "config" / "ready" / "phone.yaml"),
            "CALLER_NUMBER": "442079460000",
        }
        environ = os.environ | own
        demo = subprocess.Popen([*FLASK, "demo", "--every", "3600"], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: _answers(port), "the server answers")
            yield f"http://127.0.0.1:{port}", environ
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(60)


def _answers(port: int) -> bool:
    try:
        return Client(port).ask("GET", "/healthz").status == 200
    except OSError:
        return False
