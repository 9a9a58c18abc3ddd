"""Every event twice, in random order, over many connections to two workers, or to two servers whose clocks differ: each
view is the fold of the events.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import pytest

from app.calls.queries import with_latest_move
from app.calls.schemas import dump
from app.domain.conversations import Conversation, History, Kept, history, moments, project
from app.domain.events import Event
from app.domain.legs import project_leg
from app.domain.numbers import numbers_in
from app.webhooks.body import write_json
from app.webhooks.schemas import read_event, read_kept_answer
from tests import hosts
from tests.e2e.conftest import Serve
from tests.engines import Engine, wait_until
from tests.generated import Webhook, several
from tests.serving import OPERATOR, ROOT, Client, Server

THREADS = 16
CALLS = 20
NONE, FIFTEEN = timedelta(0), timedelta(seconds=15)
# Whose clock says something else than the others': https://github.com/wolfcw/libfaketime
OTHER_CLOCK = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
PRESUME_ENDED_AFTER = timedelta(seconds=7800)

needs_another_clock = pytest.mark.skipif(OTHER_CLOCK is None, reason="there is no libfaketime")


def request_of(webhook: Webhook) -> tuple[str, bytes]:
    """The path and body with which Vonage sends *webhook*."""
    if webhook.event.kind == "answer":
        return "/voice/answer", json.dumps(json.loads(webhook.text)["request"]).encode()
    return "/voice/event", webhook.text


def events_of(path: str, body: bytes) -> list[Event]:
    """The events that a request reports; a fallback copy is two."""
    found = json.loads(body)
    if path == "/voice/answer":
        return []
    events = [read_event(found)]
    if found.get("original_request") is not None:
        events.append(read_event({k: v for k, v in found.items() if k not in ("original_request", "reason")}))
    return events


def post_all(servers: Sequence[Server], requests: list[tuple[str, bytes]]) -> tuple[int, float]:
    """Post *requests* over many connections, each kept open; how many had to be repeated, and the longest seconds."""

    def post(number: int) -> tuple[int, float]:
        again, longest = 0, 0.0
        with contextlib.closing(servers[number % len(servers)].client()) as client:
            sockets = set()
            for path, body in requests[number::THREADS]:
                for _ in range(50):
                    reply = client.ask("POST", path, body)
                    sockets.add(client.socket)
                    longest = max(longest, reply.seconds)
                    if reply.status != 503:  # a busy machine may be too slow for an event
                        break
                    again += 1
                    time.sleep(0.1)
                assert reply.status == 200, reply
            assert len(sockets) == 1, "the connection is kept"
        return again, longest

    with ThreadPoolExecutor(THREADS) as pool:
        repeats, seconds = zip(*pool.map(post, range(THREADS)), strict=True)
    return sum(repeats), max(seconds)


class Reader:
    """Reads the API over one connection."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get(self, path: str) -> Any:
        deadline = time.monotonic() + 30  # a busy machine may leave the server no time for a read
        while True:
            reply = self._client.ask("GET", path, Authorization=f"Bearer {OPERATOR}")
            if reply.status != 503 or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        assert reply.status == 200, (path, reply)
        return reply.json

    def all_of(self, path: str) -> Iterator[Any]:
        """Every item of a list, page by page."""
        cursor = ""
        while True:
            page = self.get(path + cursor)
            yield from page["items"]
            if page["next"] is None:
                return
            cursor = f"{'&' if '?' in path else '?'}cursor={page['next']}"


def kept_with(reader: Reader, name: str) -> list[Kept]:
    """The events of the conversation *name* as the API returns them."""
    kept = []
    for event in reader.all_of(f"/api/v1/conversations/{quote(name, safe='')}/events"):
        raw, received = event["raw"], datetime.fromisoformat(event["received_at"])
        text = write_json(raw)
        kept.append(Kept(read_kept_answer(raw, text) if event["kind"] == "answer" else read_event(raw), received))
    return kept


def projected(name: str, events: History) -> Conversation:
    conversation = project(name, events, now=datetime.now(UTC), presume_ended_after=PRESUME_ENDED_AFTER)
    assert conversation is not None
    return conversation


def names(items: Iterable[Any]) -> set[str]:
    return {item["conversation_uuid"] for item in items}


class Sent:
    """The posted webhooks, and what must be stored of them."""

    def __init__(self, calls: list[Sequence[Webhook]], requests: list[tuple[str, bytes]]) -> None:
        self.calls = calls
        self.reported = [event for path, body in requests for event in events_of(path, body)]
        self.events = {event.canonical: event for event in self.reported}
        self.answers = Counter(path for path, _ in requests)["/voice/answer"]
        self.wanted: dict[str, set[bytes]] = {
            home: set() for call in calls for webhook in call for home in webhook.event.conversations
        }
        for event in self.events.values():
            for home in event.conversations:
                self.wanted[home].add(event.canonical)


@pytest.mark.parametrize("kind", ["valkey", "cluster"])
def test_every_view_is_the_fold_of_the_events(serve: Serve, request: pytest.FixtureRequest, kind: str):
    engine: Engine = request.getfixturevalue(kind)
    engine.flush()
    server = serve(REDIS_URL=engine.address.url, REDIS_CLUSTER="on" if engine.address.cluster else "off")
    chance = Random(kind)
    every_view_is_right([server], chance)


@contextlib.contextmanager
def clocks_apart(folder: Path, settings: Iterable[dict[str, Any]]) -> Iterator[list[Server]]:
    """Two servers with *settings* each, the clock of the second half a minute ahead of that of the first."""
    with contextlib.ExitStack() as stack:
        servers = []
        for seconds, more in zip((-15, 15), settings, strict=True):
            own = folder / f"clock{seconds}"
            own.mkdir()
            clock: dict[str, Any] = {"LD_PRELOAD": str(OTHER_CLOCK), "FAKETIME": f"{seconds:+}s"}
            servers.append(Server(own, WEB_CONCURRENCY="1", **clock, **more))
            stack.callback(servers[-1].kill)
        dates = [parsedate_to_datetime(server.ready().ask("GET", "/healthz").headers["Date"]) for server in servers]
        assert timedelta(seconds=25) < dates[1] - dates[0] < timedelta(seconds=60), "their clocks differ"
        yield servers


@needs_another_clock
def test_two_servers_whose_clocks_are_half_a_minute_apart_say_the_same(tmp_path: Path, valkey: Engine):
    """They share Redis, and nothing else but the machine: for where they cannot be on two."""
    if hosts.why_not() is None:
        pytest.skip("they are on two hosts, in the next test")
    valkey.flush()
    with clocks_apart(tmp_path, [{"REDIS_URL": valkey.address.url}] * 2) as servers:
        every_view_is_right(servers, Random("clocks"), clocks=FIFTEEN)


@needs_another_clock
def test_two_servers_on_two_hosts_whose_clocks_are_half_a_minute_apart_say_the_same(tmp_path: Path):
    """Redis is on a third, and they share nothing else: network namespaces, in which `two_hosts.py` does the rest."""
    if why := hosts.why_not():
        pytest.skip(f"there are no network namespaces: {why}")
    command = [*hosts.OWN_NETWORK, sys.executable, "-m", "tests.e2e.two_hosts", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def every_view_is_right(servers: Sequence[Server], chance: Random, clocks: timedelta = NONE) -> None:
    """*clocks*: how far those of the servers are off."""
    calls = several(chance, CALLS)
    requests = [request_of(webhook) for call in calls for webhook in call] * 2
    chance.shuffle(requests)
    sent = Sent(calls, requests)
    began = datetime.now(UTC) - timedelta(seconds=1) - clocks
    again, longest = post_all(servers, requests)
    for server in servers:
        with contextlib.closing(server.client()) as client:
            reader = Reader(client)
            kept = every_event_is_kept_once(reader, sent, began, datetime.now(UTC) + clocks)
            conversations = every_conversation_is_returned(reader, sent, kept, longest + 2 * clocks.total_seconds())
            every_list_has_what_its_filter_matches(reader, kept, conversations)
            counters_add_up(reader, sent, conversations, again)


def every_event_is_kept_once(reader: Reader, sent: Sent, began: datetime, ended: datetime) -> dict[str, list[Kept]]:
    """With each conversation it names; and so is every served answer."""

    def written() -> bool:
        return sum(len(item["answers"]) for item in reader.all_of("/api/v1/conversations?limit=500")) == sent.answers

    wait_until(written, "the answers are written")
    kept = {name: kept_with(reader, name) for name in sent.wanted}
    for name, canonicals in sent.wanted.items():
        events = [record.event.canonical for record in kept[name] if record.event.kind != "answer"]
        assert len(events) == len(set(events)), "none is stored twice"
        assert set(events) == canonicals
        assert all(began <= record.received <= ended for record in kept[name])
    return kept


def every_conversation_is_returned(
    reader: Reader, sent: Sent, kept: dict[str, list[Kept]], longest: float
) -> dict[str, Conversation]:
    """Alone, in the list, and by its legs; as the domain folds the stored events."""
    folded: dict[str, Conversation] = {}
    for call in sent.calls:
        conversations = {home for webhook in call for home in webhook.event.conversations}
        events = history(record for name in conversations for record in kept[name])
        folded |= {name: projected(name, events) for name in conversations}
        for leg in list({record.event.leg for record in events.values() if record.event.leg})[:1]:
            assert reader.get(f"/api/v1/legs/{leg}") == dump(
                with_latest_move(project_leg(leg, moments(events))), mask_numbers=False
            )
    rendered = {name: dump(view, mask_numbers=False) for name, view in folded.items()}
    for name, expected in rendered.items():
        assert reader.get(f"/api/v1/conversations/{quote(name, safe='')}") == expected

    listed = list(reader.all_of("/api/v1/conversations"))
    assert {item["conversation_uuid"]: item for item in listed} == rendered
    assert len(listed) == len(rendered), "none is listed twice"
    # Newest first. Two events that are under way at once may be stored in another order than they were received.
    first_received = [folded[item["conversation_uuid"]].first_received for item in listed]
    assert all(older - newer < timedelta(seconds=longest) for newer, older in pairwise(first_received))
    return folded


def every_list_has_what_its_filter_matches(
    reader: Reader, kept: dict[str, list[Kept]], conversations: dict[str, Conversation]
) -> None:
    for state in ("live", "ended", "presumed_ended"):
        found = names(reader.all_of(f"/api/v1/conversations?state={state}"))
        assert found == {name for name, view in conversations.items() if view.state == state}
    for outcome in ("answered", "unanswered", "busy"):
        found = names(reader.all_of(f"/api/v1/conversations?outcome={outcome}"))
        assert found == {name for name, it in conversations.items() if any(m.leg.outcome == outcome for m in it.legs)}
    by_number: dict[str, set[str]] = {}
    for name, number in ((name, n) for name, each in kept.items() for record in each for n in numbers_in(record.event)):
        by_number.setdefault(number, set()).add(name)
    for number, found_by in by_number.items():
        assert names(reader.all_of(f"/api/v1/conversations?number={number}")) == found_by


def counters_add_up(reader: Reader, sent: Sent, conversations: dict[str, Conversation], again: int) -> None:
    status = reader.get("/status")
    present = [member.leg for view in conversations.values() for member in view.legs if member.presence.here]
    open_legs = Counter(leg.state for leg in present)
    assert status["legs"] == {state: open_legs[state] for state in ("started", "ringing", "answered")}
    states = Counter(view.state for view in conversations.values())
    assert status["conversations"] == {state: states[state] for state in ("live", "presumed_ended", "ended")}

    counted = status["webhooks"]
    at_home = [event for event in sent.events.values() if event.conversations]
    assert counted["unknown"] == sum(event.kind == "unknown" or "unknown_status" in event.flags for event in at_home)
    assert counted["unfiled"] >= len(sent.events) - len(at_home)
    # A fallback copy is one webhook, though it is kept as two events.
    kept = [event for event in at_home if event.kind != "fallback"]
    assert counted["received"] - counted["repeats"] - counted["unfiled"] == len(kept) + sent.answers
    received = [event for event in sent.reported if event.kind != "fallback" or not event.conversations]
    assert again or counted["received"] == len(received) + sent.answers
    assert counted["out_of_order"] > 0
    assert (counted["refused"], counted["reported"]) == ({}, {})
