"""Whatever the carrier, the parties and the workers do: a conference ends, and nobody is left in silence."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.conferences import Conference, Order, plan, project
from tests.domain.operation_model import Carrier, Workers, legs_of

# One draw for each run: to draw each chance on its own takes seconds a run.
chances = st.integers(0, 2**64 - 1).map(Random)

HOST = "host"
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


def order(participants: list[str], **changes: object) -> dict[str, object]:
    chosen = {
        "host": HOST,
        "participants": participants,
        "room": "adhoc",
        "music_url": "https://example.com/music.mp3",
        "homes": {leg: f"call-{leg}" for leg in participants},
        "discard": {f"{HOST}-{leg}": leg for leg in participants[1:]},
    }
    return Order(**(chosen | changes))._asdict()  # type: ignore[arg-type]


def calls(carrier: Carrier, participants: list[str]) -> None:
    """The host talks to the first participant; each other one talks to a leg of the host's own."""
    carrier.begin(HOST, f"CON-call-{participants[0]}")
    for leg in participants:
        carrier.begin(leg, f"CON-call-{leg}")
    for leg in participants[1:]:
        carrier.begin(f"{HOST}-{leg}", f"CON-call-{leg}")


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


def left_alone(workers: Workers) -> list[str]:
    """Who is alone in silence, and nobody will come."""
    state: Conference = workers.state()
    found = []
    failed = state.finished and state.ending == "failed"
    for party in workers.carrier.alive():
        if workers.carrier.company(party.uuid):
            continue
        others = [leg for leg, member in state.members.items() if member.held != (party.hears == "music")]
        if not state.finished and any(not workers.carrier.parties[leg].over for leg in others):
            continue  # one is on hold, and the other will come back
        if party.uuid in state.detached and not workers.carrier.parties[state.detached[party.uuid]].over:
            continue  # on hold for the host, who is there, or the host in the room of such a one
        if failed or (party.conversation.startswith("CON-call-") and party.uuid not in state.members):
            continue  # nothing has changed for it: the call looks after it
        found.append(f"{party} {state.members} {state.ending}")
    return found


@settings(max_examples=300)
@given(chances)
def test_a_conference_ends_and_nobody_is_left_in_silence(chance: Random) -> None:
    workers = scene(chance)
    carrier = workers.carrier
    workers.run()
    assert left_alone(workers) == []
    for leg in chance.sample(sorted(carrier.parties), len(carrier.parties)):
        carrier.end(leg)
        workers.run()
        assert left_alone(workers) == []
    workers.run_out()
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
    webhooks = workers.carrier.delivered
    for length in range(1, len(workers.log) + 1):
        log, now = workers.log[:length], workers.log[length - 1].at
        usual = plan(project(log, legs_of(webhooks)), now)
        again = [*webhooks, *chance.choices(webhooks, k=3)]
        chance.shuffle(again)
        assert plan(project(log, legs_of(again)), now) == usual
