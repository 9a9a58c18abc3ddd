"""The figures of calls over the last hour, day or week, in a time zone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from app.calls.fields import timestamp
from app.calls.names import NOBODY, Known
from app.calls.schemas import CURRENCY
from app.domain.call_summary import price_of
from app.domain.leg_state import OUTCOMES
from app.domain.numbers import mask, mask_party
from app.store.apart import apart
from app.store.codec import milliseconds, moment
from app.store.contract import Counts

PERIODS: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
STEPS: Final = {"hour": 1, "day": 15, "week": 60}  # minutes of a point of the series
QUARTER: Final = 15  # minutes: the most exact that is counted but for starts and ends
TOP: Final = 20  # numbers that are named
HOURS_A_DAY: Final = 24
ANSWERED: Final = OUTCOMES.index("answered")


class FiguresReader(Protocol):
    """What is needed of the store. Both raise StoreUnavailable."""

    def call_figures(self, first: int, last: int) -> tuple[dict[int, Counter[str]], dict[int, Counter[str]]]:
        """See `app/store/figures.py`."""

    def counts(self, presumed_before: datetime) -> Counts:
        """All counters."""


def read_figures(
    store: FiguresReader, period: str, zone: ZoneInfo, now: datetime, *, mask_numbers: bool, names: Known = NOBODY
) -> dict[str, Any]:
    """The figures as JSON: of the calls that began in the last *period* of PERIODS, at the time *now*.

    It begins at a quarter of an hour. Raises StoreUnavailable.
    """
    until = milliseconds(now) // 60_000
    since = milliseconds(now - PERIODS[period]) // 60_000 // QUARTER * QUARTER
    live = store.counts(now).counters.get("live_calls", 0)
    # Those after now too: a clock of Vonage's may be ahead.
    calls, numbers = store.call_figures(since // 60, until // 60 + 1)
    figures = Figures(period, zone, since, until, live, calls, numbers, mask_numbers, names)
    return apart(figures.as_json)


@dataclass(frozen=True, slots=True)
class Figures:
    """*calls* and *numbers* are what the store counted by hour; *since* and *until* are minutes since 1970."""

    period: str
    zone: ZoneInfo
    since: int
    until: int
    live: int
    calls: Mapping[int, Counter[str]]
    numbers: Mapping[int, Counter[str]]
    mask_numbers: bool
    names: Known

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        quarters = {quarter: self._quarter(quarter) for quarter in self._quarters()}
        total: Counter[str] = Counter()
        for counted in quarters.values():
            total.update(counted)
        outcomes = {name: total[f"o{number}"] for number, name in enumerate(OUTCOMES)}
        ended = sum(outcomes.values())
        at_once = self._at_once()
        peak = max(at_once, key=lambda minute: (at_once[minute], minute))
        return {
            "period": self.period,
            "tz": self.zone.key,
            "since": _iso(self.since),
            "until": _iso(self.until + 1),
            "calls": {"total": _calls(total), "live": total["o-"], **outcomes},
            "rates": {name: _share(number, ended) for name, number in outcomes.items()},
            "talk_seconds": {"average": _average(total["t"], total["T"]), "total": total["t"] / 1000},
            "wait_seconds": {"average": _average(total["w"], total["W"])},
            "at_once": {"now": self.live, "peak": at_once[peak], "peak_at": _iso(peak) if at_once[peak] else None},
            "price": price_of(total["p"]),
            "currency": CURRENCY,
            "step_seconds": STEPS[self.period] * 60,
            "series": self._series(quarters, at_once),
            "days": self._days(quarters),
            "heat_map": self._heat_map(quarters),
            **self._by_number(),
        }

    def _quarters(self) -> range:
        """The first minute of each quarter of an hour."""
        return range(self.since, self.until + 1, QUARTER)

    def _quarter(self, start: int) -> Counter[str]:
        digit = str(start % 60 // QUARTER)
        found = self.calls.get(start // 60, Counter())
        return Counter({name[1:]: value for name, value in found.items() if name[0] == digit and name[1].isalpha()})

    def _started(self, minute: int) -> int:
        return self._in_minute(minute, "+")

    def _in_minute(self, minute: int, sign: str) -> int:
        return self.calls.get(minute // 60, Counter()).get(f"{minute % 60}{sign}", 0)

    def _at_once(self) -> dict[int, int]:
        """For each minute, how many calls were live in it: counted back from those that are live now."""
        found: dict[int, int] = {}
        live = self.live
        for minute in range((max(self.calls, default=self.until // 60) + 1) * 60 - 1, self.since - 1, -1):
            live += self._in_minute(minute, "-")
            if minute <= self.until:
                found[minute] = max(live, 0)
            live -= self._started(minute)
        return found

    def _series(self, quarters: Mapping[int, Counter[str]], at_once: Mapping[int, int]) -> list[dict[str, Any]]:
        step, points = STEPS[self.period], []
        for start in range(self.since // step * step, self.until + 1, step):
            minutes = [minute for minute in range(start, start + step) if minute in at_once]
            counted: Counter[str] = Counter()
            for quarter in range(start, start + step, QUARTER):
                counted.update(quarters.get(quarter, Counter()))
            whole = step >= QUARTER
            points.append(
                {
                    "at": _iso(start),
                    "calls": sum(map(self._started, minutes)),
                    "at_once": max(at_once[minute] for minute in minutes),
                    "answered": counted[f"o{ANSWERED}"] if whole else None,
                    "price": price_of(counted["p"]) if whole else None,
                }
            )
        return points

    def _days(self, quarters: Mapping[int, Counter[str]]) -> list[dict[str, Any]]:
        days: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for start, counted in quarters.items():
            days[self._local(start).date().isoformat()].update(counted)
        return [
            {
                "date": date,
                "calls": _calls(counted),
                "answered": counted[f"o{ANSWERED}"],
                "price": price_of(counted["p"]),
            }
            for date, counted in days.items()
        ]

    def _heat_map(self, quarters: Mapping[int, Counter[str]]) -> list[list[int]]:
        grid = [[0] * HOURS_A_DAY for _ in range(7)]
        for start, counted in quarters.items():
            local = self._local(start)
            grid[local.weekday()][local.hour] += _calls(counted)
        return grid

    def _by_number(self) -> dict[str, Any]:
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for sort, number, value in self._number_fields():
            found[number][sort] += value
        together = found.pop("", Counter())
        ranked = sorted(found, key=lambda number: (-found[number]["t"], number))
        for number in ranked[TOP:]:
            together.update(found[number])
        return {
            "numbers": [
                {
                    "number": mask_party(number) if self.mask_numbers else number,
                    "name": self._name_of(number),
                    **_of_number(found[number]),
                }
                for number in ranked[:TOP]
            ],
            "other_numbers": _of_number(together),
        }

    def _name_of(self, number: str) -> str | None:
        name = self.names.of(number)
        return mask(name) if name and self.mask_numbers else name

    def _number_fields(self) -> Iterator[tuple[str, str, int]]:
        for hour, counted in self.numbers.items():
            for field, value in counted.items():
                if self.since <= hour * 60 + int(field[0]) * QUARTER <= self.until:
                    yield field[1], field[2:], value

    def _local(self, minute: int) -> datetime:
        return moment(minute * 60_000).astimezone(self.zone)


def _calls(counted: Counter[str]) -> int:
    return sum(number for name, number in counted.items() if name[0] == "o")


def _of_number(counted: Counter[str]) -> dict[str, Any]:
    calls, answered = counted["t"], counted["a"]
    return {
        "calls": calls,
        "answered": answered,
        "answered_rate": _share(answered, calls),
        "price": price_of(counted["p"]),
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _average(ms: int, number: int) -> float | None:
    return round(ms / number / 1000, 3) if number else None


def _iso(minute: int) -> str | None:
    return timestamp(datetime.fromtimestamp(minute * 60, UTC))
