"""Lists of conversations: which are wanted, and how the partitions' parts become one page.

A position is (first receipt, conversation). It never changes, so a cursor holds while calls come in, go on and end.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from app.store import keys, scripts
from app.store.codec import EPOCH, MILLISECOND, milliseconds
from app.store.link import Command
from app.store.record_command import ScriptConfig

MOST_LOOKED_AT: Final = 500  # conversations a partition looks at for one page beyond those it gives

State = Literal["any", "live", "presumed_ended", "ended"]
SUFFIXES: Final = (4, 7)  # lengths at which a number also means "ends in"


class Position(NamedTuple):
    """A place in the list: first receipt in ms, conversation as bytes."""

    first_received: int
    conversation: bytes


class Page(NamedTuple):
    """Conversations, newest first, each with its place; and where to go on, None at the end of the list."""

    items: tuple[Position, ...]
    next: Position | None

    @property
    def conversations(self) -> list[str]:
        """Their ids."""
        return [keys.decode(item.conversation) for item in self.items]


class Filter(NamedTuple):
    """Which conversations are wanted.

    `number` is digits: a whole number or, with 4 or 7 of them and unless `whole`, also its end. `since` is inclusive,
    `until` is not; both are about the first receipt. `presumed_before`: a live conversation last heard before it is
    presumed ended.
    """

    state: State = "any"
    number: str = ""
    since: datetime | None = None
    until: datetime | None = None
    presumed_before: datetime | None = None
    whole: bool = False

    def command(self, part: keys.Partition, terms: ScriptConfig, after: Position | None, limit: int) -> Command:
        """Ask one partition for its part of the page."""
        if self.number:
            sources: tuple[bytes, ...] = (part.number(self.number),)
        else:
            sources = {
                "any": (part.live, part.ended),
                "live": (part.live,),
                "presumed_ended": (part.live,),
                "ended": (part.ended,),
            }[self.state]
        lowest = _first_millisecond(self.since) if self.since else "-inf"
        highest: int | str = _first_millisecond(self.until) - 1 if self.until else "+inf"
        name = b""
        if after is not None and (highest == "+inf" or after.first_received <= int(highest)):
            highest, name = after
        presumed = milliseconds(self.presumed_before) if self.presumed_before else 0
        suffix = int(len(self.number) in SUFFIXES and not self.whole)
        args: tuple[Any, ...] = (
            part.tag,
            *terms,
            self.state,
            presumed,
            self.number,
            suffix,
            lowest,
            highest,
            name,
            limit,
        )
        return Command(part.live, (*args, limit + MOST_LOOKED_AT), scripts.PAGE, sources)


def _first_millisecond(moment: datetime) -> int:
    """The first whole millisecond that is not before *moment*."""
    return -((EPOCH - moment) // MILLISECOND)


def merge_pages(parts: Sequence[Sequence[Any]], limit: int) -> Page:
    """One page out of what `lua/page.lua` gave for each partition."""
    found: set[Position] = set()
    horizon: Position | None = None  # beyond the nearest place at which a source stopped looking, nothing is sure
    for finished, conversation, first, flat in (source for part in parts for source in part):
        found.update(Position(int(at), name) for name, at in zip(flat[::2], flat[1::2], strict=True))
        if not finished:
            horizon = max(filter(None, (horizon, Position(int(first), conversation))))
    sure = sorted((item for item in found if horizon is None or item >= horizon), reverse=True)
    items = tuple(sure[:limit])
    if len(sure) > limit or (len(sure) == limit and horizon is not None):
        return Page(items, items[-1])
    return Page(items, horizon)
