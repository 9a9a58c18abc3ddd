"""Which flow a call gets: that of the first route that fits."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from app.domain.numbers import digits
from app.flows.hours import is_open
from app.flows.model import FlowFile, Route
from app.flows.request import Request

ANY, NUMBER = "*", "number"
LEAST_DIGITS: Final = 7  # of a telephone number, with its country code: fewer are an extension, or a short code
# Meant as a number, though it is none. Names of app users may be digits and letters, so these must be clear cases.
MISSPELT: Final = re.compile(r"\+.*|(?!\d+$)(?=(?:\D*\d){7})[\d(][\d ().OolI-]*|\d{7,}[^\W\d_]+", re.ASCII)


def pattern_fault(text: str) -> str | None:
    """What is wrong with *text* as a pattern of a route; None if nothing is."""
    if not text.strip():
        return "must not be empty: * is for any"
    if text != text.strip():
        return "must have no blanks around it"
    if "*" in text.removesuffix(ANY):
        return "may have a * only at its end, for anything that follows"
    if _digits(text) is None and MISSPELT.fullmatch(text.removesuffix(ANY).strip()):
        return "is no telephone number: those have digits, 15 at most, and + before them or not"
    return None


def fits(pattern: str, party: str | None) -> bool:
    """Whether *pattern* is for *party*: a number, an address or a name."""
    if not party:
        return False
    if pattern == ANY:
        return True
    number, wanted = digits(party), _digits(pattern)
    if pattern == NUMBER:
        return number is not None and len(number) >= LEAST_DIGITS
    if pattern.endswith(ANY):
        folded, begins = party.casefold(), pattern[:-1].casefold()
        return folded.startswith(begins) if wanted is None else _plain(party).startswith(wanted)
    return party.casefold() == pattern.casefold() if wanted is None or number is None else number == wanted


def covers(wide: str | None, narrow: str | None) -> bool:
    """Whether *wide* is for every party that *narrow* is for. None is for all calls, also those without a party."""
    if wide is None or narrow is None:
        return wide is None
    if wide in (ANY, narrow):
        return True
    if narrow in (ANY, NUMBER):
        return False
    wanted = _digits(wide)
    if not narrow.endswith(ANY):  # fits its own text; only a number may be written in other ways
        by_writing = wide.endswith(ANY) and wanted is None and digits(narrow) is not None
        return fits(wide, narrow) and not by_writing
    if not wide.endswith(ANY):
        return False
    if wanted is None:
        return _digits(narrow) is None and narrow[:-1].casefold().startswith(wide[:-1].casefold())
    return (_digits(narrow) or _plain(narrow[:-1])).startswith(wanted)


def shadowed(earlier: Route, later: Route) -> bool:
    """Whether *later* is never taken, because *earlier* takes every call that it could."""
    same_time = earlier.when is None or (earlier.when == later.when and earlier.closed == later.closed)
    return (
        same_time
        and covers(earlier.to, later.to)
        and covers(earlier.from_, later.from_)
        and covers(earlier.from_user, later.from_user)
    )


def choose(flow_file: FlowFile, request: Request, at: datetime) -> Route | None:
    """The route that *request* takes at the moment *at*; None if none is for it."""
    for route in flow_file.routes:
        # Vonage sends one of `from` and `from_user`: so a route with one of them is not for calls with the other.
        # https://developer.vonage.com/en/voice/voice-api/webhook-reference#answer-webhook
        sides = ((route.to, request.to), (route.from_, request.from_), (route.from_user, request.from_user))
        suits = all(pattern is None or fits(pattern, party) for pattern, party in sides)
        if suits and (route.when is None or is_open(route.when, at) is not route.closed):
            return route
    return None


def _digits(pattern: str) -> str | None:
    """The digits of the number that *pattern* is, or begins with."""
    return digits(pattern.removesuffix(ANY).strip())  # blanks before the star: `+44 20 *`


def _plain(party: str) -> str:
    """*party* as it is compared with the digits of a prefix."""
    return digits(party) or party.casefold().removeprefix("+")
