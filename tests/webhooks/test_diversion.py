"""Callers of a user who takes no other call hear what the flow has for a busy one; none hears nothing."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock
from time import monotonic
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from app.domain.users import Availability
from app.flows.request import Request
from app.store.apart import goes_first
from app.store.users import User, Users
from app.webhooks.diversion import NO_OTHER_CALL, SENTENCE, diverted
from tests.engines import wait_until
from tests.webhooks.conftest import Site, Start

LATE = 8.0  # seconds by which a busy machine may be
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


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine Redis may not say in 50 ms who is free."""
    monkeypatch.setattr("app.store.places.ENGAGE_SECONDS", 5.0)
    monkeypatch.setattr("app.calls.places.RECONCILE_SECONDS", 5.0)


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


SIP = "endpoint: [{type: sip, uri: 'sip:a@b.example'}]"
# Of a user who calls: to a telephone, into a room, and with a branch for somebody who is busy.
OUT = {
    "a telephone": [
        "  a: [{action: talk, text: Hello.}, {action: connect, endpoint: [{type: phone, number: '442079460001'}]}]"
    ],
    "a room": ["  a: [{action: talk, text: Hello.}, {action: conversation, name: room}]"],
    "a branch": [
        "  a:",
        "    steps:",
        f"      one: [{{action: talk, text: Hello.}}, {{action: connect, {SIP}, next: two}}]",
        "      two: [{action: talk, text: No line is free.}]",
    ],
}


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


def call(site: Site, user: str, number: int, **more: str) -> str:
    body = {"from": "447700900123", "to": "442079460000", **ids(user, number), **more}
    return first(site.post("/voice/answer", body).get_json())


def calls_out(site: Site, user: str, number: int) -> list[dict[str, Any]]:
    """What a user hears who calls from the page."""
    body = {"from_user": user, "to": "442079460000", **ids(user, number)}
    ncco: list[dict[str, Any]] = site.post("/voice/answer", body).get_json()
    return ncco


def answer(site: Site, user: str, number: int) -> Any:
    """What is kept of the answer to a call."""
    (kept,) = site.conversation(ids(user, number)["conversation_uuid"])["answers"]
    return kept


def completed(site: Site, user: str, number: int) -> None:
    ended = {"status": "completed", "direction": "inbound", "timestamp": "2026-11-20T12:00:00.000Z"}
    assert site.post("/voice/event", ids(user, number) | ended).status_code == 200


def test_the_third_call_is_diverted_until_one_has_ended(ringing: tuple[Site, str]) -> None:
    site, user = ringing
    assert [call(site, user, number) for number in (1, 2, 1, 3)] == [user, user, user, SENTENCE["text"]]
    assert [answer(site, user, number)["diverted"] for number in (2, 3)] == [[], [user]]
    completed(site, user, 1)
    wait_until(lambda: call(site, user, 4) == user, "the place of the call that ended is free")


def test_who_is_not_to_be_disturbed_is_not_rung(ringing: tuple[Site, str]) -> None:
    site, user = ringing
    site.store.set_user(user, {"do_not_disturb": True})
    assert call(site, user, 1) == SENTENCE["text"]
    site.store.set_user(user, {"do_not_disturb": False})
    assert call(site, user, 2) == user


@pytest.mark.parametrize("kind", OUT)
def test_the_third_call_of_a_user_does_not_go_out(start: Start, tmp_path: Path, kind: str) -> None:
    file, user = tmp_path / "flows.yaml", f"U{uuid4().hex}"
    file.write_text("\n".join(["routes: [{flow: a}]", "flows:", *OUT[kind]]))
    site = start(flows_file=file)
    site.flows.reloader.start()
    site.store.set_user(user, {"do_not_disturb": True})  # who does not want to be called may call
    for number in (1, 2):
        assert calls_out(site, user, number)[1]["action"] in ("connect", "conversation")
    words = "No line is free." if kind == "a branch" else NO_OTHER_CALL["text"]
    assert [action["text"] for action in calls_out(site, user, 3)] == ["Hello.", words]
    assert [answer(site, user, number)["diverted"] for number in (2, 3)] == [[], [user]]
    completed(site, user, 1)
    wait_until(lambda: calls_out(site, user, 4)[1]["action"] in ("connect", "conversation"), "a place is free")


def test_calls_of_a_user_and_to_them_count_together(ringing: tuple[Site, str]) -> None:
    site, user = ringing
    other = f"{user}-out"
    assert call(site, user, 1) == user
    body = {"from_user": user, "to": "x", **ids(other, 1)}
    assert first(site.post("/voice/answer", body).get_json()) == user, "who calls themselves is in two calls"
    assert set(site.store.engaged(user)) == {f"{user}-1", f"{other}-1"}
    assert call(site, user, 2) == SENTENCE["text"]


def test_a_step_that_calls_out_knows_whose_call_it_is(start: Start, tmp_path: Path) -> None:
    """The webhook of a call that was not put through names the leg of whom it called."""
    file, user = tmp_path / "flows.yaml", f"U{uuid4().hex}"
    other = f"{user}-other"
    steps = [f"one: [{{action: connect, {SIP}, next: two}}]", f"two: [{RING.replace('USER', other)}}}]"]
    file.write_text("\n".join(["routes: [{flow: a}]", "flows:", "  a:", "    steps:", *(f"      {s}" for s in steps)]))
    site = start(flows_file=file)
    site.flows.reloader.start()
    (connect,) = calls_out(site, user, 1)
    parts = urlsplit(connect["eventUrl"][0])
    busy = {"status": "busy", "uuid": "leg of another", "conversation_uuid": f"CON-{user}-1", "to": "sip:a@b.example"}
    reply = site.post(f"{parts.path}?{parts.query}", busy | {"timestamp": "2026-11-20T12:00:00.000Z"})
    assert [action["action"] for action in reply.get_json()] == ["connect"]
    for each in (user, other):
        assert set(site.store.engaged(each)) == {f"{user}-1"}


def test_while_redis_is_silent_calls_go_through_and_are_marked(
    ringing: tuple[Site, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, user = ringing
    monkeypatch.setattr("app.store.places.ENGAGE_SECONDS", 0.0)
    other = f"{user}-out"
    assert [call(site, user, number) for number in range(3)] == [user] * 3
    body = {"from_user": other, "to": "x", **ids(other, 0)}
    assert first(site.post("/voice/answer", body).get_json()) == user
    assert [answer(site, user, number)["unclaimed"] for number in range(3)] == [[user]] * 3
    assert answer(site, other, 0)["unclaimed"] == [other, user]
    assert answer(site, other, 0)["diverted"] == []


def test_a_silent_redis_is_waited_for_once(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "flows.yaml"
    file.write_text("\n".join(["routes: [{flow: a}]", "flows:", *KINDS["sentence"]]))
    site = start(flows_file=file)
    site.flows.reloader.start()
    asked: list[str] = []

    def silent(user: str, _: str) -> Availability:
        asked.append(user)
        return "unknown"

    request, at = Request(from_user="Bob", to="Alice", uuid="leg", conversation_uuid="CON-1"), datetime.now(UTC)
    reply = diverted(site.flows.answer(request, at), request, at, site.flows, silent, may_call=silent)
    assert (first(reply.ncco), reply.unclaimed, reply.diverted, asked) == ("Alice", ("Bob", "Alice"), (), ["Bob"])


def test_a_ring_that_failed_keeps_its_place_for_two_seconds_at_most(start: Start, tmp_path: Path) -> None:
    """The caller stays in the call, and leaves a message."""
    file, user = tmp_path / "flows.yaml", f"U{uuid4().hex}"
    lines = [line.replace("Alice", user) for line in KINDS["voicemail"]]
    file.write_text("\n".join(["routes: [{flow: a}]", "flows:", *lines]))
    site = start(flows_file=file)
    site.flows.reloader.start()
    site.store.set_user(user, {"max_calls": 1})
    body = {"from": "447700900123", "to": "442079460000", **ids(user, 1)}
    began = monotonic()
    (connect,) = site.post("/voice/answer", body).get_json()
    now = datetime.now(UTC).isoformat()
    answered = {"status": "answered", "direction": "inbound", "timestamp": now}
    assert site.post("/voice/event", ids(user, 1) | answered).status_code == 200
    parts = urlsplit(connect["eventUrl"][0])
    busy = {"status": "busy", "uuid": f"{user}-rung", "conversation_uuid": f"CON-{user}-1", "to": user}
    site.post(f"{parts.path}?{parts.query}", busy | {"direction": "outbound", "timestamp": now})
    assert call(site, user, 2) == "Leave a message."
    wait_until(lambda: call(site, user, 3) == user, "the place is free")
    assert 2 <= monotonic() - began < 2 + LATE


def test_the_place_of_a_worker_that_died_is_free_soon(
    ringing: tuple[Site, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, user = ringing
    for number in range(2):  # a place was given, and nothing was served or kept
        assert site.store.engage(user, f"lost-{number}") == "free"
    assert call(site, user, 1) == SENTENCE["text"], "the record of an answer may come late"
    monkeypatch.setattr("app.calls.places.SEEN_SECONDS", 0.5)
    wait_until(lambda: call(site, user, 2) == user, "the place is free")


@pytest.mark.parametrize(("seconds", "looks"), [(60.0, 1), (0.0, 5)])
def test_who_has_no_place_is_not_looked_through_for_each_caller_of_a_flood(
    ringing: tuple[Site, str], monkeypatch: pytest.MonkeyPatch, seconds: float, looks: int
) -> None:
    site, user = ringing
    monkeypatch.setattr("app.calls.places.FRESH_SECONDS", seconds)
    monkeypatch.setattr("app.calls.places.KNOWN_SECONDS", seconds)
    looked = count_looks(monkeypatch)
    assert [call(site, user, number) for number in range(2)] == [user, user]
    assert {call(site, user, number) for number in range(2, 7)} == {SENTENCE["text"]}
    assert looked == [user] * looks


def test_a_call_that_has_ended_needs_no_look(ringing: tuple[Site, str], monkeypatch: pytest.MonkeyPatch) -> None:
    site, user = ringing
    looked = count_looks(monkeypatch)
    for number in range(1, 9):  # four times as many as there are places
        assert call(site, user, number) == user
        answer(site, user, number)  # once it is kept
        completed(site, user, number)
    assert looked == []


def test_who_looks_taken_is_looked_at_before_anybody_is_diverted(
    ringing: tuple[Site, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, user = ringing
    monkeypatch.setattr("app.calls.places.SEEN_SECONDS", 0.0)
    for number in range(2):
        assert site.store.engage(user, f"lost-{number}") == "free"
    assert call(site, user, 1) == user


def test_nobody_waits_for_another_look_soon_after_one(
    ringing: tuple[Site, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, user = ringing
    monkeypatch.setattr("app.calls.places.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("app.calls.places.KNOWN_SECONDS", 60.0)
    monkeypatch.setattr("app.calls.places.RECONCILE_SECONDS", 2 * LATE)
    monkeypatch.setattr("app.calls.places.SEEN_SECONDS", 60.0)
    for number in range(2):
        assert site.store.engage(user, f"lost-{number}") == "free"
    assert call(site, user, 1) == SENTENCE["text"]
    monkeypatch.setattr("app.calls.places.SEEN_SECONDS", 0.0)  # another look would find both places
    go_on, looked = Event(), count_looks(monkeypatch)
    look = Users.user

    def slow(users: Users, name: str, presumed_before: datetime) -> User:
        go_on.wait(LATE)
        return look(users, name, presumed_before)

    monkeypatch.setattr(Users, "user", slow)
    assert {call(site, user, number) for number in range(2, 7)} == {SENTENCE["text"]}
    assert looked == [], "all were answered before it went on"
    go_on.set()
    wait_until(lambda: call(site, user, 7) == user, "what it found is used")


def count_looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """At whom was looked, from now on."""
    looked: list[str] = []
    look = Users.user

    def counted(users: Users, name: str, presumed_before: datetime) -> User:
        assert goes_first.get(), "no caller waits behind readers"
        looked.append(name)
        return look(users, name, presumed_before)

    monkeypatch.setattr(Users, "user", counted)
    return looked
