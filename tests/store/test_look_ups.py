"""Who looks up silent calls, and which are silent."""

from __future__ import annotations

from app.store.look_ups import Span
from app.store.store import Store
from tests.domain.builders import at, status
from tests.store.posting import send


def test_one_alone_looks_up_calls_until_it_ends_or_its_time_is_over(store: Store) -> None:
    assert not store.keep_look_ups("one", 60)
    assert store.take_look_ups("one", 60)
    assert not store.take_look_ups("two", 60)
    assert store.keep_look_ups("one", 60)
    assert not store.keep_look_ups("two", 60)
    store.end_look_ups("two")
    assert not store.take_look_ups("two", 60)
    store.end_look_ups("one")
    assert store.take_look_ups("two", 60)


def test_live_calls_are_silent_since_their_last_webhook_the_latest_first(store: Store) -> None:
    for number in range(40):
        send(store, status("answered", number, uuid=f"leg-{number}", where=f"CON-{number}"), seconds=number)
    send(store, status("completed", 50, uuid="leg-20", where="CON-20"), seconds=50)
    silent = store.silent([Span(at(5), at(8)), Span(at(18), at(21)), Span(at(45), at(60))])
    assert silent == ["CON-21", "CON-19", "CON-8", "CON-7", "CON-6"]
