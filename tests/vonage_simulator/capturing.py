"""Captures calls from ledgers written by hand."""

from __future__ import annotations

from typing import Any

from tests.vonage_simulator import ledgers
from tests.vonage_simulator.ledgers import Body, answered, bill, requests, webhooks
from vonage_simulator.capture.capture import scenario
from vonage_simulator.ledger import Conversation
from vonage_simulator.scenario import Scenario
from vonage_simulator.scenarios import dump, read

PAID: Body = {"bill": bill(8), "disconnected_by": "user"}
CALLER: Body = {"started": 0, "ringing": 0, "answered": 1, "completed": 30} | PAID
CALLEE: Body = {"direction": "outbound", "from_": "442038297050", "disconnected_by": "platform"}


def captured(call: Conversation, *, events: list[Body] | None = None, **more: Any) -> Scenario:
    """The scenario captured from *call*; it survives being written to a file and read again."""
    if events is None:
        nccos = [answer.ncco for answer in call.answers]
        events = [answered(body, ncco) for body, ncco in zip(requests(call), nccos, strict=True)]
        events += ledgers.kept(webhooks(call))
    found = scenario(ledgers.api_view(call), events, **more)
    assert read(dump(found), "captured.yaml") == found
    return found
