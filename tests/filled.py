"""A store with something of every kind, and all that the API says of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, cast
from urllib.parse import quote

from app.domain.actions import Action, kept
from app.domain.events import CANONICAL, Recording, Voicemail
from app.webhooks.body import write_json
from app.webhooks.voicemails import kept_voicemail
from tests.api.site import OPERATOR, Site
from tests.domain.builders import about
from tests.generated import BASE, read_event, several

HEARD = datetime(2126, 11, 21, tzinfo=UTC)
STATES = ("started", "ringing", "answered")


def fill(site: Site, calls: int) -> None:
    """Keep so many calls, voicemails, an action, users, a name and an unfiled webhook."""
    store = site.store
    for call in several(Random("export"), calls):
        site.record_webhooks(call)
    for recording, where in (("REC-1", "CON-1"), ("REC-2", "CON-1"), ("REC-3", "CON-2")):
        body = about(9, where=where, recording_uuid=recording, recording_url="https://api.nexmo.com/v1/files/1")
        left = Voicemail("Alice", "447700900123", None, f"leg of {where}")
        event = replace(cast("Recording", read_event(body)), voicemail=left)
        store.record(event, kept_voicemail(write_json(body), left), BASE + timedelta(seconds=9))
    third, second, first = store.voicemails("Alice")
    store.hear("Alice", first, HEARD)
    store.remove_voicemail("Alice", second if second.recording == "REC-2" else third)
    store.set_user("Alice", {"display_name": "Alice Liddell", "max_calls": 3, "do_not_disturb": True})
    store.set_user("Bob", {"record_permission": 1})
    store.set_name("442079460000", "The office — London")
    store.unfile(b'{"odd": "\xff"', "bad body", BASE)
    muted = Action(
        canonical=b"",
        conversation="CON-1",
        leg="leg of CON-1",
        occurred=BASE,
        action="mute-1",
        verb="mute",
        by="operator",
    )
    store.record(muted, CANONICAL.encode(kept(muted)).encode(), BASE, counted=False)


def shown(site: Site) -> dict[str, Any]:
    """All that the API returns."""
    found: dict[str, Any] = {}
    for path in ("conversations", "calls"):
        items, cursor = list[Any](), ""
        while True:
            page = site.read(f"/api/v1/{path}?limit=500{cursor}", token=OPERATOR)
            items += page["items"]
            if not page["next"]:
                break
            cursor = f"&cursor={page['next']}"
        found[path] = items
    for item in found["conversations"]:
        at = f"/api/v1/conversations/{quote(item['conversation_uuid'], safe='')}"
        found[at] = [site.read(at), site.read(f"{at}/events?limit=500")]
        for leg in item["legs"]:
            at_leg = f"/api/v1/legs/{quote(leg['uuid'], safe='')}"
            found[at_leg] = site.read(at_leg)
    for path in ("users/Alice", "users/Bob", "users/Alice/voicemails"):
        found[path] = site.read(f"/api/v1/{path}")
    found["names"] = site.store.names()
    found["unfiled"] = [(why, record.body, record.received) for _, why, record in site.store.unfiled()]
    counted = site.store.counts(BASE).counters
    found["counts"] = {name: count for name, count in counted.items() if count and name in STATES}
    return found
