"""Conferences, one thing at a time: who may join, who is in the room, and who is hung up."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import pytest

from app.domain.conferences import (
    Fault,
    Present,
    allows,
    events_between,
    fault_of_participant,
    first_fault,
    party_of,
    plan,
)
from app.domain.conferences import project as project_conference
from app.domain.legs import Leg
from tests.domain.builders import leg, status
from tests.domain.conference_builders import HOST, calls, left_alone, order
from tests.domain.operation_model import Carrier, Workers

ANNA, BEN, CARA = "anna", "ben", "cara"
CREATED, DELETED = "conference_adhoc_created", "conference_adhoc_deleted"
JOINED, LEFT = "conference_adhoc_participant_joined", "conference_adhoc_participant_left"


def conference(*guests: str, faults: dict[str, str] | None = None, late: str = "", **changes: Any) -> Workers:
    """A conference that begins, of the host and *guests*; *late* is in a call of the host that is no part of it."""
    carrier = Carrier(Random(1), unlucky=False)
    calls(carrier, [*guests, *([late] if late else [])])
    workers = Workers(carrier, project_conference, plan, order(list(guests), **changes), skews=(0, 0))
    workers.faults = faults or {}
    return workers


def running(*guests: str, **changes: Any) -> Workers:
    """A conference that all have joined."""
    workers = conference(*guests, **changes)
    workers.run()
    return workers


def together(workers: Workers, uuid: str = HOST) -> set[str]:
    """Who is in one room with *uuid*, itself included."""
    return {uuid, *workers.carrier.company(uuid)}


def over(workers: Workers) -> set[str]:
    return {party.uuid for party in workers.carrier.parties.values() if party.over}


def events(workers: Workers) -> list[tuple[str, str | None]]:
    """The events and their legs, as the log grew entry by entry."""
    legs = workers.carrier.legs()
    states = [project_conference(workers.log[:length], legs) for length in range(1, len(workers.log) + 1)]
    changes = [(None, states[0]), *pairwise(states)]
    return [(event.name, event.data.get("call_id")) for pair in changes for event in events_between(*pair)]


# -- the sequence of events -------------------------------------------------------------------------------------------


def test_a_host_with_two_calls_makes_a_conference_of_three_that_ends_one_by_one() -> None:
    workers = running(ANNA, BEN)
    assert together(workers) == {HOST, ANNA, BEN}
    assert workers.steps == [f"room_{HOST}", f"room_{ANNA}", f"room_{BEN}", f"hang_up_{HOST}-{BEN}"]
    assert over(workers) == {f"{HOST}-{BEN}"}
    started = events(workers)
    assert started[0] == (CREATED, None)
    assert sorted(started[1:3]) == [(JOINED, ANNA), (JOINED, HOST)]
    assert started[3:] == [(JOINED, BEN)]
    state = workers.state()
    assert (state.host, state.participants, state.finished) == (HOST, (ANNA, BEN), False)
    assert state.started_at is not None
    workers.carrier.end(ANNA)
    workers.run()
    assert together(workers) == {HOST, BEN}
    assert events(workers)[4:] == [(LEFT, ANNA)]
    workers.carrier.end(BEN)
    workers.run()
    assert events(workers)[5:] == [(LEFT, BEN), (LEFT, HOST), (DELETED, None)]
    state = workers.state()
    assert (state.participants, state.finished) == ((), True)
    assert workers.due_at is None


def test_nobody_has_joined_at_204() -> None:
    """Nor at the first webhook, which may be about a conversation on the way."""
    workers = conference(ANNA)
    workers.run(0.1)
    assert workers.steps == [f"room_{HOST}", f"room_{ANNA}"]
    assert {member.status for member in workers.state().members.values()} == {"joining"}
    workers.run(0.3)
    assert {member.status for member in workers.state().members.values()} == {"joined"}
    assert workers.state().conversation == "CON-adhoc"


def test_one_leg_moves_after_the_other() -> None:
    """Two that moved at one moment were a race. RestComm/Restcomm-Connect issue 297"""
    workers = conference(ANNA, BEN)
    workers.drive()
    assert workers.steps == [f"room_{HOST}"]


def test_without_webhooks_a_member_has_joined_after_five_seconds() -> None:
    workers = conference(ANNA)
    workers.carrier._send = lambda *_, **__: None  # type: ignore[method-assign]
    workers.run(4.9)
    assert workers.steps == [f"room_{HOST}"]
    workers.run(5.2)
    assert {member.status for member in workers.state().members.values()} == {"joined"}
    assert workers.state().conversation is None


# -- leaving ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host_leaves", ["end", "hand_over"])
def test_the_host_leaves_and_all_are_hung_up_or_the_next_one_is_the_host(host_leaves: str) -> None:
    """voiceip/tinyphone issues 63, 65"""
    workers = running(ANNA, BEN, host_leaves=host_leaves)
    workers.carrier.end(HOST)
    workers.run()
    if host_leaves == "end":
        assert not workers.carrier.alive()
        assert workers.state().finished
    else:
        assert together(workers, ANNA) == {ANNA, BEN}
        assert (workers.state().host, workers.state().participants) == (ANNA, (BEN,))


def test_removed_is_hung_up() -> None:
    workers = running(ANNA, BEN)
    workers.request("remove", leg=ANNA)
    workers.run()
    assert ANNA in over(workers)
    assert together(workers) == {HOST, BEN}
    before = events(workers)
    assert before[-1] == (LEFT, ANNA)
    workers.request("remove", leg=ANNA)
    workers.run()
    assert events(workers) == before, "once"


def test_the_last_but_one_is_removed_and_the_conference_ends() -> None:
    workers = running(ANNA)
    workers.request("remove", leg=ANNA)
    workers.run()
    assert not workers.carrier.alive()
    assert events(workers)[-3:] == [(LEFT, ANNA), (LEFT, HOST), (DELETED, None)]


def test_two_removals_at_once_and_the_same_one_twice_are_decided_once() -> None:
    """wazo-platform/wazo-calld PR 123"""
    workers = running(ANNA, BEN)
    for guest in (ANNA, BEN, ANNA):
        workers._append("request", "remove", {"leg": guest}, 0)
    workers.run()
    assert not workers.carrier.alive()
    gone = [event for event in events(workers) if event[0] in (LEFT, DELETED)]
    assert sorted(gone[:-1]) == [(LEFT, ANNA), (LEFT, BEN), (LEFT, HOST)]
    assert gone[-1] == (DELETED, None)
    assert len([step for step in workers.steps if step.startswith("hang_up")]) == 4, "three and the host's other leg"


def test_the_host_goes_first_while_another_is_being_removed() -> None:
    workers = running(ANNA, BEN, host_leaves="hand_over")
    workers._append("request", "remove", {"leg": ANNA}, 0)
    workers.carrier.end(HOST)
    workers.run()
    assert not workers.carrier.alive(), "one was left"
    assert events(workers)[-1] == (DELETED, None)


def test_end_hangs_up_everybody() -> None:
    workers = running(ANNA, BEN, CARA)
    workers.request("end")
    workers.run()
    assert not workers.carrier.alive()
    assert events(workers)[-1] == (DELETED, None)
    assert (workers.state().finished, workers.state().participants) == (True, ())


def test_who_is_moved_away_by_somebody_else_has_left() -> None:
    workers = running(ANNA, BEN)
    workers.carrier._move(workers.carrier.parties[ANNA], "CON-elsewhere", "script")
    workers.run()
    assert workers.state().participants == (BEN,)
    assert ANNA not in over(workers)


def test_detached_is_on_hold_in_a_call_of_its_own() -> None:
    workers = running(ANNA, BEN)
    workers.request("remove", leg=ANNA, mode="detach")
    workers.run()
    assert workers.carrier.parties[ANNA].hears == "music"
    assert workers.arguments(f"detach_{ANNA}")["ncco"][1] == {"action": "conversation", "name": f"call-{ANNA}"}
    assert events(workers)[-1] == (LEFT, ANNA)
    workers.carrier.end(BEN)
    workers.run()
    assert HOST not in over(workers), "the host is brought to the one on hold"
    assert workers.carrier.parties[HOST].conversation == f"CON-call-{ANNA}"
    assert workers.state().finished
    workers.carrier.end(HOST)
    workers.run()
    assert not workers.carrier.alive(), "nobody would come back to the one on hold"


@pytest.mark.parametrize("how", ["resumed", "released"])
def test_who_was_detached_and_taken_up_again_is_not_hung_up(how: str) -> None:
    workers = running(ANNA, BEN, CARA)
    workers.request("remove", leg=ANNA, mode="detach")
    workers.run()
    if how == "released":
        workers.request("release", leg=ANNA)
    else:
        for place in ("CON-on-the-way", "CON-else", "CON-where"):
            workers.carrier._move(workers.carrier.parties[ANNA], place, "script")
            workers.run()
    workers.carrier.end(HOST)
    workers.run()
    assert over(workers) >= {HOST, BEN, CARA}
    assert ANNA not in over(workers)


# -- adding, holding --------------------------------------------------------------------------------------------------


def test_added_comes_from_a_call_whose_other_leg_is_hung_up() -> None:
    workers = running(ANNA, late=BEN)
    workers.request("add", leg=BEN, discard=f"{HOST}-{BEN}", home=f"call-{BEN}")
    workers.run()
    assert together(workers) == {HOST, ANNA, BEN}
    assert over(workers) == {f"{HOST}-{BEN}"}


def test_to_add_who_is_there_changes_nothing() -> None:
    """It hung up the host once. wazo-platform/wazo-calld PR 126"""
    workers = running(ANNA)
    before = workers.state().members
    for there in (ANNA, HOST):
        assert not allows(workers.state(), "add", there)
        workers.request("add", leg=there)
    workers.run()
    assert workers.state().members == before
    assert together(workers) == {HOST, ANNA}


def test_who_is_on_hold_hears_music_and_the_others_go_on() -> None:
    workers = running(ANNA, BEN, muted=[HOST])
    workers.request("hold", leg=HOST)
    workers.run()
    assert workers.carrier.parties[HOST].hears == "music"
    assert together(workers, ANNA) == {ANNA, BEN}
    workers.request("resume", leg=HOST)
    workers.run()
    assert together(workers) == {HOST, ANNA, BEN}
    assert workers.carrier.parties[HOST].muted


def test_not_everybody_can_be_on_hold() -> None:
    workers = running(ANNA, BEN)
    for held in (ANNA, HOST):
        workers.request("hold", leg=held)
    workers.run()
    assert not allows(workers.state(), "hold", BEN)
    workers.carrier.end(BEN)
    workers.run()
    assert workers.carrier.parties[HOST].hears == "room", "the host comes back"


def test_mute_and_earmuff_are_given_again() -> None:
    workers = running(ANNA, muted=[ANNA], earmuffed=[HOST])
    assert [workers.carrier.parties[uuid].muted for uuid in (HOST, ANNA)] == [False, True]
    assert [workers.carrier.parties[uuid].earmuffed for uuid in (HOST, ANNA)] == [True, False]


def test_what_cannot_be_wanted() -> None:
    workers = running(ANNA)
    state = workers.state()
    assert allows(state, "end")
    assert not allows(state, "remove", HOST), "the host ends it"
    assert not allows(state, "remove", BEN)
    assert not allows(state, "resume", ANNA)
    workers.request("end")
    workers.run()
    assert not any(allows(workers.state(), name, CARA) for name in ("add", "end", "remove", "hold"))


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_host_that_cannot_be_moved_leaves_all_as_it_was() -> None:
    workers = running(ANNA, BEN, faults={f"room_{HOST}": "refused"})
    assert over(workers) == set()
    assert together(workers) == {HOST, ANNA}
    assert workers.state().finished
    assert events(workers) == [(CREATED, None), (DELETED, None)]


def test_a_participant_that_cannot_be_moved_is_not_left_alone() -> None:
    workers = running(ANNA, BEN, faults={f"room_{BEN}": "refused"})
    assert over(workers) == {BEN, f"{HOST}-{BEN}"}
    assert together(workers) == {HOST, ANNA}
    assert (JOINED, BEN) not in events(workers)
    assert (LEFT, BEN) not in events(workers)


def test_who_cannot_be_detached_stays() -> None:
    workers = running(ANNA, BEN, faults={f"detach_{ANNA}": "refused"})
    workers.request("remove", leg=ANNA, mode="detach")
    workers.run()
    assert together(workers) == {HOST, ANNA, BEN}
    assert workers.state().participants == (ANNA, BEN)
    assert allows(workers.state(), "remove", ANNA)


STEPS = [f"room_{HOST}", f"room_{ANNA}", f"room_{BEN}", f"hang_up_{HOST}-{BEN}", f"detach_{ANNA}", f"return_{HOST}"]


@pytest.mark.parametrize("fault", ["refused", "failed", "unknown", "unknown, but done", "gone"])
@pytest.mark.parametrize("step", STEPS)
def test_every_step_may_fail_and_nobody_is_left_alone(step: str, fault: str) -> None:
    """Once, or whenever it is tried."""
    for faults in ({step: fault}, {f"{step}{number}": fault for number in ("", "_2")}):
        workers = running(ANNA, BEN, faults=faults)
        assert left_alone(workers) == []
        for wanted in ({"leg": ANNA, "mode": "detach"}, {"leg": BEN}):
            workers.request("remove", **wanted)
            workers.run()
            assert left_alone(workers) == []
        workers.carrier.end(HOST)
        workers.run()
        assert left_alone(workers) == []
        assert workers.state().finished


def test_a_worker_that_is_killed_after_any_entry_changes_nothing_but_the_time() -> None:
    def whole(killed_at: int) -> Workers:
        workers = conference(ANNA, BEN)
        workers.killed_at = killed_at
        workers.carrier.after(200, lambda: workers.request("remove", leg=BEN))
        workers.run()
        return workers

    usual = whole(-1)
    for killed_at in range(1, len(usual.log) + 1):
        workers = whole(killed_at)
        assert left_alone(workers) == []
        assert sorted(events(workers), key=str) == sorted(events(usual), key=str)
        assert over(workers) == over(usual)


# -- who may join -----------------------------------------------------------------------------------------------------


def present(**changes: Any) -> Present:
    """The host talks to Anna, and with another leg to Ben."""
    known: dict[str, Leg] = {
        uuid: leg(status("answered", uuid=uuid), uuid=uuid) for uuid in (HOST, f"{HOST}-{BEN}", ANNA, BEN, CARA)
    }
    talking = {HOST: {ANNA}, ANNA: {HOST}, f"{HOST}-{BEN}": {BEN}, BEN: {f"{HOST}-{BEN}"}, CARA: {"somebody"}}
    usual: dict[str, Any] = {"legs": known, "talking_to": talking, "owned": {HOST, f"{HOST}-{BEN}"}}
    return Present(**(usual | changes))


def test_two_calls_of_one_user_may_become_a_conference() -> None:
    assert first_fault(HOST, [ANNA, BEN], present()) is None
    assert first_fault(HOST, [BEN], present()) is None, "who talks to the host comes along, named or not"
    assert first_fault(HOST, [ANNA, BEN], present(owned=None)) is None


@pytest.mark.parametrize(
    ("host", "participants", "changes", "fault"),
    [
        (HOST, [], {}, Fault("invalid-data")),
        (HOST, [ANNA, ANNA], {}, Fault("invalid-data")),
        (HOST, [HOST], {}, Fault("invalid-data")),
        ("unknown", [ANNA], {}, Fault("host-call-not-found", "unknown")),
        (HOST, [ANNA], {"owned": {f"{HOST}-{BEN}"}}, Fault("host-call-not-found", HOST)),
        (HOST, [BEN], {"talking_to": {BEN: {f"{HOST}-{BEN}"}}}, Fault("host-call-creation-error", HOST)),
        (HOST, [ANNA], {"talking_to": {HOST: {ANNA, BEN}}}, Fault("host-already-in-conference", HOST)),
        (HOST, [ANNA], {"taken": {HOST}}, Fault("host-already-in-conference", HOST)),
        (HOST, [ANNA, "unknown"], {}, Fault("participant-call-not-found", "unknown")),
        (HOST, [ANNA, CARA], {}, Fault("participant-call-not-found", CARA)),
        (HOST, [ANNA, BEN], {"talking_to": {HOST: {ANNA}, ANNA: {HOST}}}, Fault("participant-call-not-found", BEN)),
        (HOST, [ANNA, BEN], {"taken": {BEN}}, Fault("participant-already-in-conference", BEN)),
    ],
)
def test_the_first_fault_is_named_before_anything_moves(
    host: str, participants: list[str], changes: dict[str, Any], fault: Fault
) -> None:
    assert first_fault(host, participants, present(**changes)) == fault


def test_a_participant_that_is_over_or_still_rings_cannot_be_moved() -> None:
    for uuid, name in ((ANNA, "completed"), (ANNA, "ringing")):
        known = {**present().legs, uuid: leg(status(name, uuid=uuid), uuid=uuid)}
        assert fault_of_participant(uuid, present(legs=known)) == Fault("participant-call-not-found", uuid)


@pytest.mark.parametrize("participants", [[BEN], [ANNA, BEN], [BEN, ANNA]])
def test_who_talks_to_the_host_comes_along_and_the_hosts_other_legs_are_hung_up(participants: list[str]) -> None:
    assert party_of(HOST, participants, present()) == ((ANNA, BEN), {f"{HOST}-{BEN}": BEN})
