"""What the people at the far ends do when a test says so, while a call lasts.

A far end that `waits` does nothing by itself; any other one may be hurried, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.refusals import NoSuchLeg, NotActive


class People:
    """By the uuid of their leg. Everything raises NoSuchLeg for one that is over."""

    def __init__(self, legs: Mapping[str, ActiveLeg]) -> None:
        self._legs = legs

    def answer(self, uuid: str) -> None:
        """Pick up. Raises NotRinging."""
        self._leg(uuid).ringing.decide("answered")

    def reject(self, uuid: str) -> None:
        """Decline. Raises NotRinging."""
        self._leg(uuid).ringing.decide("rejected")

    def hang_up(self, uuid: str) -> None:
        """Hang up; a caller may do so before the answer. Raises NotActive for a callee who has not picked up."""
        active = self._leg(uuid)
        if active.leg.direction == "outbound" and not active.leg.answered:
            raise NotActive
        active.hang_up()

    def press(self, uuid: str, keys: str) -> None:
        """Press *keys* (0 to 9, * and #). Raises ValueError, and NotActive before the answer."""
        if not re.fullmatch(r"[0-9*#]+", keys):
            raise ValueError("keys are 0 to 9, * and #")
        active = self._leg(uuid)
        if not active.leg.answered:
            raise NotActive
        active.context.trace(active.leg, "keys", digits=keys)
        active.keypad.press(keys)

    def _leg(self, uuid: str) -> ActiveLeg:
        active = self._legs.get(uuid)
        if active is None:
            raise NoSuchLeg
        return active
