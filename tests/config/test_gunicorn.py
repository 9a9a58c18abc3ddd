"""A real gunicorn under config/gunicorn.py: how it starts, what it says, what it leaves behind.

The app it runs here is a stand-in that answers with the address of its store.
"""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest
from redis import Redis

from config.embedded import Engine
from tests.engines import free_ports

ROOT = Path(__file__).resolve().parents[2]

STAND_IN = """
import atexit, os
from gevent.monkey import get_original

@atexit.register
def say_goodbye():
    print("worker left in order", flush=True)

print("worker loaded", flush=True)

def app(environ, start_response):
    if environ["PATH_INFO"] == "/hang":
        get_original("time", "sleep")(30)  # without a turn for anybody else
    answer = "\\n".join((os.environ["REDIS_URL"], environ["wsgi.url_scheme"], str(os.getpid()))).encode()
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]
"""


def wait_until(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


class Server:
    """A gunicorn in a process group of its own, as a terminal starts it."""

    def __init__(self, folder: Path, *options: str, **environ: str) -> None:
        self.port = int(environ.get("PORT") or free_ports(1)[0])
        self.workers = int(environ.get("WEB_CONCURRENCY") or 2)
        self.log = folder / f"log-{time.monotonic_ns()}"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.py"),
                    *(*options, "--pythonpath", str(folder), "stand_in:app"),
                ],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], "DATA_DIR": str(folder / "var"), "PORT": str(self.port)} | environ,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def ask(self, path: str = "/", **headers: str) -> tuple[int, list[str]]:
        """Status and lines of the answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read().decode().splitlines()
        finally:
            connection.close()

    def answers(self) -> bool:
        assert self.process.poll() is None, self.said
        with contextlib.suppress(OSError, HTTPException):
            return self.ask()[0] == 200
        return False

    def ready(self) -> "Server":
        """Itself, once all its workers are up."""
        wait_until(lambda: self.answers() and self.said.count("worker loaded") >= self.workers)
        return self

    def store(self) -> "Redis":
        return Redis.from_url(self.ask()[1][0], decode_responses=True)

    def group(self, number: int) -> None:
        """Send a signal to master and workers alike, as a terminal does."""
        os.killpg(self.process.pid, number)

    def ended(self, seconds: float = 60) -> int:
        """Its exit status, once master and workers are gone."""
        status = self.process.wait(seconds)
        wait_until(lambda: not group_exists(self.process.pid))
        return status


def group_exists(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pid: int) -> bool:
    """Whether the process has ended. One whose parent was killed may be left unburied for a moment."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip()[:1] in ("", "Z")


def engine_of(server: Server) -> int:
    with server.store() as store:
        return int(store.info("server")["process_id"])


Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers on one folder; what is left of them in the end is killed."""
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    servers: list[Server] = []

    def start(*options: str, **environ: str) -> Server:
        servers.append(Server(tmp_path, *options, **environ))
        return servers[-1]

    yield start
    for server in servers:
        with contextlib.suppress(ProcessLookupError):
            server.group(signal.SIGKILL)
        server.process.wait()
    engine = Engine(tmp_path / "var")
    if engine.alive():  # what a killed server left
        engine.start()
        engine.stop()


def test_development_starts_with_one_command_and_says_what_to_try(start, tmp_path):
    server = start().ready()
    token = (tmp_path / "var" / "operator_token").read_text().strip()
    address = f"http://127.0.0.1:{server.port}"
    assert f"{address}/?token={token}" in server.said
    assert f"'Authorization: Bearer {token}' {address}/status" in server.said
    assert f"{address}/?token={(tmp_path / 'var' / 'user_token').read_text().strip()}" in server.said
    assert f"{address}/voice/event" in server.said
    assert "UNSIGNED WEBHOOKS ARE ACCEPTED" in server.said
    with server.store() as store:
        assert store.ping()


def test_tokens_that_were_set_are_not_printed_but_where_users_log_in_is(start):
    tokens = "operator:secret-of-the-operator,user/Alice:secret-of-alice,user/Bob:secret-of-bob"
    server = start(ACCESS_TOKENS=tokens).ready()
    assert f"http://127.0.0.1:{server.port}/login  (with a token of Alice or Bob, in the browser)" in server.said
    assert "secret-of" not in server.said


def test_no_first_webhook_is_offered_that_would_be_refused(start):
    secrets = "abcd1234:signature-secret-of-32-bytes-or-more"
    server = start(VONAGE_SIGNATURE_SECRETS=secrets).ready()
    assert "?token=" in server.said
    assert "/voice/event" not in server.said
    assert "signature-secret" not in server.said


def test_ctrl_c_leaves_nothing_running_and_the_calls_are_there_next_time(start):
    server = start().ready()
    with server.store() as store:
        store.set("call", "kept")
    engine = engine_of(server)
    server.group(signal.SIGINT)
    assert server.ended() == 0
    assert gone(engine)
    assert "Traceback" not in server.said
    assert server.said.count("worker left in order") == 2
    with start().ready().store() as store:
        assert store.get("call") == "kept"


def test_after_kill_9_of_everything_the_calls_are_there(start):
    server = start().ready()
    with server.store() as store:
        store.set("call", "kept")
    os.kill(engine_of(server), signal.SIGKILL)
    server.group(signal.SIGKILL)
    server.ended()
    with start().ready().store() as store:
        assert store.get("call") == "kept"


def test_after_kill_9_of_the_master_its_engine_is_adopted(start):
    server = start().ready()
    engine = engine_of(server)
    server.process.kill()
    server.ended()
    assert not gone(engine)
    second = start().ready()
    assert engine_of(second) == engine
    second.group(signal.SIGINT)
    assert second.ended() == 0
    wait_until(lambda: gone(engine))


def test_a_second_server_on_one_data_dir_says_why_it_does_not_start(start, tmp_path):
    first = start().ready()
    second = start()
    assert second.ended() == 1
    assert f"Another Switchhook, process {first.process.pid}," in second.said
    assert f"{tmp_path}/var" in second.said
    assert "Traceback" not in second.said
    assert first.answers()


def test_a_port_in_use_leaves_no_engine_behind(start, tmp_path):
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        server = start(PORT=str(occupied.getsockname()[1]))
        assert server.ended() == 1
    assert "Port" in server.said
    assert "is in use" in server.said
    assert "set PORT to another" in server.said
    assert "Traceback" not in server.said
    assert not (tmp_path / "var" / "engine" / "socket").exists()


def test_an_app_that_does_not_load_leaves_no_engine_behind(start, tmp_path):
    (tmp_path / "stand_in.py").write_text("raise RuntimeError('broken')")
    # One worker: where two fail at the same moment, gunicorn may stumble over the second and end with 1.
    assert start(WEB_CONCURRENCY="1").ended() == 3
    assert not (tmp_path / "var" / "engine" / "socket").exists()


def test_the_engine_survives_a_reload_and_is_stopped_after_it(start):
    """SIGHUP loads config/gunicorn.py anew; what it then knows is not what started the engine."""
    server = start().ready()
    engine, worker = engine_of(server), server.ask()[1][2]
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: gone(int(worker)))
    assert engine_of(server.ready()) == engine
    server.process.terminate()
    assert server.ended() == 0
    assert gone(engine)


def test_an_idle_connection_does_not_get_workers_killed(start):
    """A router keeps its connections; the workers still leave in order, before the master loses patience."""
    server = start("--graceful-timeout", "5").ready()
    router = HTTPConnection("127.0.0.1", server.port, timeout=60)
    router.request("GET", "/")
    assert router.getresponse().read()
    server.process.terminate()
    assert server.ended() == 0
    assert router.sock.recv(1024) == b"", "nothing that it could take for the reply to its next request"
    router.close()
    assert "Traceback" not in server.said
    assert server.said.count("worker left in order") == 2
    assert "SIGKILL" not in server.said


def test_idle_connections_take_no_place_from_a_webhook(start):
    """More than a worker has places, each kept open after a request, half of them with half of another one sent."""
    server = start(WEB_CONCURRENCY="1").ready()
    request = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    with contextlib.ExitStack() as connections:
        for number in range(1500):
            idle = connections.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=60))
            idle.sendall(request + request[:20] * (number % 2))
        for _ in range(20):
            assert server.ask()[0] == 200  # within 60 seconds; an idle connection may be kept for 100
    assert "Traceback" not in server.said
    server.process.terminate()
    assert server.ended() == 0
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_worker_that_hangs_is_replaced(start):
    server = start("--timeout", "2", "--graceful-timeout", "1", WEB_CONCURRENCY="1").ready()
    before = server.ask()[1][2]
    with contextlib.suppress(OSError, HTTPException):
        assert server.ask("/hang")[0] == 500
    assert "WORKER TIMEOUT" in server.said
    assert server.ready().ask()[1][2] != before


def test_a_webhook_by_get_may_be_long(start):
    """Speech results fill some kilobytes of a query string; no proxy's word is taken on the way."""
    server = start().ready()
    status, lines = server.ask("/?speech=" + "x" * 7000, **{"X-Forwarded-Proto": "https"})
    assert (status, lines[1]) == (200, "http")


def test_no_log_shows_a_query_string_even_where_the_platform_switches_the_access_log_on(start):
    """Heroku does, with GUNICORN_CMD_ARGS; it trusts every proxy, too."""
    server = start(GUNICORN_CMD_ARGS="--access-logfile -", FORWARDED_ALLOW_IPS="*").ready()
    _, lines = server.ask("/status?token=hunter2", **{"X-Forwarded-Proto": "https"})
    assert lines[1] == "http"
    wait_until(lambda: "GET /status 200" in server.said)
    assert "hunter2" not in server.said


def test_production_without_what_it_needs_says_so_once(start, tmp_path):
    server = start(APP_ENV="production", PORT="0", SECRET_KEY="hunter2")
    assert server.ended() == 1
    for variable in (
        "PORT",
        "REDIS_URL",
        "SECRET_KEY",
        "PUBLIC_URL",
        "ACCESS_TOKENS",
        "VONAGE_SIGNATURE_SECRETS",
    ):
        assert server.said.count(f"{variable}:") == 1
    assert "hunter2" not in server.said
    assert "Traceback" not in server.said
    assert not (tmp_path / "var").exists()


def test_production_prints_no_token_and_starts_no_engine(start, tmp_path):
    server = start(
        APP_ENV="production",
        HOST="127.0.0.1",
        REDIS_URL="redis://:r3dis-password@127.0.0.1:1",
        SECRET_KEY="s3cret-key-of-32-characters-or-so",
        PUBLIC_URL="https://calls.example.com",
        ACCESS_TOKENS="operator:t0ken-of-the-operator",
        VONAGE_SIGNATURE_SECRETS="abcd1234:sh0rt-secret",
    ).ready()
    assert "abcd1234 works, but" in server.said
    for secret in ("r3dis-password", "s3cret-key", "t0ken-of", "sh0rt-secret"):
        assert secret not in server.said
    assert not (tmp_path / "var").exists()
