"""A leg's moves, and in which conversation they leave it."""

from collections.abc import Sequence
from itertools import pairwise, permutations, product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.moves import Move, presence, seen
from tests.domain.builders import HERE, THERE, YONDER, at


def here(moves: Sequence[Move], conversation: str) -> bool:
    return presence(moves, conversation).here


def test_a_leg_that_never_moved_is_present_where_it_was_seen_last() -> None:
    assert presence([], HERE) == (None, None)
    assert presence([], HERE, seen(at(1), HERE)) == (None, None)
    assert presence([], HERE, seen(at(2), THERE)) == (None, Move(at(2), HERE, THERE))


def test_a_move_says_more_than_where_a_leg_was_seen() -> None:
    """A late event may be filed where the leg was before."""
    move = Move(at(1), THERE, YONDER)
    place = max(seen(at(9), HERE), move.place, seen(None, THERE))
    assert place == move.place
    assert presence([move], HERE, place) == (None, move), "also if its way there was not reported"
    assert (move.place.at, seen(at(9), HERE).at) == (at(1), at(9))


def test_a_move_takes_a_leg_from_one_conversation_to_the_other() -> None:
    move = Move(at(1), HERE, THERE)
    assert presence([move], HERE) == (None, move)
    assert presence([move], THERE) == (move, None)


def test_a_leg_may_come_back_and_leave_again() -> None:
    away, back, again = Move(at(1), HERE, THERE), Move(at(2), THERE, HERE), Move(at(3), HERE, THERE)
    for arrived in permutations([away, back]):
        assert presence(arrived, HERE) == (back, None)
        assert presence(arrived, THERE) == (away, back)
    for arrived in permutations([away, back, again]):
        assert presence(arrived, HERE) == (back, again)
        assert presence(arrived, THERE) == (again, None)


def test_moves_of_one_moment_are_settled_by_the_larger_name_of_where_they_went() -> None:
    moves = [Move(at(1), HERE, THERE), Move(at(1), THERE, HERE)]
    assert HERE < THERE
    for arrived in permutations(moves):
        assert not here(arrived, HERE)
        assert here(arrived, THERE)


def test_a_move_to_nowhere_is_a_departure_and_one_from_nowhere_an_arrival() -> None:
    assert not here([Move(at(1), HERE, None)], HERE)
    assert here([Move(at(1), None, HERE)], HERE)


def test_a_move_within_one_conversation_leaves_the_leg_there() -> None:
    assert here([Move(at(1), HERE, HERE)], HERE)


@pytest.mark.parametrize("name", ["CON-\ud800", "CON-\x00", "CON-é"])
def test_names_are_opaque(name: str) -> None:
    assert here([Move(at(1), HERE, name), Move(at(1), name, HERE)], name) != here(
        [Move(at(1), HERE, name), Move(at(1), name, HERE)], HERE
    )


NAMES = [HERE, THERE, YONDER, "CON-beyond"]
JOURNEYS = st.lists(st.sampled_from(NAMES), min_size=2, max_size=8).map(
    lambda way: [name for name, before in zip(way, [None, *way], strict=False) if name != before]
)


@given(JOURNEYS, st.randoms())
def test_a_leg_is_in_exactly_one_of_the_conversations_of_its_moves(way: list[str], chance: Random) -> None:
    moves = [Move(at(seconds), left, joined) for seconds, (left, joined) in enumerate(pairwise(way))]
    chance.shuffle(moves)
    assert [name for name in set(way) if here(moves, name)] == way[-1:]


@given(JOURNEYS.filter(lambda way: len(way) > 1), st.randoms())
def test_so_it_is_when_it_came_straight_back_at_the_same_moment(way: list[str], chance: Random) -> None:
    moves = [Move(at(seconds), left, joined) for seconds, (left, joined) in enumerate(pairwise(way))]
    moves.append(Move(moves[-1].at, moves[-1].joined, moves[-1].left))
    chance.shuffle(moves)
    assert [name for name in set(way) if here(moves, name)] == [max(way[-2:])]


def test_after_any_moves_in_one_moment_a_leg_is_in_some_conversation() -> None:
    for way in product(NAMES, repeat=5):
        moves = [Move(at(1), left, joined) for left, joined in pairwise(way) if left != joined]
        assert any(here(moves, name) for name in way), way


def test_through_three_conversations_in_one_moment_it_is_in_one_of_them() -> None:
    """Which one cannot be known; all of them say the same."""
    moves = [Move(at(1), HERE, YONDER), Move(at(1), YONDER, THERE)]
    assert [name for name in (HERE, YONDER, THERE) if here(moves, name)] == [max(YONDER, THERE)]


def test_a_leg_that_moved_on_from_elsewhere_is_gone_though_its_departure_was_not_reported() -> None:
    moves = [Move(at(1), HERE, THERE), Move(at(3), HERE, YONDER)]  # the way back from THERE was lost
    assert [name for name in (HERE, YONDER, THERE) if here(moves, name)] == [YONDER]
    assert presence(moves, THERE).departure == moves[1]
