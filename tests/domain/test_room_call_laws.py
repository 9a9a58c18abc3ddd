"""In every order of carrier, parties and workers: a user is called once, and nobody is left alone in the room."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.room_calls import FAILURES, Order, RoomCall, plan, project
from tests.domain.operation_model import Carrier, Workers, assert_nobody_is_left_alone, assert_order_does_not_matter

chances = st.integers(0, 2**64 - 1).map(Random)
CALLER, ROOM = "caller", "call"
TALK = {"action": "talk", "text": "Goodbye."}


def scene(chance: Random, *, unlucky: bool = True) -> Workers:
    """A caller on the way into the room, and what is going to happen."""
    carrier = Carrier(chance, unlucky=unlucky)
    carrier.begin(CALLER, "CON-home")
    caller = carrier.parties[CALLER]
    caller.hears, caller.ncco = "script", [{"action": "conversation", "name": ROOM}]
    carrier.after(chance.uniform(0.1, 12), lambda: None if caller.over else carrier._run(caller))
    does = chance.choice([("answers", 3.0), ("answers", 18.0), ("busy", 2.0), ("rejected", 4.0), ("never", 0.0)])
    carrier.callees.append(does)
    order = Order(
        caller=CALLER,
        connect={"action": "connect", "endpoint": [{"type": "app", "user": "Alice"}], "timeout": 20},
        room=ROOM,
        conversation="CON-home",
        speech=True,
        url="https://example.com/step?state=x",
        leads=chance.choice([[], list(FAILURES), ["busy"]]),
        after=chance.choice([[], [TALK]]),
        sorry=[TALK],
    )
    if chance.random() < 0.3:
        carrier.after(chance.uniform(0, 60), partial(carrier.end, CALLER))
    if chance.random() < 0.3:
        carrier.after(chance.uniform(5, 60), carrier.end_callees)
    return Workers(carrier, project, plan, order._asdict())


def left_alone(workers: Workers) -> list[Any]:
    """Who is in the room, and hears nobody."""
    return [
        party
        for party in workers.carrier.alive()
        if party.hears in ("room", "nothing") and not workers.carrier.company(party.uuid)
    ]


@settings(max_examples=300)
@given(chances)
def test_nobody_is_left_alone_and_it_ends(chance: Random) -> None:
    workers = scene(chance)
    assert_nobody_is_left_alone(workers, left_alone)
    called = [uuid for uuid in workers.carrier.parties if uuid != CALLER]
    assert len(called) <= 1, "the user is called once"


@given(chances)
def test_without_faults_the_two_talk_or_the_caller_goes_on(chance: Random) -> None:
    workers = scene(chance, unlucky=False)
    state: RoomCall = workers.state()
    workers.run(45)
    state = workers.state()
    carrier = workers.carrier
    if carrier.parties[CALLER].over or any(party.over and party.answered for party in carrier.parties.values()):
        return
    assert state.callee is not None
    if carrier.parties[state.callee].answered:
        assert carrier.company(CALLER) == [state.callee]
    else:
        assert state.moved_on
        assert carrier.parties[CALLER].hears == "script"


@given(chances)
def test_neither_order_nor_repeats_of_webhooks_matter(chance: Random) -> None:
    workers = scene(chance)
    workers.run()
    assert_order_does_not_matter(workers)
