"""Every kind of webhook becomes its own domain event, with fields left out, added or written in another way.

https://developer.vonage.com/en/voice/voice-api/webhook-reference#event-webhook
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import actions, events
from app.domain.events import Event, SpeechResult, canonical_json
from app.webhooks.body import read_object, read_query, write_json
from app.webhooks.fields import LONGEST_ID
from app.webhooks.schemas import kept_answer, read_answer, read_event, read_kept_answer
from tests.generated import Call

SAMPLE = Path(__file__).parents[1] / "samples" / "phone-to-app.events.jsonl"
CONVERSATION = "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6"
LEG = "0779a56d002f1c7f47f82ef5fe84ab79"
AT = "2021-03-29T21:20:05.582Z"
OCCURRED = datetime(2021, 3, 29, 21, 20, 5, 582000, tzinfo=UTC)

Body = dict[str, Any]


def fields_of(event: Event) -> dict[str, Any]:
    """The fields of *event*, without its own body and those that are None."""
    fields = {name: getattr(event, name) for cls in type(event).__mro__ for name in getattr(cls, "__slots__", ())}
    del fields["canonical"]
    return {name: value for name, value in fields.items() if value not in (None, ())}


def status(name: Any, **more: Any) -> Body:
    body: Body = {"uuid": LEG, "conversation_uuid": CONVERSATION, "status": name, "timestamp": AT}
    return body | {key.rstrip("_"): value for key, value in more.items()}


def about(**more: Any) -> Body:
    """An event of the conversation."""
    return {"conversation_uuid": CONVERSATION, "timestamp": AT} | more


HERE = {"conversation": CONVERSATION, "occurred": OCCURRED}
MINE = HERE | {"leg": LEG}


# -- call status ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["started", "ringing", "answered", "busy", "cancelled", "unanswered", "timeout", "rejected", "failed"]
)
def test_a_status_of_a_leg(name):
    event = read_event(status(name, headers={}, from_="447700900000", to="442079460000", direction="outbound"))
    assert type(event) is events.CallStatus
    assert event.kind == "status"
    who = {"from_": "447700900000", "to": "442079460000", "direction": "outbound"}
    assert fields_of(event) == MINE | who | {"status": name}


def test_a_failure_with_its_detail_and_sip_code():
    event = read_event(status("rejected", detail="invalid_number", sip_code=603))
    assert fields_of(event) == MINE | {"status": "rejected", "detail": "invalid_number", "sip_code": 603}
    assert read_event(status("failed", sip_code="404")).sip_code == 404  # type: ignore[attr-defined]


def test_answered_has_nulls_where_completed_has_the_bill():
    event = read_event(status("answered", start_time=None, rate=None, network=None, from_=None, to="Alice"))
    assert fields_of(event) == MINE | {"status": "answered", "to": "Alice"}


def test_completed_has_the_bill():
    body = status(
        "completed",
        start_time="2021-03-29T21:20:06.000Z",
        end_time="2021-03-29T21:20:18.000Z",
        duration="12",
        rate="0.00720000",
        price="0.00144000",
        network="GB-FIXED",
        disconnected_by="user",
        sip_code=200,
    )
    event = read_event(body)
    assert type(event) is events.Completed
    assert event.kind == "status"
    assert fields_of(event) == MINE | {
        "status": "completed",
        "start_time": datetime(2021, 3, 29, 21, 20, 6, tzinfo=UTC),
        "end_time": datetime(2021, 3, 29, 21, 20, 18, tzinfo=UTC),
        "duration": 12,
        "rate": "0.00720000",
        "price": "0.00144000",
        "network": "GB-FIXED",
        "disconnected_by": "user",
        "sip_code": 200,
    }


def test_the_bill_may_be_in_numbers_and_the_network_too():
    event = read_event(status("completed", duration=12, rate=0.0072, price=1.5e-4, network=23433, sip_code="200"))
    assert isinstance(event, events.Completed)
    assert (event.duration, event.rate, event.price, event.network) == (12, "0.0072", "0.00015", "23433")
    assert event.sip_code == 200


def test_a_bill_without_anything_in_it():
    empty = dict.fromkeys(("start_time", "end_time", "duration", "rate", "price", "network", "disconnected_by"), None)
    event = read_event(status("completed", **empty))
    assert type(event) is events.Completed
    assert fields_of(event) == MINE | {"status": "completed"}


@pytest.mark.parametrize("name", ["complete", "Complete", "COMPLETED", " completed "])
def test_complete_and_capitals_mean_completed(name):
    event = read_event(status(name, duration="12"))
    assert type(event) is events.Completed
    assert (event.status, event.duration) == ("completed", 12)


@pytest.mark.parametrize("name", ["RINGING", "Ringing", " ringing"])
def test_the_case_of_a_status_does_not_matter(name):
    event = read_event(status(name))
    assert fields_of(event) == MINE | {"status": "ringing"}


@pytest.mark.parametrize("name", ["human", "machine"])
def test_detection_names_its_leg_call_uuid(name):
    body = {"call_uuid": LEG, "conversation_uuid": CONVERSATION, "status": name, "timestamp": AT}
    event = read_event(body)
    assert type(event) is events.Detection
    assert event.kind == "detection"
    assert fields_of(event) == MINE | {"status": name}


@pytest.mark.parametrize("sub_state", ["beep_start", "beep_timeout", "BEEP_START"])
def test_detection_reports_the_beep(sub_state):
    event = read_event(status("Machine", sub_state=sub_state))
    assert fields_of(event) == MINE | {"status": "machine", "sub_state": sub_state.lower()}


def test_detection_with_both_ids_takes_uuid():
    assert read_event(status("human", call_uuid="another")).leg == LEG


@pytest.mark.parametrize("uuid", [None, "", {}])
def test_detection_whose_uuid_says_nothing_takes_call_uuid(uuid):
    assert read_event(status("human", call_uuid="another") | {"uuid": uuid}).leg == "another"


@pytest.mark.parametrize(
    "more", [{"status": "unknown"}, {"status": "completed"}, {"dtmf": "1"}, {"reason": "x"}, {"payload": {}}, {}]
)
def test_call_uuid_is_the_leg_wherever_uuid_is_absent(more):
    body = {"conversation_uuid": CONVERSATION, "call_uuid": "another"} | more
    assert read_event(body).leg == read_answer(body).leg == "another"
    assert read_event(body | {"uuid": LEG}).leg == read_answer(body | {"uuid": LEG}).leg == LEG
    assert "call_uuid" not in str(read_event(body).flags)


def test_a_transcription_that_failed():
    body = {"conversation_uuid": CONVERSATION, "recording_uuid": "r", "status": "transcription_failed", "error": "Full"}
    event = read_event(body | {"provider": "deepgram"})
    assert type(event) is events.TranscriptionFailed
    assert event.kind == "transcription_failed"
    assert event.flags == ()
    assert fields_of(event) == {"conversation": CONVERSATION, "recording_uuid": "r", "error": "Full"}


def test_a_websocket_that_was_closed_by_the_application():
    event = read_event(
        status("disconnected", headers={"customer": "1"}, from_="447700900000", to="wss://example.com/a")
    )
    assert type(event) is events.Disconnected
    assert event.kind == "disconnected"
    assert fields_of(event) == MINE | {"status": "disconnected", "from_": "447700900000", "to": "wss://example.com/a"}


@pytest.mark.parametrize("name", ["held", "transcoding", "input", "recording", "Überraschung"])
def test_an_unknown_status_is_kept_and_flagged(name):
    event = read_event(status(name))
    assert type(event) is events.CallStatus
    assert fields_of(event) == MINE | {"status": name.lower(), "flags": ("unknown_status",)}


@pytest.mark.parametrize("name", [None, "", " ", 7, True, {}, ["ringing"]])
def test_a_status_that_is_no_word_is_none(name):
    event = read_event(status(name))
    assert type(event) is events.Unknown
    assert fields_of(event) == MINE


# -- other kinds ------------------------------------------------------------------------------------------------------


def test_a_recording():
    body = about(
        start_time="2020-01-01T12:00:00Z",
        end_time="2020-01-01T12:01:00.250Z",
        recording_url="https://api.nexmo.com/v1/files/bbbbbbbb-aaaa-cccc-dddd-0123456789ab",
        size=12222,
        recording_uuid="aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
    )
    event = read_event(body)
    assert type(event) is events.Recording
    assert event.kind == "record"
    assert fields_of(event) == HERE | {
        "start_time": datetime(2020, 1, 1, 12, tzinfo=UTC),
        "end_time": datetime(2020, 1, 1, 12, 1, 0, 250000, tzinfo=UTC),
        "recording_url": "https://api.nexmo.com/v1/files/bbbbbbbb-aaaa-cccc-dddd-0123456789ab",
        "size": 12222,
        "recording_uuid": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",
    }


def test_an_empty_recording():
    """https://github.com/Vonage/vonage-node-sdk/issues/132"""
    event = read_event({"conversation_uuid": CONVERSATION, "recording_url": "", "size": 0})
    assert type(event) is events.Recording
    assert fields_of(event) == {"conversation": CONVERSATION, "size": 0, "flags": ("no_timestamp",)}


def test_a_transcription_has_no_time_of_its_own_and_that_is_no_oddity():
    url = "https://api.nexmo.com/v1/files/cccccccc-aaaa-cccc-dddd-0123456789ab"
    body = {"conversation_uuid": CONVERSATION, "type": "record", "recording_uuid": "r", "status": "Transcribed"}
    event = read_event(body | {"transcription_url": url})
    assert type(event) is events.Transcription
    assert event.kind == "transcription"
    assert fields_of(event) == {"conversation": CONVERSATION, "recording_uuid": "r", "transcription_url": url}


def test_keys_as_they_come_today():
    body = about(uuid=LEG, dtmf={"digits": "12*", "timed_out": False}, speech={"results": []}, to="442079460000")
    event = read_event(body | {"from": "447700900000"})
    assert type(event) is events.Input
    assert event.kind == "input"
    who = {"from_": "447700900000", "to": "442079460000"}
    assert fields_of(event) == MINE | who | {"digits": "12*", "timed_out": False}
    assert event.speech_results == ()


@pytest.mark.parametrize(("timed_out", "read"), [(True, True), ("true", True), ("false", False), (None, None)])
def test_keys_as_they_came_before_2020(timed_out, read):
    event = read_event(about(uuid=LEG, dtmf="12", timed_out=timed_out))
    assert isinstance(event, events.Input)
    assert (event.digits, event.timed_out, event.speech_results, event.flags) == ("12", read, None, ())


@pytest.mark.parametrize("dtmf", ["", {"digits": None, "timed_out": True}, {"digits": ""}, {}])
def test_no_key_was_pressed(dtmf):
    event = read_event(about(uuid=LEG, dtmf=dtmf))
    assert isinstance(event, events.Input)
    assert event.digits is None


def test_speech():
    speech = {
        "timeout_reason": "end_on_silence_timeout",
        "results": [
            {"confidence": "0.9405097", "text": "Sales"},
            {"confidence": ".91", "text": "Sails"},
            {"confidence": 0.5, "text": None},
            {"text": "Cells", "more": 1},
            {"confidence": "high", "text": "Sale"},
            {},
        ],
        "recording_url": "https://api-us.nexmo.com/v1/files/1",
    }
    event = read_event(about(uuid=LEG, dtmf={"digits": None, "timed_out": False}, speech=speech))
    assert type(event) is events.Input
    assert event.speech_results == (
        SpeechResult("Sales", 0.9405097),
        SpeechResult("Sails", 0.91),
        SpeechResult(None, 0.5),
        SpeechResult("Cells", None),
        SpeechResult("Sale", None),
        SpeechResult(None, None),
    )
    assert event.speech_timeout_reason == "end_on_silence_timeout"
    assert event.speech_recording_url == "https://api-us.nexmo.com/v1/files/1"


def test_speech_that_failed_has_no_list_of_results():
    event = read_event(about(uuid=LEG, speech={"error": "Speech overridden by DTMF"}))
    assert isinstance(event, events.Input)
    assert (event.speech_results, event.speech_error) == (None, "Speech overridden by DTMF")


@pytest.mark.parametrize("results", ["Sales", {"text": "Sales"}, 1])
def test_results_that_are_no_list_are_flagged(results):
    event = read_event(about(uuid=LEG, speech={"results": results}))
    assert isinstance(event, events.Input)
    assert (event.speech_results, event.flags) == (None, ("unreadable_heard",))


def test_invalid_speech_results_are_ignored():
    event = read_event(about(uuid=LEG, speech={"results": ["Sales", None, [], {"text": "Sails"}]}))
    assert isinstance(event, events.Input)
    assert event.speech_results == (SpeechResult("Sails", None),)


@pytest.mark.parametrize(
    "odd", [{"timestamp": "yesterday"}, {"to": []}, {"uuid": {}}, {"dtmf": {"timed_out": "perhaps"}}]
)
def test_one_field_that_cannot_be_read_does_not_cost_the_others(odd):
    """The results of speech once came through raw where another field could not be read."""
    body = about(uuid=LEG, dtmf={"digits": "1"}, speech={"results": [{"text": "yes", "confidence": ".9"}]}) | odd
    event = read_event(body)
    assert isinstance(event, events.Input)
    assert event.speech_results == (SpeechResult("yes", 0.9),)
    assert event.flags


def test_a_transfer_belongs_to_both_conversations():
    body = {"conversation_uuid_from": "CON-a", "conversation_uuid_to": "CON-b", "type": "transfer", "uuid": LEG}
    event = read_event(body | {"timestamp": AT})
    assert type(event) is events.Transfer
    assert event.kind == "transfer"
    assert fields_of(event) == {"leg": LEG, "occurred": OCCURRED, "left": "CON-a", "joined": "CON-b"}
    assert event.conversations == ("CON-a", "CON-b")


@pytest.mark.parametrize(
    ("body", "conversations"),
    [
        ({"conversation_uuid_from": "CON-a", "conversation_uuid_to": "CON-b"}, ("CON-a", "CON-b")),
        ({"type": "transfer", "conversation_uuid_to": "CON-b"}, ("CON-b",)),
        ({"type": "transfer", "conversation_uuid_from": "CON-a", "conversation_uuid_to": None}, ("CON-a",)),
        ({"type": "transfer", "conversation_uuid_from": "CON-a", "conversation_uuid_to": "CON-a"}, ("CON-a",)),
        ({"type": "transfer"}, ()),
    ],
)
def test_a_transfer_that_lacks_something(body, conversations):
    event = read_event(body)
    assert type(event) is events.Transfer
    assert event.conversations == conversations


@pytest.mark.parametrize("payload", [{"foo": "bar"}, {}, "text", [1], None])
def test_a_notification(payload):
    event = read_event(about(payload=payload))
    assert type(event) is events.Notify
    assert event.kind == "notify"
    assert fields_of(event) == HERE


def test_an_error():
    event = read_event(about(reason="Syntax error in NCCO. Invalid value type or action."))
    assert type(event) is events.CallError
    assert event.kind == "error"
    assert fields_of(event) == HERE | {"reason": "Syntax error in NCCO. Invalid value type or action."}


@pytest.mark.parametrize("body", [{}, {"something": "else"}, {"reason": None}, {"type": "record"}, {"dtmf": None}])
def test_none_of_these_is_unknown(body):
    event = read_event(about(**body))
    assert type(event) is events.Unknown
    assert event.kind == "unknown"
    assert fields_of(event) == HERE


@pytest.mark.parametrize("original", [status("ringing"), about(reason="one"), about(dtmf="1"), about(payload={})])
def test_a_copy_for_the_fallback_address_is_known_by_the_original_request(original):
    request = {"url": "https://example.com/voice/event", "type": "event"}
    event = read_event(original | {"reason": "Socket timeout.", "original_request": request})
    assert type(event) is events.Fallback
    assert event.kind == "fallback"
    assert (event.reason, event.url) == ("Socket timeout.", "https://example.com/voice/event")
    assert (event.conversation, event.occurred) == (CONVERSATION, OCCURRED)


@pytest.mark.parametrize(
    ("original", "url"), [({}, None), ("https://x.example", "https://x.example"), ({"url": 1}, "1")]
)
def test_an_original_request_of_another_shape(original, url):
    event = read_event(about(original_request=original))
    assert isinstance(event, events.Fallback)
    assert event.url == url


def test_kinds_are_distinguished_in_the_same_order_as_in_the_sdks():
    body = about(reason="r")
    kinds = [read_event(body).kind]
    for field, value in [
        ("payload", {}),
        ("recording_url", "u"),
        ("dtmf", "1"),
        ("type", "transfer"),
        ("status", "busy"),
    ]:
        body |= {field: value}
        kinds.append(read_event(body).kind)
    kinds += [read_event(body | {"status": "transcribed"}).kind, read_event(body | {"original_request": {}}).kind]
    assert kinds == ["error", "notify", "record", "input", "transfer", "status", "transcription", "fallback"]


# -- the published call -----------------------------------------------------------------------------------------------


def test_the_published_call_is_read():
    read = [read_event(json.loads(line)) for line in SAMPLE.read_bytes().splitlines()]
    assert [event.status for event in read if isinstance(event, events.CallStatus)] == (
        ["ringing", "started", "answered", "started", "answered", "completed", "completed"]
    )
    assert {event.conversation for event in read} == {CONVERSATION}
    assert not any(event.flags for event in read)
    last = read[-1]
    assert isinstance(last, events.Completed)
    assert last.from_ == "441234567890", "it came with a blank before it"
    assert (last.duration, last.price, last.network) == (12, "0.00144000", "GB-FIXED")


# -- what is loose ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uuid", ["0A0000000123ABCD1", "a", LEG, "944bf4bf-8dc7-4e23-86b2-2f4234777416", "x" * LONGEST_ID, "{}:*"]
)
def test_ids_have_any_shape(uuid):
    event = read_event(status("ringing") | {"uuid": uuid, "conversation_uuid": uuid})
    assert (event.leg, event.conversation, event.conversations) == (uuid, uuid, (uuid,))


def test_an_id_that_is_far_too_long_is_none():
    """It would be in keys, lists and the feed, which are limited by number."""
    long = "x" * (LONGEST_ID + 1)
    event = read_event(status("ringing") | {"uuid": long, "conversation_uuid": "CON-1"})
    assert (event.leg, event.conversations, event.flags) == (None, ("CON-1",), ("unreadable_uuid",))
    moved = {"type": "transfer", "uuid": LEG, "conversation_uuid_from": "CON-1", "conversation_uuid_to": long}
    assert read_event(moved).conversations == ("CON-1",)


def test_an_id_may_be_a_number():
    assert read_event(status("ringing") | {"uuid": 12, "conversation_uuid": "12"}).leg == "12"


@pytest.mark.parametrize("conversation", [None, "", "  ", {}, [], True])
def test_without_a_conversation_an_event_has_no_home(conversation):
    assert read_event(status("ringing") | {"conversation_uuid": conversation}).conversations == ()


@pytest.mark.parametrize("timestamp", [None, "", "yesterday", 1617052805, {}, "2021-03-29"])
def test_without_a_readable_timestamp_an_event_is_flagged(timestamp):
    event = read_event(status("ringing") | {"timestamp": timestamp})
    assert event.occurred is None
    assert "no_timestamp" in event.flags
    assert ("unreadable_timestamp" in event.flags) == (timestamp not in (None, ""))
    missing = status("ringing")
    del missing["timestamp"]
    assert read_event(missing).flags == ("no_timestamp",)


def test_each_field_that_cannot_be_read_is_flagged_and_none():
    event = read_event(status("completed", from_=[], duration="long", price="dear", sip_code="four"))
    assert fields_of(event) == MINE | {
        "status": "completed",
        "flags": ("unreadable_duration", "unreadable_from", "unreadable_price", "unreadable_sip_code"),
    }


def test_unknown_fields_are_ignored_but_make_two_bodies_differ():
    plain, more = read_event(status("ringing")), read_event(status("ringing", region_url="https://api-eu-3.vonage.com"))
    assert fields_of(plain) == fields_of(more)
    assert plain.dedup_key == more.dedup_key
    assert plain.canonical != more.canonical


@pytest.mark.parametrize("missing", ["uuid", "conversation_uuid", "timestamp", "from", "to", "direction", "headers"])
def test_any_field_may_be_missing(missing):
    body = status("ringing", from_="1", to="2", direction="inbound", headers={})
    del body[missing]
    event = read_event(body)
    assert isinstance(event, events.CallStatus)
    assert event.status == "ringing"


@pytest.mark.parametrize("nothing", [None, "", {}, []])
@pytest.mark.parametrize("kind", ["ringing", "completed", "human", "disconnected", "transcribed"])
def test_all_fields_may_be_empty(nothing, kind):
    names = set().union(*(schema_fields(cls) for cls in (events.Completed, events.Detection, events.Input)))
    event = read_event(
        dict.fromkeys(names | {"uuid", "from", "timestamp", "dtmf", "speech"}, nothing) | {"status": kind}
    )
    assert event.conversations == ()


def schema_fields(cls: type[Event]) -> set[str]:
    return {name for base in cls.__mro__ for name in getattr(base, "__slots__", ())}


def test_by_get_everything_is_text_and_reads_the_same():
    posted: list[Body] = [
        status("ringing", from_="447700900000", to="Alice & Bob", direction="inbound"),
        status("completed", duration="12", rate="0.00720000", price="0.00144000", sip_code=200, disconnected_by="user"),
        about(recording_url="https://r.example/1?a=b", size=12222, recording_uuid="r"),
        about(
            uuid=LEG, dtmf={"digits": "1", "timed_out": True}, speech={"results": [{"text": "ja", "confidence": "0.9"}]}
        ),
        about(uuid=LEG, dtmf="12", timed_out=True),
        {
            "type": "transfer",
            "conversation_uuid_from": "CON-a",
            "conversation_uuid_to": "CON-b",
            "uuid": LEG,
            "timestamp": AT,
        },
        about(payload={"step": [1, 2]}),
        about(reason="Socket timeout.", original_request={"url": "https://a.example", "type": "event"}, status="busy"),
    ]
    for body in posted:
        query = {k: json.dumps(v) if isinstance(v, dict | list) else str(v) for k, v in body.items()}
        by_get = read_event(read_query(urlencode(query, safe=":,")))
        assert type(by_get) is type(read_event(body))
        assert fields_of(by_get) == fields_of(read_event(body))


def test_by_get_an_offset_s_plus_has_become_a_blank():
    event = read_event(read_query("status=ringing&timestamp=2021-03-29T23:20:05.582+02:00&from=+441234567890"))
    assert isinstance(event, events.CallStatus)
    assert (event.occurred, event.from_) == (OCCURRED, "441234567890")


# -- what makes two webhooks the same ---------------------------------------------------------------------------------


def test_the_order_of_keys_and_blanks_do_not_make_another_event():
    body = status("ringing", headers={"b": 1, "a": 2})
    again = json.loads(json.dumps({k: body[k] for k in sorted(body, reverse=True)}, indent=2))
    assert read_event(body) == read_event(again)


def test_the_event_in_a_fallback_copy_is_the_very_event():
    body = status("ringing")
    copy = body | {"reason": "Socket timeout.", "original_request": {"type": "event"}}
    original = {k: v for k, v in copy.items() if k not in ("reason", "original_request")}
    assert read_event(original) == read_event(body)
    assert read_event(copy).dedup_key != read_event(body).dedup_key


plain = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False)
words = st.sampled_from(
    [
        "ringing",
        "completed",
        "human",
        "transcribed",
        "transfer",
        "COMPLETE",
        "2021-03-29T21:20:05Z",
        "1E+999999999",
        "12",
        "",
        "nan",
    ]
)
values = st.recursive(
    plain | words | st.text(st.characters(), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(
    sorted(
        set().union(
            *map(schema_fields, (events.Completed, events.Detection, events.Input, events.Recording, events.Fallback))
        )
        | {
            "uuid",
            "call_uuid",
            "conversation_uuid",
            "conversation_uuid_from",
            "conversation_uuid_to",
            "timestamp",
            "from",
        }
        | {
            "dtmf",
            "speech",
            "payload",
            "type",
            "original_request",
            "transcription_url",
            "results",
            "digits",
            "timed_out",
        }
    )
)
speech = st.fixed_dictionaries(
    {"results": values | st.lists(st.fixed_dictionaries({"text": values, "confidence": values}))}
)
bodies = st.dictionaries(names | st.text(max_size=5), values, max_size=8) | st.fixed_dictionaries(
    {"speech": speech, "timestamp": values, "dtmf": values}
)


@given(bodies)
def test_any_json_object_is_an_event_and_its_canonical_form_is_stable(body):
    body = read_object(write_json(body))
    event = read_event(body)
    hash(event)
    assert event.conversations == tuple(map(str, event.conversations))
    assert event.leg is None or isinstance(event.leg, str)
    assert event.occurred is None or event.occurred.tzinfo is UTC
    again = read_event(read_object(event.canonical))
    assert again == event
    assert canonical_json(read_object(event.canonical)) == event.canonical


@given(bodies)
def test_any_json_object_can_be_asked_as_an_answer_and_its_record_reads_the_same(body):
    body = read_object(write_json(body))
    answer = read_answer(body)
    text = write_json(kept_answer(body, {"id": "1", "flow": "tutorial", "took_ms": 1.25, "ncco": []}))
    kept = read_kept_answer(read_object(text), text)
    hash(kept)
    assert (kept.flow, kept.took_ms, kept.ncco) == ("tutorial", 1.25, "[]")
    same = ("conversation", "leg", "from_", "from_user", "to", "reason")
    assert [getattr(kept, name) for name in same] == [getattr(answer, name) for name in same]


def test_every_made_up_call_is_read_whatever_is_odd_about_it():
    """Of the kinds there are, none is left out; each reads the same from its canonical form."""
    kinds = set()
    for seed in range(500):
        for webhook in Call(Random(seed), orderly=False).webhooks():
            kinds.add(webhook.event.kind)
            if webhook.event.kind != "answer":
                assert read_event(read_object(webhook.event.canonical)) == webhook.event
    seen_once = {events.TranscriptionFailed.kind}  # see tests/samples/transcription-failed.json
    ours = {kind.kind for kind in actions.OURS}
    assert kinds == {cls.kind for cls in (events.Fallback, *every_kind(Event))} - seen_once - ours


def every_kind(cls: Any) -> set[Any]:
    return {sub for direct in cls.__subclasses__() for sub in {direct, *every_kind(direct)}}


# -- answers ----------------------------------------------------------------------------------------------------------


def test_an_answer_webhook_from_a_telephone():
    query = {"from": " 447700900000", "to": "442079460000", "uuid": LEG, "conversation_uuid": CONVERSATION}
    event = read_answer(query | {"endpoint_type": "phone", "region_url": "https://api-us-3.vonage.com"})
    known = {"conversation": CONVERSATION, "leg": LEG, "from_": "447700900000", "to": "442079460000"}
    assert fields_of(event) == known | {"region_url": "https://api-us-3.vonage.com"}


def test_a_record_has_what_was_served_and_leaves_out_what_is_not_known():
    request = {"from": "1", "uuid": LEG, "conversation_uuid": CONVERSATION}
    served = {"id": "1", "flow": "menu", "step": "choice", "version": "3f2a91c0", "took_ms": 1.25, "ncco": []}
    whole = kept_answer(request, served | {"fault": "menu/choice: no such step"})
    assert list(whole) == ["request", *served, "fault"]
    without: dict[str, Any] = {"step": None, "version": None, "fault": None}
    assert kept_answer(request, served | without) == {
        "request": request, "id": "1", "flow": "menu", "took_ms": 1.25, "ncco": []
    }  # fmt: skip
    for kept in (whole, kept_answer(request, served), kept_answer(request, served | without)):
        read = read_kept_answer(kept, write_json(kept))
        for name in ("flow", "step", "version", "fault", "took_ms"):
            assert getattr(read, name) == kept.get(name)
        assert (read.ncco, read.from_, read.leg) == ("[]", "1", LEG)


def test_a_record_from_before_there_were_steps_is_still_read():
    text = b'{"request":{"uuid":"leg"},"id":"1","flow":"tutorial","took_ms":1.25,"ncco":[{"action":"talk"}]}'
    read = read_kept_answer(read_object(text), text)
    assert fields_of(read) == {"leg": "leg", "flow": "tutorial", "took_ms": 1.25, "ncco": '[{"action":"talk"}]'}


def test_the_record_of_a_reply_to_an_event_has_its_conversation_and_leg_alone():
    kept = kept_answer({"conversation_uuid": CONVERSATION, "uuid": LEG}, {"id": "1", "flow": "menu", "ncco": []})
    read = read_kept_answer(kept, write_json(kept))
    assert fields_of(read) == {"conversation": CONVERSATION, "leg": LEG, "flow": "menu", "ncco": "[]"}


def test_an_answer_webhook_from_an_app():
    event = read_answer({"from_user": "Alice", "to": "442079460000", "uuid": LEG, "custom_data": {"key": "value"}})
    assert fields_of(event) == {"leg": LEG, "from_user": "Alice", "to": "442079460000"}


def test_a_reason_counts_only_at_the_fallback_address():
    assert read_answer({"reason": "why not"}).reason is None
    assert read_answer({"reason": "Invalid NCCO.", "original_request": {"type": "answer"}}).reason == "Invalid NCCO."


@pytest.mark.parametrize("odd", [{"to": {}}, {"from": [1]}, {"uuid": True}, {"timestamp": "now"}])
def test_an_answer_webhook_with_an_odd_field_is_still_one(odd):
    event = read_answer({"from": "1", "to": "2", "uuid": "3", "conversation_uuid": "4"} | odd)
    assert event.conversation == "4"
