"""What all parts of the carrier share: who is connected, the clock, the way to the application."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Literal

from vonage_simulator import bodies, ncco
from vonage_simulator.clock import Clock
from vonage_simulator.delivery.webhook_sender import Unheard, WebhookSender
from vonage_simulator.ids import Ids
from vonage_simulator.ledger import Application, Asked, Conversation, Fault, Ledger, Leg, Target
from vonage_simulator.recorder import Recorder
from vonage_simulator.rooms import Rooms
from vonage_simulator.trace import Happening, Watch, What

if TYPE_CHECKING:
    from vonage_simulator.active_leg import ActiveLeg

# https://developer.vonage.com/en/voice/voice-api/webhook-reference#error-event
SYNTAX_ERROR = "Syntax error in NCCO. Invalid value type or action."
TOO_MANY_CALLS = "Calls per second limit exceeded."  # our words: Vonage's are not published
MOST_AT_ONCE = 1000
INVALID_NCCO = "Invalid NCCO."  # as the fallback URL is told: webhook-reference#fallback-url

Ncco = list[dict[str, Any]]
Kind = Literal["answer", "event"]


class CallContext:
    """The carrier's inside."""

    def __init__(
        self,
        application: Application,
        *,
        clock: Clock,
        post: WebhookSender,
        ids: Ids,
        files_url: str,
        watch: Watch | None,
    ) -> None:
        self.application = application
        self.clock = clock
        self.post = post
        self.ids = ids
        self.ledger = Ledger()
        self.lines: dict[str, ActiveLeg] = {}  # by leg; only those that are not over
        self.rooms = Rooms(self)
        self.recorder = Recorder(self, files_url)
        self.stopped = False
        self._watch = watch
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failed: list[BaseException] = []
        self._asked_at, self._asked_often = -1.0, 0
        self._new_calls: deque[float] = deque()

    def note(self, leg: Leg, what: What, **data: Any) -> None:
        """Let whoever watches know."""
        if self._watch:
            self._watch(Happening(self.clock.now(), what, leg.conversation.uuid, leg.uuid, data))

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Let *work* go on by itself. If it fails, `idle` raises that."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def idle(self) -> None:
        """Return once nothing goes on any more and everything was sent. Raises what went wrong on the way."""
        while self._tasks and not self._failed:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        if self._failed:
            raise self._failed[0]
        await self.post.settle()

    def stop(self) -> None:
        """End whatever goes on, at once."""
        self.stopped = True
        for task in self._tasks:
            task.cancel()

    def may_call(self) -> bool:
        """Whether one more new call is within the limit a second; counts it."""
        limit, now = self.application.calls_per_second, self.clock.seconds
        while self._new_calls and self._new_calls[0] <= now - 1:
            self._new_calls.popleft()
        if limit is not None and len(self._new_calls) >= limit:
            return False
        self._new_calls.append(now)
        return True

    def conversation(self, name: str | None = None) -> Conversation:
        """A new conversation."""
        made = Conversation(uuid=self.ids.conversation(), name=name)
        self.ledger.conversations[made.uuid] = made
        return made

    def tell(
        self, leg: Leg, body: dict[str, Any], target: Target | None = None, *, conversation: str | None = None
    ) -> None:
        """Send an event whose reply nobody reads; to where the leg's go unless *target* is another place."""
        if target := target or leg.events:
            sent = self.post.tell(target, body, conversation=conversation or leg.conversation.uuid, leg=leg.uuid)
            self.note(leg, "sent", sent=sent)

    def fault(self, leg: Leg, reason: str) -> None:
        """Tell the application of a fault of its own."""
        at = self.clock.now()
        leg.conversation.faults.append(Fault(at, reason))
        self.note(leg, "error", reason=reason)
        self.tell(leg, bodies.error(leg.conversation.uuid, reason, at))

    async def script_for(self, leg: Leg, target: Target | None, *, today: bool) -> Ncco | None:
        """Ask what to do with *leg*; None if nobody answers what can be run."""
        if target is None:
            self.note(leg, "trouble", words="no answer URL is set: there is nobody to ask what to do")
            return None
        body = bodies.answer(leg, self.application, today=today)
        return await asyncio.shield(self.spawn(self._ask(leg, target, body, "answer")))

    async def next_for(self, leg: Leg, body: dict[str, Any], target: Target | None = None) -> Ncco | None:
        """Send an event whose reply is read; the NCCO that replaces the script, or None to go on with it.

        https://developer.vonage.com/en/voice/voice-api/webhook-reference#event-webhook
        """
        target = target or leg.events
        if target is None or not self._may_ask(leg):
            return None
        return await asyncio.shield(self.spawn(self._ask(leg, target, body, "event")))

    def _may_ask(self, leg: Leg) -> bool:
        """Whether time goes by between what is asked. It would never, where each answer is to ask again at once."""
        if self.clock.seconds > self._asked_at:
            self._asked_at, self._asked_often = self.clock.seconds, 0
        self._asked_often += 1
        if self._asked_often > MOST_AT_ONCE:
            words = f"asked {MOST_AT_ONCE} times in one moment, the application always says to ask again: not any more"
            self.note(leg, "trouble", words=words)
            return False
        return True

    async def _ask(self, leg: Leg, target: Target, body: dict[str, Any], kind: Kind) -> Ncco | None:
        """What *target* says, or else the fallback URL. If in the end it cannot be run, the application is told so.

        Goes on where whoever asked is called off: what is on its way is sent, whether the caller waits or not.
        """
        reason, conversation = "", self.ledger.conversations.get(body["conversation_uuid"], leg.conversation)
        for place in (target, self.application.fallback):
            if place is None:
                break
            self.note(leg, "asked", url=place.url, about=body if kind == "event" else None)
            try:
                reply = await self.post.ask(place, body, kind=kind, conversation=conversation.uuid, leg=leg.uuid)
            except Unheard as unheard:  # those who watch were told why
                reason = unheard.reason
            else:
                read, faults = self._read(reply.text, reply.content_type, kind)
                if not faults:
                    self.note(leg, "told", url=place.url, ncco=read, seconds=reply.seconds)
                    conversation.asked.append(Asked(leg.uuid, place.url, read, None if kind == "answer" else body))
                    return read
                for fault in faults:
                    self.note(leg, "trouble", words=f"{place.url} answers what cannot be run: {fault}")
                reason = INVALID_NCCO
            body = bodies.fallback(body, reason=reason, url=target.url, kind=kind)
        if kind == "answer":
            conversation.asked.append(Asked(leg.uuid, target.url, None))
        if reason == INVALID_NCCO:
            self.fault(leg, SYNTAX_ERROR)
        return None

    @staticmethod
    def _read(text: bytes, content_type: str, kind: Kind) -> tuple[Ncco | None, list[ncco.Fault]]:
        if kind == "answer":
            return ncco.read(text, content_type)
        return ncco.reply(text, content_type)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._failed.append(error)
