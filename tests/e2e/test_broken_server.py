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
    broken.drops_one_in_a_hundred: (200, "lossless", r"event .* sent at .*: expected sent, got not there"),
    broken.believes_what_came_last: (80, "lossless", r"leg .* status: expected completed, got \w+"),
    broken.rounds_prices: (80, "lossless", r" price: expected 0\.\d+, got 0\.\d{4}0000"),
    broken.forgets_who_left: (80, "lossless", r"event moved to CON-.*: expected sent, got not there"),
    broken.keeps_every_copy: (80, "lossless", r"event .*: expected sent once, got there \d times"),
    broken.tells_wrong_now_and_then: (80, "lossless", r"leg .* direction: expected \w+, got sideways"),
    broken.makes_answers_up: (80, "reorder", r"answers\[\d\]: expected no such thing"),
    broken.looks_at_no_signature: (80, "all", r"event .*: expected never sent, got there"),
    broken.keeps_what_it_refuses: (80, "all", r"event .*: expected not taken, got there 1 times"),
    broken.takes_what_was_signed_long_ago: (80, "all", r"not signed by Vonage: expected refused, got acknowledged"),
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
