"""When something was so: a list of spans of time, each with what it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


@dataclass(slots=True)
class Span(Generic[Value]):
    """From `since`, to `until`; None: no end is known."""

    value: Value
    since: datetime
    until: datetime | None = None

    def ends(self, at: datetime) -> None:
        """It ends at *at*, if not before."""
        if self.until is None or self.until > at:
            self.until = max(self.since, at)


class Spans(list[Span[Value]]):
    """In the order of their beginnings."""

    def begin(self, value: Value, at: datetime, until: datetime | None = None) -> Span[Value]:
        self.append(Span(value, at, until))
        return self[-1]

    def end(self, at: datetime) -> None:
        """What goes on ends at *at*."""
        for span in self:
            span.ends(at)

    def at(self, moment: datetime) -> list[Value]:
        """What was so at *moment*."""
        return [span.value for span in self if span.since <= moment and (span.until is None or moment < span.until)]


def overlap(first: Span[Value], second: Span[Any]) -> Span[Value] | None:
    """The time that both have in common, with the value of *first*."""
    since = max(first.since, second.since)
    ends = [span.until for span in (first, second) if span.until is not None]
    until = min(ends, default=None)
    return Span(first.value, since, until) if until is None or since < until else None


def without(span: Span[Value], others: Iterable[Span[Any]]) -> list[Span[Value]]:
    """The parts of *span* at which none of *others* was."""
    left = [span]
    for other in others:
        parts: list[Span[Value]] = []
        for part in left:
            if (common := overlap(part, other)) is None:
                parts.append(part)
                continue
            if part.since < common.since:
                parts.append(Span(part.value, part.since, common.since))
            if common.until is not None and common.until != part.until:
                parts.append(Span(part.value, common.until, part.until))
        left = parts
    return left
