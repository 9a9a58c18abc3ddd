"""Spans of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vonage_simulator.spans import Span, Spans, overlap, without


def at(seconds: float) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def span(since: float, until: float | None, value: str = "x") -> Span[str]:
    return Span(value, at(since), None if until is None else at(until))


def test_what_was_so_at_a_moment() -> None:
    spans: Spans[str] = Spans()
    spans.begin("first", at(1))
    spans.begin("second", at(2), at(4))
    assert [spans.at(at(moment)) for moment in (0.5, 1, 3, 4)] == [[], ["first"], ["first", "second"], ["first"]]
    spans.end(at(3))
    assert [item.until for item in spans] == [at(3), at(3)]
    spans.end(at(5))
    assert [item.until for item in spans] == [at(3), at(3)], "it ended before"


def test_what_had_not_begun_has_no_length() -> None:
    later = span(5, 9)
    later.ends(at(3))
    assert later.since == later.until == at(5)


@pytest.mark.parametrize(
    ("first", "second", "common"),
    [
        ((0, 5), (3, 9), (3, 5)),
        ((0, 5), (5, 9), None),
        ((0, None), (3, None), (3, None)),
        ((0, None), (3, 4), (3, 4)),
        ((6, 7), (3, 4), None),
    ],
)
def test_the_time_that_two_have_in_common(
    first: tuple[float, float | None], second: tuple[float, float | None], common: tuple[float, float | None] | None
) -> None:
    wanted = None if common is None else span(*common)
    assert overlap(span(*first), span(*second)) == overlap(span(*second), span(*first)) == wanted


@pytest.mark.parametrize(
    ("others", "left"),
    [
        ([], [(0, 10)]),
        ([(2, 3)], [(0, 2), (3, 10)]),
        ([(0, 3), (8, None)], [(3, 8)]),
        ([(0, 10)], []),
        ([(20, 30)], [(0, 10)]),
    ],
)
def test_the_time_at_which_there_were_no_others(
    others: list[tuple[float, float | None]], left: list[tuple[float, float | None]]
) -> None:
    assert without(span(0, 10), [span(*other) for other in others]) == [span(*part) for part in left]


def test_an_endless_span_goes_on_after_the_others() -> None:
    assert without(span(0, None), [span(2, 3)]) == [span(0, 2), span(3, None)]
