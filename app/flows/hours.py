"""Opening hours: read from a flows file, and whether it is open at a moment.

All times are local to the zone, so a change of the clocks needs no rule: what opens at 09:00 opens at 09:00, the hour
that is left out in spring does not occur, and the hour that occurs twice in autumn is open twice, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from app.flows.model import Hours
from vonage_simulator.yaml_source import Reader, Steps

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")  # as datetime.weekday() counts them
FIELDS: Final = ("zone", "open", "holidays")
DAY_ENDS: Final = 24 * 60
SPAN: Final = re.compile(r"(\d\d):([0-5]\d)\s*-\s*(\d\d):([0-5]\d)", re.ASCII)
DATE: Final = re.compile(r"(?:(\d{4})-)?(\d\d)-(\d\d)", re.ASCII)
LEAP_YEAR: Final = 2000  # a day of every year may be 02-29, which some years do not have

Span = tuple[int, int]  # minutes of the day, from and to


def is_open(hours: Hours, at: datetime) -> bool:
    """Whether *hours* are open at *at*, an aware datetime; the minute at which a span ends is closed."""
    local = at.astimezone(hours.zone)
    today, minute = local.date(), local.hour * 60 + local.minute
    evening_before = _spans(hours, today - timedelta(days=1)) if today > date.min else ()
    return any(_over_midnight(span) and minute < span[1] for span in evening_before) or any(
        span[0] <= minute and (minute < span[1] or _over_midnight(span)) for span in _spans(hours, today)
    )


def _spans(hours: Hours, day: date) -> Iterable[Span]:
    """The spans that begin on *day*."""
    closed = day in hours.holidays or (day.month, day.day) in hours.holidays
    return () if closed else hours.week.get(day.weekday(), ())


def _over_midnight(span: Span) -> bool:
    return span[1] <= span[0]


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def read(reader: Reader, value: Any, path: Steps, name: str) -> Hours | None:
    """The hours *name*, which are the *value* at *path*."""
    if (options := reader.mapping(value, path, empty=True)) is None:
        return None
    reader.fields(options, FIELDS, path)
    for field in ("zone", "open"):
        if field not in options:
            reader.wrong((*path, field), "is missing")
    zone = _zone(reader, options["zone"], (*path, "zone")) if "zone" in options else None
    week = _week(reader, options["open"], (*path, "open")) if "open" in options else {}
    days = reader.items(options["holidays"], (*path, "holidays")) if "holidays" in options else []
    holidays = [_holiday(reader, day, (*path, "holidays", index)) for index, day in enumerate(days or [])]
    if zone is None:
        return None
    return Hours(name=name, zone=zone, week=week, holidays=frozenset(day for day in holidays if day is not None))


def _zone(reader: Reader, value: Any, path: Steps) -> ZoneInfo | None:
    if (text := reader.text(value, path)) is None:
        return None
    if text in _zones():  # checked first: ZoneInfo opens other files in the folder of zones, too
        return ZoneInfo(text)
    folded = text.strip().replace(" ", "_").casefold()
    zones = [zone for zone in sorted(_zones()) if not zone.startswith("Etc/")]  # their signs mislead
    city = next((zone for zone in zones if "/" in zone and zone.casefold().rpartition("/")[2] == folded), None)
    near = f"; did you mean {city}?" if city else reader.suggest(folded, zones)
    reader.wrong(path, f"is no time zone{near or '; zones are named as in Europe/London'}")
    return None


def _week(reader: Reader, value: Any, path: Steps) -> dict[int, tuple[Span, ...]]:
    week: dict[int, tuple[Span, ...]] = {}
    keys: dict[int, str] = {}
    for key, text in (reader.mapping(value, path) or {}).items():
        here = (*path, key)
        spans = _times(reader, text, here)
        for day in _days(reader, key, here):
            if day in keys:
                twice = f"in {keys[day]} already" if keys[day] != key else "twice"
                reader.wrong(here, f"names {DAYS[day]} {twice}", key=True)
            else:
                keys[day], week[day] = key, spans
    return week


def _days(reader: Reader, key: str, path: Steps) -> list[int]:
    days: list[int] = []
    for part in key.split(","):
        ends = [end.strip() for end in part.split("-")]
        if unknown := [end for end in ends if end not in DAYS]:
            name = unknown[0] or "an empty text"
            near = reader.suggest(name, DAYS)
            reader.wrong(path, f"{name} is no day{near}; there are {', '.join(DAYS)}", key=True)
        elif len(ends) > 2:
            reader.wrong(path, f"{part.strip()} has more than two ends, as in mon-fri", key=True)
        else:
            first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
            days += [(first + count) % 7 for count in range((last - first) % 7 + 1)]  # fri-mon has four
    return days


def _times(reader: Reader, value: Any, path: Steps) -> tuple[Span, ...]:
    if (text := reader.text(value, path)) is None:
        return ()
    spans: list[Span] = []
    for part in map(str.strip, text.split(",")):
        if (found := SPAN.fullmatch(part)) is None:
            words = "must be times, as in 09:00-17:30; a day that is closed is left out"
            reader.wrong(path, f'"{part}" {words}' if part else words)
            continue
        begins, ends = (int(found[group]) * 60 + int(found[group + 1]) for group in (1, 3))
        if begins >= DAY_ENDS or ends > DAY_ENDS:
            words = "goes beyond 24:00: a span into the next day ends with a time of that day, as in 22:00-06:00"
            reader.wrong(path, f"{part} {words}")
        elif begins == ends:
            reader.wrong(path, f"{part} begins and ends at the same time: a whole day is 00:00-24:00")
        else:
            spans.append((begins, ends))
    return tuple(spans)


def _holiday(reader: Reader, value: Any, path: Steps) -> date | tuple[int, int] | None:
    if (text := reader.text(value, path)) is None:
        return None
    if (found := DATE.fullmatch(text)) is None:
        reader.wrong(path, "must be a date, as in 2026-12-24, or a day of every year, as in 12-25")
        return None
    try:
        day = date(int(found[1] or LEAP_YEAR), int(found[2]), int(found[3]))
    except ValueError:
        reader.wrong(path, "is a day that there is not")
        return None
    return day if found[1] else (day.month, day.day)
