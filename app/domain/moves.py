"""A leg's moves between conversations, and which conversation it is in after them.

Vonage reports a move by a transfer event; the leg keeps its id and may come back (hold and resume do).
https://developer.vonage.com/en/voice/voice-api/webhook-reference#transfer
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple


class Move(NamedTuple):
    """A leg went from the conversation `left` to `joined`."""

    at: datetime
    left: str | None
    joined: str | None

    @property
    def order(self) -> tuple[datetime, bytes]:
        """Which of two moves is newer: the later one, then the larger name of where it went.

        Both conversations of a move see the same order, so a leg is never in both or in neither.
        """
        return self.at, (self.joined or "").encode(errors="surrogatepass")


class Presence(NamedTuple):
    """A leg's latest arrival in one conversation and, while the leg is elsewhere, the move that took it away."""

    arrival: Move | None
    departure: Move | None

    @property
    def here(self) -> bool:
        """Whether the leg is in the conversation now."""
        return self.departure is None


def presence(moves: Sequence[Move], conversation: str) -> Presence:
    """A leg is where its newest move took it, even if a move in between was not reported. Without moves it is present.

    Where no departure was reported, the newest move counts as the departure.
    """
    newest_last = sorted(moves, key=lambda move: move.order)
    own = [move for move in newest_last if conversation in (move.left, move.joined)]
    arrivals = [move for move in own if move.joined == conversation]
    departure = None
    if own and newest_last[-1].joined != conversation:
        departure = own[-1] if own[-1].joined != conversation else newest_last[-1]
    return Presence(arrivals[-1] if arrivals else None, departure)
