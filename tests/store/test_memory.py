"""What a call costs in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from app.store import keys
from app.store.store import Store
from app.webhooks.schemas import kept_answer
from tests import engines
from tests.domain.builders import iso
from tests.engines import Engine
from tests.generated import BASE, Body, Webhook, compact, webhooks_of
from tests.store.counted import count_all
from tests.store.posting import post_surely, settle

CALLS = 500
MOST_BYTES = 2048  # design: a two-leg call of seven events, its answer request and NCCO
SAMPLE = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "samples" / "phone-to-app.events.jsonl").read_text().splitlines()
]
BEGUN = datetime.fromisoformat("2021-03-29T21:20:05.582+00:00")
NAMES = (
    "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6",
    "0779a56d002f1c7f47f82ef5fe84ab79",
    "944bf4bf-8dc7-4e23-86b2-2f4234777416",
)


def published_call(chance: Random, begins: datetime) -> Iterator[Webhook]:
    """The call of the published log again, by another caller at another time, with the answer that it got."""
    ids = [UUID(int=chance.getrandbits(128), version=4) for _ in range(4)]
    others = dict(zip(NAMES, (f"CON-{ids[0]}", ids[1].hex, str(ids[2])), strict=True))
    caller = f"4477{chance.randrange(10**8):08}"
    for body in SAMPLE:
        new: Body = {
            name: others.get(value, value) if isinstance(value, str) else value for name, value in body.items()
        }
        new["from"] = body["from"].replace("441234567890", caller)
        for name in ("timestamp", "start_time", "end_time"):
            if new.get(name):
                new[name] = iso(datetime.fromisoformat(new[name]) - BEGUN + begins)
        yield from webhooks_of(new, begins)
    request = {"from": caller, "to": "442038297050", "uuid": others[NAMES[1]], "conversation_uuid": others[NAMES[0]]}
    request |= {"endpoint_type": "phone", "region_url": "https://api-eu-3.vonage.com"}
    ncco = [
        {"action": "talk", "text": "Please wait while we connect you."},
        {"action": "connect", "from": "442038297050", "endpoint": [{"type": "app", "user": "Alice"}]},
    ]
    served: Body = {"id": ids[3].hex[:16], "flow": "phone-to-app", "ncco": ncco, "step": "start"}
    served |= {"version": f"{chance.getrandbits(32):08x}", "took_ms": round(chance.random(), 3)}
    assert 400 < len(compact(kept_answer(request, served))) < 600
    yield from webhooks_of(kept_answer(request, served), begins)


def test_a_call_takes_two_kilobytes_all_in_all(
    open_store: Callable[..., Store], record_property: Callable[[str, object], None]
) -> None:
    """Raw payloads, answer, indexes, figures, in a store that is in use: its feed is full, its indexes have grown."""
    with engines.single() as engine:
        store = open_store(engine)
        fill_feeds(engine)
        chance = Random(2026)
        post_calls(store, [list(published_call(chance, BASE)) for _ in range(CALLS)])
        before = used(engine)
        begins = (BASE + timedelta(hours=1) * (1 + number / CALLS) for number in range(CALLS))
        post_calls(store, [list(published_call(chance, moment)) for moment in begins])
        each = (used(engine) - before) / CALLS
        record_property("bytes_a_call", each)
        print(f"\n{each:.0f} bytes a call")
        assert each <= MOST_BYTES


def fill_feeds(engine: Engine) -> None:
    """As they are after some calls: they hold no more than so many entries, ever."""
    with engine.nodes[0].client.pipeline(transaction=False) as pipe:
        for part in keys.ALL:
            for number in range(keys.FEED_LENGTH):
                entry: dict[Any, Any] = {
                    "c": f"CON-{UUID(int=number)}",
                    "i": "3",
                    "k": "status",
                    "l": UUID(int=number).hex,
                    "s": "12",
                }
                pipe.xadd(part.feed, entry)
        pipe.execute()


def post_calls(store: Store, calls: list[list[Webhook]]) -> None:
    """Post them from several threads, each call from one."""

    def post_all(call: list[Webhook]) -> None:
        for webhook in call:
            post_surely(store, webhook)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(post_all, call) for call in calls]:
            done.result()
    settle(store)
    count_all(store, BASE + timedelta(hours=3))


def used(engine: Engine) -> int:
    """Bytes that the engine uses."""
    return int(engine.nodes[0].client.info("memory")["used_memory"])
