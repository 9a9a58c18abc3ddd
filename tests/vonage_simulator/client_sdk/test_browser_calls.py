"""Calls of users in a browser: they ring, are answered, rejected, hung up, and place calls themselves."""

from __future__ import annotations

from typing import Any

from tests.vonage_simulator.api_server import ALICE as PHONE
from tests.vonage_simulator.api_server import OURS, Server
from tests.vonage_simulator.client_sdk.sdk_pages import Open
from vonage_simulator.ledger import Leg
from vonage_simulator.scenario import Call, FarEnd

STAYS = FarEnd(stays_alone=1e6)


def connect_to(user: str, **options: Any) -> list[dict[str, Any]]:
    return [{"action": "connect", "endpoint": [{"type": "app", "user": user}], "from": PHONE} | options]


def call_from_a_phone(server: Server, ncco: list[dict[str, Any]]) -> Leg:
    """A telephone calls, and gets *ncco*."""
    server.ncco = ncco
    return server.do(lambda: server.carrier.place(Call(from_=PHONE, to=OURS, far_end=STAYS)))


def test_a_browser_rings_answers_and_hangs_up(server: Server, open_page: Open) -> None:
    alice = open_page("Alice")
    alice.log_in()
    caller = call_from_a_phone(server, connect_to("Alice"))
    call, from_, channel = alice.wait_for("callInvite")
    assert (from_, channel) == (PHONE, "phone")
    leg = server.leg(call)
    assert (leg.to, leg.answered) == ("Alice", False)
    alice.ok("answer", call)
    alice.wait_for("legStatusUpdate", call, call, "ANSWERED")
    server.until(lambda: caller.answered and leg.answered)
    alice.ok("hangup", call)
    assert alice.wait_for("callHangup", call)[2] == "LOCAL_HANGUP"
    assert alice.wait_for("legStatusUpdate", call, call)[2] == "COMPLETED"
    server.until(lambda: caller.over)
    assert (leg.ending and leg.ending.by) == "user"
    assert not alice.errors
