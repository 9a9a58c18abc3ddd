"""The JavaScript client in Node: against a small server that breaks its streams, and against the whole app."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.clients.broken_streams import Breaking, breaking
from tests.control.conftest import world
from tests.control.test_session_verbs import ALICE, SECOND, THIRD, acts, call_of_alice, done, lasting_world
from tests.control.world import AGENT, World
from vonage_simulator.ledger import Leg

__all__ = ["breaking", "lasting_world", "world"]
HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def run(script: str, *arguments: str) -> list[Any]:
    """What a script in Node prints, as JSON."""
    command = ["node", str(HERE / script), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_events_come_once_over_broken_connections(breaking: Breaking) -> None:
    url, seen = breaking
    assert run("follow.mjs", url) == [
        ["incoming", ["one", "447700900123"]],
        ["answered", ["one"]],
        ["refused", [503, "Busy"]],
        ["first end", "one"],
        ["deleted", ["one", "completed", None, 0]],
        ["answered", ["one", "two"]],
        ["deleted", ["two", "rejected", None, 0]],
    ]
    assert seen == [("Bearer token-1", None), ("Bearer token-2", "2"), ("Bearer token-3", "2")]


def is_held(world: World, leg: Leg) -> bool:
    return bool(world.control(leg)["hold"] == "held")


def test_the_examples_of_conferences(world: World) -> None:
    ids = []
    for room, number in (("one", AGENT), ("two", SECOND), ("three", THIRD)):
        customer, _, session = call_of_alice(world, number, room)
        ids.append(session)
        if room != "one":
            done(acts(world, session, "hold"))
            world.until(partial(is_held, world, customer))
    (seen,) = run("confer.mjs", world.base, ALICE, *ids)
    assert seen["error"][:3] == [True, 404, "Unknown session"]
    assert seen["error"][3]
    assert seen | {"error": None} == {
        "held": [False, 404],
        "muted": [True, True],
        "host": [ids[0], True, False],
        "participants": 2,
        "more": 3,
        "added": True,
        "fewer": 2,
        "over": [True, 0],
        "error": None,
    }


def test_an_attended_transfer(world: World) -> None:
    customer, alice, session = call_of_alice(world)
    (seen,) = run("consult.mjs", world.base, ALICE, THIRD, session)
    assert seen["transferred"]
    # Refused as unknown; or before that, as one call in a second, or while another is not connected yet.
    assert (seen["unknown"][0], seen["unknown"][1] in (404, 409, 429)) == (False, True)
    recipient = world.until(lambda: next((leg for leg in world.legs() if leg.to == THIRD and not leg.over), None))
    world.until(lambda: alice.hears(recipient) and not alice.hears(customer))
