"""Who counts the calls, when, and what becomes of it when a worker is slow or ends."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic, sleep, thread_time
from typing import Any

import pytest

from app.calls import counting as counting_module
from app.domain.call_summary import CallSummary, summaries_of
from app.store import keys, queries
from app.store.contract import Tied
from app.store.store import Store
from tests.calls.test_figures import found, listed
from tests.domain.builders import at, status, transfer
from tests.engines import Engine, wait_until
from tests.store.counted import count_all, counting_of
from tests.store.expected import NOW
from tests.store.posting import send

EVERYWHERE = range(keys.PARTITIONS)


def holders(engine: Engine) -> list[str]:
    """Who counts the calls of each partition that somebody counts."""
    found = (engine.ask(part, "GET", part.counting) for part in keys.ALL)
    return [holder.decode() for holder in found if holder]


def total(store: Store) -> int:
    """How many calls are in the figures."""
    return int(found(store, now=at(60))["calls"]["total"])


def test_all_partitions_are_counted_and_those_of_a_worker_that_ends_are_free_at_once(
    store: Store, engine: Engine
) -> None:
    first, second = counting_of(store, every_seconds=0.05), counting_of(store, every_seconds=0.05)
    first.start()
    wait_until(lambda: len(holders(engine)) == keys.PARTITIONS, "all are leased")
    for number in range(20):
        send(store, status("ringing", number, where=f"CON-{number}", uuid=f"leg-{number}"))
    wait_until(lambda: total(store) == 20, "each call is counted")
    first.stop()
    first._thread.join()
    assert holders(engine) == []
    second.start()
    wait_until(lambda: holders(engine) == [second._holder] * keys.PARTITIONS, "another worker has them")
    send(store, status("completed", 30, where="CON-3", uuid="leg-3"), seconds=30)
    wait_until(lambda: found(store, now=at(60))["calls"]["live"] == 19, "it counts the end")
    second.stop()
    second._thread.join()


def test_workers_that_start_together_share_the_work(store: Store, engine: Engine) -> None:
    both = [counting_of(store), counting_of(store)]
    while both[0]._lease() | both[1]._lease():
        pass
    assert {holder: holders(engine).count(holder) for holder in holders(engine)} == dict.fromkeys(
        (counting._holder for counting in both), keys.PARTITIONS // 2
    )


def test_a_lease_that_redis_has_lost_is_taken_anew(store: Store, engine: Engine) -> None:
    counting = counting_of(store)
    while counting._lease():
        pass
    engine.flush()
    counting._leases = dict.fromkeys(counting._leases, monotonic() + 5)  # time to renew them
    while counting._lease():
        pass
    assert holders(engine) == [counting._holder] * keys.PARTITIONS


def test_a_large_conference_takes_no_other_calls_conversations_away(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many conversations are tied to it that not all that are counted together can be read."""
    monkeypatch.setattr(queries, "MAX_TIED", 4)
    send(store, status("answered", 1, where="CON-1", uuid="leg"), transfer("CON-1", "CON-2", 20, uuid="leg"))
    for number in range(9):
        name, uuid = f"CON-guest-{number}", f"guest-{number}"
        send(store, status("answered", 1, where=name, uuid=uuid), transfer(name, "A-ROOM", 20, uuid=uuid))
    for number in EVERYWHERE:
        store.settle_noted(number)
    count_all(store, at(30))
    assert total(store) == 10
    send(store, status("ringing", 40, where="A-ROOM", uuid="guest-1"))
    send(store, status("completed", 40, where="CON-2", uuid="leg"))
    count_all(store, at(50))
    assert found(store, now=at(60))["calls"]["live"] == 9
    assert total(store) == len(listed(store)) == 10


def test_a_worker_so_slow_that_its_lease_is_over_writes_nothing(store: Store) -> None:
    send(store, status("ringing", 1))
    counting = counting_of(store)
    assert counting.count(EVERYWHERE, NOW, until=monotonic()) == 1
    assert total(store) == 0
    assert counting.count(EVERYWHERE, NOW) == 1, "it is still there to be counted"
    assert total(store) == 1
    assert counting.count(EVERYWHERE, NOW) == 0


def test_the_break_after_a_round_is_for_what_it_used_not_for_what_it_waited(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(store, status("ringing", 1), status("ringing", 1, where="CON-2", uuid="leg-2"))
    counting = counting_of(store, every_seconds=0.01)
    while counting._lease():
        pass
    read = store.tied

    def wait(names: Iterable[str]) -> Tied:
        sleep(1)
        return read(names)

    with monkeypatch.context() as patched:
        patched.setattr(store, "tied", wait)
        counting._round()
        assert counting._due - monotonic() < 1, "a busy machine, or a slow Redis"

    def work(calls: Any, stored: Any) -> dict[str, CallSummary]:
        until = thread_time() + 0.1
        while thread_time() < until:
            pass
        return summaries_of(calls, stored)

    monkeypatch.setattr(counting_module, "summaries_of", work)
    send(store, status("answered", 2))
    counting._round()
    assert counting._due - monotonic() > 0.8, "callers have nine tenths of the processor"
