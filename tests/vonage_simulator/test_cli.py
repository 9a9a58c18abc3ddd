"""`vonage-simulator`: calls to any server by its URLs, and to a Switchhook with its API."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from tests.cli.listening import listening
from tests.engines import free_ports
from vonage_simulator.cli.main import main

HELLO = b'[{"action": "talk", "text": "Hello there."}]'
JSON = {"Content-Type": "application/json"}
SECRET = "a1b2c3d4:k7Qm2vX9sT4bL8wR1nZ6cY3pH5dJ0fGa"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run() -> Run:
    """Exit status, standard output and standard error of `vonage-simulator`."""

    def run(*words: str, **environ: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(main, words, env=environ)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code, done.stdout, done.stderr

    return run


def test_help_imports_nothing_slow() -> None:
    code = """
import sys
from vonage_simulator.cli.main import main
for words in (["--help"], ["call", "--help"], ["serve", "--help"]):
    main(words, standalone_mode=False)
slow = {"aiohttp", "asyncio", "cryptography", "jwt", "marshmallow", "yaml", "vonage_simulator.simulation"}
assert not slow & set(sys.modules), slow & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_plugin_imports_nothing_slow() -> None:
    """pytest imports it at every start, wherever the package is installed."""
    code = "import sys, vonage_simulator.pytest_plugin; assert 'aiohttp' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_call_is_signed_and_for_the_application(run: Run) -> None:
    with listening(200, HELLO, **JSON) as server:
        urls = ("--answer-url", f"{server.url}/answer", "--event-url", f"{server.url}/event")
        code, out, err = run("call", *urls, "--speed", "max", VONAGE_SIGNATURE_SECRETS=f"{SECRET},other:one")
        assert (code, err) == (0, "")
        assert "hears “Hello there.”" in out
        assert re.search(r"→ completed +200 in \d+ ms\n", out)
        assert {path.partition("?")[0] for _, path, _, _ in server.requests} == {"/answer", "/event"}
        assert all(headers["Authorization"].startswith("Bearer ") for _, _, headers, _ in server.requests)
        assert "Switchhook" not in out


def test_a_load_counts_what_went_wrong(run: Run) -> None:
    words = ("--rate", "10", "--seconds", "0.5", "--scenario", "nobody-answers", "--speed", "1000")
    with listening(200, HELLO, **JSON) as server:
        code, out, err = run("load", "--answer-url", f"{server.url}/answer", *words)
    assert (code, err) == (0, "")
    assert out.endswith("5 calls: all went well\n")
    with listening(200, b'[{"action": "talk"}]', **JSON) as server:
        code, out, err = run("load", "--answer-url", f"{server.url}/answer", *words)
    assert (code, err) == (1, "")
    assert re.search(r"5 calls: this went wrong\n5 × http://\S+/answer .*talk.*text", out)


def test_a_load_uses_the_scenarios_that_request_an_answer(run: Run) -> None:
    """Others bring their own NCCO, and would test nothing of the server but its events."""
    with listening(200, HELLO, **JSON) as server:
        words = ("--rate", "40", "--seconds", "0.5", "--speed", "1000")
        code, out, _ = run("load", "--answer-url", f"{server.url}/answer", *words)
    assert code == 0, out
    assert len(server.requests) >= 20


def test_a_server_has_to_be_named(run: Run) -> None:
    for command in ("call", "load"):
        code, out, err = run(command)
        assert (code, out) == (2, "")
        assert "Name your server: --answer-url and --event-url" in err


def test_a_switchhook_needs_a_token(run: Run) -> None:
    code, out, err = run("call", "--server", f"http://127.0.0.1:{free_ports(1)[0]}")
    assert (code, out) == (1, "")
    assert "--server needs --token" in err


def test_a_server_that_is_no_switchhook_is_named(run: Run) -> None:
    with listening(200, json.dumps({"service": {"name": "else"}}).encode(), **JSON) as server:
        code, out, err = run("call", "--server", server.url, "--token", "x")
    assert (code, out) == (1, "")
    assert f"{server.url} answers, but is no Switchhook" in err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("call", "--answer-url", "localhost"), "--answer-url"),
        (("call", "--signature-secrets", "secret"), "API_KEY:SECRET"),
        (("call", "--from", " "), "--from"),
        (("serve", "--scenario", "phone-to-ap"), "did you mean phone-to-app?"),
        (("serve", "--regions", "eu-west,mars"), "each once, of na-east"),
        (("serve", "--api-faults", "slaw"), "no fault is called 'slaw'"),
    ],
)
def test_a_wrong_option_is_named(run: Run, words: tuple[str, ...], named: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert named in err
