"""Vonage's own Python SDK creates and controls calls through the simulated API."""

from __future__ import annotations

import io
import json
import re
import wave
from pathlib import Path
from typing import Any

import pytest
import requests
from pydantic import ValidationError
from vonage_application import ApplicationConfig, Capabilities, Rtc, Voice, VoiceUrl, VoiceWebhooks
from vonage_http_client.errors import FileStreamingError, HttpRequestError, NotFoundError
from vonage_users import Channels, ListUsersFilter, Properties, SmsChannel, User
from vonage_voice.models import (
    AudioStreamOptions,
    Conversation,
    CreateCallRequest,
    ListCallsFilter,
    Phone,
    Sip,
    Talk,
    ToPhone,
    TtsStreamOptions,
    Vbc,
    Websocket,
)

from tests.vonage_simulator.api_server import ALICE, APPLICATION_ID, BUSY, OURS, STAYS, Json, Server, serving
from vonage_simulator.scenario import Call, Scenario

PHONE = {"type": "phone", "number": ALICE}


def request_for(number: str = ALICE, **more: Any) -> CreateCallRequest:
    given: Json = {"to": [ToPhone(number=number)], "from_": Phone(number=OURS), "ncco": [Conversation(name="room")]}
    return CreateCallRequest(**{name: value for name, value in (given | more).items() if value is not None})


# ---- calls are made


def test_a_call_is_made_and_answered_and_its_events_are_sent(server: Server) -> None:
    made = server.client.voice.create_call(request_for(ringing_timer=30, length_timer=600))
    assert (made.status, made.direction) == ("started", "outbound")
    leg = server.leg(made.uuid)
    server.until(lambda: leg.status == "answered" and leg.moves)
    assert made.conversation_uuid == leg.moves[0].left, "the conversation before it entered the room"
    call = server.client.voice.get_call(made.uuid)
    assert (call.uuid, call.status, call.direction) == (made.uuid, "answered", "outbound")
    assert (call.to.number, call.from_.number, call.link) == (ALICE, OURS, f"/v1/calls/{made.uuid}")
    assert (call.rate, call.price, call.duration, call.start_time, call.network) == (None,) * 5
    statuses = server.until(
        lambda: [event["status"] for event in server.events if event.get("uuid") == made.uuid and "status" in event][2:]
    )
    assert statuses == ["answered"]


def test_the_answer_url_is_requested_and_events_go_to_the_url_of_the_call(server: Server) -> None:
    url = f"{server.application_url}/answer?of=call"
    elsewhere = f"{server.application_url}/event"
    made = server.client.voice.create_call(
        request_for(ncco=None, answer_url=[url], answer_method="POST", event_url=[elsewhere], event_method="POST")
    )
    assert server.until(lambda: [event for event in server.events if event.get("query") == {"of": "call"}]) == [
        {"method": "POST", "query": {"of": "call"}}
    ]
    events = server.leg(made.uuid).events
    assert events is not None
    assert (events.url, events.method, events.socket_timeout) == (elsewhere, "POST", 2.0)  # the application's timeouts


def test_the_carrier_may_choose_the_number(server: Server) -> None:
    made = server.client.voice.create_call(request_for(from_=None, random_from_number=True))
    assert server.leg(made.uuid).from_ == OURS


def test_the_sdk_may_send_a_bare_number_as_the_caller(server: Server) -> None:
    assert server.leg(server.client.voice.create_call(request_for(from_=OURS)).uuid).from_ == OURS
    made = server.client.voice.create_call(request_for(from_="sip:ours@sip.example.com"))
    assert server.client.voice.get_call(made.uuid).from_.uri == "sip:ours@sip.example.com"


@pytest.mark.parametrize(
    ("to", "endpoint", "shown", "headers"),
    [
        (
            Sip(uri="sip:bob@example.com", headers={"location": "NY"}, standard_headers={"User-to-User": "4a"}),
            "sip",
            {"type": "sip", "uri": "sip:bob@example.com"},
            {"location": "NY", "User-to-User": "4a"},
        ),
        (
            Websocket(uri="wss://example.com/socket", headers={"customer": "A1"}),
            "websocket",
            {"type": "websocket", "uri": "wss://example.com/socket"},
            {"customer": "A1"},
        ),
        (Vbc(extension="1234"), "vbc", {"type": "vbc", "extension": "1234"}, {}),
        (ToPhone(number=ALICE, dtmf_answer="p1#"), "phone", PHONE, {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_every_endpoint_of_the_sdk_can_be_called(
    server: Server, to: Any, endpoint: str, shown: Json, headers: Json
) -> None:
    made = server.client.voice.create_call(request_for(to=[to]))
    leg = server.leg(made.uuid)
    assert (leg.endpoint, dict(leg.headers)) == (endpoint, headers)
    assert server.ask("GET", f"/v1/calls/{made.uuid}").json()["to"] == shown
    assert server.client.voice.get_call(made.uuid).to


def test_an_app_user_can_be_called_though_the_sdk_cannot_parse_the_call(server: Server) -> None:
    leg = server.answered(to=[{"type": "app", "user": "Bob"}])
    assert server.ask("GET", f"/v1/calls/{leg.uuid}").json()["to"] == {"type": "app", "user": "Bob"}
    with pytest.raises(ValidationError):
        server.client.voice.get_call(leg.uuid)


@pytest.mark.parametrize(("dialled", "shown"), [(ALICE, PHONE), ("Bob", {"type": "app", "user": "Bob"})])
def test_an_app_caller_is_shown_with_the_name_it_called(server: Server, dialled: str, shown: Json) -> None:
    call = Call(from_="Carol", to=dialled, endpoint="app", far_end=STAYS)
    leg = server.do(lambda: server.carrier.place(call, Scenario(name="app", about="", calls=(call,))))
    found = server.ask("GET", f"/v1/calls/{leg.uuid}").json()
    assert (found["from"], found["to"]) == ({"type": "app", "user": "Carol"}, shown)


def test_an_inbound_caller_is_shown(server: Server) -> None:
    call = Call(from_=ALICE, to=OURS, far_end=STAYS)
    leg = server.do(lambda: server.carrier.place(call, Scenario(name="in", about="", calls=(call,))))
    found = server.client.voice.get_call(leg.uuid)
    assert (found.from_.number, found.to.number, found.direction) == (ALICE, OURS, "inbound")


# ---- calls are listed


def test_calls_are_listed_by_status_conversation_time_and_page(carrier_folder: Path) -> None:
    with serving(carrier_folder) as server:
        voice = server.client.voice
        past = server.ended_call()
        legs = [past, *(server.answered(ncco=[{"action": "conversation", "name": f"{n}"}]) for n in range(3))]
        busy = server.leg(voice.create_call(request_for(BUSY)).uuid)
        server.until(lambda: busy.over)
        ids = [leg.uuid for leg in (*legs, busy)]

        def listed(**wanted: Any) -> list[str]:
            return [call.uuid for call in voice.list_calls(ListCallsFilter(**wanted))[0]]

        assert voice.list_calls()[1] is None
        assert listed() == ids
        assert listed(order="desc") == ids[::-1]
        assert listed(status="completed") == [past.uuid]
        assert listed(status="busy") == [busy.uuid]
        assert listed(status="machine") == []
        for leg in legs[1:]:
            assert listed(conversation_uuid=leg.conversation.uuid) == [leg.uuid]
        assert listed(conversation_uuid="CON-of-nobody") == []
        started = legs[2].times["started"].isoformat().replace("+00:00", "Z")
        assert listed(date_start=started) == ids[2:]
        assert listed(date_end=started) == ids[:3]
        assert listed(date_start=started, date_end=started, page_size=1) == [legs[2].uuid]
        assert listed(page_size=2, record_index=1) == ids[1:3]
        assert voice.list_calls(ListCallsFilter(page_size=4))[1] == 1, "the SDK counts wrong: it takes calls for pages"

        page = server.ask("GET", "/v1/calls?page_size=2&record_index=2&order=asc").json()
        assert (page["count"], page["page_size"], page["record_index"]) == (5, 2, 2)
        at = {name: link["href"] for name, link in page["_links"].items()}
        assert at == {
            name: f"/v1/calls?page_size=2&record_index={index}&order=asc"
            for name, index in (("self", 2), ("first", 0), ("last", 4), ("next", 4), ("prev", 0))
        }
        assert [call["uuid"] for call in server.ask("GET", at["last"]).json()["_embedded"]["calls"]] == ids[4:]
        assert "next" not in server.ask("GET", at["last"]).json()["_links"]
        assert server.ask("GET", "/v1/calls").json()["page_size"] == 10


def test_a_machine_that_answered_is_found_by_that(server: Server) -> None:
    leg = server.answered()
    leg.machine = "beep_start"
    found, _ = server.client.voice.list_calls(
        ListCallsFilter(status="machine", conversation_uuid=leg.conversation.uuid)
    )
    assert leg.uuid in [call.uuid for call in found]


# ---- calls are controlled


def test_a_call_that_is_hung_up_has_its_price(server: Server) -> None:
    leg = server.answered()
    server.until(lambda: (server.carrier.clock.now() - leg.times["answered"]).total_seconds() > 2)
    server.client.voice.hangup(leg.uuid)
    call = server.client.voice.get_call(leg.uuid)
    assert leg.bill is not None
    assert (call.status, call.rate, call.price) == ("completed", leg.bill.rate, leg.bill.price)
    assert (call.duration, call.network) == (str(leg.bill.duration), leg.bill.network)
    for shown, moment in ((call.start_time, leg.bill.start_time), (call.end_time, leg.bill.end_time)):
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", shown)
        assert shown == f"{moment:%Y-%m-%d %H:%M:%S}"
    with pytest.raises(NotFoundError):
        server.client.voice.hangup(leg.uuid)


def test_what_no_network_is_known_of_has_none(server: Server) -> None:
    leg = server.answered(to=[{"type": "app", "user": "Bob"}])
    server.client.voice.hangup(leg.uuid)
    found = server.ask("GET", f"/v1/calls/{leg.uuid}").json()
    assert (found["status"], "price" in found, "network" in found) == ("completed", True, False)


def test_a_path_may_end_with_a_slash_and_numbers_and_flags_may_be_text(server: Server) -> None:
    leg = server.answered()
    path = f"/v1/calls/{leg.uuid}/"
    assert server.ask("GET", path).json() == server.ask("GET", path[:-1]).json()
    body: Json = {"text": "Hello", "loop": "2", "level": "0.5", "style": "1", "premium": "true"}
    assert server.ask("PUT", f"{path}talk/", body).status_code == 200
    assert server.ask("PUT", path, {"action": "hangup"}).status_code == 204


def test_a_call_that_failed_has_no_price(server: Server) -> None:
    leg = server.leg(server.client.voice.create_call(request_for(BUSY)).uuid)
    server.until(lambda: leg.over)
    found = server.ask("GET", f"/v1/calls/{leg.uuid}").json()
    assert found["status"] == "busy"
    assert not found.keys() & {"rate", "price", "duration", "start_time", "end_time", "network"}


def test_a_leg_is_muted_and_earmuffed_and_back(server: Server) -> None:
    leg, voice = server.answered(), server.client.voice
    for act, wanted in (
        (voice.mute, (True, False)),
        (voice.earmuff, (True, True)),
        (voice.unmute, (False, True)),
        (voice.unearmuff, (False, False)),
    ):
        act(leg.uuid)
        assert (leg.muted, leg.earmuffed) == wanted


def test_a_leg_is_transferred_to_an_ncco(server: Server) -> None:
    leg = server.answered()
    moves = len(leg.moves)
    server.client.voice.transfer_call_ncco(leg.uuid, [Talk(text="One moment please.")])
    assert len(leg.moves) == moves + 1
    server.until(lambda: [item for item in server.happenings if item.leg == leg.uuid and item.what == "talk"])


def test_a_leg_is_transferred_to_an_answer_url(server: Server) -> None:
    leg = server.answered()
    server.client.voice.transfer_call_answer_url(leg.uuid, f"{server.application_url}/answer?of=transfer")
    (sent,) = server.until(lambda: [got for got in server.events if "transfer" in got.get("query", {}).get("of", "")])
    assert (sent["method"], sent["query"]["uuid"]) == ("GET", leg.uuid)


def test_audio_speech_and_keys_are_played_into_a_call(server: Server) -> None:
    leg, voice = server.answered(), server.client.voice
    url = "https://example.com/waiting.mp3"
    done = [
        voice.play_audio_into_call(leg.uuid, AudioStreamOptions(stream_url=[url], loop=0, level=-0.4)),
        voice.stop_audio_stream(leg.uuid),
        voice.play_tts_into_call(leg.uuid, TtsStreamOptions(text="Hello", language="en-GB", style=2, premium=True)),
        voice.stop_tts(leg.uuid),
        voice.play_dtmf_into_call(leg.uuid, "12p#*"),
    ]
    assert {answer.uuid for answer in done} == {leg.uuid}
    assert [answer.message for answer in done] == [
        "Stream started",
        "Stream stopped",
        "Talk started",
        "Talk stopped",
        "DTMF sent",
    ]
    happened = {item.what: item.data for item in server.happenings if item.leg == leg.uuid}
    assert (happened["stream"]["url"], happened["stream"]["loop"]) == (url, 0)
    assert (happened["talk"]["text"], happened["talk"]["loop"]) == ("Hello", 1)
    assert happened["dtmf"]["digits"] == "12p#*"
    played = [(span.value.what, span.value.endless, span.until is not None) for span in leg.played]
    assert played == [(url, True, True), ("Hello", False, True)], "both were stopped"


def test_each_key_of_a_leg_can_be_subscribed_to(server: Server) -> None:
    leg = server.answered()
    path, event_url = f"/v1/calls/{leg.uuid}/input/dtmf", f"{server.application_url}/event"
    assert server.ask("PUT", path, {"event_url": [event_url]}).status_code == 200
    digits = server.until(
        lambda: [body["dtmf"]["digits"] for body in server.events if body.get("uuid") == leg.uuid and "dtmf" in body]
    )
    assert digits[0] == "1"
    assert server.ask("DELETE", path).status_code == 200


@pytest.mark.parametrize(("kind", "content_type"), [("mp3", "audio/mpeg"), ("wav", "audio/wav"), ("ogg", "audio/ogg")])
def test_a_conversation_is_recorded_and_the_sdk_downloads_it(
    server: Server, tmp_path: Path, kind: str, content_type: str
) -> None:
    leg = server.answered(ncco=[{"action": "conversation", "name": f"recorded-{kind}"}])
    conversation = server.until(lambda: leg.moves and leg.conversation)
    path = f"/v1/conversations/{conversation.uuid}/record"
    options = {"format": kind, "split": "conversation", "event_url": [f"{server.application_url}/event"]}
    http = server.client.http_client
    http.put(http.api_host, path, {"action": "start"} | options)
    http.put(http.api_host, path, {"action": "stop"})
    (recording,) = server.until(lambda: conversation.recordings)
    (event,) = server.until(
        lambda: [
            event for event in server.events
            if "recording_url" in event and event["conversation_uuid"] == conversation.uuid
        ]
    )  # fmt: skip
    assert event["recording_url"] == recording.url
    assert recording.url.startswith(f"{server.base}/api.nexmo.com/v1/files/")
    file = tmp_path / f"recording.{kind}"
    server.client.voice.download_recording(recording.url, str(file))
    assert file.read_bytes() == recording.audio
    if kind == "wav":
        with wave.open(io.BytesIO(recording.audio)) as sound:
            assert sound.getnchannels() == 2
    got = server.ask("GET", recording.url)
    assert (got.status_code, got.headers["Content-Type"]) == (200, content_type)
    assert server.ask("GET", recording.url, token="nobody's").status_code == 401
    with pytest.raises(FileStreamingError):
        server.client.voice.download_recording(recording.url + "x", str(file))


# ---- users


def test_users_are_made_found_changed_and_taken_away(server: Server) -> None:
    users = server.client.users
    made = users.create_user(
        User(
            name="dora",
            display_name="Dora",
            image_url="https://example.com/dora.png",
            channels=Channels(sms=[SmsChannel(number=ALICE)]),
            properties=Properties(custom_data={"likes": "tea"}),
        )
    )
    assert re.fullmatch(r"USR-[0-9a-f-]{36}", made.id)
    assert made.link == f"{server.base}/v1/users/{made.id}"
    assert users.get_user(made.id) == made
    changed = users.update_user(made.id, User(display_name="Dora the first"))
    assert (changed.name, changed.display_name, changed.channels) == ("dora", "Dora the first", made.channels)
    assert users.update_user(made.id, User(name="dora")).name == "dora"
    assert users.update_user(made.id, User(name="theodora")).name == "theodora"
    assert "theodora" in server.api.users.names()
    assert users.delete_user(made.id) is None
    for gone in (users.get_user, users.delete_user):
        with pytest.raises(NotFoundError) as error:
            gone(made.id)
        body = error.value.response.json()
        assert (body["code"], body["title"]) == ("user:error:not-found", "Not found.")


def test_a_user_without_a_name_is_given_one(server: Server) -> None:
    user = server.client.users.create_user()
    assert user.name.startswith("NAM-")
    server.client.users.delete_user(user.id)


def test_user_names_are_unique(server: Server) -> None:
    users = server.client.users
    first, other = users.create_user(User(name="one")), users.create_user(User(name="other"))
    with pytest.raises(HttpRequestError) as error:
        users.create_user(User(name="one"))
    assert error.value.response.json()["code"] == "user:error:duplicate-name"
    with pytest.raises(HttpRequestError, match="already exists"):
        users.update_user(other.id, User(name="one"))
    for user in (first, other):
        users.delete_user(user.id)


@pytest.mark.parametrize("order", ["asc", "DESC"])
def test_users_are_listed_page_by_page(carrier_folder: Path, order: str) -> None:
    with serving(carrier_folder) as server:
        users = server.client.users
        assert users.list_users() == ([], None)
        names = [users.create_user(User(name=f"user-{number}", display_name=f"{number}")).name for number in range(5)]
        names = names if order == "asc" else names[::-1]
        seen, cursor = [], None
        while True:
            page, cursor = users.list_users(ListUsersFilter(page_size=2, order=order, cursor=cursor))
            seen.append([user.name for user in page])
            if cursor is None:
                break
        assert seen == [names[:2], names[2:4], names[4:]]
        back = server.ask("GET", f"/v1/users?page_size=2&order={order}&name=user-3").json()["_embedded"]["users"]
        assert [(user["name"], user["display_name"]) for user in back] == [("user-3", "3")]
        links = server.ask("GET", f"/v1/users?page_size=2&order={order}").json()["_links"]
        second = server.ask("GET", links["next"]["href"]).json()
        before = server.ask("GET", second["_links"]["prev"]["href"]).json()
        assert [user["name"] for user in before["_embedded"]["users"]] == names[:2]
        assert "prev" not in before["_links"]
        assert server.ask("GET", "/v1/users?cursor=mine").status_code == 400


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"name": ""}, ["name"]),
        ({"name": 7, "display_name": 8}, ["display_name", "name"]),
        ({"channels": {"pigeon": []}}, ["channels.pigeon.key"]),
    ],
)
def test_a_wrong_user_is_refused(server: Server, body: Json, wrong: list[str]) -> None:
    response = server.ask("POST", "/v1/users", body)
    assert response.status_code == 400
    assert response.json()["code"] == "http:error:validation-fail"
    assert sorted(item["name"] for item in response.json()["invalid_parameters"]) == wrong


# ---- the application


def test_the_application_is_looked_up(server: Server) -> None:
    found = server.client.application.get_application(APPLICATION_ID)
    voice = found.capabilities.voice
    assert (found.id, found.name, found.link) == (
        APPLICATION_ID,
        "Switchhook simulator",
        f"/v2/applications/{APPLICATION_ID}",
    )
    assert found.keys.public_key.startswith("-----BEGIN PUBLIC KEY-----")
    assert (voice.signed_callbacks, voice.region.value) == (False, "eu-west")
    answer, event = voice.webhooks.answer_url, voice.webhooks.event_url
    assert (answer.address, answer.http_method) == (f"{server.application_url}/answer", "GET")
    assert (answer.connect_timeout, answer.socket_timeout) == (500, 5000)
    assert (event.address, event.http_method, event.socket_timeout) == (f"{server.application_url}/event", "POST", 2000)
    assert voice.webhooks.fallback_answer_url is None
    assert server.client.application.list_applications() == ([found], None)
    assert "PRIVATE" not in json.dumps(found.model_dump(mode="json"))


def test_an_application_is_replaced_by_the_sdk_and_its_webhooks_go_elsewhere(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        api = server.client.application
        before = api.get_application(APPLICATION_ID)
        event = VoiceUrl(address=f"{server.application_url}/event", http_method="POST", socket_timeout=9000)
        answer = VoiceUrl(address=f"{server.application_url}/answer", http_method="GET")
        voice = Voice(webhooks=VoiceWebhooks(event_url=event, answer_url=answer), conversations_ttl=24)
        capabilities = Capabilities(voice=voice, rtc=Rtc(signed_callbacks=True))
        after = api.update_application(APPLICATION_ID, ApplicationConfig(name="New", capabilities=capabilities))
        assert after == api.get_application(APPLICATION_ID)
        assert (after.name, after.keys) == ("New", before.keys), "the key stays"
        assert after.capabilities.rtc.signed_callbacks
        voice = after.capabilities.voice
        assert (voice.signed_callbacks, voice.conversations_ttl, voice.leg_persistence_time) == (False, 24, 2)
        assert (voice.webhooks.event_url.connect_timeout, voice.webhooks.event_url.socket_timeout) == (1000, 9000)
        assert server.answered().status == "answered", "with the same private key"

        api.update_application(APPLICATION_ID, ApplicationConfig(name="Without"))
        assert api.get_application(APPLICATION_ID).capabilities.voice is None, "what is left out is gone"
        assert server.carrier.application.event is None


@pytest.mark.parametrize(
    ("voice", "wrong"),
    [
        ({"webhooks": {"answer_url": {"address": "nowhere"}}}, "webhooks.answer_url.address"),
        ({"webhooks": {"answer_url": {"address": "http://a", "socket_timeout": 6000}}}, "webhooks.answer_url.socket"),
        ({"webhooks": {"event_url": {"address": "http://a", "http_method": "PUT"}}}, "webhooks.event_url.http_method"),
        ({"region": "atlantis"}, "region"),
    ],
)
def test_a_wrong_application_is_refused(server: Server, voice: Json, wrong: str) -> None:
    secret = {"Authorization": requests.auth._basic_auth_str("abcd1234", "simulated-api-secret")}
    path, before = f"/v2/applications/{APPLICATION_ID}", server.client.application.get_application(APPLICATION_ID)
    response = server.ask("PUT", path, {"name": "New", "capabilities": {"voice": voice}}, headers=secret)
    assert response.status_code == 400
    assert response.json()["invalid_parameters"][0]["name"].startswith(f"capabilities.voice.{wrong}")
    assert server.client.application.get_application(APPLICATION_ID) == before


def test_the_application_is_returned_only_with_its_credentials(server: Server) -> None:
    other = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(NotFoundError, match=other):
        server.client.application.get_application(other)
    secret = requests.auth._basic_auth_str("abcd1234", "simulated-api-secret")
    assert server.ask("GET", "/v2/applications", headers={"Authorization": secret}).status_code == 200
    assert server.ask("GET", "/v2/applications?page=0", headers={"Authorization": secret}).status_code == 400
    for wrong in (
        requests.auth._basic_auth_str("abcd1234", "guessed"),
        "Basic é",
        "Basic",
        secret[6:],
        f"Bearer {secret[6:]}",
    ):
        response = server.ask("GET", "/v2/applications", headers={"Authorization": wrong.encode()})
        assert response.status_code == 401
        assert response.json()["title"] == "Invalid credentials supplied"
