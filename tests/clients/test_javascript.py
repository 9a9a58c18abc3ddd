"""The JavaScript client in Node: against a small server that breaks its streams, and against the whole app."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.control.conftest import carrier_folder, world
from tests.control.test_session_verbs import ALICE, SECOND, THIRD, acts, call_of_alice, done, lasting_world
from tests.control.world import AGENT, World
from vonage_simulator.ledger import Leg

__all__ = ["carrier_folder", "lasting_world", "world"]
HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def run(script: str, *arguments: str) -> list[Any]:
    """What a script in Node prints, as JSON."""
    command = ["node", str(HERE / script), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def frame(number: int, event: str, session: str, **more: Any) -> bytes:
    shown = {"id": session, "state": "live", "number": "447700900123", "status": {"isRing": event == "call_incoming"}}
    shown |= {"state": "ended"} if event == "call_ended" else {}
    data = {"event": event, "user": "Alice", "session": shown, **more}
    return f"id: {number}\nevent: {event}\ndata: {json.dumps(data)}\n\n".encode()


# The parts of each connection's response; None: it is refused. In the first one the third event is cut off.
CONNECTIONS: tuple[tuple[bytes, ...] | None, ...] = (
    (
        b'retry: 1\r\nid: 0\r\nevent: sessions\r\ndata: {"event": "sessions",\r\ndata: "sessions": []}\r\n\r',
        b"\n: alive\n\n" + frame(1, "call_incoming", "one")[:30],
        frame(1, "call_incoming", "one")[30:] + frame(2, "call_answered", "one") + frame(3, "call_ended", "one")[:60],
    ),
    None,
    (
        frame(3, "call_ended", "one", cause="completed"),
        frame(4, "call_answered", "two"),
        frame(5, "call_ended", "two", cause="rejected"),
    ),
)


@pytest.fixture
def breaking() -> Iterator[tuple[str, list[tuple[str | None, str | None]]]]:
    """A server whose streams break, and what each request had of Authorization and Last-Event-ID."""
    seen: list[tuple[str | None, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = CONNECTIONS[len(seen)]
            seen.append((self.headers["Authorization"], self.headers["Last-Event-ID"]))
            self.send_response(200 if parts else 503)
            self.send_header("Content-Type", "text/event-stream" if parts else "application/problem+json")
            self.end_headers()
            for part in parts or (b'{"status": 503, "title": "Busy", "detail": "Too many streams."}',):
                self.wfile.write(part)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()
    thread.join()


def test_events_come_once_over_broken_connections(breaking: tuple[str, list[tuple[str | None, str | None]]]) -> None:
    url, seen = breaking
    assert run("follow.mjs", url) == [
        ["incoming", ["one", "447700900123"]],
        ["answered", ["one"]],
        ["refused", [503, "Busy"]],
        ["first end", "one"],
        ["deleted", ["one", "completed", None, 0]],
        ["answered", ["one", "two"]],
        ["deleted", ["two", "rejected", None, 0]],
    ]
    assert seen == [("Bearer token-1", None), ("Bearer token-2", "2"), ("Bearer token-3", "2")]


def is_held(world: World, leg: Leg) -> bool:
    return bool(world.control(leg)["hold"] == "held")


def test_the_examples_of_conferences(world: World) -> None:
    ids = []
    for room, number in (("one", AGENT), ("two", SECOND), ("three", THIRD)):
        customer, _, session = call_of_alice(world, number, room)
        ids.append(session)
        if room != "one":
            done(acts(world, session, "hold"))
            world.until(partial(is_held, world, customer))
    (seen,) = run("confer.mjs", world.base, ALICE, *ids)
    assert seen["error"][:3] == [True, 404, "Unknown session"]
    assert seen["error"][3]
    assert seen | {"error": None} == {
        "held": [False, 404],
        "muted": [True, True],
        "host": [ids[0], True, False],
        "participants": 2,
        "more": 3,
        "added": True,
        "fewer": 2,
        "over": [True, 0],
        "error": None,
    }
