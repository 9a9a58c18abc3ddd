"""Which conversations are one call: laws, for made-up guests."""

from __future__ import annotations

from collections.abc import Mapping, Set
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.grouping import join_conversations

NAMES = "abcdefgh"
guests_of = st.dictionaries(st.sampled_from(NAMES), st.frozensets(st.sampled_from(NAMES), max_size=3))


def classes(guests: Mapping[str, Set[str]]) -> set[frozenset[str]]:
    """The sets of joined conversations."""
    found: dict[str, set[str]] = {}
    for name, leader in join_conversations(guests).items():
        found.setdefault(leader, set()).add(name)
    return set(map(frozenset, found.values()))


def naive(guests: Mapping[str, Set[str]], chance: Random) -> set[frozenset[str]]:
    """The same by the definition: apply the rule anywhere until it changes nothing."""
    together = {frozenset(name) for name in {*guests, *(o for origins in guests.values() for o in origins)}}
    while True:
        options = []
        for name, origins in guests.items():
            own = next(each for each in together if name in each)
            of_guests = {next(each for each in together if origin in each) for origin in origins}
            if len(of_guests) == 1 and of_guests != {own}:
                options.append((own, *of_guests))
        if not options:
            return together
        one, other = chance.choice(options)
        together = together - {one, other} | {one | other}


@given(guests_of, st.randoms(use_true_random=False))
def test_the_order_in_which_conversations_are_looked_at_does_not_matter(
    guests: dict[str, frozenset[str]], chance: Random
) -> None:
    expected = naive(guests, chance)
    for _ in range(5):
        shuffled = list(guests.items())
        chance.shuffle(shuffled)
        assert classes(dict(shuffled)) == expected == naive(dict(shuffled), chance)


@given(guests_of)
def test_joining_what_is_joined_changes_nothing(guests: dict[str, frozenset[str]]) -> None:
    leaders = join_conversations(guests)
    again = {leaders[name]: frozenset[str]() for name in leaders}
    for name, origins in guests.items():
        again[leaders[name]] |= {leaders[origin] for origin in origins} - {leaders[name]}
    own = {name: origins for name, origins in again.items() if len(origins) > 1}
    assert classes(own) >= {frozenset(name) for name in own}


@pytest.mark.parametrize(
    ("guests", "joined"),
    [
        ({"a": ""}, ["a"]),
        ({"b": "a"}, ["ab"]),  # a transfer
        ({"b": "a", "c": "b", "d": "c"}, ["abcd"]),  # a chain of them
        ({"b": "a", "a": "b"}, ["ab"]),  # there and back with another leg
        ({"r": "ab"}, ["a", "b", "r"]),  # two calls meet in a room
        ({"r": "ab", "b": "a"}, ["abr"]),  # which were one call already
        ({"r": "ah", "h": "a"}, ["ahr"]),  # from hold to a room
        ({"r": "abc", "b": "a"}, ["ab", "c", "r"]),
        ({"r": "ab", "s": "ar", "b": "a"}, ["abrs"]),  # one decision follows from another
    ],
)
def test_what_is_joined(guests: dict[str, str], joined: list[str]) -> None:
    assert classes({name: set(origins) for name, origins in guests.items()}) == set(map(frozenset, joined))
