"""Conversations of long ago, to fill a store with: by the server's own scripts, in pipelines.

Each has one webhook: half have ended, half are live but silent for long, and all have a number with the same last four
digits. Each takes about 1 KB of memory.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from app.store import keys
from app.store.codec import EVENT, Record
from app.store.link import Address, Command, Link
from app.store.record_command import record_command
from app.store.spooled import Counted
from app.store.store import Store
from app.store.writer import Late
from app.webhooks.schemas import read_event
from tests.domain.builders import status
from tests.generated import compact, read_record

PIPELINED: Final = 100  # more would not fit into the buffers of the socket while the engine is busy
RETENTION: Final = timedelta(days=7)


def fill(address: Address, first: int, behind: int, newest: datetime) -> None:
    """Conversations with one webhook each, from number *first* on, each received 10 ms before the one before.

    Their legs have entries, and nothing is left to be done for them.
    """
    link = Link(address)
    legs = Store(address, read=read_record, retention=RETENTION)
    for start in range(first, behind, PIPELINED):
        numbers = range(start, min(start + PIPELINED, behind))
        _send(link, [Late(old_one(each, newest), legs.shared_later(leg_of(each), name_of(each))) for each in numbers])
        if start % 100_000 == 0:
            print(f"{start:,} filled", file=sys.stderr)
    for part in keys.ALL:
        _send(link, [Late(Command(part.touched, ("DEL", part.touched)))])  # their calls were counted long ago
    link.close()


def _send(link: Link, waiting: Sequence[Late]) -> None:
    """Send them, and what follows from the replies."""
    while waiting:
        after = list[Late]()
        for late, reply in zip(waiting, link.exchange([each.command for each in waiting], 60.0), strict=True):
            if isinstance(reply, Exception):
                raise reply
            after += late.then(reply) if late.then else ()
        waiting = after


def name_of(number: int) -> str:
    """The conversation of that number."""
    return f"CON-{number:032x}"


def leg_of(number: int) -> str:
    """Its only leg."""
    return f"{number:032x}"


def old_one(number: int, newest: datetime) -> Command:
    """Keep the webhook of an old conversation: its leg has ended, or nothing more was received of it."""
    received = newest - timedelta(milliseconds=10 * number)
    name = name_of(number)
    body = status("completed" if number % 2 else "started", 1, uuid=leg_of(number), where=name)
    body |= {"from": f"4477{number % 10000:04}0123", "to": "442079460000", "timestamp": received.isoformat()}
    text = compact(body)
    ttl = int(RETENTION.total_seconds() * 1000)
    return record_command(ttl, read_event(body), name, Record(EVENT, received, text), counted=Counted.YES)
