"""Webhooks go as Vonage sends them, in their order, and the record says what became of each."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.vonage_simulator.receiver import (
    APPLICATION,
    EVENT,
    Receiver,
    careful,
    posting,
    receiving,
    tell,
    told,
)
from vonage_simulator.clock import Clock
from vonage_simulator.delivery.sent import Sent
from vonage_simulator.delivery.webhook_sender import RECOVERS_IN, WebhookSender
from vonage_simulator.trace import Happening


def test_a_clock_that_jumps_stands_still_for_a_request() -> None:
    """A slow server does not make a call longer."""

    async def run() -> tuple[float, float]:
        clock = Clock(speed=None)
        async with posting(0.2, clock=clock) as (post, receiver):
            sleeper = asyncio.create_task(clock.sleep(100))
            await post.request(receiver.target(), EVENT, kind="answer", conversation="CON", leg="leg")
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
