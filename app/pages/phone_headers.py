"""The headers of the phone: what it may load, besides this server's own, and which devices it may use."""

from __future__ import annotations

from typing import Final

from app.pages.html import DEVICES, SOURCES
from config.settings import Settings

USED: Final = ("display-capture", "microphone")  # the screen, to share it


def phone_headers(settings: Settings) -> dict[str, str]:
    """The headers that differ from those of other pages: `response.headers.update(phone_headers(settings))`.

    Scripts may come from the folder of the SDK's alone, and not from all of a network that has everybody's scripts.
    https://www.w3.org/TR/CSP3/#match-url-to-source-expression: a path that ends in / allows what is below it.
    """
    folder = settings.client_sdk_url.rpartition("/")[0]
    sources = SOURCES | {
        "script-src": f"{SOURCES['script-src']} {folder}/",
        "connect-src": " ".join((SOURCES["connect-src"], *settings.phone_hosts)),
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {allowed}" for name, allowed in sources.items()),
        "Permissions-Policy": ", ".join(f"{name}={'(self)' if name in USED else '()'}" for name in DEVICES),
    }
