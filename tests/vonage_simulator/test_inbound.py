"""Inbound calls: the answer webhook, and what happens without an NCCO."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.vonage_simulator.receiver import nobody
from tests.vonage_simulator.stage import (
    CALLER,
    OURS,
    Answer,
    Json,
    Played,
    inbound,
    outbound,
    play,
    playing,
    scenario,
    talk,
)
from vonage_simulator.call_context import MOST_AT_ONCE
from vonage_simulator.ledger import Target
from vonage_simulator.scenario import Call, FarEnd

HELLO: list[Json] = [{"action": "talk", "text": "Hello"}]
SORRY: list[Json] = [{"action": "talk", "text": "Sorry"}]
SYNTAX_ERROR = "Syntax error in NCCO. Invalid value type or action."
BOB = Call(from_="Bob", to="Alice", endpoint="app", custom_data={"order": "4711", "for": ["a", 1]})
SIP = Call(
    from_="sip:carol@pbx.example.com",
    to=OURS,
    endpoint="sip",
    headers={"X-UserId": "1938ND9", "X-Nexmo-Trace": "1", "User-to-User": "12ab;encoding=hex"},
)
RING = ["ringing", "started"]


def ring(answer: Answer, call: Call | None = None, *, sorry: Answer = None, **settings: Any) -> Played:
    """A call, with a fallback URL if that is to answer something."""
    answers = {"/answer": answer} | ({"/fallback": sorry} if sorry is not None else {})
    return play(scenario(call or inbound()), answers, fallback=sorry is not None, **settings)


# ---- callers


def test_a_telephone_call_rings_requests_the_answer_and_is_answered() -> None:
    """0.6 seconds after it began to ring, as in the published log."""
    played = ring(HELLO)
    assert played.statuses() == ["ringing", "started", "answered", "completed"]
    assert (played.when("request"), played.when("talk")) == ([0.0], [0.6])
    assert [got.path for got in played.got].count("/answer") == 1


def test_an_app_user_does_not_ring_and_is_answered_at_once() -> None:
    """The app-to-phone and app-to-app logs; `from` is null, `to` the caller's own name, and there are no headers."""
    played = ring(HELLO, BOB)
    assert played.statuses() == ["started", "answered", "completed"]
    assert [(event["from"], event["to"]) for event in played.events] == [(None, "Bob")] * 3
    assert ["headers" in event for event in played.events] == [False, True, True]
    assert played.when("talk") == [0.0]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_answer_request_of_an_app_user_has_name_and_custom_data(method: str) -> None:
    """In a GET the data is JSON text."""
    played = ring(HELLO, BOB, answer_method=method)
    (request,) = [got for got in played.got if got.path == "/answer"]
    custom_data = request.data.pop("custom_data")
    assert (json.loads(custom_data) if method == "GET" else custom_data) == BOB.custom_data
    assert (request.method, request.data) == (
        method,
        {
            "to": "Alice",
            "endpoint_type": "app",
            "from_user": "Bob",
            "conversation_uuid": played.leg.conversation.uuid,
            "uuid": played.leg.uuid,
            "region_url": "https://api-eu-3.vonage.com",
        },
    )


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_answer_request_of_a_sip_caller_has_the_headers(method: str) -> None:
    """Except Vonage's own."""
    played = ring(HELLO, SIP, answer_method=method)
    (request,) = played.to("/answer")
    found = {name: value for name, value in request.items() if name.startswith("SipHeader")}
    assert found == {"SipHeader_X-UserId": "1938ND9", "SipHeader_User-to-User": "12ab;encoding=hex"}
    assert (request["from"], request["endpoint_type"]) == (SIP.from_, "sip")
    assert played.events[0]["headers"] == SIP.headers


@pytest.mark.parametrize(("fields", "newer"), [("today", True), ("2021", False)])
def test_newer_fields_are_absent_in_2021(fields: Any, newer: bool) -> None:
    played = play(scenario(inbound(FarEnd(hangs_up_after=5.0)), fields=fields), [talk(70.0)])
    (request,) = played.to("/answer")
    completed = played.events[-1]
    assert (request.keys() >= {"endpoint_type", "region_url"}) == newer
    assert (completed.keys() >= {"disconnected_by", "sip_code"}) == newer
    assert completed["from"] == (CALLER if newer else f" {CALLER}")
    assert (played.leg.disconnected_by, played.leg.sip_code) == (("user", 200) if newer else (None, None))


def test_the_region_is_that_of_the_application() -> None:
    assert ring(HELLO, region="apac-sng").to("/answer")[0]["region_url"] == "https://api-ap-3.vonage.com"


def test_a_caller_may_hang_up_before_the_answer() -> None:
    """The answer is not used."""
    played = ring(HELLO, inbound(FarEnd(hangs_up_after=0.3)))
    assert (played.statuses(), played.result.ended_by) == ([*RING, "completed"], "user")
    assert (played.ended, played.result.said) == (0.3, [])
    assert played.events[-1]["duration"] == "0"


# ---- no answer

CANNOT_BE_RUN: list[Answer] = [
    ("text/html", "<h1>Hello</h1>"),
    ("application/json", ""),
    ("application/json", "Hello"),
    ("application/json", "NaN"),
    {},
    {"action": "talk", "text": "Hello"},
    [{"action": "dance"}],
    [{"action": "talk"}],
    [HELLO[0], {"action": "connect", "endpoint": []}],
    204,
]
FAILS = [400, 401, 404, 500, 302]


def assert_ends(played: Played, *, faults: int) -> None:
    """Assert that the platform ends the call unanswered."""
    assert played.statuses() == [*RING, "completed"]
    assert (played.result.ended_by, played.result.said) == ("platform", [])
    assert [event["reason"] for event in played.having("reason")] == [SYNTAX_ERROR] * faults
    assert [error.reason for error in played.leg.conversation.errors] == [SYNTAX_ERROR] * faults
    assert played.result.troubles


@pytest.mark.parametrize("answer", CANNOT_BE_RUN)
def test_an_answer_that_cannot_be_run_is_reported_and_ends_the_call(answer: Answer) -> None:
    """It is not requested again."""
    played = ring(answer)
    assert len(played.to("/answer")) == 1
    assert_ends(played, faults=1)


@pytest.mark.parametrize("status", FAILS)
def test_an_error_ends_the_call(status: int) -> None:
    played = ring(status)
    assert len(played.to("/answer")) == 1
    assert_ends(played, faults=0)


@pytest.mark.parametrize("status", [429, 503, 504])
def test_after_some_errors_the_answer_is_requested_once_more(status: int) -> None:
    """A second later."""
    played = ring(lambda _: status)
    assert len(played.to("/answer")) == 2
    assert_ends(played, faults=0)
    assert played.ended == 1.0


def test_the_second_try_may_succeed() -> None:
    replies = iter([503, HELLO])
    played = ring(lambda _: next(replies))
    assert (played.result.said, played.when("talk"), len(played.to("/answer"))) == (["Hello"], [1.6], 2)


@pytest.mark.parametrize(("answer", "ended"), [("nobody", 1.0), (None, 0.0)])
def test_without_an_answer_url_that_can_be_reached_the_call_ends(answer: str | None, ended: float) -> None:
    """A port where nothing listens is tried twice; without an answer URL nothing is tried."""

    async def run() -> tuple[float, list[str]]:
        troubles: list[Any] = []
        async with playing({}, troubles) as (carrier, _):
            carrier.application.answer = nobody() if answer else None
            (leg,) = await carrier.play(scenario(inbound()))
            await carrier.over()
            said = [trouble.data["words"] for trouble in troubles if trouble.what == "trouble"]
            return (leg.times["completed"] - leg.times["started"]).total_seconds(), said

    seconds, said = asyncio.run(run())
    assert seconds == ended
    assert "nothing listens at" in said[0] if answer else "no answer URL is set" in said[0]


# ---- the fallback URL


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        *((answer, "Invalid NCCO.") for answer in CANNOT_BE_RUN),
        *((status, "Invalid response code.") for status in [*FAILS, 503]),
    ],
)
def test_the_fallback_request_has_the_same_fields_and_the_reason(answer: Answer, reason: str) -> None:
    played = ring(answer, sorry=SORRY, answer_method="POST")
    assert (played.result.said, played.having("reason")) == (["Sorry"], [])
    first, (again,) = played.to("/answer")[0], played.to("/fallback")
    request = again.pop("original_request")
    assert again == first | {"reason": reason}
    assert (request["url"].endswith("/answer"), request["type"]) == (True, "answer")


def test_by_get_the_original_request_is_json_text() -> None:
    (again,) = ring(500, sorry=SORRY).to("/fallback")
    assert json.loads(again["original_request"])["type"] == "answer"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (lambda _: nobody(), "Connection reset."),
        (lambda target: replace(target, url="http://no-such-host.invalid/"), "Connection closed."),
        (lambda target: replace(target, url="not a URL"), "Connection closed."),
    ],
)
def test_the_fallback_request_says_how_the_connection_failed(target: Any, reason: str) -> None:
    async def run() -> list[Json]:
        async with playing({"/fallback": SORRY}, fallback=True) as (carrier, stage):
            carrier.application.answer = target(carrier.application.answer)
            await carrier.play(scenario(inbound()))
            await carrier.over()
            return [got.data for got in stage.got if got.path == "/fallback"]

    (again,) = asyncio.run(run())
    assert again["reason"] == reason


@pytest.mark.parametrize(("sorry", "faults", "requests"), [(500, 0, 1), (503, 0, 2), ([{}], 1, 1)])
def test_if_the_fallback_fails_too_the_call_ends(sorry: Answer, faults: int, requests: int) -> None:
    played = ring(500, sorry=sorry)
    assert len(played.to("/fallback")) == requests
    assert_ends(played, faults=faults)


# ---- outbound, and the ledger


def test_an_outbound_call_without_ncco_ends_when_it_is_answered() -> None:
    played = ring([{}], outbound(FarEnd(after=3.0)))
    assert played.statuses() == ["started", "ringing", "answered", "completed"]
    assert (played.ended, played.result.ended_by) == (3.0, "platform")
    assert len(played.having("reason")) == 1


@pytest.mark.parametrize(("answer", "kept"), [(HELLO, [HELLO]), ([], [[]]), (500, [None]), ([{}], [None])])
def test_the_answer_is_in_the_ledger(answer: Answer, kept: list[Any]) -> None:
    assert [given.ncco for given in ring(answer).leg.conversation.answers] == kept


def test_no_events_are_sent_without_an_event_url() -> None:
    async def run() -> tuple[list[Any], Any]:
        async with playing({"/answer": [{"action": "input", "type": ["dtmf"]}, *HELLO]}) as (carrier, stage):
            carrier.application.event = None
            (leg,) = await carrier.play(scenario(inbound()))
            await carrier.over()
            return [got.path for got in stage.got], leg.status

    assert asyncio.run(run()) == (["/answer"], "completed")


def test_an_application_without_signatures_is_requested_all_the_same() -> None:
    assert ring(HELLO, signed_callbacks=False).result.said == ["Hello"]


def test_a_target_has_its_method_and_timeouts() -> None:
    """POST by default; those of an application have Vonage's time limits."""
    assert Target("https://example.com/").method == "POST"

    async def run() -> tuple[Any, Any]:
        async with playing({}) as (carrier, _):
            return carrier.application.answer, carrier.application.event

    answer, event = asyncio.run(run())
    assert (answer.method, answer.connect_timeout, answer.socket_timeout) == ("GET", 1.0, 5.0)
    assert (event.method, event.connect_timeout, event.socket_timeout) == ("POST", 1.0, 10.0)


def test_an_application_that_is_requested_in_a_circle_is_requested_so_often_and_no_more() -> None:
    again = [{"action": "notify", "payload": {"again": True}, "eventUrl": ["stage:/event"]}]
    played = play(scenario(inbound()), {"/answer": again, "/event": again})
    assert len(played.having("payload")) == MOST_AT_ONCE
    (words,) = played.result.troubles
    assert "not any more" in words
