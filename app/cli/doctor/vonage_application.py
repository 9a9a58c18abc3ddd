"""The application at Vonage: reading it, how it has to be for this server, and writing it.

Its API replaces an application as a whole: what a PUT leaves out is gone. So all that was read is written again, and
nothing is written if it has changed since it was shown. https://developer.vonage.com/en/api/application.v2
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from app.cli.doctor.unreachable import OWN_AUTHORITY, certificate_refused, why
from app.client import Connection
from config.settings import Settings

if TYPE_CHECKING:  # slow to import
    from requests import Response

Json = Mapping[str, Any]

WEBHOOKS: Final = {"answer_url": "answer", "event_url": "event", "fallback_answer_url": "fallback"}  # -> our route
METHODS: Final = ("GET", "POST")  # that each of these routes takes
# Vonage's own time limits, in ms; an application may have shorter ones.
# https://developer.vonage.com/en/application/technical-details#webhook-timeouts
LEAST_MS: Final = {
    name: {"connect_timeout": 1000, "socket_timeout": 10000 if name == "event_url" else 5000} for name in WEBHOOKS
}
# Where the calls of each region are controlled: https://developer.vonage.com/en/voice/voice-api/concepts/regions
REGIONS: Final = {
    "api-us-3.vonage.com": "na-east",
    "api-us-4.vonage.com": "na-west",
    "api-eu-3.vonage.com": "eu-west",
    "api-eu-4.vonage.com": "eu-east",
    "api-ap-3.vonage.com": "apac-sng",
    "api-ap-4.vonage.com": "apac-australia",
}
NOT_SENT_BACK: Final = ("id", "_links")
MOST_SAID: Final = 500  # characters of a refusal


class NotDone(Exception):
    """Vonage did not do it; `do` is what to do about it."""

    def __init__(self, found: str, do: str) -> None:
        super().__init__(found)
        self.do = do


class ApplicationApi:
    """The application that the settings name, with the key and the secret of its account."""

    def __init__(self, settings: Settings) -> None:
        """Raises NotDone if a setting is missing."""
        key, secret, application = settings.api_key, settings.api_secret, settings.application_id
        if not (key and secret and application):
            needed = {"VONAGE_API_KEY": key, "VONAGE_API_SECRET": secret, "VONAGE_APPLICATION_ID": application}
            raise NotDone("not checked", set_those_missing(needed))
        self._auth, self._path = (key, secret), f"/v2/applications/{application}"
        self.host = settings.api_hosts[0]

    def read(self) -> tuple[Json, str | None]:
        """The application, and the time by Vonage's clock, as in its header Date. Raises NotDone."""
        response = self._request("GET")
        return response.json(), response.headers.get("Date")

    def write(self, application: Json) -> None:
        """Replace the application. Raises NotDone."""
        self._request("PUT", json={name: each for name, each in application.items() if name not in NOT_SENT_BACK})

    def _request(self, method: str, **more: Any) -> Response:
        import requests

        try:
            response = Connection(f"https://{self.host}").request(method, self._path, auth=self._auth, **more)
            body = response.json()
        except requests.JSONDecodeError as error:
            do = "VONAGE_API_HOSTS must begin with a host of Vonage, or a proxy in between answers in its place."
            raise NotDone(f"{self.host} answers {response.status_code}, and not in JSON", do) from error
        except requests.RequestException as error:
            do = OWN_AUTHORITY if certificate_refused(error) else "See that this machine reaches it, and repeat this."
            raise NotDone(f"{self.host} cannot be reached ({why(error)})", do) from error
        if response.status_code in (401, 404):
            do = "See that VONAGE_API_KEY, VONAGE_API_SECRET and VONAGE_APPLICATION_ID are of one account."
            raise NotDone(f"{self.host} answers {response.status_code}", do)
        if response.status_code != 200 or not isinstance(body, dict):
            do = f"Vonage says: {response.text[:MOST_SAID]}"
            raise NotDone(f"{self.host} answers {response.status_code}", do)
        return response


def set_those_missing(needed: Mapping[str, str | None]) -> str:
    """What to do about the variables that have no value, of which there is one at least."""
    *others, last = (variable for variable, value in needed.items() if not value)
    return f"Set {', '.join(others)} and {last}." if others else f"Set {last}."


def voice_of(application: Json) -> Json:
    """The settings of its capability Voice; empty without it."""
    return (application.get("capabilities") or {}).get("voice") or {}


def webhook_of(voice: Json, name: str) -> Json:
    """The settings of the webhook *name*; empty if it is not set."""
    return (voice.get("webhooks") or {}).get(name) or {}


def short_limits(voice: Json, name: str) -> dict[str, int]:
    """The time limits of the webhook *name* that are shorter than Vonage's own. One that is not set is not."""
    found = {limit: webhook_of(voice, name).get(limit) for limit in LEAST_MS[name]}
    return {limit: ms for limit, ms in found.items() if isinstance(ms, int) and ms < LEAST_MS[name][limit]}


def without_secrets(address: str) -> str:
    """*address* without user, password and query, which may hold a token."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    shown = f"…@{host}" if "@" in parts.netloc else host
    return parts._replace(netloc=shown, query="…" if parts.query else "").geturl()


def mended(application: Json, settings: Settings) -> Json:
    """*application* as it has to be for this server; what has nothing to do with that stays."""
    voice = voice_of(application)
    webhooks = dict(voice.get("webhooks") or {})
    for name, route in WEBHOOKS.items():
        found = webhook_of(voice, name)
        method = found.get("http_method")
        longer = {limit: LEAST_MS[name][limit] for limit in short_limits(voice, name)}
        address = f"{settings.base_url}/voice/{route}"
        webhooks[name] = {**found, "address": address, "http_method": method if method in METHODS else "POST", **longer}
    changed = {**voice, "webhooks": webhooks, "signed_callbacks": True}
    if (wanted := region_wanted(settings)) is not None:
        changed["region"] = wanted
    return {**application, "capabilities": {**(application.get("capabilities") or {}), "voice": changed}}


def region_wanted(settings: Settings) -> str | None:
    """The region in which this server places calls, where calls should arrive, too; None: Vonage chooses it."""
    return REGIONS.get(settings.api_hosts[0])


def differences(before: Json, after: Json, at: str = "") -> Iterator[str]:
    """A line for each value that *after* has and *before* has not."""
    for name, new in after.items():
        old, path = before.get(name), f"{at}.{name}" if at else name
        if isinstance(new, Mapping):
            yield from differences(old if isinstance(old, Mapping) else {}, new, path)
        elif old != new:
            yield f"{path}: {_shown(old)} -> {_shown(new)}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str) and "://" in value:
        with suppress(ValueError):  # it is no address
            return without_secrets(value)
    return "not set" if value is None else str(value)
