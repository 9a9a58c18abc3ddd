"""Webhooks have the form and order of Vonage's, and the record has their outcome."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.vonage_simulator.receiver import (
    APPLICATION,
    EVENT,
    UNSIGNED,
    Receiver,
    careful,
    maybe_kept,
    receiving,
    send_event,
    send_one,
    sending,
)
from vonage_simulator.clock import Clock
from vonage_simulator.delivery.sent import Sent
from vonage_simulator.delivery.webhook_sender import RECOVERS_IN, WebhookSender
from vonage_simulator.ledger import Application
from vonage_simulator.trace import Happening


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_webhook_has_vonages_headers_and_token(method: str) -> None:
    """Its headers are those seen in published logs, its token is for it, and it is acknowledged by a 2xx."""
    sent, receiver, troubles = asyncio.run(send_one(method=method))
    (request,) = receiver.received
    sender = method == "POST"
    known = {"uuid": "leg", "conversation_uuid": "CON", "status": "ringing", "number": "0"}
    assert request.data == {**known, "start_time": None if sender else ""}
    assert request.line.split("?")[0] == f"{method} /voice/event" + (" HTTP/1.1" if sender else "")
    assert request.headers.get("content-type") == ("application/json" if sender else None)
    assert request.headers["user-agent"].startswith("Apache-HttpAsyncClient")
    assert set(request.headers) <= {"host", "accept", "user-agent", "authorization", "content-type", "content-length"}
    assert request.verdict == 200
    assert sent.acknowledged
    assert not maybe_kept(sent)
    assert [(attempt.how, attempt.status, attempt.words) for attempt in sent.tries] == [(None, 200, "it answers 200")]
    assert troubles == []


def test_without_signed_callbacks_there_is_no_token() -> None:
    sent, receiver, _ = asyncio.run(send_one(application=UNSIGNED))
    assert sent.acknowledged
    assert receiver.received[0].token is None


def test_a_sender_without_secret_cannot_be_made() -> None:
    """Else every webhook would be refused."""
    with pytest.raises(ValueError, match="secret"):
        WebhookSender(Application(id="app"), clock=Clock())


def test_order_is_kept_within_a_conversation() -> None:
    """Each waits for the one before, however slow; the connection is kept."""

    async def run() -> Receiver:
        async with sending(0.1, 503, 0.05) as (sender, receiver):
            for number in range(6):
                send_event(sender, receiver.target(), number)
            await sender.settle()
            return receiver

    receiver = asyncio.run(run())
    assert [body["number"] for body in receiver.bodies] == ["0", "1", "1", "2", "3", "4", "5"]
    assert receiver.most_at_once == receiver.connections == 1


def test_conversations_do_not_wait_for_each_other() -> None:
    async def run() -> tuple[float, Receiver]:
        async with sending(*[0.2] * 20) as (sender, receiver):
            begun = time.monotonic()
            for number in range(20):
                send_event(sender, receiver.target(), number, conversation=f"CON-{number}")
            await sender.settle()
            return time.monotonic() - begun, receiver

    seconds, receiver = asyncio.run(run())
    assert receiver.most_at_once == 20
    assert seconds < 2


def test_a_jumping_clock_stops_during_a_request() -> None:
    """A slow server does not make a call longer."""

    async def run() -> tuple[float, float]:
        clock = Clock(speed=None)
        async with sending(0.2, clock=clock) as (sender, receiver):
            sleeper = asyncio.create_task(clock.sleep(100))
            await sender.request(receiver.target(), EVENT, kind="answer", conversation="CON", leg="leg")
            before = clock.seconds
            await sleeper
            return before, clock.seconds

    assert asyncio.run(run()) == (0.0, 100.0)


def test_a_busy_server_gets_real_time_even_on_a_fast_clock() -> None:
    begun = time.monotonic()
    sent, _, _ = asyncio.run(send_one(503, clock=Clock(speed=1000)))
    assert sent.acknowledged
    assert time.monotonic() - begun >= RECOVERS_IN


def test_leaving_cancels_requests_under_way() -> None:
    """The server may have received it, and the record says so."""

    async def run() -> list[Sent]:
        async with sending(5.0) as (sender, receiver):
            send_event(sender, receiver.target())
            send_event(sender, receiver.target())
            while not receiver.received:  # noqa: ASYNC110  the server needs no event for one test
                await asyncio.sleep(0.01)
        return sender.sent

    first, second = asyncio.run(run())
    assert maybe_kept(first)
    assert second.tries == []


def test_an_error_in_the_carrier_is_not_lost() -> None:
    """`settle` raises it."""

    def watch(_: Happening) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(send_one(500, watch=watch))


def test_many_conversations_are_delivered_at_once() -> None:
    """Each in its own order."""

    async def run() -> Receiver:
        async with receiving(usual=careful) as receiver, WebhookSender(APPLICATION, clock=Clock(speed=None)) as sender:
            for number in range(3):
                for conversation in range(300):
                    send_event(sender, receiver.target(), number, conversation=f"{conversation}")
            await sender.settle()
            assert all(sent.acknowledged for sent in sender.sent)
            return receiver

    receiver = asyncio.run(run())
    assert len(receiver.received) == 900
