"""Workers are replaced, or the whole server is, while webhooks come without a pause: their sender sees no error.

Each sender notes what became of every request; none is repeated.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.engines import Engine, wait_until
from tests.generated import iso
from tests.serving import Client, Server
from tests.sse import connect

SENDERS = 6  # half of them over connections that are kept
ROUNDS = 3
ENOUGH = 40  # requests between two restarts


# As `make run` and the Procfile start it. `python -m gunicorn` cannot start itself anew (SIGUSR2): gunicorn
# would run its own `__main__.py` by path, and take `gunicorn.http` for Python's `http`.
COMMAND = ("gunicorn", "-c", "config/gunicorn.py", "wsgi:app")


@pytest.fixture
def server(tmp_path: Path, valkey: Engine) -> Iterator[Server]:
    """A server with two workers."""
    valkey.flush()
    server = Server(tmp_path, command=COMMAND, REDIS_URL=valkey.address.url, WEB_CONCURRENCY="2")
    try:
        yield server.ready()
    finally:
        server.kill()


class Sender:
    """Sends webhooks, each of a call of its own, and notes what became of them."""

    def __init__(self, port: int, name: str, *, keeps: bool) -> None:
        self.kept, self.failed = list[str](), list[str]()
        self._port, self._name, self._keeps = port, name, keeps
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        client, count = Client(self._port), 0
        while not self._over.is_set():
            count += 1
            id_ = f"CON-{self._name}-{count}"
            body = {"conversation_uuid": id_, "uuid": f"{self._name}-{count}", "status": "started"}
            try:
                text = json.dumps(body | {"timestamp": iso(datetime.now(UTC))})
                reply = client.ask("POST", "/voice/event", text.encode())
                (self.kept if reply.status == 200 else self.failed).append(id_ if reply.status == 200 else str(reply))
            except (OSError, HTTPException) as error:
                self.failed.append(type(error).__name__)
                client.close()
            if not self._keeps:
                client.close()
            time.sleep(0.003)
        client.close()


@contextmanager
def load(server: Server) -> Iterator[list[Sender]]:
    senders = [Sender(server.port, f"s{number}", keeps=number % 2 == 0) for number in range(SENDERS)]
    try:
        yield senders
    finally:
        for sender in senders:
            sender.end()


def sent(senders: list[Sender]) -> int:
    return sum(len(sender.kept) + len(sender.failed) for sender in senders)


def more(senders: list[Sender]) -> None:
    """Wait until each has sent some more."""
    goal = [len(sender.kept) + len(sender.failed) + ENOUGH for sender in senders]
    wait_until(
        lambda: all(len(s.kept) + len(s.failed) >= least for s, least in zip(senders, goal, strict=True)), "requests"
    )


def are_others(server: Server, old: set[int]) -> bool:
    """Whether there are two workers, and none of the *old* ones."""
    now = set(server.workers)
    return len(now) == 2 and not old & now


def are_kept(server: Server, senders: list[Sender]) -> None:
    """Every request was answered, and what was acknowledged is there, once."""
    assert [failed for sender in senders for failed in sender.failed] == []
    acknowledged = {id_ for sender in senders for id_ in sender.kept}
    webhooks = server.api("/status").json["webhooks"]
    assert (webhooks["received"], webhooks["repeats"]) == (len(acknowledged), 0)


def test_workers_are_replaced_under_load_without_an_error(server: Server) -> None:
    """SIGHUP: new workers, with the code that is there now, before the old ones end."""
    with load(server) as senders:
        for _ in range(ROUNDS):
            old = set(server.workers)
            more(senders)
            os.kill(server.process.pid, signal.SIGHUP)
            wait_until(partial(are_others, server, old), "two new workers alone")
        more(senders)
    are_kept(server, senders)


def test_a_new_server_takes_over_the_socket_without_an_error(server: Server) -> None:
    """SIGUSR2, then SIGTERM to the old one: also what gunicorn itself has loaded is new then."""
    with load(server) as senders:
        more(senders)
        old = {server.process.pid, *server.workers}
        os.kill(server.process.pid, signal.SIGUSR2)
        wait_until(lambda: len(processes(server) - old) == 3, "a new master and its workers")
        # Its workers import the app: it is ready once one of them has answered.
        wait_until(lambda: server.said.count("Listening at") == 2, "the new one listens")
        more(senders)
        server.process.terminate()
        assert server.process.wait(60) == 0
        more(senders)
    are_kept(server, senders)


def test_who_is_told_to_stop_answers_all_that_it_took(server: Server, valkey: Engine) -> None:
    """SIGTERM: what was taken in is kept and answered, and nothing else is kept.

    Connections that no worker has accepted are refused or, as the last one closes the socket, reset.
    """
    stream = connect(server, "/api/v1/stream")
    with load(server) as senders:
        more(senders)
        server.process.terminate()
        stream.wait_for_end()
        assert server.process.wait(60) == 0
    stream.close()
    assert {failed for sender in senders for failed in sender.failed} <= {
        "ConnectionRefusedError",
        "ConnectionResetError",
    }
    again = Server(server.folder, REDIS_URL=valkey.address.url, PORT=str(server.port)).ready()
    try:
        webhooks = again.api("/status").json["webhooks"]
        assert webhooks["received"] == sum(len(sender.kept) for sender in senders)
    finally:
        again.kill()


def processes(server: Server) -> set[int]:
    """Those of its group."""
    found = subprocess.run(["ps", "-eo", "pgid=,pid="], capture_output=True, text=True, check=True)
    return {int(pid) for group, pid in map(str.split, found.stdout.splitlines()) if int(group) == server.process.pid}
