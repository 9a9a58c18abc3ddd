"""How webhooks get to the application: in what order, how often, and what became of each.

https://developer.vonage.com/en/voice/voice-api/webhook-reference
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from vonage_simulator.clock import Clock
from vonage_simulator.delivery.attempt import Attempt
from vonage_simulator.delivery.exchange import Reply
from vonage_simulator.delivery.fault_plan import FaultPlan, Plan
from vonage_simulator.delivery.sent import Kind, Sent, Try, Unheard
from vonage_simulator.ledger import Application, Target
from vonage_simulator.trace import Watch

__all__ = ["Reply", "Sent", "Try", "Unheard", "WebhookSender"]

# Carrier seconds: https://developer.vonage.com/en/blog/build-high-availability-voice-api-applications
RETRY_AFTER = 1.0
RECOVERS_IN = 0.5  # real seconds more, for a carrier's second may be short: the clock runs faster than the server
HELD_BACK = 5.0  # carrier seconds at most: nothing overtakes a conversation's last webhook


@dataclass(slots=True)
class _Lane:
    """A conversation's webhooks that nobody waits for, one behind the other."""

    ordinal: int
    told: list[Sent] = field(default_factory=list)
    asked: int = 0
    last: asyncio.Future[None] | None = None  # done once the next may go
    held_back: dict[int, asyncio.Future[None]] = field(default_factory=dict)  # done once overtaken

    def delivered(self, place: int) -> None:
        """Let go those that were told before the one at *place*."""
        for held, overtaken in self.held_back.items():
            if held < place:
                _done(overtaken)


class WebhookSender:
    """Gets webhooks to one application as Vonage does, and keeps a record of each. An async context manager.

    Args:
        application: Whose they are; what it says about signing is read anew for each request.
        clock: The carrier's; it stands still while a request is under way, if it is one that jumps.
        faults: What is to go wrong on purpose; None: nothing.
        seed: The same seed, and the same course of events, have the same faults.
        watch: Told, as "trouble", of every try that went wrong by itself: `words`, and `url`.

    Raises ValueError if the webhooks are to be signed and there is no secret.
    """

    sent: list[Sent]  # in the order they were told or asked

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
        self.sent = []
        self._application, self._clock, self._seed = application, clock, seed
        self._faults = faults or FaultPlan()
        self._courier = Attempt(application, clock, watch)
        self._lanes: dict[str, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._courier.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._courier.__aexit__()

    def tell(
        self, target: Target | None, body: dict[str, Any], *, conversation: str, leg: str, after: float = 0.0
    ) -> Sent:
        """Send an event whose reply nobody reads. Returns at once.

        A conversation's events go in the order told, each once the one before is delivered or given up, and *after* so
        many carrier seconds at the earliest. With no target there is nothing to send.
        """
        sent = self._note(target, "event", body, conversation, leg)
        if target is not None:
            lane = self._lane(conversation)
            plan = self._plan(lane, "told", len(lane.told))
            before, lane.last = lane.last, asyncio.get_running_loop().create_future()
            due = self._clock.seconds + after + plan.delay
            self._start(self._deliver(sent, target, plan, lane, len(lane.told), due, before, lane.last))
            lane.told.append(sent)
        return sent

    async def ask(self, target: Target, body: dict[str, Any], *, kind: Kind, conversation: str, leg: str) -> Reply:
        """Send a request and return what the application says to it. Goes at once, past events that still wait.

        Raises Unheard after two tries, or after one whose reply is final and no success.
        """
        sent = self._note(target, kind, body, conversation, leg)
        lane = self._lane(conversation)
        plan = self._plan(lane, "asked", lane.asked)
        lane.asked += 1
        return await self._send(sent, target, plan)

    async def settle(self) -> None:
        """Return once all that was told is delivered or given up."""
        while self._tasks:
            done, _ = await asyncio.wait(self._tasks)
            for task in done:
                self._tasks.discard(task)
                task.result()  # a fault of this program's own is not to be lost

    def forget(self, conversations: Collection[str]) -> None:
        """Drop the records of what was sent about *conversations*, once it is over."""
        self.sent = [one for one in self.sent if one.conversation not in conversations or not one.over.is_set()]
        for conversation in conversations:
            lane = self._lanes.get(conversation)
            if lane and (lane.last is None or lane.last.done()):
                del self._lanes[conversation]

    def _note(self, target: Target | None, kind: Kind, body: dict[str, Any], conversation: str, leg: str) -> Sent:
        at = self._clock.now()
        sent = Sent(at=at, kind=kind, target=target, conversation=conversation, leg=leg, body=body)
        self.sent.append(sent)
        return sent

    def _lane(self, conversation: str) -> _Lane:
        lane = self._lanes.get(conversation)
        if lane is None:
            lane = self._lanes[conversation] = _Lane(len(self._lanes))
        return lane

    def _plan(self, lane: _Lane, kind: Literal["told", "asked"], number: int) -> Plan:
        return self._faults.plan(
            self._seed,
            lane.ordinal,
            kind,
            number,
            reply_read=kind == "asked",
            signed=self._application.signed_callbacks,
        )

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
        target: Target,
        plan: Plan,
        lane: _Lane,
        place: int,
        due: float,
        before: asyncio.Future[None] | None,
        passed: asyncio.Future[None],
    ) -> None:
        try:
            if before is not None:
                await before
            if due > self._clock.seconds:
                await self._clock.sleep(due - self._clock.seconds)
            if plan.held_back or plan.parallel:
                _done(passed)
            if plan.held_back:
                await self._hold_back(lane, place)
            with contextlib.suppress(Unheard):  # an event that fails twice is lost
                await self._send(sent, target, plan)
        finally:
            _done(passed)
            lane.delivered(place)
        if plan.replay and place:
            await self._replay(lane.told[int(plan.pick * place)], plan)

    async def _hold_back(self, lane: _Lane, place: int) -> None:
        overtaken = lane.held_back[place] = asyncio.get_running_loop().create_future()
        waiting = asyncio.ensure_future(self._clock.sleep(HELD_BACK))
        try:
            await asyncio.wait((overtaken, waiting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            del lane.held_back[place]

    async def _send(self, sent: Sent, target: Target, plan: Plan) -> Reply:
        """Try as often as Vonage does. Raises Unheard."""
        try:
            found, token = await self._courier.carry(sent, target, plan.tries[0], plan)
            if not isinstance(found, Reply) and found.again:
                if plan.tries[0] is None and not self._clock.jumps:  # not our doing: the server needs time of its own
                    await asyncio.sleep(RECOVERS_IN)
                await self._clock.sleep(RETRY_AFTER)
                found, token = await self._courier.carry(sent, target, plan.tries[1], plan)
        finally:
            sent.over.set()
        if not isinstance(found, Reply):
            raise Unheard(found.reason, found.words)
        if plan.duplicate_after is not None:
            self._start(self._duplicate(sent, target, plan, token if plan.same_token else None))
        return found

    async def _duplicate(self, sent: Sent, target: Target, plan: Plan, token: str | None) -> None:
        await self._clock.sleep(plan.duplicate_after or 0.0)
        await self._courier.carry(sent, target, "duplicate", plan, token)

    async def _replay(self, earlier: Sent, plan: Plan) -> None:
        if earlier.target is not None:
            await self._courier.carry(earlier, earlier.target, "replay", plan)


def _done(future: asyncio.Future[None]) -> None:
    if not future.done():  # else done before, or whoever waited was called away
        future.set_result(None)
