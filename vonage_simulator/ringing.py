"""How a far end is rung, and what it decides: by itself, or by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from vonage_simulator.clock import Clock
from vonage_simulator.ledger import Leg
from vonage_simulator.refusals import NotRinging

# No published log shows ringing for an app; for a websocket nothing is known, and nobody is there to hear it ring.
RINGS = ("phone", "sip", "vbc")
FAILURES = {"busy": "busy", "rejects": "rejected", "unreachable": "unanswered", "fails": "failed"}


class Ringing:
    """Of one leg. *send_status* is the leg's; *unseen*: nothing is sent before the far end has decided."""

    def __init__(self, clock: Clock, leg: Leg, send_status: Callable[..., None], *, unseen: bool) -> None:
        self._clock, self._leg, self._send_status, self._unseen = clock, leg, send_status, unseen
        self._begun = False
        self._decided = asyncio.Event()
        self._outcome = "over"

    async def ring(self, seconds: float) -> str:
        """Ring for *seconds* at most: "answered", a failure, or "over" if somebody ended the leg meanwhile."""
        self._begun, far_end = True, self._leg.far_end
        if not self._unseen:
            self._send_status("started", *(["ringing"] if self._leg.endpoint in RINGS else []))
        never = far_end.does in ("never_answers", "waits") or far_end.after > seconds
        if await self._clock.sleep_unless(self._decided, seconds if never else far_end.after):
            self._outcome = "timeout" if never else FAILURES.get(far_end.does, "answered")
        self._decided.set()
        if self._unseen and self._outcome != "over":
            self._send_status("started")
        return self._outcome

    def decide(self, outcome: str) -> None:
        """The far end picks up ("answered") or declines ("rejected"). Raises NotRinging."""
        if not self._begun or self._decided.is_set():
            raise NotRinging
        self._outcome = outcome
        self._decided.set()

    def stop(self) -> None:
        """The leg is over."""
        self._decided.set()
