"""Signals between the pages of two users in one call, over real workers: each stream gets all of them, in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.engines import Engine, wait_until
from tests.generated import iso
from tests.serving import OPERATOR, Server
from tests.sse import Reading, connect

CALL = "CON-of-two-users"


@pytest.fixture
def server(tmp_path: Path, valkey: Engine) -> Iterator[Server]:
    """A server with two workers."""
    valkey.flush()
    server = Server(tmp_path, REDIS_URL=valkey.address.url, WEB_CONCURRENCY="2")
    try:
        server.ready()
        yield server
    finally:
        server.kill()


def operate(server: Server, method: str, path: str, body: Any = None) -> Any:
    """What an operator gets."""
    text = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {OPERATOR}", "Content_Type": "application/json"}
    reply = server.ask(method, f"/api/v1/users/{path}", text, **headers)
    assert 200 <= reply.status < 300, reply
    return reply.json


def session_of(server: Server, user: str) -> str | None:
    """The id of the user's session, once there is somebody else in it."""
    items = operate(server, "GET", f"{user}/sessions")["items"]
    return next((each["id"] for each in items if each["answered"]), None)


def call_between_users(server: Server) -> tuple[str, str]:
    """Alice calls Bob, who answers: the ids of her session and of his."""
    asked = {"conversation_uuid": CALL, "from_user": "Alice", "to": "Bob", "uuid": "leg-of-alice"}
    assert server.ask("GET", f"/voice/answer?{urlencode(asked)}").status == 200
    for user, direction in (("Alice", "inbound"), ("Bob", "outbound")):
        operate(server, "PUT", user, {})
        leg = {"uuid": f"leg-of-{user.lower()}", "from": "Alice", "to": "Bob", "direction": direction}
        event = {"conversation_uuid": CALL, "status": "answered", "timestamp": iso(datetime.now(UTC))}
        assert server.post("/voice/event", leg | event).status == 200
    wait_until(lambda: all(session_of(server, user) for user in ("Alice", "Bob")), "they are in the call")
    return str(session_of(server, "Alice")), str(session_of(server, "Bob"))


def shares_in(reading: Reading) -> list[str]:
    return [event.data["share"] for event in reading.events if event.type == "screen_share_signal"]


def test_signals_reach_the_streams_of_all_workers(server: Server) -> None:
    mine, theirs = call_between_users(server)
    readings = [connect(server, "/api/v1/users/Bob/stream") for _ in range(6)]
    shares = [f"share-{number}" for number in range(20)]
    for share in shares:  # each over a connection of its own: the workers take turns
        said = {"type": "announce", "page": "of-alice", "share": share}
        assert operate(server, "POST", f"Alice/sessions/{mine}/signals", said) == {"members": ["Bob"]}
    for reading in readings:
        wait_until(partial(_has_all, reading, shares), "all signals")
        assert shares_in(reading) == shares
        of = {event.data["session_id"] for event in reading.events if event.type == "screen_share_signal"}
        assert of == {theirs}
        reading.close()


def test_they_go_on_once_the_store_is_back(server: Server, valkey: Engine) -> None:
    mine, _ = call_between_users(server)
    readings = [connect(server, "/api/v1/users/Bob/stream") for _ in range(6)]
    path, said = f"/api/v1/users/Alice/sessions/{mine}/signals", {"type": "announce", "page": "of-alice"}
    valkey.nodes[0].freeze()
    try:
        headers = {"Authorization": f"Bearer {OPERATOR}", "Content_Type": "application/json"}
        refused = server.ask("POST", path, json.dumps({**said, "share": "lost"}).encode(), **headers)
        assert refused.status == 503
    finally:
        valkey.nodes[0].thaw()
    wait_until(lambda: server.ask("GET", "/readyz").json == {"degraded": []}, "the store is back")
    operate(server, "POST", path.removeprefix("/api/v1/users/"), {**said, "share": "passed-on"})
    for reading in readings:
        wait_until(partial(_has_all, reading, ["passed-on"]), "the signal")
        assert "passed-on" in shares_in(reading)
        reading.close()


def _has_all(reading: Reading, shares: list[str]) -> bool:
    return set(shares) <= set(shares_in(reading))
