"""A list that is read again is not computed again, and still says what the events say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from app.calls import call_schemas, folded_calls, queries
from app.calls.call_queries import CallFilter, CallQueries
from app.calls.queries import Calls
from app.calls.recent import Recent
from app.domain.calls import read_calls
from app.domain.conversations import project
from app.store import histories
from app.store.pages import Filter
from app.store.store import Store
from tests.domain.builders import status, transfer
from tests.engines import Engine
from tests.generated import read_record
from tests.store.posting import send

MANY = 40
SOON = timedelta(hours=2)


class Counted:
    """Counts the calls of a function."""

    def __init__(self, function: Any) -> None:
        self.function, self.times = function, 0

    def __call__(self, *args: Any, **more: Any) -> Any:
        self.times += 1
        return self.function(*args, **more)


@pytest.fixture
def store(valkey: Engine) -> Iterator[Store]:
    """A store of MANY calls, half of which have ended."""
    valkey.flush()
    store = Store(valkey.address, read=read_record, retention=timedelta(days=7))
    for number in range(MANY):
        where = {"uuid": f"leg {number}", "where": f"CON-{number}"}
        send(store, status("started", 1, **where), status("completed" if number % 2 else "answered", 9, **where))
    yield store
    store.stop()


def reading(store: Store) -> CallQueries:
    """Reads from *store*."""
    return CallQueries(Calls(store, SOON, mask_numbers=True))


def rows(store: Store) -> list[dict[str, Any]]:
    """All calls, as a list of the API has them."""
    calls = reading(store)
    return calls.dump_all(calls.page(CallFilter(), limit=500).calls, "viewer", rows=True)


def conversations(store: Store) -> list[dict[str, Any]]:
    """All conversations, as a list of the API has them."""
    calls = reading(store).reader
    return calls.dump_all(calls.page(Filter(), limit=500)[0], "viewer")


def test_only_what_is_new_is_folded_and_dumped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows(store), conversations(store)
    folds, projections = Counted(read_calls), Counted(project)
    dumps = Counted(call_schemas.dump)
    monkeypatch.setattr(folded_calls, "read_calls", folds)
    monkeypatch.setattr(queries, "project", projections)
    monkeypatch.setattr(call_schemas, "dump", dumps)
    assert (rows(store), conversations(store)) == before
    assert (folds.times, projections.times, dumps.times) == (0, 0, 0)

    send(store, status("ringing", 2, uuid="leg 7", where="CON-7"))
    after = {call["id"]: call for call in rows(store)}, {c["conversation_uuid"]: c for c in conversations(store)}
    assert (folds.times, projections.times, dumps.times) == (1, 1, 1)
    assert after[0]["leg 7"]["legs"][0]["times"]["ringing"]
    assert after[1]["CON-7"]["legs"][0]["times"]["ringing"]
    assert [call for call in before[0] if call["id"] != "leg 7"] == [
        call for call in after[0].values() if call["id"] != "leg 7"
    ]


def test_a_call_of_which_a_leg_goes_elsewhere_is_folded_with_what_it_came_to(store: Store) -> None:
    rows(store), conversations(store)
    send(store, transfer("CON-3", "CON-33", 5, uuid="leg 3"))
    by_id = {call["id"]: call for call in rows(store)}
    assert set(by_id["leg 3"]["conversations"]) >= {"CON-3", "CON-33"}
    (leg,) = next(c for c in conversations(store) if c["conversation_uuid"] == "CON-3")["legs"]
    assert leg["moved_to"]


def test_a_live_call_is_presumed_ended_though_nothing_was_added(store: Store) -> None:
    send(store, status("started", 1, uuid="leg live", where="CON-live"))
    reader = reading(store).reader
    (now,) = reader.conversations(["CON-live"])
    (later,) = reader.conversations(["CON-live"], now.last_received + SOON + timedelta(seconds=1))
    assert later.state == "presumed_ended"
    (early,) = reader.conversations(["CON-live"], now.first_received)
    assert early.state == "live"
    tied = store.tied(["CON-live"])
    for moment, state in ((now.last_received, "live"), (now.last_received + 2 * SOON, "presumed_ended")):
        (call,) = folded_calls.fold_calls(tied, moment, SOON).calls.values()
        assert call.state == state


def test_what_is_kept_in_memory_is_bounded() -> None:
    recent = Recent[int](3)
    sources = [object() for _ in range(10)]
    for number, source in enumerate(sources):
        recent.add(number, source)
    assert [recent.get(source) for source in sources] == [None] * 7 + [7, 8, 9]
    assert recent.get(object()) is None
    assert histories._kept.cache_info().maxsize == histories.MOST


def test_nothing_is_kept_of_a_long_conversation_for_it_would_never_be_found(store: Store) -> None:
    pressed = [{"uuid": "leg 1", "conversation_uuid": "CON-1", "dtmf": {"digits": str(number)}} for number in range(40)]
    send(store, *pressed)
    kept = (folded_calls.FOLDED, folded_calls.ROWS, queries.PROJECTED, queries.DUMPED)
    for recent in kept:
        recent.clear()
    for _ in range(3):
        assert len(rows(store)) == len(conversations(store)) == MANY
    assert [len(recent) for recent in kept] == [MANY - 1] * len(kept)
