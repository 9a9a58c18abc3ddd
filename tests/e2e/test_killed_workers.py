"""The worker that a stream comes from is killed, again and again, while calls go on: the client misses nothing."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.e2e.test_user_stream import STREAM, resume
from tests.engines import wait_until
from tests.generated import iso
from tests.serving import Server
from tests.sse import Event, connect, open_stream

CALLS = 10
KEYS = 3  # that are pressed in each call
MOST_AFTER = 0.12  # seconds after a webhook: a look is made about then
ONCE = ("call_created", "call_incoming", "session_started", "call_answered", "call_ended")
ESTABLISHED = "01"  # in /proc/net/tcp


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server with two workers, which takes webhooks without a signature."""
    server = Server(tmp_path, WEB_CONCURRENCY="2", CALLER_NUMBER="442079460000")
    try:
        yield server.ready().with_busy_users()
    finally:
        server.kill()


class Client:
    """Follows Alice, and connects again after the last event that it has, as a browser does."""

    def __init__(self, server: Server) -> None:
        self.server, self.events = server, list[Event]()
        self.killed: list[int] = []
        self.reading = connect(server, STREAM)
        self.last_id = self.reading.parser.last_id

    def worker(self) -> int:
        """The process that has the other end of the connection."""
        ends = f":{self.server.port:04X}", f":{self.reading.port:04X}"
        rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        here = (row for row in rows if row[1].endswith(ends[0]) and row[2].endswith(ends[1]))
        (inode,) = (row[9] for row in here if row[3] == ESTABLISHED)  # an earlier one may have had the same port
        return next(pid for pid in self.server.workers if f"socket:[{inode}]" in files_of(pid))

    def kill(self) -> None:
        """Kill the worker that serves it; then go on at another one."""
        self.killed.append(self.worker())
        os.kill(self.killed[-1], signal.SIGKILL)
        self.reading.wait_for_end()
        self._take()

        def connected() -> bool:
            with suppress(OSError, HTTPException):  # to whichever worker there is
                self.reading = open_stream(self.server, STREAM, **{"Last-Event-ID": self.last_id})
                return True
            return False

        wait_until(connected, "a worker serves the stream")

    def until_ended(self, calls: int) -> list[Event]:
        """All events, once so many calls have ended."""

        def ended() -> bool:
            seen = [*self.events, *self.reading.events]
            return sum(event.type == "call_ended" for event in seen) >= calls

        wait_until(ended, "the end of every call")
        time.sleep(1.5)  # what would be sent again comes with the next look
        self.reading.close()
        self._take()
        return self.events

    def _take(self) -> None:
        self.events += self.reading.events
        self.last_id = self.reading.parser.last_id or self.last_id


def files_of(pid: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.add(str(entry.readlink()))
    return found


def sends(server: Server, body: dict[str, Any], path: str = "/voice/event") -> None:
    """As Vonage does: a webhook that fails is sent again."""
    text = json.dumps(body | {"timestamp": iso(datetime.now(UTC))}).encode()

    def sent() -> bool:
        with suppress(OSError, HTTPException):
            return server.ask("POST", path, text).status == 200
        return False

    wait_until(sent, "the webhook is kept")


def webhooks_of(number: int) -> Iterator[tuple[dict[str, Any], str]]:
    """A call that Alice answers, in which keys are pressed."""
    caller: dict[str, Any] = {"conversation_uuid": f"CON-{number}", "uuid": f"caller-{number}"}
    caller |= {"direction": "inbound", "from": "447700900123", "to": "442079460000"}
    alice = caller | {"uuid": f"to-alice-{number}", "direction": "outbound", "to": "Alice"}
    yield caller | {"status": "ringing"}, "/voice/event"
    yield caller, "/voice/answer"
    yield caller | {"status": "answered"}, "/voice/event"
    yield alice | {"status": "answered"}, "/voice/event"
    for key in range(KEYS):
        yield caller | {"dtmf": {"digits": f"{number}{key}"}}, "/voice/event"
    yield alice | {"status": "completed"}, "/voice/event"
    yield caller | {"status": "completed"}, "/voice/event"


def test_a_worker_that_is_killed_while_it_looks_costs_no_event_and_doubles_none(server: Server) -> None:
    random, client = Random(12), Client(server)
    first = client.last_id
    for number in range(CALLS):
        fatal = random.randrange(2, 7)
        for count, (body, path) in enumerate(webhooks_of(number)):
            sends(server, body, path)
            if count == fatal:
                time.sleep(random.uniform(0, MOST_AFTER))
                client.kill()
    events = client.until_ended(CALLS)
    assert len(set(client.killed)) == CALLS
    ids = [event.id for event in events]
    assert ids == sorted(set(ids), key=lambda id_: [int(part) for part in id_.split("-")]), "in order, each once"
    for number in range(CALLS):
        of_call = [event for event in events if (event.data.get("session") or {}).get("id") == f"caller-{number}"]
        assert [event.type for event in of_call if event.type in ONCE] == list(ONCE)
        digits = [event.data["digits"] for event in of_call if event.type == "call_dtmf_created"]
        assert digits == [f"{number}{key}" for key in range(KEYS)]
    kept = resume(server, first)
    wait_until(lambda: len(kept.events) >= len(events) - 1, "all that is kept")
    assert kept.events == [event for event in events if event.type != "sessions"]
    kept.close()
