"""The /voice/* routes: an NCCO for every caller, 200 for every event, a fallback that does the same as the original."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.flows.flows import Flows
from app.flows.reply import SORRY
from app.services import build, services
from app.store import timeouts
from app.store.spooled import Spooled
from app.webhooks.body import write_json
from app.webhooks.fields import LONGEST_ID
from app.webhooks.intake import Webhook
from app.webhooks.to_flow import request_of
from config.settings import Settings
from tests.delaying import slow_redis
from tests.engines import wait_until
from tests.folders import NOWHERE
from tests.webhooks.conftest import Body, Site, Start, bearer, compact
from vonage_simulator import ncco as carrier

CONVERSATION = "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6"
LEG = "0779a56d002f1c7f47f82ef5fe84ab79"
AT = "2021-03-29T21:20:05.582Z"
RINGING: Body = {
    "headers": {},
    "from": "441234567890",
    "to": "442038297050",
    "uuid": LEG,
    "conversation_uuid": CONVERSATION,
    "status": "ringing",
    "direction": "inbound",
    "timestamp": AT,
}
CALL: Body = {"from": "441234567890", "to": "442038297050", "uuid": LEG, "conversation_uuid": CONVERSATION}
APP_CALL: Body = {"from_user": "Bob", "to": "447700900000", "uuid": LEG, "conversation_uuid": CONVERSATION}
E164 = re.compile(r"[1-9]\d{6,14}", re.ASCII)


def assert_is_ncco(ncco: Any) -> None:
    """Check by the NCCO reference what Vonage would check: https://developer.vonage.com/en/voice/voice-api/ncco-reference"""
    assert isinstance(ncco, list)
    assert ncco, "an empty NCCO ends the call"
    assert [str(fault) for fault in carrier.faults(ncco)] == [], "the simulated carrier could not run it"


def ncco_of(response: Any) -> Any:
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert_is_ncco(response.json)
    return response.json


def connect_of(response: Any) -> Any:
    talk, connect = ncco_of(response)
    assert talk["action"] == "talk"
    return connect


def is_go_on(response: Any) -> bool:
    """Whether it says: no NCCO, go on with the script."""
    return (response.status_code, response.data) == (200, b"") and "Content-Type" not in response.headers


# -- answer -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "post"])
class TestAnswer:
    def test_a_telephone_reaches_the_app_user(self, site: Site, method):
        connect = connect_of(getattr(site, method)("/voice/answer", CALL))
        assert connect["endpoint"] == [{"type": "app", "user": "Alice"}]
        assert connect["from"] == "441234567890", "the app user sees who calls"

    def test_an_app_user_reaches_the_number(self, start, method):
        site = start(caller_number="442038297050")
        connect = connect_of(getattr(site, method)("/voice/answer", APP_CALL))
        assert connect["endpoint"] == [{"type": "phone", "number": "447700900000"}]
        assert connect["from"] == "442038297050"

    def test_an_app_user_reaches_a_number_though_we_have_none_set(self, site: Site, method):
        connect = connect_of(getattr(site, method)("/voice/answer", APP_CALL))
        assert connect["randomFromNumber"] is True

    def test_an_app_user_reaches_another(self, site: Site, method):
        connect = connect_of(getattr(site, method)("/voice/answer", APP_CALL | {"to": "Zoë"}))
        assert connect["endpoint"] == [{"type": "app", "user": "Zoë"}]

    def test_each_answer_is_recorded(self, site: Site, method):
        ncco = ncco_of(getattr(site, method)("/voice/answer", CALL))
        (answer,) = site.answers(CONVERSATION)
        assert (answer["leg"], answer["flow"], answer["ncco"]) == (LEG, "phone-to-app", ncco)
        assert (answer["step"], len(answer["version"]), answer["fault"]) == ("start", 8, None)
        assert answer["fallback_reason"] is None
        assert 0 <= answer["took_ms"] < 1000

    def test_two_requests_are_two_records(self, site: Site, method):
        for _ in range(2):
            ncco_of(getattr(site, method)("/voice/answer", CALL))
        assert len(site.answers(CONVERSATION, 2)) == 2

    def test_a_request_without_parameters_is_answered(self, site: Site, method):
        ncco_of(getattr(site, method)("/voice/answer", {}))

    def test_custom_data_and_sip_headers_do_no_harm(self, site: Site, method):
        more = {
            "custom_data": {"key": "value"},
            "SipHeader_X-UserId": "1938ND9",
            "endpoint_type": "sip",
            "region_url": "x",
        }
        ncco_of(getattr(site, method)("/voice/answer", CALL | more))
        assert site.answers(CONVERSATION)


def test_a_flow_passes_the_address_of_the_callers_region_on(start: Start):
    site = start(flows_file=Path(__file__).parents[1] / "samples" / "region-url.yaml")
    (connect,) = ncco_of(site.post("/voice/answer", CALL | {"region_url": "https://api-ap-3.vonage.com"}))
    assert connect["eventUrl"][0].endswith("?regionUrl=https%3A%2F%2Fapi-ap-3.vonage.com")
    assert connect["endpoint"][0]["uri"].endswith(f"?uuid={CALL['uuid']}&region=https%3A%2F%2Fapi-ap-3.vonage.com")
    assert site.answers(CONVERSATION)[0]["region_url"] == "https://api-ap-3.vonage.com"


def test_an_app_user_who_calls_nobody_hears_the_last_resort(site: Site):
    ncco = ncco_of(site.post("/voice/answer", {**APP_CALL, "to": None}))
    assert ncco == [{"action": "talk", "text": SORRY}]
    assert site.answers(CONVERSATION)[0]["flow"] == "last-resort"


PARTIES = [
    *(
        "442038297050",
        "+442038297050",
        "+44 (20) 3829-7050",
        "00442038297050",
        "0",
        "112",
        "1" * 15,
        "1" * 16,
        "9" * 500,
    ),
    *(
        "Alice",
        "Zoë",
        "sip:bob@example.com",
        "sip:447700900000@example.com",
        "wss://example.com/a",
        "Unknown",
        "anonymous",
    ),
    *(
        "",
        " ",
        "{}",
        "<speak>",
        '"];',
        "a\0b",
        "a\nb",
        "\ud800",
        "x" * 10_000,
        "٤٤٢٠٣٨٢٩٧٠٥٠",
        "+",
        "*#",
        "1;phone-context=+44",
    ),
    *(
        None,
        442038297050,
        4.5,
        True,
        {},
        [],
        {"type": "phone"},
        ["442038297050"],
        1e300,
        "1e400",
        "447700900000,447700900001",
    ),
]


@pytest.mark.parametrize("caller", ["from", "from_user"])
@pytest.mark.parametrize("to", PARTIES, ids=lambda to: repr(to)[:20])
def test_any_dialled_text_gets_an_answer(site: Site, caller, to):
    ncco_of(site.post("/voice/answer", {caller: to, "to": to, "uuid": LEG, "conversation_uuid": CONVERSATION}))


@pytest.mark.parametrize(
    "odd", [{"uuid": None}, {"uuid": {}}, {"conversation_uuid": []}, {"from_user": "A"}, {"from": "Unknown"}]
)
def test_any_odd_field_gets_an_answer(site: Site, odd):
    ncco_of(site.post("/voice/answer", CALL | odd))


queries = st.dictionaries(
    st.sampled_from(["to", "from", "from_user", "uuid", "conversation_uuid", "reason", "original_request"]),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.from_regex(r"\A\+?[0-9 ()-]{0,20}\Z"),
)


FLOWS = build(Settings(secret_key="secret-key-of-the-cookies-32-long")).flows


@given(queries)
def test_no_flow_serves_what_vonage_would_refuse(body):
    now = datetime.now(UTC)
    served = FLOWS.answer(request_of(Webhook(b"", body, now, ())), now)
    assert_is_ncco(json.loads(write_json(served.ncco)))


def test_a_flow_that_breaks_does_not_break_the_call(site: Site, monkeypatch):
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Flows, "answer", broken)
    assert ncco_of(site.post("/voice/answer", CALL)) == [{"action": "talk", "text": SORRY}]
    assert "ZeroDivisionError" in site.log_text
    assert site.answers(CONVERSATION)[0]["flow"] == "last-resort"


def test_an_answer_that_cannot_be_recorded_is_given_all_the_same(site: Site, monkeypatch):
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(site.store, "record_later", broken)
    ncco_of(site.post("/voice/answer", CALL))
    assert "ZeroDivisionError" in site.log_text


def test_an_answer_to_a_call_without_a_conversation_is_unfiled(site: Site):
    ncco_of(site.post("/voice/answer", {"from": "441234567890", "to": "442038297050", "uuid": LEG}))
    wait_until(site.unfiled, "it is written")
    ((why, record),) = site.unfiled()
    assert why == "answer without a conversation"
    assert json.loads(record)["request"]["uuid"] == LEG


def test_without_redis_callers_are_answered_and_events_are_kept(start):
    site = start("unix:///nonexistent/socket")
    for path in ("/voice/answer", "/voice/fallback"):
        ncco_of(site.post(path, CALL))
    response = site.post("/voice/event", RINGING)
    assert (response.status_code, response.data, response.content_type) == (200, b"", None)
    assert site.post("/voice/event", b"no JSON").status_code == 400
    waiting = [each.write for each in services(site.app).spool.first(9) if isinstance(each.write, Spooled)]
    assert [each.record.body for each in waiting if each.unfiled_for is None][-1] == compact(RINGING)
    assert [each.record.body for each in waiting if each.unfiled_for] == [b"no JSON"]


def test_the_events_of_one_webhook_have_as_long_as_one_event(start, monkeypatch):
    """A fallback copy is two events. Redis is so slow that there is time for one of them, not for both."""
    with slow_redis() as slow:
        site = start(f"redis://127.0.0.1:{slow.port}")
        assert site.post("/voice/event", RINGING).status_code == 200
        # What was counted of it is written first, or the events of the next would wait behind that.
        wait_until(lambda: not site.store._writer._has_late, "its counts are written")
        site.store.ping()
        monkeypatch.setattr(timeouts, "WRITE_SECONDS", 1.0)
        slow.seconds = 0.6
        copy = RINGING | {"status": "answered", "original_request": {"type": "event"}, "reason": "Socket timeout."}
        assert site.post("/voice/event", copy).status_code == 200
        assert services(site.app).spool.depth().rows > 0, "the second one waits on disk"


def test_without_redis_and_disk_callers_are_answered_and_events_are_sent_again(start):
    site = start("unix:///nonexistent/socket", data_dir=NOWHERE)
    for path in ("/voice/answer", "/voice/fallback"):
        ncco_of(site.post(path, CALL))
    response = site.post("/voice/event", RINGING)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert response.content_type == "application/problem+json"
    assert response.json["part"] == "redis"


# -- event ------------------------------------------------------------------------------------------------------------


KINDS: dict[str, Body] = {
    "status": RINGING,
    "detection": {
        "call_uuid": LEG,
        "conversation_uuid": CONVERSATION,
        "status": "machine",
        "sub_state": "beep_start",
        "timestamp": AT,
    },
    "disconnected": {"uuid": LEG, "conversation_uuid": CONVERSATION, "status": "disconnected", "timestamp": AT},
    "record": {
        "conversation_uuid": CONVERSATION,
        "recording_url": "https://r.example/1",
        "recording_uuid": "r",
        "timestamp": AT,
    },
    "transcription": {
        "conversation_uuid": CONVERSATION,
        "type": "record",
        "status": "transcribed",
        "recording_uuid": "r",
    },
    "input": {
        "conversation_uuid": CONVERSATION,
        "uuid": LEG,
        "dtmf": {"digits": "1", "timed_out": False},
        "timestamp": AT,
    },
    "transfer": {
        "type": "transfer",
        "conversation_uuid_from": CONVERSATION,
        "conversation_uuid_to": "CON-b",
        "uuid": LEG,
        "timestamp": AT,
    },
    "notify": {"conversation_uuid": CONVERSATION, "payload": {"step": 1}, "timestamp": AT},
    "error": {"conversation_uuid": CONVERSATION, "reason": "Syntax error in NCCO.", "timestamp": AT},
    "unknown": {"conversation_uuid": CONVERSATION, "wholly": "new", "timestamp": AT},
}


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_event_is_kept_and_read_back(site: Site, kind, method):
    assert is_go_on(getattr(site, method)("/voice/event", KINDS[kind]))
    (event,) = site.events(CONVERSATION)
    assert event["kind"] == kind
    assert event["flags"] == []
    assert (event["raw"] == KINDS[kind]) or method == "get"
    assert site.conversation(CONVERSATION)["conversation_uuid"] == CONVERSATION
    known = {"received": 1, "repeats": 0, "out_of_order": 0, "capped": 0, "unfiled": 0, "refused": {}, "reported": {}}
    gets = {"get_hash": {"right": int(method == "get"), "wrong": 0}}
    wait_until(lambda: site.counters() == known | gets | {"unknown": int(kind == "unknown")}, "all is counted")


def test_an_unknown_status_is_kept_flagged_and_counted(site: Site):
    assert is_go_on(site.post("/voice/event", RINGING | {"status": "ferried"}))
    (event,) = site.events(CONVERSATION)
    assert (event["status"], event["flags"]) == ("ferried", ["unknown_status"])
    assert site.counters()["unknown"] == 1


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", "x", None]
)
def test_the_content_type_of_a_webhook_does_not_matter(site: Site, content_type):
    text = compact(RINGING)
    headers = bearer(text) | ({"Content-Type": content_type} if content_type else {})
    assert is_go_on(site.post("/voice/event", text, headers))
    assert site.events(CONVERSATION)[0]["raw"] == RINGING


def test_a_byte_order_mark_blanks_and_other_key_order_make_no_other_event(site: Site):
    backwards = dict(reversed(RINGING.items()))
    for text in (compact(RINGING), b"\xef\xbb\xbf" + compact(RINGING), json.dumps(backwards, indent=4).encode()):
        assert is_go_on(site.post("/voice/event", text))
    assert len(site.events(CONVERSATION)) == 1
    assert site.counters()["repeats"] == 2


@pytest.mark.parametrize(
    "body", [{}, {"status": "ringing", "uuid": LEG}, RINGING | {"conversation_uuid": None}, {"reason": "?"}]
)
def test_an_event_without_a_conversation_is_taken_and_unfiled(site: Site, body):
    assert is_go_on(site.post("/voice/event", body))
    ((why, kept),) = site.unfiled()
    assert why.endswith("without a conversation")
    assert json.loads(kept) == body
    assert site.counters()["unfiled"] == 1
    assert is_go_on(site.post("/voice/event", body))
    assert (site.counters()["unfiled"], site.counters()["repeats"]) == (1, 1)


@pytest.mark.parametrize("path", ["/voice/event", "/voice/answer", "/voice/fallback"])
def test_the_deepest_body_that_is_let_in_does_not_shut_its_conversation(site: Site, path):
    """The record of an answer has the request inside, one level deeper than it came."""
    deep = CALL | {"status": "ringing", "headers": json.loads("[" * 31 + "]" * 31)}
    assert site.post(path, deep).status_code == 200, path
    if path == "/voice/event":
        assert site.events(CONVERSATION)[0]["raw"] == deep
    else:
        site.post("/voice/event", RINGING)
    assert site.conversation(CONVERSATION)["state"] == "live"


def test_a_get_nested_as_deep_as_may_be_does_not_shut_its_conversation(site: Site):
    for depth in (31, 32, 33):
        query = RINGING | {"headers": json.loads("[" * depth + "]" * depth)}
        assert site.get("/voice/event", query).status_code == (200 if depth == 31 else 400)
    assert len(site.events(CONVERSATION)) == 1


@pytest.mark.parametrize("timestamp", ["yesterday", AT])
def test_speech_is_shown_even_if_another_field_cannot_be_read(site: Site, timestamp):
    speech = {"results": [{"text": "yes", "confidence": ".91"}, {}]}
    assert is_go_on(site.post("/voice/event", CALL | {"speech": speech, "timestamp": timestamp}))
    (entry,) = site.conversation(CONVERSATION)["inputs"]
    assert entry["speech"] == [{"text": "yes", "confidence": 0.91}, {"text": None, "confidence": None}]


def test_a_price_without_end_costs_nothing(site: Site):
    body = RINGING | {"status": "completed", "price": "1E+999999999", "rate": "1E-999999999"}
    assert is_go_on(site.post("/voice/event", body))
    assert site.conversation(CONVERSATION)["price"] is None
    assert site.events(CONVERSATION)[0]["flags"] == ["unreadable_price", "unreadable_rate"]


@pytest.mark.parametrize("text", ["1e400", "9" * 5000, "-" + "9" * 30, "1" + "0" * 300 + ".5"])
def test_a_number_without_end_is_kept_with_its_event(site: Site, text):
    body = compact(RINGING | {"sip_code": 0}).replace(b'"sip_code":0', b'"sip_code":' + text.encode())
    assert is_go_on(site.post("/voice/event", body))
    assert site.conversation(CONVERSATION)["legs"][0]["sip_code"] is None
    assert site.events(CONVERSATION)[0]["flags"] == ["unreadable_sip_code"]


# -- fallback ---------------------------------------------------------------------------------------------------------


def for_fallback(body: Body, sort: str = "event", reason: str = "Socket timeout.") -> Body:
    return body | {
        "reason": reason,
        "original_request": {"url": f"https://calls.example.com/voice/{sort}", "type": sort},
    }


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_fallback_of_an_answer_answers_and_keeps_the_reason(site: Site, method):
    connect_of(getattr(site, method)("/voice/fallback", for_fallback(CALL, "answer", "Invalid NCCO.")))
    (answer,) = site.answers(CONVERSATION)
    assert answer["fallback_reason"] == "Invalid NCCO."


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_fallback_of_an_event_is_the_event_and_a_note_that_it_was_needed(site: Site, kind, method):
    body = {name: value for name, value in KINDS[kind].items() if name != "reason"}
    assert is_go_on(getattr(site, method)("/voice/fallback", for_fallback(body)))
    kinds = [event["kind"] for event in site.events(CONVERSATION)]
    if kind == "transfer":  # which names two conversations: that the fallback was needed is kept where the leg went
        assert kinds == ["transfer"]
        assert [event["kind"] for event in site.events(KINDS[kind]["conversation_uuid_to"])] == ["fallback", "transfer"]
        return
    # An error has a `reason` of its own, which the copy's hides: it cannot be distinguished from one without.
    assert kinds == ["fallback", "unknown" if kind == "error" else kind]
    (error,) = site.conversation(CONVERSATION)["errors"]
    assert (error["kind"], error["reason"]) == ("fallback", "Socket timeout.")
    assert error["failed_url"] == "https://calls.example.com/voice/event"


@pytest.mark.parametrize("address", ["/voice/event", "/voice/fallback"])
def test_original_and_fallback_copy_give_the_same_result_in_either_order(start, valkey, address):
    shown = []
    for order in ((0, 1), (1, 0), (0, 1, 1, 0, 0)):
        valkey.flush()
        site = start()
        for which in order:
            assert is_go_on(site.post(*(("/voice/event", RINGING), (address, for_fallback(RINGING)))[which]))
        shown.append(site.conversation(CONVERSATION))
        assert sorted(event["kind"] for event in site.events(CONVERSATION)) == ["fallback", "status"]
        assert site.counters()["out_of_order"] == 0
    assert shown[0] == shown[1] == shown[2]
    assert shown[0]["legs"][0]["state"] == "ringing"
    assert shown[0]["errors"][0]["reason"] == "Socket timeout."


@pytest.mark.parametrize("original", [{}, {"type": "new"}, "text", [], {"url": 1}])
def test_a_fallback_that_does_not_say_of_what_is_recognised_by_its_status(site: Site, original):
    assert is_go_on(site.post("/voice/fallback", RINGING | {"original_request": original}))
    ncco_of(site.post("/voice/fallback", CALL | {"original_request": original}))


# -- other methods ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/voice/answer", "/voice/event", "/voice/fallback"])
@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_get_and_post_are_taken(site: Site, path, method):
    response = site.client.open(path, method=method, headers=bearer(b""))
    assert response.status_code == 405
    assert {"GET", "POST"} <= set(response.headers["Allow"].split(", "))
    assert response.content_type == "application/problem+json"
    assert (response.data == b"") == (method == "HEAD")


@pytest.mark.parametrize(
    "path", ["/voice", "/voice/", "/voice/events", "/voice/event/", "/voice/event/x", "/Voice/Event", "/x"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_route_is_a_404(site: Site, path, method):
    response = site.client.open(path, method=method, data=compact(RINGING) if method == "POST" else None)
    assert response.status_code == 404
    assert response.content_type == "application/problem+json"
    assert json.loads(response.data)["detail"]


# -- whom an event is about -------------------------------------------------------------------------------------------


HOSTILE = [
    *(
        "x" * LONGEST_ID,
        "{p00}",
        "{a}{b}",
        "}{",
        "a\nb",
        "\r\n",
        "a:b",
        "3:abc",
        "*",
        "[a-z]*",
        "?",
        "a\0b",
        "\0",
        "0",
        "-1",
    ),
    *(
        "\ud800",
        "Zoë",
        "e:" + CONVERSATION,
        CONVERSATION + "0",
        CONVERSATION[:-1],
        CONVERSATION.lower(),
        "12:" + CONVERSATION,
    ),
    *(
        "../../etc/passwd",
        "%2e%2e",
        "a b",
        "'; DROP TABLE legs",
        "${jndi:ldap://x}",
        "live",
        "counts",
        "{{7*7}}",
        "null",
        "nil",
    ),
]


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name)[:24])
def test_an_id_of_any_shape_reaches_its_own_conversation_only(site: Site, name):
    site.post("/voice/event", RINGING)
    before = site.conversation(CONVERSATION), site.events(CONVERSATION)
    trimmed = name.strip()
    for status in ("ringing", "completed"):
        assert is_go_on(
            site.post("/voice/event", RINGING | {"conversation_uuid": name, "uuid": name, "status": status})
        )
    assert (site.conversation(CONVERSATION), site.events(CONVERSATION)) == before
    if not trimmed:  # blank: no id at all
        assert len(site.unfiled()) == 2
        return
    history = site.store.histories([trimmed]).conversations[trimmed]
    assert {kept.event.leg for kept in history.values()} == {trimmed}
    assert len(site.store.leg_history(trimmed).events) == 2
    listed = site.api("/api/v1/conversations")["items"]
    assert sorted(item["conversation_uuid"] for item in listed) == sorted([CONVERSATION, trimmed])
    assert site.store.delete(trimmed)
    assert (site.conversation(CONVERSATION), site.events(CONVERSATION)) == before
    assert site.api("/status")["legs"] == {"started": 0, "ringing": 1, "answered": 0}


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name)[:24])
def test_a_transfer_between_ids_of_any_shape(site: Site, name):
    """The conversation that a leg went to is in the middle of what the store keeps about it."""
    name = name.strip() or "blank"
    moved = {
        "type": "transfer",
        "conversation_uuid_from": CONVERSATION,
        "conversation_uuid_to": name,
        "uuid": LEG,
        "timestamp": AT,
    }
    assert is_go_on(site.post("/voice/event", RINGING))
    assert is_go_on(site.post("/voice/event", moved))
    assert is_go_on(site.post("/voice/event", RINGING | {"status": "answered"})), (
        "late for the conversation that was left"
    )
    assert site.conversation(CONVERSATION)["state"] == "ended"
    assert site.conversation(CONVERSATION)["legs"][0]["moved_to"]["conversation_uuid"] == name
    status = site.api("/status")
    assert status["legs"] == {"started": 0, "ringing": 0, "answered": 1}
    assert status["conversations"] == {"live": 1, "presumed_ended": 0, "ended": 1}


# -- sums -------------------------------------------------------------------------------------------------------------


def test_the_counters_add_up(site: Site):
    """Received is kept, repeated or unfiled; what was refused is counted apart."""
    for body in KINDS.values():
        site.post("/voice/event", body)
        site.post("/voice/event", body)
    site.post("/voice/event", {"status": "ringing"})
    site.post("/voice/event", b"{")
    site.post("/voice/event", RINGING, {})
    site.post("/voice/event", RINGING, {"Authorization": "Bearer x"})
    site.post("/voice/answer", CALL)
    site.answers(CONVERSATION)
    wait_until(lambda: site.counters()["refused"] == {"malformed": 1, "missing": 1}, "refusals are counted")
    counted = site.counters()
    kept = len(site.events(CONVERSATION))
    assert (kept, counted["repeats"], counted["unfiled"], counted["unknown"]) == (11, 10, 2, 1)
    assert counted["received"] == kept + counted["repeats"] + counted["unfiled"]


@pytest.mark.parametrize("first", [0, 1])
def test_a_fallback_copy_is_one_webhook(site: Site, first):
    """And a repeat where the original came before it, or it before the original."""
    posts = [("/voice/event", RINGING), ("/voice/fallback", for_fallback(RINGING))]
    site.post(*posts[first])
    assert (site.counters()["received"], site.counters()["repeats"]) == (1, 0)
    site.post(*posts[1 - first])
    assert (site.counters()["received"], site.counters()["repeats"]) == (2, 1)
    assert len(site.events(CONVERSATION)) == 2
