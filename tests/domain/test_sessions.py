"""Sessions of users: who takes part in a call since when, what rings, and when both sides have answered."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from app.domain.calls import Call, read_calls
from app.domain.conversations import Kept, history
from app.domain.ringing import AHEAD, GRACE
from app.domain.sessions import Controls, Remarks, Session, current_of, is_full, read_session
from app.domain.users import Chosen
from tests.domain.builders import HERE, LATER, PRESUME_ENDED_AFTER, THERE, about, answer, at, kept, status, transfer
from tests.generated import Body, read_event

SAMPLE = Path(__file__).parents[1] / "samples" / "phone-to-app.events.jsonl"
CALLER, DIALLED, OTHER = "447700900123", "442079460000", "33612345678"
TALK = {"action": "talk", "text": "Please hold the line."}


def calls_of(*bodies: Body | Kept, now: datetime) -> dict[str, Call]:
    """The calls after *bodies*, each received when it happened."""
    found: dict[str, list[Kept]] = {}
    for body in bodies:
        event = body if isinstance(body, Kept) else kept(body)[0]
        event = event._replace(received=event.event.occurred or event.received)
        for name in event.event.conversations:
            found.setdefault(name, []).append(event)
    conversations = {name: history(events) for name, events in found.items()}
    return dict(read_calls(conversations, now=now, presume_ended_after=PRESUME_ENDED_AFTER).calls)


def call_of(*bodies: Body | Kept, now: datetime) -> Call:
    """The only call after *bodies*."""
    (call,) = calls_of(*bodies, now=now).values()
    return call


def session_of(*bodies: Body | Kept, user: str = "Alice", now: float = 5, **more: Any) -> Session:
    """The session of *user*, who has one, *now* seconds after the call began."""
    found = read_session(call_of(*bodies, now=at(now)), user, now=at(now), **more)
    assert found is not None
    return found


def app(user: str = "Alice", **more: Any) -> dict[str, Any]:
    return {"action": "connect", "endpoint": [{"type": "app", "user": user}], **more}


def served(*ncco: dict[str, Any], seconds: float = 1, uuid: str = "caller", **more: Any) -> Kept:
    """Our record of an answer to *uuid*."""
    return answer(seconds, name=f"{seconds}", uuid=uuid, served={"ncco": list(ncco)}, **more)


def caller(name: str, seconds: float, **more: Any) -> Body:
    """A status of the leg of somebody who calls."""
    return status(name, seconds, uuid="caller", **{"direction": "inbound", "from_": CALLER, "to": DIALLED, **more})


def callee(name: str, seconds: float, uuid: str = "callee", **more: Any) -> Body:
    """A status of the leg to Alice."""
    return status(name, seconds, uuid=uuid, **{"direction": "outbound", "from_": CALLER, "to": "Alice", **more})


RINGING: list[Body | Kept] = [caller("ringing", 0), caller("answered", 0.5), served(app())]


def test_who_is_neither_calling_nor_called_has_no_session() -> None:
    call = call_of(*RINGING, now=at(5))
    assert read_session(call, "Bob", now=at(5)) is None
    assert read_session(call, CALLER, now=at(5)) is None


def test_a_user_rings_from_the_moment_the_connect_was_served() -> None:
    """No webhook names the leg yet: the caller's own is answered, as somebody speaks to it."""
    session = session_of(*RINGING)
    assert (session.leg, session.live, session.ringing, session.incoming, session.phase) == (
        *(None, True, True, True),
        "ringing",
    )
    assert (session.is_caller, session.number, session.call.to, session.sip_status) == (
        *(False, CALLER, DIALLED),
        "Establishing",
    )
    assert (session.answered, session.answered_by_system, session.answered_by) == (False, True, "system")
    assert (session.created, session.answered_at, session.ended, session.cause) == (at(1), None, None, None)
    assert (session.ring_seconds, session.call_seconds, session.taken) == (4, 0, None)


def test_before_the_connect_nothing_rings() -> None:
    call = call_of(caller("ringing", 0), served(TALK), now=at(5))
    assert read_session(call, "Alice", now=at(5)) is None


@pytest.mark.parametrize(
    ("ncco", "longest"),
    [
        ([app()], 60 + GRACE.seconds),
        ([app(timeout=20)], 20 + GRACE.seconds),
        ([app(timeout="20")], 60 + GRACE.seconds),
        ([app(timeout=0)], 60 + GRACE.seconds),
        ([TALK, app(timeout=20)], 20 + GRACE.seconds + AHEAD.seconds),
    ],
)
def test_ringing_ends_a_little_after_the_ring_timeout(ncco: list[dict[str, Any]], longest: int) -> None:
    bodies: list[Body | Kept] = [caller("ringing", 0), served(*ncco)]
    assert session_of(*bodies, now=longest + 0.9).ringing
    late = session_of(*bodies, now=longest + 1)
    assert (late.ringing, late.live, late.ended, late.cause) == (False, False, at(longest + 1), "timeout")
    assert late.sip_status == "Terminated"


@pytest.mark.parametrize("how", ["busy", "rejected", "timeout", "unanswered", "failed", "cancelled"])
def test_ringing_ends_with_the_final_status_of_the_leg(how: str) -> None:
    session = session_of(*RINGING, callee(how, 4))
    assert (session.live, session.leg, session.ended, session.cause) == (False, "callee", at(4), how)
    assert (session.answered, session.ring_seconds, session.call_seconds) == (False, 3, 0)


def test_how_it_ended_is_said_in_vonages_words_too() -> None:
    """https://developer.vonage.com/en/voice/voice-api/webhook-reference#failed"""
    session = session_of(*RINGING, callee("failed", 4, detail="cannot_route"))
    assert (session.cause, session.detail) == ("failed", "cannot_route")
    assert session_of(*RINGING, callee("answered", 4)).detail is None


def test_ringing_ends_when_the_caller_hangs_up() -> None:
    session = session_of(*RINGING, caller("completed", 4))
    assert (session.live, session.ended, session.cause) == (False, at(4), "cancelled")


def test_ringing_ends_when_the_caller_gets_another_ncco() -> None:
    bodies = [*RINGING, served(app("Bob"), seconds=4)]
    alice, bob = (session_of(*bodies, user=user) for user in ("Alice", "Bob"))
    assert (alice.live, alice.ended, alice.cause) == (False, at(4), "unanswered")
    assert (bob.live, bob.ringing, bob.created) == (True, True, at(4))


def test_ringing_ends_when_the_caller_is_transferred() -> None:
    bodies = [*RINGING, transfer(HERE, THERE, 4, uuid="caller")]
    assert not session_of(*bodies).live


def test_the_failure_of_a_connect_leads_to_the_next_step() -> None:
    """Vonage reports it for the leg that was called; what it is replied runs for the caller."""
    bodies = [*RINGING, callee("busy", 3), served(app("Bob"), seconds=4, uuid="callee")]
    assert not session_of(*bodies).live
    bob = session_of(*bodies, user="Bob")
    assert (bob.ringing, bob.number) == (True, CALLER)
    assert not session_of(*bodies, caller("completed", 4.5), user="Bob").ringing, "the caller has gone"


def test_the_second_connect_of_an_ncco_rings_once_the_first_is_over() -> None:
    bodies: list[Body | Kept] = [caller("ringing", 0), served(app(timeout=20), app("Bob", timeout=20))]
    assert read_session(call_of(*bodies, now=at(5)), "Bob", now=at(5)) is None
    bodies.append(callee("timeout", 21))
    bob = session_of(*bodies, user="Bob", now=30)
    assert (bob.ringing, bob.created) == (True, at(21))


def test_a_user_who_is_rung_again_rings_again() -> None:
    bodies = [*RINGING, callee("timeout", 20), served(app(), seconds=25)]
    assert session_of(*bodies, now=26).ringing
    assert not session_of(*bodies, callee("busy", 27, uuid="second"), now=28).live


def test_a_user_who_has_talked_may_be_rung_again() -> None:
    """As when a transfer comes back: the call is answered, and rings."""
    bodies = [*RINGING, callee("answered", 3), callee("completed", 20), served(app(), seconds=25)]
    session = session_of(*bodies, now=26)
    assert (session.ringing, session.incoming, session.phase, session.answered) == (True, True, "ringing", True)
    assert session_of(*bodies, callee("answered", 28, uuid="second"), now=29).phase == "talking"


def test_the_clock_of_vonage_may_be_late() -> None:
    """What Vonage says of Alice's leg seems to come before the NCCO that led to it."""
    bodies = [*RINGING, callee("started", -9), callee("answered", -9)]
    assert session_of(*bodies).answered
    over = session_of(*bodies, callee("completed", 3))
    assert (over.live, over.ringing, over.ended) == (False, False, at(3))


def test_an_answer_request_that_is_repeated_rings_once() -> None:
    """Vonage repeats one that was not replied to in time; each is kept."""
    bodies = [*RINGING, served(app(), seconds=6)]
    assert session_of(*bodies, now=7).ringing
    over = session_of(*bodies, callee("started", 8), callee("answered", 8), callee("completed", 9), now=10)
    assert (over.live, over.created) == (False, at(1))


def test_a_caller_is_one_also_while_no_webhook_says_so() -> None:
    session = session_of(served(app("Bob"), from_user="Alice", to="Bob"))
    assert (session.is_caller, session.number, session.phase) == (True, "Bob", "calling")


def test_a_call_is_answered_when_two_legs_are() -> None:
    session = session_of(*RINGING, callee("started", 7), callee("answered", 7), now=10)
    assert (session.answered, session.answered_at, session.answered_by) == (True, at(7), "app")
    assert (session.answered_by_system, session.ringing, session.phase) == (False, False, "talking")
    assert (session.leg, session.talking_to, session.sip_status) == ("callee", ("caller",), "Established")
    assert (session.created, session.ring_seconds, session.call_seconds) == (at(1), 6, 3)
    ended = session_of(*RINGING, callee("answered", 7), callee("completed", 9), caller("completed", 9.5), now=99)
    assert (ended.answered, ended.answered_at, ended.ended, ended.cause) == (True, at(7), at(9), "completed")
    assert (ended.call_seconds, ended.talking_to, ended.live, ended.phase) == (2, (), False, None)


def test_the_session_ends_with_the_users_own_leg_though_the_call_goes_on() -> None:
    session = session_of(*RINGING, callee("answered", 7), callee("completed", 9), now=20)
    assert (session.live, session.ended, session.call.state) == (False, at(9), "live")


def test_a_user_who_calls() -> None:
    """Vonage's logs name the caller as `to` of an app caller's leg; the answer request says whom it calls."""
    bodies: list[Body | Kept] = [
        status("started", 0, uuid="caller", direction="inbound", from_="Alice", to="Alice"),
        served({"action": "connect", "endpoint": [{"type": "phone", "number": OTHER}]}, from_user="Alice", to=OTHER),
    ]
    calling = session_of(*bodies, now=2)
    assert (calling.is_caller, calling.number, calling.phase, calling.ringing) == (True, OTHER, "calling", True)
    assert (calling.incoming, calling.leg, calling.sip_status) == (False, "caller", "Initial")
    assert (calling.answered_by_system, calling.taken, calling.created) == (False, at(0), at(0))
    up: list[Body | Kept] = [
        *bodies,
        status("ringing", 3, uuid="callee", direction="outbound", from_=DIALLED, to=OTHER),
        status("answered", 6, uuid="callee", direction="outbound", from_=DIALLED, to=OTHER),
        status("answered", 6.2, uuid="caller", direction="inbound", from_="Alice", to="Alice"),
    ]
    talking = session_of(*up, now=8)
    assert (talking.answered, talking.answered_at, talking.number) == (True, at(6.2), OTHER)
    assert (talking.answered_by_system, talking.talking_to) == (False, ("callee",))
    machine = session_of(*up, status("machine", 7, uuid="callee", call_uuid="callee"), now=8)
    assert (machine.answered, machine.answered_by_system, machine.answered_by) == (True, True, "system")
    gone = session_of(*up, status("completed", 9, uuid="caller", direction="inbound"), now=10)
    assert (gone.live, gone.ended, gone.cause) == (False, at(9), "completed")


@pytest.mark.parametrize("how", ["busy", "rejected", "timeout", "unanswered", "failed", "cancelled"])
def test_a_user_who_reaches_nobody_gets_the_cause_of_that(how: str) -> None:
    """The user's own leg was answered, as something was said to it, and just ends."""
    bodies: list[Body | Kept] = [
        status("answered", 0, uuid="caller", direction="inbound", from_="Alice"),
        served(TALK, {"action": "connect", "endpoint": [{"type": "phone", "number": OTHER}]}, from_user="Alice"),
        status(how, 4, uuid="callee", direction="outbound", from_=DIALLED, to=OTHER, detail="cannot_route"),
    ]
    assert (session_of(*bodies).live, session_of(*bodies).cause, session_of(*bodies).detail) == (True, None, None)
    over = session_of(*bodies, status("completed", 5, uuid="caller", direction="inbound"), now=9)
    assert (over.live, over.ended, over.cause, over.detail) == (False, at(5), how, "cannot_route")


def test_a_caller_whom_nobody_has_been_called_for_is_connecting() -> None:
    bodies: list[Body | Kept] = [
        status("started", 0, uuid="caller", direction="inbound", from_="Alice"),
        served(TALK, from_user="Alice", to=OTHER),
        status("answered", 1, uuid="caller", direction="inbound", from_="Alice"),
    ]
    session = session_of(*bodies, now=2)
    assert (session.phase, session.ringing, session.answered) == ("connecting", False, False)
    assert (session.answered_by_system, session.sip_status) == (True, "Established")


@pytest.mark.parametrize(
    ("to", "kind"),
    [(OTHER, "phone"), ("sip:bob@example.com", "sip"), ("wss://example.com/audio", "websocket"), ("Bob", "app")],
)
def test_what_answered(to: str, kind: str) -> None:
    bodies: list[Body | Kept] = [
        status("answered", 0, uuid="caller", direction="inbound", from_="Alice"),
        served(app("Bob"), from_user="Alice", to=to),
        status("answered", 6, uuid="callee", direction="outbound", from_=DIALLED, to=to),
    ]
    assert session_of(*bodies, now=8).answered_by == kind


def test_a_leg_that_was_created_rings_by_its_own_statuses() -> None:
    session = session_of(callee("started", 0), callee("ringing", 1), now=5)
    assert (session.incoming, session.leg, session.sip_status) == (True, "callee", "Establishing")
    assert not session_of(callee("ringing", 1), now=140).live, "its end was lost"


def test_the_published_call_as_alice_took_part_in_it() -> None:
    bodies = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
    events = [Kept(read_event(body), read_event(body).occurred or LATER) for body in bodies]
    (call,) = read_calls(
        {"CON-8f5a100c-fbce-4218-8d4b-16341335bcd6": history(events)},
        now=LATER,
        presume_ended_after=PRESUME_ENDED_AFTER,
    ).calls.values()
    session = read_session(call, "Alice", now=LATER)
    assert session is not None
    assert (session.leg, session.is_caller) == ("944bf4bf-8dc7-4e23-86b2-2f4234777416", False)
    assert (session.number, session.call.to) == ("441234567890", "442038297050")
    assert session.answered_at == datetime.fromisoformat("2021-03-29T21:20:13.025Z")
    assert session.ended == datetime.fromisoformat("2021-03-29T21:20:17.574Z")
    assert (session.answered_by, session.cause) == ("app", "completed")


def test_a_call_that_is_presumed_ended_is_no_session_any_more() -> None:
    session = session_of(*RINGING, callee("answered", 7), now=3 * 3600)
    assert (session.live, session.ended, session.cause, session.phase) == (False, None, None, None)


def test_two_sessions_of_one_call() -> None:
    bodies: list[Body | Kept] = [
        status("answered", 0, uuid="caller", direction="inbound", from_="Bob", to="Bob"),
        served(app(), from_user="Bob", to=DIALLED),
        callee("answered", 3, from_="Bob"),
    ]
    bob, alice = (session_of(*bodies, user=user) for user in ("Bob", "Alice"))
    assert (bob.is_caller, bob.number, bob.leg) == (True, "Alice", "caller")
    assert (alice.is_caller, alice.number, alice.leg) == (False, "Bob", "callee")
    assert bob.answered_at == alice.answered_at == at(3)


def test_after_a_transfer_the_other_party_is_another() -> None:
    """Bob's leg is answered in the room that Alice moved to; the first caller has left."""
    bodies: list[Body | Kept] = [
        *RINGING,
        callee("answered", 3),
        transfer(HERE, THERE, 6, uuid="callee"),
        caller("completed", 7),
        status("answered", 5, uuid="bob", where=THERE, direction="outbound", to="Bob"),
        about(8, where=THERE, uuid="bob", dtmf={"digits": "1"}),
    ]
    session = session_of(*bodies, now=9)
    assert (session.number, session.talking_to, session.live) == ("Bob", ("bob",), True)


def in_a_room(*more: Body, now: float = 9) -> Session:
    """Alice's session: a caller is put into a room, where her leg comes, too. Each is a call of its own."""
    bodies = [
        caller("answered", 1),
        transfer(HERE, "CON-room", 2, uuid="caller"),
        callee("answered", 5, where=THERE),
        transfer(THERE, "CON-room", 6, uuid="callee"),
    ]
    calls = calls_of(*bodies, *more, now=at(now))
    alices = calls["callee"]
    found = read_session(alices, "Alice", now=at(now), linked=[calls[id_] for id_ in alices.linked])
    assert found is not None
    return found


def test_in_a_room_the_other_party_is_whoever_is_there() -> None:
    session = in_a_room()
    assert (session.answered, session.answered_at, session.answered_by) == (True, at(6), "app")
    assert (session.number, session.talking_to, session.phase) == (CALLER, ("caller",), "talking")
    left = in_a_room(transfer("CON-room", "CON-music", 7, uuid="caller"))
    assert (left.number, left.talking_to, left.answered, left.hold_seconds) == (CALLER, (), True, 2)
    early = in_a_room(transfer("CON-room", "CON-music", 3, uuid="caller"))
    assert (early.answered, early.answered_by_system) == (False, True), "they have not met"


def test_a_call_is_answered_also_if_it_is_not_known_when() -> None:
    """The webhooks were lost; the bills say so."""
    session = session_of(
        caller("ringing", 0), caller("completed", 9, duration="8"), callee("completed", 8, duration="3"), now=10
    )
    assert (session.answered, session.answered_at, session.call_seconds) == (True, None, None)


def test_how_long_the_other_party_was_on_hold() -> None:
    bodies = [*RINGING, callee("answered", 3), transfer(HERE, THERE, 6, uuid="caller")]
    assert session_of(*bodies, now=10).hold_seconds == 4
    back = [*bodies, transfer(THERE, HERE, 11, uuid="caller")]
    assert session_of(*back, now=20).hold_seconds == 5
    assert session_of(*bodies, callee("completed", 8), now=20).hold_seconds == 2, "while Alice took part"
    assert session_of(*RINGING, callee("answered", 3)).hold_seconds == 0


def test_controls_and_remarks_are_part_of_it() -> None:
    controls = Controls(muted=True, ending=True)
    session = session_of(*RINGING, callee("answered", 3), controls=controls, remarks=Remarks(name="Ada"))
    assert (session.sip_status, session.controls.muted, session.remarks.name) == ("Terminating", True, "Ada")
    assert session_of(*RINGING, auto_answer=True).auto_answer


def sessions(*taken: tuple[str, float, float | None], parent: str = "") -> list[Session]:
    """Live sessions of incoming calls: id, when they were sent out, when answered."""
    found = []
    for id_, since, answered in taken:
        bodies: list[Body | Kept] = [
            status("answered", since, uuid=id_, direction="inbound", from_=CALLER, to=DIALLED),
            served(app(), seconds=since, uuid=id_),
        ]
        if answered is not None:
            bodies.append(callee("answered", answered, uuid=f"{id_}-alice"))
        controls = Controls(parent="x" if id_ == parent else None)
        found.append(session_of(*bodies, now=50, controls=controls))
    return found


def current(*taken: tuple[str, float, float | None], chosen: Chosen | None = None, parent: str = "") -> str | None:
    found = current_of(sessions(*taken, parent=parent), chosen)
    return found.id if found else None


def test_the_current_session_is_the_one_taken_or_chosen_last() -> None:
    assert current() is None
    assert current(("a", 1, None)) is None, "it only rings"
    assert current(("a", 1, 5), ("b", 2, 4)) == "a"
    assert current(("a", 1, 5), ("b", 2, 4), chosen=Chosen("b", at(6))) == "b"
    assert current(("a", 1, 7), ("b", 2, 4), chosen=Chosen("b", at(6))) == "a", "answered after that"
    assert current(("a", 1, None), ("b", 2, 4), chosen=Chosen("a", at(6))) == "a"


def test_once_the_chosen_session_has_ended_a_consultation_is_first_then_the_newest() -> None:
    gone = Chosen("gone", at(9))
    assert current(("a", 1, 8), ("b", 2, 4), chosen=gone) == "b", "it is newer"
    assert current(("a", 1, 8), ("b", 2, 4), chosen=gone, parent="a") == "a"
    assert current(("a", 1, 10), ("b", 2, 4), chosen=gone) == "a", "answered after that"
    assert current(("a", 1, None), chosen=gone) is None
    assert current(chosen=gone) is None


def test_consultations_do_not_count_for_the_most_calls() -> None:
    assert not is_full(sessions(("a", 1, 5)), 2)
    assert is_full(sessions(("a", 1, 5), ("b", 2, None)), 2), "those that ring do"
    assert not is_full(sessions(("a", 1, 5), ("b", 2, 4), parent="b"), 2)
