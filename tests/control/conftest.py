"""An app and its carrier for all tests of a module; the store is empty for each."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import engines
from tests.control.world import World, world_of
from tests.engines import Engine


@pytest.fixture(scope="session")
def other_engine() -> Iterator[Engine]:
    """A store for worlds of their own: in a shared one the worker of another world would go on with their operations,
    at another carrier.
    """
    with engines.single() as engine:
        yield engine


@pytest.fixture
def other_valkey(other_engine: Engine) -> Engine:
    """The same, empty."""
    other_engine.flush()
    return other_engine


@pytest.fixture(scope="module")
def lasting_world(valkey: Engine, carrier_folder: Path) -> Iterator[World]:
    """One app and carrier for all tests of a module."""
    with world_of(carrier_folder, valkey.address.url, carrier={"application": {"calls_per_second": None}}) as world:
        yield world


@pytest.fixture
def world(lasting_world: World, valkey: Engine) -> World:
    """An app over an empty store, and its carrier."""
    lasting_world.room = f"room-{secrets.token_hex(4)}"
    return lasting_world.emptied(valkey)


@pytest.fixture(autouse=True)
def waits_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine an action may take longer than whoever requested it would wait."""
    monkeypatch.setattr("app.control.control.REPLY_SECONDS", 30.0)
    monkeypatch.setattr("app.control.operations.REPLY_SECONDS", 30.0)
