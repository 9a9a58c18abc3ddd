"""What the Voice API does to calls while they last: https://developer.vonage.com/en/api/voice"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vonage_simulator import recorder
from vonage_simulator.actions.input import send_each_key
from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_context import Action, CallContext
from vonage_simulator.ledger import Target
from vonage_simulator.ncco_runner import run_to_end
from vonage_simulator.refusals import NoSuchConversation, NoSuchLeg, NotActive, TooEarly
from vonage_simulator.webhook_bodies import spoken_seconds

TRANSFERRED_AFTER = 0.1  # until its new script begins; ours


class CallControl:
    """The legs of one application. All that takes a leg's uuid raises NoSuchLeg."""

    def __init__(self, context: CallContext) -> None:
        self._context = context
        self.ledger = context.ledger
        self._legs: dict[str, ActiveLeg] = {}  # those that are not over

    def hang_up(self, uuid: str) -> None:
        """End the leg. Raises TooEarly."""
        active = self._leg(uuid)
        if self._context.clock.seconds - active.created_at < self._context.behaviour.no_hangup_seconds:
            raise TooEarly
        active.end("platform", "the Voice API")

    def mute(self, uuid: str, on: bool) -> None:
        """Whether nobody hears the leg."""
        self._leg(uuid).mute(on)

    def earmuff(self, uuid: str, on: bool) -> None:
        """Whether the leg hears nobody."""
        self._leg(uuid).earmuff(on)

    def transfer(self, uuid: str, *, ncco: Sequence[Action] | None = None, url: Target | None = None) -> None:
        """Run another script on the leg, in a new conversation. Raises NotActive."""
        active = self._answered(uuid)
        if self._context.behaviour.moves_after:
            active.spawn(self._transfer_later(active, ncco, url))
        else:
            self._transfer(active, ncco, url)

    def talk(self, uuid: str, text: str, *, loop: int = 1) -> None:
        """Say *text* to the leg while its script goes on. Raises NotActive."""
        active = self._answered(uuid)
        self._context.trace(active.leg, "talk", text=text, loop=loop)
        active.play_over_script("talk", text, spoken_seconds(text), loop)

    def stream(self, uuid: str, url: str, *, loop: int = 1) -> None:
        """Play an audio file to the leg while its script goes on. Raises NotActive."""
        active = self._answered(uuid)
        self._context.trace(active.leg, "stream", url=url, loop=loop)
        active.play_over_script("stream", url, active.scenario.stream_seconds, loop)

    def stop_talk(self, uuid: str) -> None:
        """Stop what `talk` plays; what the leg's script plays goes on. Raises NotActive."""
        self._answered(uuid).stop_playing("talk")

    def stop_stream(self, uuid: str) -> None:
        """Stop what `stream` plays; what the leg's script plays goes on. Raises NotActive."""
        self._answered(uuid).stop_playing("stream")

    def dtmf(self, uuid: str, digits: str) -> None:
        """Play tones to the leg. Raises NotActive."""
        self._context.trace(self._answered(uuid).leg, "dtmf", digits=digits)

    def listen(self, uuid: str, target: Target) -> None:
        """Send the keys that the leg presses next to *target*, one input event each. Raises NotActive."""
        active = self._answered(uuid)
        self.stop_listening(uuid)
        active.dtmf_listener = active.spawn(send_each_key(active, target))

    def stop_listening(self, uuid: str) -> None:
        """Undo `listen`."""
        if listener := self._leg(uuid).dtmf_listener:
            listener.cancel()

    def record(self, conversation: str, options: Mapping[str, Any]) -> None:
        """Record a conversation; options as the NCCO action's (`eventUrl`, `format`, …). Raises NoSuchConversation."""
        found = self.ledger.conversations.get(conversation)
        if found is None or not found.present:
            raise NoSuchConversation
        recorder.start(self._context, found, options, next(iter(found.present.values())))

    def stop_record(self, conversation: str) -> None:
        """Raises NoSuchConversation."""
        found = self.ledger.conversations.get(conversation)
        if found is None:
            raise NoSuchConversation
        recorder.stop(self._context, found)

    async def _transfer_later(self, active: ActiveLeg, ncco: Sequence[Action] | None, url: Target | None) -> None:
        if await active.pause(self._context.behaviour.moves_after):
            self._transfer(active, ncco, url)

    def _transfer(self, active: ActiveLeg, ncco: Sequence[Action] | None, url: Target | None) -> None:
        if active.script:
            active.script.cancel()
        active.move(self._context.new_conversation(active.leg.region))
        active.script = self._context.spawn(self._transferred(active, ncco, url))

    async def _transferred(self, active: ActiveLeg, ncco: Sequence[Action] | None, url: Target | None) -> None:
        await self._context.clock.sleep(TRANSFERRED_AFTER)
        if ncco is not None:
            await run_to_end(active, [dict(action) for action in ncco])
        else:
            await run_to_end(active, await self._context.request_ncco(active.leg, url, today=active.today))

    def _leg(self, uuid: str) -> ActiveLeg:
        active = self._legs.get(uuid)
        if active is None:
            raise NoSuchLeg
        return active

    def _answered(self, uuid: str) -> ActiveLeg:
        active = self._leg(uuid)
        if not active.leg.answered:
            raise NotActive
        answered = (self._context.clock.now() - active.leg.times["answered"]).total_seconds()
        if answered < self._context.behaviour.no_commands_seconds:
            raise NotActive
        return active
