"""The feed: one entry for each change, which says what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from app.store import keys
from app.store.feed import CARRY, DELETE, OPERATION, FeedEntry, read_feed_entry
from app.store.link import Command
from app.store.record_command import News, carry_command
from app.store.store import Store
from app.webhooks.fields import LONGEST_ID
from tests.domain.builders import HERE, THERE, YONDER, about, answer, at, status, transfer
from tests.engines import Engine, in_turn, wait_until
from tests.generated import BASE, several
from tests.store.expected import NOW
from tests.store.posting import post, send, settle

pytestmark = pytest.mark.usefixtures("engine")

Change = tuple[str, int | None, str, str | None, str | None, str | None]


def feed(store: Store) -> list[FeedEntry]:
    """All entries, partition by partition."""
    replies = store._reader.fetch([Command(part.feed, ("XRANGE", part.feed, "-", "+")) for part in keys.ALL])
    return [read_feed_entry(entry, fields) for entries in replies for entry, fields in entries]


def changes(store: Store, conversation: str) -> list[Change]:
    """The entries of *conversation*, without their ids."""
    return [entry[1:] for entry in feed(store) if entry.conversation == conversation]


def test_each_event_of_a_call_is_an_entry_with_its_index_and_what_it_changed(store: Store) -> None:
    send(
        store,
        status("started", 1),
        status("ringing", 2),
        status("started", 0.5, uuid="two"),
        status("answered", 3),
        about(4, payload={}),
        status("human", 5),
        status("completed", 9),
        status("ringing", 2, x="came late, in another form"),
    )
    given = answer(10)
    store.record_later(given.event, given.event.canonical, given.received)
    settle(store)
    assert changes(store, HERE) == [
        (HERE, 0, "status", "leg", None, "started"),
        (HERE, 1, "status", "leg", "started", "ringing"),
        (HERE, 2, "status", "two", None, "started"),
        (HERE, 3, "status", "leg", "ringing", "answered"),
        (HERE, 4, "notify", None, None, None),
        (HERE, 5, "detection", "leg", "answered", "answered"),
        (HERE, 6, "status", "leg", "answered", "completed"),
        (HERE, 7, "status", "leg", "completed", "completed"),
        (HERE, 8, "answer", "leg", "completed", "completed"),
    ]


def test_a_repeat_makes_no_entry(store: Store) -> None:
    bodies = [status("ringing", 1), transfer(HERE, THERE, 2)]
    send(store, *bodies)
    before = feed(store)
    send(store, *bodies, *bodies)
    assert feed(store) == before
    assert Counter(entry.conversation for entry in before) == {HERE: 2, THERE: 1}


def test_a_transfer_takes_the_leg_out_of_one_conversation_and_into_the_other(store: Store) -> None:
    send(store, status("answered", 1), transfer(HERE, THERE, 2), transfer(THERE, HERE, 3))
    assert changes(store, HERE) == [
        (HERE, 0, "status", "leg", None, "answered"),
        (HERE, 1, "transfer", "leg", "answered", None),
        (HERE, 2, "transfer", "leg", None, "answered"),
    ]
    assert changes(store, THERE) == [
        (THERE, 0, "transfer", "leg", None, "answered"),
        (THERE, 1, "transfer", "leg", "answered", None),
    ]


def test_an_update_from_another_conversation_is_an_entry_without_an_event(store: Store) -> None:
    """The leg's end is reported where it was before; it ends where it is."""
    send(store, status("answered", 1), transfer(HERE, THERE, 2), status("completed", 9, where=HERE))
    assert changes(store, HERE)[-1] == (HERE, 2, "status", "leg", None, None)
    assert changes(store, THERE) == [
        (THERE, 0, "transfer", "leg", None, "answered"),
        (THERE, None, CARRY, "leg", "answered", "completed"),
    ]


def test_an_update_for_a_leg_not_yet_seen_is_no_entry(store: Store) -> None:
    """No event of the conversation names it; the first that does makes it known."""
    carry = carry_command(store._ttl, THERE, "leg", News(bits=4), BASE)
    assert store._writer.send([carry])[0][0] == 0
    assert changes(store, THERE) == []
    send(store, transfer(HERE, THERE, 2))
    assert changes(store, THERE) == [(THERE, 0, "transfer", "leg", None, "started")]


def test_a_deletion_is_an_entry_and_what_comes_after_it_begins_anew(store: Store) -> None:
    send(store, status("answered", 1), status("answered", 1, where=THERE, uuid="other"))
    assert store.delete(HERE)
    assert not store.delete(YONDER)
    send(store, status("completed", 9))
    assert changes(store, HERE) == [
        (HERE, 0, "status", "leg", None, "answered"),
        (HERE, None, DELETE, None, None, None),
        (HERE, 0, "status", "leg", None, "completed"),
    ]
    assert changes(store, YONDER) == []
    assert len(changes(store, THERE)) == 1


def test_what_an_operation_decides_is_an_entry_of_the_conversations_that_are_there(store: Store) -> None:
    send(store, status("answered", 1), status("answered", 1, where=THERE, uuid="other"))
    store.announce([HERE, THERE, YONDER])
    store.ping()  # behind it, on the same connection
    for name in (HERE, THERE):
        assert changes(store, name)[-1] == (name, None, OPERATION, None, None, None)
    assert changes(store, YONDER) == []


def test_expiry_makes_no_entry(engine: Engine, open_store: Callable[..., Store]) -> None:
    store = open_store(engine, retention=timedelta(milliseconds=100))
    send(store, status("answered", 1), status("answered", 1, where=THERE, uuid="other"))
    wait_until(lambda: not store.records(HERE) and not store.records(THERE), "they expire")
    assert store.forget_expired(keys.partition(THERE), NOW) == 1
    send(store, status("completed", 9))
    assert changes(store, THERE) == [(THERE, 0, "status", "other", None, "answered")]
    assert changes(store, HERE) == [
        (HERE, 0, "status", "leg", None, "answered"),
        (HERE, 0, "status", "leg", None, "completed"),
    ]


@pytest.mark.parametrize(
    ("engine", "name"), in_turn(["\ud800", "-", "1", "a\x00b", "x" * LONGEST_ID]), indirect=["engine"]
)
def test_names_are_opaque(store: Store, name: str) -> None:
    send(store, status("ringing", 1, where=name, uuid=name))
    assert changes(store, name) == [(name, 0, "status", name, None, "ringing")]


@pytest.mark.parametrize(("engine", "orderly"), in_turn([True, False, True, False]), indirect=["engine"])
def test_the_entries_add_up_to_the_counters_and_each_begins_where_the_last_one_ended(
    store: Store, orderly: bool
) -> None:
    """Read up to its position, the list of a conversation has its event at the end: nothing is missing between two."""
    calls = several(Random(51), 60, orderly=orderly)
    webhooks = [webhook for call in calls for webhook in call if webhook.event.conversations]
    for webhook in Random(52).sample(webhooks * 2, 2 * len(webhooks)):
        post(store, webhook)
    settle(store)
    legs: dict[tuple[str, str | None], str | None] = {}
    kept: dict[str, int] = {}
    for entry in feed(store):
        leg = entry.conversation, entry.leg
        assert entry.before == legs.get(leg), entry
        legs[leg] = entry.after
        if entry.position is not None:
            assert entry.position == kept.get(entry.conversation, 0), entry
            kept[entry.conversation] = entry.position + 1
    assert kept == {name: len(store.records(name)) for name in kept}
    counted = {name: store.counts(at(0)).counters.get(name, 0) for name in ("started", "ringing", "answered")}
    found = Counter(legs.values())
    assert counted == {name: found[name] for name in counted}
