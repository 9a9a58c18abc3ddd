"""Keeping one event: once, with its conversation, and all that follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest

from app.domain.conversations import history
from app.store import keys
from app.store.codec import EVENT, Record, milliseconds
from app.store.link import Link
from app.store.pages import Filter
from app.store.record_command import record_command
from app.store.spooled import Counted
from app.store.store import Store
from tests.domain.builders import HERE, THERE, YONDER, about, at, status, transfer
from tests.engines import Engine, in_turn, wait_until
from tests.generated import BASE, Webhook, conversations_of, distinct, several, webhooks_of
from tests.store.expected import FIRST_MINUTE, LAST_MINUTE, NOW, Expected, assert_as_expected, read, sum_of
from tests.store.posting import post, send, settle

pytestmark = pytest.mark.usefixtures("engine")


def legs(store: Store) -> dict[str, int]:
    """Legs by state, as counted."""
    counters = store.counts(NOW).counters
    return {name: counters[name] for name in ("started", "ringing", "answered") if counters.get(name)}


def test_an_event_is_new_once_and_a_repeat_changes_nothing(store: Store, engine: Engine) -> None:
    body = status("ringing", 1, from_="447700900123")
    assert send(store, body) == [True]
    before = sorted(engine.everything())
    counted = store.counts(NOW).counters
    assert send(store, body, dict(reversed(body.items())), seconds=99) == [False, False]
    assert (counted["received"], counted.get("repeats", 0)) == (1, 0)
    counted = store.counts(NOW).counters
    assert (counted["received"], counted["repeats"], counted["ringing"]) == (3, 2, 1)
    part = keys.of(HERE)
    assert engine.ask(part, "ZCARD", part.counted) == 1, "it is known which repeats were counted"
    engine.ask(part, "DEL", part.counted)
    changed = Counter(sorted(engine.everything())) - Counter(before)
    assert {word.lstrip(b"0123456789") for word in changed} <= {b"", b"r", b"repeats"}, changed
    assert len(store.records(HERE)) == 1


def test_an_event_was_received_when_its_first_copy_was(store: Store) -> None:
    send(store, status("ringing", None), seconds=5)
    send(store, status("ringing", None), seconds=3)
    found = read(store, [HERE]).get(HERE)
    assert found is not None
    assert (found.first_received, found.legs[0].leg.ringing) == (at(5), at(5))


def test_events_are_read_back_as_they_were_received(store: Store) -> None:
    webhooks = [webhook for call in several(Random(1), 20) for webhook in call if webhook.event.conversations]
    for webhook in webhooks:
        post(store, webhook)
    settle(store)
    kept = {record.body for name in conversations_of(webhooks) for record in store.records(name)}
    assert kept <= {webhook.text for webhook in webhooks}
    assert len(kept) == len(distinct(webhooks))


def test_an_answer_is_recorded_later_and_each_request_is_one(store: Store) -> None:
    calls = [[webhook for webhook in call if webhook.sort != EVENT] for call in several(Random(3), 30)]
    posted = [webhook for call in calls for webhook in call]
    assert len(posted) > 10
    for webhook in posted:
        post(store, webhook)
    settle(store)
    wait_until(lambda: store.counts(NOW).counters.get("received") == len(distinct(posted)), "answers are there")
    assert sum(len(store.records(name)) for name in conversations_of(posted)) == len(distinct(posted))


def test_a_transfer_is_kept_with_both_conversations_and_counted_once(store: Store) -> None:
    assert send(store, status("answered", 1), transfer(HERE, THERE, 2)) == [True, True]
    assert [len(store.records(name)) for name in (HERE, THERE)] == [2, 1]
    counts = store.counts(NOW - timedelta(days=1))
    assert counts.counters["received"] == 2
    assert legs(store) == {"answered": 1}
    assert (counts.live, counts.ended) == (1, 1)
    assert send(store, status("completed", 9, where=HERE)) == [True]
    assert legs(store) == {}, "also if its end is reported in the conversation that it left"


@pytest.mark.parametrize(("engine", "seed"), in_turn(range(6)), indirect=["engine"])
def test_a_transfer_of_which_only_the_first_half_was_kept_is_completed_by_its_repeat(
    store: Store, engine: Engine, seed: int
) -> None:
    """The process died between the two writes; Vonage sends it again."""
    chance = Random(seed)
    calls = [[w for w in call if w.event.conversations and w.sort == EVENT] for call in several(chance, 20)]
    link = Link(engine.address)
    posted = 0
    for call in calls:
        for webhook in chance.sample(call, len(call)):
            if webhook.event.kind == "transfer" and len(webhook.event.conversations) == 2:
                assert first_half(store, link, webhook)[0] in (0, 1)
                posted += 1
    for call in calls:
        for webhook in call:
            post(store, webhook)
            posted += 1
    link.close()
    assert_as_expected(store, engine, Expected(calls), posted=posted)


def first_half(store: Store, link: Link, webhook: Webhook) -> list[int]:
    """Write a transfer to the conversation that was left, and no further."""
    record = Record(webhook.sort, webhook.received, webhook.text)
    (reply,) = link.exchange(
        [record_command(store._ttl, webhook.event, webhook.event.conversations[0], record, counted=Counted.YES)]
    )
    assert isinstance(reply, list), reply
    return reply


def test_the_repeat_that_completes_a_transfer_says_that_it_is_new(store: Store, engine: Engine) -> None:
    (webhook,) = webhooks_of(transfer(HERE, THERE, 2), BASE)
    link = Link(engine.address)
    first_half(store, link, webhook)
    link.close()
    assert store.records(THERE) == []
    assert post(store, webhook._replace(received=at(9))) is True
    assert post(store, webhook) is False
    assert len(store.records(THERE)) == 1
    assert {found.first_received for found in read(store, [HERE, THERE]).values()} == {BASE}, "with its first copy"


def test_a_repeat_of_a_move_without_a_time_does_not_move_the_leg_again(store: Store) -> None:
    """Its time is that of its first copy."""
    away, back = transfer(HERE, THERE, None), transfer(THERE, HERE, 60)
    send(store, status("answered", 1), away)
    send(store, back, seconds=60)
    assert send(store, away, seconds=120) == [False]
    states = {name: found.state for name, found in read(store, [HERE, THERE]).items()}
    assert states == {HERE: "presumed_ended", THERE: "ended"}, "no event came for long"
    assert store.page(Filter("live"), None, 10).conversations == [HERE]
    send(store, status("completed", 130), seconds=130)
    assert legs(store) == {}
    counts = store.counts(BASE - timedelta(days=1))
    assert (counts.live, counts.ended) == (0, 2)


def test_an_end_that_comes_late_for_where_the_leg_was_follows_it_through_all_its_moves(store: Store) -> None:
    for body in (transfer(THERE, YONDER, 3), transfer(YONDER, "CON-beyond", 4), transfer(HERE, THERE, 2)):
        send(store, body)
    send(store, status("answered", 1))
    assert legs(store) == {"answered": 1}
    send(store, status("completed", 5, duration="7"))
    assert legs(store) == {}
    assert store.counts(BASE - timedelta(days=1)).ended == 4
    minutes = sum_of(store.minutes(FIRST_MINUTE, LAST_MINUTE))
    assert (minutes["answered"], minutes["seconds"]) == (1, 7)


@pytest.mark.parametrize("duration", ["9007199254740992", 1e15, "100000000000000000000", 0.25])
def test_a_duration_that_cannot_be_is_survived(store: Store, duration: object) -> None:
    """Also where it has to wait for the leg that it is of."""
    send(store, transfer(HERE, THERE, 2))
    send(store, status("completed", 3, duration=duration))
    send(store, transfer(THERE, YONDER, 3))
    assert send(store, status("completed", 4, duration=duration)) == [True]
    assert send(store, transfer("CON-far", "CON-farther", 3, uuid="other")) == [True]
    assert legs(store) == {"started": 1}


@pytest.mark.parametrize("when", ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "2300-01-01T00:00:00Z"])
def test_a_move_at_a_time_that_cannot_be_is_survived(store: Store, when: str) -> None:
    assert send(store, status("answered", 1), transfer(HERE, THERE, None) | {"timestamp": when}) == [True, True]
    assert legs(store) == {"answered": 1}
    counts = store.counts(BASE - timedelta(days=1))
    assert (counts.live, counts.ended) == (1, 1)
    (member,) = read(store, [HERE])[HERE].legs
    assert not member.presence.here


def test_what_came_out_of_order_is_counted(store: Store) -> None:
    send(
        store,
        status("answered", 2),
        status("ringing", 1),
        status("started", 0),
        status("completed", 9),
        status("busy", 5),
    )
    assert store.counts(NOW).counters["out_of_order"] == 3
    send(store, status("ringing", 1), status("ringing", 1.5, uuid="other"))
    assert store.counts(NOW).counters["out_of_order"] == 3


def test_unknown_kinds_and_statuses_are_counted(store: Store) -> None:
    send(store, status("ferried", 1), about(1, something="else"), status("ringing", 1))
    assert store.counts(NOW).counters["unknown"] == 2


def test_statistics_are_by_the_minute_in_which_webhooks_were_received(store: Store) -> None:
    minute = milliseconds(BASE) // 60_000
    send(store, status("ringing", 1), seconds=0)
    send(store, status("ringing", 1), status("answered", 2), seconds=60)
    send(store, status("completed", 600, duration="598"), seconds=605)
    send(store, status("completed", 601, duration="599"), seconds=1205)
    assert store.minutes(minute, minute + 30) == {
        minute: {"events": 1, "conversations": 1, "legs": 1},
        minute + 1: {"events": 1, "repeats": 1},
        minute + 10: {"events": 1, "answered": 1, "seconds": 599},
        minute + 20: {"events": 1},
    }
    assert set(store.minutes(minute + 1, minute + 10)) == {minute + 1, minute + 10}, "both ends are included"
    assert store.minutes(minute + 2, minute + 9) == {}


def test_an_outcome_is_counted_in_the_minute_in_which_it_was_first_known(store: Store) -> None:
    minute = milliseconds(BASE) // 60_000
    send(store, status("completed", 9), seconds=0)
    send(store, status("busy", 8), seconds=60)
    counted = store.minutes(minute, minute + 5)
    assert {name: at.get("busy", 0) for name, at in counted.items()} == {minute: 1, minute + 1: 0}
    assert sum_of(counted)["unanswered"] == 0


def test_webhooks_of_no_conversation_are_kept_apart_once(store: Store) -> None:
    assert store.unfile(b'{"a": 1}', "no conversation", at(0)) is True
    assert store.unfile(b'{"a": 1}', "no conversation", at(5)) is False
    assert store.unfile(b"\xff\x00 not JSON at all \x01", "bad body", at(6)) is True
    (_, other, second), (_, why, first) = store.unfiled()
    assert (why, first.body, first.received) == ("no conversation", b'{"a": 1}', at(0))
    assert (other, second.body) == ("bad body", b"\xff\x00 not JSON at all \x01")
    counters = store.counts(NOW).counters
    assert (counters["unfiled"], counters["received"], counters["repeats"]) == (2, 3, 1)


def test_refusals_are_only_counted(store: Store) -> None:
    for _ in range(3):
        store.count("refused:expired")
    wait_until(lambda: store.counts(NOW).counters.get("refused:expired") == 3, "it is counted")


def test_an_expired_conversation_counts_as_one_that_never_was(engine: Engine, open_store: Callable[..., Store]) -> None:
    store = open_store(engine, retention=timedelta(milliseconds=200))
    send(store, status("answered", 1, from_="447700900123"), transfer(HERE, THERE, 2))
    assert store.histories([HERE, THERE]).conversations.keys() == {HERE, THERE}
    wait_until(lambda: not store.records(HERE) and not store.records(THERE), "it expires")
    assert store.histories([HERE, THERE]).conversations == {}
    assert send(store, status("answered", 1, from_="447700900999"), seconds=30) == [True], "it starts anew"
    assert legs(store) == {"answered": 1}, "the other one, which had the leg, is counted no more"
    part, name = keys.of(HERE), keys.encode(HERE)
    assert engine.ask(part, "ZRANGE", part.live, 0, -1, "WITHSCORES") == [[name, milliseconds(at(30))]]
    assert engine.ask(part, "ZRANGE", part.number("0123"), 0, -1) == []
    assert engine.ask(part, "ZRANGE", part.number("0999"), 0, -1) == [name]
    (kept,) = history(store.histories([HERE]).conversations[HERE].values()).values()
    assert kept.received == at(30)
