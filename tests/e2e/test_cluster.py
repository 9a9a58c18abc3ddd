"""A server on a real cluster, three primaries with a replica each, whose nodes are killed, replaced and given other
slots meanwhile: nothing is lost or doubled, and all goes on by itself.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from app.store import keys
from benchmarks.acted import environment
from benchmarks.chaos import RIGHT, campaign
from benchmarks.chaos_cluster import CLUSTER, Cluster, settings_of
from tests import cluster_nodes
from tests.api.site import TOKENS
from tests.control.test_session_verbs import ALICE, THIRD, call_of_alice
from tests.control.world import World, carried
from tests.e2e.test_user_stream import STREAM, of_calls
from tests.engines import Engine, free_ports, start_cluster, wait_until
from tests.serving import OPERATOR, Server
from tests.sse import Event, Reading, connect
from vonage_simulator.ledger import Leg
from vonage_simulator.verify.check import Verdict, check
from vonage_simulator.verify.expected_control import expected_controls
from vonage_simulator.verify.server_api import Server as Api


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    with start_cluster(replicas=True, options=cluster_nodes.DURABLE) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: Engine) -> Engine:
    """Three primaries and their replicas, empty; any of them may be the primary now."""
    cluster_nodes.flush(shared)
    return shared


def test_nodes_that_are_killed_replaced_and_given_other_slots_lose_and_double_nothing(
    tmp_path: Path, cluster: Engine
) -> None:
    said = campaign(tmp_path, (CLUSTER,), faults=None, seed=3, store=Cluster(cluster))
    assert said[-1] == RIGHT, said


class Response(NamedTuple):
    """A response of a real server, as Flask's test client names its parts."""

    status_code: int
    text: str

    @property
    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.text)


class RealWorld(World):
    """A carrier, and a real server that acts on its calls."""

    server: Server

    def ask(self, method: str, path: str, body: Any = None, *, token: str = OPERATOR, **headers: str) -> Any:
        """The response to a request of the server's API, which is sent again as its response says."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        headers |= {"Idempotency-Key": secrets.token_hex(8)} if method == "POST" else {}
        text = None if body is None else json.dumps(body).encode()

        def asked() -> Response | None:
            reply = self.server.ask(method, f"/api/v1{path}", text, **headers)
            again = reply.status == 503 or b'"Still under way"' in reply.body
            return None if again else Response(reply.status, reply.body.decode())

        return self.until(asked)

    def is_in(self, leg: Leg, room: str) -> bool:
        """Whether the leg is in *room*, and the server knows that."""
        if leg.conversation.name != room:
            return False
        found = self.ask("GET", f"/conversations/{leg.conversation.uuid}")
        return found.status_code == 200 and any(
            each["uuid"] == leg.uuid and each["moved_to"] is None for each in found.json["legs"]
        )

    def verdict(self) -> Verdict:
        """What comes of comparing the server with the ledger of the carrier."""

        async def checked() -> Verdict:
            async with Api(self.base, OPERATOR, seconds=60) as api:
                ledger, sent = self.carrier.ledger, self.carrier.sender.sent
                controls = expected_controls(ledger)
                await api.settled()
                return await check(ledger.conversations.values(), sent, api.fetch, lossless=True, controls=controls)

        return asyncio.run(checked())


@pytest.fixture
def world(tmp_path: Path, carrier_folder: Path, cluster: Engine) -> Iterator[RealWorld]:
    """A server with two workers, and its carrier."""
    (port,) = free_ports(1)
    world = RealWorld(f"http://127.0.0.1:{port}", None, None)  # type: ignore[arg-type]
    with ExitStack() as stack:
        stack.enter_context(carried(world, carrier_folder, application={"calls_per_second": None}))
        tokens = (*TOKENS, ("user/Alice", ALICE), ("operator", OPERATOR))
        settings: dict[str, Any] = {"ACCESS_TOKENS": ",".join(map(":".join, tokens)), **settings_of(cluster)}
        settings |= environment(carrier_folder, int(world.hosts[0].rpartition(":")[2]))
        world.server = Server(tmp_path, PORT=str(port), WEB_CONCURRENCY="2", **settings)
        stack.callback(world.server.kill)
        world.server.ready().with_busy_users()
        yield world


def test_calls_are_acted_on_and_followed_while_a_replica_takes_over(world: RealWorld, cluster: Engine) -> None:
    """The node is killed that has Alice's stream, and at least one of her calls."""
    everything, *of_alice = (connect(world.server, path) for path in ("/api/v1/stream", *[STREAM] * 4))
    leaves, *others = (call_of_alice(world, number(), room) for room in ("first", "second", "third"))
    for customer, _, _ in others:
        done(world, world.act(customer, "hold"))
    victim = cluster_nodes.owner_of(cluster, slot_of(others[0][0].conversation.uuid))
    if cluster_nodes.owner_of(cluster, slot_of("Alice")) is not victim:
        cluster_nodes.move_slot(cluster, slot_of("Alice"), victim)
    failing = threading.Thread(target=cluster_nodes.fail_over, args=(cluster, victim))
    failing.start()
    wait_until(lambda: not cluster_nodes.is_primary(victim), "it is killed")
    world.do(lambda: world.carrier.people.hang_up(leaves[0].uuid))
    for customer, _, _ in others:
        done(world, world.act(customer, "resume"))
    late = call_of_alice(world, number(), "late")
    failing.join()
    for customer, alice, _ in others:
        world.until(partial(customer.hears, alice))
    path = world.consults(others[0][1], THIRD)
    done(world, world.ask("POST", f"{path}/complete"))
    world.until(lambda: others[0][1].over)
    for leg in [leg for leg in world.legs() if not leg.over]:
        world.act(leg, "hangup")
    world.until(lambda: all(leg.over for leg in world.legs()))

    sessions = [session for _, _, session in (leaves, *others, late)]
    first, *copies = (ended(reading, sessions) for reading in of_alice)
    assert all(copy == first for copy in copies), "each stream has the same"
    for session in sessions:
        names = [event.type for event in first if event.data["session"]["id"] == session]
        times = [each[2] for each in (*others, others[0])].count(session)  # on hold: the transfer does that, too
        assert sorted(names) == sorted([*ALWAYS, *["call_held", "call_resumed"] * times]), session
    wait_until(lambda: world.server.api("/status").json["spool"]["waiting"] == 0, "nothing waits on disk")
    verdict = world.verdict()
    assert verdict.ok, verdict.lines()
    all_was_shown(world, everything)
    assert world.server.said.count("Booting worker") == 2, "no worker was replaced"


ALWAYS = ("call_created", "call_incoming", "session_started", "call_answered", "call_ended")


def number() -> str:
    return f"44770{secrets.randbelow(10**7):07}"


def slot_of(name: str) -> int:
    """The slot of a conversation, or of a user."""
    return keys.slot(keys.of(name).tag)


def done(world: RealWorld, response: Any) -> None:
    """Wait until an action has been done; 202: it was kept, and goes on by itself."""
    assert response.status_code in (200, 201, 202), response.text
    if response.status_code == 202:
        world.until(lambda: world.action(response.json["id"])["state"] == "confirmed")


def ended(reading: Reading, sessions: list[str]) -> list[Event]:
    """The events of *sessions* on a stream, once it has the end of each."""

    def of_these() -> list[Event]:
        return [event for event in of_calls(list(reading.events)) if event.data["session"]["id"] in sessions]

    wait_until(lambda: sum(event.type == "call_ended" for event in of_these()) >= len(sessions), "the end of each")
    assert not reading.ended, "it was never cut"
    return of_these()


def all_was_shown(world: RealWorld, reading: Reading) -> None:
    """Each event of each conversation was on the stream of everything, which was never cut and had no gap."""
    kept = {
        (name, index)
        for name in world.carrier.ledger.conversations
        for index in range(len(world.ask("GET", f"/conversations/{name}/events?limit=500").json["items"]))
    }

    def shown() -> set[tuple[str, int]]:
        changes = [event.data for event in reading.changes if event.type not in ("gap", "away")]
        return {(data["conversation_uuid"], data["index"]) for data in changes if data["index"] is not None}

    wait_until(lambda: kept <= shown(), "all of it was shown")
    assert shown() == kept
    assert not reading.ended
    assert "gap" not in [event.type for event in reading.changes]
