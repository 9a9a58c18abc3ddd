"""A captured scenario has all that callers and callees did, and no real telephone number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.vonage_simulator import ledgers
from tests.vonage_simulator.capturing import CALLEE, CALLER, captured
from tests.vonage_simulator.ledgers import Body, answered, at, bill, leg, pressed, said, webhooks
from vonage_simulator.capture.capture import scenario
from vonage_simulator.ledger import Answer, Conversation, Move
from vonage_simulator.scenario import Call, Command, FarEnd, Scenario

SAMPLES = Path(__file__).parents[1] / "samples"
PUBLISHED = json.loads((SAMPLES / "phone-to-app.expected.json").read_text())
LOG = [json.loads(line) for line in (SAMPLES / "phone-to-app.events.jsonl").read_text().splitlines()]
HERE, THERE = "CON-here", "CON-there"


def test_the_published_call():
    """All of it that was published: how long they talked, who hung up, what it cost, by how much the bill is off."""
    assert scenario(PUBLISHED, ledgers.kept(LOG)) == Scenario(
        name="captured",
        about="Captured: 447700900001 calls 442079460001, Alice is rung (answered)",
        calls=(
            Call(
                from_="447700900001",
                to="442079460001",
                far_end=FarEnd(hangs_up_after=11.332, network="GB-FIXED", rate="0.00720000"),
            ),
        ),
        callees={"Alice": FarEnd(after=0.0, rate="0.00", billing_offset=-2.0)},
        fields="2021",
    )


def test_numbers_are_kept_on_request():
    found = scenario(PUBLISHED, ledgers.kept(LOG), keep_numbers=True)
    assert (found.calls[0].from_, found.calls[0].to) == ("441234567890", "442038297050")


@pytest.mark.parametrize(
    ("failure", "more", "far_end"),
    [
        ("busy", {}, {"does": "busy", "after": 1.5}),
        ("rejected", {"detail": "restricted"}, {"does": "rejects", "after": 1.5, "detail": "restricted"}),
        ("timeout", {}, {"does": "never_answers"}),
        ("cancelled", {}, {"does": "never_answers"}),
        ("unanswered", {"detail": "unavailable"}, {"does": "unreachable", "after": 1.5, "detail": "unavailable"}),
        ("failed", {"detail": "cannot_route"}, {"does": "fails", "after": 1.5, "detail": "cannot_route"}),
        ("completed", {}, {"does": "never_answers"}),
    ],
)
def test_a_callee_who_did_not_answer(failure: str, more: Body, far_end: Body):
    """The time is that until it failed: `completed` may come much later."""
    call = Conversation(uuid=HERE)
    leg(call, **CALLER)
    times: Body = {"started": 5, "ringing": 5.5, "completed": 20, failure: 7}
    known: Body = {} if failure == "completed" else {"failure": failure}
    leg(call, "callee", to="447700900555", bill=bill(0, "0", network=None), **times, **known, **more, **CALLEE)
    found = captured(call)
    assert found.callees == {"447700900555": FarEnd(rate="0.00720000", **far_end)}
    assert len(found.calls) == 1


def test_of_two_attempts_to_ring_a_callee_the_answered_one_counts():
    call = Conversation(uuid=HERE)
    leg(call, **CALLER)
    leg(call, "first", to="Alice", started=5, busy=6, failure="busy", **CALLEE)
    leg(call, "second", to="Alice", started=8, answered=11, completed=20, bill=bill(9), **CALLEE)
    leg(call, "third", to="Alice", started=22, busy=23, failure="busy", **CALLEE)
    found = captured(call).callees["Alice"]
    assert (found.does, found.after) == ("answers", 3.0)


@pytest.mark.parametrize(
    ("caller", "callee", "hang_up"),
    [
        (("user", 30), ("platform", 30.06), (29.0, None)),
        (("platform", 20.5), ("user", 20), (None, 10.0)),
        ((None, 30), (None, 30.06), (29.0, None)),
        ((None, 30.06), (None, 30), (None, 20.0)),
        ((None, 30), (None, 25), (29.0, 15.0)),
        (("user", 30), ("user", 20), (29.0, 10.0)),
        ((None, 30), (None, 30), (29.0, None)),
    ],
)
def test_the_party_that_hung_up(caller: tuple[Any, float], callee: tuple[Any, float], hang_up: tuple[Any, Any]):
    """As the events say or, if they do not, the one whose leg ended first."""
    call = Conversation(uuid=HERE)
    leg(call, **(CALLER | {"completed": caller[1], "disconnected_by": caller[0]}))
    rung = {"started": 5, "answered": 10, "completed": callee[1], "to": "Alice", "bill": bill(3)}
    leg(call, "callee", **(CALLEE | rung | {"disconnected_by": callee[0]}))
    found = captured(call)
    assert (found.calls[0].far_end.hangs_up_after, found.callees["Alice"].hangs_up_after) == hang_up


def test_a_caller_who_gave_up():
    call = Conversation(uuid=HERE)
    leg(call, started=0, ringing=0.5, completed=12, bill=bill(0, "0", network=None), disconnected_by="user")
    assert captured(call).calls[0].far_end.hangs_up_after == 12.0


def test_a_call_that_is_still_running():
    call = Conversation(uuid=HERE)
    leg(call, started=0, answered=2)
    assert captured(call).calls[0].far_end == FarEnd()


@pytest.mark.parametrize(
    ("ncco", "hung_up"),
    [
        ([{"action": "conversation", "name": "room"}], True),
        ([{"action": "talk", "text": "Hello", "loop": 0}], True),
        ([{"action": "talk", "text": "Hello"}], False),
        (None, True),
    ],
)
def test_a_call_that_would_never_end_is_hung_up(ncco: Any, hung_up: bool):
    """By the Voice API, as in the call: neither the caller nor the script ended it."""
    call = Conversation(uuid=HERE)
    leg(call, **(CALLER | {"disconnected_by": "platform"}))
    call.answers += [Answer("leg", "https://example.com", ncco)] if ncco else []
    found = captured(call).calls[0]
    assert found.far_end.hangs_up_after is None
    assert found.control == ((Command(at=29.0, do="hangup"),) if hung_up else ())


def test_a_machine_and_when_it_beeped():
    call = Conversation(uuid=HERE)
    rung = {"to": "447700900555", "started": 0, "ringing": 0, "answered": 9, "machine": 16, "completed": 30}
    leg(call, **(CALLEE | rung)).machine = "beep_start"
    found = captured(call)
    assert found.calls[0].far_end.does == "machine"
    assert (found.calls[0].far_end.after, found.calls[0].far_end.greeting) == (9.0, 7.0)
    assert found.calls[0].advanced_machine_detection == {"behavior": "continue", "mode": "detect_beep"}
    call.legs["leg"].machine = "beep_timeout"
    assert not captured(call).calls[0].far_end.beep
    call.legs["leg"].machine = "machine"
    assert captured(call).calls[0].machine_detection == "continue"
    assert captured(call).calls[0].far_end.greeting == FarEnd().greeting


def test_an_outbound_call():
    """Its own numbers are landlines, those of people mobiles; and it rings no longer than it rang."""
    call = Conversation(uuid=HERE)
    failed: Body = {"to": "33612345678", "started": 1, "ringing": 2, "timeout": 27, "failure": "timeout"}
    leg(call, **(CALLEE | failed))
    (found,) = captured(call).calls
    assert (found.direction, found.from_, found.to) == ("outbound", "442079460001", "447700900001")
    assert (found.ringing_timer, found.far_end.does) == (25.0, "never_answers")


ENDPOINTS = [
    ("inbound", "447700900555", {}, "phone"),
    ("inbound", "sip:bob@example.com", {}, "sip"),
    ("inbound", "447700900555", {"endpoint": "vbc"}, "vbc"),
    ("outbound", "447700900555", {}, "phone"),
    ("outbound", "Alice", {}, "app"),
    ("outbound", "sip:bob@example.com", {}, "sip"),
    ("outbound", "wss://example.com/socket", {}, "websocket"),
    ("outbound", "4001", {}, "vbc"),
]


@pytest.mark.parametrize(("direction", "name", "more", "kind"), ENDPOINTS)
def test_the_type_of_the_far_end(direction: str, name: str, more: Body, kind: str):
    call = Conversation(uuid=HERE)
    party = {"from_": name} if direction == "inbound" else {"to": name}
    leg(call, **(CALLER | party | {"direction": direction} | more))
    call.answers += [Answer("leg", "https://example.com", ledgers.NCCO)] if more else []
    assert captured(call).calls[0].endpoint == kind


def test_an_app_caller_and_the_user_it_called():
    """The statuses have its own name at both ends; the request for instructions has the rest."""
    call = Conversation(uuid=HERE, answers=[Answer("leg", "https://example.com", ledgers.NCCO)])
    app: Body = {"from_": None, "from_user": "Bob", "to": "Bob", "dialled": "447911123456", "endpoint": "app"}
    leg(call, started=0, answered=0, custom_data={"number": "447911123456"}, **app)
    found = captured(call).calls[0]
    assert (found.from_, found.to, found.endpoint) == ("Bob", "442079460001", "app")
    assert found.custom_data == {"number": "442079460001"}
    bare = captured(call, events=[]).calls[0]
    assert (bare.from_, bare.endpoint, bare.custom_data) == ("Bob", "app", None)


def test_keys_and_words_in_order():
    """Each at its input, as the NCCO says or else the result; silence at the end is left out."""
    call = Conversation(uuid=HERE)
    leg(call, **CALLER)
    call.inputs += [
        pressed(3, "12"),
        said(6, ("sales", "0.9")),
        pressed(9, "", timed_out=True),
        said(12),
        pressed(15, "3"),
    ]
    call.inputs += [said(18, ("thank you", "0.8")), pressed(21, "", timed_out=True)]
    assert captured(call).calls[0].far_end.keys == ("12", "", "3")
    assert captured(call).calls[0].far_end.says == ("sales", "", "thank you")


def test_an_input_for_keys_and_speech():
    """A caller who pressed keys has said nothing; one who spoke pressed nothing, which takes a turn of the keys."""
    call = Conversation(uuid=HERE)
    leg(call, **CALLER)
    both = {"action": "input", "type": ["dtmf", "speech"]}
    hashed = {"action": "input", "type": ["dtmf"], "dtmf": {"submitOnHash": True, "maxDigits": 9}}
    call.answers.append(Answer("leg", "https://example.com", [both, both, hashed]))
    call.inputs += [said(6, ("sales", "0.9")), pressed(9, "1"), pressed(12, "44")]
    found = captured(call).calls[0].far_end
    assert (found.keys, found.says) == (("", "1", "44#"), ("sales",))


def test_keys_that_were_sent_one_by_one():
    call = Conversation(uuid=HERE)
    leg(call, **CALLER)
    call.answers.append(
        Answer("leg", "https://example.com", [{"action": "input", "type": ["dtmf"], "mode": "asynchronous"}])
    )
    call.inputs += [pressed(3, "1"), pressed(4, "2"), pressed(5, "#")]
    assert captured(call).calls[0].far_end.keys == ("12#",)


def test_the_answer_is_the_ncco_of_the_captured_call():
    """That to the first answer request; if it came twice or went to the fallback URL, the last answer to it."""
    call = Conversation(uuid=HERE)
    leg(call, **CALLER)
    query = {"uuid": "leg", "conversation_uuid": HERE, "to": "442038297050", "from": "441234567890"}
    again = query | {"reason": "Socket timeout.", "original_request": {"url": "https://example.com", "type": "answer"}}
    first, second, later = ([{"action": "talk", "text": text}] for text in ("one", "two", "three"))
    events = [answered(query, first), answered(again, second), answered(query | {"to": "x"}, later)]
    assert captured(call, events=events).calls[0].ncco == tuple(second)
    assert captured(call, events=events[::2]).calls[0].ncco == tuple(first)
    call.answers.append(Answer("leg", "https://example.com", first))
    assert captured(call, events=[]).calls[0].ncco == tuple(first), "as the view of the conversation has it"


def test_the_answer_of_a_later_step_is_not_the_first_ncco():
    """Not even if the record of the first was lost."""
    call = Conversation(uuid=HERE)
    leg(call, **CALLER)
    query = {"uuid": "leg", "conversation_uuid": HERE}
    began = answered(query | {"to": "442038297050", "from": "441234567890"}, [{"action": "talk", "text": "one"}])
    later = answered(query, [{"action": "talk", "text": "two"}])
    later["raw"]["step"] = "two"
    assert captured(call, events=[began]).calls[0].ncco == ({"action": "talk", "text": "one"},)
    for events in ([later, began], [later]):
        assert captured(call, events=events).calls[0].ncco is None, "the answer is requested again from the server"


def test_the_captured_ncco_requests_no_other_server():
    endpoint: Body = {
        "type": "websocket",
        "uri": "wss://example.com",
        "authorization": {"type": "custom", "value": "secret"},
    }
    phone = {"type": "phone", "number": "447700900555", "onAnswer": {"url": "https://example.com/whisper"}}
    ncco: list[Body] = [
        {"action": "input", "type": ["dtmf"], "eventUrl": ["https://example.com/voice/event"], "eventMethod": "POST"},
        {"action": "record", "transcription": {"language": "en-GB", "eventUrl": ["https://example.com/text"]}},
        {"action": "connect", "endpoint": [endpoint]},
        {"action": "connect", "endpoint": [phone]},
    ]
    call = Conversation(uuid=HERE, answers=[Answer("leg", "https://example.com", ncco)])
    leg(call, **CALLER)
    assert captured(call).calls[0].ncco == (
        {"action": "input", "type": ["dtmf"], "eventUrl": ["event_url"]},
        {"action": "record", "transcription": {"language": "en-GB"}},
        {"action": "connect", "endpoint": [{"type": "websocket", "uri": "wss://example.com"}]},
        {"action": "connect", "endpoint": [{"type": "phone", "number": "447700900555"}]},
    )


def test_the_time_it_took_to_reach_the_callee():
    """A `talk` before it takes its time, too: 50 characters at 14 a second."""
    ncco = [{"action": "talk", "text": "x" * 50}, ledgers.NCCO[1]]
    call = Conversation(uuid=HERE, answers=[Answer("leg", "https://example.com", ncco)])
    leg(call, **CALLER)
    leg(call, "callee", **(CALLEE | {"to": "Alice", "started": 6, "answered": 8, "completed": 30, "bill": bill(2)}))
    assert captured(call).callees["Alice"].dialled_in == 1.5


def test_a_conference_is_several_calls():
    """Each at its time; members whose call ends with the moderator's do not hang up."""
    room = Conversation(uuid=THERE)
    for number, (by, ended) in enumerate((("platform", 40.0), ("user", 25.0), ("user", 40.0))):
        moves = [Move(at(2 + number), f"CON-{number}", THERE)]
        known = {"started": number, "answered": 1.5 + number, "completed": ended, "disconnected_by": by, "moves": moves}
        leg(room, f"leg-{number}", from_=f"44790000000{number}", bill=bill(9), **known)
    found = captured(room)
    assert [call.at for call in found.calls] == [0.0, 1.0, 2.0]
    assert [call.from_ for call in found.calls] == ["447700900001", "447700900002", "447700900003"]
    assert {call.to for call in found.calls} == {"442079460001"}
    assert [call.far_end.hangs_up_after for call in found.calls] == [None, 22.5, 36.5]
    enter = {"action": "conversation", "name": "captured"}
    assert [call.ncco for call in found.calls] == [(enter,), (enter,), (enter | {"endOnExit": True},)]
    request = {"uuid": "leg-0", "conversation_uuid": "CON-0"}
    events = [*ledgers.kept(webhooks(room)), answered(request, [{"action": "conversation", "name": "standup"}])]
    nccos = [call.ncco for call in captured(room, events=events).calls]
    assert [ncco[0]["name"] for ncco in nccos if ncco] == ["standup"] * 3, "the other legs' moves are known then"


def test_a_leg_that_was_on_hold_is_no_call_of_its_own():
    """The caller came back from another conversation; the callee was rung where both began."""
    call = Conversation(uuid=HERE)
    moves = [Move(at(9), HERE, THERE), Move(at(12), THERE, HERE)]
    leg(call, **(CALLER | {"moves": moves}))
    leg(call, "callee", **(CALLEE | {"to": "Alice", "started": 3, "answered": 5, "completed": 30, "bill": bill(2)}))
    found = captured(call)
    assert (len(found.calls), list(found.callees)) == (1, ["Alice"])


def test_headers_are_captured():
    call = Conversation(uuid=HERE)
    leg(call, **(CALLER | {"headers": {"X-Customer": "447911123456", "X-Kind": "gold"}}))
    assert captured(call).calls[0].headers == {"X-Customer": "447700900002", "X-Kind": "gold"}


def test_any_callee_that_the_application_rings_is_there():
    """Its answer is not known: it is requested again, and rings the true number, not the stand-in."""
    call = Conversation(uuid=HERE)
    leg(call, **CALLER)
    leg(call, "callee", **(CALLEE | {"to": "33612345678", "started": 3, "busy": 4, "failure": "busy"}))
    found = captured(call)
    assert found.callees["*"] == found.callees["447700900002"]


def test_an_unknown_caller():
    call = Conversation(uuid=HERE)
    leg(call, **(CALLER | {"from_": None}))
    assert (captured(call).calls[0].from_, captured(call).calls[0].endpoint) == ("Unknown", "phone")
