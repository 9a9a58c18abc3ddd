"""One request, read once: what it is as an event, as an answer webhook, and which events are kept of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.events import CallStatus, Fallback
from app.webhooks import intake
from app.webhooks.body import BadBody, write_json, write_object
from app.webhooks.intake import Webhook, read_webhook

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RINGING = {"uuid": "leg", "conversation_uuid": "CON-1", "status": "ringing", "from": "447700900123"}
COPY = {**RINGING, "reason": "Socket timeout.", "original_request": {"type": "event"}}


def read(body: bytes, query: bytes = b"") -> Webhook:
    return read_webhook(body, query, NOW, ("unsigned",))


def test_an_event_is_kept_as_it_was_received() -> None:
    text = b'{"status": "ringing",  "uuid": "leg"}'
    webhook = read(text)
    assert (webhook.received, webhook.notes, webhook.body) == (NOW, ("unsigned",), json.loads(text))
    assert list(webhook.events()) == [(webhook.event, text, True)]


def test_of_a_get_the_text_is_made_of_the_query() -> None:
    assert read(b"", b"uuid=leg&speech=%7B%22a%22%3A1%7D").text == b'{"uuid":"leg","speech":{"a":1}}'


def test_a_fallback_copy_is_two_events_one_of_which_counts() -> None:
    text = write_json(COPY)
    (needed, whole, first), (original, stripped, second) = read(text).events()
    assert isinstance(needed, Fallback)
    assert isinstance(original, CallStatus)
    assert (whole, json.loads(stripped)) == (text, RINGING)
    assert (first, second) == (False, True)


def test_a_request_is_read_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    for name in ("read_event", "read_answer"):
        rightly = getattr(intake, name)

        def noting(body: Any, name: str = name, rightly: Any = rightly) -> Any:
            reads.append(name)
            return rightly(body)

        monkeypatch.setattr(intake, name, noting)
    webhook = read(write_json(RINGING))
    for _ in range(3):
        assert (webhook.event.leg, webhook.caller.from_) == ("leg", "447700900123")
    assert reads == ["read_event", "read_answer"]


def test_without_a_parameter_all_of_it_is_read_again() -> None:
    webhook = read(b"", b"state=sealed&uuid=leg&status=ringing")
    assert webhook.event.leg == "leg"
    without = webhook.without("state")
    assert without.text == b'{"uuid":"leg","status":"ringing"}'
    assert without.event.canonical == b'{"status":"ringing","uuid":"leg"}'
    assert (without.received, without.notes, without.began) == (NOW, ("unsigned",), webhook.began)


def test_what_is_no_object_is_a_bad_body() -> None:
    with pytest.raises(BadBody):
        read(b"[]")


def test_an_object_with_members_written_already_is_the_same_text() -> None:
    ncco = [{"action": "talk", "text": "Zoë 😀"}]
    value = {"request": RINGING, "flow": "menu", "took_ms": 1.25, "id": "a"}
    assert write_object(value | {"ncco": write_json(ncco)}) == write_json(value | {"ncco": ncco})
