"""Calls that the Voice API makes, to every kind of endpoint, and how they end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from vonage_http_client.http_client import HttpClient

from tests.vonage_simulator.api_server import ALICE, BUSY, CALL, RINGS, Json, Server, serving
from vonage_simulator.scenario import FarEnd

MACHINE, HANGS_UP = "447700900004", "447700900005"
ENDPOINTS: list[Json] = [
    {"type": "phone", "number": ALICE},
    {"type": "sip", "uri": "sip:bob@example.com"},
    {"type": "vbc", "extension": "1234"},
    {"type": "app", "user": "Bob"},
    {"type": "websocket", "uri": "wss://example.com/socket", "content-type": "audio/l16;rate=16000"},
]


@pytest.fixture(scope="module")
def calls(carrier_folder: Path) -> Iterator[Server]:
    with serving(carrier_folder) as server:
        more = {MACHINE: FarEnd(does="machine", after=0.1), HANGS_UP: FarEnd(after=0.1, hangs_up_after=2.0)}
        server.carrier.callees = {**server.carrier.callees, **more}
        yield server


def create(server: Server, to: Json | None = None, number: str = ALICE, **more: Any) -> str:
    """The leg of a new call, made by Vonage's own client."""
    http: HttpClient = server.client.http_client
    body = CALL | {"to": [to or {"type": "phone", "number": number}]} | more
    made = http.post(http.api_host, "/v1/calls", body)
    leg = server.leg(made["uuid"])
    assert made == {
        "uuid": leg.uuid,
        "status": "started",
        "direction": "outbound",
        "conversation_uuid": leg.stays[0].value,
    }
    assert http.last_response.status_code == 201
    return leg.uuid


def statuses(server: Server, uuid: str) -> list[str]:
    """Those that were sent, once the last one was."""

    def sent() -> list[str]:
        bodies = [body for body in server.events if uuid in (body.get("uuid"), body.get("call_uuid"))]
        return [body["status"] for body in bodies if "status" in body]

    server.until(lambda: {"completed", "rejected"} & set(sent()))
    return sent()


@pytest.mark.parametrize("to", ENDPOINTS, ids=lambda to: to["type"])
def test_every_kind_of_endpoint_is_called_and_hung_up(calls: Server, to: Json) -> None:
    """No log shows an app user's leg ringing."""
    uuid = create(calls, to)
    calls.until(lambda: calls.leg(uuid).answered and calls.leg(uuid).conversation.name == "room")
    http: HttpClient = calls.client.http_client
    calls.until(lambda: (calls.carrier.clock.now() - calls.leg(uuid).times["started"]).total_seconds() > 1)
    http.put(http.api_host, f"/v1/calls/{uuid}", {"action": "hangup"})
    rings = ["ringing"] if to["type"] in ("phone", "sip", "vbc") else []
    assert statuses(calls, uuid) == ["started", *rings, "answered", "completed"]
    found = http.get(http.api_host, f"/v1/calls/{uuid}")
    assert (found["status"], found["to"]["type"], found["direction"]) == ("completed", to["type"], "outbound")
    assert calls.leg(uuid).ending.why == "the Voice API"  # type: ignore[union-attr]


@pytest.mark.parametrize("to", [{"type": "phone", "number": RINGS}, {"type": "phone", "number": BUSY}])
def test_a_call_that_is_not_answered(calls: Server, to: Json) -> None:
    uuid = create(calls, to, ringing_timer=61)
    failure = "timeout" if to["number"] == RINGS else "busy"
    assert statuses(calls, uuid) == ["started", "ringing", failure, "completed"]
    times = calls.leg(uuid).times
    if failure == "timeout":
        assert (times["timeout"] - times["ringing"]).total_seconds() >= 61, "later than by default"


def test_a_call_lasts_no_longer_than_its_length_timer(calls: Server) -> None:
    uuid = create(calls, length_timer=3)
    assert statuses(calls, uuid)[-1] == "completed"
    leg = calls.leg(uuid)
    assert leg.ending
    assert (leg.ending.by, leg.ending.why) == ("platform", "the length timer")
    assert (leg.times["completed"] - leg.times["answered"]).total_seconds() >= 3


def test_whoever_is_called_may_hang_up(calls: Server) -> None:
    uuid = create(calls, number=HANGS_UP)
    assert statuses(calls, uuid)[-1] == "completed"
    assert calls.leg(uuid).disconnected_by == "user"


@pytest.mark.parametrize(
    ("number", "detection", "found"),
    [
        (MACHINE, {"machine_detection": "continue"}, ["machine"]),
        (HANGS_UP, {"machine_detection": "continue"}, []),
        (ALICE, {"machine_detection": "hangup"}, ["human"]),
        (MACHINE, {"advanced_machine_detection": {"behavior": "continue", "mode": "detect_beep"}}, ["machine"]),
    ],
    ids=["a machine", "gone before", "a person", "the beep"],
)
def test_who_answered_is_detected(calls: Server, number: str, detection: Json, found: list[str]) -> None:
    uuid = create(calls, number=number, length_timer=20, **detection)
    assert statuses(calls, uuid) == ["started", "ringing", "answered", *found, "completed"]


def test_a_machine_is_hung_up_on(calls: Server) -> None:
    uuid = create(calls, number=MACHINE, machine_detection="hangup")
    assert statuses(calls, uuid) == ["started", "ringing", "answered", "machine", "completed"]
    leg = calls.leg(uuid)
    assert leg.ending
    assert leg.ending.why == "a machine answered"
