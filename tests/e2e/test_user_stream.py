"""The events of a user over real workers: the same from each, in the same order, and nothing lost or doubled."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.documented import example
from tests.e2e.simulate_command import environ, serving
from tests.e2e.test_sessions import played
from tests.engines import wait_until
from tests.serving import OPERATOR, ROOT, Server
from tests.sse import Event, Reading, connect
from vonage_simulator.ledger import Leg

STREAM = "/api/v1/users/Alice/stream"
CALL = Path(__file__).parents[1] / "clients" / "call.mjs"
WHOLE_CALL = ["call_created", "call_incoming", "session_started", "call_answered", "call_ended"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two workers."""
    with serving(tmp_path_factory.mktemp("server"), WEB_CONCURRENCY="2") as server:
        yield server


def of_calls(events: list[Event]) -> list[Event]:
    """Those of sessions. How much is seen between two looks depends on how busy the machine is."""
    return [event for event in events if event.type.startswith(("call_", "session_")) and event.type != "call_updated"]


def once_ended(readings: list[Reading], calls: int = 1) -> list[list[Event]]:
    def have_ended() -> bool:
        return all(sum(event.type == "call_ended" for event in each.events) == calls for each in readings)

    wait_until(have_ended, "every stream has the end of the call")
    return [list(each.events) for each in readings]


def call_of(legs: dict[str, Leg]) -> str:
    return next(leg.uuid for leg in legs.values() if leg.direction == "inbound")


def test_all_workers_send_the_same_and_a_stream_goes_on_where_it_was(server: Server) -> None:
    readings = [connect(server, STREAM) for _ in range(6)]
    call = call_of(played(server, "phone-to-app", ""))
    found = once_ended(readings)
    for events in found:
        assert events[0].type == "sessions"
        assert [(event.id, event.type, event.data) for event in events[1:]] == [
            (event.id, event.type, event.data) for event in found[0][1:]
        ]
    seen = found[0][1:]
    names = [event.type for event in of_calls(seen)]
    assert sorted(names) == sorted(WHOLE_CALL), "each once"
    assert names[:2] == WHOLE_CALL[:2]
    assert names[-1] == "call_ended"
    assert {event.data["session"]["id"] for event in of_calls(seen)} == {call}
    end = seen[-1] if seen[-1].type == "call_ended" else next(e for e in seen if e.type == "call_ended")
    assert (end.data["cause"], end.data["answered"], end.data["session"]["state"]) == ("completed", True, "ended")
    resumed = resume(server, seen[1].id)
    wait_until(lambda: len(resumed.events) >= len(seen) - 2, "what was missed")
    assert [(event.id, event.type) for event in resumed.events] == [(event.id, event.type) for event in seen[2:]]
    for each in (*readings, resumed):
        each.close()


def resume(server: Server, after: str) -> Reading:
    return connect(server, STREAM, **{"Last-Event-ID": after})


def test_a_call_while_nobody_listens_is_sent_to_who_comes_back(server: Server) -> None:
    first = connect(server, STREAM)
    at = first.parser.last_id
    first.close()
    call = call_of(played(server, "nobody-answers", ""))
    back = resume(server, at)
    (events,) = once_ended([back])
    names = [event.type for event in of_calls(events)]
    assert names == ["call_created", "call_incoming", "call_ended"]
    assert "user_missed_call" in [event.type for event in events]
    assert {event.data["session"]["id"] for event in of_calls(events)} == {call}
    back.close()


@pytest.mark.parametrize("id_", ["0-1", "nonsense", "99999999999999-0"])
def test_from_where_nothing_is_kept_it_begins_anew(server: Server, id_: str) -> None:
    reading = resume(server, id_)
    event = reading.wait_for(1)[0]
    assert (event.type, event.data["sessions"]) == ("sessions", [])
    reading.close()


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_javascript_client_follows_a_call(server: Server) -> None:
    command = ["node", str(CALL), f"http://127.0.0.1:{server.port}", "Alice", OPERATOR]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as client:
        assert client.stdout
        assert json.loads(client.stdout.readline()) == ["connected"]
        call = call_of(played(server, "phone-to-app", ""))
        printed: list[Any] = [json.loads(line) for line in client.stdout]
    assert client.returncode == 0
    expected: list[list[Any]] = [["newRTCSession", call], ["ON_CALL_INCOMING", call], ["startSession", call]]
    expected += [["ON_CALL_ANSWERED", call, True], ["deleteSession", call, "completed"]]
    assert sorted(printed) == sorted(expected)
    assert printed[-1][0] == "deleteSession"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_first_example_of_the_clients_shows_a_call(server: Server, tmp_path: Path) -> None:
    """As it is copied: but for the port, the file with the token, where the commands are, and that time is shorter."""
    (tmp_path / "token").write_text(f"{OPERATOR}\n")
    script = example("sh", "node")
    for ours, here in (
        ("localhost:8080", f"127.0.0.1:{server.port}"),
        ("var/operator_token", str(tmp_path / "token")),
        (".venv/bin/flask simulate call", f"{sys.executable} -m flask simulate call --speed 10"),
        ("simulated.txt", str(tmp_path / "simulated.txt")),
    ):
        assert ours in script
        script = script.replace(ours, here)
    variables = environ(server, tmp_path)
    done = subprocess.run(
        ["sh", "-c", script], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=120, check=False
    )
    called, answered, over = done.stdout.splitlines()
    assert re.fullmatch(r"\d+ calls Alice", called), done.stderr
    assert re.match(r"answered at \d+:\d\d", answered)
    assert over == "over: completed"
