"""The Python client against the whole app with its carrier, and a user's own calls through it."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from threading import Event
from time import sleep
from typing import Any

import pytest
import requests

from app.client import Phone, PhoneError
from tests.clients.broken_streams import BEGINNING, Breaking, breaking, doubled, streams
from tests.clients.cutting import Cutting
from tests.clients.far_end import alice_does, ring_alice
from tests.control.conftest import world
from tests.control.test_session_verbs import ALICE, BOB, SECOND, THIRD, call_of_alice, lasting_world
from tests.control.world import AGENT, World
from tests.engines import free_ports, wait_until
from vonage_simulator.ledger import Leg
from vonage_simulator.scenario import FarEnd

__all__ = ["breaking", "lasting_world", "world"]
ONCE = "447700900173"  # a number that one test calls


class Received:
    """What listeners were called with."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def listen(self, phone: Phone, *names: str) -> None:
        """Listen to events with these *names*."""
        for name in names:
            phone.on(name, partial(self._take, name))

    def wait(self, name: str, count: int = 1) -> Any:
        """What came with the last of *count* events *name*."""
        wait_until(lambda: len(self._of(name)) >= count, f"{count} of {name}")
        return self._of(name)[count - 1]

    def _take(self, name: str, data: Any) -> None:
        self.events.append((name, data))

    def _of(self, name: str) -> list[Any]:
        return [data for each, data in list(self.events) if each == name]


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


def test_verbs_events_and_conferences(world: World) -> None:
    phone, received = phone_at(world), Received()
    names = ("call_incoming", "call_answered", "call_muted", "call_held", "conference_adhoc_deleted")
    received.listen(phone, "sessions", *names)
    phone.start()
    received.wait("sessions")
    customer, alice, one = call_of_alice(world, AGENT, "one")
    received.wait("call_answered")
    phone.mute(one)
    assert alice.muted
    received.wait("call_muted")
    phone.unmute(one)
    phone.dtmf(one, "1#")
    phone.hold(one)
    assert received.wait("call_held")["session"]["id"] == one
    phone.unhold(one)
    world.until(lambda: alice.hears(customer))
    phone.hold(one)
    world.until(lambda: world.control(customer)["hold"] == "held")
    second, _, two = call_of_alice(world, SECOND, "two")
    assert phone.set_current_session(two)["currentSessionID"] == two
    phone.set_session_static_status(two, name="Ada")
    assert {each["id"] for each in phone.phone()["sessions"]} == {one, two}
    assert phone.session(two)["displayName"] == "Ada"
    conference = phone.start_conference(two, [one])["conference_id"]

    def joined(leg: Leg) -> bool:
        members = phone.conference(conference)["members"]
        return any((member["call_id"], member["status"]) == (leg.uuid, "joined") for member in members)

    world.until(partial(joined, customer))
    assert phone.conference(conference)["started"]
    phone.hold_member(conference, customer.uuid)
    world.until(lambda: not second.hears(customer))
    world.until(partial(resumed, phone, conference, customer))
    world.until(lambda: second.hears(customer))
    third, _, three = call_of_alice(world, THIRD, "three")
    phone.add_participant(conference, three)
    world.until(partial(joined, third))
    phone.remove_participant(conference, third.uuid)
    world.known(third, "completed")
    phone.end_conference(conference)
    world.until(partial(lambda leg: leg.over, customer))
    assert received.wait("conference_adhoc_deleted")["conference"]["conference_id"] == conference
    phone.disconnect()


def resumed(phone: Phone, conference: str, leg: Leg) -> bool:
    """Whether the member is brought back: it cannot be while it is still on the way to the music."""
    try:
        return bool(phone.hold_member(conference, leg.uuid, "resume"))
    except PhoneError:
        return False


def test_what_rings_is_rejected_or_left_to_the_page(world: World) -> None:
    phone, received = phone_at(world), Received()
    received.listen(phone, "sessions", "call_incoming", "answer_requested", "call_ended")
    phone.start()
    received.wait("sessions")
    with alice_does(world, FarEnd(does="never_answers", after=0.1)):
        for end in (phone.reject, partial(phone.terminate, kind="reject")):
            count = len([name for name, _ in received.events if name == "call_incoming"]) + 1
            ring_alice(world)
            session = received.wait("call_incoming", count)["session"]["id"]
            assert phone.answer(session)["id"] == session
            received.wait("answer_requested", count)
            end(session)
            assert received.wait("call_ended", count)["session"]["id"] == session
    phone.disconnect()


def test_recordings_and_registration(world: World) -> None:
    phone = phone_at(world)
    customer, _, session = call_of_alice(world)
    with pytest.raises(PhoneError) as refused:
        phone.record(session, "start")
    assert refused.value.status == 403
    assert world.ask("PATCH", "/users/Alice", {"record_permissions": 2}).status_code == 200
    for action, state in (("start", "active"), ("pause", "paused"), ("resume", "active"), ("stop", "inactive")):
        phone.record(session, action)
        assert phone.session(session)["recordingState"] == state
    assert phone.set_registered(True, attempts=2)["attempts"] == 2
    assert phone.phone()["isRegistered"] is True
    assert phone.set_registered(False)["expires_at"] is None
    phone.terminate(session)
    world.known(customer, "completed")


def test_an_attended_transfer(world: World) -> None:
    phone = phone_at(world)
    customer, alice, session = call_of_alice(world)
    transfer = phone.attended_transfer(session, THIRD)["id"]

    def recipient() -> Leg:
        world.until(lambda: phone.transfer(transfer)["status"] == "answered")
        leg: Leg = world.carrier.ledger.legs[phone.transfer(transfer)["recipient_call"]]
        world.until(lambda: alice.hears(leg))
        return leg

    leg = recipient()
    phone.transfer(transfer, "cancel")
    world.until(lambda: leg.over and alice.hears(customer))
    world.until(lambda: phone.transfer(transfer)["status"] == "ended")
    sleep(1)  # one call in a second
    transfer = phone.attended_transfer(session, THIRD)["id"]
    leg = recipient()
    phone.transfer(transfer, "complete")
    world.until(lambda: customer.hears(leg) and alice.over)


def test_the_two_of_a_consultation_are_swapped_and_merged(world: World) -> None:
    phone = phone_at(world)
    customer, alice, session = call_of_alice(world)
    transfer = phone.verb(session, "transfer", to=THIRD)["id"]
    world.until(lambda: phone.transfer(transfer)["status"] == "answered")
    phone.transfer(transfer, "swap")
    world.until(lambda: alice.hears(customer))
    world.until(lambda: phone.transfer(transfer)["pending"] is None)
    phone.transfer(transfer, "merge")
    world.until(lambda: phone.transfer(transfer)["status"] == "ended")
    conference = phone.transfer(transfer)["conference_id"]
    world.until(lambda: phone.conference(conference)["started"])


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
    phone.on("call_answered", came.append)
    phone.off("call_answered", came.append)
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
    assert [each[:2] for each in seen] == [("Bearer token-1", None), ("Bearer token-2", "2"), ("Bearer token-3", "2")]


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused_ends_it_with_an_event(status: int) -> None:
    with streams(((b"retry: 1\n" + BEGINNING,), status)) as (url, seen):
        phone, received = Phone(url, "Alice", "token"), Received()
        received.listen(phone, "connected", "disconnected", "registrationFailed", "stopped")
        phone.start()
        stopped = received.wait("stopped")
        assert (stopped["status"], stopped["error_id"]) == (status, "in-a-word")
        assert [name for name, _ in received.events] == ["connected", "disconnected", "registrationFailed", "stopped"]
        phone.start()
        received.wait("stopped", 2)
        assert [each.last_event_id for each in seen] == [None, "0", "0"]


def test_between_attempts_that_fail_it_waits_longer_and_longer() -> None:
    with streams(((b"retry: 20\n" + BEGINNING,), 503)) as (url, seen):
        phone, received = Phone(url, "Alice", "token"), Received()
        received.listen(phone, "registrationFailed")
        phone.start()
        received.wait("registrationFailed", 5)
        phone.disconnect()
    assert doubled(seen[:6], 0.02)


def test_a_listeners_fault_does_not_end_it(breaking: Breaking, caplog: pytest.LogCaptureFixture) -> None:
    url, _ = breaking
    phone, received = Phone(url, "Alice", "token"), Received()
    phone.on("call_incoming", lambda _: 1 / 0)
    received.listen(phone, "call_ended")
    phone.start()
    received.wait("call_ended", 2)
    phone.disconnect()
    assert [record.message for record in caplog.records] == ["a listener to call_incoming failed"]


def test_no_server_is_there() -> None:
    phone, received = Phone(f"http://127.0.0.1:{free_ports(1)[0]}", "Alice", "token"), Received()
    received.listen(phone, "registrationFailed")
    phone.start()
    assert received.wait("registrationFailed")["title"] == "No response"
    phone.disconnect()


def test_a_stream_that_is_cut_goes_on_where_it_was(world: World) -> None:
    with closing(Cutting(world.base)) as proxy:
        phone, received = Phone(proxy.url, "Alice", ALICE), Received()
        received.listen(phone, "sessions", "connected", "disconnected", "call_incoming", "call_answered", "call_ended")
        phone.start()
        received.wait("sessions")
        _, _, session = call_of_alice(world)
        received.wait("call_answered")
        proxy.cut()
        received.wait("connected", 2)
        phone.hangup(session)
        assert received.wait("call_ended")["session"]["id"] == session
        phone.disconnect()
    names = [name for name, _ in received.events]
    assert (names.count("sessions"), names.count("call_incoming"), names.count("disconnected")) == (1, 1, 2)


def test_a_request_without_a_response_is_sent_again_and_done_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.client.sleep", lambda _: sleep(0.02))
    _, alice, session = call_of_alice(world)
    with closing(Cutting(world.base)) as proxy:
        phone = Phone(proxy.url, "Alice", ALICE)
        proxy.lose = 1
        phone.blind_transfer(session, ONCE)
        world.until(lambda: alice.over)
        assert sum(leg.to == ONCE for leg in world.legs()) == 1
        assert proxy.lose == 0
        proxy.lose = 99
        with pytest.raises(requests.ConnectionError):
            phone.mute(session)
        assert proxy.lose == 99 - 5, "so often it was sent"


def test_what_the_server_says_is_wrong_is_an_error(world: World) -> None:
    _, _, session = call_of_alice(world)
    with pytest.raises(PhoneError) as wrong:
        phone_at(world).start_conference(session, [session, session])
    error = wrong.value
    assert (error.status, error.title, error.error_id) == (422, "Conference not possible", "invalid-data")
    assert str(error) == error.detail == error.problem["detail"]
    with pytest.raises(PhoneError) as unknown:
        phone_at(world).hold("unknown")
    assert (unknown.value.status, unknown.value.error_id) == (404, None)
