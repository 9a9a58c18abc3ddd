"""Vonage's SDK as a judge: it says what we let out, or it is known why not. Python flows may return its models."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from vonage_voice.models.common import WebsocketAuthorization
from vonage_voice.models.connect_endpoints import AppEndpoint, OnAnswer, PhoneEndpoint, SipEndpoint, WebsocketEndpoint
from vonage_voice.models.input_types import Dtmf, Speech
from vonage_voice.models.ncco import Connect, Conversation, Input, Notify, Record, Talk, Wait

from app.flows import schema
from app.flows.python_actions import NoActions, actions_in
from tests.flows import sdk
from tests.flows.sdk import DIFFERENCES, Difference, by_sdk, differences
from tests.flows.test_schema import LOOSE
from tests.nccos import OPTIONS, OWN, PUBLISHED, SOUND, UNFILLED, broken_nccos, changed, row_name, sound_nccos

Json = Any
SPEECH = {"action": "input", "type": ["speech"]}
TO_APP = {"action": "connect", "endpoint": [{"type": "app", "user": "Alice"}]}
LONG = f"<speak>{'<break/>' * 300}Hello</speak>"


def to(**endpoint: Json) -> dict[str, Json]:
    return {"action": "connect", "endpoint": [endpoint], "randomFromNumber": True}


# Actions that Vonage takes and the SDK does not say so, each for one reason, and what the SDK makes of them.
DIFFERENT: list[tuple[dict[str, Json], dict[str, Json] | None]] = [
    ({"action": "wait", "timeout": "0.5"}, {"action": "wait", "timeout": 0.5}),
    (TO_APP, None),
    (TO_APP | {"from": "sip:alice@example.com"}, None),
    (to(type="app", user="Alice") | {"ringbackTone": "https://example.com/a.mp3"}, None),
    (
        to(type="phone", number="447700900123", onAnswer={"url": f"{OWN}/a", "ringback": f"{OWN}/b"}),
        to(type="phone", number="447700900123", onAnswer={"url": f"{OWN}/a"}),
    ),
    (to(type="sip", domain="example", user="alice"), None),
    (to(type="sip", uri="sip:[2001:db8::1]"), None),
    ({"action": "talk", "text": LONG}, None),
    ({"action": "talk", "text": "Hello", "provider": "other"}, {"action": "talk", "text": "Hello"}),
    ({"action": "talk", "text": "Hello", "level": 1}, {"action": "talk", "text": "Hello", "level": 1.0}),
    ({"action": "wait"}, {"action": "wait", "timeout": 10.0}),
    ({"action": "record", "transcription": {}}, {"action": "record"}),
    ({"action": "record", "public": True}, {"action": "record"}),
    ({"action": "conversation", "name": "a", "transcription": {}}, {"action": "conversation", "name": "a"}),
    ({"action": "input"}, None),
    ({"action": "input", "type": ["dtmf"], "mode": "asynchronous"}, {"action": "input", "type": ["dtmf"]}),
    (SPEECH | {"speech": {"context": ["sales"]}}, SPEECH | {"speech": {"context": ["sales"], "saveAudio": False}}),
    (SPEECH | {"speech": {"saveAudio": True, "provider": "other"}}, SPEECH | {"speech": {"saveAudio": True}}),
]


def same(one: Json, other: Json) -> bool:
    """Whether both are the same in JSON: 1 and 1.0 are not."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def judge(ncco: list[dict[str, Json]]) -> None:
    for action in ncco:
        assert same(by_sdk(action), action) == (not differences(action)), (action, by_sdk(action), differences(action))


@pytest.mark.parametrize("page", PUBLISHED)
def test_published_actions_are_produced_by_the_sdk_or_the_reason_is_known(page):
    judge(PUBLISHED[page])


@given(sound_nccos() | broken_nccos(UNFILLED))
@example([action for action, _ in DIFFERENT])
def test_accepted_values_are_produced_by_the_sdk_or_the_reason_is_known(ncco):
    if not schema.faults(ncco, own=OWN) and "Placeholder" not in repr(ncco):
        judge(ncco)


@pytest.mark.parametrize("row", LOOSE, ids=lambda row: f"{row[0]}-{row[1]}")
@given(data=st.data())
def test_any_accepted_value_is_produced_by_the_sdk_or_the_reason_is_known(row, data):
    sound, path, values = row
    action = changed(sound, path, data.draw(values))
    assume(not schema.faults([action]))
    judge([action])


@pytest.mark.parametrize("row", OPTIONS, ids=row_name)
def test_every_option_is_produced_by_the_sdk_or_the_reason_is_known(row):
    sound, path, good, *_ = row
    for value in good:
        judge([changed(sound, path, value)])


@pytest.mark.parametrize(
    ("known", "row"), [*zip(DIFFERENCES, DIFFERENT, strict=True)], ids=lambda row: getattr(row, "where", "")
)
def test_every_difference_is_there(known: Difference, row):
    """Once the SDK has mended one, it is to be taken off the list."""
    action, said = row
    assert schema.faults([action], own=OWN) == []
    assert differences(action) == (known,)
    assert by_sdk(action) == said
    assert not same(said, action)


@pytest.mark.parametrize("known", DIFFERENCES, ids=lambda difference: difference.where)
def test_a_difference_is_reported_with_its_source(known):
    assert known.vonage
    assert known.sdk
    assert known.source.startswith("https://")


def test_an_endpoint_is_of_the_type_that_it_says():
    """Left to itself the SDK would take this one for an app endpoint and leave out the domain."""
    assert by_sdk(to(type="sip", domain="example", user="alice")) is None


# ---- What a call flow written in Python gives


def plain(action: Json) -> Json:
    """*action* as it is served, if a flow returns it."""
    (returned,) = actions_in([action]) or []
    return returned


def test_a_dict_is_taken_as_it_is_and_copied():
    action = {"action": "notify", "payload": {"a": [1]}, "unheard of": None}
    taken = plain(action)
    assert taken == action
    taken["payload"]["a"].append(2)
    assert action["payload"] == {"a": [1]}


NUMBER = "447700900123"
URL = "https://example.com/a"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Talk(text="Hello", bargeIn=True), {"action": "talk", "text": "Hello", "bargeIn": True}),
        (Wait(), {"action": "wait", "timeout": 10.0}),
        (Record(channels=2), {"action": "record", "channels": 2, "split": "conversation"}),
        (Conversation(name="a", canSpeak=[]), {"action": "conversation", "name": "a", "canSpeak": []}),
        (
            Connect(endpoint=[AppEndpoint(user="Alice")], from_=NUMBER),
            {"action": "connect", "endpoint": [{"type": "app", "user": "Alice"}], "from": NUMBER},
        ),
        (
            Connect(endpoint=[PhoneEndpoint(number=NUMBER, onAnswer=OnAnswer(url=URL))], randomFromNumber=True),
            to(type="phone", number=NUMBER, onAnswer={"url": URL}),
        ),
        (
            Connect(
                endpoint=[
                    WebsocketEndpoint(
                        uri="wss://example.com",
                        contentType="audio/l16;rate=8000",
                        authorization=WebsocketAuthorization(type="vonage"),
                    )
                ],
                randomFromNumber=True,
            ),
            to(
                type="websocket",
                uri="wss://example.com",
                authorization={"type": "vonage"},
                **{"content-type": "audio/l16;rate=8000"},
            ),
        ),
        (
            Connect(endpoint=[SipEndpoint(uri="sip:alice@example.com", headers={"a": "b"})], randomFromNumber=True),
            to(type="sip", uri="sip:alice@example.com", headers={"a": "b"}),
        ),
        (
            Input(type=["dtmf", "speech"], dtmf=Dtmf(maxDigits=1), speech=Speech(language="en-GB")),
            {
                "action": "input",
                "type": ["dtmf", "speech"],
                "dtmf": {"maxDigits": 1},
                "speech": {"language": "en-GB", "saveAudio": False},
            },
        ),
        (
            Notify(payload={"at": datetime(2026, 11, 20, tzinfo=UTC), "none": None}, eventUrl=[URL]),
            {"action": "notify", "payload": {"at": "2026-11-20T00:00:00Z", "none": None}, "eventUrl": [URL]},
        ),
    ],
)
def test_a_model_of_the_sdk_is_said_as_vonage_writes_it(model, said):
    assert plain(model) == said
    assert next(iter(plain(model))) == "action"
    assert schema.faults([plain(model)]) == []


def test_what_somebody_set_by_hand_is_for_the_table_to_judge():
    model = Talk(text="Hello")
    model.loop = "twice"
    assert plain(model) == {"action": "talk", "text": "Hello", "loop": "twice"}


def test_values_that_json_does_not_have_are_refused():
    with pytest.raises(NoActions, match="the SDK cannot say its Notify in JSON"):
        plain(Notify(payload={"a": object()}, eventUrl=[URL]))


@pytest.mark.parametrize("other", [None, "talk", 1, [SOUND["talk"]], AppEndpoint(user="Alice"), Talk])
def test_anything_else_is_no_action(other):
    with pytest.raises(NoActions, match="an action must be a dict or one of the SDK's NCCO actions") as refused:
        plain(other)
    assert type(other).__name__ in str(refused.value)


def test_the_sdk_knows_all_actions_and_endpoints():
    assert set(sdk.MODELS) == {sound["action"] for sound in SOUND.values()}
    assert set(sdk.ENDPOINTS) == {sound["endpoint"][0]["type"] for sound in SOUND.values() if "endpoint" in sound}
