"""One conversation, as the contract defines it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from app.webhooks.body import read_object
from app.webhooks.schemas import kept_answer
from tests.api.site import LIST, OPERATOR, SAMPLE, Site, is_problem, quoted, status
from tests.generated import BASE, Webhook, conversations_of, iso, read_event, several, webhooks_of

KEYS = [
    *("conversation_uuid", "state", "first_heard_at", "last_heard_at", "started_at", "answered_at", "ended_at"),
    *("duration_seconds", "price", "currency", "legs", "answers", "inputs", "recordings"),
    *("record_state", "errors"),
]
LEG_KEYS = [
    *(
        "uuid",
        "direction",
        "from",
        "to",
        "from_name",
        "to_name",
        "state",
        "status",
        "outcome",
        "times",
        "ring_seconds",
        "talk_seconds",
    ),
    *("duration_seconds", "rate", "price", "network", "detail", "sip_code", "disconnected_by", "machine"),
    *("moved_from", "moved_to", "control"),
]
ANSWER_KEYS = ["at", "leg", "flow", "step", "version", "took_ms", "ncco", "fault", "fallback_reason", "region_url"]
ANSWER_KEYS += ["diverted", "unclaimed"]
ERROR_KEYS = ["at", "kind", "leg", "reason", "failed_url", "answer"]
CAUSE_KEYS = ["at", "flow", "step", "version", "ncco"]
TIMES = ["started", "ringing", "answered", "completed"]
LISTS = ["legs", "answers", "inputs", "recordings", "errors"]
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
MONEY = re.compile(r"-?\d+(\.\d+)?", re.ASCII)

# The conversation of the seven webhooks in Vonage's tutorial "phone to app".
EXPECTED = json.loads(SAMPLE.with_name("phone-to-app.expected.json").read_text())
PUBLISHED = EXPECTED | {"first_heard_at": "2126-11-20T12:00:00.000Z", "last_heard_at": "2126-11-20T12:00:00.006Z"}


def keeps_the_contract(shown: Any) -> None:
    """Fails unless *shown* is a conversation exactly as the contract defines it."""
    assert list(shown) == KEYS
    assert shown["state"] in ("live", "ended", "presumed_ended")
    assert shown["currency"] == "EUR"
    assert all(isinstance(shown[name], list) for name in LISTS)
    moments = [shown[name] for name in KEYS if name.endswith("_at")]
    seconds, money = [shown["duration_seconds"]], [shown["price"]]
    for leg in shown["legs"]:
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
    moments += [entry["at"] for name in LISTS[1:] for entry in shown[name]]
    assert all(list(answer) == ANSWER_KEYS for answer in shown["answers"])
    assert all(list(error) == ERROR_KEYS for error in shown["errors"])
    assert all(error["answer"] is None or list(error["answer"]) == CAUSE_KEYS for error in shown["errors"])
    assert all(moment is None or MOMENT.fullmatch(moment) for moment in moments)
    assert all(value is None or type(value) in (int, float) for value in seconds)
    assert all(value is None or MONEY.fullmatch(value) for value in money)


def test_the_published_call_is_returned_byte_by_byte(site: Site) -> None:
    """With its keys in order, which people rely on."""
    for index, line in enumerate(SAMPLE.read_bytes().splitlines()):
        site.record_webhooks([_webhook(line, BASE + timedelta(milliseconds=index))])
    shown = site.conversation(str(PUBLISHED["conversation_uuid"]), token=OPERATOR)
    assert shown == PUBLISHED
    assert list(shown) == KEYS
    assert type(shown["legs"][0]["duration_seconds"]) is int, "12 stays 12"
    assert site.read(LIST, token=OPERATOR) == {"items": [PUBLISHED], "next": None}


def test_every_key_is_always_present(site: Site) -> None:
    chance = Random(20)
    calls = several(chance, 40) + several(chance, 20, orderly=False)
    for call in calls:
        site.record_webhooks(call)
    names = {name for call in calls for name in conversations_of(call)}
    for name in names:
        keeps_the_contract(site.conversation(name))
    assert {item["conversation_uuid"] for item in site.read(LIST, limit=500)["items"]} == names


def test_a_call_with_only_an_answer_webhook_shows_nothing_else(site: Site) -> None:
    region = "https://api-ap-4.vonage.com"
    request = {"conversation_uuid": "CON-1", "uuid": "leg", "from_user": "Alice", "to": "Bob", "region_url": region}
    answer = site.post(request, "/voice/answer")
    site.store.ping()
    shown = site.conversation("CON-1")
    keeps_the_contract(shown)
    assert shown["state"] == "live"
    assert [leg["state"] for leg in shown["legs"]] == ["started"]
    unknown = ("started_at", "answered_at", "ended_at", "duration_seconds", "price")
    assert [shown[name] for name in unknown] == [None] * 5
    (served,) = shown["answers"]
    assert list(served) == ANSWER_KEYS
    assert served["ncco"] == answer.json
    assert (served["leg"], served["fallback_reason"], served["region_url"]) == ("leg", None, region)
    assert served["flow"] is not None
    assert served["took_ms"] > 0


def test_inputs_recordings_and_errors_are_listed(site: Site) -> None:
    about = {"conversation_uuid": "CON-1", "timestamp": iso(BASE)}
    site.record(
        about | {"uuid": "leg", "dtmf": {"digits": "12", "timed_out": True}, "speech": {"results": [{"text": "yes"}]}},
        about | {"recording_url": "https://r.example/1", "recording_uuid": "rec", "size": 12, "start_time": iso(BASE)},
        about | {"recording_uuid": "rec", "status": "transcribed", "transcription_url": "https://t.example/1"},
        about | {"reason": "Syntax error in NCCO."},
    )
    shown = site.conversation("CON-1")
    keeps_the_contract(shown)
    moment = iso(BASE)
    assert shown["inputs"] == [
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
    assert shown["recordings"] == [
        {
            "at": moment,
            "recording_uuid": "rec",
            "recording_url": "https://r.example/1",
            "size": 12,
            "started_at": moment,
            "ended_at": None,
            "transcription_url": "https://t.example/1",
            "transcription_error": None,
            "voicemail_of": None,
        }
    ]
    assert shown["errors"] == [
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
    """The record of an answer, so many seconds after the call began, in *reply* to an event or not."""
    request = {"conversation_uuid": "CON-1", "uuid": "leg"} | ({} if reply else {"from": "447700900123", "to": "1"})
    known = {"id": str(seconds), "flow": "menu", "took_ms": 1.5, "ncco": [{"action": "talk", "text": f"{seconds}"}]}
    (webhook,) = webhooks_of(kept_answer(request, known | served), BASE + timedelta(seconds=seconds))
    return webhook


def test_answers_have_flow_step_and_version_and_errors_the_ncco_that_caused_them(
    site: Site,
) -> None:
    same: dict[str, Any] = {"step": "choice", "version": "12345678"}
    fault = "menu/choice: no such step"
    lost: dict[str, Any] = {"flow": "last-resort", "fault": fault}
    site.record_webhooks([_answered(0, reply=False), _answered(2, **same), _answered(4, **lost)])
    error = {"conversation_uuid": "CON-1", "reason": "Syntax error in NCCO.", "timestamp": iso(BASE)}
    site.record(error, received=BASE + timedelta(seconds=3))
    shown = site.conversation("CON-1")
    keeps_the_contract(shown)
    by = [(row["leg"], row["flow"], row["step"], row["version"], row["fault"]) for row in shown["answers"]]
    assert by == [
        ("leg", "menu", None, None, None),
        ("leg", "menu", "choice", "12345678", None),  # which a viewer sees whole: it is no number
        ("leg", "last-resort", None, None, fault),
    ]
    assert [error["answer"] for error in shown["errors"]] == [
        {"at": iso(BASE + timedelta(seconds=2)), "flow": "menu", **same, "ncco": [{"action": "talk", "text": "2"}]}
    ]
    (leg,) = shown["legs"]
    assert (leg["from"], leg["to"]) == ("*" * 8 + "0123", "1"), "as the request has it"
    events = site.read(f"{LIST}/CON-1/events")["items"]
    assert ["step" in event["raw"] for event in events if event["kind"] == "answer"] == [False, True, False]


def test_the_reason_for_a_fallback_is_shown(site: Site) -> None:
    fallback = {"reason": "Socket timeout.", "original_request": {"url": "https://a.example/x", "type": "event"}}
    site.post(status("ringing", "CON-1") | fallback, "/voice/fallback")
    shown = site.conversation("CON-1")
    assert [(e["kind"], e["reason"], e["failed_url"]) for e in shown["errors"]] == [
        ("fallback", "Socket timeout.", "https://a.example/x")
    ]
    assert [leg["state"] for leg in shown["legs"]] == ["ringing"]


def test_a_moved_leg_is_shown_where_it_was_and_where_it_is(site: Site) -> None:
    moved = {"type": "transfer", "conversation_uuid_from": "CON-a", "conversation_uuid_to": "CON-b", "uuid": "leg"}
    at = BASE + timedelta(seconds=5)
    site.record(
        status("answered", "CON-a", "leg", timestamp=iso(BASE), from_="447700900123"),
        moved | {"timestamp": iso(at)},
        status("completed", "CON-b", "leg", timestamp=iso(BASE + timedelta(seconds=9)), price="0.5", duration="9"),
    )
    was, now = site.conversation("CON-a"), site.conversation("CON-b")
    for shown in (was, now):
        keeps_the_contract(shown)
        assert [(leg["uuid"], leg["state"], leg["outcome"]) for leg in shown["legs"]] == [
            ("leg", "completed", "answered")
        ], "both know how it ended"
        assert shown["state"] == "ended"
    assert was["legs"][0]["moved_to"] == {"conversation_uuid": "CON-b", "at": iso(at)}
    assert was["legs"][0]["moved_from"] is None
    assert now["legs"][0]["moved_from"] == {"conversation_uuid": "CON-a", "at": iso(at)}
    assert now["legs"][0]["moved_to"] is None
    assert (was["ended_at"], was["price"]) == (iso(at), None)
    assert (now["started_at"], now["price"]) == (iso(at), "0.5")


def test_a_leg_whose_transfer_was_lost_is_one_leg_with_one_state_everywhere(site: Site) -> None:
    """Its events name two conversations, and no move connects them."""
    ended = BASE + timedelta(seconds=32)
    site.record(status("answered", "CON-a", "leg", timestamp=iso(BASE)))
    site.record(status("completed", "CON-b", "leg", timestamp=iso(ended), duration="30", price="0.00635"))
    was, now = site.conversation("CON-a"), site.conversation("CON-b")
    for shown in (was, now):
        keeps_the_contract(shown)
        assert shown["state"] == "ended"
        assert [(leg["state"], leg["outcome"]) for leg in shown["legs"]] == [("completed", "answered")]
    assert site.read("/api/v1/legs/leg")["state"] == "completed"
    assert was["legs"][0]["moved_to"] == {"conversation_uuid": "CON-b", "at": iso(ended)}
    assert (was["price"], now["price"]) == (None, "0.00635"), "it counts where the leg ended"
    assert (site.listed(state="live"), sorted(site.listed(state="ended"))) == ([], ["CON-a", "CON-b"])
    counted = site.read("/status")
    assert counted["legs"] == {"started": 0, "ringing": 0, "answered": 0}
    assert counted["conversations"] == {"live": 0, "presumed_ended": 0, "ended": 2}


def test_a_silent_live_call_is_presumed_ended_until_its_next_webhook(site: Site) -> None:
    now = datetime.now(UTC)
    site.record(status("answered", "CON-silent"), received=now - timedelta(hours=3))
    site.record(status("answered", "CON-live"), received=now - timedelta(hours=2))
    assert [site.conversation(name)["state"] for name in ("CON-silent", "CON-live")] == ["presumed_ended", "live"]
    assert site.conversation("CON-silent")["ended_at"] is None, "nobody knows when"
    assert site.listed(state="presumed_ended") == ["CON-silent"]
    assert site.listed(state="live") == ["CON-live"]
    assert site.listed(state="ended") == []
    site.record(status("ringing", "CON-silent"), received=now)
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
    """Vonage promises no alphabet; all is stored, found and deleted under exactly its id."""
    site.record(status("ringing", name, name), status("ringing", "CON-other", "other"))
    address = f"{LIST}/{quoted(name)}"
    assert site.read(address)["conversation_uuid"] == name
    assert [event["leg"] for event in site.read(f"{address}/events")["items"]] == [name]
    assert site.read(f"/api/v1/legs/{quoted(name)}")["uuid"] == name
    assert sorted(site.listed()) == sorted([name, "CON-other"])
    assert site.send("DELETE", address, token=OPERATOR).status_code == 204
    is_problem(site.get(address), 404)
    assert site.listed() == ["CON-other"]


def test_an_address_leads_to_exactly_its_id(site: Site) -> None:
    """No redirection to an id that looks alike: a program that follows one would delete the wrong call."""
    site.record(status("ringing", "a", "leg"))
    for name in ("/a", "a/", "//a", "a\n", "\na", " a", "A"):
        for path in (f"{LIST}/{quoted(name)}", f"{LIST}/{name.replace(chr(10), '%0A')}"):
            is_problem(site.send("DELETE", path, token=OPERATOR), 404)
            is_problem(site.get(path), 404)
        is_problem(site.get(f"/api/v1/legs/{quoted(name)}"), 404)
    assert site.listed() == ["a"]


def test_half_a_surrogate_pair_in_an_id_is_shown_and_breaks_no_list(site: Site) -> None:
    site.post(b'{"conversation_uuid": "CON-\\ud800", "uuid": "\\udfff", "status": "ringing", "from": "\\ud83d"}')
    site.record(status("ringing", "CON-other"))
    assert set(site.listed()) == {"CON-\ud800", "CON-other"}


def test_an_unknown_conversation_is_a_problem_that_says_why(site: Site) -> None:
    for path in (f"{LIST}/CON-none", f"{LIST}/CON-none/events"):
        problem = is_problem(site.get(path), 404)
        assert problem["title"] == "Unknown conversation"
        assert problem["conversation_uuid"] == "CON-none"
        assert "RETENTION_DAYS" in problem["detail"]


def _cases(name: str) -> list[dict[str, Any]]:
    """The webhooks of `tests/samples/<name>.json`, in their order."""
    found: list[dict[str, Any]] = json.loads((SAMPLE.parent / f"{name}.json").read_text())
    return found


def test_a_later_verdict_corrects_the_machine_detection_before(site: Site) -> None:
    for body in _cases("detection-later-verdict"):
        site.post(body)
    ((leg,),) = [call["legs"] for call in site.read(LIST)["items"]]
    assert (leg["machine"], leg["status"], leg["state"]) == ("human", "answered", "answered")


def test_call_uuid_is_the_leg_in_a_detection_of_a_status_of_its_own(site: Site) -> None:
    (body,) = _cases("call-uuid-of-other-status")
    site.post(body)
    shown = site.conversation(body["conversation_uuid"])
    assert [(leg["uuid"], leg["status"], leg["machine"]) for leg in shown["legs"]] == [
        (body["call_uuid"], "unknown", None)
    ]
    assert site.read(f"/api/v1/legs/{body['call_uuid']}")["status"] == "unknown"
    assert site.read("/status")["legs"]["started"] == 1


def test_a_text_that_failed_is_shown_at_its_recording_and_is_no_call(site: Site) -> None:
    recording, failed = _cases("transcription-failed")
    for order in ((recording, failed), (failed, recording)):
        site.store.delete(recording["conversation_uuid"])
        for body in order:
            site.post(body)
        shown = site.conversation(recording["conversation_uuid"], token=OPERATOR)
        keeps_the_contract(shown)
        assert (shown["started_at"], shown["legs"], shown["errors"]) == (None, [], [])
        (recorded,) = shown["recordings"]
        assert (recorded["recording_uuid"], recorded["size"]) == ("rec-0000-0002", 12222)
        assert (recorded["transcription_url"], recorded["transcription_error"]) == (None, "Provider timeout")
    events = site.read(f"{LIST}/{recording['conversation_uuid']}/events")["items"]
    assert [(event["kind"], event["flags"]) for event in events] == [
        ("transcription_failed", ["unsigned"]),
        ("record", ["unsigned"]),
    ]
    assert site.read("/status")["webhooks"]["unknown"] == 0


def test_a_call_of_which_only_the_end_was_received_began_when_its_bill_does(site: Site) -> None:
    (body,) = _cases("only-completed")
    site.post(body)
    shown = site.conversation(body["conversation_uuid"])
    keeps_the_contract(shown)
    assert (shown["started_at"], shown["ended_at"]) == ("2026-11-26T10:00:00.000Z", "2026-11-26T10:02:05.200Z")
    assert shown["duration_seconds"] == 125.2
    assert [(leg["duration_seconds"], leg["talk_seconds"]) for leg in shown["legs"]] == [(125, None)]


def _webhook(line: bytes, received: datetime) -> Webhook:
    return Webhook(read_event(read_object(line)), line, received)
