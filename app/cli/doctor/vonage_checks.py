"""What `flask doctor` finds at Vonage: whether the application's webhooks lead here, and are signed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Final

from app.cli.doctor.finding import Finding
from app.cli.doctor.redis_checks import clock
from app.cli.doctor.vonage_application import (
    METHODS,
    WEBHOOKS,
    ApplicationApi,
    Json,
    NotDone,
    region_wanted,
    set_those_missing,
    short_limits,
    voice_of,
    webhook_of,
    without_secrets,
)
from config.settings import Settings

ABOUT: Final = "Vonage application"
FIX: Final = "`flask doctor --fix` does it, or in the application at dashboard.vonage.com, capability Voice:"


def vonage_findings(settings: Settings) -> Iterator[Finding]:
    """Those of the application; one piece of advice where it cannot be read for want of a setting."""
    yield acting(settings)
    try:
        api = ApplicationApi(settings)
    except NotDone as missing:
        yield Finding("advice", ABOUT, str(missing), missing.do)
        return
    try:
        application, date = api.read()
    except NotDone as fault:
        yield Finding("fault", ABOUT, str(fault), fault.do)
        return
    if date:
        ahead = time.time() - parsedate_to_datetime(date).timestamp()
        yield clock(ahead, than="Vonage")  # SIGNATURE_MAX_AGE counts from Vonage's clock
    yield from application_findings(application, settings)


def acting(settings: Settings) -> Finding:
    """Whether there is what requests to Vonage are signed with; without it each action on a call gets 503."""
    needed = {"VONAGE_APPLICATION_ID": settings.application_id, "VONAGE_PRIVATE_KEY": settings.private_key}
    if all(needed.values()):
        return Finding("ok", "acting on calls", "the application's key is set")
    do = f"{set_those_missing(needed)} Until then every action gets 503, and recordings cannot be played."
    return Finding("advice", "acting on calls", "not possible", do)


def application_findings(application: Json, settings: Settings) -> Iterator[Finding]:
    """*application* as the Application API has it."""
    voice = voice_of(application)
    if not voice:
        yield Finding("fault", ABOUT, "it has no capability Voice", f"{FIX} switch it on.")
        return
    for name, route in WEBHOOKS.items():
        yield _webhook(name, webhook_of(voice, name), f"{settings.base_url}/voice/{route}")
    yield _time_limits(voice)
    yield _region(voice.get("region"), region_wanted(settings))
    if voice.get("signed_callbacks"):
        yield Finding("ok", "signed callbacks", "on")
    else:
        unchecked = settings.webhook_verify == "off"
        yield Finding("advice" if unchecked else "fault", "signed callbacks", "off", f"{FIX} switch them on.")


def _webhook(name: str, webhook: Json, wanted: str) -> Finding:
    """Both methods are served, so either is well. Without an address Vonage sends nothing."""
    address, method = webhook.get("address"), webhook.get("http_method")
    found = f"{method or 'usual method'} {without_secrets(str(address))}" if address else "not set"
    if address != wanted:
        return Finding("fault", name, found, f"{FIX} set {name} to {wanted}")
    if method is not None and method not in METHODS:
        return Finding("fault", name, found, f"{FIX} set its method to POST.")
    return Finding("ok", name, found)


def _time_limits(voice: Json) -> Finding:
    """Whether one is shorter than Vonage's own: a server that has to wake up first may miss it."""
    short = [f"{name} {limit} {found} ms" for name in WEBHOOKS for limit, found in short_limits(voice, name).items()]
    if not short:
        return Finding("ok", "time limits", "none shorter than Vonage's default")
    do = f"{FIX} set connect_timeout to 1000, and socket_timeout to 10000 for event_url, 5000 for the others."
    return Finding("advice", "time limits", ", ".join(short), do)


def _region(found: str | None, wanted: str | None) -> Finding:
    """*wanted*: where VONAGE_API_HOSTS says that calls are placed. A leg is controlled in its own region alone."""
    if wanted in (None, found):
        return Finding("ok", "region", found or "Vonage's choice")
    do = f"{FIX} set it to {wanted}; or let VONAGE_API_HOSTS begin with a host of the region in which calls arrive."
    return Finding("advice", "region", f"calls arrive in {found or 'any'}, and are placed in {wanted}", do)
