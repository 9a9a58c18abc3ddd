"""Finding conversations by users and recordings: the index of each partition, kept as long as the conversation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.domain.marks import LONGEST, called_users, marks_in, recording_mark, user_mark, users_in
from app.store import keys
from app.store.pages import Filter
from app.store.store import Store
from tests.domain.builders import about, answer, status
from tests.engines import Engine, in_turn
from tests.generated import BASE, read_event
from tests.store.posting import send, settle

NAMES = ["Alice", "Zoë 李", "a b", "x:y", "{aa}live", "\x00", "%s", "u", "1001"]


def connect(*endpoints: Any) -> dict[str, Any]:
    """An NCCO that calls them."""
    return {"ncco": [{"action": "connect", "endpoint": list(endpoints)}]}


def app(user: str) -> dict[str, str]:
    return {"type": "app", "user": user}


def found(store: Store, mark: str, **more: Any) -> list[str]:
    """The conversations under a mark."""
    return store.page(Filter(mark=mark, **more), None, 100).conversations


@pytest.mark.parametrize(
    ("ncco", "users"),
    [
        (None, []),
        ("", []),
        ('[{"action":"connect","endpoint":[{"type":"app","user":"Alice"}]}]', ["Alice"]),
        ('[{"action":"connect","endpoint":[{"type":"phone","number":"1"},{"type":"app","user":"B"}]}]', ["B"]),
        ('[{"action":"connect","endpoint":"app"},{"action":"talk","text":"\\"app\\""}]', []),
        ('[{"action":"connect","endpoint":[{"type":"app"},{"type":"app","user":5},"app"]},"app"]', []),
        ('{"a":"app"}', []),
        ("null", []),
    ],
)
def test_users_called_by_an_ncco(ncco: str | None, users: list[str]) -> None:
    assert called_users(ncco) == users


def test_users_named_by_events() -> None:
    called = answer(0, from_user="Bob", served=connect(app("Alice"), app("Bob"))).event
    assert users_in(called) == ["Bob", "Alice"]
    for to, users in (("Alice", ["Alice"]), ("447700900123", []), ("sip:a@b.example", []), ("wss://x", []), (None, [])):
        assert users_in(read_event(status("ringing", to=to, from_="Caller Name"))) == users
    assert marks_in(read_event(about(recording_url="https://r.example", recording_uuid="REC"))) == ["rREC"]
    assert marks_in(read_event(status("ringing", to="x" * LONGEST))) == [], "not as long as anybody likes"


@pytest.mark.parametrize(("engine", "name"), in_turn(NAMES), indirect=["engine"])
def test_a_conversation_is_found_by_its_users_and_no_others(store: Store, name: str) -> None:
    served = answer(0, name="a", where="CON-1", served=connect(app(name))).event
    store.record_later(served, served.canonical, BASE)
    settle(store)
    send(store, status("ringing", 1, uuid="other", where="CON-2", to="Somebody"))
    assert found(store, user_mark(name)) == ["CON-1"]
    assert found(store, user_mark("Somebody")) == ["CON-2"]
    assert found(store, user_mark("nobody")) == []
    assert found(store, user_mark(name), state="ended") == []
    assert found(store, user_mark(name), until=BASE) == []


def test_marks_go_with_their_conversation(store: Store, engine: Engine) -> None:
    """When it is deleted, forgotten by its number, or has expired."""
    for number in range(3):
        name = f"CON-{number}"
        send(store, status("ringing", 1, uuid=f"leg-{number}", where=name, to="Alice", from_=f"44770090012{number}"))
        send(store, about(2, where=name, recording_uuid=f"REC-{number}", recording_url="https://r.example"))
    assert store.conversations_of("REC-1") == ["REC-1", "CON-1"]
    store.delete("CON-0")
    assert found(store, user_mark("Alice")) == ["CON-2", "CON-1"]
    store.forget("447700900121")
    assert found(store, user_mark("Alice")) == ["CON-2"]
    engine.ask(keys.of("CON-2"), "DEL", keys.of("CON-2").events(b"CON-2"))
    for partition in range(keys.PARTITIONS):
        store.forget_expired(partition, BASE + timedelta(days=30))
    assert found(store, user_mark("Alice")) == []
    for part in keys.ALL:
        for mark in (user_mark("Alice"), *(recording_mark(f"REC-{number}") for number in range(3))):
            assert not engine.ask(part, "EXISTS", part.mark(mark))


def test_a_conversation_that_begins_anew_is_found_by_its_new_users_only(store: Store, engine: Engine) -> None:
    send(store, status("ringing", 1, where="CON-1", to="Alice"))
    engine.ask(keys.of("CON-1"), "DEL", keys.of("CON-1").events(b"CON-1"))
    send(store, status("ringing", 2, where="CON-1", to="Bob"))
    assert found(store, user_mark("Alice")) == []
    assert found(store, user_mark("Bob")) == ["CON-1"]


def test_a_repeat_adds_nothing(store: Store, engine: Engine) -> None:
    body = status("ringing", 1, where="CON-1", to="Alice")
    assert send(store, body, body) == [True, False]
    part = keys.of("CON-1")
    assert engine.ask(part, "ZCARD", part.mark(user_mark("Alice"))) == 1
    assert engine.ask(part, "HGET", part.meta(b"CON-1"), "uAlice") == b""
