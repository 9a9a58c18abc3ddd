"""Whether a conversation is being recorded: a fold of our actions, and of who was in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from app.domain.actions import RECORDING
from app.domain.leg_control import Done
from app.domain.moves import Place
from app.domain.timeline import Stay

RecordState = Literal["inactive", "active", "paused"]


def record_state(conversation: str, actions: Iterable[Done], stays: Iterable[Stay]) -> RecordState:
    """Whether *conversation* is being recorded because of one of *actions*; a flow's own recording is none.

    *stays*: of all legs that have been in it; those in others are left out. A recording ends once everybody has left,
    and does not begin again by itself: https://developer.vonage.com/en/voice/voice-api/concepts/recording
    """
    own = [d for d in actions if d.action.verb in RECORDING and d.action.conversation == conversation]
    latest = max((d for d in own if d.took_effect), key=lambda d: (d.action.sequence, d.action.action), default=None)
    if latest is None or latest.action.verb == "record_stop":
        return "inactive"
    here = [stay for stay in stays if stay.conversation == conversation]
    if _was_left(here, since=Place(latest.action.after).at):
        return "inactive"
    return "paused" if latest.action.verb == "record_pause" else "active"


def _was_left(stays: Sequence[Stay], since: datetime) -> bool:
    """Whether there was nobody any more at some moment after *since*, when somebody was or was about to come."""
    until: datetime | None = None
    for stay in sorted(stays, key=lambda stay: stay.arrived):
        if until is not None and stay.arrived > until:
            break
        if stay.left is None:
            return False
        if stay.left > since:
            until = max(until or stay.left, stay.left)
    return until is not None
