"""A made-up week of calls, so that the figures in screenshots have something to show."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from tests.generated import iso
from tests.serving import Client


def send_a_week(port: int) -> None:
    """The calls of the seven days before today, most of them in office hours."""
    chance, client = random.Random(7), Client(port)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    hours = [today - timedelta(hours=hour) for hour in range(1, 7 * 24)]
    for began in (hour + timedelta(minutes=chance.uniform(0, 60)) for hour in hours for _ in range(calls_in(hour))):
        rings, talks = chance.uniform(2, 15), min(chance.expovariate(1 / 150), 900)
        outcome = chance.choices(["answered", "unanswered", "busy", "failed"], [80, 12, 6, 2])[0]
        statuses = [("ringing", 0.0), (outcome, rings)]
        statuses += [("completed", rings + talks)] if outcome == "answered" else []
        leg = uuid4()
        for status, after in statuses:
            body = {
                "status": status,
                "timestamp": iso(began + timedelta(seconds=after)),
                "uuid": leg.hex,
                "conversation_uuid": f"CON-{leg}",
                "direction": "inbound",
                "from": f"447700900{chance.randrange(400, 440)}",
                "to": chance.choice(["442079460000", "442079460000", "442079460001", "442079460002"]),
            }
            if status == "completed":
                body |= {"duration": str(round(talks)), "price": f"{talks / 60 * 0.0042:.8f}", "rate": "0.00420000"}
            client.ask("POST", "/voice/event", json.dumps(body).encode())
    client.close()


def calls_in(hour: datetime) -> int:
    """How many calls come in an hour: more in the morning, few at night and at the weekend."""
    busy = {8: 3, 9: 7, 10: 8, 11: 6, 12: 3, 13: 4, 14: 6, 15: 5, 16: 4, 17: 2}.get(hour.hour, hour.hour % 5 == 0)
    return int(busy) if hour.weekday() < 5 else int(busy) // 4
