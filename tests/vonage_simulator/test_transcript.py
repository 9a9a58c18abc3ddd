"""Every kind of event has its line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from vonage_simulator.ledger import Conversation, Leg
from vonage_simulator.scenario import FarEnd
from vonage_simulator.trace import Happening, What
from vonage_simulator.transcript import WORDS, line, webhook


def happening(what: Any, **data: Any) -> Happening:
    return Happening(datetime(2026, 1, 1, tzinfo=UTC), what, "CON", "leg", data)


def leg(**more: Any) -> Leg:
    given: dict[str, Any] = {"direction": "inbound", "endpoint": "phone", "from_": "447700900123", "to": "442079460000"}
    return Leg(uuid="leg", far_end=FarEnd(), conversation=Conversation(uuid="CON"), events=None, **(given | more))


@pytest.mark.parametrize(
    ("what", "data", "words"),
    [
        ("call", {"from": "1", "to": "2", "inbound": True}, "calls 2"),
        ("call", {"from": "1", "to": "2", "inbound": False}, "is called from 1"),
        ("status", {"status": "ringing"}, "ringing"),
        ("request", {"url": "http://x/", "about": None}, "requests http://x/"),
        ("request", {"url": "http://x/", "about": {"status": "busy"}}, "requests http://x/ (busy)"),
        ("left", {"keys": ["1", ""], "says": ["Yes."]}, "never used 1, 'Yes.'"),
        ("reply", {"ncco": [{"action": "talk"}, {"action": "input"}]}, "gets NCCO: talk, input"),
        ("reply", {"ncco": []}, "gets NCCO: no actions"),
        ("reply", {"ncco": None}, "gets no NCCO"),
        ("talk", {"text": "Hello"}, "hears “Hello”"),
        ("talk", {"text": "x" * 71}, f"hears “{'x' * 69}…”"),
        ("stream", {"url": "http://x/a.mp3"}, "hears http://x/a.mp3"),
        ("input", {"type": ["dtmf"]}, "is asked for keys"),
        ("input", {"type": ["dtmf", "speech"]}, "is asked for keys or speech"),
        ("keys", {"digits": "1#"}, "presses 1#"),
        ("speech", {"text": "sales"}, "says “sales”"),
        ("dtmf", {"digits": "1"}, "hears the tones 1"),
        ("ring", {"to": "Alice", "endpoint": "app"}, "calls Alice (app)"),
        ("join", {"name": "room"}, "enters the conversation “room”"),
        ("record", {"format": "wav"}, "is recorded"),
        ("wait", {"seconds": 2.5}, "waits 2.5 s"),
        ("wait", {"seconds": 10}, "waits 10 s"),
        ("notify", {"payload": {"step": 1}}, "notifies {'step': 1}"),
        ("notify", {"payload": {"step": "x" * 99}}, f"notifies {{'step': '{'x' * 59}…"),
        ("moved", {"left": "CON-1", "joined": "CON-2"}, "moves to CON-2"),
        ("error", {"reason": "Too fast."}, "error: Too fast."),
        ("trouble", {"words": "nobody is there"}, "TROUBLE: nobody is there"),
        ("hangup", {"by": "user", "why": "gave up"}, "hangs up (gave up)"),
        ("hangup", {"by": "platform", "why": "the API"}, "is hung up (the API)"),
    ],
)
def test_each_happening_has_its_words(what: Any, data: dict[str, Any], words: str) -> None:
    assert line(happening(what, **data), leg()) == f"447700900123    {words}"


def test_every_happening_but_sent_has_a_line() -> None:
    """A sent webhook is described by its body."""
    assert set(get_args(What)) - set(WORDS) == {"sent"}
    assert line(happening("sent", sent=None), leg()) is None


@pytest.mark.parametrize(
    ("whom", "name"),
    [
        (leg(), "447700900123"),
        (leg(from_=None), "unknown"),
        (leg(from_=None, from_user="Bob", to="Bob"), "Bob"),
        (leg(direction="outbound"), "442079460000"),
        (None, ""),
    ],
)
def test_a_line_begins_with_the_far_end(whom: Leg | None, name: str) -> None:
    """The number or name of the leg's far end."""
    assert line(happening("status", status="x"), whom) == f"{name:14}  x"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"status": "ringing"}, "ringing"),
        ({"status": "failed", "detail": "cannot_route"}, "failed (cannot_route)"),
        ({"status": "machine", "sub_state": "beep_start"}, "machine (beep_start)"),
        ({"type": "transfer", "conversation_uuid_to": "CON-2"}, "moved to CON-2"),
        ({"type": "record", "status": "transcribed"}, "transcribed"),
        ({"recording_url": "http://x/"}, "recording"),
        ({"payload": {}}, "notify"),
        ({"reason": "Too fast."}, "error: Too fast."),
        ({"dtmf": {}, "speech": {}}, "input"),
        ({"uuid": "leg"}, "event"),
    ],
)
def test_a_webhook_has_a_short_description(body: dict[str, Any], words: str) -> None:
    assert webhook(body) == words
