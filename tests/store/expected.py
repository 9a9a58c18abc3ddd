"""What the store must contain, computed from the webhooks alone; and the comparison with what it contains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from app.domain.conversations import Conversation, History, history, moments, project
from app.domain.events import Completed, Event
from app.domain.legs import Leg, project_leg
from app.domain.numbers import numbers_in
from app.store import keys
from app.store.codec import milliseconds
from app.store.legs import read_entry
from app.store.store import Store
from tests.engines import Engine
from tests.generated import BASE, Webhook, conversations_of, distinct

PRESUME_ENDED_AFTER = timedelta(seconds=60)
NOW = BASE + timedelta(minutes=14)  # some are presumed ended by now, some are not
FIRST_MINUTE, LAST_MINUTE = (milliseconds(BASE) // 60_000 - 5, milliseconds(BASE) // 60_000 + 60)


def projected(name: str, events: History, legs: Mapping[str, Leg] = MappingProxyType({})) -> Conversation:
    """The conversation *name* after *events*."""
    found = project(name, events, now=NOW, presume_ended_after=PRESUME_ENDED_AFTER, legs=legs)
    assert found is not None
    return found


def read(store: Store, names: Iterable[str]) -> dict[str, Conversation]:
    """The conversations *names*, as they are read."""
    alone, moving = store.histories(names)
    legs = {uuid: project_leg(uuid, moments(leg.events), leg.known) for uuid, leg in moving.items()}
    return {name: projected(name, events, legs) for name, events in alone.items()}


def billed(leg: str, events: Iterable[Event]) -> int:
    """Whole seconds that the leg was billed."""
    return max((int(e.duration or 0) for e in events if isinstance(e, Completed) and e.leg == leg), default=0)


class Expected:
    """Everything about *calls*, each a list of webhooks that share no leg and no conversation with another's."""

    def __init__(self, calls: Iterable[Iterable[Webhook]]) -> None:
        self.projections: dict[str, Conversation] = {}
        self.events: list[Webhook] = []
        self.legs: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.seconds = 0
        for call in calls:
            webhooks = list(distinct(call).values())
            self.events += webhooks
            events = history(webhook.kept for webhook in webhooks)
            for name in conversations_of(webhooks):
                self.projections[name] = found = projected(name, events)
                present: list[Leg] = [member.leg for member in found.legs if member.presence.here]
                self.legs.update(leg.state for leg in present if leg.state != "completed")
                self.outcomes.update(leg.outcome for leg in present if leg.outcome)
                self.seconds += sum(billed(leg.uuid, (w.event for w in webhooks)) for leg in present if leg.outcome)
        self._of: dict[str, list[Webhook]] = {}
        for webhook in self.events:
            for name in {*webhook.event.conversations}:
                self._of.setdefault(name, []).append(webhook)

    def of(self, name: str) -> list[Webhook]:
        """The events kept with *name*."""
        return self._of[name]

    def of_legs(self) -> dict[str, set[str]]:
        """Conversations by the legs that were seen in them."""
        found: dict[str, set[str]] = {}
        for webhook in self.events:
            if webhook.event.leg:
                found.setdefault(webhook.event.leg, set()).update(webhook.event.conversations)
        return found

    def states(self) -> Counter[str]:
        """How many conversations there are of each state."""
        return Counter(conversation.state for conversation in self.projections.values())

    def numbers(self) -> dict[str, set[str]]:
        """Conversations by the telephone numbers in their events."""
        found: dict[str, set[str]] = {}
        for webhook in self.events:
            for number in numbers_in(webhook.event):
                found.setdefault(number, set()).update(webhook.event.conversations)
        return found

    def minutes(self) -> Counter[str]:
        """Statistics, over all minutes."""
        found: Counter[str] = Counter(self.outcomes)
        found["events"] = sum(len(webhook.event.conversations) for webhook in self.events)
        found["conversations"] = len(self.projections)
        found["legs"] = sum(len(conversation.legs) for conversation in self.projections.values())
        found["seconds"] = self.seconds
        return +found

    def events_by_minute(self) -> Counter[int]:
        """How many events were received in each minute; a transfer is one of both its conversations."""
        found: Counter[int] = Counter()
        for webhook in self.events:
            found[milliseconds(webhook.received) // 60_000] += len(webhook.event.conversations)
        return found


def sum_of(minutes: dict[int, dict[str, int]]) -> Counter[str]:
    """Statistics by minute as statistics over all of them."""
    total: Counter[str] = Counter()
    for at in minutes.values():
        total.update(at)
    return +total


def assert_as_expected(
    store: Store, engine: Engine, expected: Expected, *, posted: int, presumed_before: datetime | None = None
) -> None:
    """Counters, indexes, statistics and what is read back follow from the events."""
    # every event is kept, once
    counts = store.counts(presumed_before or NOW - PRESUME_ENDED_AFTER)
    counters: Counter[str] = Counter(counts.counters)
    assert counters["received"] == posted
    assert counters["received"] - counters["repeats"] == len(expected.events)
    assert counters["unknown"] == sum(
        "unknown" in (w.event.kind, *(f.split("_")[0] for f in w.event.flags)) for w in expected.events
    )
    for name in expected.projections:
        assert Counter(r.body for r in store.records(name)).most_common(1)[0][1] == 1
        assert len(store.records(name)) == len(expected.of(name))

    # what is read back is the same
    assert read(store, expected.projections) == expected.projections
    for leg, conversations in expected.of_legs().items():
        assert {
            name
            for kept in store.leg_history(leg).events.values()
            if kept.event.leg == leg
            for name in kept.event.conversations
        } == conversations

    # counters
    states = expected.states()
    assert (counts.live, counts.presumed_ended, counts.ended) == (
        states["live"],
        states["presumed_ended"],
        states["ended"],
    )
    assert +Counter({state: counters[state] for state in ("started", "ringing", "answered")}) == expected.legs
    assert all(count >= 0 for count in counters.values())

    # statistics
    minutes = store.minutes(FIRST_MINUTE, LAST_MINUTE)
    found = sum_of(minutes)
    assert found.pop("repeats", 0) == counters["repeats"]
    assert found == expected.minutes()
    assert {minute: at["events"] for minute, at in minutes.items() if "events" in at} == expected.events_by_minute()

    assert_indexes(engine, expected)


def assert_indexes(engine: Engine, expected: Expected) -> None:
    """Each index has all conversations it should have, at the right position, and no others."""
    index: dict[str, dict[str, int]] = {"live": {}, "ended": {}, "last_received": {}}
    legs: dict[str, set[str]] = {}
    first: dict[str, int] = {}
    for part in keys.ALL:
        for name, found in index.items():
            flat = engine.ask(part, "ZRANGE", getattr(part, name), 0, -1, "WITHSCORES")
            found |= {keys.decode(raw): int(score) for raw, score in flat}
        for leg, packed in engine.ask(part, "HGETALL", part.legs).items():
            legs.setdefault(keys.decode(leg), set()).update(read_entry(packed)[1])
    for name in expected.projections:
        part = keys.of(name)
        first[name] = int(engine.ask(part, "HGET", part.meta(keys.encode(name)), "t"))
        assert first[name] in {milliseconds(webhook.received) for webhook in expected.of(name)}
    live = {name: found for name, found in expected.projections.items() if found.state != "ended"}
    assert index["live"] == {name: first[name] for name in live}
    assert index["ended"] == {name: first[name] for name in expected.projections.keys() - live.keys()}
    assert index["last_received"] == {name: milliseconds(found.last_received) for name, found in live.items()}

    assert legs == {leg: conversations for leg, conversations in expected.of_legs().items() if conversations}

    by_end: dict[str, dict[str, int]] = {}
    of_name: dict[str, list[str]] = {}
    for number, names in expected.numbers().items():
        by_end.setdefault(number[-4:], {}).update({name: first[name] for name in names})
        for name in names:
            of_name.setdefault(name, []).append(number)
    stored: dict[str, dict[str, int]] = {}
    for part in keys.ALL:
        for end in by_end:
            flat = engine.ask(part, "ZRANGE", part.number(end), 0, -1, "WITHSCORES")
            stored.setdefault(end, {}).update({keys.decode(raw): int(score) for raw, score in flat})
    assert stored == by_end
    for name in expected.projections:
        part = keys.of(name)
        numbers: Any = engine.ask(part, "HGET", part.meta(keys.encode(name)), "x") or b""
        assert sorted(numbers.decode().split()) == sorted(of_name.get(name, []))
