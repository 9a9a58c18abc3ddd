"""One playing of a scenario at a carrier that has other calls, too: what of all that happens there belongs to it."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from vonage_simulator.carrier import Carrier
from vonage_simulator.delivery.sent import Sent
from vonage_simulator.ledger import Ledger, Leg
from vonage_simulator.scenario import Scenario
from vonage_simulator.trace import Happening, Watch

LOOKS_EVERY, QUIET = (
    0.1,
    3.0,
)  # seconds: what the carrier does by itself after a call, as a transcript, comes sooner


class OneCall:
    """A context manager. The legs of the scenario's calls and those that they ring belong to it, and every leg that
    meets them: the server may have called those by the Voice API.

    *watch* is called with everything that happens to them.
    """

    def __init__(self, carrier: Carrier, watch: Watch) -> None:
        self._carrier, self._watch = carrier, watch
        self._run = carrier.new_run()
        self._legs: set[str] = set()
        self._conversations: set[str] = set()
        self._happened_at = 0.0

    def __enter__(self) -> Self:
        self._carrier.watchers.add(self._happened)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._carrier.watchers.remove(self._happened)

    async def place(self, scenario: Scenario) -> None:
        """Place the calls of *scenario*."""
        await self._carrier.play(scenario, run=self._run)

    async def play(self, scenario: Scenario) -> None:
        """Place them, and return once all that belongs to them is over, and every webhook was sent."""
        await self.place(scenario)
        while not self._is_over():
            await self._carrier.clock.sleep(LOOKS_EVERY)

    def hang_up(self) -> None:
        """The callers hang up."""
        for leg in self._own():
            if not leg.over and leg.direction == "inbound":
                self._carrier.people.hang_up(leg.uuid)

    def leg(self, uuid: str) -> Leg | None:
        return self._carrier.ledger.legs.get(uuid)

    @property
    def ledger(self) -> Ledger:
        """What happened in it."""
        whole, legs = self._carrier.ledger, self._own()
        met = self._conversations | {span.value for leg in legs for span in leg.stays}
        conversations = {uuid: known for uuid, known in whole.conversations.items() if uuid in met}
        by_name = {name: known for name, known in whole.by_name.items() if known.uuid in met}
        return Ledger({leg.uuid: leg for leg in legs}, conversations, by_name, whole.requests)

    @property
    def sent(self) -> list[Sent]:
        """Its webhooks."""
        own = self.ledger.conversations
        return [sent for sent in self._carrier.sender.sent if sent.conversation in own]

    def _own(self) -> list[Leg]:
        return [leg for uuid, leg in self._carrier.ledger.legs.items() if uuid in self._legs]

    def _happened(self, happening: Happening) -> None:
        known = happening.leg in self._legs or happening.conversation in self._conversations
        if not known and self._carrier.run_of(happening.leg) != self._run:
            return
        self._legs.add(happening.leg)
        self._conversations.add(happening.conversation)
        self._happened_at = self._carrier.clock.seconds
        self._watch(happening)

    def _is_over(self) -> bool:
        legs, quiet = self._own(), self._carrier.clock.seconds - self._happened_at
        return quiet > QUIET and all(leg.over for leg in legs) and all(sent.over.is_set() for sent in self.sent)
