"""`flask simulate load` finds each fault of a server and says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.cli.shell import Inside
from tests.e2e import faulty_servers
from tests.e2e.simulate_command import API_KEY, SECRET, Done, at_lower_rates, load, serving
from tests.engines import Engine
from tests.serving import OPERATOR, Server

CALLS = 12
# Fault -> options of the command, and what it must print.
FOUND: dict[str, tuple[str, str]] = {
    "drops_some_events": ("--faults lossless", r"event .* sent at .*: expected sent, got not there"),
    "trusts_the_latest_event": ("--faults lossless=0.5", r"leg .* status: expected completed, got \w+"),
    "rounds_prices": ("--faults lossless", r" price: expected 0\.\d+, got 0\.\d{4}0000"),
    "forgets_who_left": (
        "--faults lossless --scenario transferred-by-agent",
        r"event moved to CON-.*: expected sent, got not there",
    ),
    "keeps_every_copy": ("--faults lossless", r"event .*: expected sent once, got there \d times"),
    "is_sometimes_wrong": ("--faults lossless", r"leg .* direction: expected \w+, got sideways"),
    "invents_answers": ("--faults reorder", r"answers\[\d\]: expected no such thing"),
    "ignores_signatures": ("--faults all=0.2", r"event .*: expected never sent, got there"),
    "keeps_what_it_refuses": ("--faults all=0.2", r"event .*: expected not taken, got there 1 times"),
    "accepts_old_signatures": ("--faults all=0.2", r"not signed by Vonage: expected refused, got acknowledged"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, valkey: Engine) -> Iterator[Server]:
    """A server for all faults."""
    valkey.flush()
    folder = tmp_path_factory.mktemp("server")
    more = {"REDIS_URL": valkey.address.url, "WEB_CONCURRENCY": "1"}
    with serving(folder, command=faulty_servers.COMMAND, **more) as server:
        yield server


@pytest.mark.parametrize("fault", FOUND)
def test_the_load_finds_the_fault(server: Server, valkey: Engine, fault: str):
    options, found = FOUND[fault]
    secrets = {"access_tokens": (("operator", OPERATOR),), "signature_secrets": ((API_KEY, SECRET),)}
    faulty_servers.begin(server, fault)
    inside = Inside(valkey.address.url, port=server.port, **secrets)

    def go(rate: int) -> Done:
        return Done(*inside.run("simulate", *load(CALLS, rate), *options.split()))

    done = at_lower_rates(go)
    inside.site.close()
    assert (done.status, done.err) == (1, ""), done
    assert re.search(found, done.out), done.out
