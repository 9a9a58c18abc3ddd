"""Voicemails of users: in the list once, whatever comes how often; what was said of them; and gone with their call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from app.domain.events import Recording, Voicemail
from app.store import keys
from app.store.store import Store
from app.store.voicemails import VoicemailCounts
from app.webhooks.body import write_json
from app.webhooks.voicemails import kept_voicemail
from tests.domain.builders import about, at, status, transfer
from tests.engines import Engine
from tests.generated import BASE, read_event
from tests.store.posting import send
from tests.store.test_keys import HOSTILE

CALLER = "447700900123"
NAMES = [name for name in HOSTILE if 0 < len(name) < 200]


def leave(store: Store, recording: str, where: str, *, user: str = "Alice", seconds: float = 9, **more: Any) -> bool:
    """Keep the webhook of a message, as the app does."""
    url = "https://api.nexmo.com/v1/files/1"
    body = about(seconds, where=where, recording_uuid=recording, recording_url=url, **more)
    left = Voicemail(user, CALLER, None, f"leg of {where}")
    event = replace(cast("Recording", read_event(body)), voicemail=left)
    return store.record(event, kept_voicemail(write_json(body), left), at(seconds))


def listed(store: Store, user: str = "Alice", **which: Any) -> list[str]:
    return [one.recording for one in store.voicemails(user, **which)]


def index_keys(engine: Engine) -> list[bytes]:
    found = engine.keys()
    return [key for key in found if key.partition(b"}")[2].startswith((b"vn:", b"vh:"))]


def test_the_newest_comes_first_and_each_once(store: Store) -> None:
    assert [leave(store, f"REC-{n}", f"CON-{n}", seconds=9 + n) for n in (2, 1, 3)] == [True] * 3
    assert leave(store, "REC-1", "CON-1", seconds=10) is False, "a repeat"
    assert leave(store, "REC-1", "CON-1", seconds=10, size=7) is True, "a variant of the same fact"
    assert listed(store) == ["REC-3", "REC-2", "REC-1"]
    assert store.voicemail_counts("Alice") == VoicemailCounts(3, 3)
    (_, _, last) = store.left_voicemails("Alice", store.voicemails("Alice"))
    assert (last.recording.size, last.heard) == (7, None)
    assert last.recording.voicemail == Voicemail("Alice", CALLER, None, "leg of CON-1")


def test_what_was_said_of_one_stays_whatever_comes_again(store: Store) -> None:
    leave(store, "REC-1", "CON-1")
    leave(store, "REC-2", "CON-1", seconds=20)
    new, old = store.voicemails("Alice")
    assert store.hear("Alice", old, BASE)
    assert store.hear("Alice", old, BASE + timedelta(hours=1)), "said again"
    assert store.remove_voicemail("Alice", new)
    for kind in (1, 2):
        leave(store, "REC-1", "CON-1", size=kind)
        leave(store, "REC-2", "CON-1", seconds=20, size=kind)
    (one,) = store.left_voicemails("Alice", store.voicemails("Alice"))
    assert (one.listed.recording, one.heard) == ("REC-1", BASE)
    assert store.voicemail_counts("Alice") == VoicemailCounts(1, 0)
    assert not store.remove_voicemail("Alice", new)
    assert not store.hear("Alice", new, None)
    assert store.hear("Alice", old, None)
    assert (listed(store, heard=True), listed(store, heard=False)) == ([], ["REC-1"])


def test_it_goes_with_its_conversation(store: Store, engine: Engine) -> None:
    """When that is deleted, forgotten by the caller's number, or has expired; heard or not."""
    for number in range(6):
        name = f"CON-{number}"
        send(store, status("answered", 1, uuid=f"leg of {name}", where=name, from_=f"44770090012{number // 2}"))
        leave(store, f"REC-{number}", name)
        if number % 2:
            store.hear("Alice", store.voicemails("Alice", heard=False)[0], BASE)
    store.delete_all(["CON-0", "CON-1"])
    assert sorted(listed(store)) == ["REC-2", "REC-3", "REC-4", "REC-5"]
    assert store.forget("447700900121").conversations == 2
    assert sorted(listed(store)) == ["REC-4", "REC-5"]
    for name in ("CON-4", "CON-5"):
        engine.ask(keys.of(name), "DEL", keys.of(name).events(name.encode()))
    assert store.left_voicemails("Alice", store.voicemails("Alice")) == [], "before anything has tidied"
    assert not store.hear("Alice", store.voicemails("Alice")[0], BASE)
    for partition in range(keys.PARTITIONS):
        store.forget_expired(partition, BASE + timedelta(days=30))
    assert listed(store) == []
    assert index_keys(engine) == []


def test_one_in_a_conversation_that_only_the_message_names_the_caller_of_is_forgotten(store: Store) -> None:
    """A leg was moved to the voicemail: no event there has its number."""
    send(store, transfer("CON-before", "CON-voicemail", 1, uuid="leg"))
    leave(store, "REC-1", "CON-voicemail")
    store.forget(CALLER)
    assert listed(store) == []


def test_a_conversation_that_begins_anew_has_none(store: Store, engine: Engine) -> None:
    leave(store, "REC-1", "CON-1")
    engine.ask(keys.of("CON-1"), "DEL", keys.of("CON-1").events(b"CON-1"))
    send(store, status("ringing", 2, where="CON-1", to="Bob"))
    assert listed(store) == []
    assert index_keys(engine) == []


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:30])
def test_lists_are_kept_apart(store: Store, engine: Engine, name: str) -> None:
    others = [(f"{name}x", name), (name, f"{name}x"), ("Alice", name)]
    for user, recording in others:
        leave(store, recording, f"CON of {user} {recording}", user=user)
    leave(store, name, name, user=name)
    assert sorted(listed(store, name)) == sorted([name, f"{name}x"])
    (own,) = (one for one in store.voicemails(name) if one.recording == name)
    assert own.conversation == name
    assert store.hear(name, own, BASE)
    assert [one.heard for one in store.left_voicemails(name, [own])] == [BASE]
    assert store.remove_voicemail(name, own)
    for user, recording in others:
        assert listed(store, user) == [recording]
    store.delete_all([name, *(f"CON of {user} {recording}" for user, recording in others)])
    assert index_keys(engine) == []


def test_a_list_is_read_in_two_exchanges_however_long_it_is(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(40):
        leave(store, f"REC-{number}", f"CON-{number}")
    exchanges = 0
    fetch: Callable[..., Any] = store._reader.fetch

    def counted(*args: Any) -> Any:
        nonlocal exchanges
        exchanges += 1
        return fetch(*args)

    monkeypatch.setattr(store._reader, "fetch", counted)
    assert len(store.left_voicemails("Alice", store.voicemails("Alice"))) == 40
    assert exchanges == 2
    store.voicemail_counts("Alice")
    assert exchanges == 3
