"""Peers that are slow, broken or hostile, and many: beside them each webhook gets its reply, in bounded memory."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from benchmarks.hostile import ATTACKS, resident_mb
from benchmarks.servers import API_KEY, SECRET
from benchmarks.webhooks import calls, request
from tests.engines import Engine
from tests.serving import Server, surviving

HONEST = 60  # webhooks, at least, each over a connection of its own
GROWTH_MB = 60  # of the worker's memory: a body has 64 KiB at most, and there are 1,000 places


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, valkey: Engine) -> Iterator[Server]:
    """A server with one worker, which verifies signatures and must survive all tests."""
    valkey.flush()
    folder, secrets = tmp_path_factory.mktemp("hostile"), f"{API_KEY}:{SECRET}"
    with surviving(folder, REDIS_URL=valkey.address.url, VONAGE_SIGNATURE_SECRETS=secrets) as server:
        yield server


class Honest(threading.Thread):
    """Sends signed webhooks, each over a connection of its own, until `over` is set and it has sent enough."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.over, self.replies = threading.Event(), list[bytes]()
        self._port = port

    def run(self) -> None:
        for _, events in calls():
            for event in events:
                if self.over.is_set() and len(self.replies) >= HONEST:
                    return
                with socket.create_connection(("127.0.0.1", self._port), timeout=30) as peer:
                    peer.sendall(request("/voice/event", event))
                    self.replies.append(peer.recv(4096).partition(b"\r\n")[0])


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_each_webhook_gets_its_reply(server: Server, attack: Callable[[int], ExitStack]) -> None:
    (worker,) = server.workers
    before, received = resident_mb(worker), server.api("/status").json["webhooks"]["received"]
    honest = Honest(server.port)
    honest.start()
    try:
        with attack(server.port):
            honest.over.set()
            honest.join()
            grown = resident_mb(worker) - before
    finally:
        honest.over.set()
        honest.join()
    assert set(honest.replies) == {b"HTTP/1.1 200 OK"}
    assert server.api("/status").json["webhooks"]["received"] == received + len(honest.replies)
    assert grown < GROWTH_MB
