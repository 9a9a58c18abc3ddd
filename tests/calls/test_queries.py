"""Reading calls and dumping them as JSON, without an app or a request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any, cast

import pytest
from flask import has_app_context

from app.calls.fields import timestamp
from app.calls.queries import Calls
from app.store.codec import ANSWER
from app.store.pages import Filter
from app.store.store import Store
from tests.engines import Engine
from tests.generated import BASE, Webhook, conversations_of, iso, read_record, several, webhooks_of

NUMBER = "447700900123"
CALL: dict[str, Any] = {"conversation_uuid": "CON-1", "uuid": "leg", "from": NUMBER, "timestamp": iso(BASE)}


@pytest.fixture
def calls(valkey: Engine) -> Iterator[Calls]:
    """Reads from an empty store."""
    valkey.flush()
    store = Store(valkey.address, read=read_record, retention=timedelta(days=7))
    yield Calls(store, timedelta(hours=2), mask_numbers=True)
    store.stop()


def record(calls: Calls, *webhooks: Webhook) -> None:
    """Store all *webhooks* but answers."""
    for webhook in webhooks:
        if webhook.sort != ANSWER and webhook.event.conversations:
            cast("Store", calls.store).record(webhook.event, webhook.text, webhook.received)


def test_calls_are_read_without_a_request(calls: Calls) -> None:
    assert not has_app_context()
    record(calls, *webhooks_of(CALL | {"status": "answered"}, BASE))
    (conversation,), following = calls.page(Filter(), limit=2)
    assert calls.conversations(["none", "CON-1"]) == [calls.conversation("CON-1")] == [conversation]
    assert calls.conversation("none") is None
    assert (conversation.state, following) == ("live", None)
    assert [member.leg.uuid for member in conversation.legs] == ["leg"]
    leg = calls.leg("leg")
    assert leg is not None
    assert leg.leg == conversation.legs[0].leg
    assert calls.leg("none") is None
    assert [event.event.leg for event in calls.events("CON-1")] == ["leg"]
    assert calls.events("CON-1", 1) == calls.events("none") == []


@pytest.mark.parametrize("role", ["viewer", None, "user", ""])
def test_every_role_but_operator_gets_masked_numbers(calls: Calls, role: str | None) -> None:
    record(calls, *webhooks_of(CALL | {"status": "answered"}, BASE))
    items = [*calls.conversations(["CON-1"]), *calls.events("CON-1"), calls.leg("leg")]
    for item in items:
        assert item is not None
        assert NUMBER in str(calls.dump(item, "operator"))
        masked = str(calls.dump(item, role))
        assert NUMBER not in masked
        assert "********0123" in masked
        unmasked = Calls(calls.store, calls.presume_ended_after, mask_numbers=False)
        assert unmasked.dump(item, role) == calls.dump(item, "operator")


def test_every_field_is_dumped_for_every_item(calls: Calls) -> None:
    """A field that no attribute belongs to would be left out without an error."""
    generated = several(Random(3), 40) + several(Random(4), 20, orderly=False)
    for call in generated:
        record(calls, *call)
    conversations = calls.conversations(sorted({name for call in generated for name in conversations_of(call)}))
    keys: dict[str, set[tuple[str, ...]]] = {}
    for conversation in conversations:
        shown = calls.dump(conversation, "operator")
        keys.setdefault("conversation", set()).add(tuple(shown))
        for name in ("legs", "answers", "inputs", "recordings", "errors"):
            for item in shown[name]:
                keys.setdefault(name, set()).add(tuple(item))
        for event in calls.events(conversation.conversation_uuid):
            keys.setdefault("event", set()).add(tuple(calls.dump(event, "operator")))
    assert keys.keys() == {"conversation", "legs", "inputs", "recordings", "errors", "event"}
    assert {name: len(found) for name, found in keys.items()} == dict.fromkeys(keys, 1)


def test_a_timestamp_has_milliseconds_and_z() -> None:
    assert timestamp(BASE + timedelta(microseconds=1999)) == "2126-11-20T12:00:00.001Z"
    assert timestamp(None) is None
