"""What `flask doctor` finds at Vonage: whether the application's webhooks lead here, and are signed.

https://developer.vonage.com/en/api/application.v2
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

from app.cli.doctor.finding import Finding
from app.cli.doctor.redis_checks import clock
from app.client import Connection
from config.settings import Settings

WEBHOOKS: Final = {"answer_url": "answer", "event_url": "event", "fallback_answer_url": "fallback"}  # -> our route
# Vonage's own time limits, in ms; an application may have shorter ones.
# https://developer.vonage.com/en/application/technical-details#webhook-timeouts
CONNECT_MS: Final = 1000
RESPONSE_MS: Final = {"answer_url": 5000, "event_url": 10000, "fallback_answer_url": 5000}
LOCATION: Final = "In the application at dashboard.vonage.com, capability Voice"

Json = Mapping[str, Any]


def vonage_findings(settings: Settings) -> Iterator[Finding]:
    """Those of the application; one piece of advice where it cannot be read for want of a setting."""
    import requests

    key, secret, application = settings.api_key, settings.api_secret, settings.application_id
    if not (key and secret and application):
        do = "Set VONAGE_API_KEY, VONAGE_API_SECRET and VONAGE_APPLICATION_ID for this command."
        yield Finding("advice", "Vonage application", "not checked", do)
        return
    host = settings.api_hosts[0]
    try:
        response = Connection(f"https://{host}").request("GET", f"/v2/applications/{application}", auth=(key, secret))
        body = response.json() if response.status_code == 200 else {}
    except requests.RequestException as error:  # a body that is no JSON is one, too
        do = "See that this machine reaches it, and repeat this."
        yield Finding("fault", "Vonage application", f"nothing readable from {host} ({type(error).__name__})", do)
        return
    if not isinstance(body, dict) or response.status_code != 200:
        do = "See that VONAGE_API_KEY, VONAGE_API_SECRET and VONAGE_APPLICATION_ID are of one account."
        yield Finding("fault", "Vonage application", f"{host} answers {response.status_code}", do)
        return
    if date := response.headers.get("Date"):
        ahead = time.time() - parsedate_to_datetime(date).timestamp()
        yield clock(ahead, than="Vonage")  # SIGNATURE_MAX_AGE counts from Vonage's clock
    yield from application_findings(body, settings)


def application_findings(application: Json, settings: Settings) -> Iterator[Finding]:
    """*application* as the Application API has it."""
    voice = (application.get("capabilities") or {}).get("voice")
    if not voice:
        yield Finding(
            "fault", "Vonage application", "it has no capability Voice", "Switch it on at dashboard.vonage.com."
        )
        return
    for name, route in WEBHOOKS.items():
        yield _webhook(name, (voice.get("webhooks") or {}).get(name) or {}, f"{settings.base_url}/voice/{route}")
    yield _time_limits(voice.get("webhooks") or {})
    yield Finding("ok", "region", str(voice.get("region") or "Vonage's choice"))
    if voice.get("signed_callbacks"):
        yield Finding("ok", "signed callbacks", "on")
    else:
        unchecked = settings.webhook_verify == "off"
        yield Finding(
            "advice" if unchecked else "fault", "signed callbacks", "off", f"{LOCATION}, switch on signed webhooks."
        )


def _webhook(name: str, webhook: Json, wanted: str) -> Finding:
    """Both methods are served, so either is well. Without an address Vonage sends nothing."""
    found = webhook.get("address")
    if found == wanted:
        return Finding("ok", name, f"{webhook.get('http_method') or 'usual method'} {found}")
    return Finding("fault", name, str(found or "not set"), f"{LOCATION}, set {name} to {wanted}")


def _time_limits(webhooks: Json) -> Finding:
    """Whether one is shorter than Vonage's own: a server that has to wake up first may miss it."""
    short = [
        f"{name} {field} {webhook[field]} ms"
        for name, usual in RESPONSE_MS.items()
        for field, least in (("connect_timeout", CONNECT_MS), ("socket_timeout", usual))
        if (webhook := webhooks.get(name) or {}).get(field) is not None and webhook[field] < least
    ]
    if not short:
        return Finding("ok", "time limits", "none shorter than Vonage's default")
    do = f"Set connect_timeout to {CONNECT_MS}, and socket_timeout to 10000 for event_url, 5000 for the others."
    return Finding("advice", "time limits", ", ".join(short), do)
