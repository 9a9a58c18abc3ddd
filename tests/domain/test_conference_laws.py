"""In every order of carrier, parties and workers: a conference ends, and nobody is left in silence."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.conferences import plan, project
from tests.domain.conference_builders import HOST, calls, left_alone, order
from tests.domain.operation_model import Carrier, Workers, assert_nobody_is_left_alone, assert_order_does_not_matter

# One draw for each run: to draw each chance on its own takes seconds a run.
chances = st.integers(0, 2**64 - 1).map(Random)

ARROWS = {
    ("joining", "joined"),
    ("joining", "leaving"),
    ("joining", "left"),
    ("joined", "leaving"),
    ("joined", "left"),
    ("leaving", "joined"),  # it could not be removed
    ("leaving", "left"),
    ("left", "joining"),
}


def scene(chance: Random) -> Workers:
    """A conference at its beginning, with all that is going to happen to it."""
    carrier = Carrier(chance)
    participants = [f"guest-{number}" for number in range(chance.randrange(1, 5))]
    calls(carrier, participants)
    late = participants.pop() if len(participants) > 1 and chance.random() < 0.3 else None
    created = order(participants, host_leaves=chance.choice(["end", "hand_over"]))
    workers = Workers(carrier, project, plan, created)
    for leg in [HOST, *participants]:
        if chance.random() < 0.3:
            carrier.after(chance.uniform(0, 60), partial(carrier.end, leg))
    if late:
        wanted = {"leg": late, "discard": f"{HOST}-{late}", "home": f"call-{late}"}
        carrier.after(chance.uniform(0, 60), partial(workers.request, "add", **wanted))
    for _ in range(chance.randrange(5)):
        leg = chance.choice([HOST, *participants])
        verb = chance.choice(["remove", "remove", "detach", "hold", "resume", "add", "end"])
        mode = {"mode": "detach"} if verb == "detach" else {}
        name = "remove" if verb == "detach" else verb
        carrier.after(chance.uniform(0, 60), partial(workers.request, name, leg=leg, **mode))
    return workers


@settings(max_examples=200)
@given(chances)
def test_a_conference_ends_and_nobody_is_left_in_silence(chance: Random) -> None:
    workers = scene(chance)
    assert_nobody_is_left_alone(workers, left_alone)
    state = workers.state()
    assert state.finished
    assert state.participants == ()
    names = [happened.name for happened in state.history]
    assert names[0] == "conference_adhoc_created"
    assert names[-1] == "conference_adhoc_deleted"
    assert len([name for name in names if name in (names[0], names[-1])]) == 2
    states = [project(workers.log[:length], {}) for length in range(1, len(workers.log) + 1)]
    for before, after in pairwise(states):
        assert after.history[: len(before.history)] == before.history
        for leg in before.members:
            statuses = (before.members[leg].status, after.members[leg].status)
            assert statuses[0] == statuses[1] or statuses in ARROWS, (leg, statuses)


@given(chances)
def test_who_has_joined_is_in_the_room(chance: Random) -> None:
    """Or was, when a webhook said so: 204 is not enough, unless no webhook comes for five seconds."""
    workers = scene(chance)
    workers.run_out()
    for index, entry in enumerate(workers.log):
        if entry.kind == "decision" and entry.name == "joined" and entry.data["conversation"]:
            assert entry.data["conversation"] == "CON-adhoc", workers.log[: index + 1]


@given(chances)
def test_neither_order_nor_repeats_of_webhooks_matter(chance: Random) -> None:
    workers = scene(chance)
    workers.run()
    assert_order_does_not_matter(workers)
