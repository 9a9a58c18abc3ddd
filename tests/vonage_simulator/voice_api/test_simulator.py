"""The routes that only the simulator has, as a test in another process uses them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.vonage_simulator.api_server import ALICE, CALL, OURS, ROOM, Json, Server, serving
from vonage_simulator.scenario import FarEnd

WAITS = "447700900303"


@pytest.fixture(scope="module")
def simulator(carrier_folder: Path) -> Iterator[Server]:
    with serving(carrier_folder, other_requests_per_second=15.0) as server:
        server.carrier.callees = {**server.carrier.callees, WAITS: FarEnd(does="waits")}
        yield server


def use(server: Server, method: str, path: str, body: Any = None, status: int = 204) -> Any:
    """Without a token."""
    url = f"{server.base}/simulator/{path}"
    found = requests.request(method, url, json=body, timeout=20, verify=str(server.certificate.ca))
    assert found.status_code == status, found.text
    return found.json() if found.content else None


def ledger_of(server: Server, uuid: str) -> Json:
    return use(server, "GET", f"legs/{uuid}", status=200)


def call(server: Server, **more: Any) -> str:
    """A call that rings at somebody who waits."""
    body = CALL | {"to": [{"type": "phone", "number": WAITS}]} | more
    return server.ask("POST", "/v1/calls", body).json()["uuid"]


def test_a_callee_is_made_to_answer_press_keys_and_hang_up(simulator: Server) -> None:
    ask = {"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 2, "timeOut": 10}}
    uuid = call(simulator, ncco=[ask, *ROOM])
    simulator.until(lambda: "ringing" in ledger_of(simulator, uuid)["times"])
    use(simulator, "POST", f"legs/{uuid}/answer")
    simulator.until(lambda: [it for it in simulator.happenings if (it.leg, it.what) == (uuid, "input")])
    use(simulator, "POST", f"legs/{uuid}/press", {"digits": "4#"})
    simulator.until(lambda: ledger_of(simulator, uuid)["conversations"][-1]["name"] == "room")
    use(simulator, "POST", f"legs/{uuid}/hangup")
    found = ledger_of(simulator, uuid)
    assert (found["status"], found["ended"]["by"]) == ("completed", "user")
    keys = [body["dtmf"]["digits"] for body in simulator.events if body.get("uuid") == uuid and "dtmf" in body]
    assert keys == ["4#"]


def test_a_callee_is_made_to_decline(simulator: Server) -> None:
    uuid = call(simulator)
    simulator.until(lambda: "ringing" in ledger_of(simulator, uuid)["times"])
    use(simulator, "POST", f"legs/{uuid}/reject")
    simulator.until(lambda: ledger_of(simulator, uuid)["status"] == "rejected")


def test_somebody_calls(simulator: Server) -> None:
    """The ledger says when the caller is in the room that the application answered with."""
    body = {"from": ALICE, "to": OURS, "far_end": {"does": "waits"}}
    made = use(simulator, "POST", "calls", body, status=201)
    simulator.until(lambda: ledger_of(simulator, made["uuid"])["conversations"][-1]["name"] == "room")
    assert ledger_of(simulator, made["uuid"])["conversations"][0]["uuid"] == made["conversation_uuid"]
    use(simulator, "POST", f"legs/{made['uuid']}/hangup")


def test_what_cannot_be_is_refused(simulator: Server) -> None:
    uuid = call(simulator)
    use(simulator, "POST", "legs/nobody/answer", status=404)
    use(simulator, "GET", "legs/nobody", status=404)
    use(simulator, "POST", f"legs/{uuid}/hangup", status=400)
    assert _wrong(use(simulator, "POST", f"legs/{uuid}/press", {"digits": "a"}, status=400)) == ["digits"]
    assert _wrong(use(simulator, "POST", "calls", {"from": ALICE}, status=400)) == ["calls[0].to"]
    assert _wrong(use(simulator, "POST", "calls", [], status=400)) == ["calls[0]"]
    for rules in ([{"fault": "slaw"}], [{"fault": "slow", "verbs": ["sing"]}]):
        assert _wrong(use(simulator, "PUT", "faults", {"rules": rules}, status=400)) == ["rules"]
    assert _wrong(use(simulator, "PUT", "faults", {"rules": [{"first": 0}]}, status=400)) == [
        "rules[0].fault",
        "rules[0].first",
    ]


def _wrong(body: Json) -> list[str]:
    return sorted(item["name"] for item in body["invalid_parameters"])


def test_the_faults_of_the_api_are_set_and_its_requests_are_in_the_ledger(simulator: Server) -> None:
    uuid = call(simulator)
    use(simulator, "PUT", "faults", {"rules": [{"fault": "503", "verbs": ["get"], "first": 2, "count": 1}]})
    assert [simulator.ask("GET", f"/v1/calls/{uuid}").status_code for _ in range(3)] == [200, 503, 200]
    use(simulator, "PUT", "faults", {"rules": []})
    found = use(simulator, "GET", "ledger", status=200)
    assert ledger_of(simulator, uuid) in found["legs"]
    requested = [(it["verb"], it["status"], it["fault"]) for it in found["requests"] if it["about"] == uuid]
    assert requested == [("get", 200, None), ("get", 503, "503"), ("get", 200, None)]


def test_these_routes_count_for_no_limit(simulator: Server) -> None:
    for _ in range(20):
        use(simulator, "GET", "ledger", status=200)
    assert simulator.ask("GET", "/v1/calls").status_code == 200
