"""The ladder of a call as a drawing: that what is drawn is where it happened, and inside the picture."""

from __future__ import annotations

from itertools import pairwise

from app.calls.picture import MOST_LANES, MOST_MOMENTS, WORDS, Picture, picture_of
from tests.calls.test_ladder import held, ladder
from tests.domain.builders import about, status


def is_inside(picture: Picture) -> bool:
    """Whether all of it can be seen."""
    points = [(dot.x, dot.y) for dot in picture.dots] + [(line.x, line.y) for line in picture.lines]
    points += [(bar.x, y) for bar in picture.bars for y in (bar.y, bar.y + bar.height)]
    return all(0 < x < picture.width and 0 < y <= picture.height for x, y in points)


def test_time_goes_downwards_and_moments_do_not_overlap() -> None:
    picture = picture_of(ladder(*held()))
    assert [row.seconds for row in picture.rows] == [
        *("+0.000", "+1.000", "+2.000", "+5.000", "+10.000", "+15.000", "+16.000", "+20.000")
    ]
    tops = [row.y for row in picture.rows]
    assert all(later - earlier >= 19 for earlier, later in pairwise(tops))
    assert is_inside(picture)


def test_a_bar_goes_from_the_moment_it_begins_to_the_one_it_ends() -> None:
    picture = picture_of(ladder(*held()))
    top = {row.seconds: row.y for row in picture.rows}
    caller, alice = picture.heads
    hold = next(bar for bar in picture.bars if bar.doing == "hold")
    assert (hold.x, hold.y, hold.y + hold.height) == (caller.x, top["+10.000"], top["+15.000"])
    assert not any(bar.goes_on for bar in picture.bars)
    assert [(line.x, line.y) for line in picture.lines] == [(caller.x, top["+10.000"]), (caller.x, top["+15.000"])]
    assert min(bar.y for bar in picture.bars if bar.x == alice.x) == top["+2.000"]


def test_two_events_of_a_moment_in_a_lane_are_one_below_the_other() -> None:
    picture = picture_of(ladder(*held()))
    places = [(dot.x, dot.y) for dot in picture.dots]
    assert len(set(places)) == len(places)


def test_what_goes_on_ends_at_the_bottom() -> None:
    picture = picture_of(ladder(*list(held())[:3]))
    (*_, last) = picture.bars
    assert last.goes_on
    assert last.y + last.height == picture.height - 12


def test_events_of_no_leg_have_a_lane_of_their_own() -> None:
    assert picture_of(ladder(*held())).beside is None
    picture = picture_of(ladder(*held(), about(17, uuid=None, recording_url="https://r.example/1", recording_uuid="R")))
    assert picture.beside is not None
    assert [dot.kind for dot in picture.dots if dot.x == picture.beside] == ["record"]
    assert is_inside(picture)


def test_large_calls_are_cut_and_it_is_said() -> None:
    legs = [status("ringing", second, uuid=f"leg-{second:03}") for second in range(MOST_LANES + 3)]
    keys = [about(20 + second, uuid="caller", dtmf={"digits": "1"}) for second in range(MOST_MOMENTS)]
    picture = picture_of(ladder(*held(), *legs, *keys))
    assert (len(picture.heads), len(picture.rows)) == (MOST_LANES, MOST_MOMENTS)
    assert picture.more_lanes == 5
    assert picture.more_moments > 0
    assert is_inside(picture)


def test_long_and_hostile_words_are_cut_and_made_printable() -> None:
    picture = picture_of(ladder(*held(), about(17, uuid="caller", dtmf={"digits": "\x1b[31m" + "9" * 99})))
    (dot,) = [dot for dot in picture.dots if "[31m" in dot.words]
    assert len(dot.words) == WORDS
    assert dot.whole.isprintable()
    assert dot.whole.endswith("9" * 99)
