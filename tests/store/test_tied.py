"""Reading the conversations that legs tie together: the nearest first, in few round trips, and not without end."""

from __future__ import annotations

import pytest

from app.store import queries
from app.store.errors import StoreUnavailable
from app.store.link import Command
from app.store.reader import Reader
from app.store.store import Store
from tests.domain.builders import about, at, status, transfer
from tests.store.posting import send


def chain(store: Store, length: int) -> None:
    """In each conversation a leg begins, which goes on to the next one."""
    for number in range(length):
        here, following = f"CON-{number:02}", f"CON-{number + 1:02}"
        send(store, status("answered", number, uuid=f"leg-{number}", where=here), seconds=number)
        send(store, transfer(here, following, number + 0.5, uuid=f"leg-{number}"), seconds=number + 0.5)


def test_a_conversation_by_itself_is_read_alone(store: Store) -> None:
    send(store, about(1, where="CON-1", payload={}), seconds=3)
    tied = store.tied(["CON-1", "none"])
    assert list(tied.conversations) == ["CON-1"]
    assert tied.first_received == {"CON-1": at(3)}
    assert tied.legs == {}


def test_all_that_legs_tie_is_found_over_any_number_of_steps(store: Store) -> None:
    chain(store, 6)
    send(store, status("answered", 1, uuid="other", where="CON-other"))
    names = [f"CON-{number:02}" for number in range(7)]
    for start in (names[0], names[3], names[6]):
        tied = store.tied([start])
        assert sorted(tied.conversations) == names
        assert sorted(tied.legs) == [f"leg-{number}" for number in range(6)]


def test_the_nearest_are_read_where_there_are_too_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    chain(store, 12)
    monkeypatch.setattr(queries, "MAX_TIED", 4)
    assert sorted(store.tied(["CON-06"]).conversations) == [f"CON-{number:02}" for number in range(4, 9)]
    monkeypatch.setattr(queries, "MAX_STEPS", 2)
    assert sorted(store.tied(["CON-06"]).conversations) == ["CON-05", "CON-06", "CON-07"]


def test_each_step_is_two_round_trips_however_many_conversations_it_reads(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        name = f"CON-{number}"
        send(store, status("answered", number, uuid=f"leg-{number}", where=name))
        send(store, transfer(name, "ROOM", 40 + number, uuid=f"leg-{number}"))
    trips = 0
    real = Reader.fetch

    def fetch(self: Reader, commands: list[Command], missing: list[StoreUnavailable] | None = None) -> object:
        nonlocal trips
        trips += bool(commands)
        return real(self, commands, missing)

    monkeypatch.setattr(Reader, "fetch", fetch)
    assert len(store.tied(["CON-7"]).conversations) == 31
    assert trips <= 6


def test_the_conversations_of_any_id(store: Store) -> None:
    chain(store, 2)
    assert store.conversations_of("leg-0") == ["leg-0", "CON-01", "CON-00"]
    assert store.conversations_of("CON-01") == ["CON-01"]
    assert store.conversations_of("none") == ["none"]
