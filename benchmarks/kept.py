"""Whether what was acknowledged is in the store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from app.store.link import Address
from app.store.store import Store
from app.webhooks.kept import read_record


def kept(address: str, bodies: list[dict[str, Any]]) -> Iterator[bool]:
    """For each of *bodies* whether it is in the store at *address*."""
    store = Store(Address(address), read=read_record, retention=timedelta(days=7))
    seen: dict[str, list[dict[str, Any]]] = {}
    for body in bodies:
        name = body["conversation_uuid"]
        if name not in seen:
            seen[name] = [json.loads(record.body) for record in store.records(name)]
        yield body in seen[name]
    store.stop()
