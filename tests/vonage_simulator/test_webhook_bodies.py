"""The bodies of webhooks, field by field, with the key order of the published logs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from vonage_simulator import webhook_bodies
from vonage_simulator.ledger import Application, Bill, Conversation, Leg, Recording
from vonage_simulator.scenario import FarEnd, Region

AT = datetime(2026, 1, 1, 12, 0, 0, 120_000, tzinfo=UTC)
WHEN = "2026-01-01T12:00:00.120Z"
APPLICATION = Application(id="app")
BILL = Bill(AT, AT, 5, "0.00720000", "0.00060000", "GB-FIXED")


def leg(**more: Any) -> Leg:
    given: dict[str, Any] = {"direction": "inbound", "endpoint": "phone", "from_": "447700900123", "to": "442079460000"}
    given |= {"conversation": Conversation(uuid="CON")}
    return Leg(uuid="leg", far_end=FarEnd(), events=None, **(given | more))


def app_caller(**more: Any) -> Leg:
    """Bob, who called Alice. The logs have his own name as `to`."""
    return leg(endpoint="app", from_=None, from_user="Bob", to="Bob", dialled="Alice", **more)


def status(caller: Leg, name: str, *, today: bool = True) -> dict[str, Any]:
    return webhook_bodies.status(caller, name, AT, today=today)


# ---- answer requests


def test_an_answer_request_names_caller_and_callee() -> None:
    request = webhook_bodies.answer(leg(), APPLICATION, today=True)
    assert request == {
        "to": "442079460000",
        "endpoint_type": "phone",
        "from": "447700900123",
        "conversation_uuid": "CON",
        "uuid": "leg",
        "region_url": "https://api-eu-3.vonage.com",
    }
    assert not request.keys() & {"direction", "status", "timestamp"}, "an answer request never has them"


def test_an_answer_request_of_2021_has_four_fields() -> None:
    assert list(webhook_bodies.answer(leg(), APPLICATION, today=False)) == ["to", "from", "conversation_uuid", "uuid"]


def test_an_app_caller_has_a_name_in_place_of_a_number_and_may_pass_data() -> None:
    """`to` is the user it called."""
    request = webhook_bodies.answer(app_caller(custom_data={"order": 1}), APPLICATION, today=True)
    assert (request["to"], request["from_user"], request["custom_data"]) == ("Alice", "Bob", {"order": 1})
    assert "from" not in request
    assert "custom_data" not in webhook_bodies.answer(app_caller(), APPLICATION, today=True)


def test_a_sip_callers_own_headers_are_passed_on() -> None:
    """With their case unchanged; Vonage's own, and all but X-… and User-to-User, are left out."""
    headers = {"X-UserId": "1938ND9", "User-to-User": "12ab;encoding=hex", "X-Nexmo-Trace": "1", "Via": "somewhere"}
    request = webhook_bodies.answer(leg(endpoint="sip", headers=headers), APPLICATION, today=True)
    found = {name: value for name, value in request.items() if name.startswith("SipHeader")}
    assert found == {"SipHeader_X-UserId": "1938ND9", "SipHeader_User-to-User": "12ab;encoding=hex"}


def test_headers_of_other_callers_are_not_in_the_answer_request() -> None:
    request = webhook_bodies.answer(leg(headers={"X-A": "1"}), APPLICATION, today=True)
    assert not any(name.startswith("SipHeader") for name in request)
    called = webhook_bodies.answer(
        leg(endpoint="sip", direction="outbound", headers={"X-A": "1"}), APPLICATION, today=True
    )
    assert not any(name.startswith("SipHeader") for name in called)


@pytest.mark.parametrize("region", ["na-east", "na-west", "eu-west", "eu-east", "apac-sng", "apac-australia"])
def test_every_region_has_a_host(region: Region) -> None:
    """Vonage's, or one that was set."""
    lives_there = leg(conversation=Conversation(uuid="CON-there", region=region))
    request = webhook_bodies.answer(lives_there, APPLICATION, today=True)
    assert request["region_url"].startswith("https://api-")
    own = Application(id="app", region_urls={region: "https://localhost"})
    assert webhook_bodies.answer(lives_there, own, today=True)["region_url"] == "https://localhost"


def test_a_fallback_request_has_the_failed_request_and_the_reason() -> None:
    request = webhook_bodies.fallback(
        {"uuid": "leg"}, reason="Socket timeout.", url="https://example.com/x", kind="answer"
    )
    assert request == {
        "uuid": "leg",
        "reason": "Socket timeout.",
        "original_request": {"url": "https://example.com/x", "type": "answer"},
    }


# ---- statuses


COMMON = {"from": "447700900123", "to": "442079460000", "uuid": "leg", "conversation_uuid": "CON"}


@pytest.mark.parametrize("name", ["started", "ringing", "busy", "timeout", "cancelled"])
def test_a_plain_status_has_the_common_fields(name: str) -> None:
    wanted = COMMON | {"headers": {}, "status": name, "direction": "inbound", "timestamp": WHEN}
    assert status(leg(), name) == wanted


def test_answered_has_three_nulls() -> None:
    body = status(leg(), "answered")
    assert {name for name, value in body.items() if value is None} == {"start_time", "rate", "network"}


def test_completed_has_the_bill_as_text() -> None:
    body = status(leg(bill=BILL, disconnected_by="user", sip_code=200), "completed")
    assert body["duration"] == "5"
    assert body["start_time"] == body["end_time"] == WHEN
    assert (body["rate"], body["price"], body["network"]) == ("0.00720000", "0.00060000", "GB-FIXED")
    assert (body["disconnected_by"], body["sip_code"]) == ("user", 200)


def test_a_leg_never_answered_is_completed_without_times() -> None:
    body = status(leg(bill=Bill(None, None, 0, "0.00720000", "0", None)), "completed")
    assert (body["start_time"], body["end_time"], body["duration"], body["price"]) == (None, None, "0", "0")


def test_disconnected_by_and_sip_code_came_after_2021() -> None:
    body = status(leg(bill=BILL, disconnected_by="user", sip_code=200), "completed", today=False)
    assert not body.keys() & {"disconnected_by", "sip_code"}


@pytest.mark.parametrize("name", ["unanswered", "rejected", "failed"])
def test_a_failure_has_its_reason_and_completed_does_not_repeat_it(name: str) -> None:
    failed = leg(failure=name, detail="unavailable", sip_code=480, bill=Bill(None, None, 0, "0", "0", None))
    assert status(failed, name)["detail"] == "unavailable"
    assert status(failed, name)["sip_code"] == 480
    assert "detail" not in status(failed, "completed")
    assert status(failed, "completed")["sip_code"] == 480
    assert "sip_code" not in status(failed, "ringing")


@pytest.mark.parametrize(
    ("caller", "today", "expected"),
    [
        (leg(bill=BILL), False, " 447700900123"),  # with the space that the published log has
        (leg(bill=BILL), True, "447700900123"),
        (leg(bill=BILL, direction="outbound", from_="Bob"), True, "Unknown"),  # the app-to-phone log
        (leg(bill=BILL, endpoint="app", from_="447700900123"), False, "447700900123"),
        (app_caller(bill=BILL), True, None),
    ],
)
def test_from_changes_in_completed(caller: Leg, today: bool, expected: str | None) -> None:
    assert status(caller, "completed", today=today)["from"] == expected


def test_an_app_callers_number_is_null_in_every_status() -> None:
    assert [status(app_caller(), name)["from"] for name in ("started", "answered")] == [None, None]
    assert status(app_caller(), "started")["to"] == "Bob"


def test_statuses_have_headers_except_the_start_of_an_app_leg() -> None:
    caller = leg(endpoint="sip", headers={"X-A": "1"})
    assert status(caller, "started")["headers"] == {"X-A": "1"}
    assert "headers" not in status(app_caller(), "started")
    assert status(app_caller(), "answered")["headers"] == {}


@pytest.mark.parametrize(("machine", "sub_state"), [("machine", None), ("beep_start", "beep_start"), ("human", None)])
def test_a_detection_has_no_direction_and_names_the_leg_call_uuid(machine: str, sub_state: str | None) -> None:
    body = status(leg(machine=machine), "human" if machine == "human" else "machine")
    assert body["call_uuid"] == "leg"
    assert body.get("sub_state") == sub_state
    assert not body.keys() & {"uuid", "direction", "headers"}


def test_disconnected_of_a_websocket_has_headers_and_no_direction() -> None:
    body = status(leg(endpoint="websocket", direction="outbound", headers={"customer": "1"}), "disconnected")
    assert body["headers"] == {"customer": "1"}
    assert "direction" not in body


# ---- other events


def test_a_transfer_names_both_conversations_and_no_status() -> None:
    assert webhook_bodies.transfer(leg(), "CON-1", "CON-2", AT) == {
        "conversation_uuid_from": "CON-1",
        "type": "transfer",
        "uuid": "leg",
        "conversation_uuid_to": "CON-2",
        "timestamp": WHEN,
    }


@pytest.mark.parametrize(
    ("caller", "parties"), [(leg(), ("447700900123", "442079460000")), (app_caller(), ("Bob", "Alice"))]
)
def test_an_input_names_caller_and_callee(caller: Leg, parties: tuple[str, str]) -> None:
    body = webhook_bodies.input_result(caller, dtmf={"digits": "1"}, speech={}, at=AT)
    assert (body["from"], body["to"]) == parties
    assert "status" not in body


def test_a_recording_names_the_conversation_and_no_leg() -> None:
    made = Recording(recording_uuid="r", url="https://f/1", at=AT, started=AT, ended=AT, format="mp3", audio=b"1234")
    assert webhook_bodies.record(made, "CON") == {
        "start_time": "2026-01-01T12:00:00Z",
        "recording_url": "https://f/1",
        "size": 4,
        "recording_uuid": "r",
        "end_time": "2026-01-01T12:00:00Z",
        "conversation_uuid": "CON",
        "timestamp": WHEN,
    }
    assert webhook_bodies.transcribed(made, "CON", "https://f/2") == {
        "conversation_uuid": "CON",
        "recording_uuid": "r",
        "status": "transcribed",
        "transcription_url": "https://f/2",
        "type": "record",
    }


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (webhook_bodies.notify("CON", {"step": 1}, AT), {"payload": {"step": 1}}),
        (webhook_bodies.error("CON", "Too fast.", AT), {"reason": "Too fast."}),
    ],
)
def test_a_notice_and_an_error_name_no_leg(body: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    assert body == {**fields, "conversation_uuid": "CON", "timestamp": WHEN}


# ---- how long speech takes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("x" * 100, 7.0),
        ("x", 0.5),
        ("<speak>" + "x" * 100 + "<break time='1s'/></speak>", 7.0),
        ("<speak>&lt;" + "x" * 99 + "</speak>", 7.0),
        ("<b>" + "x" * 97, 7.0),  # outside of <speak> nothing is a tag
    ],
)
def test_speech_takes_time_by_its_characters(text: str, seconds: float) -> None:
    """Fourteen a second, SSML not counted, and half a second at least."""
    assert webhook_bodies.spoken_seconds(text) == seconds
