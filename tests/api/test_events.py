"""The events of a conversation, as they came, and the legs over all conversations they have been in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

from app.webhooks.body import write_json
from app.webhooks.schemas import read_event
from tests.api.site import LIST, OPERATOR, SAMPLE, Site, is_problem, status
from tests.api.test_conversation import LEG_KEYS
from tests.generated import BASE, conversations_of, iso, several

KEYS = ["kind", "leg", "status", "occurred_at", "received_at", "lag_ms", "raw", "flags"]
PUBLISHED = "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6"


def test_events_are_returned_as_received_oldest_first(site: Site) -> None:
    lines = SAMPLE.read_bytes().splitlines()
    for line in lines:
        site.post(line)
    page = site.read(f"{LIST}/{PUBLISHED}/events", token=OPERATOR)
    assert list(page) == ["items", "next"]
    assert page["next"] is None
    assert [item["raw"] for item in page["items"]] == [json.loads(line) for line in lines]
    assert [list(item) for item in page["items"]] == [KEYS] * 7
    assert [item["status"] for item in page["items"]] == [json.loads(line)["status"] for line in lines]
    assert [item["received_at"] for item in page["items"]] == sorted(item["received_at"] for item in page["items"])


def test_an_event_has_its_time_its_receipt_and_the_lag(site: Site) -> None:
    happened = BASE - timedelta(milliseconds=1234, microseconds=567)
    body = status("ringing", "CON-1", "leg", timestamp=happened.isoformat())
    site.record(body, received=BASE)
    (shown,) = site.read(f"{LIST}/CON-1/events", token=OPERATOR)["items"]
    assert shown == {
        "kind": "status",
        "leg": "leg",
        "status": "ringing",
        "occurred_at": "2126-11-20T11:59:58.765Z",
        "received_at": "2126-11-20T12:00:00.000Z",
        "lag_ms": 1235,
        "raw": body,
        "flags": [],
    }


def test_a_clock_that_is_fast_gives_a_lag_below_zero(site: Site) -> None:
    site.record(status("ringing", "CON-1", timestamp=iso(BASE + timedelta(seconds=2))), received=BASE)
    (shown,) = site.read(f"{LIST}/CON-1/events")["items"]
    assert shown["lag_ms"] == -2000


def test_what_is_not_known_is_null_and_what_is_odd_is_flagged(site: Site) -> None:
    received = datetime.now(UTC)
    site.post({"conversation_uuid": "CON-1", "uuid": "leg", "status": "levitating"})
    site.post({"conversation_uuid": "CON-1", "something": "else", "timestamp": iso(BASE)})
    site.post(
        {"conversation_uuid": "CON-1", "uuid": "leg", "status": "completed", "timestamp": iso(BASE), "duration": "x"}
    )
    site.post({"conversation_uuid": "CON-1", "uuid": "leg", "to": "Alice", "from": "447700900123"}, "/voice/answer")
    site.store.ping()
    strange, unknown, unreadable, answer = site.read(f"{LIST}/CON-1/events")["items"]
    assert (strange["kind"], strange["status"], strange["occurred_at"], strange["lag_ms"]) == (
        *("status", "levitating", None, None),
    )
    assert {"unknown_status", "no_timestamp"} <= set(strange["flags"])
    assert (unknown["kind"], unknown["leg"], unknown["status"]) == ("unknown", None, None)
    assert "unreadable_duration" in unreadable["flags"]
    assert (answer["kind"], answer["leg"], answer["status"], answer["occurred_at"]) == ("answer", "leg", None, None)
    assert answer["raw"]["ncco"][0]["action"] == "talk"
    assert all("unsigned" in item["flags"] for item in (strange, unknown, unreadable, answer)), "so they were"
    assert strange["received_at"] >= received.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_events_come_page_by_page_while_more_of_them_arrive(site: Site) -> None:
    for number in range(10):
        site.record(status("ringing", "CON-1", note=number))
    found: list[int] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = site.read(f"{LIST}/CON-1/events", **query)
        assert len(page["items"]) <= 3
        found += [item["raw"]["note"] for item in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
        if len(found) < 10:
            site.record(status("ringing", "CON-1", note=10 + len(found)))
    assert found == [*range(10), 13, 16, 19]


def test_a_page_that_holds_them_all_is_the_last(site: Site) -> None:
    for _ in range(4):
        site.record(status("ringing", "CON-1"))
    assert site.read(f"{LIST}/CON-1/events", limit=4)["next"] is None
    assert site.read(f"{LIST}/CON-1/events", limit=3)["next"] is not None


def test_a_cursor_outlives_its_conversation(site: Site) -> None:
    """Deleted in between, there is nothing more to come; a new request gets 404."""
    for _ in range(3):
        site.record(status("ringing", "CON-1"))
    cursor = site.read(f"{LIST}/CON-1/events", limit=1)["next"]
    site.send("DELETE", f"{LIST}/CON-1", token=OPERATOR)
    assert site.read(f"{LIST}/CON-1/events", cursor=cursor) == {"items": [], "next": None}
    is_problem(site.get(f"{LIST}/CON-1/events"), 404)


def test_every_event_of_every_call_is_returned_byte_for_byte(site: Site) -> None:
    calls = several(Random(4), 25, orderly=False)
    for call in calls:
        site.record_webhooks(call)
    for call in calls:
        first = {w.event.canonical: w for w in reversed(call)}  # of copies the first is kept
        for name in conversations_of(call):
            page = site.read(f"{LIST}/{name}/events", token=OPERATOR, limit=500)
            expected = [json.loads(w.text) for w in first.values() if name in w.event.conversations]
            assert sorted(map(json.dumps, (item["raw"] for item in page["items"]))) == sorted(map(json.dumps, expected))
            assert all(list(item) == KEYS for item in page["items"])


# -- legs -------------------------------------------------------------------------------------------------------------


def test_a_leg_is_shown_over_all_conversations_it_has_been_in(site: Site) -> None:
    """A leg keeps its id when it moves; here it was called, put through and brought back."""
    moves = [("CON-a", "CON-b", 5), ("CON-b", "CON-c", 7), ("CON-c", "CON-a", 8)]
    site.record(
        status("started", "CON-a", "leg", timestamp=iso(BASE), from_="447700900123", to="Alice", direction="inbound")
    )
    for left, joined, second in moves:
        move = {"type": "transfer", "conversation_uuid_from": left, "conversation_uuid_to": joined, "uuid": "leg"}
        site.record(move | {"timestamp": iso(BASE + timedelta(seconds=second))})
    site.record(status("answered", "CON-b", "leg", timestamp=iso(BASE + timedelta(seconds=6))))
    site.record(
        status("completed", "CON-c", "leg", timestamp=iso(BASE + timedelta(seconds=9)), price="0.01", duration="3")
    )
    shown = site.read("/api/v1/legs/leg", token=OPERATOR)
    assert list(shown) == LEG_KEYS
    assert shown["times"] == {
        "started": iso(BASE),
        "ringing": None,
        "answered": iso(BASE + timedelta(seconds=6)),
        "completed": iso(BASE + timedelta(seconds=9)),
    }
    assert (shown["from"], shown["to"], shown["direction"]) == ("447700900123", "Alice", "inbound")
    assert (shown["outcome"], shown["talk_seconds"], shown["duration_seconds"], shown["price"]) == (
        "answered",
        3.0,
        3,
        "0.01",
    )
    at = iso(BASE + timedelta(seconds=8))
    assert shown["moved_from"] == {"conversation_uuid": "CON-c", "at": at}
    assert shown["moved_to"] == {"conversation_uuid": "CON-a", "at": at}


def test_a_leg_that_moved_two_hundred_times_is_right_on_its_page_and_in_the_list(site: Site) -> None:
    names = [f"CON-{number}" for number in range(201)]
    site.record(status("answered", names[0], "leg", timestamp=iso(BASE)))
    for second, (left, joined) in enumerate(pairwise(names)):
        move = {"type": "transfer", "conversation_uuid_from": left, "conversation_uuid_to": joined, "uuid": "leg"}
        site.record(move | {"timestamp": iso(BASE + timedelta(seconds=1 + second))})
    site.record(status("completed", names[0], "leg", timestamp=iso(BASE + timedelta(seconds=300)), duration="300"))
    shown = site.read("/api/v1/legs/leg")
    assert (shown["state"], shown["outcome"], shown["duration_seconds"]) == ("completed", "answered", 300)
    items = site.read(LIST, limit=500)["items"]
    assert {(item["state"], item["legs"][0]["state"]) for item in items} == {("ended", "completed")}
    assert len(items) == 201


def test_a_leg_that_never_moved_is_the_same_as_in_its_conversation(site: Site) -> None:
    for line in SAMPLE.read_bytes().splitlines():
        site.post(line)
    for leg in site.conversation(PUBLISHED)["legs"]:
        assert site.read(f"/api/v1/legs/{leg['uuid']}") == leg


def test_an_unknown_leg_is_a_problem_that_says_why(site: Site) -> None:
    site.record(status("ringing", "CON-1", "leg"))
    for name in ("none", "CON-1", "le", "leg2"):
        problem = is_problem(site.get(f"/api/v1/legs/{name}"), 404)
        assert (problem["title"], problem["uuid"]) == ("Unknown leg", name)
        assert "RETENTION_DAYS" in problem["detail"]


def test_both_routes_return_the_same_for_all_generated_legs(site: Site) -> None:
    calls = several(Random(11), 25)
    for call in calls:
        site.record_webhooks(call)
    for name in {name for call in calls for name in conversations_of(call)}:
        for leg in site.conversation(name)["legs"]:
            alone = site.read(f"/api/v1/legs/{leg['uuid']}")
            assert {k: v for k, v in alone.items() if not k.startswith("moved")} == {
                k: v for k, v in leg.items() if not k.startswith("moved")
            }


# -- deleting ---------------------------------------------------------------------------------------------------------


def test_a_deleted_call_is_gone_from_everywhere(site: Site) -> None:
    site.record(
        status("answered", "CON-1", "one", from_="447700900123"),
        status("completed", "CON-2", "two", from_="447700900123"),
    )
    for name, leg in (("CON-1", "one"), ("CON-2", "two")):
        answer = site.send("DELETE", f"{LIST}/{name}", token=OPERATOR)
        assert (answer.status_code, answer.data) == (204, b"")
        is_problem(site.get(f"{LIST}/{name}"), 404)
        is_problem(site.get(f"{LIST}/{name}/events"), 404)
        is_problem(site.get(f"/api/v1/legs/{leg}"), 404)
        assert name not in site.listed()
        assert name not in site.listed(number="447700900123")
        is_problem(site.send("DELETE", f"{LIST}/{name}", token=OPERATOR), 404)
    counted = site.read("/status")
    assert counted["conversations"] == {"live": 0, "presumed_ended": 0, "ended": 0}
    assert counted["legs"] == {"started": 0, "ringing": 0, "answered": 0}


def test_deleting_a_call_leaves_the_others(site: Site) -> None:
    """Also the conversation that a leg of it moved on to, and what is known there of the leg."""
    move = {"type": "transfer", "conversation_uuid_from": "CON-a", "conversation_uuid_to": "CON-b", "uuid": "leg"}
    site.record(status("answered", "CON-a", "leg", timestamp=iso(BASE)), move | {"timestamp": iso(BASE)})
    site.send("DELETE", f"{LIST}/CON-a", token=OPERATOR)
    assert site.listed() == ["CON-b"]
    assert [leg["uuid"] for leg in site.conversation("CON-b")["legs"]] == ["leg"]
    assert site.read("/api/v1/legs/leg")["uuid"] == "leg"


def test_a_webhook_for_a_deleted_call_is_stored_anew(site: Site) -> None:
    """Also a copy of a deleted webhook: nothing is remembered of it."""
    body = status("ringing", "CON-1", "leg")
    for _ in range(2):
        site.store.record(read_event(body), write_json(body), BASE)
        assert len(site.read(f"{LIST}/CON-1/events")["items"]) == 1
        site.send("DELETE", f"{LIST}/CON-1", token=OPERATOR)
    assert site.listed() == []
