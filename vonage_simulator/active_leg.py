"""A leg while it lasts: what happens to it, and what the person or machine at its far end does."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from vonage_simulator import recorder, webhook_bodies
from vonage_simulator.billing import bill
from vonage_simulator.call_context import Action, CallContext, Ncco
from vonage_simulator.ledger import Conversation, Leg, Move, Voice
from vonage_simulator.scenario import Scenario

# No published log shows ringing for an app; for a websocket nothing is known, and nobody is there to hear it ring.
RINGS = ("phone", "sip", "vbc")
FAILURES = {"busy": "busy", "rejects": "rejected", "unreachable": "unanswered", "fails": "failed"}
BY_USER = ("busy", "rejected", "timeout")  # `disconnected_by`: hung up, rejected or did not answer
# The final SIP response of a failure, where Vonage names one (webhook-reference#event-webhook); a leg that was answered
# and hung up has 200. Only legs that are SIP underneath have any.
SIP_CODES = {"busy": 486, "unanswered": 480, "rejected": 603, "failed": 404}
WITH_SIP = ("phone", "sip", "vbc")
USUAL_DETAIL = {"unanswered": "unavailable", "rejected": "declined", "failed": "cannot_route"}
# phone-to-app.events.jsonl: a telephone's `completed` comes a little after its timestamp, an app's at once.
RATED_AFTER = 0.1
# No leg lasts longer than this: the default of `length_timer`, https://developer.vonage.com/en/api/voice
LONGEST = 7200.0
FOREVER = float("inf")
MOST_LOOPS = 1_000_000  # from here on it is for ever: whatever is played is longer than a hundredth of a second


class ActiveLeg:
    """A leg of the ledger (`leg`), with what only matters while it lasts.

    It adds itself to *active_legs*, which has all legs that are not over by id, and removes itself at its end.
    """

    def __init__(
        self,
        context: CallContext,
        active_legs: dict[str, ActiveLeg],
        leg: Leg,
        scenario: Scenario,
        *,
        run: int = 0,
        longest: float = LONGEST,
    ) -> None:
        self.context = context
        self.active_legs = active_legs
        self.leg = leg
        self.scenario = scenario
        self.run = run  # which playing of the scenario: conversations of one name are another in each
        self.number: int | None = None  # which of the scenario's calls it is, from 0
        self.longest = longest  # seconds after it was answered
        self.today = scenario.fields == "today"
        self.script: asyncio.Task[Any] | None = None
        self.created_at = context.clock.seconds
        self.picked_up = asyncio.Event()
        self.over = asyncio.Event()
        self.parted = asyncio.Event()  # set when it leaves the conversation it is in, or is over
        self.idle = False  # it is in a conversation with others, and nothing is played to it
        self.barge_in = False  # what is played now may be interrupted: the script goes on meanwhile
        self.prompt_until = 0.0  # when that ends, by the clock's seconds
        self.next_script: Ncco | None = None  # the reply to `disconnected`
        self.dtmf_listener: asyncio.Task[Any] | None = None  # sends each key by itself
        self._keys = deque(leg.far_end.keys)
        self._says = deque(leg.far_end.says)
        self._tasks: list[asyncio.Task[Any]] = []
        self._leaves_alone: asyncio.Task[Any] | None = None  # ends it if nobody else comes
        context.ledger.legs[leg.uuid] = leg
        active_legs[leg.uuid] = self
        self._enter(leg.conversation)

    # What happens to the leg

    def send_status(self, *statuses: str) -> None:
        """The leg has *statuses* now, all at one moment: send their webhooks."""
        at = self.context.clock.now()
        for status in statuses:
            self.context.send(self.leg, self.set_status(status, at))

    def set_status(self, status: str, at: datetime | None = None) -> dict[str, Any]:
        """The leg has *status* now, or since *at*. Returns the event, which is not sent yet."""
        at = at or self.context.clock.now()
        self.leg.times.setdefault(status, at)
        self.context.trace(self.leg, "status", status=status)
        return webhook_bodies.status(self.leg, status, at, today=self.today)

    async def ring(self, seconds: float) -> str:
        """Ring the far end: "answered", a failure, or "over" if somebody ended it meanwhile.

        Neither is applied here: see `answer`, and `fail` with `finish`.
        """
        far_end = self.leg.far_end
        self.send_status("started", *(["ringing"] if self.leg.endpoint in RINGS else []))
        never = far_end.does == "never_answers" or far_end.after > seconds
        if not await self.pause(seconds if never else far_end.after):
            return "over"
        return "timeout" if never else FAILURES.get(far_end.does, "answered")

    def answer(self) -> None:
        """The far end picks up."""
        if self.leg.answered or self.leg.over:
            return
        self.send_status("answered")
        self.picked_up.set()
        self.spawn(self.end_after(self.longest, "platform", "the length timer"))
        if (seconds := self.leg.far_end.hangs_up_after) is not None:
            self.spawn(self._hang_up_after(seconds))

    def fail(self, failure: str, *, by: str | None = None) -> dict[str, Any]:
        """The leg will not be answered. Returns the event, which is not sent yet; `finish` ends the leg."""
        leg = self.leg
        leg.failure = failure
        leg.detail = leg.far_end.detail or USUAL_DETAIL.get(failure) if failure in USUAL_DETAIL else None
        if self.today:
            leg.sip_code = SIP_CODES.get(failure) if leg.endpoint in WITH_SIP else None
            leg.disconnected_by = by or ("user" if failure in BY_USER else "platform")
        if failure == "rejected":  # no webhook follows that could say it
            leg.disconnected_by = None
        return self.set_status(failure)

    def finish(self) -> None:
        """End the failed leg: `completed`, unless it was rejected (webhook-reference#event-webhook)."""
        if self.leg.failure != "rejected":
            self.leg.bill = bill(self.leg, self.context.clock.now())
            self.send_status("completed")
        self._leave()

    def end(self, by: str, why: str) -> None:
        """End the leg, if it is not over. An outbound leg that was never answered is cancelled."""
        leg = self.leg
        if leg.over:
            return
        self.context.trace(leg, "hangup", by=by, why=why)
        if not leg.answered and leg.direction == "outbound":
            self.context.send(leg, self.fail("cancelled", by=by))
            self.finish()
            return
        if self.today:
            leg.disconnected_by = by
            leg.sip_code = 200 if leg.endpoint in WITH_SIP and leg.answered else None
        leg.bill = bill(leg, self.context.clock.now())
        body = self.set_status("completed")
        if leg.endpoint == "phone" and leg.answered:
            self.context.spawn(self._send_later(RATED_AFTER, body))
        else:
            self.context.send(leg, body)
        self._leave()

    async def end_after(self, seconds: float, by: str, why: str) -> None:
        """Wait *seconds*, then `end` the leg."""
        await self.context.clock.sleep(seconds)
        self.end(by, why)

    def move(self, to: Conversation) -> None:
        """Move the leg to another conversation, and send the transfer event."""
        left = self.leg.conversation
        if left is to:
            return
        at = self.context.clock.now()
        left.present.pop(self.leg.uuid, None)
        self.parted.set()
        self.parted = asyncio.Event()
        self.idle = False
        self.in_company()
        self._enter(to)
        self.leg.moves.append(Move(at, left.uuid, to.uuid))
        self.context.trace(self.leg, "moved", left=left.uuid, joined=to.uuid)
        self.context.send(self.leg, webhook_bodies.transfer(self.leg, left.uuid, to.uuid, at))
        self._has_left(left)

    async def play(self, seconds: float, action: Action) -> None:
        """Play what takes *seconds*, as often as `loop` says; with `bargeIn` the script goes on meanwhile."""
        clock, loop = self.context.clock, action.get("loop", 1)
        ends = max(self.prompt_until, clock.seconds) + (seconds * loop if 0 < loop < MOST_LOOPS else FOREVER)
        self.barge_in |= action.get("bargeIn", False)
        if self.barge_in:  # the next `input` may begin while it plays; what is played until then is queued behind it
            self.prompt_until = ends
        elif ends == FOREVER:
            await self.over.wait()
        else:
            await clock.sleep(ends - clock.seconds)

    # What the far end does

    def next_keys(self) -> str:
        """The keys it presses for the next input; "" if none."""
        return self._keys.popleft() if self._keys else ""

    def next_says(self) -> str:
        """The words it says for the next input; "" if none."""
        return self._says.popleft() if self._says else ""

    async def wait_for_answer(self) -> None:
        """An inbound caller does not wait longer for an answer than it would have talked."""
        if (seconds := self.leg.far_end.hangs_up_after) is not None:
            await self.context.clock.sleep(seconds)
            if not self.leg.answered:
                self.end("user", "gave up")

    def left_alone(self, *, at_least: float = 0.0) -> None:
        """Nobody else is in the conversation, and nothing is played to it: it stays for a while."""
        self.in_company()
        self._leaves_alone = self.spawn(self._hang_up_after(max(at_least, self.leg.far_end.stays_alone)))

    def in_company(self) -> None:
        """It is not alone any more, and stays."""
        if self._leaves_alone:
            self._leaves_alone.cancel()
            self._leaves_alone = None

    # Time

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run *work* in the background until the leg is over."""
        task = self.context.spawn(work)
        self._tasks.append(task)
        return task

    async def pause(self, seconds: float) -> bool:
        """Wait *seconds*; False if the leg was over before."""
        return await self.context.clock.sleep_unless(self.over, seconds)

    def _enter(self, conversation: Conversation) -> None:
        for other in conversation.present:
            self.active_legs[other].in_company()
        self.leg.conversation, self.leg.voice = conversation, Voice()
        conversation.legs[self.leg.uuid] = self.leg
        conversation.present[self.leg.uuid] = self.leg

    def _leave(self) -> None:
        self.active_legs.pop(self.leg.uuid, None)
        self.leg.conversation.present.pop(self.leg.uuid, None)
        self.over.set()
        self.parted.set()
        if any(self._keys) or any(self._says):
            self.context.trace(self.leg, "left", keys=[*self._keys], says=[*self._says])
        current = asyncio.current_task()
        for task in (self.script, *self._tasks):
            if task and task is not current:
                task.cancel()
        self._has_left(self.leg.conversation)

    def _has_left(self, conversation: Conversation) -> None:
        """What that means for *conversation*: its recording, and those who are still in it."""
        if not conversation.present:
            recorder.stop(self.context, conversation)
        if room := conversation.room:
            ends = self.leg.uuid in room.moderators
            if not conversation.present:  # the next one to enter waits again
                room.started = room.recording = False
                room.record = None
            if ends or not conversation.present:
                room.moderators.clear()
            for other in list(conversation.present) if ends else ():
                self.active_legs[other].end("platform", "the moderator left")
        if len(conversation.present) == 1:
            last = self.active_legs[next(iter(conversation.present))]
            music = room is not None and not room.started and last.leg.voice.music
            if last.idle and not music:
                last.left_alone()

    async def _hang_up_after(self, seconds: float) -> None:
        await self.context.clock.sleep(seconds)
        if self.leg.endpoint == "websocket":  # the application's side closed it, and may reply with what is next
            self.next_script = await self.context.send_for_ncco(self.leg, self.set_status("disconnected"))
        self.end("user", "hung up")

    async def _send_later(self, seconds: float, body: dict[str, Any]) -> None:
        await self.context.clock.sleep(seconds)
        self.context.send(self.leg, body)
