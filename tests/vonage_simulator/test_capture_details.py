"""Capturing, case by case, from the little that the API and the events have in each."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vonage_simulator import ledgers
from tests.vonage_simulator.capturing import CALLEE, CALLER, captured
from tests.vonage_simulator.ledgers import Body, answered, at, bill, kept, leg, requests, webhooks
from vonage_simulator.capture.capture import scenario
from vonage_simulator.ledger import Answer, Conversation, Move
from vonage_simulator.scenario import Command
from vonage_simulator.scenarios import dump, read

HERE, THERE = "CON-here", "CON-there"
RUNG: Body = CALLEE | {"to": "Alice", "started": 5}


def with_answer(call: Conversation, ncco: Any) -> Conversation:
    """*call*, whose answer request was answered with *ncco*."""
    call.answers.append(Answer("leg", "https://example.com", ncco))
    return call


@pytest.mark.parametrize(
    ("direction", "name", "kind"),
    [
        ("inbound", "12345", "phone"),
        ("inbound", None, "app"),
        ("inbound", "bob@example.com", "sip"),
        ("outbound", "400123", "vbc"),
        ("outbound", "4001234", "phone"),
        ("outbound", "sips:pbx", "sip"),
        ("outbound", "WS://example.com", "websocket"),
        ("outbound", None, "phone"),
    ],
)
def test_the_type_of_a_far_end_by_the_form_of_its_name(direction: str, name: str | None, kind: str):
    """An app's calls do not ring, and have no number."""
    call = Conversation(uuid=HERE)
    party = {"from_": name, "to": "442079460000"} if direction == "inbound" else {"to": name or "", "from_": "Bob"}
    leg(call, started=0, answered=1, direction=direction, **party)
    (found,) = captured(call).calls
    assert found.endpoint == kind
    if direction == "outbound":
        assert (found.from_, found.to) == ("Bob", name if name and kind != "phone" else found.to)


def test_an_app_caller_with_nothing_known_but_the_name():
    call = Conversation(uuid=HERE)
    leg(call, started=0, answered=0, from_=None, from_user="Bob", to="Bob", dialled="Alice", endpoint="app")
    (found,) = captured(call).calls
    assert (found.from_, found.to, found.endpoint) == ("Bob", "Bob", "app")


def test_the_fields_of_the_webhooks():
    """Those of 2021 do not say who ended the call."""
    call = Conversation(uuid=HERE)
    leg(call, **CALLER)
    assert captured(call).fields == "today"
    assert captured(call, events=[]).fields == "today"
    events = kept(
        [{name: value for name, value in body.items() if name != "disconnected_by"} for body in webhooks(call)]
    )
    assert captured(call, events=events).fields == "2021"


@pytest.mark.parametrize(
    ("tries", "does"),
    [
        (["busy", "rejected"], "busy"),
        (["busy", "answered"], "answers"),
        (["answered", "busy"], "answers"),
    ],
)
def test_a_callee_who_was_rung_twice(tries: list[str], does: str):
    call = Conversation(uuid=HERE)
    leg(call, **CALLER)
    for number, status in enumerate(tries):
        failure = {} if status == "answered" else {"failure": status}
        times = {"started": 5 + number, status: 6 + number}
        leg(call, f"callee-{number}", **(CALLEE | {"to": "Alice"} | times | failure))
    assert captured(call).callees["Alice"].does == does


def test_of_two_answered_legs_the_first_counts():
    call = Conversation(uuid=HERE)
    leg(call, **CALLER)
    for number in (1, 2):
        leg(call, f"callee-{number}", **(CALLEE | {"to": "Alice", "started": 5 * number, "answered": 6 * number}))
    assert captured(call).callees["Alice"].after == 1.0


@pytest.mark.parametrize(("rang", "timer"), [(0.5, 1.0), (25, 25.0), (200, 120.0)])
def test_how_long_it_may_ring(rang: float, timer: float):
    """As long as the Voice API takes: https://developer.vonage.com/en/api/voice"""
    call = Conversation(uuid=HERE)
    leg(call, **(CALLEE | {"to": "33612345678", "started": 0, "ringing": 0, "timeout": rang, "failure": "timeout"}))
    assert captured(call).calls[0].ringing_timer == timer


def test_a_callee_who_does_not_time_out_may_ring_as_long_as_usual():
    call = Conversation(uuid=HERE)
    leg(call, **(CALLEE | {"to": "33612345678", "started": 0, "ringing": 0, "busy": 5, "failure": "busy"}))
    assert captured(call).calls[0].ringing_timer == 60.0


@pytest.mark.parametrize(("custom", "found"), [({"a": 1}, {"a": 1}), ({}, None), ("text", None), (None, None)])
def test_custom_data_of_an_app(custom: Any, found: Any):
    call = with_answer(Conversation(uuid=HERE), [])
    leg(call, started=0, from_user="Bob", endpoint="app")
    request = requests(call)[0] | {"custom_data": custom}
    assert captured(call, events=[answered(request, [])]).calls[0].custom_data == found


@pytest.mark.parametrize(
    ("ncco", "caller_answered", "seconds"),
    [
        ([{"action": "connect"}], 1, 4.0),
        ([{"action": "connect"}], 6, 0.0),
        ([{"action": "talk", "text": "x" * 50}, {"action": "connect"}], 1, 0.5),
        ([{"action": "talk", "text": "x" * 100}, {"action": "connect"}], 1, 0.0),
        ([{"action": "input", "type": ["dtmf"]}, {"action": "connect"}], 1, 0.0),
        ([{"action": "talk", "text": "x"}], 1, 0.0),
        (None, 1, 0.0),
    ],
)
def test_how_long_it_took_to_reach_the_callee(ncco: Any, caller_answered: float, seconds: float):
    call = with_answer(Conversation(uuid=HERE), ncco)
    leg(call, **(CALLER | {"answered": caller_answered}))
    leg(call, "first", **(RUNG | {"answered": 6}))
    leg(call, "second", **(RUNG | {"to": "Bob", "started": 9, "answered": 10}))
    callees = captured(call).callees
    assert (callees["Alice"].dialled_in, callees["Bob"].dialled_in) == (seconds, 0.0)


@pytest.mark.parametrize(
    ("caller", "callee", "hang_up"),
    [
        (("user", 30), ("user", 29.5), (29.0, 19.5)),
        ((None, 30), (None, 29), (None, 19.0)),
        ((None, 30), (None, 28.9), (29.0, 18.9)),
        ((None, 30), (None, None), (29.0, None)),
        (("platform", 30), ("user", 12), (None, 2.0)),
    ],
)
def test_a_callee_who_hangs_up_in_time_is_not_hung_up_on(caller: Any, callee: Any, hang_up: Any):
    call = Conversation(uuid=HERE)
    leg(call, **(CALLER | {"completed": caller[1], "disconnected_by": caller[0]}))
    over = {"completed": callee[1], "bill": bill(3)} if callee[1] else {}
    leg(call, "callee", **(RUNG | {"answered": 10, "disconnected_by": callee[0]} | over))
    found = captured(call)
    assert (found.calls[0].far_end.hangs_up_after, found.callees["Alice"].hangs_up_after) == hang_up


def test_a_callee_who_declined_did_not_hang_up():
    call = Conversation(uuid=HERE)
    leg(call, **CALLER)
    busy = {"busy": 6, "completed": 9, "failure": "busy", "disconnected_by": "user", "bill": bill(0, "0")}
    leg(call, "callee", **(RUNG | busy))
    assert captured(call).callees["Alice"].hangs_up_after is None


CONNECT: list[Body] = [{"action": "connect", "endpoint": [{"type": "app", "user": "Alice"}]}]


@pytest.mark.parametrize(
    ("caller", "callee", "hung_up"),
    [
        ({"disconnected_by": "platform", "completed": 20.5}, {"disconnected_by": "user"}, None),
        ({"disconnected_by": "platform", "completed": 25}, {"disconnected_by": "user"}, 24.0),
        ({"disconnected_by": "platform", "completed": 20, "answered": None}, {}, None),
        ({"disconnected_by": "user", "completed": 20}, {}, None),
    ],
)
def test_a_caller_whose_script_ends_is_not_hung_up(caller: Body, callee: Body, hung_up: float | None):
    call = with_answer(Conversation(uuid=HERE), CONNECT)
    known = {name: value for name, value in (CALLER | caller).items() if value is not None}
    leg(call, **known)
    if callee:
        leg(call, "callee", **(RUNG | {"answered": 6, "completed": 20, "bill": bill(3)} | callee))
    assert captured(call).calls[0].control == ((Command(at=hung_up, do="hangup"),) if hung_up else ())


def test_without_a_known_script_a_talk_is_hung_up():
    call = Conversation(uuid=HERE)
    leg(call, **(CALLER | {"disconnected_by": "platform"}))
    leg(call, "callee", **(RUNG | {"answered": 6, "completed": 30.06, "bill": bill(3)}))
    assert captured(call).calls[0].control == (Command(at=29.0, do="hangup"),)


# ---- Conferences


def room_of(*ends: tuple[str | None, float], **more: Any) -> Conversation:
    """A conference of legs that came from conversations of their own; each pair: who ended the leg, and when."""
    room = Conversation(uuid=THERE)
    for number, (by, ended) in enumerate(ends):
        moves = [Move(at(2 + number), f"CON-{number}", THERE)]
        known = {"started": number, "answered": 1 + number, "completed": ended, "disconnected_by": by, "moves": moves}
        leg(room, f"leg-{number}", bill=bill(9), **(known | more))
    return room


def test_a_member_who_waited_alone_stays_alone_as_long():
    far_ends = [call.far_end for call in captured(room_of(("user", 30), ("user", 3))).calls]
    assert [(far_end.hangs_up_after, far_end.stays_alone) for far_end in far_ends] == [(29.0, 29.0), (1.0, 2.0)]


def test_only_the_moderator_ends_it_for_all():
    """Two members who leave at the same time do not."""
    calls = captured(room_of(("user", 30), ("user", 30.5), ("user", 40))).calls
    assert not any("endOnExit" in (call.ncco or ({},))[0] for call in calls)


@pytest.mark.parametrize("members", [1, 2])
def test_a_leg_from_another_conversation_makes_no_conference(members: int):
    found = captured(room_of(*[("user", 30.0)] * members))
    assert [call.ncco is None for call in found.calls] == [members == 1] * members


def test_a_leg_that_began_in_the_conference_has_not_entered_it():
    room = room_of(("user", 30), ("user", 40))
    leg(room, "own", **(CALLER | {"started": 10, "ringing": 10, "answered": 11}))
    assert [call.ncco is None for call in captured(room).calls] == [False, False, True]


def test_agents_who_were_called_into_a_conference_are_calls():
    """Nobody was in their first conversation who could have rung them; without events their moves show that, too."""
    room = room_of(("user", 30), ("user", 40), direction="outbound", from_="442079460000", to="447700900555")
    known: tuple[list[Body] | None, ...] = (None, [])
    for events in known:
        found = captured(room, events=events)
        assert [call.direction for call in found.calls] == ["outbound"] * 2
        assert found.callees == {}


def test_the_description_is_one_line():
    call = Conversation(uuid=HERE)
    leg(call, started=0, ringing=1)
    for number in range(3):
        leg(call, f"callee-{number}", **(CALLEE | {"to": f"A\nlice {number}", "started": 5, "ringing": 6}))
    found = captured(call)
    first = "Captured: 447700900001 calls 442079460001, A lice 0 is rung (ringing), A lice 1 is rung (ringing)"
    assert found.about == f"{first} and 1 more"
    del call.legs["callee-2"]
    assert captured(call).about == first


def test_an_empty_call():
    """A conversation of which no leg is known: it has no calls, so it is nothing to play."""
    assert scenario(ledgers.api_view(Conversation(uuid=HERE))).calls == ()


def test_neither_the_callers_number_nor_a_secret_is_left():
    number = "447911123456"
    call = with_answer(Conversation(uuid=HERE), [])
    sent = {f"X-Caller-{number}": f"{number}x", "X-Auth": "Bearer s3cret"}
    leg(call, started=0, from_=number, endpoint="app")
    request = requests(call)[0] | {"custom_data": {"n": int(number), number: 1200, "token": "s3cret"}}
    ncco = [
        {"action": "stream", "streamUrl": [f"https://u:s3cret@example.com/rec-{number}.mp3?caller=%2B{number}"]},
        {"action": "talk", "text": "0044 7911 123456, 0 7 9 1 1 1 2 3 4 5 6"},
        {"action": "conversation", "name": f"room-{number}"},
    ]
    events = [*kept([body | {"headers": sent} for body in webhooks(call)]), answered(request, ncco)]
    found = captured(call, events=events).calls[0]
    assert found.headers == {"X-Caller-447700900001": "447700900001x", "X-Auth": "left-out"}
    assert found.custom_data == {"n": 447700900001, "447700900001": 1200, "token": "left-out"}
    assert found.ncco == (
        {"action": "stream", "streamUrl": ["https://example.com/rec-447700900001.mp3"]},
        {"action": "talk", "text": "447700900001, 447700900001"},
        {"action": "conversation", "name": "room-447700900001"},
    )
    kept_ones = captured(call, events=events, keep_numbers=True).calls[0]
    assert number in str(kept_ones)
    assert "s3cret" not in str(kept_ones)


def test_text_that_would_reverse_a_terminal_is_escaped():
    text = "a\u202eb\u2066c\x9bd\x1b[31m \\\u200b\u00a0é€"
    call = with_answer(Conversation(uuid=HERE), [{"action": "talk", "text": text}])
    leg(call, **CALLER)
    found = captured(call)
    written = dump(found)
    assert all(sign.isprintable() or sign == "\n" for sign in written)
    assert "é€" in written
    assert read(written, "captured.yaml") == found
