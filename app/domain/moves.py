"""A leg's moves between conversations, and where they leave it.

Vonage tells of a move by a transfer event; the leg keeps its id and may come back (hold and resume do).
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
    """How a leg stands to one conversation: its latest arrival there and, while it is gone, its latest departure."""

    arrival: Move | None
    departure: Move | None

    @property
    def here(self) -> bool:
        """Whether the leg is in the conversation now."""
        return self.departure is None


def presence(moves: Sequence[Move], conversation: str) -> Presence:
    """The newest coming or going decides; a leg that never moved is present."""
    newest_last = sorted((m for m in moves if conversation in (m.left, m.joined)), key=lambda move: move.order)
    arrivals = [move for move in newest_last if move.joined == conversation]
    gone = bool(newest_last) and newest_last[-1].joined != conversation
    return Presence(arrivals[-1] if arrivals else None, newest_last[-1] if gone else None)
