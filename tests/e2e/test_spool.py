"""Real workers with Redis away: what was acknowledged is kept through kills, restarts and deploys, and counted once."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from app.spool.coding import SEALED, Seal
from app.spool.spool import FRESH_SECONDS
from app.store.codes import STORED_CODE
from app.store.spooled import Spooled, Write
from app.store.tallies import Tallied
from tests.cli.shell import Shell
from tests.e2e.conftest import Serve
from tests.engines import Node, wait_until
from tests.serving import Server

SAMPLE = Path(__file__).parents[1] / "samples" / "phone-to-app.events.jsonl"
KILLS = 6
SENDERS = 6
SECRET_KEY = "secret-key-of-the-server-32-long"


@pytest.fixture
def node() -> Iterator[Node]:
    """A Redis that is not there yet."""
    node = Node()
    yield node
    node.remove()


def event(number: int) -> dict[str, Any]:
    names = {"conversation_uuid": f"CON-{number}", "uuid": f"leg-{number}"}
    return {**names, "status": "ringing", "from": "447700900123", "to": "442079460000"}


def start(node: Node) -> None:
    node.start()
    node.ready()


def wait_until_empty(server: Server) -> None:
    """Return once Redis has all that waited. What a worker says of it may be a second old."""
    wait_until(lambda: is_empty(server), "all is in Redis")
    time.sleep(FRESH_SECONDS)
    wait_until(lambda: is_empty(server), "all is in Redis")


def is_empty(server: Server) -> bool:
    """Whether a worker says that nothing waits."""
    with suppress(OSError, HTTPException):
        ready = server.ask("GET", "/readyz")
        return ready.status == 200 and ready.json == {"degraded": []}
    return False


def waits_in(writes: Iterable[Write]) -> int:
    """How many waits of webhooks are counted in *writes*."""
    counts = [write.counts for write in writes if isinstance(write, Tallied)]
    return sum(number for each in counts for tally, number in each.items() if tally.code.startswith(STORED_CODE))


def waits_counted(node: Node) -> int:
    """How many waits of webhooks Redis has counted."""
    hours: list[Any] = [node.client.hgetall(name) for name in node.client.scan_iter(match="*}hours:*")]
    return sum(int(number) for hour in hours for code, number in hour.items() if code.startswith(STORED_CODE.encode()))


def received(server: Server) -> int:
    return int(server.api("/status").json["webhooks"]["received"])


def test_killed_workers_lose_nothing_that_they_acknowledged(serve: Serve, node: Node) -> None:
    """Redis goes and comes back twice, while workers are killed at random moments and events go on coming."""
    start(node)
    server = serve(REDIS_URL=node.url)
    done = threading.Event()
    acknowledged: list[int] = []
    failed: list[int] = []

    def send(first: int) -> None:
        for number in range(first, first + 100_000):
            if done.is_set():
                return
            try:
                reply = server.post("/voice/event", event(number))
            except (OSError, HTTPException):
                failed.append(number)  # its worker was killed: it may be kept, or not
            else:
                assert (reply.status, reply.body) == (200, b"")
                acknowledged.append(number)

    senders = [threading.Thread(target=send, args=(100_000 * number,)) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    for kill in range(KILLS):
        wait_until(lambda kill=kill: len(acknowledged) >= 30 * (kill + 1), "events are taken")  # type: ignore[misc]
        if kill == 1:
            node.freeze()
        elif kill == 3:
            node.thaw()
        if server.workers:
            with suppress(ProcessLookupError):
                os.kill(server.workers[kill % len(server.workers)], signal.SIGKILL)
    done.set()
    for sender in senders:
        sender.join()
    wait_until_empty(server)
    assert len(acknowledged) > 100
    kept = kept_conversations(node)
    assert set(acknowledged) <= kept
    assert kept <= {*acknowledged, *failed}
    assert len(acknowledged) <= received(server) == len(kept), "each is counted once"


def kept_conversations(node: Node) -> set[int]:
    """The numbers of the conversations that have their one event."""
    names = [key for key in node.client.scan_iter(count=1000) if b"}e:CON-" in key]
    assert {node.client.llen(name) for name in names} == {1}
    return {int(name.rpartition(b"-")[2]) for name in names}


def test_a_call_whose_webhooks_waited_is_the_same_as_one_whose_did_not(serve: Serve, node: Node) -> None:
    start(node)
    server = serve(REDIS_URL=node.url)
    lines = SAMPLE.read_text().splitlines()

    ids = re.compile(r'("(?:conversation_)?uuid(?:_from|_to)?":\s*")')

    def call(prefix: str) -> list[bytes]:
        return [ids.sub(rf"\1{prefix}", line).encode() for line in lines]

    for text in call("one-"):
        assert server.ask("POST", "/voice/event", text).status == 200
    usual = server.api("/status").json["webhooks"]["out_of_order"]  # it has one
    for number, text in enumerate(call("two-")):
        if number == 2:
            node.freeze()
        elif number == len(lines) - 1:
            node.thaw()
        assert server.ask("POST", "/voice/event", text).status == 200
    wait_until_empty(server)
    name = "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6"
    seen = []
    for prefix in ("one-", "two-"):
        found = server.api(f"/api/v1/conversations/{prefix}{name}").json
        del found["first_heard_at"], found["last_heard_at"]
        seen.append(json.loads(json.dumps(found).replace(prefix, "")))
    assert seen[0] == seen[1]
    assert [leg["state"] for leg in seen[0]["legs"]] == ["completed"] * len(seen[0]["legs"])
    webhooks = server.api("/status").json["webhooks"]
    assert (webhooks["received"], webhooks["repeats"], webhooks["out_of_order"]) == (2 * len(lines), 0, 2 * usual)


def test_what_waits_when_the_server_stops_is_in_its_log_and_on_its_disk(
    serve: Serve, node: Node, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"REDIS_URL": node.url, "SECRET_KEY": SECRET_KEY, "SPOOL_TO_LOG": "on"}
    server = serve(**settings)
    for number in range(20):
        assert server.post("/voice/event", event(number)).status == 200
    assert server.post("/voice/event", {"status": "ringing"}).status == 200
    before = time.time()
    server.process.terminate()
    assert server.ended() == 0
    said = server.said
    sealed = [Seal(SECRET_KEY).read(each) for each in SEALED.findall(said)]
    assert sum(isinstance(each, Spooled) for each in sealed) == 21
    assert waits_in(sealed) == 20, "and how long each waited, but for the one of no conversation"
    assert "447700900123" not in said

    start(node)  # the log is replayed on another machine
    log = tmp_path / "log of the platform"
    log.write_text("".join(f"2026-11-28T06:00:00+00:00 app[web.1]: {line}\n" for line in said.splitlines()))
    shell = Shell(tmp_path / "elsewhere", REDIS_URL=node.url, SECRET_KEY=SECRET_KEY)
    assert "21 events of the log are in the store now" in shell.output("replay", str(log))
    assert kept_conversations(node) == {*range(20)}
    assert waits_counted(node) == 20
    wrong = Shell(tmp_path / "elsewhere", REDIS_URL=node.url, SECRET_KEY="another-key-of-the-server-32-long")
    code, _, complaint = wrong.run("replay", str(log))
    assert code == 1
    assert f"{len(sealed)} lines cannot be read" in complaint

    again = serve(**settings)  # and the disk had not ended at all
    wait_until_empty(again)
    webhooks = again.api("/status").json["webhooks"]
    assert (webhooks["received"], webhooks["repeats"], webhooks["unfiled"]) == (21, 0, 1)
    assert waits_counted(node) == 20
    heard = again.api("/api/v1/conversations/CON-7").json["first_heard_at"]
    assert heard < time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(before + 1))
    again.process.terminate()
    again.ended()
    assert '{"spooled": "' not in again.said, "nothing was left"


def test_where_neither_redis_nor_the_disk_takes_it_vonage_is_to_send_it_again(serve: Serve, node: Node) -> None:
    server = serve(REDIS_URL=node.url, DATA_DIR="/proc/none", SECRET_KEY=SECRET_KEY)
    for _ in range(4):
        reply = server.post("/voice/event", event(1))
        assert (reply.status, reply.headers["Retry-After"], reply.json["part"]) == (503, "1", "redis")
        assert "the disk does not take it meanwhile" in reply.json["detail"]
    ready = server.ask("GET", "/readyz")
    assert (ready.status, {*ready.json["degraded"]}) == (503, {"redis", "spool"})
    assert "the spool is away" in server.said
    start(node)
    wait_until(lambda: server.post("/voice/event", event(1)).status == 200, "Redis takes it")
    ready = server.ask("GET", "/readyz")
    assert (ready.status, ready.json) == (200, {"degraded": ["spool"]}), "it is said before it is needed"


def test_workers_share_what_waits_and_each_shows_it(serve: Serve, node: Node) -> None:
    start(node)
    server = serve(REDIS_URL=node.url)
    assert server.api("/status").json["spool"] == {
        "waiting": 0,
        "refused": 0,
        "oldest_seconds": None,
        "fault": None,
        "put_aside": [],
    }
    node.client.config_set("maxmemory", 1)
    for number in range(40):
        assert server.post("/voice/event", event(number)).status == 200
    time.sleep(1.1)  # the depth that is shown may be a second old
    counted = Counter[int]()
    for _ in range(8):
        shown = server.api("/status").json["spool"]
        counted[shown["waiting"]] += 1
        assert shown["oldest_seconds"] > 0
    assert counted == {40: 8}
    metrics = server.api("/metrics").body.decode()
    assert "switchhook_spool_waiting 40.0" in metrics
    assert re.search(r"switchhook_spool_oldest_seconds [1-9]", metrics)
    node.client.config_set("maxmemory", 0)
    wait_until_empty(server)
    assert received(server) == 40
    assert "Redis has got what waited in the spool: 40" in server.said
