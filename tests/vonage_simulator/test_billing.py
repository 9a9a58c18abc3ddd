"""What a leg costs: as in the published log, or by the same rules.

Source: phone-to-app.events.jsonl.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vonage_simulator.billing import RATES, bill
from vonage_simulator.ledger import Bill, Conversation, Leg
from vonage_simulator.scenario import Endpoint, FarEnd

ANSWERED = datetime(2021, 3, 29, 21, 20, 6, 182_000, tzinfo=UTC)


def billed(seconds: float, *, answered: bool = True, **more: Any) -> Bill:
    """The bill of a leg that lasted *seconds*."""
    far_end = FarEnd(**{name: more.pop(name) for name in ("rate", "network", "billing_offset") if name in more})
    given: dict[str, Any] = {"direction": "inbound", "endpoint": "phone", "from_": "441234567890", "to": "442038297050"}
    leg = Leg(uuid="leg", far_end=far_end, conversation=Conversation(uuid="CON"), events=None, **(given | more))
    if answered:
        leg.times["answered"] = ANSWERED
    return bill(leg, ANSWERED + timedelta(seconds=seconds))


def test_the_published_call_has_the_published_price() -> None:
    """11.332 seconds are 12; the start is cut to a whole second, the end is 12 seconds after that."""
    start = ANSWERED.replace(microsecond=0)
    found = billed(11.332, rate="0.00720000", network="GB-FIXED")
    assert found == Bill(start, start + timedelta(seconds=12), 12, "0.00720000", "0.00144000", "GB-FIXED")


def test_times_in_a_bill_may_be_off() -> None:
    """By two seconds, as those of the app user in the published log; duration and price are right."""
    found = billed(4.549, rate="0.00", endpoint="app", billing_offset=-2.0)
    assert found.start_time == datetime(2021, 3, 29, 21, 20, 4, tzinfo=UTC)
    assert found.end_time == datetime(2021, 3, 29, 21, 20, 9, tzinfo=UTC)
    assert (found.duration, found.price) == (5, "0")


@pytest.mark.parametrize(
    ("seconds", "duration"),
    [(0.0, 1), (0.001, 1), (1.0, 1), (1.001, 2), (11.9999, 12), (12.0, 12), (59.0004, 59), (7200.0, 7200)],
)
def test_every_second_begun_counts(seconds: float, duration: int) -> None:
    """One second at least; times are in milliseconds."""
    assert billed(seconds).duration == duration


@pytest.mark.parametrize(
    ("rate", "seconds", "price"),
    [
        ("0.00720000", 60, "0.00720000"),
        ("0.00720000", 1, "0.00012000"),
        ("0.01", 1, "0.00016667"),
        ("0.01", 2, "0.00033333"),
        ("12", 7200, "1440.00000000"),
        ("0.00", 60, "0"),
        ("0", 60, "0"),
    ],
)
def test_the_price_is_the_rate_a_minute_to_eight_places(rate: str, seconds: float, price: str) -> None:
    """Rounded half up; a price of nothing is `0`."""
    assert billed(seconds, rate=rate).price == price


def test_a_leg_never_answered_costs_nothing_and_has_no_times() -> None:
    assert billed(30, answered=False) == Bill(None, None, 0, "0.00720000", "0", None)


@pytest.mark.parametrize("endpoint", RATES)
def test_every_endpoint_has_a_rate(endpoint: Endpoint) -> None:
    assert billed(60, endpoint=endpoint).rate == RATES[endpoint]


@pytest.mark.parametrize(
    ("number", "network"),
    [
        ("447700900123", "23433"),
        ("442079460000", "GB-FIXED"),
        ("12025550123", "US-VIRTUAL-LEVEL3"),
        ("33199001234", None),
    ],
)
@pytest.mark.parametrize("direction", ["inbound", "outbound"])
def test_the_network_is_that_of_the_far_end(number: str, network: str | None, direction: str) -> None:
    """The network of `from` for a caller, of `to` for a callee."""
    caller, callee = (number, "1") if direction == "inbound" else ("1", number)
    assert billed(60, direction=direction, from_=caller, to=callee).network == network


def test_only_telephones_have_a_network_of_their_own() -> None:
    assert billed(60, endpoint="app").network is None
    assert billed(60, endpoint="sip", network="somebody's").network == "somebody's"
    assert billed(60, from_=None).network is None
