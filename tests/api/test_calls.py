"""Whole calls in the API: list, one call, its events, and its forms to copy."""

from __future__ import annotations

import re
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.webhooks.schemas import kept_answer
from tests.api.site import OPERATOR, SAMPLE, VIEWER, Site, is_problem, quoted
from tests.generated import BASE, Body, iso, webhooks_of
from vonage_simulator.scenarios import read

CALLS = "/api/v1/calls"
PUBLISHED, CONVERSATION = "0779a56d002f1c7f47f82ef5fe84ab79", "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6"
CALLER, DIALLED, AGENT = "447700900123", "442079460000", "33612345678"
ROW_KEYS = [
    *("id", "state", "direction", "from", "to", "from_user", "users", "phase", "phase_since", "outcome", "missed"),
    *("first_heard_at", "last_heard_at", "started_at", "answered_at", "ended_at", "duration_seconds", "wait_seconds"),
    *("talk_seconds", "hold_seconds", "price", "currency", "flow", "step", "keys", "has_recording", "conversations"),
    *("conferences", "linked", "legs"),
]
CALL_KEYS = [*ROW_KEYS, "answers", "inputs", "recordings", "errors"]
EVENT_KEYS = [
    *("kind", "leg", "status", "occurred_at", "received_at", "lag_ms", "raw", "flags", "conversations", "answer"),
    "cause",
]


def seconds(number: float) -> datetime:
    return BASE + timedelta(seconds=number)


def status(name: str, at: float, leg: str = "caller", where: str = "CON-1", **more: Any) -> Body:
    """A call status; the caller's leg is inbound."""
    parties: Body = {"direction": "inbound", "from": CALLER, "to": DIALLED}
    if leg != "caller":
        parties = {"direction": "outbound", "from": DIALLED, "to": "Alice"}
    return parties | {"status": name, "uuid": leg, "conversation_uuid": where, "timestamp": iso(seconds(at))} | more


def transfer(leg: str, left: str, joined: str, at: float) -> Body:
    return {
        "type": "transfer",
        "uuid": leg,
        "conversation_uuid_from": left,
        "conversation_uuid_to": joined,
        "timestamp": iso(seconds(at)),
    }


@pytest.fixture
def transferred(site: Site) -> Site:
    """A call over two conversations: answered by a menu, handed to Alice, put on hold, and ended."""
    ask = {"uuid": "caller", "conversation_uuid": "CON-1", "from": CALLER, "to": DIALLED}
    ncco = [{"action": "talk", "text": f"Call {AGENT} <script>"}]
    served = {"id": "a" * 16, "flow": "menu", "step": "ask", "took_ms": 1.5, "ncco": ncco}
    site.record_webhooks(webhooks_of(kept_answer(ask, served), seconds(0.5)))
    for body, at in [
        (status("ringing", 0), 0.1),
        (status("answered", 1), 1.1),
        ({"conversation_uuid": "CON-1", "reason": "Syntax error in NCCO.", "timestamp": iso(seconds(1))}, 1.3),
        ({"conversation_uuid": "CON-1", "uuid": "caller", "dtmf": {"digits": "2"}, "timestamp": iso(seconds(3))}, 3.1),
        (status("ringing", 4, "agent"), 4.1),
        (status("answered", 6, "agent"), 6.1),
        (transfer("caller", "CON-1", "CON-2", 10), 10.1),
        (transfer("caller", "CON-2", "CON-1", 15), 15.1),
        ({"conversation_uuid": "CON-2", "recording_uuid": "REC", "recording_url": "https://r.example/1"}, 16),
        (status("completed", 20, "agent", price="0.002", duration="14"), 20.1),
        (status("completed", 20, price="0.001", duration="19"), 20.2),
    ]:
        site.record(body, received=seconds(at))
    return site


def test_a_call_has_every_key_of_the_contract(transferred: Site) -> None:
    call = transferred.read(f"{CALLS}/caller", token=OPERATOR)
    assert list(call) == CALL_KEYS
    assert (call["id"], call["state"], call["outcome"], call["missed"]) == ("caller", "ended", "answered", False)
    assert (call["from"], call["to"], call["users"]) == (CALLER, DIALLED, ["Alice"])
    assert (call["wait_seconds"], call["talk_seconds"], call["hold_seconds"]) == (6, 9, 5)
    assert (call["price"], call["flow"], call["step"], call["keys"]) == ("0.003", "menu", "ask", ["2"])
    assert (call["conversations"], call["conferences"], call["linked"]) == (["CON-1", "CON-2"], [], [])
    assert [(leg["uuid"], leg["user"]) for leg in call["legs"]] == [("caller", None), ("agent", "Alice")]
    assert [stay["conversation_uuid"] for stay in call["legs"][0]["stays"]] == ["CON-1", "CON-2", "CON-1"]
    assert [segment["doing"] for segment in call["legs"][0]["segments"]] == ["ringing", "wait", "talk", "hold", "talk"]
    assert [recording["recording_uuid"] for recording in call["recordings"]] == ["REC"]
    (error,) = call["errors"]
    assert error["answer"]["flow"] == "menu"
    (row,) = transferred.read(CALLS, token=OPERATOR)["items"]
    assert list(row) == ROW_KEYS
    assert row == {name: call[name] for name in ROW_KEYS}


@pytest.mark.parametrize("other", ["agent", "CON-1", "CON-2", "REC"])
@pytest.mark.parametrize("rest", ["", "/events?limit=3", "/ladder.txt", "/curl.txt", "/scenario.yaml"])
def test_any_other_id_redirects_to_the_call(transferred: Site, other: str, rest: str) -> None:
    response = transferred.get(f"{CALLS}/{other}{rest}", token=OPERATOR)
    assert (response.status_code, response.headers["Location"]) == (302, f"{CALLS}/caller{rest}")


@pytest.mark.parametrize("rest", ["", "/events", "/ladder.txt", "/curl.txt", "/scenario.yaml"])
def test_an_unknown_call_is_404(site: Site, rest: str) -> None:
    assert is_problem(site.get(f"{CALLS}/none{rest}", token=OPERATOR), 404)["id"] == "none"


@pytest.mark.parametrize("id_", ["a/b", "100%", "a\nb", "=1+1", "../x", "é ?#"])
def test_ids_are_opaque(site: Site, id_: str) -> None:
    site.record(status("ringing", 0, leg=id_, where=f"CON {id_}"))
    assert site.read(f"{CALLS}/{quoted(id_)}")["id"] == id_
    assert site.read(f"{CALLS}/{quoted(id_)}/events")["items"][0]["leg"] == id_
    response = site.get(f"{CALLS}/{quoted(f'CON {id_}')}")
    assert response.headers["Location"] == f"{CALLS}/{quoted(id_)}"


def test_events_of_all_conversations_come_once_oldest_first_with_both_clocks(transferred: Site) -> None:
    events = transferred.read(f"{CALLS}/caller/events", token=OPERATOR)["items"]
    assert [list(event) for event in events] == [EVENT_KEYS] * len(events)
    kinds = [event["kind"] for event in events]
    assert kinds[:4] == ["status", "answer", "status", "error"]
    assert sorted(kinds) == sorted(["answer", "error", "input", "record", "transfer", "transfer", *(["status"] * 6)]), (
        "a transfer is kept with two conversations, and shown once"
    )
    answer, error = events[1], events[3]
    assert answer["answer"]["ncco"] == [{"action": "talk", "text": f"Call {AGENT} <script>"}]
    assert error["cause"] == {
        "at": iso(seconds(0.5)),
        "flow": "menu",
        "step": "ask",
        "version": None,
        "ncco": answer["answer"]["ncco"],
    }
    assert (error["occurred_at"], error["received_at"], error["lag_ms"]) == (iso(seconds(1)), iso(seconds(1.3)), 300)
    moved = next(event for event in events if event["kind"] == "transfer")
    assert moved["conversations"] == ["CON-1", "CON-2"]


@pytest.mark.parametrize("limit", [1, 4, 12, 500])
def test_events_are_paged(transferred: Site, limit: int) -> None:
    whole = transferred.read(f"{CALLS}/caller/events")["items"]
    found: list[Any] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = transferred.read(f"{CALLS}/caller/events", **query)
        found += page["items"]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert found == whole


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ({"state": "ended"}, True),
        ({"state": "live"}, False),
        ({"number": CALLER}, True),
        ({"number": "0123"}, True),
        ({"number": "0124"}, False),
        ({"user": "Alice"}, True),
        ({"user": "Bob"}, False),
        ({"id": "CON-2"}, True),
        ({"id": "REC"}, True),
        ({"id": "none"}, False),
        ({"outcome": "answered"}, True),
        ({"outcome": "busy"}, False),
        ({"missed": "false"}, True),
        ({"missed": "true"}, False),
        ({"flow": "menu"}, True),
        ({"flow": "other"}, False),
        ({"has_recording": "true"}, True),
        ({"has_recording": "false"}, False),
        ({"since": iso(BASE), "until": iso(seconds(1))}, True),
        ({"since": iso(seconds(1))}, False),
        ({"until": iso(BASE)}, False),
        ({"user": "Alice", "number": "0123", "outcome": "answered", "has_recording": "1"}, True),
        ({"user": "", "number": "", "cursor": "", "id": "", "flow": ""}, True),
    ],
)
def test_filters(transferred: Site, query: dict[str, str], fits: bool) -> None:
    assert [call["id"] for call in transferred.read(CALLS, **query)["items"]] == (["caller"] if fits else [])
    query.pop("cursor", None)
    assert (b"caller," in transferred.get(f"{CALLS}.csv", **query).data) == fits


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"state": "over"}, "state"),
        ({"state": ""}, "state"),
        ({"since": ""}, "since"),
        ({"sort": "price"}, "sort"),
        ({"number": "12345"}, "number"),
        ({"outcome": "fine"}, "outcome"),
        ({"missed": "perhaps"}, "missed"),
        ({"has_recording": "perhaps"}, "has_recording"),
        ({"since": "yesterday"}, "since"),
        ({"until": "1969-01-01T00:00:00Z"}, "until"),
        ({"color": "red"}, "color"),
    ],
)
def test_a_wrong_filter_is_named(site: Site, query: dict[str, str], named: str) -> None:
    for path in (CALLS, f"{CALLS}.csv", f"{CALLS}.ndjson"):
        assert list(is_problem(site.get(path, **query), 422)["errors"]) == [named]
    for path in (CALLS, "/api/v1/calls/x/events"):
        assert list(is_problem(site.get(path, cursor="nonsense", limit="0"), 422)["errors"]) == ["limit"]
    assert list(is_problem(site.get(CALLS, cursor="nonsense"), 422)["errors"]) == ["cursor"]


def test_a_viewer_finds_whole_numbers_or_the_last_four_digits_only(transferred: Site) -> None:
    query = {"number": CALLER[-7:]}
    assert transferred.read(CALLS, token=OPERATOR, **query)["items"]
    assert transferred.read(CALLS, token=VIEWER, **query)["items"] == []
    assert b"caller," not in transferred.get(f"{CALLS}.csv", token=VIEWER, **query).data


def test_viewers_see_no_whole_number_and_no_curl(transferred: Site) -> None:
    paths = [CALLS, f"{CALLS}/caller", f"{CALLS}/caller/events", f"{CALLS}/caller/ladder.txt"]
    paths += [f"{CALLS}.csv", f"{CALLS}.ndjson", f"{CALLS}/caller/scenario.yaml"]
    for path in paths:
        for number in (CALLER, DIALLED, AGENT):
            assert number not in transferred.get(path, token=VIEWER).text, path
    assert CALLER in transferred.get(f"{CALLS}/caller/ladder.txt", token=OPERATOR).text
    problem = is_problem(transferred.get(f"{CALLS}/caller/curl.txt", token=VIEWER), 403)
    assert "operator" in problem["detail"]
    for path in [*paths, f"{CALLS}/caller/curl.txt"]:
        is_problem(transferred.get(path, token=None), 401)


def test_ids_and_moments_stay_for_viewers(site: Site) -> None:
    """Ids with many digits are no numbers."""
    named = "CON-00000a02-0000-4000-8000-001234567890"
    site.record(status("ringing", 0, leg="1234567890", where=named))
    call = site.read(f"{CALLS}/1234567890")
    assert (call["id"], call["conversations"]) == ("1234567890", [named])
    assert call["legs"][0]["stays"] == [
        {
            "conversation_uuid": named,
            "since": "2126-11-20T12:00:00.000Z",
            "until": None,
        }
    ]
    assert site.read(f"{CALLS}/1234567890/events")["items"][0]["conversations"] == [named]


def test_the_ladder_is_text_that_controls_no_terminal(site: Site) -> None:
    site.record(status("ringing", 0, leg="leg", to="\x1b[2J<script>"), status("\x1b]0;x\x07", 1, leg="leg"))
    response = site.get(f"{CALLS}/leg/ladder.txt")
    assert response.content_type == "text/plain; charset=utf-8"
    assert all(line.isprintable() for line in response.text.splitlines())
    assert r"\x1b[2J" in response.text


def test_curl_posts_the_webhooks_again(transferred: Site, tmp_path: Path) -> None:
    """Run by a shell, with a `curl` that notes what it gets."""
    transferred.record(status("x'; touch hacked; '", 2, leg="agent"), received=seconds(2))
    script = transferred.get(f"{CALLS}/caller/curl.txt", token=OPERATOR).text
    note = tmp_path / "curl"
    note.write_text('#!/bin/sh\nfor word; do last="$word"; done\nprintf "%s %s\\n" "$4" "$last" >> "$OUT"\n')
    note.chmod(0o755)
    out = tmp_path / "out"
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "OUT": str(out)}
    subprocess.run(["sh"], input=script.encode(), cwd=tmp_path, env=environ, check=True)
    posted = [line.split(" ", 1) for line in out.read_text().splitlines()]
    assert not (tmp_path / "hacked").exists()
    assert len(posted) == len(transferred.read(f"{CALLS}/caller/events")["items"])
    before = transferred.read(f"{CALLS}/caller", token=OPERATOR)
    transferred.store.delete_all(["CON-1", "CON-2"])
    for url, body in posted:
        if url.endswith("/voice/event"):
            transferred.post(body.encode(), "/voice/event")
    again = transferred.read(f"{CALLS}/caller", token=OPERATOR)
    of_clock = {"first_heard_at", "last_heard_at"}
    not_posted = {"answers", "flow", "step", "errors", "recordings"}  # answers are ours; a recording has no timestamp
    assert {name: again[name] for name in CALL_KEYS if name not in of_clock | not_posted} == {
        name: before[name] for name in CALL_KEYS if name not in of_clock | not_posted
    }


@pytest.mark.parametrize("token", [VIEWER, OPERATOR])
def test_a_scenario_plays_the_call_over_all_of_its_conversations(transferred: Site, token: str) -> None:
    """tests/cli/test_capture.py plays some. Numbers that are assigned to nobody stay, for operators."""
    response = transferred.get(f"{CALLS}/caller/scenario.yaml", token=token)
    assert response.content_type == "application/yaml; charset=utf-8"
    assert AGENT not in response.text
    assert token == OPERATOR or CALLER not in response.text
    scenario = read(response.text, "captured.yaml")
    (call,) = scenario.calls
    assert [(command.at, command.do, command.to) for command in call.control] == [
        *((9, "transfer", "call"), (14, "transfer", "call"), (14, "transfer", "Alice"))
    ]
    assert list(scenario.callees) == ["Alice"]


def test_the_published_call(site: Site) -> None:
    for line in SAMPLE.read_bytes().splitlines():
        site.post(line)
    assert site.get(f"{CALLS}/{CONVERSATION}").headers["Location"] == f"{CALLS}/{PUBLISHED}"
    examples = site.get("/openapi.json").json
    assert examples is not None
    for path in (CALLS, f"{CALLS}/{PUBLISHED}"):
        described = examples["paths"][path.replace(PUBLISHED, "{call_id}")]["get"]["responses"]["200"]["content"]
        shown, example = site.read(path, token=OPERATOR), described["application/json"]["example"]
        for call in shown.get("items", [shown]), example.get("items", [example]):
            call[0].pop("first_heard_at")
            call[0].pop("last_heard_at")
        assert shown == example, "the example is real"
    call = site.read(f"{CALLS}/{PUBLISHED}")
    assert (call["from"], call["to"], call["price"]) == ("********7890", "********7050", "0.00144000")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", call["first_heard_at"])


def test_a_deleted_conversation_leaves_the_rest_of_its_call(transferred: Site) -> None:
    assert transferred.send("DELETE", "/api/v1/conversations/CON-1", token=OPERATOR).status_code == 204
    call = transferred.read(f"{CALLS}/caller")
    assert call["conversations"] == ["CON-1", "CON-2"], "its moves name it"
    assert [leg["uuid"] for leg in call["legs"]] == ["caller"]
    assert call["state"] == "ended"
    assert transferred.get(f"{CALLS}/CON-1").status_code == 404
    assert transferred.get(f"{CALLS}/CON-2").headers["Location"] == f"{CALLS}/caller"
