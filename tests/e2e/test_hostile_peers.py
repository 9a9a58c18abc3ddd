"""Peers that are slow, broken or hostile, and many: beside them each webhook gets its reply, in bounded memory."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from http.client import HTTPResponse
from pathlib import Path

import pytest

from benchmarks.servers import API_KEY, SECRET
from benchmarks.webhooks import calls, request
from tests.engines import Engine
from tests.serving import Client, Server

IDLE = 10_000  # connections, as far as this process may open files
SLOW = 1500  # more than a worker has places
HUGE = 300  # connections, each with 240 kB of headers
FLOOD = 3000  # requests
HONEST = 60  # webhooks, at least, each over a connection of its own
GROWTH_MB = 60  # of the worker's memory: a body has 64 KiB at most, and there are 1,000 places
HOST = b"Host: localhost\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, valkey: Engine) -> Iterator[Server]:
    """A server with one worker, which verifies signatures and must survive all tests."""
    valkey.flush()
    environ = {"REDIS_URL": valkey.address.url, "WEB_CONCURRENCY": "1"}
    server = Server(tmp_path_factory.mktemp("hostile"), VONAGE_SIGNATURE_SECRETS=f"{API_KEY}:{SECRET}", **environ)
    try:
        yield server.ready()
        assert server.said.count("Booting worker") == 1, "no worker was replaced"
        assert "Traceback" not in server.said
    finally:
        server.kill()


def resident_mb(pid: int) -> float:
    """The memory of a process."""
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) / 1024


def opened(port: int, count: int, first: bytes, then: Callable[[socket.socket], object] | None = None) -> ExitStack:
    """So many connections that have sent *first*; closed with what is returned."""
    stack = ExitStack()
    for _ in range(count):
        peer = stack.enter_context(socket.socket())
        peer.settimeout(10)
        peer.connect(("127.0.0.1", port))
        with suppress(OSError):  # the server has closed it for another
            peer.sendall(first)
            if then:
                then(peer)
    return stack


def idle(port: int) -> ExitStack:
    return opened(port, IDLE, b"")


def slow_headers(port: int) -> ExitStack:
    return opened(port, SLOW, b"POST /voice/event HTTP/1.1\r\n" + HOST + b"X-Slow: ")


def slow_bodies(port: int) -> ExitStack:
    return opened(port, SLOW, b"POST /voice/event HTTP/1.1\r\n" + HOST + b"Content-Length: 60000\r\n\r\n{")


def half_closed(port: int) -> ExitStack:
    return opened(port, SLOW, b"POST /voice/event HTTP/1.1\r\n" + HOST, lambda peer: peer.shutdown(socket.SHUT_WR))


def huge_headers(port: int) -> ExitStack:
    """More than the server holds of one request."""
    return opened(port, HUGE, b"GET /voice/event HTTP/1.1\r\n" + (b"X-Huge: " + b"x" * 4000 + b"\r\n") * 60)


def chunked_lies(port: int) -> ExitStack:
    head = b"POST /voice/event HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
    return opened(port, SLOW, head + b"fffffff\r\n" + b"x" * 5000)


def pipelined_garbage(port: int) -> ExitStack:
    ask = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    return opened(port, FLOOD // 10, (ask * 10 + b"\x00\xff garbage\r\n\r\n") * 10)


def forged(signed: bytes) -> bytes:
    """*signed* with another signature, which is the third part of a token."""
    token = re.search(rb"Bearer ([^\r]+)", signed)
    assert token
    head, _, signature = token[1].rpartition(b".")
    return signed.replace(token[1], head + b"." + (b"B" if signature.startswith(b"A") else b"A") + signature[1:])


def bad_signatures(port: int) -> ExitStack:
    """A flood over a few connections, which are kept; each request has a token that another secret signed."""
    body = forged(request("/voice/event", next(calls())[1][0]))
    for _ in range(10):
        with closing(Client(port)) as client:
            client.ask("GET", "/healthz")
            peer = client.socket
            assert peer
            for _ in range(FLOOD // 10):
                peer.sendall(body)
                reply = HTTPResponse(peer)
                reply.begin()
                assert (reply.status, json.loads(reply.read())["fault"]) == (401, "signature")
                reply.close()
    return ExitStack()


ATTACKS = (idle, slow_headers, slow_bodies, half_closed, huge_headers, chunked_lies, pipelined_garbage, bad_signatures)


class Honest(threading.Thread):
    """Sends signed webhooks, each over a connection of its own, until it is told to stop and has sent enough."""

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
