"""An operation hears of what happened to its legs though Redis, or another conversation, was away at that moment.

What is looked at all the same, after a minute, is nothing to wait for: somebody would sit alone in a room meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.domain.events import Transfer
from app.store import keys
from app.store.errors import StoreUnavailable
from app.store.link import Command
from tests.control.test_room_calls import ALONE, FLOWS, call_of, calls, room_of
from tests.control.world import World, world_of
from tests.engines import Engine
from vonage_simulator.ledger import Leg

SOON = 20.0  # seconds: far less than until an operation is looked at all the same
AWAY = StoreUnavailable("timeout", "it hangs")


@pytest.fixture(scope="module")
def lasting_world(valkey: Engine, carrier_folder: Path) -> Iterator[World]:
    carrier = {"application": {"calls_per_second": None}}
    with world_of(carrier_folder, valkey.address.url, carrier=carrier, flows_file=FLOWS) as world:
        yield world


def talking(world: World) -> tuple[Leg, Leg, str]:
    """A caller and Alice, in a room, and the operation that looks after them, which waits for news."""
    caller = calls(world, ALONE)
    alice = next(leg for leg in room_of(world, caller).present.values() if leg is not caller)
    world.until(lambda: call_of(world, alice)["phase"] == "talking")
    (operation,) = world.open_operations()
    world.until(lambda: is_idle(world, operation))
    return caller, alice, operation


def is_idle(world: World, operation: str) -> bool:
    """Whether nobody goes on with *operation*, and nobody will for a while."""
    store, part = world.services.store, keys.of(operation)
    (held,) = store._reader.fetch([Command(part.due, ("EXISTS", part.claim(keys.encode(operation))))])
    return not held and operation not in store.due()


def hang_up(world: World, leg: Leg) -> None:
    world.do(lambda: world.carrier.people.hang_up(leg.uuid))


def test_of_two_conversations_of_a_move_the_first_may_wake_it_before_the_second_is_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On hold the caller is in a conversation of which nothing was kept yet when the operation looks."""
    caller, alice, operation = talking(world)
    control, webhooks = world.services.control, list[Callable[[], Any]]()
    store, record = control.store, type(control.store).record

    def keep_later(self: Any, event: Any, *args: Any, **more: Any) -> bool:
        if isinstance(event, Transfer):
            webhooks.append(lambda: record(self, event, *args, **more))
            return True
        return record(self, event, *args, **more)

    def at_once(operations: Sequence[str]) -> None:
        for each in operations:
            looking = threading.Thread(target=control.driver.go_on, args=(each,))
            looking.start()
            looking.join(SOON)

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "record", keep_later)
        assert world.act(caller, "hold").status_code == 200
        world.until(lambda: webhooks and is_idle(world, operation))
        patch.setattr(store, "on_news", at_once)
        webhooks[0]()
    hang_up(world, caller)
    world.until(lambda: alice.over, SOON)


class Lossy:
    """The store as the driver sees it, to which one command of it gets lost: the request, or else the response."""

    def __init__(self, store: Any, command: str, *, done: bool) -> None:
        self._store, self._command, self._done = store, command, done
        self.lost = threading.Event()

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._store, name)
        if name != self._command or self.lost.is_set():
            return real

        def lose(*args: Any, **more: Any) -> None:
            self.lost.set()
            if self._done:
                real(*args, **more)
            raise AWAY

        return lose


@pytest.mark.parametrize("done", [False, True], ids=["request", "response"])
@pytest.mark.parametrize("command", ["claim", "log_of", "release"])
def test_what_woke_it_is_not_forgotten_when_redis_was_away(
    world: World, monkeypatch: pytest.MonkeyPatch, command: str, done: bool
) -> None:
    """Nor does anybody wait until the claim of who could not go on has ended."""
    monkeypatch.setattr("app.control.driver.LEASE_SECONDS", 600.0)
    caller, alice, _ = talking(world)
    store = Lossy(world.services.store, command, done=done)
    monkeypatch.setattr(world.services.control.driver, "_store", store)
    hang_up(world, alice)
    assert store.lost.wait(SOON)
    world.until(lambda: caller.over and not world.open_operations(), SOON)


def test_what_it_waits_for_is_noted_anew_after_redis_was_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that takes over from another that died: the latest notes may be lost."""
    caller, alice, operation = talking(world)
    driver = world.services.control.driver
    for name in driver._watched[operation]:
        meta = keys.of(name).meta(keys.encode(name))
        world.services.store._writer.send([Command(meta, ("HDEL", meta, "p"))])
    with monkeypatch.context() as patch:
        patch.setattr(driver, "_store", Lossy(world.services.store, "claim", done=False))
        driver.go_on(operation)
    world.until(lambda: operation in driver._watched and is_idle(world, operation), SOON)
    hang_up(world, alice)
    world.until(lambda: caller.over, SOON)


def test_what_waits_for_redis_takes_no_room_of_the_records_of_answers(
    world: World, valkey: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried each second, and of those records there is room for so many."""
    monkeypatch.setattr("app.store.timeouts.WRITE_SECONDS", 0.2)
    caller, alice, operation = talking(world)
    driver, store = world.services.control.driver, world.services.store
    sent, send_later = list[Command](), store._writer.send_later

    def note(command: Command, *more: Any) -> None:
        sent.append(command)
        send_later(command, *more)

    monkeypatch.setattr(store._writer, "send_later", note)
    (node,) = valkey.nodes
    node.freeze()
    try:
        for _ in range(6):
            driver.go_on(operation)
    finally:
        node.thaw()
    assert len([command for command in sent if keys.encode(operation) in command.args]) <= 1
    monkeypatch.undo()
    hang_up(world, alice)
    world.until(lambda: caller.over and not world.open_operations(), SOON)
