"""The flows file that comes with the server: Vonage's in-app voice tutorials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.webhooks.intake import Webhook
from app.webhooks.to_flow import request_of
from config.settings import Settings
from tests.flows.flow_file_of import CALLED, CALLER, NOON, flows_of, is_last_resort

GREETING = {"action": "talk", "text": "Please hold the line while we connect your call."}
FILE = Settings(secret_key="not looked at here").flows_file
OURS = "14155550100"


def test_it_is_the_one_in_the_configs_folder() -> None:
    assert Path("config/flows.yaml").resolve() == FILE


@pytest.mark.parametrize(
    ("query", "caller_number", "flow", "connect"),
    [
        pytest.param(
            {"from": CALLER, "to": CALLED},
            None,
            "phone-to-app",
            {"from": CALLER, "endpoint": [{"type": "app", "user": "Alice"}]},
            id="a telephone reaches the app user, who sees its number",
        ),
        pytest.param(
            {"from": "Unknown", "to": CALLED},
            OURS,
            "phone-to-app",
            {"from": OURS, "endpoint": [{"type": "app", "user": "Alice"}]},
            id="of one that hides its number, a number of ours",
        ),
        pytest.param(
            {"to": CALLED},
            None,
            "phone-to-app",
            {"endpoint": [{"type": "app", "user": "Alice"}]},
            id="or none at all",
        ),
        pytest.param(
            {"from": "sip:bob@example.com", "to": "sip:us@example.com"},
            None,
            "phone-to-app",
            {"endpoint": [{"type": "app", "user": "Alice"}]},
            id="a SIP caller has no number to show",
        ),
        pytest.param(
            {"from": "+44 7700 900123"},
            None,
            "phone-to-app",
            {"from": CALLER, "endpoint": [{"type": "app", "user": "Alice"}]},
            id="a number may be written with a plus and blanks",
        ),
        pytest.param(
            {},
            None,
            "phone-to-app",
            {"endpoint": [{"type": "app", "user": "Alice"}]},
            id="nobody knows who calls whom",
        ),
        pytest.param(
            {"from_user": "Alice", "to": CALLER},
            None,
            "app-to-phone",
            {"randomFromNumber": True, "endpoint": [{"type": "phone", "number": CALLER}]},
            id="an app user reaches a telephone, from any number of ours",
        ),
        pytest.param(
            {"from_user": "Alice", "to": "+44 (7700) 900-123"},
            CALLED,
            "app-to-phone",
            {"from": CALLED, "endpoint": [{"type": "phone", "number": CALLER}]},
            id="or from the number that was set",
        ),
        pytest.param(
            {"from_user": "Alice", "from": None, "to": "Zoë Li"},
            CALLED,
            "app-to-app",
            {"endpoint": [{"type": "app", "user": "Zoë Li"}]},
            id="an app user reaches another, of whatever name",
        ),
    ],
)
def test_every_kind_of_caller_is_greeted_and_put_through(
    query: dict[str, Any], caller_number: str | None, flow: str, connect: dict[str, Any]
) -> None:
    served = flows_of(FILE, CALLER_NUMBER=caller_number).answer(request_of(Webhook(b"", query, NOON, ())), NOON)
    assert served.fault is None
    assert (served.flow, served.step) == (flow, "start")
    assert served.ncco == [GREETING, {"action": "connect", **connect}]


@pytest.mark.parametrize("to", [None, "", "  ", "Unknown", "0207946", "07700900123", "00447700900123"])
def test_an_app_user_who_asks_for_nobody_or_for_no_international_number_hears_the_last_resort(to: str | None) -> None:
    query = {"from_user": "Alice", "to": to}
    is_last_resort(flows_of(FILE).answer(request_of(Webhook(b"", query, NOON, ())), NOON), "flow app-to-")
