"""One leg, one state: its conversations, its own page, counters and list filters agree, also after deletions."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from itertools import pairwise
from random import Random
from typing import TypeVar

import pytest

from app.domain.conversations import moments
from app.domain.legs import Leg, project_leg
from app.store import keys
from app.store.errors import StoreUnavailable
from app.store.housekeeping import Housekeeping
from app.store.link import Command
from app.store.pages import Filter
from app.store.store import Store
from app.store.writer import Writer
from tests.domain.builders import HERE, THERE, YONDER, status, transfer
from tests.engines import Engine, in_turn
from tests.generated import Body
from tests.store.expected import NOW, PRESUME_ENDED_AFTER, read
from tests.store.posting import send

Result = TypeVar("Result")
NAMES = ("CON-a", "CON-b", "CON-c", "CON-d")
LEGS = ("one", "two")
NUMBERS = {name: f"4477009000{index}0" for index, name in enumerate(NAMES)}
STATUSES = ("started", "ringing", "answered", "busy", "completed")
RANK = {"started": 0, "ringing": 1, "answered": 2, "busy": 3, "completed": 3}
STATES = ("started", "ringing", "answered", "completed")


class Model:
    """What should be known, computed in the plainest way: every webhook that counts is remembered, leg by leg."""

    def __init__(self) -> None:
        self.kept: dict[str, list[Body]] = {}
        self.facts: dict[str, list[Body]] = {}  # by leg; those of deleted conversations as well, while one is left

    def post(self, body: Body) -> None:
        for name in homes(body):
            if body not in self.kept.get(name, []):
                self.kept.setdefault(name, []).append(body)
                self.facts.setdefault(body["uuid"], []).append(body)

    def delete(self, name: str) -> None:
        for leg in {body["uuid"] for body in self.kept.pop(name, [])}:
            if not any(body["uuid"] == leg for bodies in self.kept.values() for body in bodies):
                del self.facts[leg]

    def state(self, leg: str) -> str:
        ranks = [RANK[body["status"]] for body in self.facts[leg] if "status" in body]
        return STATES[max(ranks, default=0)]

    def place(self, leg: str) -> str:
        facts = self.facts[leg]
        moves = [(body["timestamp"], body["conversation_uuid_to"]) for body in facts if "type" in body]
        seen = [(body["timestamp"], body["conversation_uuid"]) for body in facts if "type" not in body]
        return max(moves or seen)[1]

    def shown(self) -> dict[str, dict[str, tuple[str, bool]]]:
        """For each conversation its legs: state, and whether it is present."""
        return {
            name: {leg: (self.state(leg), self.place(leg) == name) for leg in {body["uuid"] for body in bodies}}
            for name, bodies in self.kept.items()
        }


def homes(body: Body) -> list[str]:
    if "type" in body:
        return list(dict.fromkeys([body["conversation_uuid_from"], body["conversation_uuid_to"]]))
    return [body["conversation_uuid"]]


def leg_of(store: Store, uuid: str) -> Leg | None:
    """The leg by itself."""
    events, known = store.leg_history(uuid)
    return project_leg(uuid, moments(events), known) if events else None


def agreed(store: Store, names: tuple[str, ...] = NAMES) -> dict[str, dict[str, tuple[str, bool]]]:
    """What is read of each conversation: its legs. All other ways to read it say the same."""
    found = read(store, names)
    shown = {
        name: {member.leg.uuid: (str(member.leg.state), member.presence.here) for member in each.legs}
        for name, each in found.items()
    }
    live = {name for name, legs in shown.items() if any(here and state != "completed" for state, here in legs.values())}
    assert {name for name, each in found.items() if each.state != "ended"} == live
    assert set(store.page(Filter("ended"), None, 500).conversations) == shown.keys() - live
    everything = set(store.page(Filter(), None, 500).conversations)
    assert everything == shown.keys()
    counts = store.counts(NOW - PRESUME_ENDED_AFTER)
    assert (counts.live + counts.presumed_ended, counts.ended) == (len(live), len(shown) - len(live))
    counted = Counter(
        state for legs in shown.values() for state, here in legs.values() if here and state != "completed"
    )
    assert +Counter({state: counts.counters.get(state, 0) for state in STATES}) == counted
    for uuid in {uuid for legs in shown.values() for uuid in legs}:
        alone = leg_of(store, uuid)
        assert alone is not None
        assert {legs[uuid][0] for legs in shown.values() if uuid in legs} == {alone.state}
        assert sum(legs[uuid][1] for legs in shown.values() if uuid in legs) <= 1
    return shown


def any_webhook(chance: Random) -> Body:
    """A status or a move of a leg, at a time of its own."""
    second, leg, name = chance.randrange(10_000) / 10, chance.choice(LEGS), chance.choice(NAMES)
    if chance.random() < 0.3:
        return transfer(name, chance.choice(NAMES), second, uuid=leg)
    return status(chance.choice(STATUSES), second, where=name, uuid=leg, from_=NUMBERS[name])


def remove(store: Store, engine: Engine, name: str, how: str) -> None:
    """Take a conversation away."""
    part = keys.of(name)
    if how == "delete":
        store.delete(name)
    elif how == "expire":
        engine.ask(part, "DEL", part.events(keys.encode(name)))
        store.forget_expired(keys.ALL.index(part), NOW + store.retention)
        store.settle_noted(keys.ALL.index(part))
    else:
        store.forget(NUMBERS[name])


def patiently(do: Callable[[], Result]) -> Result:
    """Do it again while a busy machine is too slow for it: all of it may be repeated."""
    for _ in range(50):
        try:
            return do()
        except StoreUnavailable:
            continue
    return do()


@contextmanager
def killed_after(writes: int) -> Iterator[None]:
    """The worker is killed after so many exchanges with Redis."""
    left, send_all = [writes], Writer.send

    def killed(
        writer: Writer, commands: list[Command], until: float | None = None, *, brief: bool = False
    ) -> list[object]:
        if left[0] == 0:
            raise StoreUnavailable("killed")
        left[0] -= 1
        return send_all(writer, commands, until, brief=brief)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Writer, "send", killed)
        patched.setattr(Writer, "send_unwatched", lambda *_: None)
        yield


def settle_all(store: Store) -> None:
    """As housekeeping does."""
    for number in range(keys.PARTITIONS):
        patiently(partial(store.settle_noted, number))


def delete_halfway(store: Store, name: str, writes: int) -> None:
    """Delete a conversation, and be killed before its legs are settled, or meanwhile."""
    patiently(partial(store.records, name))  # the machine is not too busy just now
    with killed_after(1 + writes):
        store.delete(name)


def play(store: Store, engine: Engine, chance: Random, steps: int) -> None:
    """Do things at random, and compare after each of them."""
    engine.flush()
    model, posted = Model(), list[Body]()
    for _ in range(steps):
        if chance.random() < 0.25:
            name, how = chance.choice(NAMES), chance.choice(("delete", "halfway", "expire", "forget"))
            if how == "forget" and not any("from" in body for body in model.kept.get(name, [])):
                continue
            if how == "halfway":
                patiently(partial(delete_halfway, store, name, chance.randrange(4)))
            else:
                patiently(partial(remove, store, engine, name, how))
            model.delete(name)
        else:
            body = chance.choice(posted) if posted and chance.random() < 0.2 else any_webhook(chance)
            posted.append(body)
            if killed := chance.random() < 0.1:
                with killed_after(chance.randrange(1, 6)), suppress(StoreUnavailable):
                    send(store, body)
            patiently(partial(send, store, body))
            if killed:
                settle_all(store)
            model.post(body)
        assert patiently(partial(agreed, store)) == model.shown()


@pytest.mark.parametrize("seed", range(40))
def test_after_any_events_moves_and_deletions_all_agree_with_the_model(
    valkey: Engine, open_store: Callable[..., Store], seed: int
) -> None:
    play(open_store(valkey), valkey, Random(seed), 25)


def test_so_they_do_on_a_cluster(cluster: Engine, open_store: Callable[..., Store]) -> None:
    play(open_store(cluster), cluster, Random(99), 60)


@pytest.mark.parametrize("seed", range(4))
def test_so_they_do_after_all_of_it_at_once(valkey: Engine, open_store: Callable[..., Store], seed: int) -> None:
    valkey.flush()
    stores = [open_store(valkey) for _ in range(2)]
    together = threading.Barrier(6)

    def work(number: int) -> None:
        chance, store = Random(f"{seed} {number}"), stores[number % 2]
        together.wait()
        for _ in range(40):
            if chance.random() < 0.2:
                how = chance.choice(("delete", "expire", "forget"))
                patiently(partial(remove, store, valkey, chance.choice(NAMES), how))
            else:
                patiently(partial(send, store, any_webhook(chance)))

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(work, number) for number in range(6)]:
            done.result()
    settle_all(stores[0])
    patiently(partial(agreed, stores[0]))


@pytest.mark.parametrize("gone", [HERE, THERE])
def test_what_a_deletion_took_away_brings_no_call_back_to_life(store: Store, gone: str) -> None:
    send(
        store,
        status("answered", 1),
        transfer(HERE, THERE, 2),
        transfer(THERE, HERE, 3),
        status("completed", 9, where=THERE),
    )
    assert store.delete(gone)
    (name,) = {HERE, THERE} - {gone}
    assert agreed(store, (HERE, THERE)) == {name: {"leg": ("completed", name == HERE)}}
    assert store.counts(NOW).ended == 1


@pytest.mark.parametrize("late", [HERE, THERE])
def test_after_its_last_conversation_was_deleted_halfway_a_leg_begins_anew(store: Store, late: str) -> None:
    """Also before housekeeping has settled what the deletion left."""
    send(store, status("answered", 1), status("completed", 5), transfer(HERE, HERE, 50))
    delete_halfway(store, HERE, 0)
    send(store, status("ringing", 10, where=late))
    for _ in range(2):
        assert agreed(store, (HERE, THERE)) == {late: {"leg": ("ringing", True)}}
        settle_all(store)


def test_deleting_again_what_was_deleted_halfway_settles_it(store: Store) -> None:
    send(store, status("answered", 1), transfer(HERE, HERE, 50))
    delete_halfway(store, HERE, 0)
    with killed_after(0), pytest.raises(StoreUnavailable):
        store.delete(HERE)
    assert not store.delete(HERE)
    assert store.leg_history("leg").known.bits == 0, "its entry is gone"


def test_a_leg_that_was_answered_before_its_first_conversation_was_deleted_is_answered(store: Store) -> None:
    send(store, status("answered", 1), transfer(HERE, THERE, 2))
    assert store.delete(HERE)
    assert agreed(store, (HERE, THERE)) == {THERE: {"leg": ("answered", True)}}
    leg = leg_of(store, "leg")
    assert leg is not None
    assert (leg.status, leg.answered) == ("answered", None), "when it was, nobody knows any more"


def test_a_leg_whose_move_was_lost_has_one_state_and_is_where_it_was_seen_last(store: Store) -> None:
    send(store, status("answered", 2))
    send(store, status("ringing", 1, where=THERE), status("human", 3, where=THERE))
    assert agreed(store, (HERE, THERE)) == {HERE: {"leg": ("answered", False)}, THERE: {"leg": ("answered", True)}}
    send(store, status("completed", 32, where=THERE, price="0.1"))
    assert agreed(store, (HERE, THERE)) == {HERE: {"leg": ("completed", False)}, THERE: {"leg": ("completed", True)}}
    found = read(store, [HERE, THERE])
    assert [found[name].price for name in (HERE, THERE)] == [None, "0.1"]


@pytest.mark.parametrize(("engine", "backwards"), in_turn([False, True, False]), indirect=["engine"])
def test_a_leg_that_moved_a_hundred_times_is_right_everywhere(store: Store, *, backwards: bool) -> None:
    names = tuple(f"CON-{number}" for number in range(101))
    moves = [transfer(left, joined, 2 + n) for n, (left, joined) in enumerate(pairwise(names))]
    bodies = [status("answered", 1, where=names[0]), *moves, status("completed", 900, where=names[50], duration="7")]
    send(store, *(reversed(bodies) if backwards else bodies))
    shown = agreed(store, names)
    assert shown == {name: {"leg": ("completed", name == names[-1])} for name in names}
    leg = leg_of(store, "leg")
    assert leg is not None
    assert (len(leg.moves), leg.duration_seconds) == (100, 7)


def test_of_a_leg_in_more_conversations_than_are_read_state_and_place_are_known(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.store.queries.MAX_READ_OF_A_LEG", 3)
    monkeypatch.setattr("app.store.queries.MAX_READ_FOR_LEGS", 3)
    names = tuple(f"CON-{number}" for number in range(20))
    send(store, status("answered", 1, where=names[0]))
    send(store, *(transfer(*pair, 2 + n) for n, pair in enumerate(pairwise(names))))
    assert agreed(store, names)[names[-1]] == {"leg": ("answered", True)}
    send(store, status("completed", 90, where=names[5]))
    assert {state for legs in agreed(store, names).values() for state, _ in legs.values()} == {"completed"}


CALL = (
    status("answered", 1),
    transfer(HERE, THERE, 2),
    transfer(THERE, YONDER, 3),
    status("completed", 9, where=HERE, duration="7"),
)


@pytest.mark.parametrize("writes", range(1, 20))
def test_what_a_killed_worker_left_undone_housekeeping_does(
    valkey: Engine, open_store: Callable[..., Store], writes: int
) -> None:
    """It is killed after so many exchanges with Redis; Vonage sends nothing again."""
    valkey.flush()
    store, kept = open_store(valkey), 0
    with killed_after(writes):
        for body in CALL:
            try:
                send(store, body)
            except StoreUnavailable:
                break
            kept += 1
    Housekeeping(store, max_memory_mb=None).tidy(NOW)
    shown = agreed(store, (HERE, THERE, YONDER))
    if kept == len(CALL):
        assert shown[YONDER] == {"leg": ("completed", True)}
    assert [valkey.ask(part, "SCARD", part.unsettled) for part in keys.ALL] == [0] * keys.PARTITIONS


def test_a_process_killed_again_and_again_leaves_nothing_that_disagrees(
    valkey: Engine, open_store: Callable[..., Store]
) -> None:
    """Killed by the system at any point. What it did not acknowledge is sent again by Vonage, or never."""
    valkey.flush()
    chance, process = Random(7), multiprocessing.get_context("fork")

    def work(number: int) -> None:
        mine, store = Random(number), open_store(valkey)
        while True:
            if mine.random() < 0.1:
                remove(store, valkey, mine.choice(NAMES), "delete")
            send(store, any_webhook(mine))

    def unsettled() -> list[object]:
        return [valkey.ask(part, "SCARD", part.unsettled) for part in keys.ALL]

    between, kills = 0, 0
    while between < 5 or kills < 20:
        kills += 1
        assert kills < 500, "none was killed between two writes"
        sender = process.Process(target=work, args=(kills,))
        sender.start()
        time.sleep(0.02 + chance.random() / 10)
        sender.kill()
        sender.join()
        between += any(unsettled())
    store = open_store(valkey)
    Housekeeping(store, max_memory_mb=None).tidy(NOW)
    assert patiently(partial(agreed, store))
    assert not any(unsettled())
