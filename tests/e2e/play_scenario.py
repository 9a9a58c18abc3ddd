"""Play a scenario against a real server, then compare the server's state with what happened."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from tests.e2e.simulate_command import API_KEY, SECRET
from tests.serving import OPERATOR, Server
from vonage_simulator.delivery.fault_plan import FaultPlan
from vonage_simulator.scenario import Scenario
from vonage_simulator.simulation import application, simulation
from vonage_simulator.verify.check import Verdict, check
from vonage_simulator.verify.server_api import Server as Api


class Played(NamedTuple):
    """The verdict on the server's state, and the errors that the simulator noticed during the calls."""

    verdict: Verdict
    troubles: list[str]


def play(server: Server, scenario: Scenario, faults: str = "", *, event_method: str) -> Played:
    """Play *scenario* on the clock that jumps, then check what the server has stored."""
    for _ in range(3):
        played = play_once(server, scenario, faults, event_method=event_method)
        if "it answers 503" not in played.troubles:  # a busy machine may be too slow for an event
            break
    return played


def play_once(server: Server, scenario: Scenario, faults: str, *, event_method: str) -> Played:
    base = f"http://127.0.0.1:{server.port}"
    aim = application(
        answer_url=f"{base}/voice/answer",
        event_url=f"{base}/voice/event",
        fallback_url=f"{base}/voice/fallback",
        event_method=event_method,
        secret=(API_KEY, SECRET),
    )
    troubles: list[str] = []
    wrong = FaultPlan.read(faults)

    async def run() -> Played:
        async with (
            Api(base, OPERATOR) as api,
            simulation(
                aim,
                speed=None,
                faults=wrong,
                seed=1,
                watch=lambda item: troubles.append(item.data["words"]) if item.what == "trouble" else None,
            ) as carrier,
        ):
            await carrier.play(scenario)
            await carrier.over()
            await api.settled()
            conversations = carrier.ledger.conversations.values()
            verdict = await check(conversations, carrier.sender.sent, api.fetch, lossless=wrong.lossless)
        return Played(verdict, troubles)

    return asyncio.run(run())
