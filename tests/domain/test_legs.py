"""The projection of a leg: field by field what its values mean."""

from itertools import permutations
from typing import Any

import pytest

from tests.domain.builders import BASE, HERE, THERE, about, answer, at, leg, status, transfer
from tests.generated import FAILURES, iso


@pytest.mark.parametrize(
    ("seen", "state", "shown", "outcome"),
    [
        (["started"], "started", "started", None),
        (["ringing"], "ringing", "ringing", None),
        (["started", "ringing"], "ringing", "ringing", None),
        (["started", "ringing", "answered"], "answered", "answered", None),
        (["started", "human"], "answered", "started", None),
        (["ringing", "machine"], "answered", "ringing", None),
        (["disconnected"], "answered", "disconnected", None),
        (["held"], "started", "held", None),
        (["held", "ringing"], "ringing", "ringing", None),
        (["completed"], "completed", "completed", "unanswered"),
        (["complete"], "completed", "completed", "unanswered"),
        (["COMPLETED"], "completed", "completed", "unanswered"),
        (["started", "ringing", "completed"], "completed", "completed", "unanswered"),
        (["started", "answered", "completed"], "completed", "completed", "answered"),
        (["machine", "completed"], "completed", "completed", "answered"),
        (["disconnected", "completed"], "completed", "completed", "answered"),
        *(([failure], "completed", failure, failure) for failure in FAILURES),
        *((["started", "ringing", failure, "completed"], "completed", failure, failure) for failure in FAILURES),
        *((["answered", failure, "completed"], "completed", failure, failure) for failure in FAILURES),
        (["unanswered", "timeout"], "completed", "timeout", "timeout"),
        (["cancelled", "busy", "failed", "completed"], "completed", "failed", "failed"),
        (list(FAILURES), "completed", "rejected", "rejected"),
    ],
)
def test_state_status_and_outcome_do_not_depend_on_the_order(
    seen: Any, state: str, shown: str, outcome: str | None
) -> None:
    for order in (seen, seen[::-1]):
        result = leg(*(status(name, index) for index, name in enumerate(order)))
        assert (result.state, result.status, result.outcome) == (state, shown, outcome)


def test_a_leg_of_which_no_status_is_known_has_started() -> None:
    for only in (about(1, uuid="leg", dtmf="1"), answer(1), transfer(HERE, THERE, 1)):
        result = leg(only)
        assert (result.state, result.status, result.outcome, result.started) == ("started", None, None, None)


def test_the_latest_of_unknown_statuses_is_shown_if_nothing_else_is_known() -> None:
    assert leg(status("held", 2), status("resumed", 1)).status == "held"
    assert leg(status("held", 2), status("started", 1)).status == "started"


@pytest.mark.parametrize(
    ("duration", "outcome"),
    [("12", "answered"), (0.4, "answered"), ("0", "unanswered"), (None, "unanswered"), ("odd", "unanswered")],
)
def test_completed_with_a_duration_means_that_it_was_answered(duration: object, outcome: str | None) -> None:
    assert leg(status("completed", 1, duration=duration)).outcome == outcome


def test_a_failure_is_the_outcome_even_with_a_duration() -> None:
    assert leg(status("busy", 1), status("completed", 1, duration="12")).outcome == "busy"


MACHINE = [
    ([status("human", 1)], "human"),
    ([status("machine", 1)], "machine"),
    ([status("machine", 1, sub_state="beep_start")], "beep_start"),
    ([status("machine", 1, sub_state="beep_timeout")], "beep_timeout"),
    ([status("machine", 2), status("human", 1)], "machine"),
    ([status("machine", 1, sub_state="beep_start"), status("machine", 2)], "beep_start"),
    ([status("machine", 1, sub_state="beep_timeout"), status("machine", 2, sub_state="beep_start")], "beep_start"),
    ([status("machine", 1, sub_state="beep_timeout"), status("machine", 1, sub_state="beep_start")], "beep_timeout"),
    ([status("machine", 1), status("human", 2)], "human"),
    ([status("machine", 1, sub_state="beep_start"), status("human", 2)], "human"),
    ([status("machine", 1), status("human", 1)], "machine"),
    (
        [status("machine", 1, sub_state="beep_start"), status("human", 2), status("machine", 3)],
        "beep_start",
    ),
    ([status("machine", 1, sub_state="never heard of")], "machine"),
    ([status("answered", 1)], None),
]


@pytest.mark.parametrize(("bodies", "machine"), MACHINE)
def test_machine_is_the_latest_verdict_and_of_a_machine_its_beep(bodies: Any, machine: str | None) -> None:
    for order in permutations(bodies):
        assert leg(*order).machine == machine


def test_detection_names_its_leg_by_either_id_and_the_uuid_wins() -> None:
    assert leg({"call_uuid": "leg", "status": "human", "conversation_uuid": HERE}).machine == "human"
    both = {"call_uuid": "other", "uuid": "leg", "status": "human", "conversation_uuid": HERE}
    assert leg(both).machine == "human"
    assert leg(both, uuid="other").machine is None


def test_detail_and_sip_code_are_of_the_event_that_gives_the_status() -> None:
    result = leg(
        status("completed", 3, sip_code=200, detail="of completed"),
        status("failed", 2, detail="cannot_route", sip_code=404),
        status("unanswered", 1, detail="unavailable", sip_code=480),
    )
    assert (result.status, result.detail, result.sip_code) == ("failed", "cannot_route", 404)


def test_else_detail_and_sip_code_are_those_of_completed() -> None:
    result = leg(
        status("completed", 3, sip_code=487, detail="of completed"),
        status("cancelled", 2),
        status("ringing", 1, sip_code=180),
    )
    assert (result.status, result.detail, result.sip_code) == ("cancelled", "of completed", 487)
    assert leg(status("ringing", 1, sip_code=180), status("answered", 2)).sip_code is None, "and never of any other"


LIFE = ["started", "ringing", "answered", "human", "machine", "disconnected", "rejected", "completed"]


def test_from_to_and_direction_are_of_the_first_in_its_life_that_has_one() -> None:
    lives = [status(name, 9 - index, from_=name, to=f"to {name}", direction=name) for index, name in enumerate(LIFE)]
    while lives:
        result = leg(
            *reversed(lives),
            about(0, uuid="leg", dtmf="1", **{"from": "input", "to": "to input"}),
            answer(0, from_="answer"),
        )
        first = lives.pop(0)["status"]
        assert (result.from_, result.to, result.direction) == (first, f"to {first}", first)
    result = leg(
        about(0, uuid="leg", dtmf="1", **{"from": "input", "to": "to input"}), answer(0, from_="answer", to="answer")
    )
    assert (result.from_, result.to, result.direction) == ("input", "to input", None)
    assert leg(answer(0, from_="answer", to="answer")).from_ == "answer"


@pytest.mark.parametrize("nothing", [None, "", "   ", "Unknown", "unknown", " UNKNOWN "])
def test_null_empty_and_unknown_are_ignored(nothing: object) -> None:
    result = leg(
        status("started", 1, from_=nothing, to=nothing), status("answered", 2, from_=" 447700900123", to="Alice ")
    )
    assert (result.from_, result.to) == ("447700900123", "Alice")
    assert leg(status("started", 1, from_=nothing, to=nothing)).from_ is None


def test_a_caller_from_an_app_has_a_name_and_no_number() -> None:
    assert leg(answer(1, from_user="Alice")).from_ == "Alice"
    assert leg(answer(1, from_user="Alice"), status("started", 1, from_="447700900123")).from_ == "447700900123"


def test_what_a_leg_cost_is_completeds_own_and_null_before() -> None:
    before = leg(status("answered", 1, rate="0.1", price="0.1", network="GB-FIXED", duration="3"))
    assert (before.duration_seconds, before.rate, before.price, before.network) == (None, None, None, None)
    bill: dict[str, Any] = {
        "duration": "12",
        "rate": "0.00720000",
        "price": 1.5e-4,
        "network": "GB-FIXED",
        "disconnected_by": "user",
    }
    result = leg(status("answered", 1), status("completed", 2, **bill))
    assert (result.duration_seconds, result.rate, result.price) == (12, "0.00720000", "0.00015")
    assert (result.network, result.disconnected_by) == ("GB-FIXED", "user")


def test_of_two_bills_the_longer_one_is_taken_and_each_fills_in_for_the_other() -> None:
    one, other = status("completed", 1, duration="12", price="0.10"), status("completed", 2, duration="7", rate="0.2")
    for order in permutations([one, other]):
        result = leg(*order)
        assert (result.duration_seconds, result.price, result.rate) == (12, "0.10", "0.2")


def test_each_status_keeps_its_earliest_time() -> None:
    result = leg(*(status(name, s) for name in ("started", "ringing", "answered", "completed") for s in (7, 3, 5)))
    assert {result.started, result.ringing, result.answered, result.completed} == {at(3)}


def test_completed_without_its_event_is_at_the_time_of_the_failure() -> None:
    assert leg(status("busy", 4), status("timeout", 3)).completed == at(3)
    assert leg(status("busy", 4), status("completed", 6)).completed == at(6)


RINGING = [
    ([status("ringing", 1), status("answered", 4)], 3.0),
    ([status("ringing", 1), status("answered", 4), status("completed", 9)], 3.0),
    ([status("ringing", 1), status("cancelled", 3.5), status("completed", 4)], 2.5),
    ([status("ringing", 1), status("completed", 4)], 3.0),
    ([status("ringing", 1)], None),
    ([status("answered", 4), status("completed", 9)], None),
    ([status("ringing", 1), status("machine", 4), status("completed", 9)], None),  # answered, nobody knows when
    ([status("ringing", 1), status("completed", 9, duration="5")], None),
    ([status("ringing", 4.5), status("answered", 4)], 0.0),  # clocks of two machines
]


@pytest.mark.parametrize(("bodies", "seconds"), RINGING)
def test_ring_seconds_are_from_ringing_to_answered_or_given_up(bodies: Any, seconds: float | None) -> None:
    assert leg(*bodies).ring_seconds == seconds


TALKING = [
    ([status("answered", 4), status("completed", 9.25)], 5.25),
    ([status("answered", 4), status("failed", 6), status("completed", 9)], 5.0),
    ([status("answered", 4), status("failed", 6)], 2.0),
    ([status("answered", 4)], None),
    ([status("completed", 9, duration="5")], None),
    ([status("human", 4), status("completed", 9)], None),
    ([status("answered", 9), status("completed", 9, duration="125", start_time=iso(at(1)), end_time=iso(at(6)))], 5.0),
    ([status("answered", 9.5), status("completed", 9, duration="125")], None),
    ([status("answered", 9), status("completed", 9, duration="0")], 0.0),
]


@pytest.mark.parametrize(("bodies", "seconds"), TALKING)
def test_talk_seconds_are_from_answered_to_the_end(bodies: Any, seconds: float | None) -> None:
    assert leg(*bodies).talk_seconds == seconds


def test_a_leg_lists_all_its_moves_oldest_first() -> None:
    result = leg(transfer(HERE, THERE, 5), transfer(THERE, HERE, 7), transfer("CON-before", HERE, 1))
    assert [(move.at, move.joined) for move in result.moves] == [(at(1), HERE), (at(5), THERE), (at(7), HERE)]


def test_a_status_without_a_timestamp_counts_from_when_it_was_received() -> None:
    result = leg(status("ringing", None), status("answered", 2), status("completed", None))
    assert (result.ringing, result.answered, result.completed) == (BASE, at(2), BASE)


def test_to_of_an_app_caller_is_the_callee_it_requested_not_itself() -> None:
    """In the logs of Vonage's app-to-phone and app-to-app tutorials `to` is the caller's own name."""
    request = answer(1, from_user="Bob", to="447700900123")
    assert leg(status("started", 1, to="Bob"), request).to == "447700900123"
    assert leg(status("started", 1, to="Bob")).to == "Bob"
    assert leg(answer(1, from_user="Bob", to="Bob")).to == "Bob"
