"""Whether a move was made of which no response came, by the conversation in which Vonage says that the leg is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from datetime import datetime, timedelta
from typing import Final

from app.domain.actions import MOVES
from app.domain.leg_control import Done, puts_on_hold
from app.domain.moves import Move

# How long webhooks of the move before it may still be on their way.
LATE: Final = timedelta(seconds=60)


def was_moved(
    here: str | None, left: str | None, step: Set[str], at: datetime, actions: Iterable[Done], moves: Sequence[Move]
) -> bool | None:
    """Whether the move *step*, an action of one of these ids that was sent *at* that time, was made; None if nobody
    can say.

    A leg on its way into a room goes by a conversation of its own, so when the next move is sent it may be only half
    there: that it is elsewhere later need not be by that move. *here*: where the leg is by Vonage; *left*: where it was
    by its webhooks when the step was sent. *actions*, *moves*: of the leg, by now.
    """
    if here == left:
        return False
    before = max(
        (done for done in actions if done.action.verb in MOVES and done.action.action not in step and done.at <= at),
        key=lambda done: (done.action.sequence, done.at),
        default=None,
    )
    if before is None or before.state in ("refused", "gone", "failed") or at - before.at > LATE:
        return True
    joined = [
        move.joined for move in sorted(moves, key=lambda move: move.place) if move.place.order > before.action.after
    ]
    its = 1 if puts_on_hold(before.action) else 2
    if here in joined:
        return here not in joined[:its]
    return True if len(joined) >= its else None
