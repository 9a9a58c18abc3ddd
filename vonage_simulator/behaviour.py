"""How the carrier behaves where Vonage's documentation says nothing, or nothing exact: a test may try either way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LeftBehind = Literal["ends", "stays"]
AppsStart = Literal["dialled", "answered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Seconds are the carrier's.

    Attributes:
        left_behind: What becomes of the leg of a `connect` pair whose other leg was transferred away. "ends": the
            callee's leg is ended, the caller's goes on with its script. "stays": it waits where it is.
        left_behind_seconds: How long it takes until then; a leg that is transferred within that time is saved.
        keeps_mute: Whether a leg that goes to another conversation is still muted and earmuffed there.
        no_hangup_seconds: In which a new leg cannot be hung up (400). Help article 10359615124380 says 1 to 2.
        no_commands_seconds: In which a leg that has just been answered is not ready for commands yet (400).
        moves_after: How long after a transfer was accepted the leg really leaves.
        apps_start: When the leg of an app user is `started`: once it is dialled, or only when it is answered or has
            failed, as in the published phone-to-app log, so that nothing is known of it while it rings.
    """

    left_behind: LeftBehind = "ends"
    left_behind_seconds: float = 0.0
    keeps_mute: bool = False
    no_hangup_seconds: float = 1.0
    no_commands_seconds: float = 0.0
    moves_after: float = 0.0
    apps_start: AppsStart = "dialled"
