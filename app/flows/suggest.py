"""What was meant by a name that is not there: guessed, as long as that takes no time worth speaking of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from itertools import islice
from typing import Final

MOST_GUESSES: Final = 40  # for one file: a pair of names takes up to 0.1 ms, and there can be thousands of each
MOST_NAMES: Final = 1_000
LONGEST: Final = 64  # characters

_left: Final[ContextVar[int | None]] = ContextVar("guesses left", default=None)


@contextmanager
def few_guesses() -> Iterator[None]:
    """While it lasts, only so many guesses are made."""
    before = _left.set(MOST_GUESSES)
    try:
        yield
    finally:
        _left.reset(before)


def guess(word: str, known: Iterable[str]) -> str | None:
    """The one of *known* that is written most like *word*; None if none is, or if enough has been guessed."""
    left = _left.get()
    if left == 0 or len(word) > LONGEST:
        return None
    if left is not None:
        _left.set(left - 1)
    near = get_close_matches(word, [name for name in islice(known, MOST_NAMES) if len(name) <= LONGEST], n=1)
    return near[0] if near else None
