"""What the store must come to, computed from the webhooks alone; and what it says it came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from app.domain.conversations import Conversation, History, history, project
from app.domain.events import Completed, Event
from app.domain.legs import Leg
from app.domain.numbers import numbers_in
from app.store import keys
from app.store.codec import milliseconds
from app.store.store import Store
from tests.engines import Engine
from tests.generated import BASE, Webhook, conversations_of, distinct

PRESUME_ENDED_AFTER = timedelta(seconds=60)
NOW = BASE + timedelta(minutes=14)  # some are presumed ended by now, some are not
FIRST_MINUTE, LAST_MINUTE = (milliseconds(BASE) // 60_000 - 5, milliseconds(BASE) // 60_000 + 60)


def told_of(name: str, heard: History) -> Conversation:
    """The conversation *name* as *heard* has it."""
    found = project(name, heard, now=NOW, presume_ended_after=PRESUME_ENDED_AFTER)
    assert found is not None
    return found


def billed(leg: str, events: Iterable[Event]) -> int:
    """Whole seconds that the leg was billed."""
    return max((int(e.duration or 0) for e in events if isinstance(e, Completed) and e.leg == leg), default=0)


class Truth:
    """Everything about *calls*, each a list of webhooks that share no leg and no conversation with another's."""

    def __init__(self, calls: Iterable[Iterable[Webhook]]) -> None:
        self.heard: dict[str, History] = {}
        self.told: dict[str, Conversation] = {}
        self.events: list[Webhook] = []
        self.legs: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.seconds = 0
        for call in calls:
            webhooks = list(distinct(call).values())
            self.events += webhooks
            heard = history(webhook.kept for webhook in webhooks)
            for name in conversations_of(webhooks):
                self.heard[name] = heard
                self.told[name] = found = told_of(name, heard)
                present: list[Leg] = [member.leg for member in found.legs if member.presence.here]
                self.legs.update(leg.state for leg in present if leg.state != "completed")
                self.outcomes.update(leg.outcome for leg in present if leg.outcome)
                self.seconds += sum(billed(leg.uuid, (w.event for w in webhooks)) for leg in present if leg.outcome)

    def of(self, name: str) -> list[Webhook]:
        """The events kept with *name*."""
        return [webhook for webhook in self.events if name in webhook.event.conversations]

    def states(self) -> Counter[str]:
        """How many conversations there are of each state."""
        return Counter(one.state for one in self.told.values())

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
        found["conversations"] = len(self.told)
        found["legs"] = sum(len(one.legs) for one in self.told.values())
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


def assert_tells_the_truth(
    store: Store, engine: Engine, truth: Truth, *, posted: int, presumed_before: datetime | None = None
) -> None:
    """Counters, indexes, statistics and what is read back are what the events come to."""
    # every event is kept, once
    counts = store.counts(presumed_before or NOW - PRESUME_ENDED_AFTER)
    counters: Counter[str] = Counter(counts.counters)
    assert counters["received"] == posted
    assert counters["received"] - counters["repeats"] == len(truth.events)
    assert counters["unknown"] == sum(
        "unknown" in (w.event.kind, *(f.split("_")[0] for f in w.event.flags)) for w in truth.events
    )
    for name in truth.told:
        assert Counter(r.body for r in store.records(name)).most_common(1)[0][1] == 1
        assert len(store.records(name)) == len(truth.of(name))

    # what is read back tells the same
    heard = store.histories(truth.told)
    assert {name: told_of(name, found) for name, found in heard.items()} == truth.told
    for leg in {webhook.event.leg for webhook in truth.events if webhook.event.leg}:
        conversations = {
            home for webhook in truth.events if webhook.event.leg == leg for home in webhook.event.conversations
        }
        assert {
            home for one in store.leg_history(leg).values() if one.event.leg == leg for home in one.event.conversations
        } == conversations

    # counters
    states = truth.states()
    assert (counts.live, counts.presumed_ended, counts.ended) == (
        states["live"],
        states["presumed_ended"],
        states["ended"],
    )
    assert +Counter({state: counters[state] for state in ("started", "ringing", "answered")}) == truth.legs
    assert all(count >= 0 for count in counters.values())

    # statistics
    minutes = store.minutes(FIRST_MINUTE, LAST_MINUTE)
    found = sum_of(minutes)
    assert found.pop("repeats", 0) == counters["repeats"]
    assert found == truth.minutes()
    assert {minute: at["events"] for minute, at in minutes.items() if "events" in at} == truth.events_by_minute()

    assert_indexes_tell_the_truth(engine, truth)


def assert_indexes_tell_the_truth(engine: Engine, truth: Truth) -> None:
    """Whatever finds conversations finds those there are, at the same place, and no others."""
    index: dict[str, dict[str, int]] = {"live": {}, "ended": {}, "last_received": {}}
    legs: dict[str, set[str]] = {}
    first: dict[str, int] = {}
    for part in keys.ALL:
        for name, found in index.items():
            flat = engine.ask(part, "ZRANGE", getattr(part, name), 0, -1, "WITHSCORES")
            found |= {keys.decode(one): int(score) for one, score in flat}
        for leg, packed in engine.ask(part, "HGETALL", part.legs).items():
            legs.setdefault(keys.decode(leg), set()).update(unpack_names(packed))
    for name in truth.told:
        part = keys.of(name)
        first[name] = int(engine.ask(part, "HGET", part.meta(keys.encode(name)), "t"))
        assert first[name] in {milliseconds(webhook.received) for webhook in truth.of(name)}
    assert index["live"] == {name: first[name] for name, one in truth.told.items() if one.state != "ended"}
    assert index["ended"] == {name: first[name] for name, one in truth.told.items() if one.state == "ended"}
    assert index["last_received"] == {
        name: milliseconds(one.last_received) for name, one in truth.told.items() if one.state != "ended"
    }

    expected: dict[str, set[str]] = {}
    for webhook in truth.events:
        if webhook.event.leg:
            expected.setdefault(webhook.event.leg, set()).update(webhook.event.conversations)
    assert legs == {leg: conversations for leg, conversations in expected.items() if conversations}

    by_end: dict[str, dict[str, int]] = {}
    for number, names in truth.numbers().items():
        by_end.setdefault(number[-4:], {}).update({name: first[name] for name in names})
    stored: dict[str, dict[str, int]] = {}
    for part in keys.ALL:
        for end in by_end:
            flat = engine.ask(part, "ZRANGE", part.number(end), 0, -1, "WITHSCORES")
            stored.setdefault(end, {}).update({keys.decode(one): int(score) for one, score in flat})
    assert stored == by_end
    for name in truth.told:
        part = keys.of(name)
        numbers: Any = engine.ask(part, "HGET", part.meta(keys.encode(name)), "x") or b""
        assert sorted(numbers.decode().split()) == sorted(n for n, names in truth.numbers().items() if name in names)


def unpack_names(packed: bytes) -> set[str]:
    """The names in "3:one5:three"."""
    found = set()
    while packed:
        length, _, rest = packed.partition(b":")
        found.add(keys.decode(rest[: int(length)]))
        packed = rest[int(length) :]
    return found
