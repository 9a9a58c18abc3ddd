"""What Alice's app does when it is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.control.world import FAR_ENDS, World
from vonage_simulator.ledger import Leg
from vonage_simulator.scenario import FarEnd


@contextmanager
def alice_does(world: World, far_end: FarEnd) -> Iterator[None]:
    """Let Alice's app do something else than answer at once."""
    world.carrier.callees = {**FAR_ENDS, "Alice": far_end}
    try:
        yield
    finally:
        world.carrier.callees = FAR_ENDS


def ring_alice(world: World, **more: Any) -> Leg:
    """A call to Alice that is not answered."""
    room = {"action": "conversation", "name": world.room}
    made = world.ask("POST", "/calls", {"to": {"type": "app", "user": "Alice"}, "ncco": [room], **more})
    return world.created(made)
