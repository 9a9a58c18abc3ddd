"""A leg while it lasts: what happens to it, and what the people at its far end do by themselves."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from vonage_simulator import bodies
from vonage_simulator.billing import bill
from vonage_simulator.call_context import CallContext, Ncco
from vonage_simulator.ledger import Conversation, Leg, Move
from vonage_simulator.scenario import Scenario

# The final SIP answer that goes with a failure, where Vonage names one (webhook-reference#event-webhook); a leg that
# was answered and hung up has 200. Only legs that are SIP underneath have any.
SIP_CODES = {"busy": 486, "unanswered": 480, "rejected": 603, "failed": 404}
WITH_SIP = ("phone", "sip", "vbc")
USUAL_DETAIL = {"unanswered": "unavailable", "rejected": "declined", "failed": "cannot_route"}
# phone-to-app.events.jsonl: a telephone's `completed` comes a little after its timestamp, an app's at once.
RATED_AFTER = 0.1
# No leg lasts longer than this: the default of `length_timer`, https://developer.vonage.com/en/api/voice
LONGEST = 7200.0


class ActiveLeg:
    """One leg, with what only matters while it lasts. Made when the leg starts, gone when it is over."""

    def __init__(
        self, board: CallContext, leg: Leg, scenario: Scenario, *, run: int = 0, longest: float = LONGEST
    ) -> None:
        self.board = board
        self.leg = leg
        self.scenario = scenario
        self.run = run  # which playing of the scenario: rooms of two of them are two
        self.number: int | None = None  # which of the scenario's calls it is, from 0
        self.longest = longest  # seconds after it was answered
        self.today = scenario.fields == "today"
        self.script: asyncio.Task[Any] | None = None
        self.made = board.clock.seconds
        self.picked_up = asyncio.Event()
        self.over = asyncio.Event()
        self.parted = asyncio.Event()  # set when it leaves the conversation it is in, or is over
        self.idle = False  # it hears whoever else is in its conversation, and nothing is played to it
        self.barge_in = False  # what is played now may be interrupted: the script goes on meanwhile
        self.prompt_until = 0.0  # when that is over, by the clock's seconds
        self.next_script: Ncco | None = None  # what the reply to `disconnected` was
        self.listener: asyncio.Task[Any] | None = None  # what sends each key by itself
        self._keys = deque(leg.far_end.keys)
        self._says = deque(leg.far_end.says)
        self._own: list[asyncio.Task[Any]] = []
        self._alone: asyncio.Task[Any] | None = None  # what ends it where nobody comes
        board.ledger.legs[leg.uuid] = leg
        board.lines[leg.uuid] = self
        self._enter(leg.conversation)

    # What happens to the leg

    def mark(self, *statuses: str) -> None:
        """The leg is *statuses* now, all at one moment, and the application is told."""
        at = self.board.clock.now()
        for status in statuses:
            self.board.tell(self.leg, self.note_status(status, at))

    def note_status(self, status: str, at: datetime | None = None) -> dict[str, Any]:
        """The leg is *status* now, or since *at*; the event that tells it, which is not sent yet."""
        at = at or self.board.clock.now()
        self.leg.times.setdefault(status, at)
        self.board.note(self.leg, "status", status=status)
        return bodies.status(self.leg, status, at, today=self.today)

    def answer(self) -> None:
        """The far end picks up."""
        if self.leg.answered or self.leg.over:
            return
        self.mark("answered")
        self.picked_up.set()
        self.do(self._limit())
        seconds = self.leg.far_end.hangs_up_after
        if seconds is not None:
            self.do(self._hang_up_after(seconds))

    def fail(self, failure: str, *, by: str) -> dict[str, Any]:
        """The leg will not be answered; the event that tells it, not sent yet. `finish` ends it."""
        leg = self.leg
        leg.failure = failure
        leg.detail = leg.far_end.detail or USUAL_DETAIL.get(failure) if failure in USUAL_DETAIL else None
        if self.today:
            leg.sip_code = SIP_CODES.get(failure) if leg.endpoint in WITH_SIP else None
            leg.disconnected_by = by
        if failure == "rejected":  # nothing comes after it, so nobody learns who ended it
            leg.disconnected_by = None
        return self.note_status(failure)

    def finish(self) -> None:
        """The failed leg is over: `completed`, but for one that was rejected (webhook-reference#event-webhook)."""
        if self.leg.failure != "rejected":
            self._bill()
            self.mark("completed")
        self._leave()

    def end(self, by: str, why: str) -> None:
        """The leg is over. One that was never answered was given up."""
        leg = self.leg
        if leg.over:
            return
        self.board.note(leg, "hangup", by=by, why=why)
        if not leg.answered and leg.direction == "outbound":
            self.board.tell(leg, self.fail("cancelled", by=by))
            self.finish()
            return
        if self.today:
            leg.disconnected_by = by
            leg.sip_code = 200 if leg.endpoint in WITH_SIP and leg.answered else None
        self._bill()
        body = self.note_status("completed")
        if leg.endpoint == "phone" and leg.answered:
            self.board.spawn(self._tell_later(RATED_AFTER, body))
        else:
            self.board.tell(leg, body)
        self._leave()

    def move(self, to: Conversation) -> None:
        """The leg goes to another conversation, and the application is told."""
        left = self.leg.conversation
        if left is to:
            return
        at = self.board.clock.now()
        left.present.pop(self.leg.uuid, None)
        self.parted.set()
        self.parted = asyncio.Event()
        self.idle = False
        self.in_company()
        self._enter(to)
        self.leg.moves.append(Move(at, left.uuid, to.uuid))
        self.board.note(self.leg, "moved", left=left.uuid, joined=to.uuid)
        self.board.tell(self.leg, bodies.transfer(self.leg, left.uuid, to.uuid, at))
        self.board.rooms.left(left, self.leg)

    # What the far end does

    def next_keys(self) -> str:
        """What it presses when it is asked to; "" is nothing."""
        return self._keys.popleft() if self._keys else ""

    def next_says(self) -> str:
        """What it says when somebody listens; "" is nothing."""
        return self._says.popleft() if self._says else ""

    def wait_for_answer(self) -> None:
        """It called and is not answered yet: it does not wait longer than it would have talked."""
        seconds = self.leg.far_end.hangs_up_after
        if seconds is not None:
            self.do(self._give_up_after(seconds))

    def left_alone(self, *, at_least: float = 0.0) -> None:
        """Nobody else is there, any more or yet, and nothing else is played to it: it stays a while."""
        self.in_company()
        self._alone = self.do(self._hang_up_after(max(at_least, self.leg.far_end.stays_alone)))

    def in_company(self) -> None:
        """It is not alone any more, and stays."""
        if self._alone:
            self._alone.cancel()
            self._alone = None

    # Time

    def do(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Let *work* go on as long as the leg lasts."""
        task = self.board.spawn(work)
        self._own.append(task)
        return task

    async def pause(self, seconds: float) -> bool:
        """Let *seconds* go by; False if the leg was over before."""
        return await self.board.clock.sleep_unless(self.over, seconds)

    def _enter(self, conversation: Conversation) -> None:
        for other in conversation.present:
            self.board.lines[other].in_company()
        self.leg.conversation = conversation
        conversation.legs[self.leg.uuid] = self.leg
        conversation.present[self.leg.uuid] = self.leg

    def _bill(self) -> None:
        self.leg.bill = bill(self.leg, self.board.clock.now())

    def _leave(self) -> None:
        self.board.lines.pop(self.leg.uuid, None)
        self.leg.conversation.present.pop(self.leg.uuid, None)
        self.over.set()
        self.parted.set()
        if any(self._keys) or any(self._says):
            self.board.note(self.leg, "left", keys=[*self._keys], says=[*self._says])
        current = asyncio.current_task()
        for task in (self.script, *self._own):
            if task and task is not current:
                task.cancel()
        self.board.rooms.left(self.leg.conversation, self.leg)

    async def _give_up_after(self, seconds: float) -> None:
        await self.board.clock.sleep(seconds)
        if not self.leg.answered:
            self.end("user", "gave up")

    async def _limit(self) -> None:
        await self.board.clock.sleep(self.longest)
        self.end("platform", "the length timer")

    async def _hang_up_after(self, seconds: float) -> None:
        await self.board.clock.sleep(seconds)
        if self.leg.endpoint == "websocket":  # the application's side closed it, and may say what is next
            self.next_script = await self.board.next_for(self.leg, self.note_status("disconnected"))
        self.end("user", "hung up")

    async def _tell_later(self, seconds: float, body: dict[str, Any]) -> None:
        await self.board.clock.sleep(seconds)
        self.board.tell(self.leg, body)
