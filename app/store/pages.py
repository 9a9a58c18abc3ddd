"""Lists of conversations: filters, positions, and the merging of the partitions' parts into one page.

A position is (first receipt, conversation). It stays as it is while calls come in and end, so a cursor stays valid. One
of which an event waited in a spool (app/spool) may move towards the past: it is listed twice then, and never missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from app.store import keys, scripts
from app.store.codec import EPOCH, MILLISECOND, milliseconds
from app.store.link import Command

MAX_SCANNED: Final = 50  # conversations that a partition checks for one page beyond those it returns

State = Literal["any", "live", "presumed_ended", "ended"]
SUFFIXES: Final = (4, 7)  # lengths at which a number also means "ends in"


class Position(NamedTuple):
    """A position in the list: first receipt in ms, conversation as bytes."""

    first_received: int
    conversation: bytes


class Page(NamedTuple):
    """Conversations by position, newest or oldest first; `next` is None at the end of the list."""

    items: tuple[Position, ...]
    next: Position | None

    @property
    def conversations(self) -> list[str]:
        """Their ids."""
        return [keys.decode(item.conversation) for item in self.items]


class Filter(NamedTuple):
    """Which conversations are wanted.

    `number` is digits: a whole number or, with 4 or 7 of them and unless `whole`, also its end. `since` is inclusive,
    `until` is not; both are about the first receipt. A live conversation without an event since `presumed_before` is
    presumed ended. `mark` (`app/domain/marks.py`) counts only without a number. The newest come first unless
    `oldest_first`.
    """

    state: State = "any"
    number: str = ""
    since: datetime | None = None
    until: datetime | None = None
    presumed_before: datetime | None = None
    whole: bool = False
    mark: str = ""
    oldest_first: bool = False

    def command(self, part: keys.Partition, ttl: int, after: Position | None, limit: int) -> Command:
        """Read one partition's part of the page."""
        if self.number:
            sources: tuple[bytes, ...] = (part.number(self.number),)
        elif self.mark:
            sources = (part.mark(self.mark),)
        elif self.state == "any":
            sources = (part.live, part.ended)
        else:
            sources = (part.ended if self.state == "ended" else part.live,)
        lowest: int | str = _first_millisecond(self.since) if self.since else "-inf"
        highest: int | str = _first_millisecond(self.until) - 1 if self.until else "+inf"
        name = b""
        if after is not None and self.oldest_first:
            if lowest == "-inf" or after.first_received >= int(lowest):
                lowest, name = after
        elif after is not None and (highest == "+inf" or after.first_received <= int(highest)):
            highest, name = after
        presumed = milliseconds(self.presumed_before) if self.presumed_before else 0
        suffix = int(len(self.number) in SUFFIXES and not self.whole)
        matching = (self.state, presumed, self.number, suffix, lowest, highest, name)
        args: tuple[Any, ...] = (part.tag, ttl, *matching, limit, limit + MAX_SCANNED, int(self.oldest_first))
        return Command(part.live, args, scripts.PAGE, sources)


def _first_millisecond(moment: datetime) -> int:
    """The first whole millisecond that is not before *moment*."""
    return -((EPOCH - moment) // MILLISECOND)


def merge_pages(parts: Sequence[Sequence[Any]], limit: int, *, oldest_first: bool = False) -> Page:
    """One page from what `lua/page.lua` returned for each partition."""
    found: set[Position] = set()
    horizon: Position | None = None  # the first position at which a source stopped: beyond it, some may be missing
    nearest = min if oldest_first else max
    for finished, conversation, first, flat in (source for part in parts for source in part):
        found.update(Position(int(at), name) for name, at in zip(flat[::2], flat[1::2], strict=True))
        if not finished:
            horizon = nearest(filter(None, (horizon, Position(int(first), conversation))))
    complete = sorted(
        (item for item in found if horizon is None or nearest(item, horizon) == item), reverse=not oldest_first
    )
    items = tuple(complete[:limit])
    if len(complete) > limit or (len(complete) == limit and horizon is not None):
        return Page(items, items[-1])
    return Page(items, horizon)
