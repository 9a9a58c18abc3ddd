"""A scenario played against a real server, and whether that tells the truth of it."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from tests.e2e.simulating import API_KEY, SECRET
from tests.serving import OPERATOR, Server
from vonage_simulator.delivery.fault_plan import FaultPlan
from vonage_simulator.scenario import Scenario
from vonage_simulator.simulation import application, simulation
from vonage_simulator.verify.check import Verdict, check
from vonage_simulator.verify.server_api import Server as Api


class Played(NamedTuple):
    """What came of a scenario: the truth check, and what went wrong on the way."""

    verdict: Verdict
    troubles: list[str]


def play(server: Server, story: Scenario, faults: str = "", *, event_method: str) -> Played:
    """Play a scenario on the clock that jumps, then look what the server knows of it."""
    for _ in range(3):
        played = played_once(server, story, faults, event_method=event_method)
        if "it answers 503" not in played.troubles:  # a machine that is busy enough may be too slow for an event, once
            break
    return played


def played_once(server: Server, story: Scenario, faults: str, *, event_method: str) -> Played:
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
                watch=lambda one: troubles.append(one.data["words"]) if one.what == "trouble" else None,
            ) as carrier,
        ):
            await carrier.play(story)
            await carrier.over()
            conversations = carrier.ledger.conversations.values()
            verdict = await check(conversations, carrier.sender.sent, api.fetch, lossless=wrong.lossless)
        return Played(verdict, troubles)

    return asyncio.run(run())
