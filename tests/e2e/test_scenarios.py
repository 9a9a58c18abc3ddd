"""Every built-in scenario on a real server with two workers, its own store and signatures: the state is right."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

import pytest

from tests.e2e.play_scenario import Played, play
from tests.e2e.simulate_command import serving
from tests.serving import Server
from vonage_simulator import scenarios

# The scenarios that are wrong on purpose, and the error that the simulator must notice.
WRONG = {"wrong-ncco": "cannot be run: action 2 (connect), endpoint[0].number"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all scenarios."""
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


def assert_state_is_right(name: str, played: Played) -> None:
    assert played.verdict.ok, "\n".join(played.verdict.lines())
    assert played.verdict.lossless
    assert (played.verdict.lost, played.verdict.sent > 0) == (0, True)
    assert len(played.troubles) == (name in WRONG), played.troubles
    assert all(WRONG[name] in trouble for trouble in played.troubles)


@pytest.mark.parametrize("event_method", ["POST", "GET"])
@pytest.mark.parametrize("name", scenarios.names())
def test_the_state_is_right_after_each(server: Server, name: str, event_method: str):
    played = play(server, scenarios.find(name), event_method=event_method)
    assert_state_is_right(name, played)
    assert (played.verdict.copies, played.verdict.refused) == (0, 0)


@pytest.mark.parametrize(("name", "event_method"), list(zip(scenarios.names(), cycle(["POST", "GET"]), strict=False)))
def test_the_state_is_right_after_each_with_delivery_faults(server: Server, name: str, event_method: str):
    """Webhooks come late, twice, in another order, over cut connections, or unsigned at first. To the faults it is all
    one by which method they are sent.
    """
    played = play(server, scenarios.find(name), "lossless=0.3", event_method=event_method)
    assert_state_is_right(name, played)
    assert played.verdict.copies + played.verdict.refused > 0
