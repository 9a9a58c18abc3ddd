"""Events of a user in the store: each is appended once, and a stream goes on where it was."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.domain.news import Changed
from app.domain.session_events import NOTHING_SENT, Mark
from app.store import keys, user_events
from app.store.store import Store
from tests.engines import Engine

FIRST = Mark(("call_created",), shown=("", "ringing"), read=(("CON-1", 2),))
SECOND = Mark(
    ("call_created", "call_answered"), muted=True, shown=("leg", "talking"), read=(("CON-1", 5), ("CON-2", 1))
)
BEGUN, WENT_ON = Changed(NOTHING_SENT, FIRST), Changed(FIRST, SECOND)


def test_of_workers_that_find_the_same_one_appends_it(engine: Engine, open_store: Callable[..., Store]) -> None:
    workers = [open_store(engine) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        published = list(
            pool.map(
                lambda number: workers[number % 2].publish("Alice", {"s1": BEGUN}, [{"by": number}]),
                range(16),
            )
        )
    assert sum(published) == 1
    found = workers[0].user_events("Alice", "0-0", 50) or []
    assert [event.data for event in found] == [{"by": published.index(True)}]
    assert workers[1].user_events("Alice", "0-0", 50) == found
    assert workers[1].marks("Alice", ["s1", "s2"]) == [FIRST, NOTHING_SENT]


def test_events_of_several_sessions_are_appended_together_or_not_at_all(store: Store) -> None:
    assert store.publish("Alice", {"s1": BEGUN, "s2": BEGUN}, [{"n": 1}, {"n": 2}])
    assert not store.publish("Alice", {"s1": WENT_ON, "s2": BEGUN}, [{"n": 3}]), "somebody else went on with s2"
    assert store.marks("Alice", ["s1", "s2"]) == [FIRST, FIRST]
    assert store.publish("Alice", {"s1": WENT_ON, "s2": WENT_ON}, [])
    assert store.marks("Alice", ["s1", "s2"]) == [SECOND, SECOND]
    assert [event.data["n"] for event in store.user_events("Alice", "0-0", 50) or ()] == [1, 2]


def test_a_stream_goes_on_after_the_event_that_it_had(store: Store) -> None:
    assert store.latest_user_event("Alice") == "0-0"
    assert store.publish("Alice", {"s1": BEGUN}, [{"n": 1}, {"n": 2}])
    at = store.latest_user_event("Alice")
    assert store.user_events("Alice", at, 50) == []
    assert store.publish("Alice", {"s1": WENT_ON}, [{"n": 3}])
    assert store.publish("Alice", {"s2": BEGUN}, [{"n": 4}])
    assert [event.data["n"] for event in store.user_events("Alice", at, 50) or ()] == [3, 4]
    assert [event.data["n"] for event in store.user_events("Alice", at, 1) or ()] == [3]
    assert store.user_events("Bob", "0-0", 50) == []


def test_who_was_away_too_long_learns_that_events_are_gone(
    store: Store, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_events, "MOST_EVENTS", 3)
    store.publish("Alice", {"s1": BEGUN}, [{"n": 1}])
    at = store.latest_user_event("Alice")
    store.publish("Alice", {"s1": WENT_ON}, [{"n": number} for number in range(2, 5)])
    assert store.user_events("Alice", at, 50) is None
    assert store.user_events("Alice", "0-0", 50) is None
    assert store.user_events("Alice", "0-0", 1) is None, "however few are read"
    part = keys.of("Alice")
    assert engine.ask(part, "XLEN", part.user_events("Alice")) == 3
    assert engine.ask(part, "PTTL", part.user_events("Alice")) > 0
    assert engine.ask(part, "PTTL", part.published("Alice", "s1")) > 0
