"""The far end of a leg as its events show it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.vonage_simulator import ledgers
from tests.vonage_simulator.capturing import CALLEE, CALLER, captured
from tests.vonage_simulator.ledgers import Body, bill, kept, leg, pressed, said, webhooks
from vonage_simulator.capture.anonymize import Anonymizer
from vonage_simulator.capture.captured_leg import CapturedLeg
from vonage_simulator.ledger import Answer, Conversation

HERE = "CON-here"
RUNG: Body = CALLEE | {"to": "Alice", "started": 5}


def test_the_time_until_the_answer_is_ringing():
    call = Conversation(uuid=HERE)
    leg(call, **CALLER)
    leg(call, "callee", **(RUNG | {"ringing": 7, "answered": 10}))
    assert captured(call).callees["Alice"].after == 3.0


@pytest.mark.parametrize(("ringing", "events", "after"), [(7, None, 2.0), (None, None, 4.0), (7, [], 13.0)])
def test_the_time_until_it_failed(ringing: float | None, events: Any, after: float):
    """Without `ringing` from its start; without events until its end: nothing else is known."""
    call = Conversation(uuid=HERE)
    leg(call, **CALLER)
    times = {"busy": 9, "completed": 20} | ({"ringing": ringing} if ringing else {})
    leg(call, "callee", **(RUNG | times | {"failure": "busy", "bill": bill(0, "0")}))
    assert captured(call, events=events).callees["Alice"].after == after


def test_a_verdict_and_a_beep_are_the_default_mode():
    call = Conversation(uuid=HERE)
    leg(call, **(CALLEE | {"to": "33612345678", "started": 0, "answered": 9})).machine = "beep_start"
    seen = {"call_uuid": "leg", "conversation_uuid": HERE, "status": "machine"}
    events = kept([seen | {"timestamp": "2021-03-29T21:20:12.000Z"}])
    events += kept([seen | {"timestamp": "2021-03-29T21:20:17.000Z", "sub_state": "beep_start"}])
    (found,) = captured(call, events=events).calls
    assert found.advanced_machine_detection == {"behavior": "continue", "mode": "default"}
    assert found.far_end.greeting == 8.0


def test_a_call_without_headers():
    call = Conversation(uuid=HERE)
    leg(call, **(CALLER | {"headers": {}}))
    event = kept([webhooks(call)[0] | {"headers": "no object"}])
    assert captured(call, events=event).calls[0].headers == {}


@pytest.mark.parametrize(
    ("result", "dtmf", "asked_for"),
    [
        ({"digits": "1"}, None, ("dtmf",)),
        ({"digits": "1"}, {"digits": "1"}, ("dtmf",)),
        ({}, {"digits": ""}, ("dtmf",)),
        ({}, {"digits": None}, ()),
        ({"timed_out": True}, None, ("dtmf",)),
        ({"speech_error": "Speech was not enabled"}, None, ("dtmf",)),
        ({"speech_error": "Speech overridden by DTMF", "digits": "1"}, None, ("dtmf", "speech")),
        ({"speech_error": "ERR1: Failed to analyze audio"}, {"digits": None}, ("speech",)),
        ({"speech": [{"text": "sales", "confidence": 1}]}, {"digits": None}, ("speech",)),
        ({"speech_timeout_reason": "start_timeout"}, {"digits": None}, ("speech",)),
    ],
)
def test_the_type_of_an_input_by_its_result(result: Body, dtmf: Any, asked_for: tuple[str, ...]):
    """A turn of keys for each input for keys, a turn of words for each input for speech."""
    nothing: Body = {
        "digits": None,
        "timed_out": False,
        "speech": [],
        "speech_error": None,
        "speech_timeout_reason": None,
    }
    keyed = nothing | {"digits": "9", "speech_error": "Speech was not enabled"}
    spoken = nothing | {"speech": [{"text": "end", "confidence": 1}]}
    inputs = [item | {"leg": "leg"} for item in (nothing | result, keyed, spoken)]
    view = ledgers.api_view(ledgers.published()) | {"inputs": inputs}
    raws = ({"dtmf": dtmf}, {"dtmf": {"digits": "9"}}, {"dtmf": {"digits": None}})
    events = [{"kind": "input", "leg": "leg", "raw": raw} for raw in raws]
    keys, says = CapturedLeg({"uuid": "leg"}, view, events if dtmf else []).entered(Anonymizer())
    assert (len(keys), keys[-1]) == (1 + ("dtmf" in asked_for), "9")
    assert (len(says), says[-1]) == (1 + ("speech" in asked_for and not result.get("digits")), "end")


@pytest.mark.parametrize(
    ("digits", "timed_out", "most", "keys"),
    [("44", False, 9, "44#"), ("44", True, 9, "44"), ("4444", False, 4, "4444"), ("44", False, None, "44#")],
)
def test_a_hash_that_ended_an_input_was_pressed(digits: str, timed_out: bool, most: int | None, keys: str):
    """It is not among the digits."""
    settings: Body = {"submitOnHash": True} | ({"maxDigits": most} if most else {})
    call = Conversation(
        uuid=HERE,
        answers=[Answer("leg", "https://example.com", [{"action": "input", "type": ["dtmf"], "dtmf": settings}])],
    )
    leg(call, **CALLER)
    call.inputs.append(pressed(3, digits, timed_out=timed_out))
    assert captured(call).calls[0].far_end.keys == (keys,)


def test_a_caller_who_pressed_keys_keeps_the_words_for_the_next_input():
    both = {"action": "input", "type": ["dtmf", "speech"]}
    call = Conversation(uuid=HERE, answers=[Answer("leg", "https://example.com", [both, both])])
    leg(call, **CALLER)
    call.inputs += [pressed(3, "1"), said(6, ("sales", "0.9"))]
    found = captured(call).calls[0].far_end
    assert (found.keys, found.says) == (("1",), ("sales",))
