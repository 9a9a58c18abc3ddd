"""What went wrong, beside the NCCO that Vonage had been served when it did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from app.domain.events import Answer, CallError, Fallback

INVALID_NCCO: Final = "invalid ncco"  # as a fallback request says it: webhook-reference#fallback-url


class Served(NamedTuple):
    """An answer, the time it is told at, and when the request for it was received."""

    received: datetime
    at: datetime
    answer: Answer


class WentWrong(NamedTuple):
    """An error, or a turn to the fallback URL, at its own time; `served` is the answer that is taken for its cause."""

    at: datetime
    event: CallError | Fallback
    served: Served | None


def cause_of(event: CallError | Fallback, received: datetime, served: Sequence[Served]) -> Served | None:
    """Which of the answers *served* in a conversation led to *event*, which was *received* there; None: none of them.

    Vonage says what is wrong, never with which NCCO: it is taken to be the last that was served until then. Received
    times tell, for both are ours; an error's own timestamp is by Vonage's clock. Where the event names a leg, answers
    for others count only if there is none for it. One to a `notify` names no leg, and may be for any.

    A turn to the fallback URL has an NCCO to blame if that is the reason it gives. What was served in reply to the turn
    itself was asked for at the same moment, and is not its cause.
    """
    if isinstance(event, Fallback):
        if INVALID_NCCO not in (event.reason or "").lower():
            return None
        before = [one for one in served if one.received < received]
    else:
        before = [one for one in served if one.received <= received]
    to_its_leg = [one for one in before if event.leg is None or one.answer.leg in (event.leg, None)]
    return max(to_its_leg or before, key=lambda one: (one.received, one.answer.canonical), default=None)
