"""One writer for all requests of a process: they share its round trips, and one failure does not affect the others."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from redis.exceptions import ResponseError

from app.store import keys
from app.store.errors import StoreUnavailable
from app.store.link import Command, Link
from app.store.redis_errors import unavailable
from app.store.scripts import Script
from app.store.store import Store
from tests import engines
from tests.domain.builders import answer
from tests.engines import Engine, wait_until
from tests.generated import BASE, Webhook, read_record
from tests.store.expected import NOW
from tests.store.posting import numbered, post


@pytest.fixture
def own() -> Iterator[Engine]:
    """An engine of our own, to be held up."""
    with engines.single() as engine:
        yield engine


@pytest.fixture
def store(own: Engine, open_store: Callable[..., Store]) -> Store:
    """A store that is in use already."""
    store = open_store(own)
    assert post(store, numbered(0))
    return store


def post_at_once(store: Store, engine: Engine, webhooks: list[Webhook]) -> dict[int, object]:
    """Post all of *webhooks*, each from a thread of its own, while the engine does not answer; then let it."""
    came: dict[int, object] = {}

    def work(number: int) -> None:
        try:
            came[number] = post(store, webhooks[number])
        except StoreUnavailable as away:
            came[number] = away.reason

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(webhooks))]
    engine.nodes[0].freeze()
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    engine.nodes[0].thaw()
    for thread in threads:
        thread.join()
    return came


def test_requests_in_flight_share_round_trips(store: Store, own: Engine) -> None:
    before = own.nodes[0].client.info("stats")["total_reads_processed"]
    came = post_at_once(store, own, [numbered(number) for number in range(1, 41)])
    took = own.nodes[0].client.info("stats")["total_reads_processed"] - before
    assert set(came.values()) == {True}
    assert store.counts(NOW).counters["received"] == 41
    assert took < 20, "40 events in far fewer reads"


def test_a_request_that_fails_takes_no_other_with_it(store: Store, own: Engine) -> None:
    part = keys.of("CON-7")
    own.ask(part, "SET", part.meta(b"CON-7"), "something else")
    came = post_at_once(store, own, [numbered(number) for number in range(1, 21)])
    assert came == dict.fromkeys(range(20), True) | {6: "wrongtype"}


def test_a_write_that_can_never_succeed_is_given_up_and_holds_up_nothing_behind_it(store: Store, own: Engine) -> None:
    part = keys.of("CON-7")
    own.ask(part, "SET", part.meta(b"CON-7"), "something else")
    for number in (5, 6, 7, 8, 9):
        kept = answer(number, name=str(number), where=f"CON-{number}")
        store.record_later(kept.event, kept.event.canonical, kept.received)
    wait_until(lambda: all(store.records(f"CON-{number}") for number in (5, 6, 8, 9)), "the others are kept")
    wait_until(lambda: store.answers_lost == 1, "the one is counted as lost")
    wait_until(lambda: store.answers_waiting == 0, "what follows from the others is written, too")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("NOSUCH",), "err"),
        (("HINCRBY", "hash", "field", "1"), "err"),
        (("HGET", "text", "field"), "wrongtype"),
        (("EVAL", "return redis.call('HINCRBY', KEYS[1], 'field', 1)", "1", "hash"), "err"),
        (("EVAL", "return redis.call('HGET', KEYS[1], 'field')", "1", "text"), "wrongtype"),
        (("EVAL", "no Lua", "0"), "err"),
        (("EVAL", "return nil + 1", "0"), "err"),
        (("EVAL", "return redis.error_reply('MISCONF no disk')", "0"), "misconf"),
        (("EVALSHA", "0" * 40, "0"), "noscript"),
        (("AUTH", "wrong"), "noauth"),
    ],
)
def test_an_error_of_redis_has_one_word(own: Engine, words: tuple[str, ...], reason: str) -> None:
    own.nodes[0].client.execute_command("HSET", "hash", "field", "x")
    own.nodes[0].client.set("text", "x")
    with contextlib.closing(Link(own.address)) as link:
        (error,) = link.exchange([Command(b"", words)])
    assert unavailable(error).reason == reason


def test_the_errors_that_redis_6_wraps_have_the_same_words() -> None:
    inside = "Error running script (call to f_1a2b): @user_script:7: @user_script: 7: {}"
    for text, reason in (("-OOM command not allowed", "oom"), ("WRONGTYPE Operation", "wrongtype"), ("a nil", "err")):
        assert unavailable(ResponseError(inside.format(text))).reason == reason


def test_a_write_whose_script_is_wrong_is_given_up_and_said_to_be_lost(
    store: Store, own: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.store.scripts.UNFILE", Script(b"return nil + 1", b"0" * 40))
    store.unfile_later(b"{}", "no conversation", NOW)
    wait_until(lambda: store.answers_lost == 1, "it is counted as lost")
    assert store.answers_waiting == 0
    assert "Redis refuses what was to be written later: Redis is away (err): user_script:1:" in caplog.text
    assert own.nodes[0].client.ping()


def test_records_written_later_keep_their_order(store: Store) -> None:
    given = [answer(number, name=str(number), where="CON-1") for number in range(2000)]
    for kept in given:
        store.record_later(kept.event, kept.event.canonical, kept.received)
    wait_until(lambda: len(store.records("CON-1")) == 2000, "they are kept")
    assert [record.body for record in store.records("CON-1")] == [kept.event.canonical for kept in given]
    assert [record.received for record in store.records("CON-1", 5, 7)] == [kept.received for kept in given[5:8]]


def test_a_store_that_was_never_used_closes_at_once(own: Engine) -> None:
    Store(own.address, read=read_record, retention=NOW - BASE).stop()


@pytest.mark.short_timeouts
def test_counted_refusals_never_crowd_out_the_records_of_answers(store: Store, own: Engine) -> None:
    """Anybody can have a webhook refused while Redis is away; what was answered to others must not be lost by it."""
    own.nodes[0].freeze()
    for _ in range(20_000):
        store.count("refused:missing")
    assert (store.answers_waiting, store.answers_lost) == (0, 0)
    own.nodes[0].thaw()
    wait_until(lambda: store.counts(BASE).counters.get("refused:missing") == 20_000, "all are counted")
