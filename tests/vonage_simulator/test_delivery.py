"""Webhooks go as Vonage sends them, in their order, and the record says what became of each."""

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
    posting,
    receiving,
    tell,
    told,
)
from vonage_simulator.clock import Clock
from vonage_simulator.delivery.webhook_sender import RECOVERS_IN, Sent, WebhookSender
from vonage_simulator.ledger import Application
from vonage_simulator.trace import Happening


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_webhook_looks_like_vonages(method: str) -> None:
    """Its headers are those seen in published logs, its token is for it, and it is acknowledged by a 2xx."""
    sent, receiver, troubles = asyncio.run(told(method=method))
    (request,) = receiver.received
    post = method == "POST"
    known = {"uuid": "leg", "conversation_uuid": "CON", "status": "ringing", "number": "0"}
    assert request.said == {**known, "start_time": None if post else ""}
    assert request.line.split("?")[0] == f"{method} /voice/event" + (" HTTP/1.1" if post else "")
    assert request.headers.get("content-type") == ("application/json" if post else None)
    assert request.headers["user-agent"].startswith("Apache-HttpAsyncClient")
    assert set(request.headers) <= {"host", "accept", "user-agent", "authorization", "content-type", "content-length"}
    assert request.verdict == 200
    assert sent.acknowledged
    assert not sent.maybe_kept
    assert [(one.how, one.status, one.words) for one in sent.tries] == [(None, 200, "it answers 200")]
    assert troubles == []


def test_without_signed_callbacks_there_is_no_token() -> None:
    sent, receiver, _ = asyncio.run(told(application=UNSIGNED))
    assert sent.acknowledged
    assert receiver.received[0].token is None


def test_a_post_that_cannot_sign_is_not_made() -> None:
    """Rather than found out by every webhook being refused."""
    with pytest.raises(ValueError, match="secret"):
        WebhookSender(Application(id="app"), clock=Clock())


def test_order_is_kept_within_a_conversation() -> None:
    """Each waits for the one before, however slow that is; the connection is kept."""

    async def run() -> Receiver:
        async with posting(0.1, 503, 0.05) as (post, receiver):
            for number in range(6):
                tell(post, receiver.target(), number)
            await post.settle()
            return receiver

    receiver = asyncio.run(run())
    assert [body["number"] for body in receiver.bodies] == ["0", "1", "1", "2", "3", "4", "5"]
    assert receiver.most_at_once == receiver.connections == 1


def test_conversations_do_not_wait_for_each_other() -> None:
    async def run() -> tuple[float, Receiver]:
        async with posting(*[0.2] * 20) as (post, receiver):
            begun = time.monotonic()
            for number in range(20):
                tell(post, receiver.target(), number, conversation=f"CON-{number}")
            await post.settle()
            return time.monotonic() - begun, receiver

    seconds, receiver = asyncio.run(run())
    assert receiver.most_at_once == 20
    assert seconds < 2


def test_an_event_may_be_for_later() -> None:
    """Those told after it wait for it; those of other conversations do not."""

    async def run() -> tuple[list[str], float]:
        clock = Clock(speed=None)
        async with posting(clock=clock) as (post, receiver):
            tell(post, receiver.target(), 0, after=2.0)
            tell(post, receiver.target(), 1)
            tell(post, receiver.target(), 2, conversation="another")
            await post.settle()
            return [body["number"] for body in receiver.bodies], clock.seconds

    assert asyncio.run(run()) == (["2", "0", "1"], 2.0)


def test_with_nowhere_to_send_it_an_event_is_only_noted() -> None:
    async def run() -> Sent:
        async with posting() as (post, _):
            sent = tell(post, None)
            await post.settle()
            assert post.sent == [sent]
            return sent

    sent = asyncio.run(run())
    assert (sent.target, sent.tries, sent.acknowledged, sent.maybe_kept) == (None, [], False, False)


def test_a_clock_that_jumps_stands_still_for_a_request() -> None:
    """A slow server does not make a call longer."""

    async def run() -> tuple[float, float]:
        clock = Clock(speed=None)
        async with posting(0.2, clock=clock) as (post, receiver):
            sleeper = asyncio.create_task(clock.sleep(100))
            await post.ask(receiver.target(), EVENT, kind="answer", conversation="CON", leg="leg")
            before = clock.seconds
            await sleeper
            return before, clock.seconds

    assert asyncio.run(run()) == (0.0, 100.0)


def test_a_server_that_cannot_now_gets_time_of_its_own_even_where_the_clock_runs_fast() -> None:
    begun = time.monotonic()
    sent, _, _ = asyncio.run(told(503, clock=Clock(speed=1000)))
    assert sent.acknowledged
    assert time.monotonic() - begun >= RECOVERS_IN


def test_leaving_calls_off_what_is_under_way() -> None:
    """The server may have got it, and the record says so."""

    async def run() -> list[Sent]:
        async with posting(5.0) as (post, receiver):
            tell(post, receiver.target())
            tell(post, receiver.target())
            while not receiver.received:  # noqa: ASYNC110  the server needs no event for one test
                await asyncio.sleep(0.01)
        return post.sent

    first, second = asyncio.run(run())
    assert first.maybe_kept
    assert second.tries == []


def test_a_fault_of_the_carriers_own_is_not_lost() -> None:
    """Settling raises it."""

    def watch(_: Happening) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(told(500, watch=watch))


def test_a_crowd_is_delivered() -> None:
    """Each of many conversations at once, in its own order."""

    async def run() -> Receiver:
        async with receiving(usual=careful) as receiver, WebhookSender(APPLICATION, clock=Clock(speed=None)) as post:
            for number in range(3):
                for conversation in range(300):
                    tell(post, receiver.target(), number, conversation=f"{conversation}")
            await post.settle()
            assert all(sent.acknowledged for sent in post.sent)
            return receiver

    receiver = asyncio.run(run())
    assert len(receiver.received) == 900
