"""`vonage-simulator serve` as a program of its own, which a test drives from outside."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from vonage_http_client import Auth, HttpClient, HttpClientOptions
from vonage_http_client.errors import NotFoundError

from tests.engines import wait_until

COMMAND = [
    sys.executable,
    "-c",
    "from vonage_simulator.cli.main import main; main()",
    "serve",
    "--api-port",
    "0",
    "--sdk-port",
    "0",
]
SCENARIO = """
about: Everybody waits
calls:
  - {from: "447700900123", to: "442079460000"}
callees:
  "*": {does: waits}
"""
HOLD = {"type": "ncco", "ncco": [{"action": "wait", "timeout": 100}]}


class Program:
    """The running program; `hosts` by region, `ask` requests one of its own routes."""

    def __init__(self, folder: Path, *words: str) -> None:
        (folder / "waits.yaml").write_text(SCENARIO)
        self.log = folder / "log"
        words = (*words, "--folder", str(folder), "--scenario", str(folder / "waits.yaml"))
        with self.log.open("w") as log:
            self.process = subprocess.Popen([*COMMAND, *words], stdout=log, stderr=subprocess.STDOUT)
        wait_until(lambda: "Ctrl-C" in self.log.read_text(), "it serves", 60)
        said = self.log.read_text()
        ((self.base, self.ca),) = re.findall(r"(https://\S+)  \(REQUESTS_CA_BUNDLE=(\S+)\)", said)
        self.hosts = dict(re.findall(r"^ +([a-z]+-[a-z]+) https://(\S+)$", said, re.MULTILINE))
        ((application, key),) = re.findall(r"application (\S+), private key (\S+)", said)
        self.auth = Auth(application_id=application, private_key=key)

    def ask(self, method: str, path: str, body: Any = None) -> requests.Response:
        return requests.request(method, f"{self.base}/simulator/{path}", json=body, timeout=20, verify=self.ca)

    def legs(self) -> list[dict[str, Any]]:
        return self.ask("GET", "ledger").json()["legs"]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    words = ("--regions", "na-east,eu-west", "--left-behind", "stays", "--api-faults", "mute:503=1")
    running = Program(tmp_path_factory.mktemp("serve"), *words)
    yield running
    running.process.terminate()
    assert running.process.wait(60) == 0, running.log.read_text()


def test_a_call_is_driven_and_read_from_outside(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller is connected to somebody who waits, and is transferred away; the other one stays."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", program.ca)
    connect = {"action": "connect", "endpoint": [{"type": "app", "user": "Alice"}]}
    body = {"from": "447700900123", "to": "442079460000", "far_end": {"does": "waits"}, "ncco": [connect]}
    caller = program.ask("POST", "calls", body).json()["uuid"]
    wait_until(lambda: len(program.legs()) == 2 and "started" in program.legs()[1]["times"], "Alice is rung", 60)
    alice = program.legs()[1]["uuid"]
    assert program.ask("POST", f"legs/{alice}/answer").status_code == 204
    wait_until(lambda: "answered" in program.legs()[0]["times"], "they are connected", 60)

    assert list(program.hosts) == ["na-east", "eu-west"]
    here, there = (HttpClient(program.auth, HttpClientOptions(api_host=host)) for host in program.hosts.values())
    with pytest.raises(NotFoundError):
        there.put(there.api_host, f"/v1/calls/{caller}", {"action": "transfer", "destination": HOLD})
    here.put(here.api_host, f"/v1/calls/{caller}", {"action": "transfer", "destination": HOLD})
    first, second = program.legs()
    assert (len(first["conversations"]), first["region"], second["ended"]) == (2, "na-east", None)

    response = requests.put(
        f"https://{here.api_host}/v1/calls/{caller}",
        json={"action": "mute"},
        headers={"Authorization": program.auth.create_jwt_auth_string()},
        timeout=20,
    )
    assert (response.status_code, program.legs()[0]["muted"]) == (503, [])
    for leg in (caller, alice):
        assert program.ask("POST", f"legs/{leg}/hangup").status_code == 204
    assert {leg["ended"]["by"] for leg in program.legs()} == {"user"}
    for client in (here, there):
        client._session.close()
