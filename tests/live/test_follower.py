"""One reader for many listeners: who comes late, was away, is slow, or outlives the store gets all there is to get."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from app.live import follower, position
from app.live import listener as listeners
from app.live import stream as streams
from app.live.changes import Change
from app.live.follower import AT_ONCE, MOST_LISTENERS
from app.live.listener import Listener, Wanted
from app.live.rendering import IDS, JSON, Form
from app.store import keys
from app.store.errors import StoreUnavailable
from app.store.feed import FeedEntry, Ordered
from app.store.store import Store
from tests import engines
from tests.domain.builders import HERE, THERE, about, status, transfer
from tests.engines import Engine, wait_until
from tests.generated import read_record, several
from tests.live.listening import EVERYTHING, Station, station
from tests.sse import Event, Parser, Reading
from tests.store.posting import numbered, post, send, settle

# Where what is shown is how one worker serves many listeners: the engine is a matter of the other tests.
ON_ONE_NODE = pytest.mark.parametrize("engine", ["valkey"], indirect=True)
RINGING = status("ringing", 1, from_="447700900123", to="Alice")


@pytest.fixture
def here(store: Store) -> Iterator[Station]:
    """A worker's live feed, on every kind of engine."""
    with station(store) as opened:
        yield opened


def only(*conversations: str) -> Wanted:
    """Those conversations alone."""
    return Wanted(conversations=frozenset(conversations))


def until_kept(write: Callable[[], object]) -> None:
    """Repeat it, as Vonage does, while the store has no time for it."""
    while True:
        with suppress(StoreUnavailable):
            write()
            return


def seen(events: list[Event]) -> list[tuple[str, Any]]:
    """Conversation and index of each change."""
    return [(event.data["conversation_uuid"], event.data["index"]) for event in events]


def test_all_that_happens_is_streamed_in_order_with_positions(here: Station) -> None:
    reading = here.read()
    send(here.store, RINGING, status("answered", 2), about(3, uuid="leg", dtmf={"digits": "1"}), status("completed", 9))
    events = reading.wait_for(4)
    assert [event.type for event in events] == ["leg", "leg", "input", "leg"]
    assert seen(events) == [(HERE, 0), (HERE, 1), (HERE, 2), (HERE, 3)]
    positions = [position.read(event.id) for event in events]
    assert all(position.is_before(one, other) for one, other in pairwise(positions))
    assert len(set(positions)) == 4
    reading.close()


def test_many_events_at_once_are_all_there(here: Station) -> None:
    """More than are read in one look, of one conversation and of many."""
    reading = here.read()
    for number in range(AT_ONCE + 10):
        post(here.store, numbered(number))
        send(here.store, about(number, uuid="leg", dtmf={"digits": str(number)}))
    events = reading.wait_for(2 * (AT_ONCE + 10))
    assert len(set(seen(events))) == len(events)
    assert [index for name, index in seen(events) if name == HERE] == list(range(AT_ONCE + 10))
    reading.close()


@pytest.mark.parametrize("missed", [3, 60 + AT_ONCE])
def test_who_was_away_gets_what_was_missed_once_from_any_worker(
    here: Station, store: Store, monkeypatch: pytest.MonkeyPatch, missed: int
) -> None:
    """From memory where somebody else has listened all the time; else from the feed, however much it was."""
    monkeypatch.setattr(follower, "KEPT", 60)
    first = here.read()
    other = here.read()
    send(store, RINGING)
    first.wait_for(1)
    left_at = position.read(first.wait_for(1)[-1].id)
    first.close()
    for number in range(missed):
        post(store, numbered(number))
    other.wait_for(1 + missed)
    expected = [(f"CON-{number}", 0) for number in range(missed)]
    with station(store) as another:
        for worker in (here, another, another):
            again = worker.read(left_at)
            assert sorted(seen(again.wait_for(missed))) == sorted(expected)
            send(store, about(missed, where=f"CON-more-{id(again)}", payload={}))
            assert seen(again.wait_for(missed + 1))[-1] == (f"CON-more-{id(again)}", 0)
            expected.append((f"CON-more-{id(again)}", 0))
            missed += 1
            again.close()
    other.close()


def test_who_begins_now_does_not_wait_for_those_who_catch_up(here: Station) -> None:
    with here.live._catching_up:
        reading = here.read()
        send(here.store, RINGING)
        assert seen(reading.wait_for(1)) == [(HERE, 0)]
    reading.close()


def test_any_two_ways_to_cut_a_stream_give_the_same(here: Station, store: Store) -> None:
    """A reader is cut again and again, at any event, and goes on at another worker: nothing is missing or twice."""
    chance = Random(5)
    whole = here.read()
    with station(store) as another:
        found: list[Event] = []
        at, sent = position.read(whole.parser.last_id), 0
        for _ in range(12):
            reading = chance.choice((here, another)).read(at)
            for _ in range(chance.randrange(30)):
                send(store, about(sent, where=f"CON-{sent % 7}", payload={"n": sent}))
                sent += 1
            wanted = chance.randrange(sent - len(found) + 1)
            found += reading.wait_for(wanted)
            reading.close()
            at = position.read(found[-1].id) if found else at
        rest = another.read(at)
        found += rest.wait_for(sent - len(found))
        rest.close()
    assert sorted(seen(found)) == sorted(seen(whole.wait_for(sent)))
    for name in {name for name, _ in seen(found)}:
        indexes = [index for each, index in seen(found) if each == name]
        assert indexes == list(range(len(indexes))), "in their order"
    whole.close()


def test_two_servers_stream_a_conversation_in_the_same_order(here: Station, store: Store) -> None:
    with station(store) as another:
        readings = here.read(), another.read()
        for number in range(60):
            send(store, about(number, where=(HERE, THERE)[number % 2], payload={"n": number}))
        streamed = [seen(reading.wait_for(60)) for reading in readings]
        for name in (HERE, THERE):
            one, other = ([item for item in found if item[0] == name] for found in streamed)
            assert one == other == [(name, index) for index in range(30)]
        for reading in readings:
            reading.close()


def test_a_feed_that_no_longer_reaches_back_is_a_gap_and_it_goes_on(
    here: Station, store: Store, engine: Engine
) -> None:
    send(store, RINGING)
    long_ago = store.latest()
    part = keys.of(HERE)
    engine.ask(part, "XTRIM", part.feed, "MAXLEN", "0")
    send(store, status("answered", 2))
    reading = here.read(long_ago)
    gap = reading.wait_for(1)[0]
    assert gap.type == "gap"
    assert "read again" in gap.data["detail"]
    send(store, status("completed", 9))
    assert seen(reading.wait_for(2)[1:]) == [(HERE, 2)]
    reading.close()


def test_an_emptied_store_is_a_gap_for_those_who_listen_too(here: Station, store: Store, engine: Engine) -> None:
    send(store, RINGING)
    reading = here.read()
    engine.flush()
    assert reading.wait_for_type("gap").id
    send(store, status("answered", 2))
    assert seen(reading.wait_for(2)[1:]) == [(HERE, 0)]
    ahead = tuple((ms + 10**9, number) for ms, number in store.latest())
    reading.close()
    again = here.read(ahead)
    assert again.wait_for(1)[0].type == "gap", "no store has been there yet"
    again.close()


def test_who_does_not_read_is_dropped_and_goes_on_where_it_was(here: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listeners, "MOST_BYTES", 20_000)
    pieces = here.pieces()
    parser = Parser()
    events: list[Event] = []
    while not parser.last_id:
        events += parser.feed(next(pieces))
    other = here.read()
    for number in range(40):
        post(here.store, numbered(number))
    other.wait_for(40)
    wait_until(lambda: here.hung_up, "it is dropped")
    for piece in pieces:
        events += parser.feed(piece)
    changes = [event for event in events if event.type != "stats"]
    assert len(changes) < 40, "it was dropped"
    again = here.read(position.read(parser.last_id))
    rest = again.wait_for(40 - len(changes))
    assert sorted(seen(changes + rest)) == sorted(seen(other.changes))
    again.close()
    other.close()
    assert here.live.listeners == 0


def test_filters(here: Station) -> None:
    wanted = {
        "of one conversation": only(THERE),
        "whole number": Wanted(number="447700900123"),
        "end of a number": Wanted(number="0123"),
        "seven digits": Wanted(number="0900123"),
        "seven digits of a viewer": Wanted(number="0900123", whole=True),
        "another number": Wanted(number="0124"),
        "user": Wanted(user="Alice"),
        "another user": Wanted(user="Bob"),
        "types": Wanted(types=frozenset({"input", "stats"})),
    }
    readings = {name: here.read(wanted=each) for name, each in wanted.items()}
    everything = here.read()
    send(
        here.store,
        RINGING,
        about(2, uuid="leg", dtmf={"digits": "1"}),
        status("ringing", 1, where=THERE, uuid="other", from_="Bob", to="442079460124"),
        status("ringing", 1, where="CON-last", uuid="last", from_="447700900123", to="Bob"),
    )
    everything.wait_for(4)
    here.store.delete("CON-last")
    everything.wait_for(5)
    last, deleted = ("CON-last", 0), ("CON-last", None)
    expected: dict[str, list[tuple[str, Any]]] = {
        "of one conversation": [(THERE, 0)],
        "whole number": [(HERE, 0), (HERE, 1), last, deleted],
        "end of a number": [(HERE, 0), (HERE, 1), last, deleted],
        "seven digits": [(HERE, 0), (HERE, 1), last, deleted],
        "seven digits of a viewer": [deleted],
        "another number": [(THERE, 0), deleted],
        "user": [(HERE, 0), (HERE, 1), deleted],
        "another user": [(THERE, 0), last, deleted],
        "types": [(HERE, 1)],
    }
    for name, reading in readings.items():
        assert seen(reading.wait_for(len(expected[name]))) == expected[name], name
    time.sleep(0.3)
    for name, reading in readings.items():
        assert seen(reading.changes) == expected[name], name
        assert bool(reading.events != reading.changes), "and the counters"
        reading.close()
    everything.close()


def test_what_nobody_follows_is_not_even_read(here: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of pages, each of one call, cost the other calls nothing."""
    read: list[str] = []
    ordered = here.live._follower.ordered

    def watched(entries: Sequence[FeedEntry], missing: Any) -> Ordered:
        read.extend(entry.conversation for entry in entries)
        return ordered(entries, missing)

    monkeypatch.setattr(here.live._follower, "ordered", watched)
    readings = [here.read(wanted=only(f"CON-{number}", f"CON-{number + 1}")) for number in range(0, 10, 2)]
    for number in range(40):
        post(here.store, numbered(number))
    for number, reading in enumerate(readings):
        assert sorted(seen(reading.wait_for(2))) == [(f"CON-{2 * number}", 0), (f"CON-{2 * number + 1}", 0)]
    wait_until(lambda: here.live._at == here.store.latest(), "all is read")
    assert sorted(read) == [f"CON-{number}" for number in range(10)]
    for reading in readings:
        reading.close()


def test_a_conversation_that_a_leg_has_left_is_shown_again_to_who_follows_it_alone(here: Station) -> None:
    send(here.store, status("answered", 1))
    reading = here.read(wanted=only(HERE))
    send(here.store, transfer(HERE, THERE, 2))
    assert reading.wait_for(1)[0].type == "transfer"
    send(here.store, status("completed", 9, where=THERE))
    again = reading.wait_for(2)[1]
    assert (again.type, again.data["conversation_uuid"], again.data["conversation"]["state"]) == (
        "conversation",
        HERE,
        "ended",
    )
    reading.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_who_follows_some_conversations_learns_what_all_learn(here: Station, store: Store, seed: int) -> None:
    webhooks = [each for call in several(Random(seed), 20) for each in call if each.event.conversations]
    names = sorted({name for webhook in webhooks for name in webhook.event.conversations})
    groups = [names[number::5] for number in range(5)]
    with station(store) as another:
        everything = another.read()
        readings = [here.read(wanted=only(*group, "CON-end")) for group in groups]
        for webhook in Random(seed).sample(webhooks * 2, 2 * len(webhooks)):
            until_kept(lambda w=webhook: post(store, w))  # type: ignore[misc]
        settle(store)
        send(store, status("ringing", where="CON-end", uuid="end"))
        for reading in (everything, *readings):
            wait_until(lambda r=reading: ("CON-end", 0) in seen(r.changes), "the last one has come")  # type: ignore[misc]
        whole = {event.data["conversation_uuid"]: event.data["conversation"] for event in everything.changes}
        for group, reading in zip(groups, readings, strict=True):
            assert {name for name, _ in seen(reading.changes)} == {*group, "CON-end"}
            for event in reversed(reading.changes):
                name = event.data["conversation_uuid"]
                if name in group:
                    group.remove(name)
                    assert event.data["conversation"] == whole[name]
            of_group = {name for name, _ in seen(reading.changes)}
            own = [item for item in seen(everything.changes) if item[0] in of_group and item[1] is not None]
            assert sorted(item for item in seen(reading.changes) if item[1] is not None) == sorted(own)
        for reading in (everything, *readings):
            reading.close()


def test_who_comes_while_the_feed_is_read_misses_nothing(here: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it wants may not have been read in that look: nobody else wanted it."""
    first = here.read(wanted=only(HERE))
    late, parser = here.pieces(wanted=only(THERE)), Parser()
    moved, joined = here.live._follower.moved, list[bool]()

    def slow(entries: Sequence[FeedEntry], missing: Any) -> dict[str, list[str]]:
        while not parser.last_id:
            list(parser.feed(next(late)))
        joined.append(True)
        return moved(entries, missing)

    monkeypatch.setattr(here.live._follower, "moved", slow)
    send(here.store, status("ringing", 1, where=THERE, uuid="other"))
    wait_until(lambda: joined, "it has joined during a look")
    send(here.store, status("answered", 2, where=THERE, uuid="other"))
    found: list[Event] = []
    for piece in late:
        found += [event for event in parser.feed(piece) if event.type != "stats"]
        if len(found) >= 2:
            break
    assert seen(found) == [(THERE, 0), (THERE, 1)]
    assert first.changes == []
    late.close()  # type: ignore[attr-defined]
    first.close()


def test_who_wants_more_than_the_others_gets_what_it_missed(here: Station) -> None:
    first = here.read(wanted=only(HERE))
    began = position.read(first.parser.last_id)
    send(here.store, RINGING, status("ringing", 1, where=THERE, uuid="other"))
    first.wait_for(1)
    wait_until(lambda: here.live._at == here.store.latest(), "all is read")
    for wanted, expected in ((only(THERE), [(THERE, 0)]), (EVERYTHING, [(HERE, 0), (THERE, 0)])):
        again = here.read(began, wanted=wanted)
        assert sorted(seen(again.wait_for(len(expected)))) == expected
        again.close()
    first.close()


def test_ids_are_of_all_that_changed_each_once_in_a_look(here: Station) -> None:
    """For those who read the calls themselves, as the board does."""
    send(here.store, status("answered", 1), transfer(HERE, THERE, 2))
    reading = here.read(form=IDS)
    send(here.store, status("completed", 9, where=THERE))
    wait_until(lambda: {event.data for event in reading.changes} == {HERE, THERE}, "both conversations of the leg")
    assert all(each.changes is None for each in here.live._kept)
    reading.close()


def test_numbers_are_masked_for_those_who_may_not_see_them(here: Station) -> None:
    viewer, operator = here.read(masked=True), here.read()
    send(here.store, RINGING, about(2, reason="Cannot route 447700900123 now"))
    masked = json.dumps([event.data for event in viewer.wait_for(2)])
    whole = json.dumps([event.data for event in operator.wait_for(2)])
    assert "447700900123" not in masked
    assert masked.count("********0123") == 2
    assert whole.count("447700900123") == 2
    viewer.close()
    operator.close()


def test_each_change_is_rendered_once_for_all_who_want_it_so(here: Station) -> None:
    rendered: list[tuple[Any, bool]] = []

    def row(change: Change, masked: bool) -> str:
        rendered.append((change.index, masked))
        return f"<tr>\n<td>{change.index}</td></tr>" if not masked else json.dumps("masked")

    here.live.add_format("row", row)
    readings = [here.read(form="row", masked=True) for _ in range(20)]
    send(here.store, RINGING, status("answered", 2))
    for reading in readings:
        assert [event.data for event in reading.wait_for(2)] == ["masked", "masked"]
        reading.close()
    assert sorted(rendered) == [(0, True), (1, True)]


def test_the_counters_come_first_and_when_they_change(here: Station) -> None:
    reading = here.read()
    assert reading.wait_for_type("stats").data == {
        "conversations": {"live": 0, "presumed_ended": 0},
        "legs": {"started": 0, "ringing": 0, "answered": 0},
    }
    send(here.store, status("answered", 1), status("ringing", 1, uuid="two"))
    wait_until(lambda: reading.events[-1].type == "stats" and len(reading.events) > 3, "they have changed")
    assert reading.events[-1].data["legs"] == {"started": 0, "ringing": 1, "answered": 1}
    late = here.read()
    assert late.wait_for_type("stats").data == reading.events[-1].data
    reading.close()
    late.close()


def test_nothing_is_read_while_nobody_listens(here: Station, engine: Engine) -> None:
    first = here.read()
    send(here.store, RINGING)
    first.wait_for(1)
    first.close()
    wait_until(lambda: here.live._at is None, "it rests")
    engine.reset_calls()
    time.sleep(0.5)
    assert engine.calls() < 5
    again = here.read()
    send(here.store, status("answered", 2))
    assert seen(again.wait_for(1)) == [(HERE, 1)]
    again.close()


def test_one_reader_serves_any_number_of_listeners(here: Station, engine: Engine) -> None:
    """In so many looks, the store gets no more commands with a hundred listeners."""

    def commands_of_ten_looks() -> float:
        wait_until(lambda: here.live._stats_at, "it has looked at the counters")
        engine.reset_calls()
        began = here.live._looks
        wait_until(lambda: here.live._looks >= began + 10, "ten looks")
        return engine.calls() / (here.live._looks - began)

    readings = [here.read()]
    with_one = commands_of_ten_looks()
    readings += [here.read() for _ in range(100)]
    assert commands_of_ten_looks() <= 2 * with_one + 10
    for reading in readings:
        reading.close()


@ON_ONE_NODE
def test_the_more_is_sent_the_less_often(here: Station) -> None:
    """Many listeners get what came meanwhile at once: webhooks do not wait for hundreds of sends at each look."""
    reading = here.read()
    crowd = [Listener(EVERYTHING, Form(JSON, masked=False), lambda: None) for _ in range(400)]
    for listener in crowd:
        here.live.join(listener, None)
    began, number, chunks = time.monotonic(), 0, 0
    while time.monotonic() < began + 2.0 or number < 40:
        send(here.store, about(number, payload={"n": number}))
        number += 1
        if crowd[-1].take(0.05):
            chunks += 1
            for listener in crowd[:-1]:
                listener.take(0)
    assert [index for _, index in seen(reading.wait_for(number))] == list(range(number))
    assert chunks <= (time.monotonic() - began) / 0.4 + 5, "and the counters are a few"
    for listener in crowd:
        here.live.part(listener)
    reading.close()


def test_a_stopping_worker_ends_its_streams_and_begins_no_other(here: Station) -> None:
    readings = [here.read() for _ in range(3)]
    began = time.monotonic()
    here.live.end()
    for reading in readings:
        reading.wait_for_end()
        assert 0 < reading.parser.retry < 2000
    assert time.monotonic() - began < 5
    late = Parser()
    for piece in here.pieces():
        list(late.feed(piece))
    assert late.retry
    assert not late.last_id
    wait_until(lambda: here.live.listeners == 0, "all have left")


def test_a_stream_ends_at_the_heartbeat_after_its_reader_may_not_read_any_more(
    here: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.2)
    answers: list[Any] = [True, StoreUnavailable("timeout"), False]

    def goes_on() -> bool:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return bool(answer)

    reading = here.read(goes_on=goes_on)
    reading.wait_for_end()
    assert not answers
    wait_until(lambda: here.live.listeners == 0, "it has left")


def test_a_heartbeat_moves_the_position_of_those_who_get_nothing(
    here: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.2)
    reading = here.read(wanted=only("CON-nobody"))
    began_at = reading.parser.last_id
    send(here.store, RINGING)
    wait_until(lambda: reading.parser.last_id != began_at, "it has a later position")
    assert position.read(reading.parser.last_id) == here.store.latest()
    assert reading.changes == []
    reading.close()


def test_a_fault_of_ours_is_a_gap_and_the_feed_goes_on(
    here: Station, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def row(change: Change, masked: bool) -> str:
        if change.index == 1:
            raise ZeroDivisionError
        return "1"

    here.live.add_format("row", row)
    reading = here.read(form="row")
    send(here.store, RINGING)
    reading.wait_for(1)
    send(here.store, status("answered", 2))
    reading.wait_for_type("gap")
    send(here.store, status("completed", 9))
    assert [event.data for event in reading.wait_for(3)][::2] == [1, 1]
    reading.close()


def test_a_worker_takes_so_many_streams(here: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not here.live.is_full
    for _ in range(MOST_LISTENERS):
        here.live._open += 1
    assert here.live.is_full
    here.live._open = 0


@pytest.mark.short_timeouts
def test_redis_away_is_said_once_and_nothing_is_lost(open_store: Callable[..., Store]) -> None:
    with engines.single() as engine:
        store = Store(engine.address, read=read_record, retention=timedelta(days=7))
        wait_until(lambda: store.ping() is None, "the store is there")
        with station(store) as here:
            reading = here.read()
            send(store, RINGING)
            reading.wait_for(1)
            (node,) = engine.nodes
            node.freeze()
            reading.wait_for_type("away")
            late = Reading(here.pieces(position.read(reading.parser.last_id)), lambda: None)
            late.wait_for_type("away")
            time.sleep(1.5)
            node.thaw()
            wait_until(lambda: store.ping() is None, "it is back")
            send(store, status("answered", 2), transfer(HERE, THERE, 3))
            for each, count in ((reading, 5), (late, 4)):
                events = each.wait_for(count)
                assert [event.type for event in events].count("away") == 1
                assert "gap" not in [event.type for event in events]
                found = seen([e for e in events if e.type != "away"])[-3:]
                assert sorted(found) == [(HERE, 1), (HERE, 2), (THERE, 0)]
                assert found.index((HERE, 1)) < found.index((HERE, 2)), "in order within a conversation"
            assert reading.events[-1].type in ("stats", "transfer")
        store.stop()


@pytest.mark.short_timeouts
def test_a_node_of_a_cluster_away_is_said_and_nothing_is_lost() -> None:
    """Neither for who listens nor for who comes meanwhile; also what the living nodes kept in that time."""
    with engines.start_cluster() as cluster:
        store = Store(cluster.address, read=read_record, retention=timedelta(days=7))
        wait_until(lambda: store.ping() is None, "the store is there")
        lost = cluster.nodes[2]

        def names(of_lost: bool) -> list[str]:
            """Ids of conversations, or of legs, on that node or on the others."""
            ids = (f"CON-{number}" for number in range(200))
            return [name for name in ids if (cluster.node_of(keys.of(name)) is lost) is of_lost][:6]

        def ring(names: list[str]) -> None:
            for name in names:
                until_kept(lambda n=name: send(store, status("ringing", 1, where=n, uuid=n)))  # type: ignore[misc]

        with station(store) as here:
            reading = here.read()
            ring([*names(of_lost=True)[:3], *names(of_lost=False)[:3]])
            began = position.read(reading.wait_for(6)[-1].id)
            lost.freeze()
            reading.wait_for_type("away")
            late = Reading(here.pieces(began), lambda: None)
            late.wait_for_type("away")
            ring(names(of_lost=False)[3:])
            wait_until(lambda: len(reading.changes) >= 6 + 1 + 3, "the others go on")
            comes = here.read()
            comes.wait_for_type("away")
            lost.thaw()
            wait_until(lambda: store.ping() is None, "it is back")
            ring(names(of_lost=True)[3:])
            expected = sorted((name, 0) for name in [*names(of_lost=True)[3:], *names(of_lost=False)[3:]])
            for each, before in ((reading, 6), (late, 0)):

                def found(each: Reading = each, before: int = before) -> list[tuple[str, Any]]:
                    changes = [event for event in each.changes[before:] if event.type != "away"]
                    return sorted(item for item in seen(changes) if item[1] is not None)

                wait_until(lambda f=found: f() == expected, "all that happened, once")  # type: ignore[misc]
                assert "gap" not in {event.type for event in each.events}
                wait_until(lambda e=each: e.events[-1].type == "stats", "it is over")  # type: ignore[misc]
            for each in (reading, comes):

                def again(each: Reading = each) -> set[str]:
                    return {
                        event.data["conversation_uuid"] for event in each.changes if event.data.get("kind") == "carry"
                    }

                # By now more may be known of their legs.
                wait_until(lambda a=again: a() == {*names(of_lost=False)[3:]}, "they come again")  # type: ignore[misc]
        store.stop()
