"""The audit log and the names of numbers, on every kind of engine."""

from __future__ import annotations

import pytest

from app.store import audit, keys
from app.store.audit import Reveal
from app.store.store import Store
from tests.engines import Engine, wait_until


def reveal(*calls: str, who: str = "somebody") -> Reveal:
    return Reveal(who, "operator", "address", "GET /", "", len(calls), calls)


def noted(store: Store) -> list[tuple[str, tuple[str, ...]]]:
    """Who was shown what, oldest first, once all is written."""
    wait_until(lambda: not store.answers_waiting, "the log is written")
    store.ping()  # behind it, on the same connection
    return [(entry.reveal.who, entry.reveal.calls) for entry in reversed(store.audit(100))]


def test_each_call_is_noted_once_for_each_person(store: Store, engine: Engine) -> None:
    for each in (reveal("a", "b"), reveal("b", "c"), reveal("a"), reveal("a", who="other"), reveal()):
        store.note_reveal(each)
    assert noted(store) == [("somebody", ("a", "b")), ("somebody", ("c",)), ("other", ("a",))]
    remembered = keys.ALL[0].revealed
    assert 0 < engine.ask(keys.ALL[0], "PTTL", remembered) <= audit.REPEATED_AFTER


def test_ids_are_opaque(store: Store) -> None:
    odd = ("CON-\ud800", "a b", "", "Zoë", "\x00")
    store.note_reveal(reveal(*odd))
    assert noted(store) == [("somebody", odd)]


def test_the_log_has_an_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "LENGTH", 10)
    for number in range(400):
        store.note_reveal(reveal(str(number)))
    latest = noted(store)
    assert latest == [("somebody", (str(number),)) for number in range(390, 400)]


def test_names_are_kept_until_they_are_removed(store: Store) -> None:
    assert store.names() == {}
    store.set_name("447700900123", "Zoë")
    store.set_name("447700900123", "Zoë 李")
    store.set_name("442079460000", "Main number")
    assert store.names() == {"447700900123": "Zoë 李", "442079460000": "Main number"}
    assert store.remove_name("447700900123")
    assert not store.remove_name("447700900123")
    assert store.names() == {"442079460000": "Main number"}
