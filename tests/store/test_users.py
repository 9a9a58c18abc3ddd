"""Users in the store: settings that stay, what expires, and finding the calls that a user may be in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from app.domain.sessions import NO_REMARKS, Remarks
from app.domain.users import NOT_REGISTERED, Availability, Chosen, Registration, UserSettings
from app.store import keys
from app.store.store import Store
from app.webhooks.schemas import kept_answer
from tests.domain.builders import THERE, status, transfer
from tests.engines import Engine, in_turn, wait_until
from tests.generated import BASE
from tests.store.posting import send, settle
from tests.store.test_keys import HOSTILE

NAMES = [name for name in HOSTILE if len(name) < 200]
BEFORE = BASE - timedelta(hours=2)


def test_settings_stay_until_they_are_removed(store: Store, engine: Engine) -> None:
    store.set_user("Alice", {"display_name": "Ada", "max_calls": 3})
    store.set_user("Alice", {"display_name": None, "do_not_disturb": True})
    kept = store.user("Alice", BEFORE)
    assert kept.settings == UserSettings(max_calls=3, do_not_disturb=True)
    part = keys.of("Alice")
    assert engine.ask(part, "PTTL", part.user("Alice")) == -1
    assert store.remove_user("Alice")
    assert not store.remove_user("Alice")
    assert store.user("Alice", BEFORE).settings is None
    assert store.user_names("", 10) == []


def test_users_are_listed_by_name_page_by_page(store: Store) -> None:
    for name in NAMES:
        store.set_user(name, {"max_calls": len(name)})
    found, after = [], ""
    while page := store.user_names(after, 3):
        found += page
        after = page[-1]
    assert found == sorted(NAMES, key=keys.encode)
    profiles = store.profiles(NAMES)
    assert [kept.settings.max_calls for kept in profiles if kept.settings] == [len(name) for name in NAMES]


@pytest.mark.parametrize(("engine", "name"), in_turn(NAMES), indirect=["engine"], ids=lambda value: ascii(value)[:30])
def test_what_users_say_is_kept_apart(store: Store, name: str) -> None:
    others = [("Alice", "1:x"), (f"{name}x", "y"), (name, "xy")]
    store.set_remarks(name, "x", {"name": "Ada", "ignored": True})
    store.set_remarks(name, "x", {"company": "Analytical", "ignored": False})
    assert store.remarks(name, ["x", "y"]) == [Remarks(name="Ada", company="Analytical"), NO_REMARKS]
    for other, session in others:
        assert store.remarks(other, [session]) == [NO_REMARKS]
    store.choose_session(name, Chosen(name, BASE))
    assert store.user(name, BEFORE).chosen == Chosen(name, BASE)
    assert store.user(f"{name}x", BEFORE).chosen is None


def test_what_users_say_expires(store: Store, engine: Engine) -> None:
    part = keys.of("Alice")
    store.set_remarks("Alice", "x", {"ignored": True})
    store.choose_session("Alice", Chosen("x", BASE))
    for key in (part.remarks("Alice", "x"), part.chosen("Alice")):
        assert 0 < engine.ask(part, "PTTL", key) <= timedelta(days=7) // timedelta(milliseconds=1)


def test_a_registration_holds_until_it_expires(store: Store, engine: Engine) -> None:
    part = keys.of("Alice")
    store.set_registration("Alice", Registration(True, BASE, 2), BASE - timedelta(seconds=60))
    assert store.profiles(["Alice"])[0].registration == Registration(True, BASE, 2)
    assert 0 < engine.ask(part, "PTTL", part.registration("Alice")) <= 60_000
    past = BASE.replace(year=2020)
    store.set_registration("Alice", Registration(True, past, 2), past - timedelta(seconds=60))
    assert store.profiles(["Alice"])[0].registration == Registration(False, None, 2)
    store.set_registration("Alice", Registration(False, None, 3), BASE)
    assert store.profiles(["Alice"])[0].registration == Registration(False, None, 3)
    store.remove_user("Alice")
    assert store.profiles(["Alice"])[0].registration == NOT_REGISTERED


def test_the_calls_that_a_user_may_be_in(store: Store) -> None:
    assert not store.user("Alice", BEFORE).called
    ncco = [{"action": "connect", "endpoint": [{"type": "app", "user": "Alice"}]}]
    send(store, kept_answer({"uuid": "caller", "conversation_uuid": "CON-rings"}, {"id": "a" * 16, "ncco": ncco}))
    for number in range(30):  # each of one leg that has ended
        send(store, status("busy", number, uuid=f"leg-{number}", where=f"CON-{number}", to="Alice"), seconds=number + 1)
    settle(store)
    kept = store.user("Alice", BEFORE)
    assert kept.called
    assert "CON-rings" in kept.conversations, "it is live, however many came after it"
    assert len(kept.conversations) < 30
    assert not store.user("Bob", BEFORE).called


def test_a_call_that_moved_into_a_room_is_found_by_where_it_came_from(store: Store) -> None:
    """No event in the room names the user yet."""
    send(store, status("answered", 1, uuid="alice", where="CON-first", to="Alice"))
    send(store, transfer("CON-first", THERE, 2, uuid="alice"))
    settle(store)
    assert store.user("Alice", BEFORE).conversations == ["CON-first"]
    assert THERE in store.tied(["CON-first"]).conversations


def test_of_fifty_calls_at_once_two_have_a_place(store: Store) -> None:
    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(lambda number: _patiently(store, "Alice", f"call-{number}"), range(50)))
    assert Counter(found) == {"free": 2, "busy": 48}
    assert len(store.engaged("Alice")) == 2


def test_a_call_has_one_place_until_it_has_ended(store: Store) -> None:
    assert [_patiently(store, "Alice", call) for call in ("a", "a", "b", "a", "c")] == ["free"] * 4 + ["busy"]
    assert _patiently(store, "Bob", "c") == "free"
    assert _patiently(store, "Alice", "c", ["a"]) == "free"
    assert _patiently(store, "Alice", "a") == "busy"
    assert set(store.engaged("Alice")) == {"b", "c"}
    store.set_user("Alice", {"max_calls": 1})
    assert _patiently(store, "Alice", "d") == "busy"
    store.set_user("Alice", {"max_calls": 50, "do_not_disturb": True})
    assert _patiently(store, "Alice", "d") == "do_not_disturb"


def test_the_place_of_a_call_is_free_when_its_last_leg_has_ended(store: Store) -> None:
    answered(store, "caller", "CON-1", "callee")
    assert _patiently(store, "Alice", "caller") == "free"
    send(store, status("completed", 3, uuid="caller", where="CON-1"))
    assert list(store.engaged("Alice")) == ["caller"], "the other one has not ended"
    send(store, status("completed", 4, uuid="callee", where="CON-1", to="Alice"))
    wait_until(lambda: not store.engaged("Alice"), "the place is free")


def test_a_call_that_goes_on_elsewhere_keeps_its_place(store: Store) -> None:
    answered(store, "caller", "CON-1", "callee")
    assert _patiently(store, "Alice", "caller") == "free"
    send(store, transfer("CON-1", THERE, 3, uuid="callee"), status("completed", 4, uuid="caller", where="CON-1"))
    answered(store, "other", "CON-2", "others-callee")
    assert _patiently(store, "Alice", "other") == "free"
    for leg in ("other", "others-callee"):
        send(store, status("completed", 5, uuid=leg, where="CON-2"))
    wait_until(lambda: "other" not in store.engaged("Alice"), "the place of a later call is free")
    assert list(store.engaged("Alice")) == ["caller"]


def test_the_place_of_a_call_is_free_though_the_record_of_its_answer_came_after_its_end(store: Store) -> None:
    assert _patiently(store, "Alice", "caller") == "free"
    send(store, status("completed", 1, uuid="caller", where="CON-1"))
    assert list(store.engaged("Alice")) == ["caller"], "nobody knows whose call it is"
    ncco = [{"action": "connect", "endpoint": [{"type": "app", "user": "Alice"}]}]
    send(store, kept_answer({"uuid": "caller", "conversation_uuid": "CON-1"}, {"id": "a" * 16, "ncco": ncco}))
    wait_until(lambda: not store.engaged("Alice"), "the place is free")


def answered(store: Store, caller: str, where: str, callee: str) -> None:
    """A call to Alice, which she has answered."""
    send(store, status("answered", 1, uuid=caller, where=where))
    send(store, status("answered", 2, uuid=callee, where=where, to="Alice"))


def _patiently(store: Store, name: str, call: str, ended: Sequence[str] = ()) -> Availability:
    """Whether *name* is free, also on a machine too busy to say so in 50 ms."""
    for _ in range(100):
        if (found := store.engage(name, call, ended)) != "unknown":
            return found
    return "unknown"
