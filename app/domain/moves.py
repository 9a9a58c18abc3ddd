"""A leg's moves between conversations, and which conversation it is in after them.

Vonage reports a move by a transfer event; the leg keeps its id and may come back (hold and resume do).
https://developer.vonage.com/en/voice/voice-api/webhook-reference#transfer
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MOVED: Final = 1 << 50  # more than the milliseconds of any year


class Place(NamedTuple):
    """Where one fact says that a leg is. Of two, the larger is right: of larger order, then of larger name.

    A move says more than an event that names a conversation: events of a leg that has moved are now and then filed
    where it was. Without any move, as its webhook was lost, the leg is where its latest event was.
    """

    order: int = 0  # 0: nothing is known; up to MOVED: an event was there, ms since 1970; beyond: a move, us
    name: bytes = b""

    @property
    def at(self) -> datetime:
        """The time of the fact."""
        if self.order >= MOVED:
            return EPOCH + timedelta(microseconds=self.order - MOVED)
        return EPOCH + timedelta(milliseconds=max(self.order - 1, 0))

    @property
    def conversation(self) -> str | None:
        """The id of the conversation; None if nothing is known."""
        return self.name.decode(errors="surrogatepass") or None


UNKNOWN_PLACE: Final = Place()


def moved(at: datetime, joined: str | None) -> Place:
    """Where a leg is after a move."""
    return Place(MOVED + max((at - EPOCH) // timedelta(microseconds=1), 0), _encode(joined or ""))


def seen(at: datetime | None, conversation: str) -> Place:
    """Where a leg is by an event, of the time *at*, that is no move."""
    return Place(1 if at is None else 1 + max((at - EPOCH) // timedelta(milliseconds=1), 0), _encode(conversation))


class Move(NamedTuple):
    """A leg went from the conversation `left` to `joined`."""

    at: datetime
    left: str | None
    joined: str | None

    @property
    def place(self) -> Place:
        """Where the leg is after it. The larger is the newer one, for every conversation: it is never in two."""
        return moved(self.at, self.joined)


class Presence(NamedTuple):
    """A leg's latest arrival in one conversation and, while the leg is elsewhere, the move that took it away."""

    arrival: Move | None
    departure: Move | None

    @property
    def here(self) -> bool:
        """Whether the leg is in the conversation now."""
        return self.departure is None


def presence(moves: Sequence[Move], conversation: str, place: Place = UNKNOWN_PLACE) -> Presence:
    """A leg is where its newest move took it, even if a move in between was not reported; or at *place*, if that is
    larger. If nothing is known it is present.

    Where no departure was reported, the newest move counts as the departure; without any, that it was seen elsewhere.
    """
    newest_last = sorted(moves, key=lambda move: move.place)
    place = max([place, *(move.place for move in newest_last[-1:])])
    own = [move for move in newest_last if conversation in (move.left, move.joined)]
    arrivals = [move for move in own if move.joined == conversation]
    departure = None
    if place != UNKNOWN_PLACE and place.name != _encode(conversation):
        if own and own[-1].joined != conversation:
            departure = own[-1]
        elif newest_last and newest_last[-1].place == place:
            departure = newest_last[-1]
        else:
            departure = Move(place.at, conversation, place.name.decode(errors="surrogatepass") or None)
    return Presence(arrivals[-1] if arrivals else None, departure)


def _encode(name: str) -> bytes:
    return name.encode(errors="surrogatepass")
