"""`flask simulate demo` and `flask simulate serve` as real processes."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from vonage import Auth, HttpClientOptions, Vonage
from vonage_voice.models import CreateCallRequest, Talk, ToPhone

from app.cli.demo import own_environment
from config.settings import load
from tests.e2e.conftest import Serve
from tests.engines import free_ports, wait_until
from tests.serving import OPERATOR, Server

START = 120.0  # seconds: an engine, a worker, keys and a certificate, on a busy machine


class Command(Server):
    """A `flask` command that runs until it is stopped, with its output in a file."""

    def __init__(self, folder: Path, *words: str, port: int) -> None:
        super().__init__(
            folder, command=(sys.executable, "-u", "-m", "flask", *words), PORT=str(port), WEB_CONCURRENCY="1"
        )
        self.base = f"http://127.0.0.1:{port}"

    def conversations(self) -> list[dict[str, object]]:
        """The conversations on its server."""
        return list(self.api("/api/v1/conversations").json["items"])

    def stop(self) -> int:
        """Send Ctrl-C as a terminal does; returns the exit status."""
        with suppress(ProcessLookupError):
            self.group(signal.SIGINT)
        return self.process.wait(START)

    def has_said(self, words: str) -> bool:
        """Whether it wrote *words*; fails if it has ended."""
        assert self.process.poll() is None, self.said
        return words in self.said


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that runs already."""
    server = Server(tmp_path_factory.mktemp("server"), WEB_CONCURRENCY="1")
    yield server.ready()
    server.kill()


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Starts commands, which are stopped at the end of the test."""
    started: list[Command] = []

    def start(*words: str, port: int) -> Command:
        started.append(Command(tmp_path, *words, port=port))
        return started[-1]

    yield start
    for running in started:
        running.stop()


def test_demo_starts_a_server_and_places_calls_until_ctrl_c(command: Callable[..., Command], serve: Serve) -> None:
    (port,) = free_ports(1)
    demo = command("simulate", "demo", "--every", "0.2", port=port)
    wait_until(lambda: demo.has_said("Ctrl-C stops it."), "the demo runs", START)
    assert f"{demo.base}/?token=" in demo.said
    wait_until(lambda: len(demo.conversations()) > 5, "calls come in", START)
    wait_until(lambda: demo.api("/api/v1/figures").json["calls"]["total"] > 5, "they are in the figures", START)
    assert demo.api("/api/v1/users/Alice").json["max_calls"] == 50, "a call of yours is not diverted"
    kept = demo.folder / "var" / "demo" / "operator_token"
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == (f"{OPERATOR}\n", 0o600), "commands find the token"
    assert demo.stop() == 0
    assert "Traceback" not in demo.said
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{demo.base}/healthz", timeout=5)
    server = serve(PORT=str(port), WEB_CONCURRENCY="1")
    assert server.api("/api/v1/conversations").json["items"] == [], "its calls are not among those of `make run`"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_calls_of_a_demo_end_with_it(command: Callable[..., Command], number: signal.Signals) -> None:
    (port,) = free_ports(1)
    demo = command("simulate", "demo", "--every", "0.2", port=port)
    wait_until(lambda: demo.has_said("Ctrl-C stops it."), "the demo runs", START)
    live = "/api/v1/calls?state=live&limit=100"
    wait_until(lambda: len(demo.api(live).json["items"]) > 5, "calls go on", START)
    demo.process.send_signal(number)
    assert demo.process.wait(START) == 0
    again = command("simulate", "demo", "--every", "3600", port=port)
    wait_until(lambda: again.has_said("Ctrl-C stops it."), "it runs again", START)
    left = [call for call in again.api(live).json["items"] if any(leg["state"] == "answered" for leg in call["legs"])]
    assert len(left) <= 1, "one may be the new demo's own"
    assert "Traceback" not in demo.said


def test_a_demo_uses_no_redis_of_yours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("REDIS_URL", "REDIS_TLS_URL"):
        monkeypatch.setenv(name, "redis://redis.example.com")
    settings = load({"DATA_DIR": str(tmp_path), "REDIS_URL": "redis://redis.example.com"})
    mine = own_environment(settings)
    assert load(mine).redis_url is None
    assert load(mine).access_tokens == settings.access_tokens


def test_a_terminated_demo_stops_its_server_too(command: Callable[..., Command]) -> None:
    (port,) = free_ports(1)
    demo = command("simulate", "demo", "--every", "0.2", port=port)
    wait_until(lambda: demo.has_said("Ctrl-C stops it."), "the demo runs", START)
    demo.process.terminate()
    assert demo.process.wait(START) == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{demo.base}/healthz", timeout=5)


def test_demo_uses_a_server_that_runs_already_and_leaves_it_running(
    command: Callable[..., Command], server: Server
) -> None:
    demo = command("simulate", "demo", "--every", "0.2", port=server.port)
    wait_until(lambda: len(demo.conversations()) > 2, "calls come in", START)
    assert demo.stop() == 0
    assert server.answers()


def test_the_vonage_sdk_places_a_call_and_the_server_has_it(
    command: Callable[..., Command], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    vonage = command("simulate", "serve", "--api-port", "0", "--sdk-port", "0", "--speed", "20", port=server.port)
    wait_until(lambda: vonage.has_said("Ctrl-C stops it."), "it serves", START)
    host, ca = re.findall(r"https://(\S+)  \(REQUESTS_CA_BUNDLE=(\S+)\)", vonage.said)[0]
    application, key = re.findall(r"application (\S+), private key (\S+)", vonage.said)[0]
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", ca)
    client = Vonage(Auth(application_id=application, private_key=key), HttpClientOptions(api_host=host, timeout=10))
    made = client.voice.create_call(
        CreateCallRequest(
            to=[ToPhone(number="447700900123")], from_="442079460000", ncco=[Talk(text="Your table is ready.")]
        )
    )

    def ended() -> bool:
        reply = server.api(f"/api/v1/conversations/{made.conversation_uuid}")
        return reply.status == 200 and reply.json["state"] == "ended"

    wait_until(ended, "the call has ended", START)
    (leg,) = server.api(f"/api/v1/conversations/{made.conversation_uuid}").json["legs"]
    assert (leg["uuid"], leg["to"], leg["outcome"]) == (made.uuid, "447700900123", "answered")
    assert client.voice.get_call(made.uuid).status == "completed"
    assert vonage.stop() == 0
    assert "Traceback" not in vonage.said
