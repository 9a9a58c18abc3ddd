"""Every built-in scenario on the real server, with two workers, its own store, and signatures: it tells the truth."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.playing import Played, play
from tests.e2e.simulating import serving
from tests.serving import Server
from vonage_simulator import scenarios

WRONG = {"wrong-ncco": "cannot be run: action 2 (connect), endpoint[0].number"}  # what is wrong on purpose


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all of them."""
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


def all_is_told_as_it_was(name: str, played: Played) -> None:
    assert played.verdict.ok, "\n".join(played.verdict.lines())
    assert played.verdict.lossless
    assert (played.verdict.lost, played.verdict.sent > 0) == (0, True)
    assert len(played.troubles) == (name in WRONG), played.troubles
    assert all(WRONG[name] in trouble for trouble in played.troubles)


@pytest.mark.parametrize("event_method", ["POST", "GET"])
@pytest.mark.parametrize("name", scenarios.names())
def test_each_is_told_as_it_was(server: Server, name: str, event_method: str):
    played = play(server, scenarios.find(name), event_method=event_method)
    all_is_told_as_it_was(name, played)
    assert (played.verdict.copies, played.verdict.refused) == (0, 0)


@pytest.mark.parametrize("event_method", ["POST", "GET"])
@pytest.mark.parametrize("name", scenarios.names())
def test_each_is_told_as_it_was_however_its_webhooks_come(server: Server, name: str, event_method: str):
    """Late, twice, in another order, from cut connections, unsigned at first."""
    played = play(server, scenarios.find(name), "lossless=0.3", event_method=event_method)
    all_is_told_as_it_was(name, played)
    assert played.verdict.copies + played.verdict.refused > 0
