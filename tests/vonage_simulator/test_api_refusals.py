"""Every error response of the simulated API that Vonage documents or that people have reported."""

from __future__ import annotations

import asyncio
import time
import uuid
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
import vonage
from vonage_http_client.errors import AuthenticationError, HttpRequestError, NotFoundError, RateLimitedError
from vonage_voice.models import Conversation, CreateCallRequest, Phone, ToPhone

from tests.vonage_simulator.api_server import (
    ALICE,
    APPLICATION_ID,
    CALL,
    FAR_ENDS,
    OURS,
    RINGS,
    ROOM,
    Json,
    Server,
    serving,
)
from vonage_simulator.certificate import application_keys
from vonage_simulator.ledger import Application
from vonage_simulator.rate_limit import RateLimit
from vonage_simulator.scenario import Call, Scenario
from vonage_simulator.voice_api import schemas

BAD_REQUEST = {"type": "BAD_REQUEST", "error_title": "Bad Request"}
TOO_MANY_REQUESTS = {"type": "TOO_MANY_REQUESTS", "error_title": "Too Many Requests"}
NOT_FOUND = {"type": "NOT_FOUND", "error_title": "Not Found"}
PHONE = {"type": "phone", "number": ALICE}
SOCKET = {"type": "websocket", "uri": "wss://example.com", "content-type": "audio/l16;rate=8000"}
URLS = ["https://example.com/1"]


def transfer(destination: Json) -> Json:
    return {"action": "transfer", "destination": destination}


def request_for(number: str = ALICE) -> CreateCallRequest:
    return CreateCallRequest(to=[ToPhone(number=number)], from_=Phone(number=OURS), ncco=[Conversation(name="room")])


# ---- what is refused


def test_an_applications_token_is_required(server: Server, tmp_path: Path) -> None:
    now = int(time.time())
    foreign, _ = application_keys(tmp_path)
    hour = {"iat": now - 3600, "exp": now + 3600}
    for good in ({}, {"exp": None}, {"iat": now + 30}, {"sub": "alice"}, hour, {"aud": "vonage"}):
        assert server.ask("GET", "/v1/calls", token=server.token(**good)).status_code == 200, good
    claims = {"application_id": APPLICATION_ID, "iat": now, "jti": "1"}
    bad = {
        "for another application": server.token(application_id="another"),
        "without application": server.token(application_id=None),
        "without jti": server.token(jti=None),
        "with an empty jti": server.token(jti=""),
        "without iat": server.token(iat=None),
        "over": server.token(iat=now - 3600, exp=now - 120),
        "over, by default": server.token(iat=now - 3600, exp=None),
        "of the future": server.token(iat=now + 3600, exp=now + 4000),
        "for two days": server.token(exp=now + 2 * 86_400),
        "that ends before it begins": server.token(iat=now + 30, exp=now),
        "of one who signs with another key": jwt.encode(claims, foreign.read_text(), algorithm="RS256"),
        "with a shared secret": jwt.encode(claims, "a-secret-that-is-long-enough-for-it", algorithm="HS256"),
        "unsigned": jwt.encode(claims, "", algorithm="none"),
        "that is none": "x.y.z",
    }
    for kind, token in bad.items():
        reply = server.ask("GET", "/v1/calls", token=token)
        assert (reply.status_code, reply.json()) == (401, {"type": "UNAUTHORIZED", "error_title": "Unauthorized"}), kind
    for header in ("", "Bearer", "Bearer \xe9".encode("latin-1"), f"Basic {server.token()}", server.token()):
        assert server.ask("POST", "/v1/calls", CALL, headers={"Authorization": header}).status_code == 401
    assert server.ask("GET", "/v1/users", token="x.y.z").json()["code"] == "system:error:invalid-token"


def test_the_sdk_raises_its_authentication_error(server: Server, tmp_path: Path) -> None:
    foreign, _ = application_keys(tmp_path)
    auth = vonage.Auth(application_id=APPLICATION_ID, private_key=str(foreign))
    client = vonage.Vonage(auth, vonage.HttpClientOptions(api_host=server.base[8:], timeout=20))
    for ask in (client.voice.list_calls, client.users.list_users, lambda: client.voice.create_call(request_for())):
        with pytest.raises(AuthenticationError):
            ask()
    client.http_client._session.close()


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        ({"to": None}, ["to"]),
        ({"to": []}, ["to"]),
        ({"to": [PHONE, PHONE]}, ["to"]),
        ({"to": PHONE}, ["to"]),
        ({"to": ["447700900123"]}, ["to[0]"]),
        ({"to": [{"type": "fax", "number": ALICE}]}, ["to[0].type"]),
        ({"to": [{"type": ["phone"], "number": ALICE}]}, ["to[0].type"]),
        ({"to": [{"type": "phone", "number": "+447700900123"}]}, ["to[0].number"]),
        ({"to": [{"type": "phone", "number": ALICE, "dtmfAnswer": "A"}]}, ["to[0].dtmfAnswer"]),
        ({"to": [{"type": "phone", "number": ALICE, "dtmf_answer": "A"}]}, ["to[0].dtmfAnswer"]),
        ({"to": [{"type": "sip"}]}, ["to[0].uri"]),
        ({"to": [{"type": "sip", "uri": "sip:x y"}]}, ["to[0].uri"]),
        ({"to": [{"type": "websocket", "uri": "https://example.com"}]}, ["to[0].content-type", "to[0].uri"]),
        (
            {"to": [SOCKET | {"headers": {"a": "x" * 510}}]},
            ["to[0].headers"],
        ),
        ({"to": [{"type": "vbc", "extension": ""}]}, ["to[0].extension"]),
        ({"to": [{"type": "app"}]}, ["to[0].user"]),
        ({"from": None}, ["from"]),
        ({"from": {"type": "app", "user": "Bob"}}, ["from.type"]),
        ({"from": {"type": "phone"}}, ["from.number"]),
        ({"from": {"type": "phone", "number": "12"}}, ["from.number"]),
        ({"random_from_number": True}, ["from"]),
        ({"from": None, "random_from_number": False}, ["from"]),
        ({"random_from_number": "yes"}, ["random_from_number"]),
        ({"ncco": None}, ["ncco"]),
        ({"answer_url": ["https://example.com/answer"]}, ["ncco"]),
        ({"ncco": None, "answer_url": "https://example.com/answer"}, ["answer_url"]),
        ({"ncco": None, "answer_url": ["ftp://x"], "answer_method": "PUT"}, ["answer_method", "answer_url[0]"]),
        ({"ncco": {"action": "talk"}}, ["ncco"]),
        ({"ncco": [{"action": "sing"}]}, ["ncco[0].action"]),
        ({"ncco": ["talk"]}, ["ncco[0]"]),
        ({"ncco": [{"action": "talk"}, {"action": "talk"}], "to": []}, ["ncco[0].text", "ncco[1].text", "to"]),
        ({"ncco": [*ROOM, {"action": "talk"}]}, ["ncco[1].text"]),
        ({"ncco": [{"action": "connect", "endpoint": [PHONE | {"number": ""}]}]}, ["ncco[0].endpoint[0].number"]),
        ({"event_url": "https://example.com/event"}, ["event_url"]),
        ({"event_url": ["https://example.com/1", "https://example.com/2"]}, ["event_url"]),
        ({"event_url": ["http://example.com:99999/"]}, ["event_url[0]"]),
        ({"event_method": "PATCH"}, ["event_method"]),
        ({"machine_detection": "perhaps"}, ["machine_detection"]),
        (
            {"advanced_machine_detection": {"behavior": "go", "mode": "x", "beep_timeout": 29}},
            [f"advanced_machine_detection.{name}" for name in ("beep_timeout", "behavior", "mode")],
        ),
        ({"length_timer": 0, "ringing_timer": 121}, ["length_timer", "ringing_timer"]),
        ({"length_timer": 86_401, "ringing_timer": 0}, ["length_timer", "ringing_timer"]),
        ({"length_timer": "60 s", "ringing_timer": True}, ["length_timer", "ringing_timer"]),
    ],
)  # fmt: skip
def test_every_wrong_field_of_a_new_call_is_named(server: Server, more: Json, wrong: list[str]) -> None:
    before = len(server.carrier.ledger.legs)
    body = {name: value for name, value in (CALL | more).items() if value is not None}
    response = server.ask("POST", "/v1/calls", body)
    assert response.status_code == 400
    found = response.json()
    assert (found["type"], found["title"]) == (400, "Bad Request")
    assert sorted(item["name"] for item in found["invalid_parameters"]) == wrong
    assert all(item["reason"] for item in found["invalid_parameters"])
    assert len(server.carrier.ledger.legs) == before, "nobody was called"


def test_a_fault_of_an_ncco_is_reported_in_the_carriers_words(server: Server) -> None:
    body = server.ask("POST", "/v1/calls", CALL | {"ncco": [{"action": "talk"}]}).json()
    assert body["invalid_parameters"][0]["reason"].startswith("action 1 (talk), text: ")


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        ("", {}, ["action"]),
        ("", {"action": "sing"}, ["action"]),
        ("", {"action": "transfer"}, ["destination"]),
        ("", transfer({"type": "xml", "url": URLS}), ["destination.type"]),
        ("", transfer({"type": "ncco"}), ["destination.ncco"]),
        ("", transfer({"type": "ncco", "ncco": ROOM, "url": URLS}), ["destination.ncco"]),
        ("", transfer({"type": "ncco", "url": "https://example.com"}), ["destination.url"]),
        ("", transfer({"type": "ncco", "ncco": [{"action": "talk"}]}), ["destination.ncco[0].text"]),
        ("/stream", {}, ["stream_url"]),
        ("/stream", {"stream_url": ["x"], "loop": -1, "level": "2"}, ["level", "loop", "stream_url[0]"]),
        ("/talk", {"text": ""}, ["text"]),
        ("/talk", {"text": "Hello", "premium": "yes", "style": -1}, ["premium", "style"]),
        ("/dtmf", {"digits": "12a"}, ["digits"]),
        ("/dtmf", {}, ["digits"]),
        ("/input/dtmf", {"event_url": []}, ["event_url"]),
    ],
)  # fmt: skip
def test_every_wrong_field_of_a_command_is_named(server: Server, path: str, body: Json, wrong: list[str]) -> None:
    response = server.ask("PUT", f"/v1/calls/any{path}", body)
    assert response.status_code == 400
    assert sorted(item["name"] for item in response.json()["invalid_parameters"]) == wrong


def test_a_recordings_options_get_the_names_of_the_action(server: Server) -> None:
    text = {"language": "en-GB", "event_url": URLS, "event_method": "POST", "sentiment_analysis": True}
    given = {"action": "start", "event_url": URLS, "event_method": "GET", "format": "ogg", "transcription": text}
    assert schemas.RecordSchema().load(given) == {
        "action": "start",
        "eventUrl": URLS,
        "eventMethod": "GET",
        "format": "ogg",
        "transcription": {
            "language": "en-GB",
            "eventUrl": URLS,
            "eventMethod": "POST",
            "sentimentAnalysis": True,
        },
    }


def test_wrong_recordings_lists_and_bodies_are_refused(server: Server) -> None:
    bad = {"action": "pause", "format": "flac", "split": "x", "channels": 33, "event_url": "x", "event_method": "HEAD"}
    response = server.ask("PUT", "/v1/conversations/CON-1/record", bad)
    assert sorted(item["name"] for item in response.json()["invalid_parameters"]) == sorted(bad)
    query = "status=gone&date_start=yesterday&date_end=x&page_size=101&record_index=-1&order=up"
    response = server.ask("GET", f"/v1/calls?{query}")
    assert sorted(item["name"] for item in response.json()["invalid_parameters"]) == sorted(
        name for name, _, _ in (pair.partition("=") for pair in query.split("&"))
    )
    for method, path in (("POST", "/v1/calls"), ("PUT", "/v1/calls/any"), ("PUT", "/v1/calls/any/talk")):
        for raw in (b"", b"{", b"[]", b'"text"', b"\xff", b"[" * 50_000):
            response = server.ask(method, path, data=raw)
            assert (response.status_code, response.json()) == (400, BAD_REQUEST), raw[:10]


def test_an_unknown_call_or_conversation_is_not_found(server: Server) -> None:
    past = server.ended_call().uuid
    transfer = {"action": "transfer", "destination": {"type": "ncco", "ncco": ROOM}}
    acts: list[tuple[str, str, Json | None]] = [
        *(("PUT", "", {"action": action}) for action in ("hangup", "mute", "unmute", "earmuff", "unearmuff")),
        ("PUT", "", transfer),
        ("PUT", "/stream", {"stream_url": ["https://example.com/a.mp3"]}),
        ("DELETE", "/stream", None),
        ("PUT", "/talk", {"text": "Hello"}),
        ("DELETE", "/talk", None),
        ("PUT", "/dtmf", {"digits": "1"}),
        ("PUT", "/input/dtmf", {"event_url": ["https://example.com/event"]}),
        ("DELETE", "/input/dtmf", None),
    ]
    for leg in (past, str(uuid.uuid4())):
        for method, path, body in acts:
            response = server.ask(method, f"/v1/calls/{leg}{path}", body)
            assert (response.status_code, response.json()) == (404, NOT_FOUND), (leg == past, method, path, body)
    assert server.ask("GET", f"/v1/calls/{uuid.uuid4()}").status_code == 404
    for action in ("start", "stop"):
        assert server.ask("PUT", "/v1/conversations/CON-none/record", {"action": action}).json() == NOT_FOUND
    assert server.ask("GET", "/api.nexmo.com/v1/files/none").json() == NOT_FOUND
    with pytest.raises(NotFoundError):
        server.client.voice.get_call("nobody")


def test_nothing_can_be_played_before_the_call_is_answered(server: Server) -> None:
    made = server.client.voice.create_call(request_for(RINGS))
    response = server.ask("PUT", f"/v1/calls/{made.uuid}/talk", {"text": "Hello"})
    assert (response.status_code, response.json()) == (400, BAD_REQUEST)


def test_unknown_paths_and_methods_are_refused(server: Server) -> None:
    response = server.ask("GET", "/v1/texts")
    assert (response.status_code, response.json()) == (404, NOT_FOUND)
    response = server.ask("DELETE", "/v1/calls")
    assert (response.status_code, response.json()["type"]) == (405, "METHOD_NOT_ALLOWED")
    assert set(response.headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}


def test_a_call_needs_an_event_url_if_the_application_has_none(carrier_folder: Path) -> None:
    with serving(carrier_folder, event=None, numbers=()) as server:
        body = server.ask("POST", "/v1/calls", CALL | {"ncco": [{"action": "talk"}], "event_method": "PUT"}).json()
        named = sorted(item["name"] for item in body["invalid_parameters"])
        assert named == ["event_method", "event_url", "ncco[0].text"], "all at once"
        random = {name: CALL[name] for name in ("to", "ncco")} | {"random_from_number": True}
        body = server.ask("POST", "/v1/calls", random).json()
        assert sorted(item["name"] for item in body["invalid_parameters"]) == ["event_url", "random_from_number"]
        assert server.ask("POST", "/v1/calls", CALL | {"event_url": [f"{server.application_url}/event"]}).ok
        found = server.client.application.get_application(APPLICATION_ID)
        assert found.capabilities.voice.webhooks.event_url is None


# ---- limits


def test_a_call_cannot_be_hung_up_as_soon_as_it_is_made(carrier_folder: Path) -> None:
    with serving(carrier_folder, speed=0.05) as server:
        made = server.client.voice.create_call(request_for())
        with pytest.raises(HttpRequestError) as error:
            server.client.voice.hangup(made.uuid)
        assert error.value.response.status_code == 400
        assert error.value.response.json() == BAD_REQUEST


def test_three_new_calls_a_second_and_any_number_of_other_requests(carrier_folder: Path) -> None:
    with serving(carrier_folder, speed=0.05, calls_per_second=3.0) as server:
        for _ in range(3):
            server.client.voice.create_call(request_for())
        with pytest.raises(RateLimitedError) as error:
            server.client.voice.create_call(request_for())
        assert error.value.response.json() == TOO_MANY_REQUESTS
        assert server.ask("GET", "/v1/calls").json()["count"] == 3


def test_other_requests_have_a_limit_too(carrier_folder: Path) -> None:
    """Only requests of the application to the Voice API count, new calls excepted."""
    with serving(carrier_folder, other_requests_per_second=2.0) as server, requests.Session() as session:
        session.verify = str(server.certificate.ca)
        session.headers["Authorization"] = f"Bearer {server.token()}"

        def status(path: str, **more: Any) -> int:
            return session.get(server.base + path, timeout=20, **more).status_code

        assert status("/v1/calls", headers={"Authorization": "Bearer x"}) == 401
        assert session.post(f"{server.base}/v1/calls", json=CALL, timeout=20).status_code == 201
        assert status("/v1/users") == 200
        statuses = [status("/v1/calls/nobody") for _ in range(3)]
        refused = session.get(f"{server.base}/v1/calls", timeout=20)
        assert statuses == [404, 404, 429]
        assert (refused.status_code, refused.json()) == (429, TOO_MANY_REQUESTS)
        assert "Retry-After" not in refused.headers, "with it the SDK would wait and send the request again"
        time.sleep(1.05)
        assert status("/v1/calls/nobody") == 404


def test_the_limits_are_those_of_vonage_and_what_is_refused_is_counted(carrier_folder: Path) -> None:
    """Three new calls, a `connect` is one, and fifteen other requests; they do not count for each other."""
    assert Application(id=APPLICATION_ID).calls_per_second == 3.0
    connects = [{"action": "connect", "from": OURS, "endpoint": [PHONE]}] * 3
    with (
        serving(carrier_folder, speed=0.05, calls_per_second=3.0, other_requests_per_second=15.0) as server,
        requests.Session() as session,
    ):
        session.verify = str(server.certificate.ca)
        session.headers["Authorization"] = f"Bearer {server.token()}"
        call = Call(from_=ALICE, to=OURS, ncco=tuple(connects))
        server.do(lambda: server.carrier.place(call, Scenario(name="in", about="", calls=(call,), callees=FAR_ENDS)))
        server.until(lambda: len(server.carrier.ledger.legs) == 2)
        made = [session.post(f"{server.base}/v1/calls", json=CALL, timeout=20).status_code for _ in range(3)]
        assert made == [201, 201, 429]
        others = [session.get(f"{server.base}/v1/calls", timeout=20).status_code for _ in range(18)]
        assert others[:15] == [200] * 15
        assert server.carrier.ledger.throttled == 1 + others.count(429)


def test_a_connect_over_the_limit_is_an_error_event(carrier_folder: Path) -> None:
    with serving(carrier_folder, speed=0.05, calls_per_second=3.0) as server:
        for _ in range(3):
            server.client.voice.create_call(request_for(RINGS))
        call = Call(from_=ALICE, to=OURS, ncco=({"action": "connect", "from": OURS, "endpoint": [PHONE]},))
        leg = server.do(lambda: server.carrier.place(call, Scenario(name="in", about="", calls=(call,))))
        server.until(lambda: leg.conversation.errors)
        server.until(lambda: [event for event in server.events if "Calls per second" in event.get("reason", "")])


def test_the_limit_is_fifteen_in_any_second() -> None:
    limit = RateLimit()
    assert all(limit.take(0.0, 15.0) for _ in range(15))
    assert not any(limit.take(now, 15.0) for now in (0.0, 0.5, 0.999))
    assert all(limit.take(1.0, 15.0) for _ in range(15))
    assert not limit.take(1.0, 15.0)
    unlimited = RateLimit()
    assert all(unlimited.take(1.0, None) for _ in range(100))


def test_after_it_is_stopped_connections_are_refused(carrier_folder: Path) -> None:
    with serving(carrier_folder) as server:
        asyncio.run_coroutine_threadsafe(server.api.stop(), server.loop).result(20)
        with pytest.raises(requests.ConnectionError):
            server.ask("GET", "/v1/calls")
