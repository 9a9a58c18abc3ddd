"""Sessions of users whose calls are acted on."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.control.world import AGENT, RINGS, World
from vonage_simulator.ledger import Leg


def session(world: World, user: str = "Alice") -> Any:
    """The only live session of *user*; None without one."""
    found = world.ask("GET", f"/users/{user}/sessions").json["items"]
    assert len(found) <= 1
    return found[0] if found else None


def to(world: World, endpoint: dict[str, str]) -> Leg:
    """A call that is placed to somebody, who comes into the room of the test."""
    script = [{"action": "conversation", "name": world.room}]
    return world.created(world.ask("POST", "/calls", {"to": endpoint, "ncco": script}))


def test_a_call_that_is_placed_to_a_user_rings_at_the_user(world: World) -> None:
    leg = to(world, {"type": "app", "user": RINGS})
    world.until(lambda: session(world, RINGS))
    found = session(world, RINGS)
    assert (found["ringing"], found["isCaller"], found["leg"]) == (True, False, leg.uuid)


def test_what_is_done_to_a_users_call_is_seen_in_the_session(world: World) -> None:
    agent, alice = to(world, {"type": "phone", "number": AGENT}), to(world, {"type": "app", "user": "Alice"})
    for leg in (agent, alice):
        world.known(leg, "answered")
        world.until(partial(world.is_in, leg, world.room))

    def shows(**fields: Any) -> Any:
        def check() -> bool:
            found = session(world)
            return found is not None and all(found[name] == value for name, value in fields.items())

        return world.until(check)

    shows(answered=True, muted=False, paused=False, recordingState="inactive")
    world.act(alice, "mute")
    shows(muted=True)
    world.act(alice, "unmute")
    shows(muted=False)
    world.act(agent, "hold")
    shows(paused=True)
    world.act(agent, "resume")
    shows(paused=False)
    world.act(alice, "hangup")
    world.until(lambda: session(world) is None)
