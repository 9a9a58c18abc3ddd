"""The carrier: places calls and runs what the application answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from vonage_simulator import ncco_runner, scenario_commands
from vonage_simulator.active_leg import LONGEST, ActiveLeg
from vonage_simulator.behaviour import Behaviour
from vonage_simulator.call_context import SYNTAX_ERROR, CallContext, Ncco
from vonage_simulator.call_control import CallControl
from vonage_simulator.clock import Clock
from vonage_simulator.delivery.webhook_sender import WebhookSender
from vonage_simulator.ids import Ids
from vonage_simulator.ledger import Application, Leg, Target
from vonage_simulator.machine_detection import Detection, detect
from vonage_simulator.people import People
from vonage_simulator.refusals import TooFast
from vonage_simulator.scenario import Call, FarEnd, Scenario
from vonage_simulator.scenario_ncco import scenario_ncco
from vonage_simulator.trace import Watch

# phone-to-app.events.jsonl: so long after it began to ring, a call that is spoken to is answered.
ANSWERED_AFTER = 0.6
RING_FIRST = ("phone", "sip")  # callers who hear it ring; an app's log has no ringing
FORGOTTEN_AFTER = timedelta(minutes=15)  # of the carrier's time; Vonage keeps a leg for days


class Carrier(CallControl):
    """One application's calls.

    Its methods run in the event loop that it was made in; those that are no coroutines return at once and start tasks.
    `people` are those at the far ends: they do at once what a test says.
    """

    def __init__(
        self,
        application: Application,
        *,
        clock: Clock,
        sender: WebhookSender,
        seed: int | None = None,
        files_url: str = "https://api.nexmo.com/v1/files",
        watch: Watch | None = None,
        callees: Mapping[str, FarEnd] | None = None,
        behaviour: Behaviour | None = None,
    ) -> None:
        """*seed*: of the ids; *callees*: as a scenario's, for calls that belong to none; to be set at any time."""
        super().__init__(
            CallContext(
                application,
                clock=clock,
                sender=sender,
                ids=Ids(seed),
                files_url=files_url,
                watch=watch,
                behaviour=behaviour or Behaviour(),
            )
        )
        self.application = application
        self.clock = clock
        self.sender = sender
        self.files = self._context.files
        self.watchers = self._context.watchers
        self.people = People(self._legs)
        self.callees = dict(callees or {})
        self._runs = 0

    @property
    def behaviour(self) -> Behaviour:
        """What Vonage leaves open; may be set at any time."""
        return self._context.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self._context.behaviour = behaviour

    def set_browsers(self, logged_in: Callable[[str], bool]) -> None:
        """Whose browsers ring when they are called: *logged_in* says whether an app user has any."""
        self._context.logged_in = logged_in

    def new_run(self) -> int:
        """The number of a playing of a scenario, from 1."""
        self._runs += 1
        return self._runs

    def run_of(self, uuid: str) -> int | None:
        """In which playing of a scenario a leg is that lasts; 0: in none. None: there is no such leg."""
        active = self._legs.get(uuid)
        return active.run if active else None

    async def play(self, scenario: Scenario, *, run: int | None = None) -> list[Leg]:
        """Place the calls of *scenario*; returns their legs once all are placed. `over` waits for their end.

        *run*: a number that `new_run` gave; None: another one.
        """
        run, seconds = run or self.new_run(), 0.0
        legs: list[Leg] = []
        for number, call in sorted(enumerate(scenario.calls), key=lambda numbered: numbered[1].at):
            if call.at > seconds:
                await self.clock.sleep(call.at - seconds)
                seconds = call.at
            legs.append(self.place(call, scenario, run=run))
            self._legs[legs[-1].uuid].number = number
        return legs

    def place(self, call: Call, scenario: Scenario | None = None, *, run: int = 0) -> Leg:
        """Place *call* now, as part of *scenario*, and return its leg. Raises TooFast."""
        scenario = scenario or self._scenario_of(call)
        if call.direction == "outbound":
            return self.create(call, answer=self.application.answer, event=None, scenario=scenario, run=run)
        active = self._new_leg(call, scenario, self.application.event, run)
        active.script = self._context.spawn(self._inbound(active, call))
        return active.leg

    def create(
        self,
        call: Call,
        *,
        answer: Target | None,
        event: Target | None,
        scenario: Scenario | None = None,
        run: int = 0,
    ) -> Leg:
        """Place an outbound call that gets its NCCO from *answer* and sends its events to *event*. Raises TooFast."""
        if not self._context.may_call():
            raise TooFast
        active = self._new_leg(call, scenario or self._scenario_of(call), event or self.application.event, run)
        active.script = self._context.spawn(self._outbound(active, call, answer))
        return active.leg

    async def over(self) -> None:
        """Return once every call is over and every webhook was sent. Raises the first error of a task."""
        await self._context.idle()

    def forget(self) -> None:
        """Drop conversations that ended a while ago, so that a carrier that runs for days does not grow."""
        before = self.clock.now() - FORGOTTEN_AFTER
        self.ledger.requests = [request for request in self.ledger.requests if request.at >= before]
        old = {
            uuid
            for uuid, conversation in self.ledger.conversations.items()
            if not conversation.present
            and all(at < before for leg in conversation.legs.values() for at in leg.times.values())
        }
        for uuid in old:
            conversation = self.ledger.conversations.pop(uuid)
            named = (conversation.region, conversation.name or "")
            if self.ledger.by_name.get(named) is conversation:
                del self.ledger.by_name[named]
            for leg in conversation.legs.keys() - self._legs.keys():
                self.ledger.legs.pop(leg, None)
        self.sender.forget(old)
        self.files.forget()

    def stop(self) -> None:
        """End everything at once, without webhooks."""
        self._context.stop()

    def _scenario_of(self, call: Call) -> Scenario:
        return Scenario(name="call", about="", calls=(call,), callees=self.callees)

    def _new_leg(self, call: Call, scenario: Scenario, events: Target | None, run: int) -> ActiveLeg:
        context, inbound = self._context, call.direction == "inbound"
        app_caller = inbound and call.endpoint == "app"
        far_end = call.far_end
        if not inbound and far_end == FarEnd():
            far_end = context.callee(scenario, call.endpoint, call.to)
        leg = Leg(
            uuid=context.ids.plain() if inbound and not app_caller else context.ids.dashed(),
            direction=call.direction,
            endpoint=call.endpoint,
            from_=None if app_caller else call.from_,
            from_user=call.from_ if app_caller else None,
            to=call.from_ if app_caller else call.to,
            dialled=call.to,
            custom_data=dict(call.custom_data or {}),
            far_end=far_end,
            conversation=context.new_conversation(call.region or self.application.region),
            events=events,
            headers=dict(call.headers),
        )
        longest = LONGEST if inbound else call.length_timer
        active = ActiveLeg(context, self._legs, leg, scenario, run=run, longest=longest)
        context.trace(leg, "call", **{"from": call.from_, "to": call.to, "inbound": inbound})
        if call.control:
            active.spawn(scenario_commands.run(self, active, call.control))
        return active

    async def _inbound(self, active: ActiveLeg, call: Call) -> None:
        # phone-to-app.events.jsonl
        active.send_status(*(["ringing"] if call.endpoint in RING_FIRST else []), "started")
        active.spawn(active.wait_for_answer())
        if call.endpoint == "app":  # the app-to-phone and app-to-app logs: at once
            active.answer()
        ncco = await self._ncco(active, call, self.application.answer)
        if ncco and ncco[0]["action"] not in ncco_runner.NEEDS_NO_ANSWER and not active.leg.answered:
            await self.clock.sleep(ANSWERED_AFTER)
        await ncco_runner.run_to_end(active, ncco)

    async def _outbound(self, active: ActiveLeg, call: Call, answer: Target | None) -> None:
        await self.clock.sleep(active.leg.far_end.dialled_in)
        outcome = await active.ring(call.ringing_timer)
        if outcome == "over":
            return
        if outcome != "answered":
            self._context.send(active.leg, active.fail(outcome))
            active.finish()
            return
        active.answer()
        detection = Detection.of(call.machine_detection, call.advanced_machine_detection)
        replies: list[Ncco] = []
        if detection and detection.mode in ("detect", "detect_beep"):
            await detect(active, detection, replies.append)
            if active.over.is_set():
                return
        elif detection:  # while the script runs; each reply may replace it
            active.spawn(detect(active, detection, lambda ncco: ncco_runner.replace_script(active, ncco)))
        await ncco_runner.run_to_end(active, replies[-1] if replies else await self._ncco(active, call, answer))

    async def _ncco(self, active: ActiveLeg, call: Call, answer: Target | None) -> Ncco | None:
        """The call's own NCCO, or else the application's."""
        if call.ncco is None:
            return await self._context.request_ncco(active.leg, answer, today=active.today)
        own = scenario_ncco(active, call.ncco)
        if own is None:
            self._context.send_error(active.leg, SYNTAX_ERROR)
        return own
