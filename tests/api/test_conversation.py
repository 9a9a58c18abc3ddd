"""One conversation, as the contract has it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from app.webhooks.body import read_object
from app.webhooks.schemas import kept_answer
from tests.api.asking import LIST, OPERATOR, SAMPLE, Site, is_problem, quoted, status
from tests.generated import BASE, Webhook, conversations_of, iso, read_event, several, webhooks_of

KEYS = [
    *("conversation_uuid", "state", "first_heard_at", "last_heard_at", "started_at", "answered_at", "ended_at"),
    *("duration_seconds", "price", "currency", "legs", "answers", "inputs", "recordings", "errors"),
]
LEG_KEYS = [
    *("uuid", "direction", "from", "to", "state", "status", "outcome", "times", "ring_seconds", "talk_seconds"),
    *("duration_seconds", "rate", "price", "network", "detail", "sip_code", "disconnected_by", "machine"),
    *("moved_from", "moved_to"),
]
ANSWER_KEYS = ["at", "leg", "flow", "step", "version", "took_ms", "ncco", "fault", "fallback_reason"]
ERROR_KEYS = ["at", "kind", "leg", "reason", "failed_url", "answer"]
CAUSE_KEYS = ["at", "flow", "step", "version", "ncco"]
TIMES = ["started", "ringing", "answered", "completed"]
LISTS = ["legs", "answers", "inputs", "recordings", "errors"]
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
MONEY = re.compile(r"-?\d+(\.\d+)?", re.ASCII)

# What the seven webhooks of Vonage's tutorial "phone to app" come to.
TOLD = json.loads(SAMPLE.with_name("phone-to-app.expected.json").read_text())
PUBLISHED = TOLD | {"first_heard_at": "2126-11-20T12:00:00.000Z", "last_heard_at": "2126-11-20T12:00:00.006Z"}


def keeps_the_contract(told: Any) -> None:
    """Fails unless *told* is a conversation exactly as the contract has it."""
    assert list(told) == KEYS
    assert told["state"] in ("live", "ended", "presumed_ended")
    assert told["currency"] == "EUR"
    assert all(isinstance(told[name], list) for name in LISTS)
    moments = [told[name] for name in KEYS if name.endswith("_at")]
    seconds, money = [told["duration_seconds"]], [told["price"]]
    for leg in told["legs"]:
        assert list(leg) == LEG_KEYS
        assert list(leg["times"]) == TIMES
        assert leg["state"] in ("started", "ringing", "answered", "completed")
        assert (leg["outcome"] is None) == (leg["state"] != "completed")
        moves = [leg[name] for name in ("moved_from", "moved_to") if leg[name] is not None]
        assert all(list(move) == ["conversation_uuid", "at"] for move in moves)
        moments += [*leg["times"].values(), *(move["at"] for move in moves)]
        seconds += [leg["ring_seconds"], leg["talk_seconds"], leg["duration_seconds"]]
        money += [leg["rate"], leg["price"]]
        assert leg["sip_code"] is None or isinstance(leg["sip_code"], int)
    moments += [one["at"] for name in LISTS[1:] for one in told[name]]
    assert all(list(one) == ANSWER_KEYS for one in told["answers"])
    assert all(list(one) == ERROR_KEYS for one in told["errors"])
    assert all(one["answer"] is None or list(one["answer"]) == CAUSE_KEYS for one in told["errors"])
    assert all(moment is None or MOMENT.fullmatch(moment) for moment in moments)
    assert all(one is None or type(one) in (int, float) for one in seconds)
    assert all(one is None or MONEY.fullmatch(one) for one in money)


def test_the_published_call_is_told_to_the_letter(site: Site) -> None:
    """Byte by byte, keys in order: programs rely on the first, people on the second."""
    for place, line in enumerate(SAMPLE.read_bytes().splitlines()):
        site.keep([_webhook(line, BASE + timedelta(milliseconds=place))])
    told = site.conversation(str(PUBLISHED["conversation_uuid"]), token=OPERATOR)
    assert told == PUBLISHED
    assert list(told) == KEYS
    assert type(told["legs"][0]["duration_seconds"]) is int, "12 stays 12"
    assert site.read(LIST, token=OPERATOR) == {"items": [PUBLISHED], "next": None}


def test_every_key_is_there_whatever_is_known(site: Site) -> None:
    chance = Random(20)
    calls = several(chance, 40) + several(chance, 20, orderly=False)
    for call in calls:
        site.keep(call)
    names = {name for call in calls for name in conversations_of(call)}
    for name in names:
        keeps_the_contract(site.conversation(name))
    assert {item["conversation_uuid"] for item in site.read(LIST, limit=500)["items"]} == names


def test_of_a_call_that_only_asked_for_instructions_nothing_else_is_known(site: Site) -> None:
    answer = site.hear(
        {"conversation_uuid": "CON-1", "uuid": "leg", "from_user": "Alice", "to": "Bob"}, "/voice/answer"
    )
    site.store.ping()
    told = site.conversation("CON-1")
    keeps_the_contract(told)
    assert told["state"] == "live"
    assert [leg["state"] for leg in told["legs"]] == ["started"]
    assert [told[name] for name in ("started_at", "answered_at", "ended_at", "duration_seconds", "price")] == [None] * 5
    (served,) = told["answers"]
    assert list(served) == ANSWER_KEYS
    assert served["ncco"] == answer.json
    assert (served["leg"], served["fallback_reason"]) == ("leg", None)
    assert served["flow"] is not None
    assert served["took_ms"] > 0


def test_what_was_keyed_recorded_and_went_wrong_is_listed(site: Site) -> None:
    about = {"conversation_uuid": "CON-1", "timestamp": iso(BASE)}
    site.tell(
        about | {"uuid": "leg", "dtmf": {"digits": "12", "timed_out": True}, "speech": {"results": [{"text": "yes"}]}},
        about | {"recording_url": "https://r.example/1", "recording_uuid": "rec", "size": 12, "start_time": iso(BASE)},
        about | {"recording_uuid": "rec", "status": "transcribed", "transcription_url": "https://t.example/1"},
        about | {"reason": "Syntax error in NCCO."},
    )
    told = site.conversation("CON-1")
    keeps_the_contract(told)
    moment = iso(BASE)
    assert told["inputs"] == [
        {
            "at": moment,
            "leg": "leg",
            "digits": "12",
            "timed_out": True,
            "speech": [{"text": "yes", "confidence": None}],
            "speech_timeout_reason": None,
            "speech_error": None,
            "speech_recording_url": None,
        }
    ]
    assert told["recordings"] == [
        {
            "at": moment,
            "recording_uuid": "rec",
            "recording_url": "https://r.example/1",
            "size": 12,
            "started_at": moment,
            "ended_at": None,
            "transcription_url": "https://t.example/1",
        }
    ]
    assert told["errors"] == [
        {
            "at": moment,
            "kind": "error",
            "leg": None,
            "reason": "Syntax error in NCCO.",
            "failed_url": None,
            "answer": None,
        }
    ]


def _answered(seconds: float, *, reply: bool = True, **served: Any) -> Webhook:
    """The record of what was served so many seconds after the call began, in *reply* to an event or to be asked."""
    request = {"conversation_uuid": "CON-1", "uuid": "leg"} | ({} if reply else {"from": "447700900123", "to": "1"})
    known = {"id": str(seconds), "flow": "menu", "took_ms": 1.5, "ncco": [{"action": "talk", "text": f"{seconds}"}]}
    (webhook,) = webhooks_of(kept_answer(request, known | served), BASE + timedelta(seconds=seconds))
    return webhook


def test_what_was_served_is_told_with_flow_step_and_version_and_an_error_beside_the_ncco_that_caused_it(
    site: Site,
) -> None:
    place: dict[str, Any] = {"step": "choice", "version": "12345678"}
    fault = "menu/choice: no such step"
    lost: dict[str, Any] = {"flow": "last-resort", "fault": fault}
    site.keep([_answered(0, reply=False), _answered(2, **place), _answered(4, **lost)])
    error = {"conversation_uuid": "CON-1", "reason": "Syntax error in NCCO.", "timestamp": iso(BASE)}
    site.tell(error, received=BASE + timedelta(seconds=3))
    told = site.conversation("CON-1")
    keeps_the_contract(told)
    by = [(one["leg"], one["flow"], one["step"], one["version"], one["fault"]) for one in told["answers"]]
    assert by == [
        ("leg", "menu", None, None, None),
        ("leg", "menu", "choice", "12345678", None),  # which a viewer sees whole: it is no number
        ("leg", "last-resort", None, None, fault),
    ]
    assert [one["answer"] for one in told["errors"]] == [
        {"at": iso(BASE + timedelta(seconds=2)), "flow": "menu", **place, "ncco": [{"action": "talk", "text": "2"}]}
    ]
    (leg,) = told["legs"]
    assert (leg["from"], leg["to"]) == ("*" * 8 + "0123", "1"), "as the asking has it"
    events = site.read(f"{LIST}/CON-1/events")["items"]
    assert ["step" in one["raw"] for one in events if one["kind"] == "answer"] == [False, True, False]


def test_why_the_fallback_was_asked_is_told(site: Site) -> None:
    fallback = {"reason": "Socket timeout.", "original_request": {"url": "https://a.example/x", "type": "event"}}
    site.hear(status("ringing", "CON-1") | fallback, "/voice/fallback")
    told = site.conversation("CON-1")
    assert [(e["kind"], e["reason"], e["failed_url"]) for e in told["errors"]] == [
        ("fallback", "Socket timeout.", "https://a.example/x")
    ]
    assert [leg["state"] for leg in told["legs"]] == ["ringing"]


def test_a_moved_leg_is_told_where_it_was_and_where_it_is(site: Site) -> None:
    moved = {"type": "transfer", "conversation_uuid_from": "CON-a", "conversation_uuid_to": "CON-b", "uuid": "leg"}
    at = BASE + timedelta(seconds=5)
    site.tell(
        status("answered", "CON-a", "leg", timestamp=iso(BASE), from_="447700900123"),
        moved | {"timestamp": iso(at)},
        status("completed", "CON-b", "leg", timestamp=iso(BASE + timedelta(seconds=9)), price="0.5", duration="9"),
    )
    was, now = site.conversation("CON-a"), site.conversation("CON-b")
    for told in (was, now):
        keeps_the_contract(told)
        assert [(leg["uuid"], leg["state"], leg["outcome"]) for leg in told["legs"]] == [
            ("leg", "completed", "answered")
        ], "both know how it ended"
        assert told["state"] == "ended"
    assert was["legs"][0]["moved_to"] == {"conversation_uuid": "CON-b", "at": iso(at)}
    assert was["legs"][0]["moved_from"] is None
    assert now["legs"][0]["moved_from"] == {"conversation_uuid": "CON-a", "at": iso(at)}
    assert now["legs"][0]["moved_to"] is None
    assert (was["ended_at"], was["price"]) == (iso(at), None)
    assert (now["started_at"], now["price"]) == (iso(at), "0.5")


def test_a_live_call_that_fell_silent_is_presumed_ended_until_it_is_heard_of_again(site: Site) -> None:
    now = datetime.now(UTC)
    site.tell(status("answered", "CON-silent"), received=now - timedelta(hours=3))
    site.tell(status("answered", "CON-live"), received=now - timedelta(hours=2))
    assert [site.conversation(name)["state"] for name in ("CON-silent", "CON-live")] == ["presumed_ended", "live"]
    assert site.conversation("CON-silent")["ended_at"] is None, "nobody knows when"
    assert site.listed(state="presumed_ended") == ["CON-silent"]
    assert site.listed(state="live") == ["CON-live"]
    assert site.listed(state="ended") == []
    site.tell(status("ringing", "CON-silent"), received=now)
    assert site.conversation("CON-silent")["state"] == "live"


IDS = [
    *(
        "a/b",
        "a//b",
        "/a",
        "a/",
        "//",
        "a b",
        "a\nb",
        "a\r\nb",
        "a?b=c&d#e",
        "%2F",
        "a%2fb",
        "a%",
        "a+b",
        "a;b",
        "a\\b",
    ),
    *("Zoë", "李小龍", "☎️", "\u202egnp.exe", "a\x00b", "\x7f", "..", "a/../b", "a:b", "'\"<script>", "events", "a,b"),
]


@pytest.mark.parametrize("name", IDS)
def test_an_id_is_any_text(site: Site, name: str) -> None:
    """Vonage promises no alphabet; what is kept under an id is found, told and deleted under it, and nothing else."""
    site.tell(status("ringing", name, name), status("ringing", "CON-other", "other"))
    address = f"{LIST}/{quoted(name)}"
    assert site.read(address)["conversation_uuid"] == name
    assert [event["leg"] for event in site.read(f"{address}/events")["items"]] == [name]
    assert site.read(f"/api/v1/legs/{quoted(name)}")["uuid"] == name
    assert sorted(site.listed()) == sorted([name, "CON-other"])
    assert site.ask("DELETE", address, token=OPERATOR).status_code == 204
    is_problem(site.get(address), 404)
    assert site.listed() == ["CON-other"]


def test_an_address_leads_to_one_id_alone(site: Site) -> None:
    """No redirection to an id that looks alike: a program that follows one would delete the wrong call."""
    site.tell(status("ringing", "a", "leg"))
    for name in ("/a", "a/", "//a", "a\n", "\na", " a", "A"):
        for path in (f"{LIST}/{quoted(name)}", f"{LIST}/{name.replace(chr(10), '%0A')}"):
            is_problem(site.ask("DELETE", path, token=OPERATOR), 404)
            is_problem(site.get(path), 404)
        is_problem(site.get(f"/api/v1/legs/{quoted(name)}"), 404)
    assert site.listed() == ["a"]


def test_half_a_surrogate_pair_in_an_id_is_told_and_breaks_no_list(site: Site) -> None:
    site.hear(b'{"conversation_uuid": "CON-\\ud800", "uuid": "\\udfff", "status": "ringing", "from": "\\ud83d"}')
    site.tell(status("ringing", "CON-other"))
    assert set(site.listed()) == {"CON-\ud800", "CON-other"}


def test_an_unknown_conversation_is_a_problem_that_says_why(site: Site) -> None:
    for path in (f"{LIST}/CON-none", f"{LIST}/CON-none/events"):
        problem = is_problem(site.get(path), 404)
        assert problem["title"] == "Unknown conversation"
        assert problem["conversation_uuid"] == "CON-none"
        assert "RETENTION_DAYS" in problem["detail"]


def _webhook(line: bytes, received: datetime) -> Webhook:
    return Webhook(read_event(read_object(line)), line, received)
