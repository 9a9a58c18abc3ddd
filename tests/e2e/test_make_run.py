"""`make run` on a fresh checkout: what it prints works, Ctrl-C leaves nothing behind, and no call is ever lost."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from config.embedded import Engine
from tests.engines import wait_until
from tests.serving import ROOT, Server

pytestmark = pytest.mark.skipif(not (shutil.which("make") and shutil.which("curl")), reason="needs make and curl")

Run = Callable[[], Server]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what is run, with the packages that are installed already."""
    copy = tmp_path / "switchhook"
    copy.mkdir()
    for name in ("app", "config"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("wsgi.py", "Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, copy)
    (copy / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (copy / ".venv" / part).symlink_to(Path(sys.prefix) / part)
    (copy / ".venv" / "installed").touch()
    return copy


@pytest.fixture
def run(checkout: Path) -> Iterator[Run]:
    """Runs it; whatever is left in the end is killed."""
    servers: list[Server] = []

    def run() -> Server:
        environ: dict[str, Any] = {"DATA_DIR": None, "ACCESS_TOKENS": None}
        servers.append(Server(checkout.parent, command=("make", "run"), cwd=checkout, **environ))
        return servers[-1].ready()

    yield run
    for server in servers:
        server.kill()
    engine = Engine(checkout / "var")
    if engine.alive():  # what a killed server left
        engine.start()
        engine.stop()


def engine_of(checkout: Path) -> int:
    """The process of the embedded store."""
    with Redis.from_url(Engine(checkout / "var").url) as store:
        return int(store.info("server")["process_id"])


def gone(pid: int) -> bool:
    """Whether the process has ended. One whose parent was killed may be left unburied for a moment."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip()[:1] in ("", "Z")


def conversations(server: Server) -> Any:
    """All that is told, with the token that was printed."""
    token = re.search(r"token=(\S+)", server.said)
    assert token
    reply = server.ask("GET", "/api/v1/conversations", Authorization=f"Bearer {token[1]}")
    assert reply.status == 200
    return reply.json["items"]


def printed(server: Server) -> list[str]:
    """The commands it offers."""
    return re.findall(r"curl .*", server.said)


def curl(command: str) -> str:
    """What a printed command says, run by a shell."""
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_it_prints_works(run: Run):
    server = run()
    wait_until(lambda: "Ctrl-C stops it." in server.said, "it has said what to try")
    ask, tell = printed(server)
    assert '"conversations":{"live":0,' in curl(ask).replace(" ", "")
    assert curl(tell).startswith("HTTP/1.1 200 OK")
    assert '"conversations":{"live":1,' in curl(ask).replace(" ", "")
    (told,) = conversations(server)
    assert told["legs"][0]["status"] == "ringing"
    assert "UNSIGNED WEBHOOKS ARE TAKEN" in server.said

    address = re.search(r"http://127\.0\.0\.1:(\d+)(/\?token=\S+)", server.said)
    assert address
    browser = HTTPConnection("127.0.0.1", int(address[1]), timeout=10)
    browser.request("GET", address[2])
    login = browser.getresponse()
    login.read()
    assert (login.status, login.headers["Location"]) == (302, "/"), "the token leaves the address at once"
    browser.request("GET", "/", headers={"Cookie": str(login.headers["Set-Cookie"]).split(";")[0]})
    board = browser.getresponse()
    assert board.status == 200
    assert told["conversation_uuid"] in board.read().decode()
    browser.close()


def test_ctrl_c_leaves_no_process_and_kill_9_no_call_behind(run: Run, checkout: Path):
    server = run()
    tell = printed(server)[1]
    curl(tell)
    kept = conversations(server)
    assert len(kept) == 1
    engine = engine_of(checkout)
    server.group(signal.SIGINT)
    server.ended()
    assert gone(engine)
    assert "Traceback" not in server.said

    begun = time.monotonic()
    server = run()
    assert time.monotonic() - begun < 3, "the second start is quick: somebody may be calling"
    assert conversations(server) == kept
    for number in range(20):
        curl(printed(server)[1].replace("CON-aaaaaaaa", f"CON-{number}"))
    kept = conversations(server)
    assert len(kept) == 21
    engine = engine_of(checkout)
    os.kill(engine, signal.SIGKILL)
    server.group(signal.SIGKILL)
    server.ended()
    assert gone(engine)

    begun = time.monotonic()
    server = run()
    assert time.monotonic() - begun < 3
    assert conversations(server) == kept
