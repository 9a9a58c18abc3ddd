"""A leg while it lasts: what happens to it, and what the person or machine at its far end does."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from vonage_simulator import recorder, webhook_bodies
from vonage_simulator.billing import bill
from vonage_simulator.call_context import IN_BROWSER, CallContext, Ncco
from vonage_simulator.keypad import Keypad
from vonage_simulator.ledger import Conversation, Ending, Leg, Move, Played, PlayedKind, Voice
from vonage_simulator.playback import Playback
from vonage_simulator.ringing import Ringing
from vonage_simulator.scenario import Scenario
from vonage_simulator.spans import Span, Spans

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
        self.next_script: Ncco | None = None  # the reply to `disconnected`
        self.dtmf_listener: asyncio.Task[Any] | None = None  # sends each key by itself
        self.playback = Playback(context.clock, leg, self.over)
        self.keypad = Keypad(context.clock, leg.far_end.keys)
        unseen = leg.endpoint == "app" and context.behaviour.apps_start == "answered"
        self.ringing = Ringing(context.clock, leg, self.send_status, unseen=unseen)
        self._says = deque(leg.far_end.says)
        self._tasks: list[asyncio.Task[Any]] = []
        self._leaves_alone: asyncio.Task[Any] | None = None  # hangs up if nobody else comes
        self._ends_behind: asyncio.Task[Any] | None = None  # ends it because the other leg of its pair is gone
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
        """Ring the far end, as Ringing.ring."""
        if self.leg.far_end is IN_BROWSER:
            self.context.trace(self.leg, "invite")
        return await self.ringing.ring(seconds)

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
        usual = "user" if failure in (*BY_USER, "rejected") else "platform"
        leg.ending = leg.ending or Ending(self.context.clock.now(), by or usual, failure)
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
        leg.ending = Ending(self.context.clock.now(), by, why)
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
        self.leg.stays.end(at)
        self.playback.cut()  # whether Vonage plays on what the Voice API began is not known
        if not self.context.behaviour.keeps_mute:
            self.mute(False)
            self.earmuff(False)
        self.parted.set()
        self.parted = asyncio.Event()
        self.idle = False
        self.in_company()
        self._enter(to)
        self.leg.moves.append(Move(at, left.uuid, to.uuid))
        self.context.trace(self.leg, "moved", left=left.uuid, joined=to.uuid)
        self.context.send(self.leg, webhook_bodies.transfer(self.leg, left.uuid, to.uuid, at))
        self._has_left(left)

    def mute(self, on: bool) -> None:
        """Whether nobody hears it."""
        if on != self.leg.muted:
            self.leg.muted = on
            self.context.trace(self.leg, "mute", on=on)
            self._note(self.leg.mutes, on)

    def earmuff(self, on: bool) -> None:
        """Whether it hears nobody."""
        if on != self.leg.earmuffed:
            self.leg.earmuffed = on
            self.context.trace(self.leg, "earmuff", on=on)
            self._note(self.leg.earmuffs, on)

    def play_over_script(self, kind: PlayedKind, what: str, seconds: float, loop: int) -> None:
        """Play what takes *seconds* *loop* times, 0 is for ever, while the script goes on. One who waits listens."""
        self._stays_on()
        span = self.playback.by_api(kind, what, seconds, loop)
        if span.until is not None:
            self.spawn(self._played_out(span, seconds * loop))

    def stop_playing(self, kind: PlayedKind) -> None:
        """End what was begun with `play_over_script`."""
        if self.playback.stop(kind):
            self._lonely(self.leg.conversation)

    # What the far end does

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
        if self.leg.far_end.does != "waits":
            self._leaves_alone = self.spawn(self._hang_up_after(max(at_least, self.leg.far_end.stays_alone)))

    def left_behind(self) -> None:
        """The other leg, which rang this one, was transferred away."""
        if len(self.leg.conversation.present) > 1:
            return
        if self.stays_behind:
            self.left_alone()
            return
        self.in_company()
        seconds = self.context.behaviour.left_behind_seconds
        self._ends_behind = self.spawn(self.end_after(seconds, "platform", "the other leg was transferred"))

    @property
    def stays_behind(self) -> bool:
        """Whether it waits where it is when the other leg of its `connect` is transferred away."""
        return (self.scenario.left_behind or self.context.behaviour.left_behind) == "stays"

    def hang_up(self) -> None:
        """It hangs up now; a caller who was not answered yet gives up."""
        if self.leg.endpoint == "websocket":
            self.spawn(self._hang_up_after(0.0))
        else:
            self.end("user", "hung up" if self.leg.answered else "gave up")

    def in_company(self) -> None:
        """It is not alone any more, and stays."""
        self._stays_on()
        if self._ends_behind:
            self._ends_behind.cancel()
            self._ends_behind = None

    def _stays_on(self) -> None:
        """It does not hang up for being alone."""
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
        self.leg.stays.begin(conversation.uuid, self.context.clock.now())
        conversation.legs[self.leg.uuid] = self.leg
        conversation.present[self.leg.uuid] = self.leg

    def _leave(self) -> None:
        self.active_legs.pop(self.leg.uuid, None)
        self.leg.conversation.present.pop(self.leg.uuid, None)
        self.over.set()
        self.parted.set()
        self.ringing.stop()
        self.playback.cut()
        for spans in (self.leg.stays, self.leg.mutes, self.leg.earmuffs):
            spans.end(self.context.clock.now())
        if any(self.keypad.left) or any(self._says):
            self.context.trace(self.leg, "left", keys=[*self.keypad.left], says=[*self._says])
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
        self._lonely(conversation)

    def _lonely(self, conversation: Conversation) -> None:
        """Whoever is alone in *conversation*, with nothing to listen to, stays for a while."""
        if len(conversation.present) == 1:
            last, room = self.active_legs[next(iter(conversation.present))], conversation.room
            music = room is not None and not room.started and last.leg.voice.music
            if last.idle and not music and not last.playback.over_script:
                last.left_alone()

    async def _played_out(self, span: Span[Played], seconds: float) -> None:
        await self.context.clock.sleep(seconds)
        if self.playback.finish(span):
            self._lonely(self.leg.conversation)

    def _note(self, spans: Spans[None], on: bool) -> None:
        if on:
            spans.begin(None, self.context.clock.now())
        else:
            spans.end(self.context.clock.now())

    async def _hang_up_after(self, seconds: float) -> None:
        await self.context.clock.sleep(seconds)
        if self.leg.endpoint == "websocket":  # the application's side closed it, and may reply with what is next
            self.next_script = await self.context.send_for_ncco(self.leg, self.set_status("disconnected"))
        self.end("user", "hung up")

    async def _send_later(self, seconds: float, body: dict[str, Any]) -> None:
        await self.context.clock.sleep(seconds)
        self.context.send(self.leg, body)
