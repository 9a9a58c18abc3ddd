"""Redis hangs, is gone, full, read-only or still loading: calls are answered in time, and all recovers afterwards."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from redis.exceptions import RedisError

from app.spool.spool import FRESH_SECONDS
from config.embedded import Engine
from tests.e2e.conftest import Serve
from tests.engines import Node, start_cluster, wait_until
from tests.serving import OPERATOR, Reply, Server

CALLER = {"from": "441234567890", "to": "442038297050"}
AS_OPERATOR = {"Authorization": f"Bearer {OPERATOR}"}
# Seconds after which Vonage gives up on an answer. Requests take less than one if the machine is not busy.
# https://developer.vonage.com/en/application/technical-details#webhook-timeouts
LONGEST = 5.0
CONVERSATIONS = 16 * 3  # some in nearly every partition


class Trouble(NamedTuple):
    """What happens to Redis, and how it ends. *reading*: whether stored conversations can still be read; *forgets*:
    whether it comes back empty."""

    begin: Callable[[Node], Any]
    end: Callable[[Node], Any]
    reading: bool = False
    forgets: bool = False


def _freeze(node: Node) -> None:
    node.freeze()


def _load(node: Node) -> None:
    """Restart it with so much to load, so slowly, that it loads during the whole test."""
    with node.client.pipeline() as pipe:
        for number in range(3000):
            pipe.set(f"heavy:{number}", number)
        pipe.execute()
    node.client.save()
    node.kill()
    node.start("--key-load-delay", "5000", "--loading-process-events-interval-bytes", "1024")
    wait_until((node.folder / "socket").exists, "it listens")


def _loaded(node: Node) -> None:
    node.kill()
    (node.folder / "dump.rdb").unlink()
    node.start()


def _replica_of_nobody(node: Node) -> None:
    node.client.execute_command("REPLICAOF", "127.0.0.1", "1")


def _shut_off_replica(node: Node) -> None:
    node.client.config_set("replica-serve-stale-data", "no")
    _replica_of_nobody(node)


def _primary(node: Node) -> None:
    node.client.execute_command("REPLICAOF", "NO", "ONE")
    node.client.config_set("replica-serve-stale-data", "yes")


def _busy(node: Node) -> None:
    """Run a script that does not end: after `lua-time-limit` Redis replies BUSY to everything else."""
    node.client.config_set("lua-time-limit", 50)

    def run_for_ever() -> None:
        with suppress(RedisError):  # it is killed
            node.client.eval("while true do end", 0)

    threading.Thread(target=run_for_ever, daemon=True).start()


TROUBLES = {
    "frozen": Trouble(_freeze, Node.thaw),
    "busy": Trouble(_busy, lambda node: node.client.script_kill()),
    "gone": Trouble(Node.kill, Node.start, forgets=True),
    "loading": Trouble(_load, _loaded, forgets=True),
    "read-only": Trouble(_replica_of_nobody, _primary, reading=True),
    "replica without a primary": Trouble(_shut_off_replica, _primary),
    "out of memory": Trouble(
        lambda node: node.client.config_set("maxmemory", 1),
        lambda node: node.client.config_set("maxmemory", 0),
        reading=True,
    ),
}


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    """A Redis that comes back, empty or not, after each trouble."""
    node = Node()
    try:
        node.start()
        node.ready()
        yield node
    finally:
        node.remove()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, node: Node) -> Iterator[Server]:
    """One server with two workers for all troubles of that Redis."""
    server = Server(tmp_path_factory.mktemp("server"), REDIS_URL=node.url)
    try:
        yield server.ready()
    finally:
        server.kill()


class Vonage:
    """Sends requests and keeps the longest time one took."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.slowest = 0.0

    def ask(self, method: str, path: str, body: Any = None) -> Reply:
        text = None if body is None else json.dumps(body).encode()
        reply = self.server.ask(method, path, text, **AS_OPERATOR)
        self.slowest = max(self.slowest, reply.seconds)
        return reply

    def at_once(self, many: int, method: str, path: str, body: Any = None) -> list[Reply]:
        """The same request over many connections."""

        with ThreadPoolExecutor(many) as pool:
            return list(pool.map(lambda _: self.ask(method, path, body), range(many)))


def event(conversation: str, status: str = "ringing", **more: Any) -> dict[str, Any]:
    return CALLER | {"conversation_uuid": conversation, "uuid": f"leg of {conversation}", "status": status} | more


def assert_kept(reply: Reply) -> None:
    """The event is kept: in Redis, or on disk."""
    assert (reply.status, reply.body) == (200, b""), reply


def assert_away(reply: Reply) -> None:
    """The reply says that it does not work now."""
    assert reply.status == 503, reply
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert int(reply.headers["Retry-After"]) >= 1
    assert reply.json["status"] == 503


def assert_answered(reply: Reply) -> None:
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    assert [action["action"] for action in reply.json] == ["talk", "connect"]


def assert_serves(vonage: Vonage, conversation: str) -> None:
    """All works, in every worker."""
    for reply in vonage.at_once(8, "POST", "/voice/event", event(conversation)):
        assert (reply.status, reply.body) == (200, b"")
    assert vonage.ask("GET", f"/api/v1/conversations/{conversation}").json["legs"][0]["state"] == "ringing"
    assert vonage.ask("GET", "/status").status == 200
    # On a busy machine Redis may take too long for one of them, which waits on disk then.
    wait_until(lambda: vonage.ask("GET", "/readyz").json == {"degraded": []}, "nothing is degraded")


def wait_until_noticed(vonage: Vonage) -> None:
    """Return once every worker has noticed that Redis is back, on each of its connections."""

    def noticed() -> bool:
        paths = ("/readyz", "/status", "/api/v1/conversations")
        return all(
            reply.status == 200 and reply.json.get("degraded", []) == []
            for path in paths
            for reply in vonage.at_once(8, "GET", path)
        )

    for _ in range(3):
        wait_until(noticed, "all is well again")


def assert_does_without(vonage: Vonage, *, reading: bool, away: str = "CON-away") -> None:
    """Send requests of all kinds while Redis is away, one by one and many at once."""
    for times in (1, 6):
        for reply in vonage.at_once(times, "POST", "/voice/event", event(away)):
            assert_kept(reply)
        for path in ("/voice/answer", "/voice/fallback"):
            for reply in vonage.at_once(times, "POST", path, CALLER | {"conversation_uuid": away, "uuid": "leg"}):
                assert_answered(reply)
        for reply in vonage.at_once(times, "GET", "/readyz"):
            assert reply.status == 200
            assert "redis" in reply.json["degraded"]
        for path in ("/status", "/api/v1/conversations", "/api/v1/conversations/CON-x", "/api/v1/legs/x", "/"):
            for reply in vonage.at_once(times, "GET", path):
                assert reply.status in ((200, 302, 404) if reading or path == "/" else (503,)), (path, reply)
                if reply.status == 503:
                    assert reply.headers["Content-Type"] == "application/problem+json"
        for reply in vonage.at_once(times, "GET", "/healthz"):
            assert reply.status == 200
    moved = {"type": "transfer", "conversation_uuid_from": "CON-a", "conversation_uuid_to": "CON-b", "uuid": "leg"}
    fallback = event(away, original_request={"type": "event"}, reason="Socket timeout.")
    for body in (moved, fallback, {"status": "homeless"}):
        assert_kept(vonage.ask("POST", "/voice/event", body))
    if not reading:
        assert_away(vonage.ask("DELETE", "/api/v1/conversations/CON-x"))


@pytest.mark.parametrize("trouble", TROUBLES)
def test_with_redis_away_callers_are_answered_and_events_are_kept(server: Server, node: Node, trouble: str):
    begin, end, reading, forgets = TROUBLES[trouble]
    wait_until_noticed(Vonage(server))
    node.client.flushall()
    away = f"CON-away-{trouble}"
    vonage = Vonage(server)
    assert_serves(vonage, "CON-before")

    begin(node)
    assert_does_without(vonage, reading=reading, away=away)
    assert vonage.slowest < LONGEST

    end(node)
    node.ready()
    wait_until_noticed(vonage)
    assert_serves(vonage, "CON-after")
    # all is there that came meanwhile, once
    path = f"/api/v1/conversations/{quote(away)}"
    wait_until(lambda: len(vonage.ask("GET", path).json.get("answers", ())) == 14, "answers are recorded")
    kinds = Counter(item["kind"] for item in vonage.ask("GET", f"{path}/events").json["items"])
    assert (kinds["status"], kinds["fallback"]) == (1, 1)
    # 8 before, if Redis still knows them; 7 and a fallback copy, 14 answers, a transfer, one unfiled; 8 after
    before = 0 if forgets else 8
    counted = {"received": before + 8 + 14 + 1 + 1 + 8, "repeats": 7 * (before > 0) + 7 + 7, "unfiled": 1}
    time.sleep(FRESH_SECONDS)  # how old it may be what a worker says of the spool
    wait_until_noticed(vonage)
    webhooks = vonage.ask("GET", "/status").json["webhooks"]
    assert {name: webhooks[name] for name in counted} == counted
    assert server.said.count("Booting worker") == 2, "no worker was replaced"
    assert "Traceback" not in server.said


def test_started_while_redis_is_away_it_answers_and_works_once_redis_is_there(serve: Serve, tmp_path: Path):
    node = Node()
    try:
        vonage = Vonage(serve(REDIS_URL=node.url, WEB_CONCURRENCY="1"))
        assert_does_without(vonage, reading=False)
        assert vonage.slowest < LONGEST
        node.start()
        node.ready()
        wait_until_noticed(vonage)
        assert_serves(vonage, "CON-after")
    finally:
        node.remove()


def test_one_node_of_a_cluster_away_costs_its_own_conversations_only(serve: Serve):
    """The others go on, and afterwards all is well again."""
    with start_cluster() as cluster:
        vonage = Vonage(serve(REDIS_URL=cluster.address.url, REDIS_CLUSTER="on"))
        names = [f"CON-{number}" for number in range(CONVERSATIONS)]
        assert_serves(vonage, "CON-before")
        cluster.nodes[2].freeze()
        replies = {name: vonage.ask("POST", "/voice/event", event(name)) for name in names}
        cluster.nodes[2].thaw()
        assert vonage.slowest < LONGEST
        for reply in replies.values():
            assert_kept(reply)
        wait_until_noticed(vonage)
        listed = vonage.ask("GET", "/api/v1/conversations?limit=500").json["items"]
        assert {item["conversation_uuid"] for item in listed} == {*names, "CON-before"}
        assert all(item["legs"][0]["state"] == "ringing" for item in listed)


def test_a_killed_embedded_engine_comes_back_with_every_call(serve: Serve, tmp_path: Path) -> None:
    server = serve(WEB_CONCURRENCY="1")
    engine = Engine(tmp_path / "var")
    kept = []
    for turn in range(3):  # also one that the server has started again itself
        name = f"CON-{turn}"
        body = {"conversation_uuid": name, "uuid": f"leg-{turn}", "status": "ringing"}
        wait_until(lambda body=body: server.post("/voice/event", body).status == 200, "events are stored")  # type: ignore[misc]
        kept.append(name)
        pid = engine.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda turn=turn: server.said.count("is started again") == turn + 1, "the log says so")  # type: ignore[misc]
        wait_until(lambda: server.api("/api/v1/conversations").status == 200, "calls are read again")
        listed = server.api("/api/v1/conversations").json["items"]
        assert sorted(call["conversation_uuid"] for call in listed) == kept
    assert server.post("/voice/event", {"conversation_uuid": "CON-last", "status": "ringing"}).status == 200
