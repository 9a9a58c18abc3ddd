"""The address that recordings of voicemails come to: what it says is kept, whatever way the webhook comes."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from app.flows.call_state import CallState, StateCodec
from app.flows.voicemail import state_for
from tests.webhooks.conftest import Site, Start

CALLER = "447700900123"
HOST = "https://calls.example.com"


@pytest.fixture
def site(start: Start) -> Site:
    return start(secret_key="k" * 32)


def recording(user: str) -> dict[str, Any]:
    """A webhook with real fields."""
    return {
        "start_time": "2026-11-20T12:00:00Z",
        "recording_url": "https://api.nexmo.com/v1/files/1",
        "size": 12222,
        "recording_uuid": f"REC-{user}",
        "end_time": "2026-11-20T12:00:07Z",
        "conversation_uuid": f"CON-{user}",
        "timestamp": "2026-11-20T12:00:08.000Z",
    }


def address(user: str) -> str:
    call = CallState(known={"from": CALLER, "uuid": "leg"})
    return f"/voice/voicemails?state={StateCodec('k' * 32).seal(state_for(user, call))}"


def by_post(site: Site, user: str) -> Any:
    return site.post(address(user), recording(user))


def by_get(site: Site, user: str) -> Any:
    path, _, state = address(user).partition("?state=")
    return site.get(path, recording(user) | {"state": state})


def by_fallback(site: Site, user: str) -> Any:
    failed = {"url": HOST + address(user), "type": "event"}
    return site.post("/voice/fallback", recording(user) | {"reason": "timeout", "original_request": failed})


@pytest.mark.parametrize("send", [by_post, by_get, by_fallback])
def test_it_is_in_the_list_once_and_the_body_is_kept_as_it_came(site: Site, send: Any) -> None:
    user = f"U{uuid4().hex}"
    for _ in range(2):
        response = send(site, user)
        assert (response.status_code, response.data, "Content-Type" in response.headers) == (200, b"", False)
    (one,) = site.store.left_voicemails(user, site.store.voicemails(user))
    assert one.recording.voicemail is not None
    assert (one.recording.voicemail.from_, one.recording.voicemail.leg) == (CALLER, "leg")
    assert one.recording.size == 12222
    assert CALLER not in json.dumps(recording(user)), "the number is of the address"


@pytest.mark.parametrize("query", ["", "?state=", "?state=x"])
def test_a_recording_without_its_state_is_one_of_the_call(site: Site, query: str) -> None:
    user = f"U{uuid4().hex}"
    assert site.post(f"/voice/voicemails{query}", recording(user)).status_code == 200
    assert site.store.voicemails(user) == []
    assert len(site.store.records(f"CON-{user}")) == 1


def test_another_event_at_the_address_is_kept_as_it_is(site: Site) -> None:
    user = f"U{uuid4().hex}"
    text = {"type": "record", "status": "transcribed", "recording_uuid": f"REC-{user}"}
    text |= {"conversation_uuid": f"CON-{user}", "transcription_url": "https://api.nexmo.com/v1/files/2"}
    assert site.post(address(user), text).status_code == 200
    assert site.store.voicemails(user) == []
    assert [json.loads(record.body) for record in site.store.records(f"CON-{user}")] == [text]
