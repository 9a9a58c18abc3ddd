"""Whether a person or a machine has picked up.

https://developer.vonage.com/en/voice/voice-api/concepts/advanced-machine-detection
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_context import Ncco

VERDICT_AFTER = 2.5  # seconds of listening; ours: the page says that it takes up to 4 or 5
BEEP_TIMEOUT = 45.0


@dataclass(frozen=True, slots=True)
class Detection:
    """How to detect a machine; the script waits for the result of the modes `detect` and `detect_beep`."""

    hang_up: bool
    advanced: bool
    mode: str
    beep_timeout: float

    @classmethod
    def of(cls, simple: str | None, advanced: Mapping[str, Any] | None) -> Detection | None:
        """From the two settings of an action or a request; the advanced one wins. None: neither is set."""
        if advanced is None:
            return cls(simple == "hangup", False, "default", BEEP_TIMEOUT) if simple else None
        mode, beep_timeout = advanced.get("mode", "detect"), advanced.get("beep_timeout", BEEP_TIMEOUT)
        return cls(advanced.get("behavior") == "hangup", True, mode, beep_timeout)


async def detect(active: ActiveLeg, detection: Detection, on_reply: Callable[[Ncco], None] | None = None) -> None:
    """Send what is detected. *on_reply* gets each NCCO that the application replies with; None: replies are ignored."""
    if not await active.pause(VERDICT_AFTER):
        return
    far_end = active.leg.far_end
    if far_end.does != "machine":
        await _send(active, "human", on_reply)
        return
    if detection.hang_up:
        await _send(active, "machine", None)
        active.end("platform", "a machine answered")
        return
    if detection.mode != "detect_beep":
        await _send(active, "machine", on_reply)
    if not detection.advanced or detection.mode == "detect":
        return
    until_beep = max(0.0, far_end.greeting - VERDICT_AFTER) if far_end.beep else detection.beep_timeout
    if not await active.pause(min(until_beep, detection.beep_timeout)):
        return
    beeped = far_end.beep and until_beep <= detection.beep_timeout
    await _send(active, "beep_start" if beeped else "beep_timeout", on_reply)


async def _send(active: ActiveLeg, found: str, on_reply: Callable[[Ncco], None] | None) -> None:
    active.leg.machine = found
    body = active.set_status("human" if found == "human" else "machine")
    if on_reply is None:
        active.context.send(active.leg, body)
    elif (ncco := await active.context.send_for_ncco(active.leg, body)) is not None:
        on_reply(ncco)
