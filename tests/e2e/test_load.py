"""Thousands of calls at once, with all that may go wrong on the way: the command finds that the server has them all."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e.simulating import Done, load, serving, simulate, unhurried

Loaded = tuple[Done, dict[str, Any]]  # what the command said, and what the server then says of itself


def number(pattern: str, out: str) -> int:
    """The number that *pattern* finds in *out*."""
    found = re.search(pattern, out)
    assert found, out
    return int(found[1])


@pytest.fixture
def loaded(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Loaded:
    """What comes of a load, on a server that knows no other call."""
    calls, *words = request.param
    status: dict[str, Any] = {}

    def go(rate: int) -> Done:
        folder = tmp_path_factory.mktemp("server")
        with serving(folder) as server:
            done = simulate(server, folder, *load(calls, rate), *words)
            status.update(server.api("/status").json)
        return done

    return unhurried(go), status


@pytest.mark.parametrize("loaded", [(2000, "--faults", "lossless")], indirect=True, ids=["2,000 calls"])
def test_all_is_told_as_it_was(loaded: Loaded):
    done, status = loaded
    assert (done.status, done.err) == (0, ""), done
    assert number(r"placing (\d+) calls", done.out) == 2000
    assert number(r"checking (\d+) conversations", done.out) > 2000
    assert number(r"(\d+) copies", done.out) > 2000, "the faults are there"
    assert number(r"(\d+) refused", done.out) > 500, "those that came unsigned at first"
    assert number(r"(\d+) lost", done.out) == 0
    assert "the server's state matches what happened" in done.out
    assert len(done.out.splitlines()) <= 5, "to a file it says little"
    assert status["conversations"]["live"] == sum(status["legs"].values()) == 0
    assert status["webhooks"]["refused"].keys() == {"missing"}


@pytest.mark.parametrize("loaded", [(300, "--faults", "all", "--speed", "50")], indirect=True, ids=["300 calls"])
def test_what_was_lost_is_not_missed_and_what_was_refused_is_not_there(loaded: Loaded):
    done, status = loaded
    assert (done.status, done.err) == (0, ""), done
    assert number(r"(\d+) lost", done.out) > 0
    assert number(r"(\d+) refused", done.out) > 0
    assert "all that was acknowledged is there, and no more" in done.out
    refused = status["webhooks"]["refused"]
    assert refused.keys() == {"missing", "payload_hash", "signature", "too_new", "too_old"}
