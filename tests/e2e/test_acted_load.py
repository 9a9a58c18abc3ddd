"""Many calls that are acted on at random: the API says what happened. It is found if a server does not."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from app.store import keys
from benchmarks.acted import Outcome, Plan, environment, load
from tests.e2e import faulty_servers
from tests.e2e.simulate_command import API_KEY, SECRET, serving
from tests.engines import Engine, free_ports, wait_until
from tests.serving import OPERATOR, Server
from vonage_simulator.behaviour import Behaviour

pytestmark = pytest.mark.timeout(900)

CALLS = 8  # `python -m benchmarks.acted` has 500
SLOW = Behaviour(moves_after=6.0)  # seconds of the carrier's clock, which is faster: more than one by the real one
# Fault -> the chapter of the stories that shows it, and what is found.
FOUND = {
    "forgets_mute_after_resume": ("muted_hold", r"muted: expected false, got true"),
    "holds_at_204": ("hold", r"control\.hold: expected not there yet, got held"),
    "joins_at_204": ("conference", r"conference \w+ leg \S+: expected not in the room yet, got joined"),
    "shows_the_held_as_resumed": ("held", r"hold: expected held, got null"),
    "records_after_stop": ("recorded", r"CON-\S+ record_state: expected (inactive|paused), got active"),
}
SEEDS = {"muted_hold": 0, "hold": 1, "conference": 2, "held": 3, "recorded": 4}


def plan(server: Server, folder: Path, api_port: int, **more: object) -> Plan:
    """A load on *server*."""
    where = {"url": f"http://127.0.0.1:{server.port}", "token": OPERATOR, "secret": (API_KEY, SECRET)}
    return Plan(**where | {"folder": folder, "api_port": api_port} | more)  # type: ignore[arg-type]


def open_operations(store: Any) -> list[list[bytes]]:
    """The logs of open operations, but of those where nobody can say whether the user was called: a leg may come."""
    names = [(part, name) for part in keys.ALL for name in store.zrange(part.due, 0, -1)]
    logs = [store.lrange(part.operation(name), 0, -1) for part, name in names]
    return [log for log in logs if not any(b"result ring" in entry and b'"unknown"' in entry for entry in log)]


def test_the_api_says_what_happened(tmp_path: Path, carrier_folder: Path, valkey: Engine) -> None:
    valkey.flush()
    (api_port,) = free_ports(1)
    more = environment(carrier_folder, api_port) | {"REDIS_URL": valkey.address.url, "WEB_CONCURRENCY": "2"}
    with serving(tmp_path, **more) as server:
        outcome = asyncio.run(load(plan(server, carrier_folder, api_port, calls=CALLS, seed=8)))
        assert not outcome.wrong, "\n".join(outcome.lines())
        store = Redis.from_url(valkey.address.url)
        wait_until(lambda: not open_operations(store), "no operation is open", seconds=20)
    assert outcome.stories == CALLS
    assert outcome.looks >= CALLS
    assert sum(outcome.requests.values()) > 2 * CALLS
    assert {"429", "lost", "cut"} <= outcome.faults.keys(), outcome.faults
    assert outcome.files > 0, "some were recorded"


@pytest.fixture(scope="module")
def faulty(
    tmp_path_factory: pytest.TempPathFactory, carrier_folder: Path, valkey: Engine
) -> Iterator[tuple[Server, Path, int]]:
    """A server for all faults, with the folder and the port of its carrier."""
    valkey.flush()
    (api_port,) = free_ports(1)
    more = environment(carrier_folder, api_port) | {"REDIS_URL": valkey.address.url, "WEB_CONCURRENCY": "1"}
    with serving(tmp_path_factory.mktemp("faulty"), command=faulty_servers.COMMAND, **more) as server:
        yield server, carrier_folder, api_port


def played(faulty: tuple[Server, Path, int], fault: str, chapter: str, **more: object) -> Outcome:
    """What comes of two calls on a server with that fault; the carrier itself has none."""
    server, folder, api_port = faulty
    faulty_servers.begin(server, fault)
    more |= {"webhook_faults": "", "api_faults": "", "only": (chapter,), "seed": SEEDS[chapter]}
    return asyncio.run(load(plan(server, folder, api_port, calls=2, **more)))


@pytest.mark.parametrize("fault", FOUND)
def test_a_server_that_says_something_else_is_found(faulty: tuple[Server, Path, int], fault: str) -> None:
    chapter, found = FOUND[fault]
    behaviour = SLOW if fault.endswith("204") else None
    outcome = played(faulty, fault, chapter, behaviour=behaviour, patience=3.0)
    assert re.search(found, "\n".join(outcome.wrong)), outcome.lines()


@pytest.mark.parametrize("chapter", ["hold", "conference"])
def test_a_right_server_says_nothing_before_it_is_so(faulty: tuple[Server, Path, int], chapter: str) -> None:
    outcome = played(faulty, "is_right", chapter, behaviour=SLOW)
    assert not outcome.wrong, outcome.lines()
