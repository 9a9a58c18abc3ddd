"""Streams of real servers: several workers, restarts, slow and lost clients, and the two examples."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.live.follower import MOST_LISTENERS
from app.store.store import Store
from tests.domain.builders import about, status
from tests.e2e.conftest import Serve
from tests.engines import Engine, free_ports, wait_until
from tests.generated import read_record
from tests.serving import OPERATOR, ROOT, Server
from tests.sse import Event, Reading, connect
from tests.store.posting import send

STOPPING = 5.0  # seconds; a worker waits 6 for what is still open


@pytest.fixture
def store(valkey: Engine) -> Iterator[Store]:
    """The store of the servers, for events while none of them runs."""
    valkey.flush()
    store = Store(valkey.address, read=read_record, retention=timedelta(days=7))
    yield store
    store.stop()


@pytest.fixture
def begin(serve: Serve, valkey: Engine, store: Store) -> Callable[..., Server]:
    """Starts servers on one store."""
    return lambda **environ: serve(REDIS_URL=valkey.address.url, **{"WEB_CONCURRENCY": "1", **environ})


Begin = Callable[..., Server]


@pytest.fixture
def listen() -> Iterator[Callable[..., Reading]]:
    """Opens streams, which are closed in the end."""
    opened: list[Reading] = []

    def listen_to(server: Server, after: str = "") -> Reading:
        opened.append(connect(server, **({"Last-Event-ID": after} if after else {})))
        return opened[-1]

    yield listen_to
    for reading in opened:
        reading.close()
        reading.wait_for_end()


Listen = Callable[..., Reading]


def indexes(events: list[Event]) -> list[int]:
    """The index of each event in its conversation."""
    return [event.data["index"] for event in events if event.type not in ("stats", "gap", "away")]


def stop(server: Server, number: signal.Signals = signal.SIGTERM) -> float:
    """End a server; returns the seconds that took."""
    began = time.monotonic()
    server.process.send_signal(number)
    assert server.ended() == 0
    return time.monotonic() - began


def test_two_workers_stream_the_same_and_a_stop_ends_all_streams_at_once(
    begin: Begin, listen: Listen, store: Store
) -> None:
    server = begin(WEB_CONCURRENCY="2")
    readings = [listen(server) for _ in range(12)]
    for number in range(20):
        assert server.post("/voice/event", about(number, where="CON-1", payload={"n": number})).status == 200
    for reading in readings:
        assert indexes(reading.wait_for(20)) == list(range(20))
    assert stop(server) < STOPPING
    for reading in readings:
        reading.wait_for_end()
        assert 0 < reading.parser.retry < 2000, "and connects again soon"
    send(store, about(20, where="CON-1", payload={}))
    again = begin(PORT=str(server.port))
    resumed = [listen(again, reading.parser.last_id) for reading in readings]
    for reading in resumed:
        assert indexes(reading.wait_for(1)) == [20]
    assert "Traceback" not in server.said + again.said


def test_a_reload_and_the_last_of_max_requests_end_streams_too(begin: Begin, listen: Listen) -> None:
    server = begin(GUNICORN_CMD_ARGS="--max-requests 8")
    while not (reading := listen(server)).parser.last_id:  # it may be the last request of its worker
        wait_until(server.answers, "another worker is there")
    server.post("/voice/event", status("ringing", 1, where="CON-1"))
    began = time.monotonic()
    wait_until(lambda: server.answers() and reading.ended, "its worker has served enough")
    while (resumed := listen(server, reading.parser.last_id)).ended:
        wait_until(server.answers, "another worker is there")
    wait_until(lambda: reading.changes + resumed.changes, "the event is there, before or after")
    server.process.send_signal(signal.SIGHUP)
    resumed.wait_for_end()
    assert time.monotonic() - began < 30
    assert indexes(reading.changes + resumed.changes) == [0]
    assert "Traceback" not in server.said


def test_clients_that_are_gone_are_noticed_and_leave_nothing_behind(begin: Begin, listen: Listen) -> None:
    server = begin()
    staying = listen(server)
    readings = [listen(server) for _ in range(10)]
    assert connections(server) >= 11
    for reading in readings:
        reading.close()
    wait_until(lambda: connections(server) == 1, "their connections are closed, too")
    server.post("/voice/event", status("ringing", 1, where="CON-1"))
    assert indexes(staying.wait_for(1)) == [0]
    assert "Traceback" not in server.said


def connections(server: Server) -> int:
    """How many connections the server has not closed."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(
        int(local.partition(":")[2], 16) == server.port and state in ("01", "08") for _, local, _, state, *_ in lines
    )


def test_streams_are_not_idle_and_leave_places_for_webhooks(begin: Begin, listen: Listen) -> None:
    """With few places, the idle connections are closed and no stream; so many streams fill no worker."""
    server = begin(GUNICORN_CMD_ARGS="--worker-connections 30")
    readings = [listen(server) for _ in range(10)]
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    for number in range(5):
        assert server.post("/voice/event", about(number, where="CON-1", payload={"n": number})).status == 200
    for reading in readings:
        assert indexes(reading.wait_for(5)) == list(range(5))
    for each in idle:
        each.close()
    assert MOST_LISTENERS < 1000 * 0.9, "of the places of a worker (config/gunicorn.py)"


def test_a_client_that_does_not_read_holds_up_nobody(begin: Begin, listen: Listen) -> None:
    server = begin()
    deaf = socket.create_connection(("127.0.0.1", server.port))
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.sendall(f"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OPERATOR}\r\n\r\n".encode())
    reading = listen(server)
    for number in range(30):
        body = about(number, where="CON-1", reason="x" * 50_000)
        assert server.post("/voice/event", body).seconds < 5
    assert indexes(reading.wait_for(30)) == list(range(30))
    assert stop(server) < STOPPING, "nor a stop"
    deaf.close()


EXAMPLES = {"python": [sys.executable, "examples/follow.py"], "node": ["node", "examples/follow.mjs"]}


@pytest.mark.parametrize("language", EXAMPLES)
def test_the_examples_survive_a_restart_and_a_gap(
    begin: Begin, store: Store, valkey: Engine, tmp_path: Path, language: str
) -> None:
    if not shutil.which(EXAMPLES[language][0]):
        pytest.skip(f"no {language} here")
    server = begin()
    with (tmp_path / "lines").open("wb") as out:
        client = subprocess.Popen(
            [*EXAMPLES[language], f"http://127.0.0.1:{server.port}", "kind=conversation,leg"],
            cwd=ROOT,
            env=os.environ | {"TOKEN": OPERATOR},
            stdout=out,
            stderr=subprocess.STDOUT,
        )

    def lines(first: str = "conversation") -> list[str]:
        found = (tmp_path / "lines").read_text().splitlines(keepends=True)
        return [line.strip() for line in found if line.startswith(first) and line.endswith("\n")]

    posted = 0

    def post(count: int, how: Callable[[int], object]) -> None:
        nonlocal posted
        for number in range(posted, posted + count):
            how(number)
        posted += count

    def by_webhook(number: int) -> None:
        assert server.post("/voice/event", about(number, where="CON-1", payload={"n": number})).status == 200

    def into_the_store(number: int) -> None:
        send(store, about(number, where="CON-1", payload={"n": number}))

    try:
        while not lines():  # until it has connected
            assert client.poll() is None, (tmp_path / "lines").read_text()
            server.post("/voice/event", about(0, where="CON-0", payload={"at": time.monotonic()}))
            time.sleep(0.2)
        post(5, by_webhook)
        for _ in range(2):
            server.process.send_signal(signal.SIGTERM)
            post(20, into_the_store)
            server.ended()
            post(5, into_the_store)
            server = begin(PORT=str(server.port))
            post(5, by_webhook)
        wait_until(lambda: len(lines("conversation CON-1")) >= posted, f"{posted} changes")
        time.sleep(0.5)
        assert [line.split(" ")[2] for line in lines("conversation CON-1")] == [str(number) for number in range(posted)]
        valkey.flush()
        wait_until(lambda: lines("gap"), "it learns of a gap")
        assert lines("gap")[0] == "gap live: 0"
        assert client.poll() is None
    finally:
        client.kill()
        client.wait()


@pytest.mark.parametrize("language", EXAMPLES)
def test_the_examples_say_once_that_nobody_is_there(tmp_path: Path, language: str) -> None:
    if not shutil.which(EXAMPLES[language][0]):
        pytest.skip(f"no {language} here")
    (port,) = free_ports(1)
    said = tmp_path / "said"
    with said.open("wb") as err:
        client = subprocess.Popen(
            [*EXAMPLES[language], f"http://127.0.0.1:{port}"], cwd=ROOT, env=os.environ | {"TOKEN": "x"}, stderr=err
        )
    try:
        with socket.create_server(("127.0.0.1", port)) as server:
            server.settimeout(60)
            for _ in range(3):  # it comes again, and is sent away without a word
                with server.accept()[0] as connection:
                    connection.recv(65536)  # Node connects again at once, and says nothing, where it was not read
        wait_until(said.read_text, "it says so")
        assert client.poll() is None
        (line,) = said.read_text().splitlines()
        assert line.startswith(f"no stream from http://127.0.0.1:{port}, trying again: ")
    finally:
        client.kill()
        client.wait()


@pytest.mark.parametrize("language", EXAMPLES)
def test_the_examples_show_their_use_for_a_filter_without_a_value(language: str) -> None:
    if not shutil.which(EXAMPLES[language][0]):
        pytest.skip(f"no {language} here")
    done = subprocess.run(
        [*EXAMPLES[language], "http://127.0.0.1:1", "kind"],
        cwd=ROOT,
        env=os.environ | {"TOKEN": "x"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode in (1, 2)
    assert b"TOKEN=" in done.stderr
    assert b"Traceback" not in done.stderr
