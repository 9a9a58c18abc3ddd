"""Many calls with delivery faults: `flask simulate load` finds that the server has them all right."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.simulate_command import Done, at_lower_rates, load, serving, simulate

pytestmark = pytest.mark.timeout(1200)  # at the lowest rate

Loaded = tuple[Done, dict[str, Any]]  # the command's result, and the server's /status afterwards


def number(pattern: str, out: str) -> int:
    """The number in *out* that *pattern* captures."""
    found = re.search(pattern, out)
    assert found, out
    return int(found[1])


@pytest.fixture
def loaded(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Loaded:
    """The result of a load on a new server."""
    calls, *words = request.param
    status: dict[str, Any] = {}

    def go(rate: int) -> Done:
        folder = tmp_path_factory.mktemp("server")
        with serving(folder) as server:
            done = simulate(server, folder, *load(calls, rate), *words)
            status.update(server.api("/status").json)
        return done

    return at_lower_rates(go), status


@pytest.mark.parametrize("loaded", [(60, "--faults", "lossless")], indirect=True, ids=["60 calls"])
def test_the_server_has_every_call_as_it_happened(loaded: Loaded):
    done, status = loaded
    assert (done.status, done.err) == (0, ""), done
    assert number(r"placing (\d+) calls", done.out) == 60
    assert number(r"checking (\d+) conversations", done.out) > 60
    assert number(r"(\d+) copies", done.out) > 60, "faults were made"
    assert number(r"(\d+) refused", done.out) > 15, "those that were unsigned at first"
    assert number(r"(\d+) lost", done.out) == 0
    assert "the server's state matches what happened" in done.out
    lines = [line for line in done.out.splitlines() if not line.startswith("Went wrong by itself")]  # a busy machine
    assert len(lines) <= 5, "there is no progress bar in a file"
    assert status["conversations"]["live"] == sum(status["legs"].values()) == 0
    assert status["webhooks"]["refused"].keys() == {"missing"}


@pytest.mark.parametrize("loaded", [(40, "--faults", "all", "--speed", "50")], indirect=True, ids=["40 calls"])
def test_lost_webhooks_are_not_expected_and_refused_ones_are_not_stored(loaded: Loaded):
    done, status = loaded
    assert (done.status, done.err) == (0, ""), done
    assert number(r"(\d+) lost", done.out) > 0
    assert number(r"(\d+) refused", done.out) > 0
    assert "everything acknowledged is there, and no more" in done.out
    refused = status["webhooks"]["refused"]
    assert refused.keys() == {"missing", "payload_hash", "signature", "too_new", "too_old"}
