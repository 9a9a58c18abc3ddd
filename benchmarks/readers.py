"""Readers of a very long call, in a process of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing import Event, Process, Queue
from multiprocessing.synchronize import Event as Signal
from typing import Any

from app.store.link import Address
from app.store.store import Store
from app.webhooks.kept import read_record
from app.webhooks.schemas import read_event
from benchmarks import servers

READERS, EVENTS_READ = 6, 10_000
TOO_MUCH = 503
LONG_CALL = "/api/v1/conversations/CON-long"


def keep_long_call(address: str) -> None:
    """Keep a conversation of so many events in the store at *address*."""
    store = Store(Address(address), read=read_record, retention=timedelta(days=7))
    for number in range(EVENTS_READ):
        body = {"conversation_uuid": "CON-long", "uuid": "leg", "dtmf": {"digits": str(number)}}
        store.record(read_event(body), json.dumps(body).encode(), datetime.now(UTC))
    store.stop()


@contextmanager
def reading(port: int, paths: Sequence[str] = (LONG_CALL,)) -> Iterator[dict[str, int]]:
    """Six readers of *paths*, which go on until the end of the block. Then `reads` is how often they got one.

    A reader who gets 503, as too many read or Redis is too busy, reads again.
    """
    over, found = Event(), Queue()  # type: ignore[var-annotated]
    process = Process(target=_read, args=(port, paths, over, found))
    process.start()
    result: dict[str, int] = {}
    try:
        yield result
    finally:
        over.set()
        result["reads"] = found.get(timeout=60)
        process.join()


def _read(port: int, paths: Sequence[str], over: Signal, found: Queue[Any]) -> None:
    def read(first: int) -> int:
        reads = 0
        while not over.is_set():
            response = servers.response(port, paths[(first + reads) % len(paths)])
            if response.status_code != TOO_MUCH:
                response.raise_for_status()
                reads += 1
        return reads

    with ThreadPoolExecutor(READERS) as pool:
        found.put(sum(pool.map(read, range(READERS))))
