"""The ids of the stream's events: they hold a position in every partition, and nothing else passes for one."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.live.position import LARGEST, BadPosition, is_before, read, write
from app.store.feed import NOTHING_YET, FeedPosition
from app.store.keys import PARTITIONS

NOW = 1_790_000_000_000  # ms
entries = st.just(NOTHING_YET) | st.tuples(st.integers(1, LARGEST), st.integers(0, LARGEST))
positions = st.lists(entries, min_size=PARTITIONS, max_size=PARTITIONS).map(tuple)


@given(positions)
def test_every_position_can_be_read_again(position: FeedPosition) -> None:
    assert read(write(position)) == position


def test_an_id_is_short() -> None:
    """Seven days between the partitions' latest entries, and some entries in one millisecond."""
    position = tuple((NOW + number * 3_600_000 * 11, number) for number in range(PARTITIONS))
    assert len(write(position)) < 130


GOOD = write(tuple((NOW + number, 0) for number in range(PARTITIONS)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1",
        "0-0",
        "latest",
        "ü" * 20,
        "A" * 5000,
        GOOD[:-1],
        GOOD + "AA",
        GOOD + "=",
        GOOD + " ",
        " " + GOOD,
        "B" + GOOD[1:],
        GOOD.replace(GOOD[5], "\n"),
        GOOD.replace(GOOD[5], "/"),
    ],
)
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(BadPosition):
        read(text)


@given(st.text(max_size=200) | st.text("ABCDEFabcdef0123456789-_", max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(BadPosition):
        assert write(read(text)) == text, "one position has one id"


def test_a_position_is_before_another_if_no_partition_is_beyond_it() -> None:
    one = ((5, 0), (7, 1))
    assert is_before(one, one)
    assert is_before(one, ((5, 1), (7, 1)))
    assert not is_before(one, ((6, 0), (7, 0)))
