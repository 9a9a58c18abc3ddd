"""Sends webhooks to the application in order, and again after a failure.

https://developer.vonage.com/en/voice/voice-api/webhook-reference
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Coroutine
from dataclasses import dataclass, field
from typing import Any, Self

from vonage_simulator.clock import Clock
from vonage_simulator.delivery.attempt import Attempts
from vonage_simulator.delivery.exchange import Exchange, NoReply, Reply
from vonage_simulator.delivery.fault_plan import FaultPlan, Plan
from vonage_simulator.delivery.sent import Kind, Sent
from vonage_simulator.ledger import Application, Target
from vonage_simulator.trace import Watch

# Carrier seconds: https://developer.vonage.com/en/blog/build-high-availability-voice-api-applications
RETRY_AFTER = 1.0
RECOVERS_IN = 0.5  # real seconds more, for a second of a fast clock is short
HELD_BACK = 5.0  # carrier seconds at most: nothing overtakes a conversation's last webhook


@dataclass(slots=True)
class _Queue:
    """A conversation's events whose reply is ignored, one behind the other."""

    ordinal: int
    events: list[Sent] = field(default_factory=list)
    requests: int = 0  # webhooks whose reply is read, which do not queue
    last: asyncio.Event | None = None  # set once the next event may go
    held_back: dict[int, asyncio.Event] = field(default_factory=dict)  # by index; set once overtaken


class WebhookSender:
    """Sends webhooks to one application as Vonage does, and keeps a record of each. An async context manager.

    Args:
        application: The receiver; its settings for signing are read for each request.
        clock: The carrier's; if it jumps, it stops while a request is under way.
        faults: Faults on purpose; None: none.
        seed: The same seed, and the same course of events, give the same faults.
        watch: Gets a "trouble" for every try that failed without a fault: `words`, and `url`.

    Raises ValueError if the webhooks are to be signed and there is no secret.
    """

    def __init__(
        self,
        application: Application,
        *,
        clock: Clock,
        faults: FaultPlan | None = None,
        seed: int = 0,
        watch: Watch | None = None,
    ) -> None:
        if application.signed_callbacks and not application.signature_secret:
            raise ValueError("signed callbacks need a signature secret")
        self.sent: list[Sent] = []  # in the order of `send` and `request`
        self._application, self._clock, self._seed = application, clock, seed
        self._faults = faults or FaultPlan()
        self._exchange = Exchange()
        self._attempts = Attempts(application, self._exchange, clock, watch)
        self._queues: dict[str, _Queue] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._exchange.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._exchange.__aexit__()

    def send(self, target: Target, body: dict[str, Any], *, conversation: str, leg: str) -> Sent:
        """Send an event whose reply is ignored. Returns at once.

        A conversation's events go in the order of the calls, each once the one before is delivered or given up.
        """
        sent, queue = self._record(target, "event", body, conversation, leg)
        index = len(queue.events)
        plan = self._plan(queue, index, reply_read=False)
        before, queue.last = queue.last, asyncio.Event()
        due = self._clock.seconds + plan.delay
        self._start(self._deliver(sent, plan, queue, index, due, before, queue.last))
        queue.events.append(sent)
        return sent

    async def request(self, target: Target, body: dict[str, Any], *, kind: Kind, conversation: str, leg: str) -> Reply:
        """Send a webhook and return the reply. Goes at once, past events that still wait.

        Raises NoReply after two tries, or after one that Vonage does not repeat.
        """
        sent, queue = self._record(target, kind, body, conversation, leg)
        plan = self._plan(queue, queue.requests, reply_read=True)
        queue.requests += 1
        return await self._try(sent, plan)

    async def settle(self) -> None:
        """Return once every event is delivered or given up."""
        while self._tasks:
            done, _ = await asyncio.wait(self._tasks)
            for task in done:
                self._tasks.discard(task)
                task.result()  # raises an error of this program

    def forget(self, conversations: Collection[str]) -> None:
        """Drop the records of *conversations* that are over."""
        self.sent = [sent for sent in self.sent if sent.conversation not in conversations or not sent.over.is_set()]
        for conversation in conversations:
            queue = self._queues.get(conversation)
            if queue and (queue.last is None or queue.last.is_set()):
                del self._queues[conversation]

    def _record(
        self, target: Target, kind: Kind, body: dict[str, Any], conversation: str, leg: str
    ) -> tuple[Sent, _Queue]:
        at = self._clock.now()
        sent = Sent(at=at, kind=kind, target=target, conversation=conversation, leg=leg, body=body)
        self.sent.append(sent)
        queue = self._queues.get(conversation)
        if queue is None:
            queue = self._queues[conversation] = _Queue(len(self._queues))
        return sent, queue

    def _plan(self, queue: _Queue, number: int, *, reply_read: bool) -> Plan:
        signed = self._application.signed_callbacks
        return self._faults.plan(self._seed, queue.ordinal, number, reply_read=reply_read, signed=signed)

    def _start(self, job: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or task.exception() is None:  # else `settle` raises it
            self._tasks.discard(task)

    async def _deliver(
        self,
        sent: Sent,
        plan: Plan,
        queue: _Queue,
        index: int,
        due: float,
        before: asyncio.Event | None,
        passed: asyncio.Event,
    ) -> None:
        try:
            if before is not None:
                await before.wait()
            if due > self._clock.seconds:
                await self._clock.sleep(due - self._clock.seconds)
            if plan.held_back or plan.parallel:
                passed.set()
            if plan.held_back:
                overtaken = queue.held_back[index] = asyncio.Event()
                await self._clock.sleep_unless(overtaken, HELD_BACK)
            with contextlib.suppress(NoReply):  # an event that fails twice is lost
                await self._try(sent, plan)
        finally:
            passed.set()
            queue.held_back.pop(index, None)
            for held, overtaken in queue.held_back.items():
                if held < index:
                    overtaken.set()
        if plan.replay and index:
            await self._attempts.make(queue.events[int(plan.pick * index)], "replay", plan)

    async def _try(self, sent: Sent, plan: Plan) -> Reply:
        """Try as often as Vonage does. Raises NoReply."""
        try:
            found, token = await self._attempts.make(sent, plan.tries[0], plan)
            if isinstance(found, NoReply) and found.again:
                if plan.tries[0] is None and not self._clock.jumps:  # no fault of ours: the server needs real time
                    await asyncio.sleep(RECOVERS_IN)
                await self._clock.sleep(RETRY_AFTER)
                found, token = await self._attempts.make(sent, plan.tries[1], plan)
        finally:
            sent.over.set()
        if isinstance(found, NoReply):
            raise found
        if plan.duplicate_after is not None:
            self._start(self._duplicate(sent, plan, token if plan.same_token else None))
        return found

    async def _duplicate(self, sent: Sent, plan: Plan, token: str | None) -> None:
        await self._clock.sleep(plan.duplicate_after or 0.0)
        await self._attempts.make(sent, "duplicate", plan, token)
