"""With Redis away webhooks wait on disk; afterwards the store is as if nothing had happened, counters included."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from app.spool.drain import MOST_REST_SECONDS
from app.spool.errors import SpoolUnavailable
from app.spool.file import SpoolFile
from app.store import keys, timeouts
from app.store.codec import ANSWER, EVENT, Record
from app.store.errors import KeptNowhere
from app.store.link import Command
from app.store.pages import Filter
from app.store.spooled import Counted, Spooled, Write
from app.store.tallies import Tallied
from tests.domain.builders import HERE, THERE, answer, at, status, transfer
from tests.engines import Engine, Node, wait_until
from tests.generated import BASE, Body, Webhook, distinct, several, webhooks_of
from tests.serving import ROOT
from tests.spool.conftest import Worker
from tests.store.bounds import works
from tests.store.expected import NOW, Expected, assert_as_expected, read
from tests.store.posting import numbered

pytestmark = pytest.mark.short_timeouts

Open = Callable[..., Worker]


def keep(worker: Worker, webhook: Webhook) -> bool | None:
    """Hand a webhook over as the app does."""
    if webhook.sort == ANSWER:
        worker.keeper.record_later(webhook.event, webhook.text, webhook.received)
        return None
    return worker.keeper.record(webhook.event, webhook.text, webhook.received)


def one(body: Body, seconds: float = 0.0) -> Webhook:
    return webhooks_of(body, at(seconds))[0]


def counters(worker: Worker) -> tuple[int, int]:
    """Webhooks received, and repeats."""
    found = worker.store.counts(NOW).counters
    return found.get("received", 0), found.get("repeats", 0)


def test_the_usual_way_leaves_the_disk_alone(own: Engine, open_worker: Open, tmp_path: Path) -> None:
    worker = open_worker()
    assert keep(worker, numbered(0)) is True
    commands = []
    for write in (
        lambda: keep(worker, numbered(1)),
        lambda: worker.store.record(numbered(2).event, numbered(2).text, BASE),
    ):
        worker.store.ping()  # behind what the writer is just doing
        own.reset_calls()
        assert write() is True
        worker.store.ping()
        commands.append(own.calls())
    assert commands[0] == commands[1], "the spool costs Redis nothing"
    assert list(tmp_path.iterdir()) == []


def test_with_redis_gone_all_is_kept_and_written_once_it_is_back(own: Engine, open_worker: Open) -> None:
    worker = open_worker()
    own.nodes[0].kill()
    assert [keep(worker, numbered(number)) for number in range(100)] == [None] * 100
    assert worker.spool.depth().rows == 100
    assert not worker.drain.once(), "Redis is away"
    own.nodes[0].start()
    own.nodes[0].ready()
    worker.drained()
    assert counters(worker) == (100, 0)
    assert [len(worker.store.records(f"CON-{number}")) for number in range(100)] == [1] * 100


def test_what_redis_took_although_its_reply_came_too_late_is_counted_once(own: Engine, open_worker: Open) -> None:
    """A repeat, a new event, a transfer, and repeats of one that belongs to no conversation."""
    worker = open_worker()
    assert keep(worker, numbered(0))
    moved, homeless = one(transfer(HERE, THERE, 2)), b'{"status":"homeless"}'
    for body, seconds in ((numbered(0), 1), (numbered(1), 1), (moved, 2)):
        own.nodes[0].freeze()
        assert keep(worker, body._replace(received=at(seconds))) is None
        own.nodes[0].thaw()
        wait_until(lambda: works(worker.store), "it goes on")
    assert worker.keeper.unfile(homeless, "no conversation", at(2)) is True
    for seconds in (3, 4):
        own.nodes[0].freeze()
        assert worker.keeper.unfile(homeless, "no conversation", at(seconds)) is None
        own.nodes[0].thaw()
        wait_until(lambda: works(worker.store), "it goes on")
    wait_until(lambda: counters(worker)[0] > 4, "Redis has taken most of them")
    worker.drained()
    assert counters(worker) == (7, 3)
    assert worker.store.counts(NOW).counters["unfiled"] == 1
    assert [len(worker.store.records(name)) for name in (HERE, THERE)] == [1, 1]


def test_what_is_written_twice_because_a_worker_was_killed_is_counted_once(own: Engine, open_worker: Open) -> None:
    worker = open_worker()
    assert keep(worker, numbered(0))
    own.nodes[0].kill()
    keep(worker, numbered(1))
    keep(worker, numbered(1)._replace(received=at(1)))
    worker.keeper.unfile(b"{}", "no conversation", at(1))
    own.nodes[0].start()
    own.nodes[0].ready()
    wait_until(lambda: works(worker.store), "it is back")
    for _ in range(3):
        for waiting in worker.spool.first(99):
            assert isinstance(waiting.write, Spooled)
            worker.store.write(waiting.write)
    assert counters(worker) == (3, 1)
    worker.drained()
    assert counters(worker) == (3, 1)


def test_copies_that_came_in_one_millisecond_are_two(own: Engine, open_worker: Open) -> None:
    worker = open_worker()
    own.nodes[0].kill()
    for microseconds in (0, 1, 2):
        keep(worker, numbered(1)._replace(received=BASE + timedelta(microseconds=microseconds)))
    own.nodes[0].start()
    worker.drained()
    assert counters(worker) == (3, 2)


def test_a_call_that_began_while_redis_was_away_began_then(own: Engine, open_worker: Open) -> None:
    """Its later events reach Redis first: lists, statistics and the first receipt are as if they had not."""
    worker = open_worker()
    keep(worker, one(status("ringing", 30, where="CON-other", uuid="other"), 30))
    own.nodes[0].freeze()
    keep(worker, one(status("ringing", 1, where="CON-copy", uuid="copy"), 70))
    keep(worker, one(status("started", 0, from_="447700900123"), 0))
    keep(worker, one(status("ringing", 1), 60))
    own.nodes[0].thaw()
    wait_until(lambda: works(worker.store), "it is back")
    part = keys.of(HERE)
    own.ask(part, "DEL", part.events(HERE.encode()), part.meta(HERE.encode()))  # what it took late
    for index in (part.live, part.last_received):
        own.ask(part, "ZREM", index, HERE)
    assert keep(worker, one(status("answered", 90, from_="447700900123"), 90)) is True
    assert keep(worker, one(status("ringing", 1, where="CON-copy", uuid="copy"), 120)) is not None
    worker.drained()
    assert [record.received for record in worker.store.records("CON-copy")] == [at(70)], "its first copy waited"
    assert worker.store.page(Filter(), None, 9).conversations == ["CON-copy", "CON-other", HERE]
    assert worker.store.page(Filter(number="447700900123"), None, 9).items[0].first_received == int(
        BASE.timestamp() * 1000
    )
    assert worker.store.tied([HERE]).first_received[HERE] == at(0)
    assert sorted(record.received for record in worker.store.records(HERE)) == [at(0), at(60), at(90)]
    assert worker.store.counts(NOW).counters.get("out_of_order", 0) == 0, "late by us is not late by Vonage"
    assert read(worker.store, [HERE])[HERE].first_received == at(0)


def test_a_webhook_that_redis_refuses_for_itself_holds_up_nobody(own: Engine, open_worker: Open) -> None:
    worker = open_worker()
    part = keys.of("CON-0")
    own.ask(part, "SET", part.meta(b"CON-0"), "something else")
    assert keep(worker, numbered(0)) is None, "Redis refuses it: it is kept all the same"
    worker.spool.put([Spooled(Record(EVENT, BASE, b"no JSON"), Counted.LATER)])
    own.nodes[0].freeze()
    for number in range(1, 20):
        keep(worker, numbered(number))
    own.nodes[0].thaw()
    wait_until(lambda: works(worker.store), "it is back")
    while worker.drain.once():
        pass
    left = worker.waiting()
    assert (left.rows, left.refused) == (2, 2)
    assert counters(worker)[0] == 19
    assert worker.spool.ping() == "2 waiting"


def test_the_drain_rests_as_long_as_a_batch_took_and_longer_while_the_machine_is_busy(
    open_worker: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that rests and wakes up late has no processor of its own."""
    drain, clock, rests = open_worker().drain, [0.0], list[float]()
    lates = iter((0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0))

    def wait(seconds: float) -> None:
        rests.append(seconds)
        clock.append(clock[-1] + seconds + next(lates))

    monkeypatch.setattr("app.spool.drain.monotonic", lambda: clock[-1])
    monkeypatch.setattr(drain._stop, "wait", wait)
    for _ in range(11):
        drain._rest(0.125)
    assert rests == [0.125, 0.125, 0.125, 0.25, 0.5, 1.0, 2.0, 2.0, 1.0, 0.5, 0.25]
    drain._rest(60.0)
    assert rests[-1] == MOST_REST_SECONDS


def test_a_hung_redis_makes_one_request_a_second_wait_and_no_other(own: Engine, open_worker: Open) -> None:
    worker = open_worker()
    keep(worker, numbered(0))
    own.nodes[0].freeze()
    keep(worker, numbered(1))
    tried = [keep(worker, numbered(number)) for number in range(2, 200)]
    assert tried == [None] * 198
    sent = [waiting for waiting in worker.spool.first(999) if _counted(waiting.write) == Counted.AGAIN]
    assert len(sent) < 20, "the others did not ask Redis at all"
    own.nodes[0].thaw()
    worker.drained()
    assert counters(worker) == (200, 0)


def _counted(write: Write | Exception) -> Counted | None:
    return write.counted if isinstance(write, Spooled) else None


def test_answers_wait_on_disk_too_and_outlive_their_process(own: Engine, open_worker: Open) -> None:
    calls = [w for call in several(Random(3), 40) for w in call if w.sort == ANSWER and w.event.conversations]
    answers = list(distinct(calls).values())
    assert len(answers) > 10
    worker = open_worker()
    own.nodes[0].kill()
    for webhook in answers:
        keep(worker, webhook)
    wait_until(lambda: worker.waiting().rows == len(answers), "they are on disk")
    assert (worker.store.answers_waiting, worker.store.answers_lost) == (0, 0)
    worker.close()
    own.nodes[0].start()
    own.nodes[0].ready()
    next_one = open_worker()
    next_one.drained()
    assert counters(next_one) == (len(answers), 0)


def test_an_answer_is_on_disk_while_the_writer_still_waits_for_redis(
    own: Engine, open_worker: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once Redis is known to hang; only the first answers wait in memory, for as long as Redis may take."""
    worker = open_worker()
    own.nodes[0].freeze()
    assert keep(worker, numbered(0)) is None
    wait_until(lambda: worker.store._writer._away, "the writer has noticed")
    monkeypatch.setattr(timeouts, "READ_SECONDS", 600.0)
    worker.store._writer.send_unwatched(Command(b"x", ("PING",)))
    given = [answer(number, name=str(number)) for number in range(20)]
    for kept in given:
        worker.keeper.record_later(kept.event, kept.event.canonical, kept.received)
    wait_until(lambda: worker.waiting().rows == 1 + len(given), "all are on disk")
    monkeypatch.undo()
    own.nodes[0].thaw()
    worker.drained()
    assert counters(worker) == (1 + len(given), 0)


def refusals(worker: Worker) -> int:
    return worker.store.counts(NOW).counters.get("refused:missing", 0)


def rows(folder: Path) -> int:
    """How many rows the file has, those of counts included."""
    file = SpoolFile(folder, 64)
    try:
        return len(file.after(0, 1_000_000))
    finally:
        file.close()


@pytest.mark.parametrize("trouble", [Node.freeze, Node.kill], ids=["hangs", "gone"])
def test_counts_outlive_their_process_and_are_counted_once(
    own: Engine, open_worker: Open, tmp_path: Path, trouble: Callable[[Node], None]
) -> None:
    """Redis hangs in the middle of a batch, which it counts afterwards; the disk has that batch as well."""
    worker = open_worker()
    worker.store.count("refused:missing")
    wait_until(lambda: refusals(worker) == 1, "Redis has counted it")
    trouble(own.nodes[0])
    worker.store.count("refused:missing")
    wait_until(lambda: rows(tmp_path) == 1, "it is on disk")
    for _ in range(20_000):
        worker.store.count("refused:missing")
    worker.close()
    assert rows(tmp_path) in (2, 3), "a flood of refusals is no flood of rows"
    other = open_worker()
    assert other.spool.depth().rows == 0, "counts are no events"
    if trouble is Node.freeze:
        own.nodes[0].thaw()
    else:
        own.nodes[0].start()
        own.nodes[0].ready()
    other.drained()
    assert refusals(other) == 20_001 + (trouble is Node.freeze)
    assert rows(tmp_path) == 0


def test_counts_that_are_written_again_are_counted_once(own: Engine, open_worker: Open, tmp_path: Path) -> None:
    """The worker that empties the spool may be killed before it takes a row out."""
    worker = open_worker()
    own.nodes[0].kill()
    for _ in range(3):
        worker.store.count("refused:missing")
    worker.store.waited(3.0)
    wait_until(lambda: rows(tmp_path) == 1, "they are on disk")
    own.nodes[0].start()
    own.nodes[0].ready()
    for _ in range(2):
        for waiting in worker.spool.first(9):
            assert isinstance(waiting.write, Tallied)
            worker.store.write(waiting.write)
    worker.drained()
    assert refusals(worker) == 3


def test_counts_that_neither_redis_nor_the_disk_takes_are_said_to_be_lost(
    own: Engine, open_worker: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    worker = open_worker(tmp_path / "file")
    own.nodes[0].kill()
    for _ in range(7):
        worker.store.count("refused:missing")
    worker.store.stop()
    assert "did not take until the end: 7" in caplog.text


ENDS = """
from gevent import monkey
monkey.patch_all()
import atexit, sys
from datetime import timedelta
from pathlib import Path
from time import sleep
from app.spool.drain import Drain
from app.spool.file import SpoolFile
from app.spool.spool import Spool
from app.store.link import Address
from app.store.store import Store
from tests.generated import read_record

folder = Path(sys.argv[1])
another = SpoolFile(folder, 64)
assert another.lease()
store, spool = Store(Address(sys.argv[2]), read=read_record, retention=timedelta(days=7)), Spool(folder, 64)
drain = Drain(store, spool)
atexit.register(drain.stop)
drain.start()
sleep(0.2)
another.close()
"""


def test_a_worker_that_ends_writes_what_it_may_write_now(own: Engine, open_worker: Open, tmp_path: Path) -> None:
    """Within `atexit`, as in a server; the lease was another worker's until then."""
    worker = open_worker()
    own.nodes[0].kill()
    for number in range(50):
        keep(worker, numbered(number))
    own.nodes[0].start()
    own.nodes[0].ready()
    program = [sys.executable, "-c", ENDS, str(tmp_path), own.address.url]
    ended = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "Traceback" not in ended.stderr
    assert rows(tmp_path) == 0


def test_what_was_given_up_for_a_slow_disk_is_not_written_there_later(
    open_worker: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has gone elsewhere since, or is sent again: it would be counted twice."""
    monkeypatch.setattr("app.spool.spool.PUT_SECONDS", 0.3)
    spool, add, go_on, begun = open_worker().spool, SpoolFile.add, threading.Event(), threading.Event()

    def slow(*args: Any) -> None:
        begun.set()
        go_on.wait(30)
        add(*args)

    monkeypatch.setattr(SpoolFile, "add", slow)
    waiting = [Spooled(Record(EVENT, at(number), b"{}", ()), Counted.LATER) for number in range(3)]
    spool.spill_soon(waiting[0], lambda: None)
    assert begun.wait(30)
    for each in waiting[1:]:
        with pytest.raises(SpoolUnavailable):
            spool.put([each])
    go_on.set()
    wait_until(lambda: rows(tmp_path) == 1, "the first one is written")
    spool.put([waiting[2]])
    assert rows(tmp_path) == 2


def test_where_the_disk_takes_nothing_a_redis_that_is_back_takes_it_at_once(
    own: Engine, open_worker: Open, tmp_path: Path
) -> None:
    """Also within the second in which nobody else asks a Redis that did not reply."""
    (tmp_path / "file").touch()
    worker = open_worker(tmp_path / "file")
    assert keep(worker, numbered(0)) is True
    for write in (lambda: keep(worker, numbered(2)), lambda: worker.keeper.unfile(b"{}", "no conversation", at(1))):
        own.nodes[0].freeze()
        with pytest.raises(KeptNowhere):
            keep(worker, numbered(1))
        own.nodes[0].thaw()
        own.nodes[0].ready()
        assert write() is True


def test_where_the_disk_takes_nothing_either_it_is_said(own: Engine, open_worker: Open, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    worker = open_worker(tmp_path / "file")
    assert keep(worker, numbered(0)) is True
    own.nodes[0].kill()
    with pytest.raises(KeptNowhere, match=r"Redis is away .*; the spool does not take it either"):
        keep(worker, numbered(1))
    assert worker.spool.ping() is not None
    with pytest.raises(SpoolUnavailable):
        worker.spool.put([Spooled(Record(EVENT, BASE, b"{}"), Counted.LATER)])


def _freeze(node: Node) -> None:
    node.freeze()
    time.sleep(0.6)
    node.thaw()


def _read_only(node: Node) -> None:
    node.client.execute_command("REPLICAOF", "127.0.0.1", "1")
    time.sleep(0.2)
    node.client.execute_command("REPLICAOF", "NO", "ONE")


def _full(node: Node) -> None:
    node.client.config_set("maxmemory", 1)
    time.sleep(0.2)
    node.client.config_set("maxmemory", 0)


def _cut(node: Node) -> None:
    node.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def keep_all(workers: Sequence[Worker], webhooks: Sequence[Webhook]) -> int:
    """Hand them over from many threads; returns how many events waited on disk. All are in Redis afterwards."""

    def work(number: int) -> int:
        kept = [keep(workers[number % 2], webhook) for webhook in webhooks[number::12] if webhook.sort == EVENT]
        for webhook in webhooks[number::12]:
            if webhook.sort == ANSWER:
                keep(workers[number % 2], webhook)
        return kept.count(None)

    with ThreadPoolExecutor(12) as pool:
        spooled = sum(pool.map(work, range(12)))
    for worker in workers:
        wait_until(lambda worker=worker: not worker.store.answers_waiting, "answers are written, or on disk")  # type: ignore[misc]
        worker.drained()
    return spooled


def test_after_every_trouble_the_store_is_as_if_there_had_been_none(own: Engine, open_worker: Open) -> None:
    """Calls of all kinds, then a copy of each event, two workers, while Redis hangs, is full, read-only, cut off."""
    chance = Random(41)
    calls = [list(distinct(w for w in call if w.event.conversations).values()) for call in several(chance, 40)]
    posted = [webhook for call in calls for webhook in call]
    copies = [w._replace(received=w.received + timedelta(seconds=5)) for w in posted if w.sort == EVENT]
    chance.shuffle(posted)
    chance.shuffle(copies)
    workers = [open_worker() for _ in range(2)]
    done = threading.Event()

    def trouble() -> None:
        troubles = Random(42)
        while not done.is_set():
            troubles.choice([_freeze, _read_only, _full, _cut])(own.nodes[0])
            done.wait(0.1)

    troubled = threading.Thread(target=trouble)
    troubled.start()
    try:
        spooled = [keep_all(workers, posted), keep_all(workers, copies)]
    finally:
        done.set()
        troubled.join()
    assert min(spooled) > 5
    store = workers[0].store
    for number in range(keys.PARTITIONS):
        store.settle_noted(number)
    assert_as_expected(store, own, Expected(calls), posted=len(posted) + len(copies))
