"""Callers of a user who takes no other call hear what the flow has for a busy one; none hears nothing."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

import pytest

from app.domain.users import Availability
from app.flows.request import Request
from app.webhooks.diversion import SENTENCE, diverted
from tests.engines import wait_until
from tests.webhooks.conftest import Site, Start

RING = '{action: connect, from: "447700900123", endpoint: [{type: app, user: USER}]'
KINDS = {
    "sentence": [f"  a: [{RING.replace('USER', 'Alice')}}}]"],
    "voicemail": [
        "  a:",
        "    steps:",
        f"      one: [{RING.replace('USER', 'Alice')}, next: two}}]",
        "      two: [{action: talk, text: Leave a message.}, {action: record, endOnKey: '#'}]",
    ],
    "next in the group": [
        "  a:",
        "    steps:",
        f"      one: [{RING.replace('USER', 'Alice')}, next: two}}]",
        f"      two: [{RING.replace('USER', 'Bob')}, next: three}}]",
        "      three: [{action: talk, text: All are busy.}]",
    ],
}
EXPECTED: dict[str, dict[str, int]] = {
    "sentence": {"Alice": 2, str(SENTENCE["text"]): 48},
    "voicemail": {"Alice": 2, "Leave a message.": 48},
    "next in the group": {"Alice": 2, "Bob": 2, "All are busy.": 46},
}


def first(ncco: list[dict[str, Any]]) -> str:
    """Whom the first action rings, or what it says."""
    return str(ncco[0]["endpoint"][0]["user"] if ncco[0]["action"] == "connect" else ncco[0]["text"])


@pytest.mark.parametrize("kind", KINDS)
def test_of_fifty_calls_at_once_two_reach_the_user(start: Start, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "flows.yaml"
    file.write_text("\n".join(["routes: [{flow: a}]", "flows:", *KINDS[kind]]))
    site = start(flows_file=file)
    site.flows.reloader.start()
    assert not site.flows.faults, site.flows.faults
    places: dict[str, set[str]] = {}
    lock = Lock()

    def availability(user: str, call: str) -> Availability:
        with lock:
            if len(places.setdefault(user, set())) >= 2:
                return "busy"
            places[user].add(call)
            return "free"

    def call(number: int) -> str:
        request = Request(from_="447700900123", to="442079460000", uuid=f"leg-{number}", conversation_uuid="CON-1")
        at = datetime.now(UTC)
        return first(diverted(site.flows.answer(request, at), request, at, site.flows, availability).ncco)

    with ThreadPoolExecutor(10) as pool:
        assert Counter(pool.map(call, range(50))) == EXPECTED[kind]


@pytest.fixture
def ringing(start: Start, tmp_path: Path) -> tuple[Site, str]:
    """A site whose callers are connected with a user whom nobody has called before, and the user."""
    file, user = tmp_path / "flows.yaml", f"U{uuid4().hex}"
    file.write_text("\n".join(["routes: [{flow: a}]", "flows:", f"  a: [{RING.replace('USER', user)}}}]"]))
    site = start(flows_file=file)
    site.flows.reloader.start()
    return site, user


def ids(user: str, number: int) -> dict[str, str]:
    return {"uuid": f"{user}-{number}", "conversation_uuid": f"CON-{user}-{number}"}


def call(site: Site, user: str, number: int) -> str:
    body = {"from": "447700900123", "to": "442079460000", **ids(user, number)}
    return first(site.post("/voice/answer", body).get_json())


def test_the_third_call_is_diverted_until_one_has_ended(ringing: tuple[Site, str]) -> None:
    site, user = ringing
    assert [call(site, user, number) for number in (1, 2, 1, 3)] == [user, user, user, SENTENCE["text"]]
    ended = {"status": "completed", "direction": "inbound", "timestamp": "2026-11-20T12:00:00.000Z"}
    assert site.post("/voice/event", ids(user, 1) | ended).status_code == 200
    wait_until(lambda: call(site, user, 4) == user, "the place of the call that ended is free")


def test_who_is_not_to_be_disturbed_is_not_rung(ringing: tuple[Site, str]) -> None:
    site, user = ringing
    site.store.set_user(user, {"do_not_disturb": True})
    assert call(site, user, 1) == SENTENCE["text"]
    site.store.set_user(user, {"do_not_disturb": False})
    assert call(site, user, 2) == user
