"""Which NCCO of ours an error of Vonage is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from app.domain.events import Answer, CallError, Fallback

INVALID_NCCO: Final = "invalid ncco"  # as a fallback request says it: webhook-reference#fallback-url


class GivenAnswer(NamedTuple):
    """An answer, when its request was received, and the time it counts for."""

    received: datetime
    at: datetime
    answer: Answer


class WentWrong(NamedTuple):
    """An error, or a turn to the fallback URL, at its own time; `cause` is the answer that most likely led to it."""

    at: datetime
    event: CallError | Fallback
    cause: GivenAnswer | None


def cause_of(event: CallError | Fallback, received: datetime, answers: Sequence[GivenAnswer]) -> GivenAnswer | None:
    """Which of the *answers* given in a conversation led to *event*, *received* there; None if none of them did.

    Vonage reports what is wrong, never in which NCCO: we take the last one served before. Received times decide, for
    both are by our clock; an error's own timestamp is by Vonage's. Where the event names a leg, answers for other legs
    count only if there is none for it. The answer to a `notify` names no leg, and may be for any.

    A turn to the fallback URL is caused by an NCCO only if it gives that as the reason. The answer to the turn itself
    was requested at the same moment, and is not its cause.
    """
    if isinstance(event, Fallback):
        if INVALID_NCCO not in (event.reason or "").lower():
            return None
        before = [given for given in answers if given.received < received]
    else:
        before = [given for given in answers if given.received <= received]
    for_its_leg = [given for given in before if event.leg is None or given.answer.leg in (event.leg, None)]
    return max(for_its_leg or before, key=lambda given: (given.received, given.answer.canonical), default=None)
