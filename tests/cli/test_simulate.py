"""`flask simulate`: what it prints of a call, and its messages when something is wrong.

Where only the words matter, a command is run inside of this process: a start takes half a second.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app import cli, create_app
from config.settings import Settings
from tests.cli.listening import listening
from tests.e2e.simulate_command import API_KEY, SECRET, command, environ, serving, simulate
from tests.engines import free_ports
from tests.serving import OPERATOR, ROOT, Server
from vonage_simulator import scenarios, simulation
from vonage_simulator.delivery.fault_plan import FAULTS
from vonage_simulator.verify import server_api

VIEWER = "viewers-token-of-32-characters-xx"
WRONG_SECRET = ((API_KEY, "another-secret-of-the-same-account"),)
HELLO = b'[{"action": "talk", "text": "Hello there."}]'
JSON = {"Content-Type": "application/json"}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that requires signatures."""
    with serving(
        tmp_path_factory.mktemp("server"), WEB_CONCURRENCY="1", ACCESS_TOKENS=f"operator:{OPERATOR},viewer:{VIEWER}"
    ) as server:
        yield server


@pytest.fixture
def nobody() -> int:
    """A port where nothing listens."""
    return free_ports(1)[0]


@pytest.fixture
def run() -> Run:
    """Exit status, standard output and standard error of `flask simulate`, run in this process with *more* settings."""

    def run(*words: str, **more: Any) -> tuple[int, str, str]:
        known: dict[str, Any] = {
            "secret_key": "k" * 32,
            "access_tokens": (("operator", OPERATOR),),
            "signature_secrets": ((API_KEY, SECRET),),
        }
        app = create_app(Settings(**known | more))
        cli.install(app)
        with app.app_context():
            done = app.test_cli_runner().invoke(args=["simulate", *words])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.stdout, done.stderr

    return run


def error_message(done: tuple[int, str, str]) -> str:
    """The one message of a command that failed."""
    code, out, err = done
    assert code in (1, 2), (out, err)
    assert err.count("Error: ") == 1
    assert "Traceback" not in err
    return err.partition("Error: ")[2]


# -- list -------------------------------------------------------------------------------------------------------------


def test_all_scenarios_and_faults_are_listed(run: Run):
    code, out, err = run("list")
    assert (code, err) == (0, "")
    for name, scenario in scenarios.every().items():
        assert re.search(rf"^  {name} +{re.escape(scenario.about)}$", out, re.MULTILINE)
    for name, words in FAULTS.items():
        assert re.search(rf"^  {name} +{re.escape(words)}$", out, re.MULTILINE)


# -- call -------------------------------------------------------------------------------------------------------------


def test_a_call_is_shown_beside_the_servers_replies(server: Server, tmp_path: Path):
    done = simulate(server, tmp_path, "call", "--speed", "max")
    assert (done.status, done.err) == (0, ""), done
    course = [line.split(maxsplit=2) for line in done.out.splitlines()]
    assert ["0.000", "447700900123", "calls 442079460000"] in course
    assert ["0.600", "447700900123", "hears “Please hold the line while we connect your call.”"] in course
    assert re.search(r"20\.\d+  447700900123    → completed +200 in \d+ ms: answered, ended\n", done.out)
    shown, verdict = done.out.split("\n\n")[1:]
    assert re.match(r"CON-\S+  ended  20\.66 s  0\.00240000 EUR\n  leg ", shown)
    assert verdict.endswith("the server's state matches what happened\n")


def test_caller_and_callee_can_be_given(server: Server, run: Run):
    words = ("--from", "sip:bob@example.com", "--to", "+44 20 7946-0999", "--hang-up-after", "5", "--seed", "1")
    code, out, err = run("call", *words, "--speed", "max", "--faults", "lossless", port=server.port)
    assert (code, err) == (0, "")
    assert "sip:bob@example.com  calls 442079460999" in out
    assert "the server's state matches what happened" in out


def test_keys_and_words_can_be_given(server: Server, run: Run):
    scenario = ("--scenario", "keys-or-speech", "--speed", "max")
    code, out, err = run("call", *scenario, "--digits", ",7", "--says", "two words", port=server.port)
    assert (code, err) == (0, "")
    assert re.search("says “two words”.*presses 7", out, re.DOTALL)


def test_any_server_may_answer(run: Run):
    with listening(200, HELLO, **JSON) as own:
        code, out, err = run("call", "--speed", "max", "--answer-url", f"{own.url}/answer")
    assert (code, err) == (0, "")
    assert "hears “Hello there.”" in out
    assert "What a server knows of the call was not checked" in out


def test_an_answer_from_another_server_is_not_checked(server: Server, run: Run):
    with listening(200, HELLO, **JSON) as own:
        words = ("--server", f"http://127.0.0.1:{server.port}", "--answer-url", f"{own.url}/answer")
        code, out, err = run("call", "--speed", "max", *words)
    assert (code, err) == (0, "")
    assert "the server's state matches what happened" in out


def test_nothing_is_checked_if_every_webhook_went_elsewhere(server: Server, run: Run):
    with listening(200, HELLO, **JSON) as own:
        words = ("--answer-url", f"{own.url}/answer", "--event-url", f"{own.url}/event", "--speed", "max")
        done = run("call", "--server", f"http://127.0.0.1:{server.port}", *words)
    assert f"No webhook went to http://127.0.0.1:{server.port}" in error_message(done)


# -- Errors of another server ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "headers", "words"),
    [
        (200, b"<!doctype html>", {"Content-Type": "text/html"}, ["content type text/html", "application/json"]),
        (200, b'[{"action": "talk"}]', JSON, ["action 1 (talk), text: It is missing"]),
        (200, b'[{"action": "dance"}]', JSON, ["action 1, action: ", '"dance"', '"record"']),
        (200, b'[{"action": ', JSON, ["not JSON (line 1, column 13)"]),
        (500, b"", {}, ["it answers 500"]),
        (401, b"", {}, ["it answers 401", "VONAGE_SIGNATURE_SECRETS"]),
        (302, b"", {"Location": "https://elsewhere.example"}, ["it answers 302", "No redirect is followed"]),
    ],
)
def test_an_answer_that_is_no_ncco(run: Run, status: int, body: bytes, headers: dict[str, str], words: list[str]):
    with listening(status, body, **headers) as own:
        said = error_message(run("call", "--speed", "max", "--answer-url", f"{own.url}/answer"))
        assert f"{own.url}/answer" in said
    assert all(word in said for word in words)


def test_an_answer_that_never_comes(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(simulation, "ANSWER_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/answer"
        said = error_message(run("call", "--speed", "max", "--answer-url", url))
    assert f"{url}: no answer within 0.1 s" in said


def test_nothing_listens_at_the_answer_url(run: Run, nobody: int):
    url = f"http://127.0.0.1:{nobody}/answer"
    assert f"nothing listens at {url}" in error_message(run("call", "--speed", "max", "--answer-url", url))


def test_nothing_listens_at_the_event_url(run: Run, nobody: int):
    """The call goes on; it is reported once, however many events there were."""
    with listening(200, HELLO, **JSON) as own:
        url = f"http://127.0.0.1:{nobody}/event"
        done = run("call", "--speed", "max", "--answer-url", f"{own.url}/answer", "--event-url", url)
    assert "hears “Hello there.”" in done[1]
    assert error_message(done) == f"nothing listens at {url}\n"


# -- No server, or no Switchhook -----------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["call", "load"])
def test_a_server_that_does_not_run_is_named(run: Run, verb: str, nobody: int):
    for done in (run(verb, port=nobody), run(verb, "--server", f"http://127.0.0.1:{nobody}")):
        said = error_message(done)
        assert f"Nobody answers at http://127.0.0.1:{nobody}" in said
        assert "make run" in said
        assert done[1] == "", "nothing was begun"


@pytest.mark.parametrize("verb", ["call", "load"])
def test_a_server_that_is_no_switchhook_is_named(run: Run, verb: str):
    for status, body in ((200, HELLO), (404, b""), (500, b"oops"), (302, b"")):
        with listening(status, body, Location="https://elsewhere.example") as own:
            done = run(verb, "--server", own.url)
        assert f"{own.url} answers, but is no Switchhook" in error_message(done)
        assert done[1] == ""


def test_an_unknown_token(server: Server, run: Run):
    done = run("call", port=server.port, access_tokens=(("operator", "nobodys-token-of-32-characters-xx"),))
    assert "does not take this token" in error_message(done)
    assert "ACCESS_TOKENS" in done[2]


@pytest.mark.parametrize("verb", ["call", "load"])
def test_a_viewers_token_is_not_enough(server: Server, run: Run, verb: str):
    """Viewers see masked numbers."""
    done = run(verb, port=server.port, access_tokens=(("viewer", VIEWER),))
    assert "viewers see masked numbers" in error_message(done)
    assert done[1] == "", "nothing was begun"


def test_a_viewers_token_found_out_by_the_server(server: Server, run: Run):
    """Reported at once, not after the call."""
    done = run("call", port=server.port, access_tokens=(("operator", VIEWER),))
    assert "masks telephone numbers for this token" in error_message(done)
    assert "hangs up" not in done[1]


# -- Signatures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("secrets", "why"), [(WRONG_SECRET, "VONAGE_SIGNATURE_SECRETS or VONAGE_APPLICATION_ID differs"), ((), "not set")]
)
def test_a_server_with_other_secrets_acknowledges_nothing(
    server: Server, run: Run, monkeypatch: pytest.MonkeyPatch, secrets: Any, why: str
):
    async def fetch(*_: Any) -> None:
        raise AssertionError("there is nothing to read")

    monkeypatch.setattr(server_api.Server, "fetch", fetch)
    for words in (("call", "--speed", "max"), ("load", "--rate", "20", "--seconds", "0.5", "--speed", "100")):
        said = error_message(run(*words, port=server.port, signature_secrets=secrets))
        assert said.startswith("No webhook was acknowledged.\n")
        assert re.search(rf"\d × http://127.0.0.1:{server.port}/voice/event: it answers 401\n", said)
        assert why in said.splitlines()[-1]
        assert len(said.splitlines()) <= 5


@pytest.mark.parametrize("verb", ["call", "load"])
@pytest.mark.parametrize("faults", ["all", "lossless,secret", "tamper=0.5", "replay,clock", "forget"])
def test_faults_of_signatures_need_secrets(run: Run, verb: str, faults: str):
    """Without them the server accepts every signature."""
    needed = "faults of signatures .* need VONAGE_SIGNATURE_SECRETS, here and at the server"
    done = run(verb, "--faults", faults, signature_secrets=())
    assert re.search(needed, error_message(done))
    status = json.dumps({"service": {"name": "switchhook", "webhook_verify": "off"}}).encode()
    with listening(200, status, **JSON) as unsecured:
        done = run(verb, "--faults", faults, "--server", unsecured.url)
        assert re.search(needed, error_message(done))
        assert [path for _, path, _, _ in unsecured.requests] == ["/status"], "nothing was begun"


def test_faults_other_than_signatures_need_no_secrets(run: Run, nobody: int):
    for faults in ("lossless", "lose", "all,tamper=0,forget=0,secret=0,clock=0,replay=0"):
        done = run("load", "--faults", faults, port=nobody, signature_secrets=())
        assert "Nobody answers" in error_message(done)


# -- Wrong options ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("call", "--scenario", "phone-to-ap"), ["--scenario", "did you mean phone-to-app?", "voicemail"]),
        (("load", "--scenario", "nothing-like-it"), ["There is no scenario 'nothing-like-it'. There are: "]),
        (("call", "--scenario", "./nowhere.yaml"), ["nowhere.yaml: there is no such file"]),
        (("call", "--speed", "fast"), ["--speed", "at most 1000, or the word max"]),
        (("call", "--speed", "0"), ["--speed"]),
        (("call", "--speed", "-1"), ["--speed"]),
        (("call", "--speed", "nan"), ["--speed"]),
        (("load", "--speed", "max"), ["--speed", "give a number"]),
        (("load", "--rate", "0"), ["--rate"]),
        (("load", "--seconds", "0"), ["--seconds"]),
        (("call", "--faults", "quick"), ["--faults", "no fault is called 'quick'", "reorder", "lossless"]),
        (("call", "--faults", "lose=3"), ["lose=3: a share is a number from 0 to 1"]),
        (("call", "--faults", "lose=nan"), ["a share is a number from 0 to 1"]),
        (("call", "--digits", "12a"), ["--digits", "0 to 9, * and #"]),
        (("call", "--server", "127.0.0.1"), ["--server", "begin it with http:// or https://"]),
        (("call", "--answer-url", "localhost/answer"), ["--answer-url", "begin it with http://"]),
        (("call", "--event-method", "PUT"), ["--event-method", "GET"]),
        (("call", "--hang-up-after", "-1"), ["--hang-up-after"]),
    ],
)
def test_a_wrong_option_is_named(run: Run, nobody: int, words: tuple[str, ...], said: list[str]):
    done = run(*words, port=nobody)
    assert done[:2] == (2, "")
    assert all(word in error_message(done) for word in said), done[2]


def test_a_fault_in_a_scenario_is_reported_with_line_and_field(run: Run, tmp_path: Path):
    file = tmp_path / "mine.yaml"
    file.write_text('about: x\ncalls:\n  - from: "447700900001"\n    to: 442079460000\n    speed: 2\n')
    said = error_message(run("call", "--scenario", str(file)))
    assert f"{file}:4:9: calls[0].to: must be a text: put it in quotes" in said
    assert f"{file}:5:5: calls[0].speed: is an unknown field" in said


# -- load -------------------------------------------------------------------------------------------------------------


def test_a_load_shows_its_progress(server: Server, tmp_path: Path):
    """A bar for each of: placing the calls, waiting for the last, and checking."""
    words = command("load", "--rate", "20", "--seconds", "1", "--speed", "50")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        words, cwd=ROOT, env=environ(server, tmp_path, TERM="xterm"), stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        said = b""
        with contextlib.suppress(OSError):  # what Linux says where the other side is closed
            while read := os.read(ours, 65536):
                said += read
        os.close(ours)
    assert process.returncode == 0, said.decode()
    bars = ("placing 20 calls", 20), ("waiting for the last of them", 2), (r"checking \d+ conversations", 5)
    for label, steps in bars:
        percent = [int(found) for found in re.findall(rf"{label}[^\r\n]* (\d+)%", said.decode())]
        assert percent == sorted(percent)
        assert (percent[0], percent[-1]) == (0, 100)
        assert len(set(percent)) >= steps
    assert "the server's state matches what happened" in said.decode()


@pytest.mark.parametrize(
    ("words", "phase"),
    [
        (("load", "--rate", "100", "--seconds", "1000", "--faults", "all"), "placing 100000 calls"),
        (("load", "--rate", "40", "--seconds", "0.5", "--speed", "0.1"), "waiting for the last of them"),
        (("call", "--speed", "0.1"), "calls 442079460000"),
    ],
)
def test_ctrl_c_ends_it_at_once(server: Server, tmp_path: Path, words: tuple[str, ...], phase: str):
    with subprocess.Popen(
        command(*words),
        cwd=ROOT,
        env=environ(server, tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        while phase not in (line := process.stdout.readline()):
            assert line, "it ended by itself"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)  # without Ctrl-C it would take minutes
    assert (process.returncode, err) == (130, "")
