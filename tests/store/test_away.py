"""When Redis is slow, gone, full or not ready: a clear error within a second, and everything works once it is back."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random

import pytest
from redis.connection import AbstractConnection
from redis.exceptions import ResponseError

from app.store import keys
from app.store.codec import EVENT
from app.store.errors import StoreUnavailable
from app.store.link import Command, Link
from app.store.pages import Filter
from app.store.store import Store
from app.store.writer import Writer
from tests import engines
from tests.domain.builders import HERE, answer
from tests.engines import Engine, Node, wait_until
from tests.generated import BASE, read_record, several
from tests.store.bounds import in_time, must_ping, works
from tests.store.expected import NOW, Expected, assert_as_expected
from tests.store.posting import numbered, post

pytestmark = pytest.mark.short_timeouts

PROGRAMS = [engines.VALKEY, *([engines.REDIS] if engines.REDIS else [])]


@pytest.fixture(params=PROGRAMS, ids=engines.SINGLE)
def own(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine of our own, for it will suffer."""
    with engines.single(request.param) as engine:
        yield engine


@pytest.fixture
def store(own: Engine, open_store: Callable[..., Store]) -> Store:
    """A store that is in use already."""
    store = open_store(own)
    assert post(store, numbered(0))
    return store


def test_a_connection_that_was_cut_while_idle_is_opened_again_and_nobody_notices(store: Store, own: Engine) -> None:
    for number in range(1, 5):
        own.nodes[0].client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert post(store, numbered(number))
        own.nodes[0].client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert len(store.records(f"CON-{number}")) == 1


def test_whether_a_connection_was_cut_is_seen_by_one_look_at_its_socket(own: Engine, monkeypatch: pytest.MonkeyPatch):
    """By a name of redis-py's own; its way to look goes through gevent's loop, which takes longer than the exchange."""
    looks: list[AbstractConnection] = []
    can_read = AbstractConnection.can_read

    def looked(connection: AbstractConnection) -> bool:
        looks.append(connection)
        return bool(can_read(connection))

    monkeypatch.setattr(AbstractConnection, "can_read", looked)
    with contextlib.closing(Link(own.address)) as link:
        for _ in range(3):
            assert link.exchange([Command(b"x", ("PING",))]) == [b"PONG"]
        assert looks == []
        own.nodes[0].client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert link.exchange([Command(b"x", ("PING",))]) == [b"PONG"]
        assert looks, "only what can be read is looked at more closely"


def writes(store: Store) -> dict[str, Callable[[], object]]:
    """All methods that write."""
    return {
        "record": lambda: post(store, numbered(1)),
        "repeat": lambda: post(store, numbered(0)),
        "unfile": lambda: store.unfile(b"{}", "no conversation", BASE),
        "ping": lambda: must_ping(store),
        "delete": lambda: store.delete("CON-1"),
        "start": store.start,
        "lease": lambda: store.lease(1, "me", 50),
        "forget_expired": lambda: store.forget_expired(1, NOW),
    }


def reads(store: Store) -> dict[str, Callable[[], object]]:
    """All methods that only read."""
    return {
        "records": lambda: store.records("CON-0"),
        "histories": lambda: store.histories(["CON-0", "CON-1"]),
        "leg_history": lambda: store.leg_history("leg-0"),
        "page": lambda: store.page(Filter(), None, 50),
        "counts": lambda: store.counts(NOW),
        "minutes": lambda: store.minutes(0, 10),
        "unfiled": store.unfiled,
        "used_bytes": store.used_bytes,
        "oldest_ended": lambda: store.oldest_ended(5),
    }


def assert_away(reason: str, calls: dict[str, Callable[[], object]]) -> None:
    """Each call raises an error that gives the reason, in time."""
    for name, call in calls.items():
        with in_time(), pytest.raises(StoreUnavailable) as away:
            call()
        assert away.value.reason == reason, (name, str(away.value))
        assert str(away.value).startswith("Redis is away (")


def assert_well(store: Store) -> None:
    """Everything works."""
    assert post(store, numbered(7))
    for name, call in (writes(store) | reads(store)).items():
        with contextlib.suppress(StopIteration):
            assert call() is not StopIteration, name


def test_an_engine_that_hangs(store: Store, own: Engine) -> None:
    some = writes(store) | reads(store)
    own.nodes[0].freeze()
    assert_away("timeout", {name: some[name] for name in ("record", "ping", "delete", "histories", "page", "counts")})
    own.nodes[0].thaw()
    wait_until(lambda: works(store), "it works again")
    assert_well(store)
    # Requests of that time may or may not have been done; sent again, each event is there once.
    post(store, numbered(1))
    assert len(store.records("CON-1")) == 1


def test_an_engine_that_is_gone_and_comes_back(store: Store, own: Engine) -> None:
    own.nodes[0].kill()
    assert_away("refused", writes(store) | reads(store))
    own.nodes[0].start()
    own.nodes[0].ready()
    assert_well(store)


def test_an_engine_that_was_never_there(tmp_path: Path, open_store: Callable[..., Store]) -> None:
    with engines.single() as engine:
        engine.nodes[0].kill()
        store = Store(engine.address, read=read_record, retention=timedelta(days=1))
        assert_away("refused", {"start": store.start, "record": lambda: post(store, numbered(1))})
        engine.nodes[0].start()
        engine.nodes[0].ready()
        store.start()
        assert post(store, numbered(1))
        store.stop()


def test_an_engine_that_may_only_be_read(store: Store, own: Engine) -> None:
    """The replica of a primary that is away: reads go on."""
    own.nodes[0].client.execute_command("REPLICAOF", "127.0.0.1", "1")
    some = writes(store)
    assert_away("readonly", {name: some[name] for name in ("record", "unfile", "ping", "lease")})
    assert len(store.records("CON-0")) == 1
    assert store.counts(BASE).live == 1
    own.nodes[0].client.execute_command("REPLICAOF", "NO", "ONE")
    assert_well(store)


@pytest.mark.parametrize("rights", ["-evalsha -eval", "-@scripting", "-set", "-@write"])
def test_an_engine_that_lets_us_run_no_script_or_write_nothing(store: Store, own: Engine, rights: str) -> None:
    """Events are kept by scripts: what they may not do is no matter of the others being well."""
    own.nodes[0].client.execute_command("ACL", "SETUSER", "default", *rights.split())
    some = writes(store)
    assert_away("noperm", {name: some[name] for name in ("ping", *(("record",) if rights != "-set" else ()))})
    own.nodes[0].client.execute_command("ACL", "SETUSER", "default", "+@all")
    assert_well(store)


def test_an_engine_that_is_full(store: Store, own: Engine) -> None:
    own.nodes[0].client.config_set("maxmemory", "1")
    some = writes(store)
    assert_away("oom", {name: some[name] for name in ("record", "unfile", "ping", "lease")})
    assert len(store.records("CON-0")) == 1
    assert store.counts(BASE).counters["received"] == 1, "nothing was done by halves"
    assert list(store.page(Filter(), None, 9).conversations) == ["CON-0"]
    own.nodes[0].client.config_set("maxmemory", "0")
    assert_well(store)


def test_an_engine_that_is_still_reading_its_file(own: Engine, open_store: Callable[..., Store]) -> None:
    store = open_store(own)
    for number in range(100):
        post(store, numbered(number))
    node = own.nodes[0]
    node.client.save()
    node.kill()
    node.start("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024")  # 3 s for all keys
    wait_until(lambda: replies(node).endswith("BusyLoadingError"), "it listens")
    some = writes(store) | reads(store)
    assert_away("loading", {name: some[name] for name in ("record", "ping", "histories", "page", "counts")})
    node.kill()
    node.start()
    node.ready()
    assert len(store.records("CON-99")) == 1
    assert post(store, numbered(100))


def replies(node: Node) -> str:
    """What it replies to PING: also an error, with its name."""
    with contextlib.closing(Link(engines.Address(node.url))) as link:
        (reply,) = link.exchange([Command(b"", ("PING",))])
    return f"{reply} {type(reply).__name__}"


def test_answers_given_meanwhile_are_recorded_when_it_is_back(store: Store, own: Engine) -> None:
    own.nodes[0].kill()
    given = [answer(number, name=str(number)) for number in range(30)]
    for kept in given:
        with in_time():
            store.record_later(kept.event, kept.event.canonical, kept.received)
    assert store.answers_waiting > 0
    with in_time(), pytest.raises(StoreUnavailable):
        post(store, numbered(1))
    own.nodes[0].start()
    own.nodes[0].ready()
    wait_until(lambda: not store.answers_waiting and len(store.records(HERE)) == 30, "they are there")
    assert [record.body for record in store.records(HERE)] == [kept.event.canonical for kept in given]
    assert store.answers_lost == 0


def test_answers_given_while_a_script_runs_too_long_are_recorded_afterwards(store: Store, own: Engine) -> None:
    """Redis replies BUSY meanwhile, to everything."""
    client = own.nodes[0].client
    client.config_set("lua-time-limit", "50")

    def run_for_ever() -> None:
        with contextlib.suppress(ResponseError):  # it is killed
            client.eval("while true do end", 0)

    endless = threading.Thread(target=run_for_ever)
    endless.start()
    try:
        wait_until(lambda: replies(own.nodes[0]).startswith("BUSY"), "it is busy")
        given = [answer(number, name=str(number)) for number in range(30)]
        for kept in given:
            store.record_later(kept.event, kept.event.canonical, kept.received)
        assert_away("busy", {"record": lambda: post(store, numbered(1)), "counts": lambda: store.counts(NOW)})
        time.sleep(0.1)  # until the writer has met the error
    finally:
        client.script_kill()
        endless.join()
    wait_until(lambda: not store.answers_waiting and len(store.records(HERE)) == 30, "they are there")
    assert [record.body for record in store.records(HERE)] == [kept.event.canonical for kept in given]
    assert store.answers_lost == 0


def test_closing_writes_all_that_waits_however_much_it_is(own: Engine, open_store: Callable[..., Store]) -> None:
    store = open_store(own)
    own.nodes[0].freeze()
    given = [answer(number, name=str(number)) for number in range(1500)]
    for kept in given:
        store.record_later(kept.event, kept.event.canonical, kept.received)
    time.sleep(0.5)  # until the writer has met the first error
    own.nodes[0].thaw()
    store.stop()
    assert (store.answers_waiting, store.answers_lost) == (0, 0)
    assert len(open_store(own).records(HERE)) == 1500


def test_what_is_still_waiting_at_the_end_is_counted_as_lost(
    store: Store, own: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    own.nodes[0].kill()
    for number in range(5):
        kept = answer(number, name=str(number))
        store.record_later(kept.event, kept.event.canonical, kept.received)
    store.stop()
    assert store.answers_lost == 5
    assert "5" in caplog.text


def test_more_answers_than_can_wait_are_counted_as_lost(own: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.store.writer.MAX_WAITING", 10)
    writer = Writer(own.address)
    own.nodes[0].kill()
    for _ in range(25):
        writer.send_later(Command(b"x", ("INCR", "x")))
    assert (writer.waiting, writer.lost) == (10, 15)
    writer.close()


def test_threads_that_wait_for_each_other_are_served_after_any_trouble(
    own: Engine, open_store: Callable[..., Store]
) -> None:
    """Connections cut, scripts forgotten, the engine hanging: who tries again gets his event kept, once."""
    calls = [[w for w in call if w.event.conversations and w.sort == EVENT] for call in several(Random(31), 60)]
    posted = [webhook for call in calls for webhook in call]
    Random(32).shuffle(posted)
    stores = [open_store(own) for _ in range(2)]
    done = threading.Event()
    new: dict[bytes, int] = {}
    errors: list[str] = []

    def trouble() -> None:
        chance = Random(33)
        while not done.is_set():
            what = chance.randrange(3)
            if what == 0:
                own.nodes[0].client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            elif what == 1:
                own.nodes[0].client.script_flush()
            else:
                own.nodes[0].freeze()
                time.sleep(0.45)
                own.nodes[0].thaw()
            done.wait(0.05)

    def work(number: int) -> None:
        for webhook in posted[number::16]:
            give_up_at = time.monotonic() + engines.WAIT_SECONDS
            while time.monotonic() < give_up_at:
                try:
                    with in_time():
                        kept = post(stores[number % 2], webhook)
                except StoreUnavailable as away:
                    errors.append(away.reason)
                    time.sleep(0.1)  # it is not asked again at once
                else:
                    new[webhook.event.canonical] = new.get(webhook.event.canonical, 0) + bool(kept)
                    break
            else:
                raise AssertionError("never kept")

    troubled = threading.Thread(target=trouble)
    workers = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in (troubled, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    troubled.join()
    assert errors
    assert len(new) == len({webhook.event.canonical for webhook in posted})
    for number in range(keys.PARTITIONS):
        wait_until(partial(is_settled, stores[0], number), "what was left undone is done")
    expected = Expected(calls)
    received = stores[0].counts(NOW).counters["received"]
    assert received >= len(posted)
    assert_as_expected(stores[0], own, expected, posted=received)


def is_settled(store: Store, partition: int) -> bool:
    """Settle it, unless the engine is too slow."""
    with contextlib.suppress(StoreUnavailable):
        store.settle_noted(partition)
        return True
    return False


def test_scripts_that_were_forgotten_are_sent_again(store: Store, own: Engine) -> None:
    for number in range(1, 6):
        own.nodes[0].client.script_flush()
        assert post(store, numbered(number))
        own.nodes[0].client.script_flush()
        assert len(store.page(Filter(), None, 50).items) == number + 1
    own.nodes[0].client.script_flush()
    assert store.delete_all([f"CON-{number}" for number in range(6)]) == 6


def test_a_frozen_engine_holds_up_no_caller_who_wants_a_user(own: Engine, store: Store) -> None:
    must_ping(store)
    own.nodes[0].freeze()
    began = time.monotonic()
    assert store.engage("Alice", "call") == "unknown"
    assert time.monotonic() - began < 0.5  # 50 ms, and a busy machine


def test_while_the_engine_is_known_to_hang_no_caller_waits_for_it(
    own: Engine, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.store.timeouts.HUNG_SECONDS", 600.0)  # nobody looks whether it is back
    own.nodes[0].freeze()
    with pytest.raises(StoreUnavailable):
        post(store, numbered(1))
    sent: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "_put", lambda *_: sent.append("a command"))
        assert {store.engage("Alice", f"call-{number}") for number in range(50)} == {"unknown"}
    assert sent == []
    own.nodes[0].thaw()
    wait_until(lambda: works(store), "it is known to be back")
    wait_until(lambda: store.engage("Alice", "call") == "free", "callers have places again")
