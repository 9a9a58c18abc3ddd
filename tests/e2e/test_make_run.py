"""`make run` on a fresh checkout: what it prints works, Ctrl-C leaves no process behind, and no call is lost."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
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
START_CPU_SECONDS = 6.0  # of all processes: three seconds on two cores, as a first call may wait for the start


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program, with the packages that are installed here."""
    copy = tmp_path_factory.mktemp("run") / "switchhook"
    copy.mkdir()
    for name in ("app", "config", "vonage_simulator"):
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
    """Runs `make run`; its processes are killed at the end of the test."""
    servers: list[Server] = []

    def run() -> Server:
        environ: dict[str, Any] = {"DATA_DIR": None, "ACCESS_TOKENS": None}
        servers.append(Server(checkout.parent, command=("make", "run"), cwd=checkout, **environ))
        return servers[-1].ready()

    yield run
    for server in servers:
        server.kill()
    engine = Engine(checkout / "var")
    if engine.alive():  # a killed server may leave it
        engine.start()
        engine.stop()
    shutil.rmtree(checkout / "var")


def engine_of(checkout: Path) -> int:
    """The process id of the embedded store."""
    with Redis.from_url(Engine(checkout / "var").url) as store:
        return int(store.info("server")["process_id"])


def cpu_seconds(server: Server) -> float:
    """User and system time of its processes and of those that ended; 0 where there is no /proc. Source: proc(5)."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == server.process.pid:
                ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def gone(pid: int) -> bool:
    """Whether the process has ended. If its parent was killed, it may stay a zombie for a moment."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip()[:1] in ("", "Z")


def conversations(server: Server) -> Any:
    """The list of conversations, read with the printed token."""
    token = re.search(r"token=(\S+)", server.said)
    assert token
    reply = server.ask("GET", "/api/v1/conversations", Authorization=f"Bearer {token[1]}")
    assert reply.status == 200
    return reply.json["items"]


def printed(server: Server) -> list[str]:
    """The printed commands."""
    return re.findall(r"curl .*", server.said)


def curl(command: str) -> str:
    """The output of a printed command, run by a shell."""
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_printed_commands_work(run: Run):
    server = run()
    wait_until(lambda: "Ctrl-C stops it." in server.said, "it prints what to try")
    status, send = printed(server)
    assert '"conversations":{"live":0,' in curl(status).replace(" ", "")
    assert curl(send).startswith("HTTP/1.1 200 OK")
    assert '"conversations":{"live":1,' in curl(status).replace(" ", "")
    (stored,) = conversations(server)
    assert stored["legs"][0]["status"] == "ringing"
    assert "UNSIGNED WEBHOOKS ARE ACCEPTED" in server.said

    address = re.search(r"http://127\.0\.0\.1:(\d+)(/\?token=\S+)", server.said)
    assert address
    browser = HTTPConnection("127.0.0.1", int(address[1]), timeout=60)
    browser.request("GET", address[2])
    login = browser.getresponse()
    login.read()
    assert (login.status, login.headers["Location"]) == (302, "/"), "the token leaves the address at once"
    browser.request("GET", "/", headers={"Cookie": str(login.headers["Set-Cookie"]).split(";")[0]})
    board = browser.getresponse()
    assert board.status == 200
    assert f'href="/calls/{stored["legs"][0]["uuid"]}"' in board.read().decode()
    browser.close()


def test_ctrl_c_leaves_no_process_and_kill_9_no_call_behind(run: Run, checkout: Path):
    server = run()
    curl(printed(server)[1])
    kept = conversations(server)
    assert len(kept) == 1
    engine = engine_of(checkout)
    server.group(signal.SIGINT)
    server.ended()
    assert gone(engine)
    assert "Traceback" not in server.said, server.said

    server = run()
    assert cpu_seconds(server) < START_CPU_SECONDS
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

    server = run()
    assert cpu_seconds(server) < START_CPU_SECONDS
    assert conversations(server) == kept
