"""A call as a drawing: where on it each part of its ladder goes. Pixels from the left and from the top.

Time goes downwards, but not to scale: a moment takes as much room as its words need, and a long silence a little more
than a short one. A call of an hour is as easy to read as one of a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from math import log10
from typing import Final, NamedTuple

from app.calls.fields import timestamp
from app.calls.ladder import Crossing, Ladder, Lane, Mark
from app.domain.timeline import Doing
from vonage_simulator.printable import safe

MOST_LANES: Final = 12
MOST_MOMENTS: Final = 300
CLOCK, LANE = 96, 208  # widths
HEAD, LINE, TAIL = 52, 19, 24  # heights
BAR: Final = 10  # width
INDENT: Final = 12  # from the left of a lane to its bar
WORDS: Final = 23  # characters beside a bar
MOST_SILENCE: Final = 44


class Row(NamedTuple):
    """A moment at which something happened."""

    y: int
    at: str
    seconds: str  # since the beginning


class Head(NamedTuple):
    """The top of a lane; `y` and `bottom` are where its leg began and ended."""

    x: int
    title: str
    whole: str
    direction: str | None
    y: int
    bottom: int


class Bar(NamedTuple):
    """What a leg did for a time; `goes_on` if it still does."""

    x: int
    y: int
    height: int
    doing: Doing
    goes_on: bool


class Dot(NamedTuple):
    """An event. `words` are cut to fit, `whole` are all of them."""

    x: int
    y: int
    kind: str
    words: str
    whole: str


class Line(NamedTuple):
    """A leg went to another conversation."""

    x: int
    y: int
    words: str
    whole: str
    conference: bool


class Picture(NamedTuple):
    """All of it. `more_lanes` and `more_moments` are how many were left out."""

    width: int
    height: int
    rows: list[Row]
    heads: list[Head]
    bars: list[Bar]
    dots: list[Dot]
    lines: list[Line]
    beside: int | None  # the left of the lane for what concerns no leg, if there is any
    more_lanes: int
    more_moments: int


def picture_of(ladder: Ladder) -> Picture:
    """Where each part of *ladder* goes."""
    lanes = ladder.lanes[:MOST_LANES]
    moments = _moments(ladder, lanes)
    shown = moments[:MOST_MOMENTS]
    column = {index: CLOCK + index * LANE + INDENT for index in range(len(lanes))}
    of_no_lane = any(mark.lane not in column for mark in ladder.marks)
    beside = CLOCK + len(lanes) * LANE + INDENT if of_no_lane else None
    notes = _notes(ladder, set(shown))
    top = _tops(shown, notes, range(len(lanes)))
    bottom = TAIL + (top[shown[-1]] + LINE * (_most(notes, shown[-1], range(len(lanes))) - 1) if shown else HEAD)

    def y_of(at: datetime | None) -> int:
        if at is None or at not in top:  # it goes on, or is beyond what is shown
            return bottom - TAIL // 2
        return top[at]

    dots, lines = [], []
    for (at, lane), here in notes.items():
        x = column.get(lane, beside or 0) if lane is not None else beside or 0
        for number, note in enumerate(here):
            y = top[at] + number * LINE
            if isinstance(note, Mark):
                dots.append(Dot(x, y, note.kind, _cut(note.words), safe(note.words)))
            else:
                words = f"→ {note.joined}"
                lines.append(Line(x, y, _cut(words), safe(f"{note.left} → {note.joined}"), note.conference))
    return Picture(
        width=CLOCK + (len(lanes) + of_no_lane) * LANE,
        height=bottom,
        rows=[Row(top[at], timestamp(at) or "", f"+{(at - ladder.begins).total_seconds():.3f}") for at in shown],
        heads=[
            Head(
                x=column[index],
                title=_cut(lane.title),
                whole=safe(lane.title),
                direction=lane.direction,
                y=y_of(lane.segments[0].start) if lane.segments else HEAD,
                bottom=y_of(lane.segments[-1].end) if lane.segments else HEAD,
            )
            for index, lane in enumerate(lanes)
        ],
        bars=[
            Bar(column[index], y, max(y_of(segment.end) - y, 2), segment.doing, segment.end is None)
            for index, lane in enumerate(lanes)
            for segment in lane.segments
            if segment.start in top
            for y in (top[segment.start],)
        ],
        dots=dots,
        lines=lines,
        beside=beside,
        more_lanes=len(ladder.lanes) - len(lanes),
        more_moments=len(moments) - len(shown),
    )


Notes = dict[tuple[datetime, int | None], list[Mark | Crossing]]


def _moments(ladder: Ladder, lanes: tuple[Lane, ...]) -> list[datetime]:
    """Every moment at which something is to be drawn."""

    def found() -> Iterator[datetime | None]:
        yield from (mark.at for mark in ladder.marks)
        yield from (crossing.at for crossing in ladder.crossings if crossing.lane < len(lanes))
        yield from (at for lane in lanes for segment in lane.segments for at in (segment.start, segment.end))

    return sorted({at for at in found() if at is not None})


def _notes(ladder: Ladder, shown: set[datetime]) -> Notes:
    """What happened at each moment that is *shown*, in each lane that is; None: in no lane, or in one that is not."""
    notes: Notes = {}
    everything: list[Mark | Crossing] = [*ladder.marks, *ladder.crossings]
    for note in everything:
        lane = note.lane if note.lane is not None and note.lane < MOST_LANES else None
        if note.at in shown and (lane is not None or isinstance(note, Mark)):
            notes.setdefault((note.at, lane), []).append(note)
    return notes


def _most(notes: Notes, at: datetime, lanes: range) -> int:
    """How many lines the words of a moment take."""
    return max((len(notes.get((at, lane), ())) for lane in (None, *lanes)), default=0) or 1


def _tops(shown: list[datetime], notes: Notes, lanes: range) -> dict[datetime, int]:
    """Where each moment is."""
    top: dict[datetime, int] = {}
    y = HEAD + LINE // 2
    for at, following in pairwise([*shown, None]):
        if at is None:
            continue
        top[at] = y
        if following is not None:
            silence = (following - at).total_seconds()
            y += LINE * _most(notes, at, lanes) + min(MOST_SILENCE, round(18 * log10(1 + max(silence, 0))))
    return top


def _cut(words: str) -> str:
    words = safe(words)
    return words if len(words) <= WORDS else words[: WORDS - 1] + "…"
