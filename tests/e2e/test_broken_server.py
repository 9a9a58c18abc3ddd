"""Servers that are wrong in one thing: the load finds out, and says in what."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from tests.e2e import broken
from tests.e2e.simulating import Done, load, serving, simulate, unhurried
from tests.engines import Engine
from tests.serving import GUNICORN

# With so many calls, and such faults on the way, this is to be found out about the server.
FOUND: dict[Callable[[], Flask], tuple[int, str, str]] = {
    broken.drops_one_in_a_hundred: (200, "lossless", r"event .* sent at .*: truly sent, told not there"),
    broken.believes_what_came_last: (80, "lossless", r"leg .* status: truly completed, told \w+"),
    broken.rounds_prices: (80, "lossless", r" price: truly 0\.\d+, told 0\.\d{4}0000"),
    broken.forgets_who_left: (80, "lossless", r"event moved to CON-.*: truly sent, told not there"),
    broken.keeps_every_copy: (80, "lossless", r"event .*: truly sent once, told there \d times"),
    broken.tells_wrong_now_and_then: (80, "lossless", r"leg .* direction: truly \w+, told sideways"),
    broken.makes_answers_up: (80, "reorder", r"answers\[\d\]: truly no such thing"),
    broken.looks_at_no_signature: (80, "all", r"event .*: truly never sent, told there"),
    broken.keeps_what_it_refuses: (80, "all", r"event .*: truly not taken, told there 1 times"),
    broken.takes_what_was_signed_long_ago: (80, "all", r"not signed by Vonage: truly refused, told acknowledged"),
}


@pytest.mark.parametrize("fault", FOUND)
def test_the_load_finds_out(tmp_path: Path, valkey: Engine, fault: Callable[[], Flask]):
    calls, faults, found = FOUND[fault]
    valkey.flush()
    server = (*GUNICORN[:-1], f"tests.e2e.broken:{fault.__name__}()")
    with serving(tmp_path, command=server, REDIS_URL=valkey.address.url) as broken_server:

        def go(rate: int) -> Done:
            return simulate(broken_server, tmp_path, *load(calls, rate), "--speed", "50", "--faults", faults)

        done = unhurried(go)
    assert (done.status, done.err) == (1, ""), done
    assert re.search(found, done.out), done.out
