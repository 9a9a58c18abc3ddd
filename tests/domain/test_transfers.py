"""Transfers, one thing at a time: what each party hears, who is hung up, and what happens instead."""

from __future__ import annotations

from functools import partial
from itertools import pairwise, product
from random import Random
from typing import Any

import pytest

from app.domain.transfers import Transfer, allows, events_between, plan, project
from tests.domain.operation_model import Carrier, Workers
from tests.domain.transfer_builders import RING_SECONDS, A, L, left_alone, order

N = "callee-2"


def transfer(
    does: str = "answers", after: float = 3.0, faults: dict[str, str] | None = None, **changes: Any
) -> Workers:
    """A transfer that begins; the recipient *does* that so many seconds after it was called. *faults* of steps."""
    carrier = Carrier(Random(1), unlucky=False)
    for uuid in (A, L):
        carrier.begin(uuid, "CON-home")
    carrier.callees = [(does, after)] * 2
    workers = Workers(carrier, project, plan, order(**changes), skews=(0, 0))
    workers.faults = faults or {}
    return workers


def ringing(**changes: Any) -> Workers:
    """A transfer whose recipient rings, for 20 seconds."""
    workers = transfer(after=20, **changes)
    workers.run(5)
    return workers


def answered(**changes: Any) -> Workers:
    """A transfer whose recipient has answered."""
    workers = transfer(**changes)
    workers.run()
    return workers


def status(workers: Workers) -> str:
    return str(workers.state().status)


def history(workers: Workers) -> tuple[str, ...]:
    state: Transfer = workers.state()
    return state.history


def hears(workers: Workers, uuid: str) -> str:
    """What *uuid* hears: who is in its room, else music, ringing or a script; "" where it is over."""
    party = workers.carrier.parties[uuid]
    if party.over:
        return ""
    return "ringing" if party.played else " ".join(workers.carrier.company(uuid)) or party.hears


def events(workers: Workers) -> list[str]:
    """The names of the events, as the log grew entry by entry."""
    legs = workers.carrier.legs()
    states = [project(workers.log[:length], legs) for length in range(1, len(workers.log) + 1)]
    changes = [(None, states[0]), *pairwise(states)]
    return [event.name for before, after in changes for event in events_between(before, after)]


# -- the rows of the table of states ----------------------------------------------------------------------------------


def test_a_transfer_is_starting_until_webhooks_say_that_both_have_moved() -> None:
    """One leg after the other: two that move at one moment were a race. RestComm/Restcomm-Connect issue 297"""
    workers = transfer()
    workers.drive()
    assert workers.steps == ["hold_transferred"]
    assert status(workers) == "starting"
    workers.run(0.1)
    assert workers.steps == ["hold_transferred", "consult_initiator"]
    assert status(workers) == "starting"
    workers.run(0.3)
    assert status(workers) == "ringback"


def test_while_the_recipient_rings_one_hears_music_and_the_other_ringing() -> None:
    workers = ringing()
    assert status(workers) == "ringback"
    assert (hears(workers, L), hears(workers, A)) == ("music", "ringing")
    state = workers.state()
    assert (state.recipient, state.pending) == (N, None)


def test_the_recipient_answers_and_talks_to_the_initiator() -> None:
    workers = answered()
    assert (hears(workers, L), hears(workers, A), hears(workers, N)) == ("music", N, A)
    assert events(workers) == ["transfer_created", "transfer_answered"]


@pytest.mark.parametrize("how", ["complete", "hangs up"])
def test_complete_joins_the_two_and_the_initiator_leaves(how: str) -> None:
    workers = answered()
    if how == "complete":
        workers.request("complete")
        assert status(workers) == "answered", "until the transferred leg is there"
    else:
        workers.carrier.end(A)
    workers.run()
    assert history(workers) == ("starting", "ringback", "answered", "completed", "ended")
    assert (hears(workers, L), hears(workers, A), hears(workers, N)) == (N, "", L)
    assert events(workers)[2:] == ["transfer_completed", "transfer_ended"]


@pytest.mark.parametrize("how", ["complete", "hangs up"])
def test_to_leave_while_the_recipient_rings_makes_it_a_blind_transfer(how: str) -> None:
    """The call goes on. trogers-twilio/plugin-external-conference-warm-transfer PR 1"""
    workers = ringing()
    workers.request("complete") if how == "complete" else workers.carrier.end(A)
    workers.run(5)
    assert status(workers) == "blind_transferred"
    assert (hears(workers, L), hears(workers, A)) == ("ringing", "")
    workers.run()
    assert history(workers) == ("starting", "ringback", "blind_transferred", "completed", "ended")
    assert (hears(workers, L), hears(workers, N)) == (N, L)


def test_complete_before_the_recipient_rings_waits_for_that() -> None:
    workers = transfer(after=20)
    workers.request("complete")
    workers.run(5)
    assert history(workers) == ("starting", "ringback", "blind_transferred")


@pytest.mark.parametrize("when", ["starting", "ringing", "answered"])
def test_cancel_brings_the_two_back_together(when: str) -> None:
    workers = {"starting": transfer, "ringing": ringing, "answered": answered}[when]()
    workers.request("cancel")
    workers.run()
    assert history(workers)[-2:] == ("cancelled", "ended")
    assert (hears(workers, L), hears(workers, A)) == (A, L)
    assert N not in workers.carrier.parties or hears(workers, N) == ""
    assert events(workers)[-2:] == ["transfer_cancelled", "transfer_ended"]


def test_the_recipient_is_hung_up_before_the_others_come_back() -> None:
    workers = answered()
    workers.request("cancel")
    workers.run()
    assert workers.steps[-3:] == ["hang_up_recipient", "home_initiator", "home_transferred"]


@pytest.mark.parametrize("when", ["before", "on the way"])
def test_nobody_is_brought_back_to_an_initiator_who_has_gone(when: str) -> None:
    workers = answered()
    if when == "before":
        workers._append("request", "cancel", {}, 0)
    else:
        workers.request("cancel")
    workers.carrier.end(A)
    workers.run(1)
    assert hears(workers, L) == "script"


@pytest.mark.parametrize("does", ["busy", "rejected", "failed", "unanswered", "never"])
def test_a_recipient_who_is_not_reached_cancels(does: str) -> None:
    workers = transfer(does)
    workers.run()
    assert history(workers) == ("starting", "ringback", "cancelled", "ended")
    assert (hears(workers, L), hears(workers, A)) == (A, L)
    assert "ring" not in [entry.name for entry in workers.log], "Vonage's own time limit was the first"


def test_a_recipient_who_hangs_up_cancels() -> None:
    workers = answered()
    workers.carrier.end(N)
    workers.run()
    assert history(workers)[-3:] == ("answered", "cancelled", "ended")
    assert (hears(workers, L), hears(workers, A)) == (A, L)


def test_a_transferred_leg_that_hangs_up_abandons_and_the_others_go_on() -> None:
    for workers in (ringing(), answered()):
        workers.carrier.end(L)
        workers.run()
        assert history(workers)[-2:] == ("abandoned", "ended")
        assert (hears(workers, A), hears(workers, N)) == (N, A)
        workers.carrier.end(A)
        workers.run()
        assert hears(workers, N) == "", "who is left alone is hung up"


def test_a_transferred_leg_that_hangs_up_while_it_hears_ringing_stops_the_call() -> None:
    for workers in (ringing(), ringing(flow="blind", fallback="room")):
        workers.request("complete")
        workers.run(2)
        assert status(workers) == "blind_transferred"
        workers.carrier.end(L)
        workers.run()
        assert history(workers)[-2:] == ("abandoned", "ended")
        assert all(party.over for party in workers.carrier.parties.values())


def test_an_abandoned_initiator_whose_recipient_does_not_answer_is_hung_up() -> None:
    workers = transfer("busy", 20)
    workers.run(5)
    workers.carrier.end(L)
    workers.run()
    assert hears(workers, A) == ""


def test_a_leg_that_hangs_up_before_anybody_is_called_ends_it() -> None:
    workers = transfer()
    workers.carrier.end(L)
    workers.run()
    assert history(workers) == ("starting", "abandoned", "ended")
    assert "call_recipient" not in workers.steps
    assert hears(workers, A) == ""


# -- after the end ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [L, N])
def test_after_a_transfer_who_is_left_alone_is_hung_up(first: str) -> None:
    """Vonage does not do it in a room. Nexmo/comms-router issue 30, dograh-hq/dograh PR 274"""
    workers = answered()
    workers.request("complete")
    workers.run()
    assert workers.due_at is not None, "it watches"
    workers.carrier.end(first)
    workers.run()
    assert not workers.carrier.alive()
    assert workers.due_at is None


@pytest.mark.parametrize("how", ["moved", "released"])
def test_who_was_taken_away_is_not_hung_up(how: str) -> None:
    workers = answered()
    workers.request("complete")
    workers.run()
    if how == "released":
        workers.request("release")
    else:
        workers.carrier._move(workers.carrier.parties[L], "CON-elsewhere", "script")
    workers.run()
    workers.carrier.end(N)
    workers.run()
    assert hears(workers, L) != ""


# -- blind ------------------------------------------------------------------------------------------------------------


def test_a_blind_transfer_is_one_that_is_complete_from_the_start() -> None:
    workers = ringing(flow="blind", fallback="voicemail")
    assert status(workers) == "blind_transferred"
    assert (hears(workers, L), hears(workers, A)) == ("ringing", "")
    workers.run()
    assert history(workers) == ("starting", "ringback", "blind_transferred", "completed", "ended")
    assert (hears(workers, L), hears(workers, N)) == (N, L)
    assert events(workers) == ["transfer_created", "transfer_completed", "transfer_ended"]


@pytest.mark.parametrize(("does", "seconds"), [("busy", 4), ("never", RING_SECONDS)])
@pytest.mark.parametrize("fallback", ["voicemail", "sentence"])
def test_a_blind_transfer_that_fails_goes_to_voicemail_or_a_sentence(does: str, seconds: int, fallback: str) -> None:
    ncco = [{"action": "talk", "text": fallback}]
    workers = transfer(does, flow="blind", fallback=fallback, fallback_ncco=ncco)
    workers.run(seconds + 2)
    assert history(workers)[-2:] == ("cancelled", "ended")
    assert workers.arguments("fallback_transferred") == {"ncco": ncco}
    assert (hears(workers, L), hears(workers, A)) == ("script", "")


def test_a_blind_transfer_that_fails_goes_back_to_an_initiator_who_is_there() -> None:
    workers = transfer("busy", 10, flow="blind", fallback="room")
    workers.run(5)
    assert hears(workers, A) == "room", "and waits"
    workers.run()
    assert (hears(workers, L), hears(workers, A)) == (A, L)


def test_a_blind_transfer_that_fails_goes_to_its_fallback_if_nobody_is_there() -> None:
    workers = transfer("busy", 10, flow="blind", fallback="room")
    workers.run(5)
    workers.carrier.end(A)
    workers.run(7)
    assert hears(workers, L) == "script"


def test_an_initiator_who_waits_for_a_blind_transfer_is_hung_up_when_it_is_answered() -> None:
    workers = transfer(flow="blind", fallback="room")
    workers.run()
    assert (hears(workers, L), hears(workers, A)) == (N, "")


def pair(does: str = "answers") -> Workers:
    workers = transfer(does, flow="blind", form="pair", fallback="sentence")
    workers.carrier.pairs.add("CON-home")
    return workers


def test_in_a_pair_the_transferred_leg_calls_itself() -> None:
    workers = pair()
    workers.run()
    (connect,) = workers.arguments("connect_transferred")["ncco"]
    assert connect["endpoint"] == [{"type": "phone", "number": "447700900123"}]
    assert (connect["eventType"], connect["timeout"]) == ("synchronous", RING_SECONDS)
    assert history(workers) == ("starting", "ringback", "blind_transferred", "completed", "ended")
    assert (hears(workers, L), hears(workers, A)) == (N, "")
    assert workers.state().recipient == N


def test_in_a_pair_the_reply_to_vonage_is_the_fallback() -> None:
    workers = pair("busy")
    workers.run(5)
    assert history(workers)[-2:] == ("cancelled", "ended")
    assert hears(workers, L) == "script"
    assert "fallback_transferred" not in workers.steps


def test_in_a_pair_nothing_but_cancel_can_be_wanted() -> None:
    assert [request for request in ("complete", "cancel", "swap", "merge") if allows(pair().state(), request)] == [
        "cancel"
    ]


# -- swap and merge ---------------------------------------------------------------------------------------------------


def test_swap_lets_the_initiator_talk_to_the_other_one() -> None:
    workers = answered()
    workers.request("swap")
    workers.run()
    assert (hears(workers, L), hears(workers, A), hears(workers, N)) == (A, L, "music")
    workers.request("swap")
    workers.run()
    assert (hears(workers, L), hears(workers, A), hears(workers, N)) == ("music", N, A)
    assert workers.steps[-4:] == ["hold_recipient", "consult_transferred", "hold_transferred_2", "consult_recipient"]


@pytest.mark.parametrize(("request_", "together"), [("complete", {L, N}), ("cancel", {L, A})])
def test_a_swapped_transfer_is_completed_and_cancelled_as_any(request_: str, together: set[str]) -> None:
    workers = answered()
    workers.request("swap")
    workers.run()
    workers.request(request_)
    workers.run()
    assert {party.uuid for party in workers.carrier.alive()} == together
    assert left_alone(workers) == []


def test_to_cancel_after_a_swap_waits_for_nobody() -> None:
    """The initiator goes back to the room first; that the other one had come to it is not forgotten then."""
    workers = answered()
    workers.request("swap")
    workers.run()
    workers.request("cancel")
    workers.run()
    assert [entry.name for entry in workers.log if entry.kind == "timeout"] == []
    assert (hears(workers, L), hears(workers, A)) == (A, L)


@pytest.mark.parametrize(("request_", "together"), [("complete", {L, N}), ("cancel", {L, A})])
def test_a_swap_need_not_be_over_for_that(request_: str, together: set[str]) -> None:
    workers = answered()
    workers.request("swap")
    workers.request(request_)
    workers.run()
    assert {party.uuid for party in workers.carrier.alive()} == together
    assert left_alone(workers) == []


@pytest.mark.parametrize("step", ["hold_recipient", "consult_transferred"])
def test_a_swap_that_fails_leaves_all_as_it_was(step: str) -> None:
    """The two who are not to hear each other are never together."""
    workers = answered()
    workers.faults[step] = "refused"
    workers.request("swap")
    workers.run()
    assert (hears(workers, L), hears(workers, A), hears(workers, N)) == ("music", N, A)
    assert status(workers) == "answered"
    assert allows(workers.state(), "swap")


def test_merge_becomes_a_conference() -> None:
    workers = answered(muted=[A], earmuffed=[L])
    workers.request("merge")
    workers.run()
    wanted = {"host": A, "participants": [L, N], "muted": [A], "earmuffed": [L]}
    assert workers.arguments("begin_conference") == wanted
    assert workers.state().conference == "conference"
    assert history(workers) == ("starting", "ringback", "answered", "ended")
    assert workers.due_at is None


def test_a_merge_that_fails_leaves_all_as_it_was() -> None:
    workers = answered()
    workers.faults["begin_conference"] = "refused"
    workers.request("merge")
    workers.run()
    assert (status(workers), hears(workers, A)) == ("answered", N)


# -- mute -------------------------------------------------------------------------------------------------------------


def test_mute_and_earmuff_are_given_again_with_each_move() -> None:
    """A leg enters a room anew. wazo-platform/wazo-js-sdk PR 737"""
    workers = transfer(after=20, muted=[A, L], earmuffed=[A])
    workers.run(5)
    assert (workers.carrier.parties[A].muted, workers.carrier.parties[A].earmuffed) == (True, True)
    workers.request("cancel")
    workers.run()
    assert [workers.carrier.parties[leg].muted for leg in (A, L)] == [True, True]
    assert [workers.carrier.parties[leg].earmuffed for leg in (A, L)] == [True, False]


def test_who_is_unmuted_meanwhile_stays_so() -> None:
    workers = transfer(after=20, muted=[A])
    workers.run(5)
    workers.request("unmuted", leg=A)
    workers.request("muted", leg=L)
    workers.request("cancel")
    workers.run()
    assert [workers.carrier.parties[leg].muted for leg in (A, L)] == [False, True]


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_move_without_a_webhook_counts_after_five_seconds() -> None:
    workers = transfer()
    workers.carrier._send = lambda *_, **__: None  # type: ignore[method-assign]
    workers.run(4.9)
    assert workers.steps == ["hold_transferred"]
    workers.run(0.2)
    assert workers.steps == ["hold_transferred", "consult_initiator"]


def test_a_recipient_of_whom_nothing_is_known_is_given_up_a_little_after_vonage_would_have() -> None:
    workers = ringing()
    workers.carrier._send = lambda *_, **__: None  # type: ignore[method-assign]
    workers.run(RING_SECONDS + 25)
    assert status(workers) == "ringback"
    workers.run()
    assert history(workers)[-2:] == ("cancelled", "ended")
    assert (hears(workers, L), hears(workers, A)) == (A, L)


STEPS = [
    "hold_transferred",
    "consult_initiator",
    "call_recipient",
    "ring_initiator",
    "stop_ringing_initiator",
    "consult_transferred",
    "hang_up_initiator",
    "home_initiator",
    "home_transferred",
    "hang_up_recipient",
    "ring_transferred",
    "fallback_transferred",
]


FAULTS = ("refused", "failed", "unknown", "unknown, but done")


@pytest.mark.parametrize(
    ("step", "fault"),
    [*product(STEPS, FAULTS), *((step, "gone") for step in STEPS if step != "call_recipient")],
)
def test_every_step_may_fail_and_nobody_is_left_alone(step: str, fault: str) -> None:
    """Once, or whenever it is tried; whatever the initiator wants."""
    reached = False
    for faults in ({step: fault}, {f"{step}{number}": fault for number in ("", "_2")}):
        for wanted in ("complete", "cancel", "hang up"):
            for made in (answered, ringing, partial(transfer, "busy", 5, flow="blind", fallback="sentence")):
                workers = made(faults=faults)
                workers.carrier.end(A) if wanted == "hang up" else workers.request(wanted)
                workers.run()
                assert left_alone(workers) == []
                workers.carrier.end(A)
                workers.run()
                assert left_alone(workers) == []
                assert status(workers) == "ended"
                reached |= step in workers.steps
    assert reached


def test_a_request_that_failed_is_made_once_again() -> None:
    workers = transfer()
    workers.faults["hold_transferred"] = "failed"
    workers.run()
    assert workers.steps[:2] == ["hold_transferred", "hold_transferred_2"]
    assert status(workers) == "answered"


def test_a_call_of_which_nobody_knows_is_not_made_again() -> None:
    """It would ring twice. Who comes into the room is the recipient."""
    workers = transfer()
    workers.faults["call_recipient"] = "unknown, but done"
    workers.run()
    assert [step for step in workers.steps if step.startswith("call_")] == ["call_recipient"]
    assert (status(workers), workers.state().recipient) == ("answered", N)


def test_a_leg_that_is_too_new_to_be_hung_up_is_hung_up_a_moment_later() -> None:
    workers = transfer(after=20)
    workers.run(0.4)
    assert status(workers) == "ringback"
    workers.request("cancel")
    workers.run()
    assert "hang_up_recipient_2" in workers.steps
    assert hears(workers, N) == ""


@pytest.mark.parametrize("request_", ["complete", "cancel"])
def test_a_worker_that_is_killed_after_any_entry_changes_nothing_but_the_time(request_: str) -> None:
    def whole(killed_at: int) -> Workers:
        workers = transfer()
        workers.killed_at = killed_at
        workers.carrier.after(60, lambda: workers.request(request_))
        workers.run()
        return workers

    usual = whole(-1)
    for killed_at in range(1, len(usual.log) + 1):
        workers = whole(killed_at)
        assert history(workers) == history(usual)
        assert left_alone(workers) == []
        assert [hears(workers, leg) for leg in (A, L, N)] == [hears(usual, leg) for leg in (A, L, N)]
        done = [entry.name for entry in workers.log if entry.kind == "result" and entry.data["result"] == "done"]
        assert len({name.split("_2")[0] for name in done}) == len(done), "nothing is done twice"


# -- decided once -----------------------------------------------------------------------------------------------------


def test_complete_and_cancel_at_once_are_decided_once() -> None:
    workers = answered()
    workers._append("request", "complete", {}, 0)
    workers._append("request", "cancel", {}, 1)
    workers.run()
    assert history(workers)[-2:] == ("completed", "ended")


def test_webhooks_that_come_after_a_decision_do_not_change_it() -> None:
    workers = answered()
    workers.request("cancel")
    workers.carrier.end(A)
    workers.carrier.end(L)
    workers.run()
    assert history(workers)[-2:] == ("cancelled", "ended")


def test_what_cannot_be_wanted_changes_nothing() -> None:
    workers = ringing()
    assert [name for name in ("complete", "cancel", "swap", "merge") if allows(workers.state(), name)] == [
        "complete",
        "cancel",
    ]
    workers.request("swap")
    assert not workers.state().swapped
    workers.request("complete")
    assert not allows(workers.state(), "complete")
    assert not allows(workers.state(), "cancel")
