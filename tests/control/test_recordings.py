"""Recordings by request: in parts, one after the other, until everybody has left."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from tests.control.test_leg_verbs import confirmed
from tests.control.test_sessions import session, to
from tests.control.world import AGENT, CALLER, World
from vonage_simulator.ledger import Conversation, Leg
from vonage_simulator.voice_api.faults import FaultRule


def record(world: World, room: Conversation, what: str) -> Any:
    return world.ask("POST", f"/conversations/{room.uuid}/record", {"action": what})


def state(world: World, room: Conversation) -> str:
    return str(world.ask("GET", f"/conversations/{room.uuid}").json["record_state"])


def room_of(world: World, leg: Leg) -> Conversation:
    """Where it is, once that is stored, too: a moment after the leg is known to be there."""
    world.until(lambda: world.ask("GET", f"/conversations/{leg.conversation.uuid}").status_code == 200)
    return leg.conversation


def move(world: World, room: str, *legs: Leg) -> None:
    """Move *legs* there, until the app knows it."""
    for leg in legs:
        assert world.act(leg, "transfer", {"ncco": [{"action": "conversation", "name": room}]}).status_code == 200
    for leg in legs:
        world.until(partial(world.is_in, leg, room))


def test_a_conversation_is_recorded_in_parts(world: World) -> None:
    room = room_of(world, world.in_room(CALLER, AGENT)[0])
    for what, then in (("start", "active"), ("pause", "paused"), ("resume", "active"), ("stop", "inactive")):
        confirmed(record(world, room, what))
        assert (room.recording is not None) == (then == "active")
        assert state(world, room) == then
    world.until(lambda: len(world.ask("GET", f"/conversations/{room.uuid}").json["recordings"]) == 2)


def test_a_recording_that_was_never_begun_is_not_paused(world: World) -> None:
    response = record(world, room_of(world, world.caller()), "pause")
    assert (response.status_code, response.json["detail"]) == (409, "It is not being recorded.")


def test_a_start_that_takes_long_does_not_undo_a_later_stop(world: World) -> None:
    room = room_of(world, world.caller())
    slow = FaultRule(fault="slow", verbs=("record",), seconds=1.0)
    with ThreadPoolExecutor(1) as pool, world.faults(slow) as requests:
        starting = pool.submit(record, world, room, "start")
        world.until(requests)
        assert record(world, room, "stop").status_code == starting.result().status_code == 200
    assert (room.recording, state(world, room)) == (None, "inactive")


def test_of_start_and_stop_at_once_the_later_number_wins_here_and_at_the_carrier(world: World) -> None:
    room = room_of(world, world.caller())
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(partial(record, world, room), ["start", "stop"] * 4))
    for response in found:
        if response.status_code != 200:
            assert response.status_code == 502
            assert "a later action on the recording was sent before it" in response.json["detail"]
    events = world.ask("GET", f"/conversations/{room.uuid}/events?limit=500").json["items"]
    last = max((event["raw"] for event in events if event["kind"] == "action"), key=lambda raw: raw["sequence"])
    assert (room.recording is not None) == (last["verb"] == "record_start") == (state(world, room) == "active")


def test_a_recording_is_over_once_everybody_has_left_and_does_not_begin_again_by_itself(world: World) -> None:
    legs = world.in_room(CALLER, AGENT)
    room = room_of(world, legs[0])
    confirmed(record(world, room, "start"))
    move(world, f"{world.room}-other", legs[0])
    assert (room.recording is not None, state(world, room)) == (True, "active"), "one is still there"
    move(world, f"{world.room}-other", legs[1])
    assert (room.recording, state(world, room)) == (None, "inactive")
    move(world, world.room, *legs)
    assert (room.recording, state(world, room)) == (None, "inactive")
    assert record(world, room, "pause").status_code == 409
    confirmed(record(world, room, "start"))
    assert (room.recording is not None, state(world, room)) == (True, "active")


def test_a_session_is_recorded_if_the_conversation_is_in_which_the_user_is(world: World) -> None:
    agent, alice = to(world, {"type": "phone", "number": AGENT}), to(world, {"type": "app", "user": "Alice"})
    for leg in (agent, alice):
        world.known(leg, "answered")
        world.until(partial(world.is_in, leg, world.room))

    def shows(wanted: str) -> None:
        def check() -> bool:
            found = session(world)
            return found is not None and found["recordingState"] == wanted

        world.until(check)

    first = room_of(world, alice)
    for what in ("start", "stop", "start"):
        confirmed(record(world, first, what))
    shows("active")
    move(world, f"{world.room}-other", alice, agent)
    shows("inactive")
    confirmed(record(world, room_of(world, alice), "start"))  # the first of this conversation
    shows("active")
    confirmed(record(world, alice.conversation, "stop"))
    shows("inactive")
