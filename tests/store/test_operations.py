"""Logs of operations, claims, numbers of actions, and turns, on every engine."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from app.domain.actions import Action
from app.domain.operations import Entry
from app.store.store import Store
from tests.domain.builders import HERE, at, status
from tests.engines import wait_until
from tests.store.posting import send, settle


def entry(id_: str, **data: object) -> Entry:
    """A step of this id."""
    return Entry(id_, datetime(2026, 1, 1, tzinfo=UTC), "step", "name", data)


def test_a_log_keeps_each_entry_once_in_the_order_in_which_they_came(store: Store) -> None:
    assert store.append("op", [entry("a", x="é\n"), entry("b")]) == 2
    assert store.append("op", [entry("b", other=1), entry("c")]) == 3
    log = store.log_of("op")
    assert [(one.id, dict(one.data)) for one in log] == [("a", {"x": "é\n"}), ("b", {}), ("c", {})]
    assert log[0] == entry("a", x="é\n")
    assert store.log_of("none") == []


def test_of_two_that_decide_by_the_same_log_one_does(store: Store) -> None:
    store.append("op", [entry("begun")])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: store.append("op", [entry(f"e{number}")], expected=1), range(8)))
    assert sorted(found, key=str) == [2, *[None] * 7]
    assert len(store.log_of("op")) == 2


def test_an_operation_is_claimed_by_one_and_let_go(store: Store) -> None:
    store.append("op", [entry("a")], due_in=60)
    till = store.claim("op", "one", 5)
    assert till
    assert store.claim("op", "two", 5) is None
    assert store.release("op", "one", till, 60), "somebody wanted it meanwhile: look at once"
    assert store.claim("op", "two", 5)


def test_a_leg_is_given_back_by_who_has_it_alone(store: Store) -> None:
    """One whose time ran out takes nothing from the next."""
    assert store.take("leg", "one", 0.05)
    assert not store.take("leg", "two", 5)
    time.sleep(0.06)
    assert store.take("leg", "two", 5)
    store.give_back("leg", "one")
    assert not store.take("leg", "three", 5)
    store.give_back("leg", "two")
    assert store.take("leg", "three", 5)


def test_an_operation_that_has_ended_is_claimed_by_nobody(store: Store) -> None:
    store.append("op", [entry("a")], due_in=0)
    till = store.claim("op", "one", 5)
    assert till
    assert not store.release("op", "one", till, None)
    assert store.claim("op", "two", 5) is None
    assert store.due() == []


def test_an_operation_that_has_ended_is_looked_at_once_more_if_something_happened_meanwhile(store: Store) -> None:
    """As a request that was kept after its log was read."""
    store.append("op", [entry("a")], due_in=0)
    till = store.claim("op", "one", 5)
    assert till
    store.append("op", [entry("b")], due_in=0)
    assert store.release("op", "one", till, None)
    assert store.due() == ["op"]


def test_what_could_not_be_let_go_is_let_go_later(store: Store) -> None:
    """Also if nobody knows whether it was claimed."""
    store.append("op", [entry("a")], due_in=0)
    assert store.claim("op", "one", 60)
    assert store.release("op", "one", 0, 0, later=True)
    deadline = time.monotonic() + 10
    while (till := store.claim("op", "two", 60)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert till
    assert store.release("op", "one", 0, None, later=True), "and takes nothing from the next"
    store.append("op", [entry("b")])
    assert store.claim("op", "three", 60) is None


def test_a_webhook_that_is_repeated_wakes_who_waits_for_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whom it woke the first time is not known if the reply of Redis came too late."""
    woken: list[str] = []
    send(store, status("answered"))
    assert store.watch("op", [HERE]) == [HERE]
    monkeypatch.setattr(store, "on_news", woken.extend)
    assert send(store, status("completed", 1), status("completed", 1)) == [True, False]
    assert woken == ["op", "op"]


def test_what_an_operation_did_itself_wakes_others_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process keeps it again: two operations would wake each other for ever."""
    woken: list[str] = []
    send(store, status("answered"))
    assert store.watch("op", [HERE]) == [HERE]
    monkeypatch.setattr(store, "on_news", woken.extend)
    action = Action(
        canonical=b"{}", conversation=HERE, leg="leg", occurred=at(1), action="a", verb="mute", by="operator"
    )
    assert [store.record(action, b"{}", at(1), counted=False) for _ in range(2)] == [True, False]
    assert woken == ["op"]


def test_what_is_due_is_found_also_after_the_death_of_its_worker(store: Store) -> None:
    for number in range(40):
        store.append(f"op{number}", [entry("a")], due_in=0)
    store.append("later", [entry("a")], due_in=60)
    assert sorted(store.due()) == sorted(f"op{number}" for number in range(40))
    for number in range(40):
        assert store.claim(f"op{number}", "dies", 0.2)
    assert store.due() == []
    time.sleep(0.3)
    assert len(store.due()) == 40
    assert store.claim("op0", "lives", 5)


def test_who_goes_on_may_take_longer_unless_somebody_else_has_begun(store: Store) -> None:
    store.append("op", [entry("a")], due_in=60)
    till = store.claim("op", "one", 0.3)
    assert till
    longer = store.renew("op", "one", till, 30)
    assert longer
    assert longer > till + 20_000
    time.sleep(0.4)
    assert store.claim("op", "two", 5) is None
    assert store.renew("op", "two", longer, 30) is None
    renewed = store.renew("op", "one", longer, 0.01)
    assert renewed == longer, "somebody wanted it meanwhile"
    assert store.release("op", "one", renewed, 60), "and is not forgotten"


def test_actions_on_a_leg_are_numbered_and_one_move_is_pending(store: Store) -> None:
    assert [store.number("leg").sequence for _ in range(3)] == [1, 2, 3]
    assert store.number("other").sequence == 1
    assert store.number("leg", move="m1") == (4, None)
    assert store.number("leg", move="m2") == (None, "m1")
    action, seconds = store.latest_move("leg") or ("", -1.0)
    assert action == "m1"
    assert 0 <= seconds < 60
    assert store.number("leg").sequence == 5, "what is no move does not wait"
    assert store.number("leg", move="m2", ended="m1") == (6, None)
    assert (store.latest_move("leg") or ("",))[0] == "m2"


@pytest.mark.parametrize("most", [3, 15])
def test_turns_are_never_more_than_so_many_in_any_second(store: Store, most: int) -> None:
    began = time.time()
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _: (time.time() - began, store.take_turn("kind", most, 30.0)), range(4 * most)))
    at = sorted(asked + wait for asked, wait in waits if wait is not None)
    assert len(at) == 4 * most
    spans = [later - earlier for earlier, later in zip(at, at[most:], strict=False)]
    assert min(spans) > 0.95, "the clock here is not exactly that of Redis"


def test_who_would_wait_too_long_has_no_turn_and_takes_none(store: Store) -> None:
    assert [store.take_turn("kind", 1, 0.5) for _ in range(3)] == [0, None, None]
    assert (store.take_turn("kind", 1, 5.0) or 0) <= 1.2
    assert store.take_turn("another kind", 1, 0.0) == 0


def test_what_vonage_does_by_itself_takes_a_turn_too(store: Store) -> None:
    store.took_turn("calls", 1)
    deadline = time.monotonic() + 10
    while store.answers_waiting and time.monotonic() < deadline:
        time.sleep(0.01)
    assert store.take_turn("calls", 1, 0.0) is None


def test_a_request_is_done_once(store: Store) -> None:
    assert store.begin_once("me", "key", "digest", "claim") is None
    running = store.begin_once("me", "key", "digest", "claim")
    assert running is not None
    assert (running.digest, running.status) == ("digest", None)
    assert store.begin_once("you", "key", "digest", "claim") is None
    store.end_once("me", "key", "digest", (201, '{"a":\n1}'))
    deadline = time.monotonic() + 10
    while (found := store.begin_once("me", "key", "other", "claim")) and found.status is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert found == ("digest", 201, '{"a":\n1}')


def test_a_request_that_was_not_done_is_done_by_its_repeat_and_by_no_other(store: Store) -> None:
    assert store.begin_once("me", "key", "digest", "first") is None
    store.give_up_once("me", "key", "digest", "first")
    wait_until(lambda: store.begin_once("me", "key", "digest", "second") is None, "the repeat is the first")
    store.give_up_once("me", "key", "digest", "first")  # late
    settle(store)
    assert store.begin_once("me", "key", "digest", "third") is not None, "the second one is under way"


def test_numbers_only_grow(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = sorted(pool.map(lambda _: store.number("leg").sequence or 0, range(40)))
    assert all(later == earlier + 1 for earlier, later in pairwise(found))


def test_a_leg_is_of_one_operation_until_that_has_ended(store: Store) -> None:
    assert store.operation_of("leg") is None
    assert store.occupy("leg", "one") is None
    assert store.occupy("leg", "one") is None
    assert store.occupy("leg", "two") == "one"
    assert store.occupy("leg", "two", ended="one") is None
    operation, seconds = store.operation_of("leg") or ("", -1.0)
    assert operation == "two"
    assert 0 <= seconds < 60
    assert store.occupy("leg", "", ended="two") is None
    assert store.operation_of("leg") is None
    assert store.occupy("leg", "three") is None


def test_the_name_of_a_leg_in_an_entry_may_be_anything(store: Store) -> None:
    strange = [entry(f"step room_{name}") for name in ("a\nb", "\ud800", "a\x00", "a b", "'\"")]
    assert store.append("op", strange, due_in=60) == len(strange)
    assert store.append("op", strange) == len(strange), "they are there already"
    assert [found.kind for found in store.log_of("op")] == [each.kind for each in strange]


def test_the_logs_of_what_has_not_ended_are_read_together_and_only_what_is_new(store: Store) -> None:
    store.append("op1", [entry("a"), entry("b")], due_in=60)
    store.append("op2", [entry("a")], due_in=0)
    store.append("ended", [entry("a")])
    known = store.open_logs()
    assert {name: [one.id for one in log] for name, log in known.items()} == {"op1": ["a", "b"], "op2": ["a"]}
    store.append("op1", [entry("c")])
    assert store.open_logs({"op1": [entry("read"), entry("before")]})["op1"] == [
        entry("read"),
        entry("before"),
        entry("c"),
    ]
    assert store.open_logs(known)["op2"] == known["op2"]


def test_the_logs_of_the_operations_of_legs_are_found_by_the_legs(store: Store) -> None:
    store.append("op", [entry("a")], due_in=60)
    for leg in ("one", "two"):
        store.occupy(leg, "op")
    store.occupy("three", "about-to-be-kept")
    assert store.logs_of_legs(["one", "two", "three", "four"]) == {"op": [entry("a")]}
    assert store.logs_of_legs([]) == {}
