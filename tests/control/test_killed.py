"""A worker is killed between any two things that it does for a transfer or a conference: another one goes on.

What the worker does is: keep something in the store, or send something to Vonage. It is killed right before, or right
after, the k-th of these; another one takes over once the lease of the first is over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from app.control.driver import Driver
from tests.control.world import AGENT, CALLER, World
from vonage_simulator.ledger import Leg

SECOND = "447700900106"
LEASE = 0.6


class Killed(BaseException):
    """The worker ends here."""


class Mortal:
    """Counts what a worker does, and kills it at the *when*-th."""

    def __init__(self, world: World, when: int, *, after: bool) -> None:
        self.world, self.when, self.after = world, when, after
        self.done, self.killed = 0, False

    def doing(self, what: Callable[..., Any]) -> Callable[..., Any]:
        """*what*, which kills the worker if it is its turn; nothing of a worker that was killed is done any more."""

        def do(*args: Any, **more: Any) -> Any:
            if self.killed:
                raise Killed
            self.done += 1
            if self.done == self.when and not self.after:
                self.killed = True
                raise Killed
            found = what(*args, **more)
            if self.done == self.when:
                self.killed = True
                raise Killed
            return found

        return do


@contextmanager
def mortal(world: World, monkeypatch: pytest.MonkeyPatch, when: int, *, after: bool) -> Iterator[Mortal]:
    """The worker of *world* is killed at the *when*-th thing that it does."""
    worker, driver = Mortal(world, when, after=after), world.services.control.driver
    store, client = driver._store, driver._client

    class Store:
        """The store as that worker sees it."""

        def __getattr__(self, name: str) -> Any:
            real = getattr(store, name)
            return worker.doing(real) if name in ("append", "occupy") else real

        def claim(self, *args: Any) -> Any:
            if worker.killed:
                raise Killed
            return store.claim(*args)

        def release(self, *args: Any) -> Any:
            if worker.killed:
                raise Killed
            return store.release(*args)

    class Client:
        """Vonage as that worker sees it."""

        def __getattr__(self, name: str) -> Any:
            return getattr(client, name)

        send = staticmethod(worker.doing(client.send))

    with monkeypatch.context() as patch:
        patch.setattr(driver, "_store", Store())
        patch.setattr(driver, "_client", Client())
        patch.setattr("app.control.driver.LEASE_SECONDS", LEASE)
        yield worker


@contextmanager
def another_worker(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    """A second worker, which looks for what is due. The first one's webhooks wake it as well."""
    control = world.services.control
    first = control.store.on_news
    other = Driver(control.store, control.client, control.driver._sender._regions)
    try:
        monkeypatch.setattr("app.control.driver.POLL_SECONDS", 0.1)
        other._thread.start()
        yield other
    finally:
        other.stop()
        control.store.on_news = first


def begin(world: World, monkeypatch: pytest.MonkeyPatch, when: int, *, after: bool, path: str, body: Any) -> Any:
    """The response to *body*, posted to *path* of a worker that is killed meanwhile."""
    with mortal(world, monkeypatch, when, after=after) as worker, monkeypatch.context() as patch:
        patch.setattr(Driver, "begin", lambda driver, operation, _: _dying(driver, operation))
        response = world.ask("POST", path, body)
        world.until(lambda: worker.killed or not _moving(world))
    assert response.status_code == 201, response.text
    return response.json


def _dying(driver: Driver, operation: str) -> None:
    try:
        driver.go_on(operation)
    except Killed:
        return


def _moving(world: World) -> bool:
    """Whether anything is being done just now."""
    return bool(world.services.control.store.due())


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("when", [2, 5, 7, 8])
def test_an_attended_transfer_goes_on(world: World, monkeypatch: pytest.MonkeyPatch, when: int, after: bool) -> None:
    # A room of its own: late webhooks of the test before would say that others are in it as well.
    agent, customer = world.in_room(AGENT, CALLER, room=f"room-{when}-{after:d}")
    third = f"44770090{when:02}{after:d}5"  # Vonage lists the calls of other tests as well
    with another_worker(world, monkeypatch):
        body = {"initiator_call": agent.uuid, "to": third}
        id_ = begin(world, monkeypatch, when, after=after, path="/transfers", body=body)["id"]
        status = ("answered", "ended")
        world.until(lambda: world.ask("GET", f"/transfers/{id_}").json["status"] in status)
        story = [(each.kind, each.name, each.data.get("result")) for each in world.services.store.log_of(id_)[2:]]
        assert world.ask("GET", f"/transfers/{id_}").json["status"] == "answered", story
        called = [leg for leg in world.legs() if leg.to == third]
        assert len(called) == 1, "the recipient was called once"
        world.until(lambda: agent.hears(called[0]))
        assert not customer.over
        world.ask("DELETE", f"/transfers/{id_}")
        world.until(lambda: agent.hears(customer) and called[0].over)
    log = world.services.store.log_of(id_)
    steps = [entry.name for entry in log if entry.kind == "step"]
    assert len(steps) == len(set(steps)), "no step is sent twice"


def legs_of(world: World) -> tuple[Leg, Leg, Leg, Leg]:
    host, customer = world.in_room(AGENT, CALLER, room="one")
    world.act(customer, "hold")
    world.until(lambda: world.control(customer)["hold"] == "held")
    return (host, customer, *world.in_room(AGENT, SECOND, room="two"))  # type: ignore[return-value]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("when", [5, 8])
def test_a_conference_goes_on(world: World, monkeypatch: pytest.MonkeyPatch, when: int, after: bool) -> None:
    host, customer, second_host, second = legs_of(world)
    body = {"host_call_id": host.uuid, "participant_call_ids": [customer.uuid, second.uuid]}
    with another_worker(world, monkeypatch):
        running = begin(world, monkeypatch, when, after=after, path="/conferences", body=body)
        everybody = (host, customer, second)
        world.until(lambda: all(one.hears(other) for one in everybody for other in everybody if one is not other))
        world.known(second_host, "completed")
        found = world.ask("GET", f"/conferences/{running['conference_id']}").json
        assert set(found["participants"]) == {customer.uuid, second.uuid}
        world.ask("DELETE", f"/conferences/{running['conference_id']}")
        for leg in everybody:
            world.known(leg, "completed")
