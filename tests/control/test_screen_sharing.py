"""Signals between the pages of users in one call: who gets them, on any worker, and that nothing of them is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from app import create_app
from app.services import services
from app.store import keys
from app.store.link import Command
from config.settings import Settings
from tests.api.site import OPERATOR, TOKENS, VIEWER
from tests.control.conftest import world
from tests.control.test_session_verbs import ALICE, BOB, call_of_alice, done, to
from tests.control.world import World, world_of
from tests.engines import Engine
from tests.sse import Reading, open_stream
from vonage_simulator.harness import served
from vonage_simulator.ledger import Leg

__all__ = ["world"]
CAROL = "carol-of-the-tests-of-shares"
TOKENS_OF = {"Alice": ALICE, "Bob": BOB, "Carol": CAROL}
USERS = tuple((f"user/{user}", token) for user, token in TOKENS_OF.items())
ICE = ({"urls": ["stun:stun.example.com"]},)
ANNOUNCE = {"type": "announce", "page": "page-of-alice", "share": "share-1"}
OFFER = {
    "type": "offer",
    "page": "page-of-alice",
    "share": "share-1",
    "to": "Bob",
    "to_page": "page-of-bob",
    "description": {"type": "offer", "sdp": "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n"},
}


@pytest.fixture(scope="module")
def lasting_world(valkey: Engine, carrier_folder: Any) -> Iterator[World]:
    carrier = {"application": {"calls_per_second": None}}
    tokens = (*TOKENS, *USERS)
    with world_of(carrier_folder, valkey.address.url, carrier=carrier, access_tokens=tokens, ice_servers=ICE) as world:
        yield world


@contextmanager
def another_worker(valkey: Engine, **more: Any) -> Iterator[str]:
    """The address of a second app on the same store, as another worker is, with *more* settings."""
    made: list[Any] = []

    def app_at(base: str) -> Any:
        chosen: dict[str, Any] = {"secret_key": "k" * 32, "access_tokens": (*TOKENS, *USERS), "public_url": base}
        made.append(create_app(Settings(**chosen, redis_url=valkey.address.url, webhook_verify="off", **more)))
        return made[0]

    with served(app_at) as base:
        try:
            yield base
        finally:
            services(made[0]).live.stop()


@pytest.fixture
def follow(world: World) -> Iterator[Callable[..., Reading]]:
    """Follows the events of a user, at the app of the test or at another."""
    with ExitStack() as stack:

        def follow_(user: str, *, base: str = "", token: str | None = None) -> Reading:
            server: Any = SimpleNamespace(port=urlsplit(base or world.base).port)
            bearer = f"Bearer {token or TOKENS_OF[user]}"
            reading = open_stream(server, f"/api/v1/users/{user}/stream", Authorization=bearer)
            stack.callback(reading.close)
            return reading.begun()

        yield follow_


def signals(reading: Reading) -> list[Any]:
    return [event.data for event in reading.events if event.type == "screen_share_signal"]


def one_signal(world: World, reading: Reading, count: int = 1) -> Any:
    """The latest of *count* signals, once there are so many."""
    world.until(lambda: len(signals(reading)) >= count)
    assert len(signals(reading)) == count
    return signals(reading)[-1]


def session_of(world: World, user: str, leg: Leg) -> str:
    """The id of the user's session with *leg*, once it is answered."""

    def found() -> Any:
        items = world.ask("GET", f"/users/{user}/sessions", token=TOKENS_OF[user]).json["items"]
        return next((one["id"] for one in items if one["leg"] == leg.uuid and one["answered"]), None)

    return str(world.until(found))


def together(world: World) -> tuple[Leg, Leg, str, str]:
    """Alice and Bob in one room: their legs, and the ids of their sessions."""
    alice, bob = (to(world, {"type": "app", "user": user}, world.room) for user in ("Alice", "Bob"))
    return alice, bob, session_of(world, "Alice", alice), session_of(world, "Bob", bob)


def says(world: World, session: str, body: Any = ANNOUNCE, user: str = "Alice", token: str | None = None) -> Any:
    path = f"/users/{user}/sessions/{session}/signals"
    return world.ask("POST", path, body, token=token or TOKENS_OF[user])


def members(world: World, session: str, user: str = "Alice") -> list[str]:
    response = says(world, session, user=user)
    assert response.status_code == 202, response.text
    return list(response.json["members"])


def test_signals_go_to_the_other_user_in_the_call_and_to_nobody_else(world: World, follow: Any) -> None:
    _, _, mine, theirs = together(world)
    readings = {user: follow(user) for user in TOKENS_OF}
    assert says(world, mine, OFFER).json == {"members": ["Bob"]}
    got = one_signal(world, readings["Bob"])
    known = {name: OFFER[name] for name in ("type", "page", "to_page", "share", "description")}
    assert {name: got[name] for name in known} == known
    assert (got["user"], got["from"], got["session_id"]) == ("Bob", "Alice", theirs)
    answer = {**OFFER, "type": "answer", "to": "Alice", "description": {"type": "answer", "sdp": "v=0\r\n"}}
    assert says(world, theirs, answer, "Bob").json == {"members": ["Alice"]}
    assert one_signal(world, readings["Alice"])["session_id"] == mine
    assert signals(readings["Carol"]) == []
    assert len(signals(readings["Bob"])) == 1


def test_a_viewer_who_follows_a_user_gets_no_signals(world: World, follow: Any) -> None:
    _, _, mine, _ = together(world)
    viewer, bob = follow("Bob", token=VIEWER), follow("Bob")
    operator = follow("Bob", token=OPERATOR)
    says(world, mine)
    for reading in (bob, operator):
        one_signal(world, reading)
    assert signals(viewer) == []


def test_workers_pass_signals_on_to_each_other(world: World, follow: Any, valkey: Engine) -> None:
    _, _, mine, _ = together(world)
    with another_worker(valkey) as other:
        here, there = follow("Bob"), follow("Bob", base=other)
        for number in range(1, 6):
            assert says(world, mine, {**ANNOUNCE, "share": f"share-{number}"}).status_code == 202
        for reading in (here, there):
            one_signal(world, reading, 5)
            assert [each["share"] for each in signals(reading)] == [f"share-{number}" for number in range(1, 6)]


def test_a_stream_that_resumes_gets_no_signal_of_before(world: World, follow: Any) -> None:
    _, _, mine, _ = together(world)
    first = follow("Bob")
    says(world, mine)
    one_signal(world, first)
    first.close()
    again = follow("Bob")
    says(world, mine, {**ANNOUNCE, "share": "share-2"})
    assert one_signal(world, again)["share"] == "share-2"


def test_nothing_of_a_signal_is_kept(world: World, valkey: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    _, _, mine, _ = together(world)
    secret = "192.0.2.77 the address of a page"
    assert says(world, mine, {**OFFER, "description": {"type": "offer", "sdp": secret}}).status_code == 202
    store = world.services.store
    (lifetime,) = store._reader.fetch([Command(keys.SIGNALS, ("PTTL", keys.SIGNALS))])
    assert 0 < lifetime <= 15_000
    everything = [world.ask("GET", path).text for path in (f"/calls/{mine}", f"/calls/{mine}/events", "/audit")]
    everything += [str(event.data) for user in ("Alice", "Bob") for event in store.user_events(user, "0-0", 500) or ()]
    assert not [text for text in everything if "192.0.2.77" in text]
    assert "192.0.2.77" not in capsys.readouterr().out, "nor in a log line"
    (key,) = [key for key in every_key(world) if secret.encode() in dump_of(world, key)]
    assert key == keys.SIGNALS


def every_key(world: World) -> list[bytes]:
    (found,) = world.services.store._reader.fetch([Command(b"", ("KEYS", "*"))])
    return list(found)


def dump_of(world: World, key: bytes) -> bytes:
    """What is stored under *key*, as far as it is text."""
    (kind,) = world.services.store._reader.fetch([Command(key, ("TYPE", key))])
    how = {
        b"string": ("GET", key),
        b"list": ("LRANGE", key, 0, -1),
        b"hash": ("HGETALL", key),
        b"set": ("SMEMBERS", key),
        b"zset": ("ZRANGE", key, 0, -1),
        b"stream": ("XRANGE", key, "-", "+"),
    }[kind if isinstance(kind, bytes) else kind.encode()]
    (found,) = world.services.store._reader.fetch([Command(key, how)])
    return repr(found).encode()


# ---- Who is in the call


def test_who_is_in_no_call_with_the_other_is_refused(world: World, follow: Any) -> None:
    _, _, mine, theirs = together(world)
    carol = to(world, {"type": "app", "user": "Carol"}, world.room + "-of-carol")
    apart = session_id(world, "Carol", carol)
    bob = follow("Bob")
    assert says(world, "unknown").status_code == 404
    assert says(world, apart).status_code == 404, "a session of somebody else"
    assert says(world, mine, token=CAROL).status_code == 403
    assert says(world, apart, {**OFFER, "to": "Bob"}, "Carol").status_code == 409
    assert says(world, mine, {**OFFER, "to": "Carol"}).status_code == 409
    assert members(world, apart, "Carol") == []
    assert signals(bob) == []
    assert world.ask("POST", f"/users/Alice/sessions/{theirs}/signals", ANNOUNCE, token=VIEWER).status_code == 403


def session_id(world: World, user: str, leg: Leg) -> str:
    """The same of a call in which nobody else is."""

    def found() -> Any:
        items = world.ask("GET", f"/users/{user}/sessions", token=TOKENS_OF[user]).json["items"]
        return next((one["id"] for one in items if one["leg"] == leg.uuid), None)

    return str(world.until(found))


def test_telephones_are_skipped(world: World) -> None:
    _, _, session = call_of_alice(world)
    assert members(world, session) == []


def test_who_is_on_hold_is_in_the_call(world: World) -> None:
    _, bob, mine, theirs = together(world)
    done(world.ask("POST", f"/users/Alice/sessions/{mine}/hold", {}, token=ALICE))
    world.until(lambda: world.control(bob)["hold"] == "held")
    assert (members(world, mine), members(world, theirs, "Bob")) == (["Bob"], ["Alice"])
    done(world.ask("POST", f"/users/Alice/sessions/{mine}/unhold", {}, token=ALICE))
    world.until(lambda: world.control(bob)["hold"] is None)
    assert (members(world, mine), members(world, theirs, "Bob")) == (["Bob"], ["Alice"])


def test_who_has_left_gets_nothing_more(world: World, follow: Any) -> None:
    _, bob, mine, theirs = together(world)
    reading = follow("Bob")
    assert members(world, mine) == ["Bob"]
    one_signal(world, reading)
    assert world.act(bob, "hangup").status_code == 200
    world.known(bob, "completed")
    assert members(world, mine) == []
    assert says(world, mine, OFFER).status_code == 409
    assert says(world, theirs, user="Bob").status_code == 409, "the call is over for Bob"
    assert len(signals(reading)) == 1


def test_a_consultation_leaves_the_first_call_as_it_is(world: World) -> None:
    """Alice consults Carol while Bob is on hold: she is in both calls, and the two do not see each other."""
    alice, bob, mine, theirs = together(world)
    path = f"/users/Alice/sessions/{mine}/transfer"
    body = {"to": {"type": "app", "user": "Carol"}, "flow": "attended"}
    transfer = world.ask("POST", path, body, token=ALICE)
    assert transfer.status_code == 201, transfer.text
    at = f"/users/Alice/transfers/{transfer.json['id']}"
    world.until(lambda: world.ask("GET", at, token=ALICE).json["status"] == "answered")
    carol = [leg for leg in world.legs() if leg.to == "Carol"][-1]
    consultation = session_of(world, "Carol", carol)
    world.until(lambda: members(world, consultation, "Carol") == ["Alice"])
    assert (members(world, mine), members(world, theirs, "Bob")) == (["Bob"], ["Alice"])
    own = [one["id"] for one in world.ask("GET", "/users/Alice/sessions", token=ALICE).json["items"]]
    (second,) = set(own) - {mine}
    assert members(world, second) == ["Carol"]
    done(world.ask("POST", f"{at}/complete", {}, token=ALICE))
    world.until(lambda: alice.over and bob.hears(carol))
    world.known(alice, "completed")
    world.until(lambda: members(world, theirs, "Bob") == ["Carol"])
    assert says(world, mine).status_code == 409


def test_all_in_a_conference_see_each_other(world: World) -> None:
    _, bob, mine, theirs = together(world)
    done(world.ask("POST", f"/users/Alice/sessions/{mine}/hold", {}, token=ALICE))
    world.until(lambda: world.control(bob)["hold"] == "held")
    room = world.room + "-two"
    carol = to(world, {"type": "app", "user": "Carol"}, room)
    alice = to(world, {"type": "app", "user": "Alice"}, room)
    other, of_carol = session_of(world, "Alice", alice), session_of(world, "Carol", carol)
    assert members(world, other) == ["Carol"]
    assert members(world, mine) == ["Bob"]
    made = world.ask("POST", "/users/Alice/conferences", {"host": other, "others": [mine]}, token=ALICE)
    assert made.status_code == 201, made.text
    world.until(lambda: bob.hears(carol))
    world.until(lambda: members(world, theirs, "Bob") == ["Alice", "Carol"])
    assert members(world, of_carol, "Carol") == ["Alice", "Bob"]
    done(
        world.ask(
            "POST",
            f"/users/Alice/conferences/{made.json['conference_id']}/participants/{alice.uuid}/hold",
            {},
            token=ALICE,
        )
    )
    world.until(lambda: not bob.hears(alice))
    assert members(world, theirs, "Bob") == ["Alice", "Carol"]
    assert world.act(carol, "hangup").status_code == 200
    world.known(carol, "completed")
    assert members(world, theirs, "Bob") == ["Alice"]


# ---- What is refused


@pytest.mark.parametrize(
    "body",
    [
        {"type": "announce", "page": "p"},
        {**ANNOUNCE, "type": "shout"},
        {**ANNOUNCE, "page": "no blanks"},
        {**ANNOUNCE, "page": "no-line-ends\n"},
        {**ANNOUNCE, "share": "x" * 65},
        {**ANNOUNCE, "description": OFFER["description"]},
        {**ANNOUNCE, "more": 1},
        {**OFFER, "to": None},
        {**OFFER, "to_page": None},
        {**OFFER, "description": {"type": "offer", "sdp": "x" * 20_001}},
        {**OFFER, "description": {"type": "offer", "sdp": "v=0 é"}},  # kept as six bytes
        {**OFFER, "description": {"type": "pranswer", "sdp": "v=0"}},
        {name: value for name, value in OFFER.items() if name != "description"},
        {**OFFER, "type": "candidates"},
    ],
)
def test_what_is_no_signal_is_refused(world: World, body: Any) -> None:
    assert says(world, "unknown", body).status_code == 422


@pytest.mark.parametrize(
    "candidates", [[], [{}], [{"candidate": "x" * 501}], [{"candidate": "x"}] * 51, [{"candidate": "\U0001f600"}]]
)
def test_candidates_are_limited(world: World, candidates: Any) -> None:
    body = {name: value for name, value in OFFER.items() if name != "description"} | {"type": "candidates"}
    assert says(world, "unknown", {**body, "candidates": candidates}).status_code == 422
    few = [{"candidate": "candidate:1 1 UDP 2122 192.0.2.1 5000 typ host", "sdpMid": "0", "sdpMLineIndex": 0}]
    assert says(world, "unknown", {**body, "candidates": few}).status_code == 404


def test_too_many_signals_are_refused_for_a_moment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.store.signals.RATE", 2)
    monkeypatch.setattr("app.store.signals.RATE_SECONDS", 10**6)  # else the next ten seconds may begin meanwhile
    _, _, mine, theirs = together(world)
    assert [says(world, mine).status_code for _ in range(3)] == [202, 202, 429]
    assert says(world, theirs, user="Bob").status_code == 202, "it is of Alice alone"
    assert says(world, mine).headers["Retry-After"] == "1"
    counts = [key for key in every_key(world) if b"ug:" in key]
    assert counts
    assert all(world.services.store._reader.fetch([Command(key, ("TTL", key))])[0] > 0 for key in counts), "it ends"


def test_ice_servers_are_those_of_the_setting(world: World) -> None:
    path = "/users/Alice/ice-servers"
    world.services.store.set_user("Alice", {"max_calls": 5})
    assert done(world.ask("GET", path, token=ALICE)) == {"ice_servers": [{"urls": ["stun:stun.example.com"]}]}
    for token in (BOB, VIEWER):
        assert world.ask("GET", path, token=token).status_code == 403


# ---- Events of a share


def test_only_who_shares_gets_the_events_unless_it_is_set_otherwise(world: World, follow: Any, valkey: Engine) -> None:
    _, _, mine, theirs = together(world)
    alice, bob = follow("Alice"), follow("Bob")
    path = f"/users/Alice/sessions/{mine}"
    for sharing, name in ((True, "screen_share_started"), (False, "screen_share_ended")):
        assert done(world.ask("PATCH", path, {"screensharing": sharing}, token=ALICE))["screensharing"] is sharing
        assert alice.wait_for_type(name).data["session"]["screensharing"] is sharing
    says(world, mine)
    one_signal(world, bob)  # what was before would have come
    assert not [event for event in bob.events if event.type in ("screen_share_started", "screen_share_ended")]
    with another_worker(valkey, screen_share_events="all") as other:
        for sharing, name in ((True, "screen_share_started"), (False, "screen_share_ended")):
            headers = {"Authorization": f"Bearer {ALICE}"}
            for _ in range(2):  # said twice, it is one event
                body = {"screensharing": sharing}
                response = requests.patch(f"{other}/api/v1{path}", json=body, headers=headers, timeout=30)
                assert response.status_code == 200, response.text
            got = bob.wait_for_type(name).data
            assert (got["by"], got["session"]["id"], got["session"]["screensharing"]) == ("Alice", theirs, False)
        says(world, mine)
        one_signal(world, bob, 2)
        assert [event.type for event in bob.events if event.type.startswith("screen_share_s")] == [
            "screen_share_signal",
            "screen_share_started",
            "screen_share_signal",
        ]
