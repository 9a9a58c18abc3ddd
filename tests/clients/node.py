"""The JavaScript client in Node, driven from a test."""

from __future__ import annotations

import json
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

HERE = Path(__file__).parent
YEASTAR = (
    *("connected", "disconnected", "registered", "registrationFailed", "newRTCSession", "incoming", "startSession"),
    *("recordPermissionsChange", "deleteSession", "isRegisteredChange"),
)
OF_THE_STREAM = (
    *("sessions", "call_created", "call_incoming", "session_started", "call_answered", "call_updated", "call_held"),
    *("call_resumed", "call_muted", "call_unmuted", "recording_started", "recording_paused", "recording_resumed"),
    *("call_dtmf_created", "call_ended", "user_missed_call", "answer_requested", "transfer_created"),
    *("transfer_answered", "transfer_completed", "transfer_cancelled", "transfer_ended", "transfer_abandoned"),
    *("recording_stopped", "screen_share_started", "screen_share_ended", "conference_adhoc_created"),
    *("conference_adhoc_participant_joined", "conference_adhoc_participant_left", "conference_adhoc_deleted"),
    *("registration_changed", "record_permissions_changed", "current_session_changed", "stopped"),
)


def run(script: str, *arguments: str) -> list[Any]:
    """What a script in Node prints, as JSON."""
    command = ["node", str(HERE / script), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


@contextmanager
def printing(script: str, *arguments: str) -> Iterator[tuple[Callable[[str], list[Any]], Callable[[], None]]]:
    """A script that runs to its end; yields what returns the values that it prints next, with a name, and what lets it
    go on where it waits for that.
    """
    command = ["node", str(HERE / script), *arguments]
    lines: Queue[str] = Queue()

    def printed(name: str) -> list[Any]:
        found, *values = json.loads(lines.get(timeout=20))
        assert found == name, values
        return values

    def go() -> None:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()

    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        output = process.stdout
        assert output
        Thread(target=lambda: deque(map(lines.put, output), 0), daemon=True).start()
        try:
            yield printed, go
            assert process.wait(20) == 0
        finally:
            process.kill()


class Failed(Exception):
    """A method threw a PhoneError: `problem` is its status, title and error_id."""

    def __init__(self, problem: Any) -> None:
        super().__init__(str(problem))
        self.problem = problem


class NodePhone:
    """A Phone in Node. `events`: name and arguments of each so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._results: Queue[Any] = Queue()
        self.events: list[tuple[str, list[Any]]] = []
        Thread(target=self._read, daemon=True).start()

    def __call__(self, method: str, *arguments: Any) -> Any:
        """Call a method of the phone; returns what it resolves to. Raises Failed."""
        return self._send("phone", method, *arguments)

    def conference(self, method: str, *arguments: Any) -> Any:
        """Call a method of the conference that was returned last."""
        return self._send("conference", method, *arguments)

    def read(self, name: str) -> Any:
        """A property of the phone."""
        return self._send("read", name)

    def wait(self, name: str, count: int = 1) -> list[Any]:
        """The arguments of the last of *count* events *name*, once they have come."""
        end = time.monotonic() + 60
        while len(self.of(name)) < count:
            assert time.monotonic() < end, f"no {name}: {[each for each, _ in self.events]}"
            time.sleep(0.01)
        return self.of(name)[count - 1]

    def of(self, name: str) -> list[list[Any]]:
        """The arguments of all events *name* so far."""
        return [arguments for each, arguments in list(self.events) if each == name]

    def _send(self, *line: Any) -> Any:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        kind, value = self._results.get(timeout=60)
        if kind == "failed":
            raise Failed(value)
        return value

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            kind, *values = json.loads(line)
            if kind == "event":
                self.events.append((values[0], values[1:]))
            else:
                self._results.put((kind, values[0]))


@contextmanager
def phone_in_node(url: str, token: str, user: str = "Alice", **options: Any) -> Iterator[NodePhone]:
    """A phone that runs in Node."""
    wanted = {"url": url, "user": user, "token": token, "names": YEASTAR + OF_THE_STREAM, **options}
    command = ["node", str(HERE / "phone.mjs"), json.dumps(wanted)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield NodePhone(process)
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(20)
    assert process.returncode == 0
