"""Ringing somebody: started, ringing, then answered or not; and whether a person or a machine picked up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vonage_simulator.active_leg import ActiveLeg
from vonage_simulator.call_context import Ncco

# No published log shows ringing for an app; for a websocket nothing is known, and nobody is there to hear it ring.
RINGS = ("phone", "sip", "vbc")
FAILURES = {"busy": "busy", "rejects": "rejected", "unreachable": "unanswered", "fails": "failed"}
BY_USER = ("busy", "rejected", "timeout")  # `disconnected_by`: hung up, rejected or did not answer
VERDICT_AFTER = 2.5  # seconds of listening; ours: the page says that it takes up to 4 or 5
BEEP_TIMEOUT = 45.0


async def dial(line: ActiveLeg, ring_seconds: float) -> str:
    """Ring the far end of *line*: "answered", or the failure, or "over" if somebody ended it meanwhile.

    A failure is only found here: `ActiveLeg.fail` and `ActiveLeg.finish` make it one.
    """
    far_end = line.leg.far_end
    line.mark("started", *(["ringing"] if line.leg.endpoint in RINGS else []))
    never = far_end.does == "never_answers" or far_end.after > ring_seconds
    if not await line.pause(ring_seconds if never else far_end.after):
        return "over"
    return "timeout" if never else FAILURES.get(far_end.does, "answered")


def by(failure: str) -> str:
    """Who ended a leg that failed."""
    return "user" if failure in BY_USER else "platform"


@dataclass(frozen=True, slots=True)
class Detection:
    """Whether and how to find out if a machine picked up.

    https://developer.vonage.com/en/voice/voice-api/concepts/advanced-machine-detection
    """

    hang_up: bool
    advanced: bool
    mode: str
    beep_timeout: float

    @classmethod
    def of(cls, simple: str | None, advanced: Mapping[str, Any] | None) -> Detection | None:
        """As an action's or a request's two settings say; the advanced one wins."""
        if advanced is not None:
            return cls(
                advanced.get("behavior") == "hangup",
                True,
                advanced.get("mode", "detect"),
                advanced.get("beep_timeout", BEEP_TIMEOUT),
            )
        return cls(simple == "hangup", False, "default", BEEP_TIMEOUT) if simple else None

    @property
    def first(self) -> bool:
        """Whether the script waits for what is found."""
        return self.mode in ("detect", "detect_beep")


async def detect(line: ActiveLeg, detection: Detection, told: Callable[[Ncco], None] | None = None) -> None:
    """Listen who it is and tell the application. *told* takes each NCCO it replies; None: no reply is read."""
    if not await line.pause(VERDICT_AFTER):
        return
    if line.leg.far_end.does != "machine":
        await _found(line, "human", "human", told)
        return
    if detection.hang_up:
        await _found(line, "machine", "machine", None)
        line.end("platform", "a machine answered")
        return
    if detection.mode != "detect_beep":
        await _found(line, "machine", "machine", told)
    if not detection.advanced or detection.mode == "detect":
        return
    far_end = line.leg.far_end
    waited = max(0.0, far_end.greeting - VERDICT_AFTER) if far_end.beep else detection.beep_timeout
    if not await line.pause(min(waited, detection.beep_timeout)):
        return
    heard = far_end.beep and waited <= detection.beep_timeout
    await _found(line, "machine", "beep_start" if heard else "beep_timeout", told)


async def _found(line: ActiveLeg, status: str, what: str, told: Callable[[Ncco], None] | None) -> None:
    line.leg.machine = what
    body = line.note_status(status)
    if told is None:
        line.board.tell(line.leg, body)
    elif (ncco := await line.board.next_for(line.leg, body)) is not None:
        told(ncco)
