"""The sessions of users after real calls: what the API says of each is what the carrier knows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.e2e.simulate_command import API_KEY, SECRET, serving
from tests.serving import Server
from vonage_simulator import scenarios
from vonage_simulator.delivery.fault_plan import FaultPlan
from vonage_simulator.ledger import Leg
from vonage_simulator.simulation import application, simulation

WITH_USERS = (
    *("phone-to-app", "app-to-app", "app-to-phone", "callee-busy", "callee-rejects", "callee-unreachable"),
    *("nobody-answers", "caller-gives-up", "callee-hangs-up-first", "hold-and-resume", "transferred-by-agent"),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all calls."""
    with serving(tmp_path_factory.mktemp("server"), WEB_CONCURRENCY="1") as server:
        yield server


def played(server: Server, name: str, faults: str) -> dict[str, Leg]:
    """The legs of a scenario after it, by uuid, as the carrier knows them."""
    base = f"http://127.0.0.1:{server.port}"
    aim = application(answer_url=f"{base}/voice/answer", event_url=f"{base}/voice/event", secret=(API_KEY, SECRET))

    async def run() -> dict[str, Leg]:
        async with simulation(aim, speed=None, faults=FaultPlan.read(faults), seed=7) as carrier:
            await carrier.play(scenarios.find(name))
            await carrier.over()
            return dict(carrier.ledger.legs)

    return asyncio.run(run())


def met(one: Leg, other: Leg) -> datetime | None:
    """When both were answered, if they were at the same time."""
    if not (one.answered and other.answered):
        return None
    began = max(one.times["answered"], other.times["answered"])
    return began if began <= min(one.times["completed"], other.times["completed"]) else None


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@pytest.mark.parametrize("faults", ["", "lossless=0.3"], ids=["orderly", "faults"])
@pytest.mark.parametrize("name", WITH_USERS)
def test_each_user_has_the_session_that_the_carrier_saw(server: Server, name: str, faults: str) -> None:
    legs = played(server, name, faults)
    of_users = [leg for leg in legs.values() if leg.endpoint == "app"]
    assert of_users
    for leg in of_users:
        user = leg.from_user or leg.to
        session: Any = server.api(f"/api/v1/users/{user}/sessions/{leg.uuid}")
        assert session.status == 302 or session.json["id"] == leg.uuid
        session = session.json if session.status == 200 else server.api(session.headers["Location"]).json
        of_call = server.api(f"/api/v1/calls/{session['id']}").json["legs"]
        others = [legs[each["uuid"]] for each in of_call if each["user"] != user]
        together = [at for other in others if (at := met(leg, other))]
        assert (session["leg"], session["sipCallId"], session["state"]) == (leg.uuid, leg.uuid, "ended")
        assert session["isCaller"] is (leg.from_user is not None)
        assert session["answered"] is bool(together)
        assert moment(session["answerTime"]) == min(together, default=None)
        assert session["cause"] == ("completed" if leg.answered else leg.failure or "unanswered")
        assert moment(session["endTime"]) == leg.times.get("completed", moment(session["endTime"]))
        assert session["sipStatus"] == "Terminated"
        assert {session["number"]} <= {other.caller if other.direction == "inbound" else other.to for other in others}
        assert not any(session[field] for field in ("ringing", "muted", "paused"))
    for user in {leg.from_user or leg.to for leg in of_users}:
        listed = server.api(f"/api/v1/users/{user}/sessions?state=ended").json["items"]
        assert {leg.uuid for leg in of_users if user in (leg.from_user, leg.to)} <= {one["leg"] for one in listed}
        phone = server.api(f"/api/v1/users/{user}/phone").json
        assert (phone["sessions"], phone["currentSessionID"], phone["isMaxCall"]) == ([], None, False)


def test_a_user_rings_and_talks_while_the_carrier_rings_and_connects(server: Server) -> None:
    """Watched from outside, on the clock of the wall."""
    base = f"http://127.0.0.1:{server.port}"
    aim = application(answer_url=f"{base}/voice/answer", event_url=f"{base}/voice/event", secret=(API_KEY, SECRET))
    seen: list[tuple[str | None, str | None]] = []

    async def run() -> None:
        async with simulation(aim, speed=2, faults=FaultPlan.read(""), seed=9) as carrier:
            await carrier.play(scenarios.find("phone-to-app"))
            over = asyncio.create_task(carrier.over())
            while not over.done():
                phone = (await asyncio.to_thread(server.api, "/api/v1/users/Alice/phone")).json
                for one in phone["sessions"]:
                    assert (one in phone["incomingList"]) is (one["status"]["callStatus"] == "ringing")
                    state = one["status"]["callStatus"], phone["currentSessionID"] and one["answeredBy"]
                    if state not in seen[-1:]:
                        seen.append(state)
                await asyncio.sleep(0.05)

    asyncio.run(run())
    assert seen == [("ringing", None), ("talking", "app")]
