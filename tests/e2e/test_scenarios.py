"""Every built-in scenario on the real server, with two workers, its own store, and signatures: it tells the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from app.simulator import scenarios
from app.simulator.delivery.faults import Faults
from app.simulator.simulation import application, simulation
from app.simulator.truth.check import Verdict, check
from app.simulator.truth.server_api import Server as Api
from tests.e2e.simulating import API_KEY, SECRET, serving
from tests.serving import OPERATOR, Server

WRONG = {"wrong-ncco": "cannot be run: action 2 (connect), endpoint[0].number"}  # what is wrong on purpose


class Played(NamedTuple):
    """What came of a scenario: the truth check, and what went wrong on the way."""

    verdict: Verdict
    troubles: list[str]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for all of them."""
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


def play(server: Server, name: str, faults: str = "", *, event_method: str) -> Played:
    """Play a scenario on the clock that jumps, then look what the server knows of it."""
    for _ in range(3):
        played = played_once(server, name, faults, event_method=event_method)
        if "it answers 503" not in played.troubles:  # a machine that is busy enough may be too slow for an event, once
            break
    return played


def played_once(server: Server, name: str, faults: str, *, event_method: str) -> Played:
    base = f"http://127.0.0.1:{server.port}"
    aim = application(
        answer_url=f"{base}/voice/answer",
        event_url=f"{base}/voice/event",
        fallback_url=f"{base}/voice/fallback",
        event_method=event_method,
        secret=(API_KEY, SECRET),
    )
    troubles: list[str] = []
    wrong = Faults.read(faults)

    async def run() -> Played:
        async with (
            Api(base, OPERATOR) as api,
            simulation(
                aim,
                speed=None,
                faults=wrong,
                seed=1,
                watch=lambda one: troubles.append(one.data["words"]) if one.what == "trouble" else None,
            ) as carrier,
        ):
            await carrier.play(scenarios.find(name))
            await carrier.over()
            conversations = carrier.ledger.conversations.values()
            verdict = await check(conversations, carrier.post.sent, api.told, lossless=wrong.lossless)
        return Played(verdict, troubles)

    return asyncio.run(run())


def all_is_told_as_it_was(name: str, played: Played) -> None:
    assert played.verdict.ok, "\n".join(played.verdict.lines())
    assert played.verdict.lossless
    assert (played.verdict.lost, played.verdict.sent > 0) == (0, True)
    assert len(played.troubles) == (name in WRONG), played.troubles
    assert all(WRONG[name] in trouble for trouble in played.troubles)


@pytest.mark.parametrize("event_method", ["POST", "GET"])
@pytest.mark.parametrize("name", scenarios.names())
def test_each_is_told_as_it_was(server: Server, name: str, event_method: str):
    played = play(server, name, event_method=event_method)
    all_is_told_as_it_was(name, played)
    assert (played.verdict.copies, played.verdict.refused) == (0, 0)


@pytest.mark.parametrize("event_method", ["POST", "GET"])
@pytest.mark.parametrize("name", scenarios.names())
def test_each_is_told_as_it_was_however_its_webhooks_come(server: Server, name: str, event_method: str):
    """Late, twice, in another order, from cut connections, unsigned at first."""
    played = play(server, name, "lossless=0.3", event_method=event_method)
    all_is_told_as_it_was(name, played)
    assert played.verdict.copies + played.verdict.refused > 0
