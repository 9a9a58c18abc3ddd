"""Where a call goes by what came back from an action."""

from __future__ import annotations

import re
from functools import lru_cache

from app.flows.book import FAILED_STATUSES, Next
from app.flows.request import Result


def target(leads: Next, result: Result, *, step: str, visits: int) -> str | None:
    """The step that *leads* has for *result*; None to go on with what is behind the action.

    *step* is the one that asked, entered *visits* times in this call. Keys and words that were expected lead where they
    lead however often; everything else, and whatever leads back to *step*, at most `attempts` times if there is an
    `exhausted` for then. (What could be asked for ever without one is no flow: see `branches`.)
    """
    expected = _expected(leads, result)
    found = expected if expected is not None else _otherwise(leads, result)
    tried = leads.exhausted is not None and visits >= leads.attempts
    return leads.exhausted if found is not None and tried and (expected is None or found == step) else found


def _expected(leads: Next, result: Result) -> str | None:
    if result.digits:
        return leads.keys.get(result.digits)
    if result.speech:
        return next((step for words, step in leads.words.items() if _said(words).search(result.speech)), None)
    return None


def _otherwise(leads: Next, result: Result) -> str | None:
    if leads.always is not None:
        return leads.always
    if result.kind == "connect":
        status = result.status or ""
        return leads.statuses.get(status, leads.other) if status in FAILED_STATUSES else None
    if not result.digits and not result.speech and leads.silence is not None:
        return leads.silence
    return leads.other


@lru_cache(maxsize=1024)
def _said(words: str) -> re.Pattern[str]:
    """Finds *words* as whole words, with any blanks between them."""
    spoken = r"\s+".join(map(re.escape, words.split()))
    return re.compile(rf"(?<!\w){spoken}(?!\w)", re.IGNORECASE)
