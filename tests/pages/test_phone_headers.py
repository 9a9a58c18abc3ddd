"""What the phone may load and use, by its headers; other pages may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.pages.phone_headers import phone_headers
from config.settings import Settings
from tests.api.site import Site
from tests.pages.browsing import logged_in


def sources(headers: Any) -> dict[str, list[str]]:
    """The directives of a Content-Security-Policy."""
    parts = [part.split() for part in headers["Content-Security-Policy"].split(";")]
    return {name: allowed for name, *allowed in parts}


def test_the_phone_differs_from_other_pages_in_the_sdk_and_its_devices_alone(open_site: Callable[..., Site]) -> None:
    other = logged_in(open_site()).get("/").headers
    sdk = "http://127.0.0.1:4000/vonageClientSDK.min.js"
    phone = phone_headers(Settings(secret_key="k", client_sdk_url=sdk))
    mine, theirs = sources(phone), sources(other)
    assert mine.pop("script-src") == ["'self'", "http://127.0.0.1:4000/"]
    assert mine.pop("connect-src") == ["'self'", "http://127.0.0.1:4000", "ws://127.0.0.1:4000"]
    assert (theirs.pop("script-src"), theirs.pop("connect-src")) == (["'self'"], ["'self'"])
    assert mine == theirs
    devices = {part.strip() for part in phone["Permissions-Policy"].split(",")}
    others = {part.strip() for part in other["Permissions-Policy"].split(",")}
    assert devices - others == {"microphone=(self)", "display-capture=(self)"}
    assert others - devices == {"microphone=()", "display-capture=()"}


def test_scripts_come_from_the_sdks_folder_not_from_all_of_its_network() -> None:
    """Anybody's scripts are at cdn.jsdelivr.net."""
    script = sources(phone_headers(Settings(secret_key="k")))["script-src"]
    assert script == ["'self'", "https://cdn.jsdelivr.net/npm/@vonage/client-sdk@2.3.1/dist/"]
    assert not {"'unsafe-inline'", "'unsafe-eval'", "blob:", "data:"} & set(script)
