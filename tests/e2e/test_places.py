"""The limit of calls of a user, at a real server with two workers."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Serve
from tests.engines import wait_until
from tests.serving import Server

CALLS = 50
AT_ONCE = 10  # connections, each of which sends one call after the other
ROUNDS = 8
FLOWS = """
routes: [{flow: a}]
flows:
  a:
    steps:
      ring:
        - {action: connect, from: "{{ from }}", endpoint: [{type: app, user: "{{ to }}"}], next: message}
      message: [{voicemail: "{{ to }}"}]
"""


def test_of_fifty_calls_at_once_two_reach_the_user_and_the_others_are_diverted(serve: Serve, tmp_path: Path) -> None:
    """Redis has 50 ms to say who is free: a round in which it was slower shows nothing of the limit but its marks."""
    flows = tmp_path / "flows.yaml"
    flows.write_text(FLOWS)
    server = serve(WEB_CONCURRENCY="2", FLOWS_FILE=str(flows))
    for number in range(ROUNDS):
        user = f"Alice{number}"
        rung = Counter(called(server, user))
        answers = kept(server, user)
        unclaimed = sum(answer["unclaimed"] == [user] for answer in answers)
        assert sum(answer["diverted"] == [user] for answer in answers) == rung["talk"]
        assert rung["connect"] - unclaimed <= 2
        sessions = server.api(f"/api/v1/users/{user}/sessions").json["items"]
        assert len(sessions) == rung["connect"]
        if not unclaimed:
            assert rung == {"connect": 2, "talk": CALLS - 2}
            return
    raise AssertionError("Redis was too slow in each round")


def called(server: Server, user: str) -> list[str]:
    """The first action that each of the calls to *user* gets."""

    def some(first: int) -> list[str]:
        with closing(server.client()) as client:
            return [
                client.ask("POST", "/voice/answer", json.dumps(request(user, number)).encode()).json[0]["action"]
                for number in range(first, CALLS, AT_ONCE)
            ]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [action for actions in pool.map(some, range(AT_ONCE)) for action in actions]


def request(user: str, number: int) -> dict[str, str]:
    ids = {"uuid": f"{user}-{number}", "conversation_uuid": f"CON-{user}-{number}"}
    return {"from": "447700900123", "to": user, **ids}


def kept(server: Server, user: str) -> list[Any]:
    """What is kept of the answer to each of the calls to *user*."""
    found: list[Any] = []

    def all_kept() -> bool:
        found[:] = [
            answer
            for number in range(CALLS)
            for answer in server.api(f"/api/v1/conversations/CON-{user}-{number}").json.get("answers", ())
        ]
        return len(found) == CALLS

    wait_until(all_kept, "the record of each answer is written")
    return found
