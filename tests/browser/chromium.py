"""The Chromium of this machine, and pages in it as a phone and a desktop show them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

# The shell comes first: it draws the same, and has no windows, which take several times as long as the pages in them.
NAMES: Final = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING: Final = (
    "no Chromium on the path: on Debian `apt-get install chromium-headless-shell` (`make test` does, as root); without "
    "it the tests of pages in a browser are skipped"
)
# A microphone that beeps, which pages may use without being asked, and sound without a click before.
FAKE_DEVICES: Final = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)
Scheme = Literal["light", "dark"]
SIZES: Final[dict[str, dict[str, Any]]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
}


def program() -> str | None:
    """The path of the browser; None if there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def launched(playwright: Playwright, *arguments: str) -> Browser:
    """A browser; root may start one only without its sandbox."""
    return playwright.chromium.launch(executable_path=program(), args=["--no-sandbox", *arguments])


@contextmanager
def running(*arguments: str) -> Iterator[Browser]:
    """A browser for tests, which are skipped where there is none.

    While Playwright runs, nothing else in its process can use asyncio: one for all tests of a file is enough.
    """
    if program() is None:
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        browser = launched(playwright, *arguments)
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser,
    base: str,
    *,
    size: str = "desktop",
    scheme: Scheme = "light",
    language: str = "en-GB",
    token: str | None = None,
    **more: Any,
) -> Iterator[BrowserContext]:
    """A browser of somebody in Paris, logged in with *token*, without a page."""
    context = browser.new_context(
        base_url=base, color_scheme=scheme, locale=language, timezone_id="Europe/Paris", **SIZES[size], **more
    )
    try:
        if token is not None:
            context.request.get(f"/?token={token}", max_redirects=0)  # the board that it leads to need not be drawn
        yield context
    finally:
        context.close()
