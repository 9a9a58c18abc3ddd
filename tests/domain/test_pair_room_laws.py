"""With any faults of carrier and workers: no leg of a pair is left alone in the room, or outside it."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.pair_rooms import Order, plan, project
from tests.domain.operation_model import Carrier, Workers, assert_nobody_is_left_alone, assert_order_does_not_matter

chances = st.integers(0, 2**64 - 1).map(Random)
CALLER, CALLEE, HOME = "caller", "callee-0", "CON-home"


def scene(chance: Random, *, unlucky: bool = True) -> Workers:
    """Two who talk, at a carrier that ends who is left behind, or does not."""
    carrier = Carrier(chance, unlucky=unlucky)
    carrier.begin(CALLER, HOME)
    carrier.begin(CALLEE, HOME, direction="outbound")
    if chance.random() < 0.5:
        carrier.pairs.add(HOME)
    if chance.random() < 0.3:
        carrier.after(chance.uniform(0, 60), partial(carrier.end, chance.choice([CALLER, CALLEE])))
    return Workers(carrier, project, plan, Order(CALLER, CALLEE, "call")._asdict())


def left_alone(workers: Workers) -> list[Any]:
    """Who hears nobody."""
    return [party for party in workers.carrier.alive() if not workers.carrier.company(party.uuid)]


@settings(max_examples=300)
@given(chances)
def test_nobody_is_left_alone_and_it_ends(chance: Random) -> None:
    assert_nobody_is_left_alone(scene(chance), left_alone)


@settings(max_examples=300)
@given(chances)
def test_it_is_soon_known_what_has_become_of_it(chance: Random) -> None:
    """Until then nothing else can be done to the two."""
    workers = scene(chance)
    workers.run(300)
    assert workers.state().status != "moving"


@given(chances)
def test_neither_order_nor_repeats_of_webhooks_matter(chance: Random) -> None:
    workers = scene(chance)
    workers.run()
    assert_order_does_not_matter(workers)


@pytest.mark.parametrize("verb", ["muted", "unmuted"])
def test_a_leg_that_is_switched_meanwhile_comes_so_into_the_room(verb: str) -> None:
    carrier = Carrier(Random(0), unlucky=False)
    carrier.begin(CALLER, HOME)
    carrier.begin(CALLEE, HOME, direction="outbound")
    before = [CALLER] if verb == "unmuted" else []
    workers = Workers(carrier, project, plan, Order(CALLER, CALLEE, "call", before)._asdict())
    workers.request(verb, leg=CALLER)
    workers.run(1)
    assert carrier.company(CALLER) == [CALLEE]
    assert carrier.parties[CALLER].muted == (verb == "muted")
