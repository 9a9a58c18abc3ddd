"""Opening hours: read from a flows file, and asked whether it is open.

All is wall time, as it hangs where the zone is. So a change of the clocks needs no rule of its own: what opens at 09:00
opens at 09:00; of the hour that is left out in spring nothing is seen, and the one that comes twice in autumn is as
open the second time as the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from app.flows.model import Hours
from vonage_simulator.yaml_source import Fault, Faults, Located, Steps

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")  # as datetime.weekday() counts them
FIELDS: Final = ("zone", "open", "holidays")
DAY_ENDS: Final = 24 * 60
SPAN: Final = re.compile(r"(\d\d):([0-5]\d)\s*-\s*(\d\d):([0-5]\d)", re.ASCII)
DATE: Final = re.compile(r"(?:(\d{4})-)?(\d\d)-(\d\d)", re.ASCII)
LEAP_YEAR: Final = 2000  # a day of every year may be 02-29: it is one where there is one

Span = tuple[int, int]  # minutes of the day, from and to


def is_open(hours: Hours, at: datetime) -> bool:
    """Whether *hours* are open at the moment *at*, which knows its zone; the minute a span ends at is closed."""
    local = at.astimezone(hours.zone)
    today, minute = local.date(), local.hour * 60 + local.minute
    evening_before = _spans(hours, today - timedelta(days=1)) if today > date.min else ()
    return any(_over_midnight(span) and minute < span[1] for span in evening_before) or any(
        span[0] <= minute and (minute < span[1] or _over_midnight(span)) for span in _spans(hours, today)
    )


def read(file: Located, path: Steps, name: str) -> Hours:
    """The hours *name* that stand at *path* of *file*. Raises Faults, with all there are."""
    reading = _Reading(file)
    hours = reading.hours(path, name)
    if hours is None or reading.faults:
        raise Faults(reading.faults)
    return hours


def _spans(hours: Hours, day: date) -> Iterable[Span]:
    """The spans that begin on *day*."""
    closed = day in hours.holidays or (day.month, day.day) in hours.holidays
    return () if closed else hours.week.get(day.weekday(), ())


def _over_midnight(span: Span) -> bool:
    return span[1] <= span[0]


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


class _Reading:
    """One entry of `hours` on its way to Hours. Faults are gathered; None stands for what has one."""

    def __init__(self, file: Located) -> None:
        self._file = file
        self.faults: list[Fault] = []

    def hours(self, path: Steps, name: str) -> Hours | None:
        value = self._mapping(_value(self._file, path), path)
        if value is None:
            return None
        for key in value:
            if key not in FIELDS:
                there = _meant(key, FIELDS) or f"; there are {', '.join(FIELDS)}"
                self._wrong((*path, key), f"is no field here{there}", key=True)
        for key in ("zone", "open"):
            if key not in value:
                self._wrong((*path, key), "is missing")
        zone = self._zone(value["zone"], (*path, "zone")) if "zone" in value else None
        week = self._week(value["open"], (*path, "open")) if "open" in value else {}
        holidays = self._holidays(value["holidays"], (*path, "holidays")) if "holidays" in value else frozenset()
        return Hours(name=name, zone=zone, week=week, holidays=holidays) if zone else None

    def _zone(self, value: Any, path: Steps) -> ZoneInfo | None:
        if not self._is_text(value, path):
            return None
        if value not in _zones():  # asked first: ZoneInfo takes other files in the folder of zones for one, too
            self._wrong(path, f"is no time zone{_zone_meant(value)}")
            return None
        return ZoneInfo(value)

    def _week(self, value: Any, path: Steps) -> dict[int, tuple[Span, ...]]:
        week: dict[int, tuple[Span, ...]] = {}
        named: dict[int, str] = {}
        opened = self._mapping(value, path)
        if opened == {}:
            self._wrong(path, "must not be empty")
        for key, text in (opened or {}).items():
            here = (*path, key)
            spans = self._spans(text, here)
            for day in self._days(key, here):
                if day in named:
                    twice = f"in {named[day]} already" if named[day] != key else "twice"
                    self._wrong(here, f"names {DAYS[day]} {twice}", key=True)
                else:
                    named[day], week[day] = key, spans
        return week

    def _days(self, key: str, path: Steps) -> list[int]:
        days: list[int] = []
        for part in key.split(","):
            ends = [end.strip() for end in part.split("-")]
            if unknown := [end for end in ends if end not in DAYS]:
                what = unknown[0] or "an empty text"
                self._wrong(path, f"{what} is no day{_meant(what, DAYS)}; there are {', '.join(DAYS)}", key=True)
            elif len(ends) > 2:
                self._wrong(path, f"{part.strip()} has more than two ends, as in mon-fri", key=True)
            else:
                first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
                days += [(first + count) % 7 for count in range((last - first) % 7 + 1)]  # fri-mon has four
        return days

    def _spans(self, value: Any, path: Steps) -> tuple[Span, ...]:
        if not self._is_text(value, path):
            return ()
        spans: list[Span] = []
        for part in value.split(","):
            found = SPAN.fullmatch(part.strip())
            if found is None:
                words = "must be times, as in 09:00-17:30; a day that is closed is left out"
                self._wrong(path, f'"{part.strip()}" {words}' if part.strip() else words)
                continue
            begins, ends = (int(found[one]) * 60 + int(found[one + 1]) for one in (1, 3))
            if begins >= DAY_ENDS or ends > DAY_ENDS:
                words = "goes beyond 24:00: a span into the next day ends with a time of that day, as in 22:00-06:00"
                self._wrong(path, f"{part.strip()} {words}")
            elif begins == ends:
                self._wrong(path, f"{part.strip()} begins and ends at once: a whole day is 00:00-24:00")
            else:
                spans.append((begins, ends))
        return tuple(spans)

    def _holidays(self, value: Any, path: Steps) -> frozenset[date | tuple[int, int]]:
        if not isinstance(value, list):
            self._wrong(path, "must be a list: [ ] around it, or a dash before each item")
            return frozenset()
        found = (self._holiday(item, (*path, number)) for number, item in enumerate(value))
        return frozenset(day for day in found if day is not None)

    def _holiday(self, value: Any, path: Steps) -> date | tuple[int, int] | None:
        if not self._is_text(value, path):
            return None
        if (found := DATE.fullmatch(value)) is None:
            self._wrong(path, "must be a date, as in 2026-12-24, or a day of every year, as in 12-25")
            return None
        try:
            day = date(int(found[1] or LEAP_YEAR), int(found[2]), int(found[3]))
        except ValueError:
            self._wrong(path, "is a day that there is not")
            return None
        return day if found[1] else (day.month, day.day)

    def _mapping(self, value: Any, path: Steps) -> Mapping[str, Any] | None:
        if isinstance(value, dict):
            return value
        self._wrong(path, "must be fields with values, as in `name: value`")
        return None

    def _is_text(self, value: Any, path: Steps) -> bool:
        if value is None:
            self._wrong(path, "has no value: give it one, or leave it out")
        elif not isinstance(value, str):
            self._wrong(path, "must be a text")
        return isinstance(value, str)

    def _wrong(self, path: Steps, words: str, *, key: bool = False) -> None:
        self.faults.append(self._file.fault(path, words, key=key))


def _value(file: Located, path: Steps) -> Any:
    value = file.value
    for step in path:
        value = value[step]
    return value


def _meant(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word.casefold(), known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _zone_meant(text: str) -> str:
    """The zone that is written most like *text*, or the one of that city."""
    zones = {zone.casefold(): zone for zone in sorted(_zones()) if not zone.startswith("Etc/")}  # their signs mislead
    cities = {folded.rpartition("/")[2]: zone for folded, zone in zones.items() if "/" in folded}
    folded = text.strip().casefold().replace(" ", "_")
    if (near := zones.get(folded) or cities.get(folded)) is None:
        if not (close := get_close_matches(folded, zones, n=1)):
            return "; one is named as in Europe/London"
        near = zones[close[0]]
    return f"; did you mean {near}?"
