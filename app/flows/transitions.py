"""Which step comes next, by the result of an action."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

from app.flows.model import FAILED_STATUSES, Next
from app.flows.request import Result

APOSTROPHES: Final = dict.fromkeys(map(ord, "’‘‛ʼ`´′＇"), "'")  # a keyboard has one, a typesetter another
LONGEST_KEPT: Final = 200  # characters: what flows say, not what callers do


def target(leads: Next, result: Result, *, step: str, visits: int) -> str | None:
    """The step that *leads* has for *result*; None to go on with the actions after it.

    *step* has the action, and was entered *visits* times in this call. Keys and words that are expected always lead to
    their step; any other result, and all that leads back to *step*, only `attempts` times if there is `exhausted`. (A
    flow that could ask for ever without one is refused: see `graph`.)
    """
    expected = _expected(leads, result)
    found = expected if expected is not None else _otherwise(leads, result)
    tried = leads.exhausted is not None and visits >= leads.attempts
    return leads.exhausted if found is not None and tried and (expected is None or found == step) else found


def _expected(leads: Next, result: Result) -> str | None:
    if result.digits:
        return leads.keys.get(result.digits)
    for guess in (result.speech, *result.guesses):
        said = plain(guess or "")
        for words, step in leads.words.items():
            if _found(plain(words), said):
                return step
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


def plain(text: str) -> str:
    """*text* as words are compared: without capitals, with single blanks, one apostrophe and one form of Unicode."""
    return _plain(text) if len(text) <= LONGEST_KEPT else _plain.__wrapped__(text)


def within(words: str, other: str) -> bool:
    """Whether *words* would be found in *other*, as whole words in a row."""
    return _found(plain(words), plain(other))


@lru_cache(maxsize=4096)
def _plain(text: str) -> str:
    # https://www.unicode.org/versions/latest/core-spec/chapter-3/#G34145 (canonical caseless matching)
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
    return " ".join(folded.translate(APOSTROPHES).split())


def _found(words: str, text: str) -> bool:
    at = text.find(words) if words else -1
    while at >= 0:
        end = at + len(words)
        if not (at and _in_word(text[at - 1])) and not (end < len(text) and _in_word(text[end])):
            return True
        at = text.find(words, at + 1)
    return False


def _in_word(character: str) -> bool:
    # M: the vowels of हिन्दी
    return character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")
