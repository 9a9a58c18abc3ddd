"""When a webhook is tried again, and the reason if there is no reply."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket

import pytest
from aiohttp import web

from tests.vonage_simulator.receiver import (
    APPLICATION,
    EVENT,
    Act,
    Receiver,
    maybe_kept,
    nobody,
    send_event,
    send_one,
    sending,
)
from vonage_simulator.clock import Clock
from vonage_simulator.delivery.exchange import NoReply, Reply
from vonage_simulator.delivery.sent import Sent
from vonage_simulator.delivery.webhook_sender import WebhookSender
from vonage_simulator.ledger import Target

FINAL = [301, 302, 400, 401, 404, 413, 500, 502]
LONG = 30.0  # seconds: for a busy machine
CURED = [429, 503, 504, "close", "reset", "half", "drops", 1.0]  # by another try


async def requested(*acts: Act, method: str = "POST") -> tuple[Reply, Receiver]:
    async with sending(*acts) as (sender, receiver):
        silent = any(act == "drops" or isinstance(act, float) for act in acts)
        target = receiver.target(method, "/voice/answer", socket_timeout=0.2 if silent else LONG)
        return await sender.request(target, EVENT, kind="answer", conversation="CON", leg="leg"), receiver


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("act", CURED)
def test_a_webhook_that_vonage_repeats_is_sent_once_more(act: Act, method: str) -> None:
    """With a new token, about a second later."""
    clock = Clock(speed=None)
    sent, receiver, troubles = asyncio.run(send_one(act, clock=clock, method=method))
    assert sent.acknowledged
    assert clock.seconds == 1.0
    assert maybe_kept(sent) is not isinstance(act, int)
    assert sent.refused == ([act] if isinstance(act, int) else [])
    assert [attempt.order for attempt in sent.tries] == [0, 1]
    first, second = receiver.received
    assert first.data == second.data
    assert first.token != second.token
    assert first.verdict == second.verdict == 200
    assert [trouble.what for trouble in troubles] == ["trouble"]
    assert troubles[0].data == {"words": sent.tries[0].words, "url": receiver.target().url}


@pytest.mark.parametrize("act", [*FINAL, "garbage"])
def test_a_webhook_that_vonage_does_not_repeat_is_sent_once(act: Act) -> None:
    sent, receiver, _ = asyncio.run(send_one(act))
    assert len(receiver.received) == len(sent.tries) == 1
    assert not sent.acknowledged
    assert sent.refused == ([act] if isinstance(act, int) and act >= 400 else [])


@pytest.mark.parametrize("act", CURED)
def test_an_event_that_fails_twice_is_lost(act: Act) -> None:
    """There is no third try; the next event is sent all the same."""

    async def run() -> tuple[list[Sent], Receiver]:
        async with sending(act, act) as (sender, receiver):
            send_event(sender, receiver.target(socket_timeout=0.1))
            send_event(sender, receiver.target())
            await sender.settle()
            return sender.sent, receiver

    (lost, fine), receiver = asyncio.run(run())
    assert (lost.acknowledged, fine.acknowledged) == (False, True)
    assert len(receiver.received) == 3
    assert [attempt.status for attempt in lost.tries] == [act if isinstance(act, int) else None] * 2


def test_a_kept_connection_that_was_closed_hides_no_request() -> None:
    """A client may itself repeat a GET on a closed connection; the record would lack that request."""

    async def run() -> tuple[Sent, Receiver]:
        async with sending(200, "close") as (sender, receiver):
            send_event(sender, receiver.target("GET"))
            sent = send_event(sender, receiver.target("GET"))
            await sender.settle()
            return sent, receiver

    sent, receiver = asyncio.run(run())
    assert len(receiver.received) == 1 + len(sent.tries) == 3
    assert [request.connection for request in receiver.received] == [1, 1, 2]


def test_a_reply_is_returned_unchanged() -> None:
    reply, receiver = asyncio.run(requested(0.1, method="GET"))
    assert (reply.status, reply.text, reply.content_type) == (200, b"", "")
    assert 0.1 <= reply.seconds < 2
    assert receiver.received[0].line.startswith("GET /voice/answer?uuid=leg&")

    async def talkative() -> Reply:
        async with sending(b'[{"action":"talk"}]') as (sender, receiver):
            receiver.headers = "Content-Type: Application/JSON; charset=utf-8\r\nSet-Cookie: a=b\r\n"
            target = receiver.target()
            reply = await sender.request(target, EVENT, kind="event", conversation="CON", leg="leg")
            await sender.request(target, EVENT, kind="event", conversation="CON", leg="leg")
            assert "cookie" not in receiver.received[1].headers
            assert [(webhook.kind, webhook.acknowledged) for webhook in sender.sent] == [("event", True)] * 2
            return reply

    reply = asyncio.run(talkative())
    assert (reply.text, reply.content_type) == (b'[{"action":"talk"}]', "application/json")


@pytest.mark.parametrize("status", [200, 201, 204, 205])
def test_success_is_200_to_205(status: int) -> None:
    reply, _ = asyncio.run(requested(status))
    assert reply.status == status


@pytest.mark.parametrize(
    ("act", "reason", "words"),
    [
        ("close", "Connection closed.", "it closed the connection before its answer was whole"),
        ("half", "Connection closed.", "it closed the connection before its answer was whole"),
        ("reset", "Connection reset.", "it reset the connection"),
        (1.0, "Socket timeout.", "no answer within 0.2 s"),
        ("drops", "Socket timeout.", "no answer within 0.2 s"),
        (206, "Invalid response code.", "it answers 206"),
        (302, "Invalid response code.", "it answers 302"),
        (500, "Invalid response code.", "it answers 500"),
        (503, "Invalid response code.", "it answers 503"),
        ("garbage", "Invalid response code.", "its answer is no HTTP: "),
    ],
)
def test_a_failed_request_has_its_reason(act: Act, reason: str, words: str) -> None:
    """In Vonage's words for a fallback request, and in plain ones."""
    with pytest.raises(NoReply) as unheard:
        asyncio.run(requested(act, act))
    assert unheard.value.reason == reason
    assert unheard.value.words.startswith(words)


def test_a_second_try_may_bring_the_reply() -> None:
    reply, receiver = asyncio.run(requested("close", b"[]"))
    assert reply.text == b"[]"
    assert len(receiver.received) == 2


def test_a_server_that_does_not_run_is_tried_twice() -> None:
    """It may just be starting."""
    target = nobody()

    async def run() -> Sent:
        async with WebhookSender(APPLICATION, clock=Clock(speed=None)) as sender:
            with pytest.raises(NoReply, match=f"nothing listens at {target.url}") as no_reply:
                await sender.request(target, EVENT, kind="answer", conversation="CON", leg="leg")
            assert no_reply.value.reason == "Connection reset."
            return sender.sent[0]

    sent = asyncio.run(run())
    assert [(attempt.reached, attempt.status) for attempt in sent.tries] == [(False, None)] * 2
    assert not maybe_kept(sent)


@pytest.mark.parametrize("url", ["voice/event", "http://127.0.0.1:0x50/", f"http://{'a' * 64}.example/"])
def test_an_unknown_host_is_not_tried_again(url: str) -> None:
    async def run() -> Sent:
        async with sending() as (sender, _):
            sent = send_event(sender, Target(url))
            await sender.settle()
            return sent

    sent = asyncio.run(run())
    assert [(attempt.reached, attempt.status) for attempt in sent.tries] == [(False, None)]
    assert url in sent.tries[0].words


def test_a_server_without_tls_is_not_tried_again() -> None:
    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 The plain HTTP request was sent to HTTPS port\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async def run() -> Sent:
        async with (
            await asyncio.start_server(refuse, "127.0.0.1", 0) as server,
            WebhookSender(APPLICATION, clock=Clock(speed=None)) as sender,
        ):
            sent = send_event(sender, Target(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
            await sender.settle()
            return sent

    sent = asyncio.run(run())
    assert [(attempt.reached, attempt.status) for attempt in sent.tries] == [(False, None)]
    assert not maybe_kept(sent)


def test_a_connection_has_its_own_time_limit() -> None:
    """A server whose queue of new connections is full does not answer at all."""

    async def run(url: str) -> Sent:
        async with WebhookSender(APPLICATION, clock=Clock(speed=None)) as sender:
            target = Target(url, connect_timeout=0.2, socket_timeout=5.0)
            with pytest.raises(NoReply, match=r"no connection to http://.* within 0.2 s") as no_reply:
                await sender.request(target, EVENT, kind="answer", conversation="CON", leg="leg")
            assert no_reply.value.reason == "Socket timeout."
            return sender.sent[0]

    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        sent = asyncio.run(run(f"http://127.0.0.1:{full.getsockname()[1]}/"))
    assert [(attempt.reached, attempt.status) for attempt in sent.tries] == [(False, None)] * 2


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    """Plain or compressed: 1 GB of blanks is 1 MB of gzip."""
    packed = gzip.compress(b" " * (64 * 1024 * 1024))

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b" " * 65536)
        return response

    async def bomb(_: web.Request) -> web.Response:
        return web.Response(body=packed, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"})

    async def run() -> list[str]:
        app = web.Application()
        app.add_routes([web.get("/endless", endless), web.get("/bomb", bomb)])
        runner = web.AppRunner(app, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        words = []
        async with WebhookSender(APPLICATION, clock=Clock(speed=None)) as sender:
            for path in ("endless", "bomb"):
                target = Target(f"http://127.0.0.1:{port}/{path}", "GET", socket_timeout=5.0)
                with pytest.raises(NoReply) as no_reply:
                    await sender.request(target, {}, kind="answer", conversation="CON", leg="leg")
                words.append(no_reply.value.words)
        await runner.cleanup()
        return words

    assert asyncio.run(run()) == ["its answer is longer than 1024 KiB"] * 2
