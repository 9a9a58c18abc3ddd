"""Moments, durations, money and numbers as people read them, in the language of the request.

The server knows no time zone of its readers: moments are rendered in UTC, with the zone named beside them, and
static/times.js replaces both by the reader's.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

from flask import Flask

from app.pages.languages import locale

if TYPE_CHECKING:
    from babel import Locale
    from babel.dates import DateTimePattern

Style = Literal["auto", "full", "clock", "exact", "day"]
CENT: Final = Decimal("0.01")


def moment(at: str, style: Style = "auto") -> str:
    """The moment *at* (ISO 8601, UTC) in UTC.

    *style*: `full` is date and time, `clock` the time, `exact` that with milliseconds, `day` the date, and `auto` the
    time of a moment of today, else day, month, the year if it is another one, and time.
    """
    when, now = datetime.fromisoformat(at), datetime.now(UTC)
    clock = at[11:19]
    if style == "exact":
        return at[11:23]
    if style == "clock" or (style == "auto" and when.date() == now.date()):
        return clock
    skeleton = "MMMd" if style == "auto" and when.year == now.year else "yMMMd"
    day = _date_pattern(locale(), skeleton).apply(when, _locale())
    return day if style == "day" else f"{day}, {clock}"


def duration(seconds: float) -> str:
    """Whole seconds as on a timer: `0:12`, `1:06:40`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration_words(seconds: float) -> str:
    """Seconds in words: `12.0 s`, `1 hr 6 mins 40 secs`."""
    from babel import numbers, units

    how = _locale()
    if seconds < 60:
        return f"{numbers.format_decimal(seconds, '0.0', locale=how)} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = (("hour", hours), ("minute", minutes), ("second", rest))
    return " ".join(
        units.format_unit(amount, f"duration-{unit}", "short", locale=how) for unit, amount in parts if amount
    )


def latency(ms: float) -> str:
    """Milliseconds as `250 ms`, `1.2 s`, and from a minute on in words."""
    from babel import numbers

    if abs(ms) < 1000:
        return f"{round(ms)} ms"
    if abs(ms) < 60_000:
        return f"{numbers.format_decimal(ms / 1000, '0.0', locale=_locale())} s"
    return ("-" if ms < 0 else "") + duration_words(abs(ms) / 1000)


def weekdays() -> list[str]:
    """`Mon` to `Sun`."""
    from babel.dates import get_day_names

    names = get_day_names("abbreviated", locale=_locale())
    return [names[number] for number in range(7)]


def money(amount: str, currency: str) -> str:
    """*amount*, a decimal string, to the cent; less than half a cent is `< €0.01`, not nothing."""
    from babel import numbers

    try:
        exact = Decimal(amount)
    except InvalidOperation:  # a price that Vonage words in a way of its own
        return f"{amount} {currency}"
    if 0 < exact < CENT / 2:
        return f"< {numbers.format_currency(CENT, currency, locale=_locale())}"
    return numbers.format_currency(exact, currency, locale=_locale())


def number(value: float) -> str:
    """*value* with the separators of the language."""
    from babel import numbers

    return numbers.format_decimal(value, locale=_locale())


def percent(share: float) -> str:
    """A share from 0 to 1 as `93.4 %`."""
    from babel import numbers

    return numbers.format_percent(share, "0.#%" if locale().startswith("en") else "0.# %", locale=_locale())


def pretty(value: Any) -> str:
    """JSON as it is read best. `tojson` would write signs as escapes; here the template makes them safe."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def inline(value: Any) -> str:
    """JSON in one line."""
    return json.dumps(value, ensure_ascii=False)


def install(app: Flask) -> None:
    """Make them filters of the templates of *app*."""
    for filter_ in (moment, duration, duration_words, latency, money, number, percent, pretty, inline):
        app.jinja_env.filters[filter_.__name__] = filter_
    app.jinja_env.globals["weekdays"] = weekdays


@cache
def _date_pattern(code: str, skeleton: str) -> DateTimePattern:
    """https://cldr.unicode.org/translation/date-time/date-time-patterns"""
    from babel.dates import DateTimePattern, parse_pattern

    found = _parsed(code).datetime_skeletons[skeleton]
    return found if isinstance(found, DateTimePattern) else parse_pattern(found)


def _locale() -> Locale:
    return _parsed(locale())


@cache
def _parsed(code: str) -> Locale:
    from babel import Locale

    return Locale.parse(code, sep="-")
