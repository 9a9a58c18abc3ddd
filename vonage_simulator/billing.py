"""The price of a leg.

Rules, from the published phone-to-app log: the duration is rounded up to whole seconds, the start is cut to a whole
second, the end is the start plus the duration, and the rate is per minute.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from vonage_simulator.ledger import Bill, Leg
from vonage_simulator.scenario import Endpoint

# phone-to-app.events.jsonl for phone and app; the others are made up, to have something to add.
RATES: dict[Endpoint, str] = {
    "phone": "0.00720000",
    "app": "0.00",
    "sip": "0.00400000",
    "websocket": "0.00400000",
    "vbc": "0.00",
}
# By the number's first digits. Names as Vonage's own samples have them; which number is in which network is made up.
NETWORKS = (("447", "23433"), ("44", "GB-FIXED"), ("1", "US-VIRTUAL-LEVEL3"))


def bill(leg: Leg, ended: datetime) -> Bill:
    """The bill of *leg*, which is over at *ended*. A leg that was never answered costs nothing."""
    rate = leg.far_end.rate or RATES[leg.endpoint]
    if not leg.answered:
        return Bill(None, None, 0, rate, "0", None)
    answered = leg.times["answered"]
    seconds = max(1, math.ceil(round((ended - answered).total_seconds(), 3)))
    start = (answered + timedelta(seconds=leg.far_end.billing_offset)).replace(microsecond=0)
    exact = Decimal(rate) * seconds / 60
    price = format(exact.quantize(Decimal("1e-8"), ROUND_HALF_UP), "f") if exact else "0"
    return Bill(start, start + timedelta(seconds=seconds), seconds, rate, price, _network(leg))


def _network(leg: Leg) -> str | None:
    if leg.far_end.network or leg.endpoint != "phone":
        return leg.far_end.network
    number = leg.to if leg.direction == "outbound" else leg.from_ or ""
    return next((network for digits, network in NETWORKS if number.startswith(digits)), None)
