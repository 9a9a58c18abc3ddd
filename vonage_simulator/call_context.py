"""What all calls of a carrier share: application, clock, ledger, tasks, and the webhooks that are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from vonage_simulator import ncco, webhook_bodies
from vonage_simulator.behaviour import Behaviour
from vonage_simulator.clock import Clock
from vonage_simulator.delivery.exchange import NoReply
from vonage_simulator.delivery.sent import Kind
from vonage_simulator.delivery.webhook_sender import WebhookSender
from vonage_simulator.files import Files
from vonage_simulator.ids import Ids
from vonage_simulator.ledger import Answer, Application, Conversation, ErrorEvent, Ledger, Leg, Target
from vonage_simulator.rate_limit import RateLimit
from vonage_simulator.scenario import Endpoint, FarEnd, Region, Scenario
from vonage_simulator.trace import Happening, Watch, Watchers, What

# https://developer.vonage.com/en/voice/voice-api/webhook-reference#error-event
SYNTAX_ERROR = "Syntax error in NCCO. Invalid value type or action."
TOO_MANY_CALLS = "Calls per second limit exceeded."  # our words: Vonage's are not published
MOST_AT_ONCE = 1000
INVALID_NCCO = "Invalid NCCO."  # `reason` of a fallback request: webhook-reference#fallback-url
IN_BROWSER = FarEnd(does="waits")  # an app user with a session of the Client SDK: does what the page says

Action = Mapping[str, Any]
Ncco = list[dict[str, Any]]


class CallContext:
    def __init__(
        self,
        application: Application,
        *,
        clock: Clock,
        sender: WebhookSender,
        ids: Ids,
        files_url: str,
        watch: Watch | None,
        behaviour: Behaviour,
    ) -> None:
        self.application = application
        self.behaviour = behaviour
        self.clock = clock
        self.sender = sender
        self.ids = ids
        self.files = Files(files_url, ids)
        self.ledger = Ledger()
        self.stopped = False
        self.watchers = watch if isinstance(watch, Watchers) else Watchers(watch)
        self.logged_in: Callable[[str], bool] = lambda _: False  # whether an app user's browser can be rung
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failed: list[BaseException] = []
        self._requests_at, self._requests = -1.0, 0  # how many requests were made at one moment
        self._new_calls = RateLimit()

    def trace(self, leg: Leg, what: What, **data: Any) -> None:
        """Report what happened to *leg* to those who watch."""
        if self.watchers:
            self.watchers(Happening(self.clock.now(), what, leg.conversation.uuid, leg.uuid, data))

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run *work* in the background. If it fails, `idle` raises its error."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def idle(self) -> None:
        """Return once no task is left and every webhook was sent. Raises the first error of a task."""
        while self._tasks and not self._failed:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        if self._failed:
            raise self._failed[0]
        await self.sender.settle()

    def stop(self) -> None:
        self.stopped = True
        for task in self._tasks:
            task.cancel()

    def callee(self, scenario: Scenario, endpoint: Endpoint, name: str) -> FarEnd:
        """Who is rung: an app user in the browser, if they are logged in there, else the far end of *scenario*."""
        return IN_BROWSER if endpoint == "app" and self.logged_in(name) else scenario.callee(name)

    def may_call(self) -> bool:
        """Count a new call; False, uncounted, if the application has reached its limit per second."""
        return self._new_calls.take(self.clock.seconds, self.application.calls_per_second)

    def new_conversation(self, region: Region, name: str | None = None) -> Conversation:
        """A conversation, in the ledger already."""
        made = Conversation(uuid=self.ids.conversation(), region=region, name=name)
        self.ledger.conversations[made.uuid] = made
        return made

    def send(
        self, leg: Leg, body: dict[str, Any], target: Target | None = None, *, conversation: str | None = None
    ) -> None:
        """Send an event whose reply is ignored, to *target* or else to the event URL of *leg*."""
        if target := target or leg.events:
            sent = self.sender.send(target, body, conversation=conversation or leg.conversation.uuid, leg=leg.uuid)
            self.trace(leg, "sent", sent=sent)

    def send_error(self, leg: Leg, reason: str) -> None:
        """Send an error event: the application made a mistake."""
        at = self.clock.now()
        leg.conversation.errors.append(ErrorEvent(at, reason))
        self.trace(leg, "error", reason=reason)
        self.send(leg, webhook_bodies.error(leg.conversation.uuid, reason, at))

    async def request_ncco(self, leg: Leg, target: Target | None, *, today: bool) -> Ncco | None:
        """Send an answer webhook and return the NCCO; None if there is none that can be run."""
        if target is None:
            self.trace(leg, "trouble", words="no answer URL is set: there is nobody to ask what to do")
            return None
        body = webhook_bodies.answer(leg, self.application, today=today)
        return await asyncio.shield(self.spawn(self._request(leg, target, body, "answer")))

    async def send_for_ncco(self, leg: Leg, body: dict[str, Any], target: Target | None = None) -> Ncco | None:
        """Send an event whose reply is read; return the NCCO that replaces the script, or None to go on with it.

        https://developer.vonage.com/en/voice/voice-api/webhook-reference#event-webhook
        """
        target = target or leg.events
        if target is None or not self._time_goes_by(leg):
            return None
        return await asyncio.shield(self.spawn(self._request(leg, target, body, "event")))

    def _time_goes_by(self, leg: Leg) -> bool:
        """False for an endless loop: each reply leads to the next request, all at one moment of a clock that jumps."""
        if self.clock.seconds > self._requests_at:
            self._requests_at, self._requests = self.clock.seconds, 0
        self._requests += 1
        if self._requests > MOST_AT_ONCE:
            words = f"asked {MOST_AT_ONCE} times in one moment, the application always says to ask again: not any more"
            self.trace(leg, "trouble", words=words)
            return False
        return True

    async def _request(self, leg: Leg, target: Target, body: dict[str, Any], kind: Kind) -> Ncco | None:
        """Return the NCCO from *target*, or else from the fallback URL; send an error event if neither can be run.

        Goes on if the script that waits for it is cancelled: what is on its way is sent, even if the caller hung up.
        """
        reason, conversation = "", self.ledger.conversations.get(body["conversation_uuid"], leg.conversation)
        read = ncco.read if kind == "answer" else ncco.reply
        for url in (target, self.application.fallback):
            if url is None:
                break
            self.trace(leg, "request", url=url.url, about=body if kind == "event" else None)
            try:
                reply = await self.sender.request(url, body, kind=kind, conversation=conversation.uuid, leg=leg.uuid)
            except NoReply as error:  # the sender traced why
                reason = error.reason
            else:
                actions, faults = read(reply.text, reply.content_type)
                if not faults:
                    self.trace(leg, "reply", url=url.url, ncco=actions, seconds=reply.seconds)
                    about = None if kind == "answer" else body
                    conversation.answers.append(Answer(leg.uuid, url.url, actions, about))
                    return actions
                for fault in faults:
                    self.trace(leg, "trouble", words=f"{url.url} answers what cannot be run: {fault}")
                reason = INVALID_NCCO
            body = webhook_bodies.fallback(body, reason=reason, url=target.url, kind=kind)
        if kind == "answer":
            conversation.answers.append(Answer(leg.uuid, target.url, None))
        if reason == INVALID_NCCO:
            self.send_error(leg, SYNTAX_ERROR)
        return None

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._failed.append(error)
