"""The carrier: it places calls, runs what the application answers, and does what the Voice API is asked to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from vonage_simulator import dialling, script
from vonage_simulator.active_leg import LONGEST, ActiveLeg
from vonage_simulator.asking import press_one_by_one
from vonage_simulator.call_context import SYNTAX_ERROR, CallContext, Ncco
from vonage_simulator.clock import Clock
from vonage_simulator.controlling import control
from vonage_simulator.delivery.webhook_sender import WebhookSender
from vonage_simulator.ids import Ids
from vonage_simulator.ledger import Application, Ledger, Leg, Target
from vonage_simulator.recorder import File
from vonage_simulator.refusals import NoSuchConversation, NoSuchLeg, NotActive, TooEarly, TooFast
from vonage_simulator.scenario import Call, FarEnd, Scenario
from vonage_simulator.trace import Watch

# phone-to-app.events.jsonl: so long after it began to ring, a call that is spoken to is answered.
ANSWERED_AFTER = 0.6
UNTOUCHABLE_SECONDS = 1.0  # in which a new leg cannot be hung up: help article 10359615124380 says 1 to 2
TRANSFERRED_AFTER = 0.1  # until its new script begins; ours
RING_FIRST = ("phone", "sip")  # callers who hear it ring; an app's log has no ringing

FORGOTTEN_AFTER = timedelta(minutes=15)  # of the carrier's time; Vonage keeps a leg for days

Actions = Sequence[Mapping[str, Any]]


class Carrier:
    """One application's calls.

    Its methods run in the event loop of whoever made it; those that are no coroutines return at once, and what they set
    off goes on by itself.
    """

    def __init__(
        self,
        application: Application,
        *,
        clock: Clock,
        post: WebhookSender,
        seed: int | None = None,
        files_url: str = "https://api.nexmo.com/v1/files",
        watch: Watch | None = None,
        callee: Callable[[str], FarEnd] | None = None,
    ) -> None:
        """*seed*: of the ids; *callee*: who answers when the Voice API calls somebody."""
        self.application = application
        self.clock = clock
        self._board = CallContext(application, clock=clock, post=post, ids=Ids(seed), files_url=files_url, watch=watch)
        self._callee = callee or (lambda _: FarEnd())
        self._runs = 0

    @property
    def ledger(self) -> Ledger:
        """What truly happened."""
        return self._board.ledger

    @property
    def post(self) -> WebhookSender:
        """The way to the application, with a record of all that went it."""
        return self._board.post

    @property
    def files(self) -> dict[str, File]:
        """Recordings, and what was written down of them, by the last part of their URL."""
        return self._board.recorder.files

    @property
    def files_url(self) -> str:
        """What the URLs of recordings begin with."""
        return self._board.recorder.files_url

    @files_url.setter
    def files_url(self, url: str) -> None:
        self._board.recorder.files_url = url

    # Calls

    async def play(self, scenario: Scenario) -> list[Leg]:
        """Let *scenario* happen; returns the legs of its calls once all were placed. `over` awaits their end."""
        self._runs += 1
        run, legs, gone = self._runs, [], 0.0
        for number, call in sorted(enumerate(scenario.calls), key=lambda one: one[1].at):
            if call.at > gone:
                await self.clock.sleep(call.at - gone)
                gone = call.at
            legs.append(self.place(call, scenario, run=run))
            self._board.lines[legs[-1].uuid].number = number
        return legs

    def place(self, call: Call, scenario: Scenario, *, run: int = 1) -> Leg:
        """Let *call* begin now. Its leg goes on by itself. Raises TooFast."""
        if call.direction == "outbound":
            return self.create(call, answer=self.application.answer, event=None, scenario=scenario, run=run)
        line = self._line_for(call, scenario, self.application.event, run)
        line.script = self._board.spawn(self._inbound(line, call))
        return line.leg

    def create(
        self,
        call: Call,
        *,
        answer: Target | None,
        event: Target | None,
        scenario: Scenario | None = None,
        run: int = 1,
    ) -> Leg:
        """An outbound call; *answer*: where its NCCO is asked for, *event*: where its webhooks go. Raises TooFast."""
        if not self._board.may_call():
            raise TooFast
        if scenario is None:
            scenario = Scenario(name="api", about="", calls=(call,), callees=_Callees(self._callee))
        line = self._line_for(call, scenario, event or self.application.event, run)
        line.script = self._board.spawn(self._outbound(line, call, answer))
        return line.leg

    async def over(self) -> None:
        """Return once every call is over and everything about it was sent. Raises what went wrong in here."""
        await self._board.idle()

    def forget(self) -> None:
        """Drop what has been over for a while: a carrier that runs for days would never have room enough."""
        before = self.clock.now() - FORGOTTEN_AFTER
        over = {
            uuid
            for uuid, one in self.ledger.conversations.items()
            if not one.present and all(at < before for leg in one.legs.values() for at in leg.times.values())
        }
        for uuid in over:
            for leg in self.ledger.conversations.pop(uuid).legs:
                if leg not in self._board.lines:
                    self.ledger.legs.pop(leg, None)
        self.post.forget(over)
        self._board.rooms.forget(over)
        self._board.recorder.forget()

    def stop(self) -> None:
        """End everything at once, unsaid."""
        self._board.stop()

    # The Voice API: https://developer.vonage.com/en/api/voice. Each raises NoSuchLeg.

    def hang_up(self, uuid: str) -> None:
        """End the leg. Raises TooEarly."""
        line = self._line(uuid)
        if self.clock.seconds - line.made < UNTOUCHABLE_SECONDS:
            raise TooEarly
        line.end("platform", "the Voice API")

    def mute(self, uuid: str, on: bool) -> None:
        """Whether nobody hears the leg."""
        self._line(uuid).leg.muted = on

    def earmuff(self, uuid: str, on: bool) -> None:
        """Whether the leg hears nobody."""
        self._line(uuid).leg.earmuffed = on

    def transfer(self, uuid: str, *, ncco: Actions | None = None, url: Target | None = None) -> None:
        """Give the leg another script, in a conversation of its own. Raises NotActive."""
        line = self._active(uuid)
        if line.script:
            line.script.cancel()
        line.move(self._board.conversation())
        line.script = self._board.spawn(self._transferred(line, ncco, url))

    def talk(self, uuid: str, text: str, *, loop: int = 1) -> None:
        """Say *text* to the leg, whatever its script does. Raises NotActive."""
        self._board.note(self._active(uuid).leg, "talk", text=text, loop=loop)

    def stop_talk(self, uuid: str) -> None:
        """Stop saying it."""
        self._active(uuid)

    def stream(self, uuid: str, url: str, *, loop: int = 1) -> None:
        """Play audio to the leg. Raises NotActive."""
        self._board.note(self._active(uuid).leg, "stream", url=url, loop=loop)

    def stop_stream(self, uuid: str) -> None:
        """Stop playing it."""
        self._active(uuid)

    def dtmf(self, uuid: str, digits: str) -> None:
        """Play tones to the leg. Raises NotActive."""
        self._board.note(self._active(uuid).leg, "dtmf", digits=digits)

    def listen(self, uuid: str, target: Target) -> None:
        """Send each key that the leg presses next to *target*, one input event each. Raises NotActive."""
        line = self._active(uuid)
        self.stop_listening(uuid)
        line.listener = line.do(press_one_by_one(line, target))

    def stop_listening(self, uuid: str) -> None:
        """No longer do so."""
        line = self._line(uuid)
        if line.listener:
            line.listener.cancel()

    def record(self, conversation: str, options: Mapping[str, Any]) -> None:
        """Record a conversation; options as the NCCO action's (`eventUrl`, `format`, …). Raises NoSuchConversation."""
        found = self.ledger.conversations.get(conversation)
        if found is None or not found.present:
            raise NoSuchConversation
        self._board.recorder.start(found, options, next(iter(found.present.values())))

    def stop_record(self, conversation: str) -> None:
        """Stop recording it. Raises NoSuchConversation."""
        found = self.ledger.conversations.get(conversation)
        if found is None:
            raise NoSuchConversation
        self._board.recorder.stop(found)

    # How calls go

    def _line_for(self, call: Call, scenario: Scenario, events: Target | None, run: int) -> ActiveLeg:
        inbound = call.direction == "inbound"
        app_caller = inbound and call.endpoint == "app"
        far_end = call.far_end if inbound or call.far_end != FarEnd() else scenario.callee(call.to)
        leg = Leg(
            uuid=self._board.ids.plain() if inbound and not app_caller else self._board.ids.dashed(),
            direction=call.direction,
            endpoint=call.endpoint,
            from_=None if app_caller else call.from_,
            from_user=call.from_ if app_caller else None,
            to=call.from_ if app_caller else call.to,
            dialled=call.to,
            custom_data=dict(call.custom_data or {}),
            far_end=far_end,
            conversation=self._board.conversation(),
            events=events,
            headers=dict(call.headers),
        )
        line = ActiveLeg(self._board, leg, scenario, run=run, longest=LONGEST if inbound else call.length_timer)
        self._board.note(leg, "call", **{"from": call.from_, "to": call.to, "inbound": inbound})
        if call.control:
            line.do(control(self, self._board, line, call.control))
        return line

    async def _inbound(self, line: ActiveLeg, call: Call) -> None:
        line.mark(*(["ringing"] if call.endpoint in RING_FIRST else []), "started")  # phone-to-app.events.jsonl
        line.wait_for_answer()
        if call.endpoint == "app":  # the app-to-phone and app-to-app logs: at once
            line.answer()
        told = await self._script(line, call, self.application.answer)
        if told and told[0]["action"] not in script.NEEDS_NO_ANSWER and not line.leg.answered:
            await self.clock.sleep(ANSWERED_AFTER)
        await script.whole(line, told)

    async def _outbound(self, line: ActiveLeg, call: Call, answer: Target | None) -> None:
        await self.clock.sleep(line.leg.far_end.dialled_in)
        outcome = await dialling.dial(line, call.ringing_timer)
        if outcome == "over":
            return
        if outcome != "answered":
            self._board.tell(line.leg, line.fail(outcome, by=dialling.by(outcome)))
            line.finish()
            return
        line.answer()
        found = dialling.Detection.of(call.machine_detection, call.advanced_machine_detection)
        replies: list[Ncco] = []
        if found and found.first:
            await dialling.detect(line, found, replies.append)
            if line.over.is_set():
                return
        elif found:  # while the script runs; each reply may be another one
            line.do(dialling.detect(line, found, lambda told: script.start(line, told)))
        told = replies[-1] if replies else await self._script(line, call, answer)
        await script.whole(line, told)

    async def _transferred(self, line: ActiveLeg, ncco: Actions | None, url: Target | None) -> None:
        await self.clock.sleep(TRANSFERRED_AFTER)
        told: Ncco | None = [dict(action) for action in ncco] if ncco is not None else None
        if told is None:
            told = await self._board.script_for(line.leg, url, today=line.today)
        await script.whole(line, told)

    async def _script(self, line: ActiveLeg, call: Call, answer: Target | None) -> Ncco | None:
        """What the call runs: its own, or what the application answers."""
        if call.ncco is None:
            return await self._board.script_for(line.leg, answer, today=line.today)
        own = script.of_scenario(line, call.ncco)
        if own is None:
            self._board.fault(line.leg, SYNTAX_ERROR)
        return own

    def _line(self, uuid: str) -> ActiveLeg:
        line = self._board.lines.get(uuid)
        if line is None:
            raise NoSuchLeg
        return line

    def _active(self, uuid: str) -> ActiveLeg:
        line = self._line(uuid)
        if not line.leg.answered:
            raise NotActive
        return line


class _Callees(dict[str, FarEnd]):
    """Everybody whom the Voice API's calls may ring."""

    def __init__(self, callee: Callable[[str], FarEnd]) -> None:
        super().__init__()
        self._callee = callee

    def get(self, name: str, default: Any = None) -> FarEnd:  # noqa: ARG002
        return self._callee(name)
