"""`flask simulate call` while `flask simulate serve` or a demo runs: the call is placed there."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.simulate_command import Done, environ, serving, simulate
from tests.e2e.simulate_command import command as words_of
from tests.engines import wait_until
from tests.serving import ROOT, Server
from vonage_simulator.certificate import make

START = 120.0  # seconds: keys and a certificate, on a busy machine
CALL = ("call", "--hang-up-after", "8")


class Running:
    """A server, and a carrier for it in another process, with its output."""

    def __init__(self, server: Server, folder: Path, log_name: str = "log-of-the-carrier") -> None:
        self.server, self.folder = server, folder
        self.file = folder / "commands" / "simulator" / "carrier.json"
        log = folder / log_name
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-u", *words_of("serve", "--api-port", "0", "--sdk-port", "0", "--speed", "4")[1:]],
                cwd=ROOT,
                env=environ(server, folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._log = log
        wait_until(lambda: "Ctrl-C stops it." in self.said, "it serves", START)

    @property
    def said(self) -> str:
        return self._log.read_text()

    def simulate(self, *words: str) -> Done:
        return simulate(self.server, self.folder, *words)

    def ledger(self) -> Any:
        """What the carrier has of all its calls."""
        (base,) = re.findall(r"Voice API +(https://\S+)", self.said)
        ca = make(self.folder / "commands" / "simulator").ca
        return requests.get(f"{base}/simulator/ledger", verify=str(ca), timeout=20).json()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("running")
    with serving(folder, WEB_CONCURRENCY="1") as server:
        carrier = Running(server, folder)
        yield carrier
        carrier.stop()


def uuids(done: Done) -> set[str]:
    """The legs that the output of a command names."""
    return set(re.findall(r"^  leg (\S+)", done.out, re.MULTILINE))


def test_the_call_is_placed_there_and_its_output_is_as_always(running: Running) -> None:
    done = running.simulate(*CALL)
    assert (done.status, done.err) == (0, "")
    assert re.search(r"447700900123 +→ ringing +200 in \d+ ms: ringing, live", done.out)
    assert re.search(r"calls Alice \(app\)", done.out)
    assert done.out.rstrip().endswith("the server's state matches what happened")
    assert "Conversations: 1, webhooks: 8 (" in done.out
    legs = {leg["uuid"] for leg in running.ledger()["legs"]}
    assert len(uuids(done)) == 2
    assert uuids(done) <= legs


def test_two_calls_at_once_show_their_own(running: Running) -> None:
    commands = [
        subprocess.Popen(
            words_of(*CALL, "--from", from_, "--pretty"),
            cwd=ROOT,
            env=environ(running.server, running.folder),
            stdout=subprocess.PIPE,
            text=True,
        )
        for from_ in ("447700900131", "447700900132")
    ]
    outputs = [command.communicate(timeout=120)[0] for command in commands]
    assert [command.returncode for command in commands] == [0, 0]
    for output, own, other in zip(outputs, ("131", "132"), ("132", "131"), strict=True):
        assert f"'447700900{own}'" in output
        assert f"447700900{other}" not in output
        assert output.count("EVENT:") == 7


def test_its_recording_can_be_had_afterwards(running: Running) -> None:
    done = running.simulate("call", "--scenario", "recorded-call")
    assert done.status == 0, done.out + done.err
    (url,) = re.findall(r"recording \S+ \S+  (https://\S+)", done.out)
    ca = make(running.folder / "commands" / "simulator").ca
    assert requests.get(url, verify=str(ca), timeout=20).status_code == 401, "it is there, for who has a token"


@pytest.mark.parametrize("own", [("--speed", "20"), ("--seed", "3"), ("--event-url", "http://127.0.0.1:9/event")])
def test_what_that_carrier_cannot_do_is_done_by_another(running: Running, own: tuple[str, ...]) -> None:
    before = len(running.ledger()["legs"])
    running.simulate("call", "--hang-up-after", "0", *own)
    assert len(running.ledger()["legs"]) == before


def test_the_scenario_is_refused_as_always(running: Running) -> None:
    done = running.simulate("call", "--scenario", "unknown")
    assert done.status == 2
    assert "unknown" in done.err


def test_a_trouble_is_reported_with_the_status_of_the_command(running: Running) -> None:
    done = running.simulate("call", "--scenario", "wrong-ncco")
    assert done.status == 1
    assert "cannot be run" in done.err


def test_a_command_that_is_stopped_hangs_up(running: Running) -> None:
    command = subprocess.Popen(
        words_of("call", "--from", "447700900133", "--hang-up-after", "4000"),
        cwd=ROOT,
        env=environ(running.server, running.folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def leg() -> Any:
        return next((leg for leg in running.ledger()["legs"] if leg["from"] == "447700900133"), None)

    wait_until(lambda: leg() and leg()["status"] == "answered", "it is answered", START)
    command.send_signal(signal.SIGINT)
    assert command.wait(30) == 130
    command.communicate()
    wait_until(lambda: leg()["status"] == "completed", "the caller has hung up")
    assert leg()["ended"]["by"] == "user"


def test_nobody_else_may_place_a_call(running: Running) -> None:
    assert running.file.stat().st_mode & 0o777 == 0o600
    assert running.file.parent.stat().st_mode & 0o777 == 0o700
    here = json.loads(running.file.read_text())
    wrong: list[dict[str, Any]] = [{"Authorization": each} for each in (b"Bearer wrong", "Bearer é".encode(), b"\xff")]
    for headers in ({}, *wrong):
        for method, path in (("GET", "/"), ("POST", "/calls")):
            response = requests.request(method, here["url"] + path, headers=headers, json={}, timeout=20)
            assert response.status_code == 401
    good = {"Authorization": f"Bearer {here['secret']}"}
    for body in (b"", b"[]", b"{}", b'{"scenario": 1}', b"1", b"\xff"):
        assert requests.post(f"{here['url']}/calls", headers=good, data=body, timeout=20).status_code == 400
    body = json.dumps({"scenario": "about: x", "token": None, "pretty": False}).encode()
    assert "calls" in requests.post(f"{here['url']}/calls", headers=good, data=body, timeout=20).json()["error"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda here: f"no {here}",
        lambda here: json.dumps(here | {"url": "http://127.0.0.1:9"}),
        lambda here: json.dumps(here | {"secret": "wrong"}),
        lambda here: json.dumps(here | {"server": "http://127.0.0.1:9"}),
        lambda here: json.dumps(here | {"more": 1}),
    ],
)
def test_a_carrier_that_is_not_there_is_not_used(running: Running, spoil: Callable[[Any], str]) -> None:
    """One that was killed leaves its file behind."""
    kept = running.file.read_text()
    before = len(running.ledger()["legs"])
    try:
        running.file.write_text(spoil(json.loads(kept)))
        assert running.simulate("call", "--hang-up-after", "0").status == 0
    finally:
        running.file.write_text(kept)
    assert len(running.ledger()["legs"]) == before


def test_another_one_leaves_it_its_place(running: Running) -> None:
    other = Running(running.server, running.folder, "log-of-the-other")
    try:
        assert "Another simulated carrier runs for this server" in other.said
        assert uuids(running.simulate(*CALL)) <= {leg["uuid"] for leg in running.ledger()["legs"]}
    finally:
        assert other.stop() == 0
    assert "Another simulated carrier" not in running.said
    done = running.simulate(*CALL)
    assert uuids(done) <= {leg["uuid"] for leg in running.ledger()["legs"]}


def test_once_it_has_stopped_the_call_has_a_carrier_of_its_own(tmp_path: Path) -> None:
    with serving(tmp_path, WEB_CONCURRENCY="1") as server:
        running = Running(server, tmp_path)
        assert running.file.exists()
        assert running.stop() == 0
        assert not running.file.exists()
        assert running.simulate("call", "--hang-up-after", "0").status == 0
