"""Requests byte by byte: slow, huge, long, in chunks, followed by garbage. None takes the server down."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import parse_headers
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import pytest

from app.web.limits import BODY_SECONDS, MOST_BODY
from config.few_lines import A_MINUTE
from tests.e2e.conftest import Serve
from tests.engines import Engine
from tests.serving import OPERATOR, Reply, Server, surviving

CONVERSATION = "CON-wire"
# Vonage gives up on an answer after five seconds.
# https://developer.vonage.com/en/application/technical-details#webhook-timeouts
IN_TIME = 5.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, valkey: Engine) -> Iterator[Server]:
    """A server with one worker, which must survive all tests."""
    valkey.flush()
    with surviving(tmp_path_factory.mktemp("wire"), REDIS_URL=valkey.address.url) as server:
        yield server


class Wire:
    """A bare connection."""

    def __init__(self, server: Server) -> None:
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        self._received = b""

    def send(self, *pieces: bytes) -> None:
        self.socket.sendall(b"".join(pieces))

    def reply(self) -> Reply:
        """The next response; bytes behind it are kept for the next call."""
        begun = time.monotonic()
        while (end := self._received.find(b"\r\n\r\n") + 4) < 4:
            self._receive()
        head = BytesIO(self._received[:end])
        status, headers = int(head.readline().split()[1]), parse_headers(head)
        behind = end + int(headers["Content-Length"])
        while len(self._received) < behind:
            self._receive()
        body, self._received = self._received[end:behind], self._received[behind:]
        return Reply(status, dict(headers.items()), body, time.monotonic() - begun)

    def rest(self) -> bytes:
        """All bytes until the server closes the connection."""
        with contextlib.suppress(ConnectionError):
            while True:
                self._receive()
        return self._received

    def _receive(self) -> None:
        received = self.socket.recv(65536)
        if not received:
            raise ConnectionResetError
        self._received += received


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    wire = Wire(server)
    yield wire
    wire.socket.close()


def post(*headers: str, path: str = "/voice/event") -> bytes:
    """Request line and headers."""
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def sized(body: bytes, *headers: str) -> bytes:
    return post(f"Content-Length: {len(body)}", *headers) + body


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


def event(uuid: str, **more: Any) -> bytes:
    body = {"conversation_uuid": CONVERSATION, "uuid": uuid, "status": "ringing", "timestamp": "2021-03-29T21:20:05Z"}
    return json.dumps(body | more).encode()


def legs(server: Server) -> set[str]:
    reply = server.api(f"/api/v1/conversations/{CONVERSATION}")
    return {leg["uuid"] for leg in reply.json["legs"]} if reply.status == 200 else set()


SLOW = {
    "nothing of it comes": (post("Content-Length: 100"), b""),
    "it stops half way": (post("Content-Length: 100") + b'{"conversation_uuid": ', b""),
    "it has all but the last blanks": (post("Content-Length: 1000") + event("all but blanks"), b""),
    "it trickles": (post("Content-Length: 100"), b"{"),
    "a chunk that stops half way": (post("Transfer-Encoding: chunked") + b"40\r\n{", b""),
    "chunks that trickle": (post("Transfer-Encoding: chunked"), b"1\r\n \r\n"),
    "an answer that trickles": (post("Content-Length: 100", path="/voice/answer"), b" "),
}


def test_a_body_that_is_too_slow_is_refused_and_no_later_byte_is_read(server: Server):
    """Late bytes must not be taken for the next request."""

    def send_slowly(which: str) -> tuple[Reply, float, bytes]:
        head, drop = SLOW[which]
        wire = Wire(server)
        begun = time.monotonic()
        wire.send(head)
        wire.socket.settimeout(0.3)
        while True:
            with contextlib.suppress(TimeoutError):
                reply = wire.reply()
                break
            assert time.monotonic() < begun + 60, which
            wire.send(drop)
        took = time.monotonic() - begun
        wire.socket.settimeout(60)
        with contextlib.suppress(OSError):  # it may be closed by now
            wire.send(b" " * 100, b"0\r\n\r\n", sized(event("smuggled")), b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        rest = wire.rest()
        wire.socket.close()
        return reply, took, rest

    with ThreadPoolExecutor(len(SLOW)) as pool:
        replies = dict(zip(SLOW, pool.map(send_slowly, SLOW), strict=True))
    for which, (reply, took, rest) in replies.items():
        assert reply.status == 408, which
        assert reply.headers["Content-Type"] == "application/problem+json"
        assert BODY_SECONDS - 0.1 < took < BODY_SECONDS + 10, which
        assert rest == b"", which
    assert not {"smuggled", "all but blanks"} & legs(server)


def test_others_are_served_while_a_body_is_slow(server: Server, wire: Wire):
    wire.send(post("Content-Length: 100"), b"{")
    replies = [server.ask("POST", "/voice/event", event("quick")) for _ in range(20)]
    assert {reply.status for reply in replies} == {200}
    assert min(reply.seconds for reply in replies) < BODY_SECONDS / 2, "they do not wait for it"


def test_a_slow_body_that_comes_in_time_is_read(server: Server, wire: Wire):
    body = event("late")
    wire.send(post(f"Content-Length: {len(body)}"), body[:10])
    time.sleep(1)
    wire.send(body[10:])
    assert wire.reply().status == 200
    assert "late" in legs(server)


def test_a_connection_closed_within_a_body_leaves_nothing_behind(server: Server):
    for _ in range(20):
        wire = Wire(server)
        wire.send(post("Content-Length: 100"), b'{"conversation_uuid": "CON-half"')
        wire.socket.close()
    assert server.api("/api/v1/conversations/CON-half").status == 404
    assert server.answers()


@pytest.mark.parametrize("head", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_a_body_that_ends_too_early_is_refused(server: Server, wire: Wire, head: str):
    uuid = f"cut short, {head}"
    part = event(uuid)
    wire.send(post(head), part if "Length" in head else b"%x\r\n%s\r\n" % (len(part), part))
    wire.socket.shutdown(socket.SHUT_WR)
    assert wire.reply().status == 400
    assert uuid not in legs(server)


@pytest.mark.parametrize("path", ["/voice/event", "/voice/answer", "/nowhere", "/login"])
def test_a_body_of_a_megabyte_is_refused(server: Server, path: str):
    reply = server.ask("POST", path, b'{"a": "' + b"x" * 1_000_000 + b'"}')
    assert reply.status == 413
    assert reply.headers["Content-Type"] == "application/problem+json"


def test_an_announced_gigabyte_is_refused_before_it_is_sent(wire: Wire):
    wire.send(post("Content-Length: 1000000000"))
    reply = wire.reply()
    assert reply.status == 413  # the rest of the body never comes: after waiting for it, this would be 408


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "1_0", "10, 10", "\u0661"])
def test_a_length_that_is_not_a_number_is_refused(server: Server, wire: Wire, length: str):
    wire.send(post(f"Content-Length: {length}"), b"{}")
    assert wire.reply().status == 400
    assert wire.rest() == b""
    assert server.answers()


def test_a_length_together_with_chunks_cannot_hide_a_request(server: Server, wire: Wire):
    hidden = sized(event("hidden"))
    wire.send(post(f"Content-Length: {len(hidden) + 5}", "Transfer-Encoding: chunked"), b"0\r\n\r\n", hidden)
    wire.socket.settimeout(2)
    with contextlib.suppress(TimeoutError):
        wire.rest()
    assert "hidden" not in legs(server)


def test_a_body_at_the_limit_is_read(server: Server):
    body = event("limit").ljust(MOST_BODY)
    assert server.ask("POST", "/voice/event", body).status == 200
    assert server.ask("POST", "/voice/event", body + b" ").status == 413
    assert "limit" in legs(server)


def test_a_get_of_8000_bytes_is_read(server: Server):
    """Speech results can take some kilobytes."""
    query = {"conversation_uuid": CONVERSATION, "uuid": "long", "dtmf": "1"}
    path = "/voice/event?" + urlencode(query | {"speech": json.dumps({"results": [{"text": ""}]})})
    path = path.replace("%22text%22%3A+%22", "%22text%22%3A+%22" + "a" * (8000 - len(path)))
    assert len(path) == 8000
    reply = server.ask("GET", path)
    assert (reply.status, reply.body) == (200, b"")
    assert "long" in legs(server)


@pytest.mark.parametrize("path", ["/voice/event?uuid=", "/"])
@pytest.mark.parametrize("length", [9000, 100_000])
def test_a_longer_url_is_refused_without_a_crash(server: Server, path: str, length: int):
    for _ in range(3):
        assert 400 <= server.ask("GET", path + "x" * length).status < 500
    assert server.answers()


def test_headers_without_end_are_refused_without_a_crash(server: Server):
    for headers in ({f"X-{number}": "x" for number in range(500)}, {"X": "x" * 100_000}):
        assert 400 <= server.ask("GET", "/healthz", None, **headers).status < 500
    assert server.answers()


def test_a_name_in_a_query_may_be_escaped_or_not(server: Server, wire: Wire):
    query = f"conversation_uuid={CONVERSATION}&status=ringing&uuid=escaped-and-not&from="
    for name in ("Zo%C3%AB", "Zoë"):
        wire.send(f"GET /voice/event?{query}{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert wire.reply().status in (200, 400)
    events = server.api(f"/api/v1/conversations/{CONVERSATION}/events").json["items"]
    assert {entry["raw"]["from"] for entry in events if entry["leg"] == "escaped-and-not"} == {"Zoë"}


@pytest.mark.parametrize("parts", [1, 2, 7])
def test_a_body_in_chunks_is_read(server: Server, wire: Wire, parts: int):
    body = event(f"chunked-{parts}")
    size = -(-len(body) // parts)
    pieces = [body[index : index + size] for index in range(0, len(body), size)]
    wire.send(post("Transfer-Encoding: chunked"), chunked(*pieces))
    assert wire.reply().status == 200
    assert f"chunked-{parts}" in legs(server)
    wire.send(sized(event("after chunks")))
    assert wire.reply().status == 200


def test_a_body_in_chunks_is_limited_too(server: Server, wire: Wire):
    body = event("at the limit in chunks")
    wire.send(post("Transfer-Encoding: chunked"), chunked(body, b" " * (MOST_BODY - len(body))))
    assert wire.reply().status == 200
    body = event("too large in chunks")
    wire.send(post("Transfer-Encoding: chunked"), chunked(body, b" " * (MOST_BODY - len(body) + 1)))
    assert wire.reply().status == 413
    assert "at the limit in chunks" in legs(server)
    assert "too large in chunks" not in legs(server)


@pytest.mark.parametrize(
    "garbage", [b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n{}\r\n", b"ffffffffffffffffff\r\n{", b"2\r\n{}0\r\n\r\n"]
)
def test_malformed_chunks_are_refused(server: Server, garbage: bytes):
    wire = Wire(server)
    wire.send(post("Transfer-Encoding: chunked"), garbage)
    wire.socket.shutdown(socket.SHUT_WR)
    answer = wire.rest()
    wire.socket.close()
    assert not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), answer
    assert server.answers()


FOLDED = {
    "a header folded over two lines": b"Host: x\r\nX-Long: a\r\n b\r\n\r\n",
    "folded with a tab": b"Host: x\r\nX-Long: a\r\n\tb\r\n\r\n",
    "the first one folded": b" Host: x\r\n\r\n",
    "a line break without CR": b"Host: x\nX-More: a\r\n\r\n",
    "no CR at all": b"Host: x\n\n",
    "no CR at the end": b"Host: x\r\nX-More: a\n\n",
    "CR alone": b"Host: x\rX-More: a\r\n\r\n",
}


@pytest.mark.parametrize("headers", FOLDED.values(), ids=FOLDED)
def test_headers_that_a_proxy_may_read_differently_are_refused(server: Server, wire: Wire, headers: bytes):
    """https://www.rfc-editor.org/rfc/rfc9112#section-2.2 and #section-5.2"""
    wire.send(b"GET /healthz HTTP/1.1\r\n", headers)
    wire.socket.shutdown(socket.SHUT_WR)
    answer = wire.rest()
    assert not answer or answer.startswith(b"HTTP/1.1 400 "), answer
    assert b"alive" not in answer


def test_no_line_of_gunicorn_shows_what_a_request_that_is_no_http_holds(server: Server):
    secret, number = "SECRET-of-somebody", "447700900123"
    for request in (
        f"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization Bearer {secret}{number}\r\n\r\n",
        f"GET /voice/answer?from={number} &token={secret} HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET /voice/answer?from={number}&token={secret}\r\n\r\n",
        f"{number} /x HTTP/1.1\r\nHost: x\r\n\r\n",
    ):
        wire = Wire(server)
        wire.send(request.encode())
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.rest().startswith(b"HTTP/1.1 4")
        wire.socket.close()
    assert "Invalid request: InvalidHeader" in server.said
    assert "********0123 /x" in server.said, "this one is HTTP"
    assert number not in server.said
    assert secret not in server.said


def test_requests_that_are_no_http_do_not_fill_the_log(server: Server):
    for _ in range(200):
        wire = Wire(server)
        wire.send(b"GET /\xff HTTP/9.9\r\n\r\n")
        wire.rest()
        wire.socket.close()
    assert server.said.count("Invalid request") <= 2 * A_MINUTE, "the minute may have turned"
    assert server.answers()


def test_a_place_is_found_for_a_caller_among_those_who_do_not_go_on(serve: Serve, valkey: Engine):
    """Bodies that stop, and replies that nobody reads, in more connections than the worker has places."""
    places = 20
    server = serve(
        REDIS_URL=valkey.address.url,
        WEB_CONCURRENCY="1",
        VONAGE_SIGNATURE_SECRETS="abcd1234:signature-secret-of-32-bytes-or-more",
        GUNICORN_CMD_ARGS=f"--worker-connections {places}",
    )
    stopped = post("Content-Length: 2") + b"{"
    unread = b"GET /login HTTP/1.1\r\nHost: x\r\n\r\n" * 2500  # replies of some megabytes
    for request, rest in ((stopped, b""), (stopped, b"}"), (unread, b"")):
        with contextlib.ExitStack() as connections:
            for _ in range(2 * places):
                wire = socket.socket()
                connections.enter_context(wire)
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
                wire.settimeout(60)
                wire.connect(("127.0.0.1", server.port))
                with contextlib.suppress(OSError):  # closed for a later one
                    wire.sendall(request)
                    wire.sendall(rest)
            for _ in range(3):
                reply = server.ask("GET", "/healthz")
                assert (reply.status, reply.seconds < IN_TIME) == (200, True)
    assert "Traceback" not in server.said


def test_a_reply_that_nobody_reads_ends_its_connection(server: Server):
    """Also that to somebody with a token, whose connection is not closed for another."""
    token = f"Authorization: Bearer {OPERATOR}"
    with socket.socket() as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        wire.settimeout(120)
        wire.connect(("127.0.0.1", server.port))
        sender = threading.Thread(
            target=send_all, args=(wire, f"GET /docs HTTP/1.1\r\n{token}\r\n\r\n".encode() * 2000)
        )
        sender.start()
        sender.join(60)  # without a limit the server would stop reading, and this would wait for it
        assert not sender.is_alive()


def send_all(wire: socket.socket, request: bytes) -> None:
    """Until the server closes the connection, and some seconds longer."""
    with contextlib.suppress(OSError):
        while True:
            wire.sendall(request)


def test_expect_100_continue_is_answered(server: Server, wire: Wire):
    """curl sends it before a larger body."""
    body = event("expected").ljust(5000)
    wire.send(post(f"Content-Length: {len(body)}", "Expect: 100-continue"))
    assert wire.socket.recv(1000).startswith(b"HTTP/1.1 100 ")
    wire.send(body)
    assert wire.reply().status == 200
    assert "expected" in legs(server)


def test_a_connection_is_kept_open(server: Server, wire: Wire):
    for number in range(50):
        wire.send(sized(event(f"kept-{number}")))
        reply = wire.reply()
        assert (reply.status, reply.body) == (200, b"")
        assert "Content-Type" not in reply.headers
        assert reply.headers["Connection"] == "keep-alive"
        assert reply.headers["Content-Length"] == "0"


@pytest.mark.parametrize(
    "bad", [sized(b"{"), sized(b"x" * (MOST_BODY + 1)), b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"]
)
def test_a_connection_is_kept_open_after_a_refused_request(server: Server, wire: Wire, bad: bytes):
    wire.send(bad)
    assert 400 <= wire.reply().status < 500
    wire.send(sized(event("after a refusal")))
    assert wire.reply().status == 200


def test_pipelined_requests_are_answered_in_order(server: Server, wire: Wire):
    wire.send(*(sized(event(f"pipelined-{number}")) for number in range(5)), sized(b"{"), sized(event("pipelined-5")))
    assert [wire.reply().status for _ in range(7)] == [200] * 5 + [400, 200]
    assert {f"pipelined-{number}" for number in range(6)} <= legs(server)


@pytest.mark.parametrize(
    "garbage", [b"\x00" * 100, b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"POST /voice/event HTTP/9.9\r\n\r\n"]
)
def test_bytes_that_are_not_http_cause_no_crash(server: Server, garbage: bytes):
    wire = Wire(server)
    wire.send(garbage)
    wire.socket.shutdown(socket.SHUT_WR)
    assert b" 200 " not in wire.rest()
    wire.socket.close()
    assert server.answers()


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /voice/event HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"1\r\nx\r\n" * 2000
        + b"0\r\n\r\n",
    ],
)
def test_a_sender_that_never_pauses_does_not_keep_a_caller_waiting(server: Server, request_: bytes):
    """One worker serves a flood of requests without a token and an answer webhook beside it."""
    done = threading.Event()

    def flood() -> None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=5) as sender:
            reader = threading.Thread(target=drain, args=(sender,))
            reader.start()
            while not done.is_set():
                sender.sendall(request_ * 20)
            sender.shutdown(socket.SHUT_RDWR)
            reader.join(5)

    def drain(sender: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while sender.recv(65536):
                pass

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        replies = [
            server.ask("GET", "/voice/answer?to=442079460000&uuid=leg&conversation_uuid=CON-1") for _ in range(20)
        ]
    finally:
        done.set()
        flooding.join(60)
    assert {reply.status for reply in replies} == {200}
    assert max(reply.seconds for reply in replies) < IN_TIME
