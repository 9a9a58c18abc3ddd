"""The Python client against the whole app with its carrier, and a user's own calls through it."""

from __future__ import annotations

from functools import partial
from threading import Event
from typing import Any

import pytest

from app.client import Phone, PhoneError
from tests.clients.broken_streams import Breaking, breaking
from tests.control.conftest import world
from tests.control.test_session_verbs import ALICE, BOB, SECOND, THIRD, call_of_alice, lasting_world
from tests.control.world import AGENT, World

__all__ = ["breaking", "lasting_world", "world"]


def phone_at(world: World, token: str = ALICE) -> Phone:
    return Phone(world.base, "Alice", lambda: token)


def test_a_call_rings_at_the_user_and_then_at_the_number(world: World) -> None:
    phone = phone_at(world)
    alice = world.carrier.ledger.legs[phone.call(AGENT)["leg"]]
    callee = world.until(lambda: next((leg for leg in alice.conversation.legs.values() if leg.to == AGENT), None))
    world.until(lambda: alice.hears(callee))


def test_a_call_is_refused_while_there_may_be_no_other(world: World) -> None:
    phone = phone_at(world)
    first, _, _ = call_of_alice(world, AGENT, "one")
    world.services.store.set_user("Alice", {"max_calls": 1})
    with pytest.raises(PhoneError) as full:
        phone.call(THIRD)
    assert (full.value.status, full.value.title) == (409, "No other call")
    assert world.control(first)["hold"] is None, "nothing is done for a call that is refused"
    with pytest.raises(PhoneError) as soon:
        phone.call(THIRD)
    assert soon.value.status == 429
    for number, status in (("", 422), ("words", 422)):
        with pytest.raises(PhoneError) as wrong:
            phone.call(number)
        assert wrong.value.status == status
    with pytest.raises(PhoneError) as stranger:
        phone_at(world, BOB).call(THIRD)
    assert stranger.value.status == 403


def test_whom_the_user_talks_to_is_held_and_no_third_call_begins(world: World) -> None:
    phone = phone_at(world)
    first, _, _ = call_of_alice(world)
    phone.call(SECOND)
    world.until(lambda: world.control(first)["hold"] == "held")
    with pytest.raises(PhoneError) as refused:
        phone.call(THIRD)
    assert refused.value.status in (409, 429)


def test_verbs_and_conferences(world: World) -> None:
    phone = phone_at(world)
    customer, alice, one = call_of_alice(world, AGENT, "one")
    phone.mute(one)
    assert alice.muted
    phone.unmute(one)
    phone.dtmf(one, "1#")
    phone.hold(one)
    world.until(lambda: world.control(customer)["hold"] == "held")
    _, _, two = call_of_alice(world, SECOND, "two")
    phone.set_current_session(two)
    phone.set_session_static_status(two, name="Ada")
    assert {each["id"] for each in phone.phone()["sessions"]} == {one, two}
    assert phone.session(two)["displayName"] == "Ada"
    conference = phone.start_conference(two, [one])["conference_id"]
    world.until(lambda: phone.conference(conference)["started"])
    phone.end_conference(conference)
    world.until(partial(lambda leg: leg.over, customer))


def test_an_attended_transfer_is_completed(world: World) -> None:
    phone = phone_at(world)
    customer, alice, session = call_of_alice(world)
    transfer = phone.attended_transfer(session, THIRD)["id"]
    recipient = world.until(lambda: next((leg for leg in world.legs() if leg.to == THIRD and not leg.over), None))
    world.until(lambda: alice.hears(recipient))
    world.until(lambda: phone.request("GET", f"/transfers/{transfer}")["status"] == "answered")
    phone.transfer(transfer, "complete")
    world.until(lambda: customer.hears(recipient) and alice.over)


def test_events_come_once_over_broken_connections(breaking: Breaking) -> None:
    url, seen = breaking
    came: list[Any] = []
    done = Event()
    tokens = iter(("token-1", "token-2", "token-3"))
    phone = Phone(url, "Alice", lambda: next(tokens))

    def ended(data: Any) -> None:
        came.append((data["event"], data["session"]["id"], data["cause"]))
        if data["session"]["id"] == "two":
            phone.disconnect()
            done.set()

    for event in ("call_incoming", "call_answered"):
        phone.on(event, lambda data: came.append((data["event"], data["session"]["id"])))
    phone.on("call_ended", ended)
    phone.on("registrationFailed", lambda problem: came.append(problem["title"]))
    phone.start()
    assert done.wait(60)
    assert came == [
        ("call_incoming", "one"),
        ("call_answered", "one"),
        "Busy",
        ("call_ended", "one", "completed"),
        ("call_answered", "two"),
        ("call_ended", "two", "rejected"),
    ]
    assert seen == [("Bearer token-1", None), ("Bearer token-2", "2"), ("Bearer token-3", "2")]
