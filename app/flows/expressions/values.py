"""What the value of an expression may be: how large, how long and how deep at most; and undefined values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from jinja2 import StrictUndefined, Undefined

LONGEST: Final = 10_000  # characters of a text that an expression gives or works on, and of the whole
MOST_ITEMS: Final = 10_000  # of lists and mappings that an expression gives, at all levels
MOST_CHARACTERS: Final = 100_000  # of all the texts in them
DEEPEST: Final = 32
LARGEST: Final = 2**63 - 1  # as most readers of JSON have it


class Wrong(Exception):
    """The value of an expression cannot be used in this call. The text says why."""


class Absent(StrictUndefined):
    """An undefined value: only its name is known. Its items are undefined, too."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return self._undefined_hint or str(self._undefined_name)


def there(value: Any) -> None:
    """Raises UndefinedError if *value* is undefined."""
    if isinstance(value, Undefined):
        str(value)


def is_number(value: Any) -> bool:
    """Whether *value* is a number; true and false are none, other than in Python."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_number(value: Any) -> Any:
    """The number *value*, if most readers of JSON would take it. Raises Wrong."""
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        raise Wrong("gives a number that is none")
    if abs(value) > LARGEST:
        raise Wrong("gives a number that is too large")
    return int(value)


def bounded(text: str) -> str:
    """*text* itself. Raises Wrong if it is longer than texts may be."""
    if len(text) > LONGEST:
        raise Wrong(f"gives more than {LONGEST:,} characters")
    return text


def as_text(value: Any) -> str:
    """*value* as part of a text. Raises Wrong, or UndefinedError."""
    if isinstance(value, str):
        return bounded(str(value))
    there(value)
    if is_number(value):
        return str(as_number(value))
    if value is None:
        raise Wrong('is none for this call, which is no text: `… or "…"` gives another')
    if isinstance(value, bool):
        raise Wrong('is true or false, which is no text: `"…" if … else "…"` makes one')
    kind = "a list" if isinstance(value, list) else "a mapping" if isinstance(value, Mapping) else "no value"
    raise Wrong(f"is {kind}, which is no text")


def as_value(value: Any) -> Any:
    """*value* as JSON has it; lists and mappings are copied. Raises Wrong, or UndefinedError."""
    return _Copy().of(value, 0)


class _Copy:
    """Counts what is copied."""

    def __init__(self) -> None:
        self._items, self._characters = 0, 0

    def of(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._copied(value)
        if is_number(value):
            return as_number(value)
        there(value)
        if not isinstance(value, list | Mapping):
            raise Wrong("is no text, number, list or mapping")
        self._items += len(value)
        if self._items > MOST_ITEMS or depth >= DEEPEST:
            raise Wrong(f"gives more than {MOST_ITEMS:,} items, or goes deeper than {DEEPEST} levels")
        if isinstance(value, list):
            return [self.of(item, depth + 1) for item in value]
        if not all(isinstance(key, str) for key in value):
            raise Wrong("is a mapping with keys that are no texts")
        return {self._copied(key): self.of(item, depth + 1) for key, item in value.items()}

    def _copied(self, text: str) -> str:
        self._characters += len(text)
        if self._characters > MOST_CHARACTERS:
            raise Wrong(f"gives more than {MOST_CHARACTERS:,} characters")
        return bounded(str(text))
