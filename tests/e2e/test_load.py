"""Thousands of calls at once, with all that may go wrong on the way: the command finds that the server has them all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.simulating import load, serving
from tests.serving import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as server:
        yield server


def number(pattern: str, out: str) -> int:
    """The number that *pattern* finds in *out*."""
    found = re.search(pattern, out)
    assert found, out
    return int(found[1])


def test_of_two_thousand_calls_all_is_told_as_it_was(server: Server, tmp_path: Path):
    done = load(server, tmp_path, 2000, "--faults", "lossless")
    assert (done.status, done.err) == (0, ""), done
    assert number(r"placing (\d+) calls", done.out) == 2000
    assert number(r"checking (\d+) conversations", done.out) > 2000
    assert number(r"(\d+) copies", done.out) > 2000, "the faults are there"
    assert number(r"(\d+) refused", done.out) > 500, "those that came unsigned at first"
    assert number(r"(\d+) lost", done.out) == 0
    assert "all is told as it truly was" in done.out
    assert len(done.out.splitlines()) <= 6, "to a file it says little"


def test_what_was_lost_is_not_missed_and_what_was_refused_is_not_there(server: Server, tmp_path: Path):
    done = load(server, tmp_path, 300, "--faults", "all", "--speed", "50")
    assert (done.status, done.err) == (0, ""), done
    assert number(r"(\d+) lost", done.out) > 0
    assert number(r"(\d+) refused", done.out) > 0
    assert "all that was acknowledged is there, and no more" in done.out
    refused = server.api("/status").json["webhooks"]["refused"]
    assert refused.keys() == {"missing", "payload_hash", "signature", "too_new", "too_old"}
