"""Calls: what is one call, who called whom, what became of it, and what goes on in it now."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from app.domain.actions import Action
from app.domain.actions import kept as kept_action
from app.domain.actions import read as read_action
from app.domain.calls import Call, Calls, read_calls
from app.domain.conversations import Kept, history
from app.domain.events import CANONICAL
from tests.domain.builders import (
    HERE,
    LATER,
    PRESUME_ENDED_AFTER,
    THERE,
    YONDER,
    about,
    answer,
    at,
    kept,
    status,
    transfer,
)
from tests.generated import Body, iso, read_event

SAMPLE = Path(__file__).parents[1] / "samples" / "phone-to-app.events.jsonl"
CALLER, AGENT, OTHER = "447700900123", "442079460000", "33612345678"


def read(*bodies: Body | Kept, now: datetime = LATER, without: Iterable[str] = ()) -> Calls:
    """The calls after *bodies*, each received when it happened; conversations *without* were deleted."""
    found: dict[str, list[Kept]] = {}
    for body in bodies:
        event = body if isinstance(body, Kept) else kept(body)[0]
        event = event._replace(received=event.event.occurred or event.received)
        for name in event.event.conversations:
            found.setdefault(name, []).append(event)
    conversations = {name: history(events) for name, events in found.items() if name not in without}
    return read_calls(conversations, now=now, presume_ended_after=PRESUME_ENDED_AFTER)


def one(*bodies: Body | Kept, **more: Any) -> Call:
    """The only call after *bodies*."""
    (call,) = read(*bodies, **more).calls.values()
    return call


def leg(
    uuid: str, *, start: float = 0, answered: float | None = None, end: float | None = None, **more: Any
) -> list[Body]:
    """The statuses of a leg; `how`: how it ended."""
    how, where = more.pop("how", "completed"), more.pop("where", HERE)
    bodies = [status("ringing", start, uuid=uuid, where=where, **more)]
    if answered is not None:
        bodies.append(status("answered", answered, uuid=uuid, where=where, **more))
    if end is not None:
        bodies.append(status(how, end, uuid=uuid, where=more.pop("ended_in", where), **more))
    return bodies


def caller(uuid: str = "caller", **more: Any) -> list[Body]:
    """The statuses of the leg of somebody who calls us."""
    return leg(uuid, **{"direction": "inbound", "from_": CALLER, "to": AGENT, "answered": 1, **more})


def callee(uuid: str = "callee", **more: Any) -> list[Body]:
    """The statuses of a leg to somebody whom we call."""
    return leg(uuid, **{"direction": "outbound", "from_": AGENT, "to": "Alice", "start": 2, **more})


def did(call: Call, uuid: str) -> list[tuple[str, float, float | None]]:
    """What a leg did, in seconds since the call began."""
    (found,) = [leg for leg in call.legs if leg.leg.uuid == uuid]
    return [
        (doing, (start - at(0)).total_seconds(), (end - at(0)).total_seconds() if end else None)
        for doing, start, end in found.segments
    ]


def test_the_published_call_is_one_call() -> None:
    """https://developer.vonage.com/en/tutorials/phone-to-app"""
    call = one(*(Kept(read_event(json.loads(line)), at(0)) for line in SAMPLE.read_text().splitlines()))
    assert (call.id, call.state, call.direction) == ("0779a56d002f1c7f47f82ef5fe84ab79", "ended", "inbound")
    assert (call.from_, call.to, call.users) == ("441234567890", "442038297050", ("Alice",))
    assert (call.outcome, call.missed, call.price) == ("answered", False, "0.00144000")
    assert (call.duration_seconds, call.wait_seconds, call.talk_seconds, call.hold_seconds) == (11.992, 7.443, 4.489, 0)
    assert [found.user for found in call.legs] == [None, "Alice"]
    assert (call.phase, call.linked, call.conferences) == (None, (), ())


# -- what is one call -------------------------------------------------------------------------------------------------


def test_a_chain_of_transfers_is_one_call_named_for_its_first_leg() -> None:
    calls = read(
        *caller(end=60, ended_in=YONDER, price="0.01"),
        *callee("first", answered=5, end=20, price="0.02"),
        transfer(HERE, THERE, 19, uuid="caller"),
        *callee("second", start=21, answered=25, end=40, where=THERE, price="0.03"),
        transfer(THERE, YONDER, 39, uuid="caller"),
        *callee("third", start=41, answered=45, end=60, where=YONDER),
    )
    (call,) = calls.calls.values()
    assert call.id == "caller"
    assert call.conversations == (HERE, THERE, YONDER)
    assert [found.leg.uuid for found in call.legs] == ["caller", "first", "second", "third"]
    assert [stay.conversation for stay in call.legs[0].stays] == [HERE, THERE, YONDER]
    assert call.price == "0.06", "each leg once"
    assert (call.wait_seconds, call.talk_seconds) == (5, 14 + 14 + 15)
    assert set(calls.of_conversation.values()) == set(calls.of_leg.values()) == {"caller"}


def test_an_attended_transfer_is_one_call_if_the_consulted_leg_comes_back() -> None:
    """The agent moves to a room, calls somebody from there, and both go back to the caller."""
    call = one(
        *caller(),
        *callee("agent", answered=5),
        transfer(HERE, THERE, 10, uuid="agent"),
        *callee("expert", start=11, answered=15, where=THERE),
        transfer(THERE, HERE, 20, uuid="agent"),
        transfer(THERE, HERE, 20, uuid="expert"),
        now=at(30),
    )
    assert call.id == "caller"
    assert call.conversations == (HERE, THERE)
    assert did(call, "agent") == [("ringing", 2, 5), ("talk", 5, 10), ("hold", 10, 15), ("talk", 15, None)]
    assert did(call, "caller")[1:] == [("wait", 1, 5), ("talk", 5, 10), ("wait", 10, 20), ("talk", 20, None)]


def test_two_calls_that_meet_in_a_room_are_linked_and_stay_two() -> None:
    bodies = [
        *caller("one", end=60, ended_in="ROOM", price="0.01"),
        *caller("two", start=5, answered=6, end=50, where=THERE, ended_in="ROOM", price="0.02"),
        transfer(HERE, "ROOM", 10, uuid="one"),
        transfer(THERE, "ROOM", 20, uuid="two"),
        about(30, where="ROOM", recording_url="https://r.example/1", recording_uuid="r"),
    ]
    calls = read(*bodies)
    assert set(calls.calls) == {"one", "two"}
    first, second = calls.calls["one"], calls.calls["two"]
    assert (first.linked, second.linked) == (("two",), ("one",))
    assert (first.conversations, first.conferences) == ((HERE, "ROOM"), ())
    assert (second.conversations, second.conferences) == ((THERE,), ("ROOM",))
    assert calls.of_conversation["ROOM"] == "one", "a room without legs of its own resolves to the earliest call"
    assert (first.has_recording, second.has_recording) == (True, False)
    assert (first.price, second.price) == ("0.01", "0.02")
    assert did(first, "one")[1:] == [("wait", 1, 20), ("talk", 20, 50), ("wait", 50, 60)]
    assert first.talk_seconds == second.talk_seconds == 30


def test_legs_that_began_in_a_conference_are_a_call_of_its_own() -> None:
    calls = read(
        *caller("one"),
        *caller("two", where=THERE),
        transfer(HERE, "ROOM", 10, uuid="one"),
        transfer(THERE, "ROOM", 11, uuid="two"),
        *callee("invited", start=12, answered=15, where="ROOM"),
        now=at(20),
    )
    assert {id_: call.linked for id_, call in calls.calls.items()} == {
        "one": ("invited", "two"),
        "two": ("invited", "one"),
        "invited": ("one", "two"),
    }
    assert calls.of_conversation["ROOM"] == "invited"
    assert [call.phase for call in calls.calls.values()] == ["talking"] * 3


def test_a_lost_transfer_does_not_split_a_call() -> None:
    """Events of the leg in another conversation say that it went there."""
    call = one(*caller(), *callee(answered=5, end=9), status("completed", 30, uuid="caller", where=THERE))
    assert call.conversations == (HERE, THERE)
    assert (call.state, call.outcome, call.id) == ("ended", "answered", "caller")
    assert call.legs[0].stays == ((HERE, at(0), at(30)), (THERE, at(30), at(30)))


def test_a_leg_that_moves_has_not_ended_before_its_move_is_kept_in_both_conversations() -> None:
    """A page that saw it as ended would follow the call no more."""
    bodies = [*caller(), transfer(HERE, THERE, 30, uuid="caller")]
    assert one(*bodies, without=[THERE], now=at(30)).state == "live"
    assert one(*bodies, without=[THERE], now=at(41)).state == "ended", "THERE was deleted"


def test_what_was_done_in_a_room_is_of_the_calls_that_had_come_into_it() -> None:
    """The same room serves one call after the other."""
    begun = Action(
        canonical=b"",
        conversation=HERE,
        action="1",
        verb="begin_conference",
        by="operator",
        occurred=at(10),
        sequence=1,
    )
    begun = replace(begun, canonical=CANONICAL.encode(kept_action(begun)).encode())
    bodies = [
        body
        for name, start in (("one", 0), ("two", 5), ("late", 40))
        for body in (
            *caller(name, start=start, answered=start + 1, where=f"CON-{name}"),
            transfer(f"CON-{name}", HERE, start + 2, uuid=name),
        )
    ]
    calls = read(*bodies, Kept(begun, at(10)), now=at(50)).calls
    assert {id_ for id_, call in calls.items() if call.actions} == {"one", "two"}


@pytest.mark.parametrize("deleted", [HERE, THERE])
def test_with_one_conversation_deleted_the_rest_is_still_the_same_call(deleted: str) -> None:
    bodies = [
        *caller(end=60, ended_in=THERE),
        transfer(HERE, THERE, 20, uuid="caller"),
        *callee("second", start=21, answered=25, end=60, where=THERE),
    ]
    (call,) = read(*bodies, without=[deleted]).calls.values()
    assert call.id == "caller"
    assert call.conversations == (HERE, THERE)


def test_a_conversation_without_legs_is_a_call_with_its_id() -> None:
    call = one(about(1, payload={}), now=at(10))
    assert (call.id, call.state, call.legs, call.direction) == (HERE, "live", (), None)
    assert (call.phase, call.outcome, call.missed) == (None, None, False)
    assert one(about(1, payload={})).state == "presumed_ended"


def test_a_conference_of_fifty_calls_stays_fifty_calls() -> None:
    bodies: list[Body] = []
    for number in range(50):
        name = f"leg-{number:02}"
        bodies += caller(name, start=number / 100, where=f"CON-{number}")
        bodies.append(transfer(f"CON-{number}", "ROOM", 10 + number, uuid=name))
    calls = read(*bodies, now=at(100))
    assert len(calls.calls) == 50
    assert {len(call.linked) for call in calls.calls.values()} == {49}
    assert calls.of_conversation["ROOM"] == "leg-00"
    assert {call.phase for call in calls.calls.values()} == {"talking"}


# -- what became of it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bodies", "outcome", "missed"),
    [
        ([*caller(end=30), *callee(answered=5, end=30)], "answered", False),
        ([*caller(end=30), *callee("a", end=9, how="busy"), *callee("b", answered=12, end=30)], "answered", False),
        ([*caller(end=30), *callee("a", end=9, how="busy"), *callee("b", end=12, how="timeout")], "timeout", True),
        ([*caller(end=30), *callee(end=30, how="cancelled")], "cancelled", True),  # the caller hung up
        ([*caller(end=30)], "answered", False),  # a menu or a voicemail: the flow answered
        ([*caller(answered=None, end=30, how="cancelled")], "cancelled", True),  # hung up before the flow answered
        ([*caller(answered=None, end=3, how="rejected")], "rejected", True),
        ([*callee("a", answered=5, end=30)], "answered", False),  # we called, one leg
        ([*callee("a", end=30, how="unanswered")], "unanswered", False),
        ([*callee("a", answered=5, end=30), *callee("b", start=6, end=20, how="busy")], "busy", False),
        ([*caller(end=30), *callee(end=9, how="busy")][:-1], None, False),  # it still rings
        ([*caller(end=30), *caller("b", start=3, end=40)], "answered", False),  # another caller is no callee
    ],
)  # fmt: skip
def test_the_outcome(bodies: list[Body], outcome: str | None, missed: bool) -> None:
    call = one(*bodies, now=at(60))
    assert (call.outcome, call.missed) == (outcome, missed)
    assert (call.state == "ended") == (outcome is not None)


def test_a_voicemail_after_nobody_answered_is_a_missed_call_with_a_recording() -> None:
    recorded = about(40, recording_url="https://r.example/1", recording_uuid="r", start_time="2126-11-20T12:00:20Z")
    call = one(*caller(end=40), *callee(end=19, how="timeout"), recorded)
    assert (call.outcome, call.missed, call.has_recording) == ("timeout", True, True)
    assert (call.answered, call.wait_seconds, call.talk_seconds) == (None, None, None)


def test_times_of_a_call_of_one_leg_are_those_of_the_leg() -> None:
    call = one(*callee(answered=5, end=30.5))
    assert (call.started, call.answered, call.ended) == (at(2), at(5), at(30.5))
    assert (call.duration_seconds, call.wait_seconds, call.talk_seconds, call.hold_seconds) == (28.5, 3, 25.5, 0)


def test_a_call_of_which_only_the_end_is_known_began_with_its_bill() -> None:
    bill = {"start_time": "2126-11-20T12:00:02Z", "duration": "5", "direction": "inbound"}
    call = one(status("completed", 7, **bill))
    assert (call.started, call.ended, call.outcome, call.answered) == (at(2), at(7), "answered", None)


# -- what goes on in it now -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bodies", "phase", "since"),
    [
        (caller(answered=None), "ringing", 0),
        (caller(), "waiting", 1),
        ([*caller(), *callee()], "ringing", 2),
        ([*caller(), *callee(end=9, how="busy")], "waiting", 1),
        ([*caller(), *callee(answered=5)], "talking", 5),
        ([*caller(), *callee(answered=5), *callee("b", start=7)], "talking", 5),
        ([*caller(), *callee(answered=5), transfer(HERE, THERE, 10, uuid="caller")], "on_hold", 10),
        (
            [
                *caller(),
                *callee(answered=5),
                transfer(HERE, THERE, 10, uuid="caller"),
                transfer(THERE, HERE, 20, uuid="caller"),
            ],
            "talking",
            20,
        ),
        ([*caller(), *callee(answered=5, end=15), transfer(HERE, THERE, 10, uuid="caller")], "waiting", 15),
    ],
)
def test_the_phase_of_a_live_call_and_since_when(bodies: list[Body], phase: str, since: float) -> None:
    for arrived in (bodies, bodies[::-1], bodies * 2):
        call = one(*arrived, now=at(60))
        assert (call.state, call.phase, call.phase_since) == ("live", phase, at(since))


def test_hold_and_resume_are_seen_in_the_moves() -> None:
    call = one(
        *caller(end=60),
        *callee(answered=5, end=60),
        transfer(HERE, THERE, 10, uuid="caller"),
        transfer(THERE, HERE, 25, uuid="caller"),
        transfer(HERE, THERE, 30, uuid="caller"),
        transfer(THERE, HERE, 32, uuid="caller"),
    )
    held = [("wait", 1, 5), ("talk", 5, 10), ("hold", 10, 25), ("talk", 25, 30), ("hold", 30, 32), ("talk", 32, 60)]
    assert did(call, "caller")[1:] == held
    assert (call.hold_seconds, call.talk_seconds) == (17, 5 + 5 + 28)
    assert call.outcome == "answered"


def done(seconds: float, verb: str, uuid: str | None = None, where: str = HERE) -> Kept:
    """An action of this server."""
    known = {"action": f"{verb} {seconds}", "verb": verb, "by": "operator", "sequence": int(seconds), "after": 0}
    place = {"conversation_uuid": where, **({"uuid": uuid} if uuid else {})}
    return Kept(read_action(known | place | {"timestamp": iso(at(seconds))}), at(seconds))


def test_who_was_put_on_hold_by_an_action_is_on_hold_though_the_others_are_of_other_calls() -> None:
    came = [
        *caller(),
        transfer(HERE, YONDER, 2, uuid="caller"),
        *leg("agent", start=1, answered=2, where=THERE, direction="outbound", to="Alice"),
        transfer(THERE, YONDER, 3, uuid="agent"),
    ]
    moved = transfer(YONDER, "CON-music", 10.5, uuid="caller")
    calls = read(*came, moved, now=at(60)).calls
    assert calls["caller"].phase == "waiting", "nobody put it on hold"
    held = read(*came, done(10, "hold", "caller", YONDER), moved, now=at(60)).calls["caller"]
    assert (held.phase, held.phase_since) == ("on_hold", at(10.5))
    back = transfer("CON-music", YONDER, 20, uuid="caller")
    resumed = read(*came, done(10, "hold", "caller", YONDER), moved, back, now=at(60)).calls["caller"]
    assert did(resumed, "caller")[-2:] == [("hold", 10.5, 20), ("talk", 20, None)]


def test_what_is_done_to_a_conference_is_of_each_call_in_it_and_to_a_leg_of_its_call_alone() -> None:
    calls = read(
        *caller("a"),
        transfer(HERE, YONDER, 2, uuid="a"),
        *caller("b", where=THERE),
        transfer(THERE, YONDER, 3, uuid="b"),
        done(10, "record_start", where=YONDER),
        done(11, "mute", "a", YONDER),
        now=at(60),
    ).calls
    assert {id_: [done.action.verb for done in call.actions] for id_, call in calls.items()} == {
        "a": ["record_start", "mute"],
        "b": ["record_start"],
    }
    assert calls["a"].here == calls["b"].here == (YONDER,)


def test_a_presumed_ended_call_does_nothing_any_more() -> None:
    call = one(*caller(), *callee(answered=5))
    assert (call.state, call.phase, call.phase_since, call.outcome, call.missed) == (
        "presumed_ended",
        None,
        None,
        None,
        False,
    )
    assert (call.ended, call.duration_seconds, call.talk_seconds) == (None, None, None)


def test_a_call_is_live_while_one_of_its_conversations_was_heard_of_lately() -> None:
    long_ago = [*caller(), *callee(answered=5), transfer(HERE, THERE, 10, uuid="caller")]
    assert one(*long_ago, about(80_000, where=THERE, payload={}), now=at(80_010)).state == "live"
    assert one(*long_ago, now=at(80_010)).state == "presumed_ended"


# -- who ---------------------------------------------------------------------------------------------------------------


def test_users_call_and_are_called() -> None:
    ncco = [{"action": "connect", "endpoint": [{"type": "app", "user": "1001"}, {"type": "phone", "number": OTHER}]}]
    call = one(
        answer(0.5, where=HERE, from_user="Bob", to="1001", served={"ncco": ncco, "flow": "menu", "step": "ring"}),
        *leg("leg", answered=1, from_="Bob", to="Bob", direction="inbound"),
        *callee("one", to="1001"),
        *callee("two", to=OTHER),
        now=at(9),
    )
    assert (call.from_user, call.to) == ("Bob", "1001")
    assert [found.user for found in call.legs] == ["Bob", "1001", None]
    assert call.users == ("Bob", "1001")
    assert (call.flow, call.step, call.flows) == ("menu", "ring", ("menu",))


def test_keys_and_the_latest_step_are_in_the_order_in_which_they_came() -> None:
    call = one(
        *caller(),
        answer(1, name="a", served={"flow": "menu", "step": "ask"}),
        about(5, uuid="caller", dtmf={"digits": "1"}),
        answer(5, name="b", served={"flow": "menu", "step": "sales"}),
        about(9, uuid="caller", dtmf={"digits": "22#"}),
        about(8, uuid="caller", dtmf={"digits": None, "timed_out": True}),
        now=at(20),
    )
    assert (call.keys, call.flow, call.step) == (("1", "22#"), "menu", "sales")
