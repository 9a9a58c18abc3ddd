"""Conversations of long ago, to fill a store with: by the server's own script, in pipelines.

Each has one webhook: half have ended, half are live but silent for long, and all have a number with the same last four
digits. Each takes about 1 KB of memory.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from typing import Final

from app.store.codec import EVENT, Record
from app.store.link import Address, Command, Link
from app.store.record_command import record_command
from app.store.spooled import Counted
from app.webhooks.schemas import read_event
from tests.domain.builders import status
from tests.generated import compact

PIPELINED: Final = 100  # more would not fit into the buffers of the socket while the engine is busy
RETENTION: Final = timedelta(days=7)


def fill(address: Address, first: int, behind: int, newest: datetime) -> None:
    """Conversations with one webhook each, from number *first* on, each received 10 ms before the one before."""
    link = Link(address)
    for start in range(first, behind, PIPELINED):
        batch = [old_one(number, newest) for number in range(start, min(start + PIPELINED, behind))]
        for reply in link.exchange(batch, 60.0):
            if isinstance(reply, Exception):
                raise reply
        if start % 100_000 == 0:
            print(f"{start:,} filled", file=sys.stderr)
    link.close()


def old_one(number: int, newest: datetime) -> Command:
    """Keep the webhook of an old conversation: its leg has ended, or nothing more was received of it."""
    received = newest - timedelta(milliseconds=10 * number)
    name = f"CON-{number:032x}"
    body = status("completed" if number % 2 else "started", 1, uuid=f"{number:032x}", where=name)
    body |= {"from": f"4477{number % 10000:04}0123", "to": "442079460000", "timestamp": received.isoformat()}
    text = compact(body)
    ttl = int(RETENTION.total_seconds() * 1000)
    return record_command(ttl, read_event(body), name, Record(EVENT, received, text), counted=Counted.YES)
