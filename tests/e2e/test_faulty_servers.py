"""`flask simulate load` finds each fault of a server and says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from tests.cli.shell import Inside
from tests.e2e import faulty_servers
from tests.e2e.simulate_command import API_KEY, SECRET, Done, at_lower_rates, load, serving
from tests.engines import Engine
from tests.serving import GUNICORN, OPERATOR

# Fault -> number of calls, faults on the way, and what the command must print.
FOUND: dict[Callable[[], Flask], tuple[int, str, str]] = {
    faulty_servers.drops_one_in_a_hundred: (80, "lossless", r"event .* sent at .*: expected sent, got not there"),
    faulty_servers.trusts_the_latest_event: (50, "lossless", r"leg .* status: expected completed, got \w+"),
    faulty_servers.rounds_prices: (50, "lossless", r" price: expected 0\.\d+, got 0\.\d{4}0000"),
    faulty_servers.forgets_who_left: (50, "lossless", r"event moved to CON-.*: expected sent, got not there"),
    faulty_servers.keeps_every_copy: (50, "lossless", r"event .*: expected sent once, got there \d times"),
    faulty_servers.is_sometimes_wrong: (50, "lossless", r"leg .* direction: expected \w+, got sideways"),
    faulty_servers.invents_answers: (80, "reorder", r"answers\[\d\]: expected no such thing"),
    faulty_servers.ignores_signatures: (80, "all", r"event .*: expected never sent, got there"),
    faulty_servers.keeps_what_it_refuses: (80, "all", r"event .*: expected not taken, got there 1 times"),
    faulty_servers.accepts_old_signatures: (80, "all", r"not signed by Vonage: expected refused, got acknowledged"),
}


@pytest.mark.parametrize("fault", FOUND)
def test_the_load_finds_the_fault(tmp_path: Path, valkey: Engine, fault: Callable[[], Flask]):
    calls, faults, found = FOUND[fault]
    valkey.flush()
    server = (*GUNICORN[:-1], f"tests.e2e.faulty_servers:{fault.__name__}()")
    secrets = {"access_tokens": (("operator", OPERATOR),), "signature_secrets": ((API_KEY, SECRET),)}
    with serving(tmp_path, command=server, REDIS_URL=valkey.address.url, WEB_CONCURRENCY="1") as running:
        inside = Inside(valkey.address.url, port=running.port, **secrets)

        def go(rate: int) -> Done:
            return Done(*inside.run("simulate", *load(calls, rate), "--speed", "50", "--faults", faults))

        done = at_lower_rates(go)
        inside.site.close()
    assert (done.status, done.err) == (1, ""), done
    assert re.search(found, done.out), done.out
