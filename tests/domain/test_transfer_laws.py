"""In every order of carrier, parties and workers: a transfer ends, and nobody is left in silence."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.transfers import plan, project
from tests.domain.operation_model import SKEWS, Carrier, Workers, assert_order_does_not_matter
from tests.domain.transfer_builders import RING_SECONDS, A, L, left_alone, order

ARROWS = {
    ("starting", "ringback"),
    ("starting", "cancelled"),
    ("starting", "abandoned"),
    ("ringback", "answered"),
    ("ringback", "blind_transferred"),
    ("ringback", "cancelled"),
    ("ringback", "abandoned"),
    ("answered", "completed"),
    ("answered", "cancelled"),
    ("answered", "abandoned"),
    ("answered", "ended"),
    ("blind_transferred", "completed"),
    ("blind_transferred", "cancelled"),
    ("blind_transferred", "abandoned"),
    ("completed", "ended"),
    ("cancelled", "ended"),
    ("abandoned", "ended"),
}
# One draw for each run: to draw each chance on its own takes seconds a run.
chances = st.integers(0, 2**64 - 1).map(Random)


def scene(chance: Random) -> Workers:
    """A transfer at its beginning, with all that is going to happen to it."""
    carrier = Carrier(chance)
    form = chance.choice(["room", "room", "room", "pair"])
    flow = chance.choice(["attended", "attended", "blind"]) if form == "room" else "blind"
    created = order(form=form, flow=flow, fallback=chance.choice(["room", "voicemail", "sentence"]))
    for uuid in (A, L):
        carrier.begin(uuid, "CON-home")
    if form == "pair":
        carrier.pairs.add("CON-home")
    does = chance.choice(["answers", "answers", "answers", "busy", "rejected", "never"])
    carrier.callees = [(does, chance.uniform(0.5, 40))] * 2
    for uuid in (A, L):
        if chance.random() < 0.3:
            carrier.after(chance.uniform(0, 60), partial(carrier.end, uuid))
    if chance.random() < 0.3:
        carrier.after(chance.uniform(5, 90), carrier.end_callees)
    workers = Workers(carrier, project, plan, created)
    for _ in range(chance.randrange(4)):
        verb = chance.choice(["complete", "cancel", "swap", "merge"])
        carrier.after(chance.uniform(0, 60), partial(workers.request, verb))
    return workers


@settings(max_examples=200)
@given(chances)
def test_a_transfer_ends_and_nobody_is_left_in_silence(chance: Random) -> None:
    workers = scene(chance)
    carrier = workers.carrier
    workers.run()
    assert left_alone(workers) == []
    carrier.end(A)  # as if complete
    workers.run()
    assert left_alone(workers) == []
    state = workers.state()
    assert state.status in ("ended", "answered") if state.conference else state.status == "ended"
    for party in carrier.alive():
        carrier.end(party.uuid)
        workers.run()
        assert left_alone(workers) == []
    workers.run_out()
    state = workers.state()
    assert state.status == "ended"
    for states in workers.states:
        assert all(arrow in ARROWS for arrow in pairwise(states.history))
    for before, after in pairwise(workers.states):
        assert after.history[: len(before.history)] == before.history


@settings(max_examples=200)
@given(chances)
def test_a_recipient_rings_as_long_as_it_may(chance: Random) -> None:
    """Clocks 30 seconds apart do not make a time limit come before Vonage's own."""
    workers = scene(chance)
    workers.run_out()
    called = [entry for entry in workers.log if entry.kind == "result" and entry.name.startswith(("call_", "connect_"))]
    for timeout in [entry for entry in workers.log if entry.kind == "timeout" and entry.name == "ring"]:
        since = next(entry for entry in called if entry.data["result"] in ("done", "unknown"))
        apart = timedelta(seconds=SKEWS[1] - SKEWS[0])
        assert timeout.at - since.at >= timedelta(seconds=RING_SECONDS) + apart


@given(chances)
def test_neither_order_nor_repeats_of_webhooks_matter(chance: Random) -> None:
    workers = scene(chance)
    workers.run()
    assert_order_does_not_matter(workers)
