"""The carrier's judgement of an NCCO, option by option.

https://developer.vonage.com/en/voice/voice-api/ncco-reference
"""

from __future__ import annotations

import contextlib
import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.nccos import (
    BARGE,
    BARGE_IN,
    BARGE_STREAM,
    CONNECT,
    GONE,
    INPUT,
    NO_FLAG,
    NO_LANGUAGE,
    NO_NUMBER,
    NO_OBJECT,
    SOUND,
    STREAM,
    TALK,
    URL,
    Json,
    Row,
    changed,
    connect,
    padded,
    put,
)
from vonage_simulator.ncco import ACTIONS, MOST_FAULTS, Fault, bare_text, faults, read, reply


def sip(length: int) -> str:
    return "sip:" + "a" * (length - 4)


NO_URL: list[Json] = [
    "example.com",
    "ftp://example.com",
    "https://",
    "https://a b.com",
    "http://x:port",
    "http://x:0",
    "",
    5,
    None,
    [URL],
]
NO_ARRAY: list[Json] = [URL, [], [URL, URL], [5], ["example.com"], None, {}]
NO_TEXT: list[Json] = [5, True, None, ["a"], {}]
NO_NAME: list[Json] = ["", " \n", *NO_TEXT]


def whole(least: int, most: int) -> tuple[list[Json], list[Json]]:
    return [least, most], [least - 1, most + 1, least + 0.5, float(most), str(most), True, None, 10**5000]


def events(action: str, under: str = "") -> list[Row]:
    return [
        (action, f"{under}eventUrl", [[URL], ["http://localhost:8080"]], NO_ARRAY),
        (action, f"{under}eventMethod", ["GET", "POST"], ["PUT", "post", "", 1, None]),
    ]


def legs(action: str) -> list[Row]:
    return [(action, option, [[], ["u1", "u2"]], ["u1", [1], [""], None]) for option in ("canSpeak", "canHear")]


OPTIONS: list[Row] = [
    ("talk", "action", [], ["Talk", "pay", "", 1, None, ["talk"], GONE]),
    ("talk", "text", ["x", "a" * 1500, f"<speak>{'<break/>' * 99}{'a' * 1500}</speak>"], [*NO_NAME, "a" * 1501, GONE]),
    ("talk", "text", ["<speak><break time='2s'/></speak>"], [f"<speak>{'a' * 1501}</speak>", "<b>" * 501]),
    ("talk", "language", ["en-US", "ar", "en-GB-WLS", "de-u-co-phonebk", "es-419"], NO_LANGUAGE),
    ("talk", "style", [0, 12], [1.5, "1", True, None]),
    ("talk", "premium", [True, False], NO_FLAG),
    ("talk", "loop", [0, 1, 99], [-1, 1.0, "1", False, None]),
    ("talk", "level", [-1, 1, 0.25], [-1.1, 1.1, 2, *NO_NUMBER]),
    ("talk", "bargeIn", [False], NO_FLAG),
    ("talk", "provider", ["other"], NO_TEXT),
    ("talk", "providerOptions", [{}, {"a": [1]}], NO_OBJECT),
    ("talk", "unheardOf", [None, 1, {}], []),
    ("stream", "streamUrl", [[URL]], [*NO_ARRAY, GONE]),
    ("stream", "loop", [0, 2], [-1, "0", None]),
    ("stream", "level", [-1, 0, 1], [-1.01, 1.01, "0", None]),
    ("stream", "bargeIn", [False], NO_FLAG),
    ("wait", "timeout", [0.1, 7200, 10, 0, -3, 10**400], NO_NUMBER),  # beyond its ends it counts as the nearer
    ("notify", "payload", [{}, {"a": None}], [*NO_OBJECT, GONE]),
    ("notify", "eventUrl", [[URL]], [*NO_ARRAY, GONE]),
    ("notify", "eventMethod", ["GET", "POST"], ["PATCH", None]),
    ("record", "format", ["mp3", "wav", "ogg"], ["flac", "MP3", None]),
    ("record", "split", ["conversation"], ["none", True, None]),
    ("split record", "channels", *whole(1, 32)),
    ("record", "endOnSilence", *whole(3, 10)),
    ("record", "endOnKey", ["0", "9", "*", "#"], ["a", "12", "", 1, None]),
    ("record", "timeOut", *whole(3, 7200)),
    ("record", "beepStart", [True], NO_FLAG),
    *events("record"),
    ("record", "transcription", [{}], NO_OBJECT),
    ("record", "transcription.language", ["en-US"], NO_LANGUAGE),
    *events("record", "transcription."),
    ("record", "transcription.sentimentAnalysis", [True], NO_FLAG),
    ("record", "public", [True], []),  # not documented, but sent by applications in production
    ("record", "validity_time", [1], []),
    ("conversation", "name", ["support"], [*NO_NAME, GONE]),
    ("conversation", "musicOnHoldUrl", [[URL]], NO_ARRAY),
    ("conversation", "startOnEnter", [False], NO_FLAG),
    ("conversation", "endOnExit", [True], NO_FLAG),
    ("conversation", "record", [True], NO_FLAG),
    *events("conversation"),
    ("conversation", "transcription.sentimentAnalysis", [False], NO_FLAG),
    *legs("conversation"),
    ("conversation", "mute", [True], NO_FLAG),
    *legs("transfer"),
    ("transfer", "mute", [True], NO_FLAG),
    ("transfer", "conversationId", ["CON-1"], [*NO_NAME, GONE]),
    ("connect", "endpoint", [], [[], SOUND["phone"]["endpoint"] * 2, SOUND["phone"]["endpoint"][0], None, GONE]),
    ("connect", "endpoint[0]", [], ["447700900123", None, []]),
    ("connect", "endpoint[0].type", [], ["pstn", "", 1, None, ["app"], GONE]),
    ("connect", "from", ["447700900123", "Vonage", ""], [447700900123, None]),
    ("connect", "randomFromNumber", [True, False], NO_FLAG),
    ("connect", "eventType", ["synchronous"], ["asynchronous", None]),
    ("connect", "timeout", *whole(1, 7200)),
    ("connect", "limit", *whole(1, 7200)),
    ("connect", "machineDetection", ["continue", "hangup"], ["detect", None]),
    ("connect", "advancedMachineDetection", [{}], NO_OBJECT),
    ("connect", "advancedMachineDetection.behavior", ["continue", "hangup"], ["wait", None]),
    ("connect", "advancedMachineDetection.mode", ["default", "detect", "detect_beep"], ["beep", None]),
    ("connect", "advancedMachineDetection.beep_timeout", *whole(30, 120)),
    *events("connect"),
    ("connect", "ringbackTone", [URL], NO_URL),
    ("phone", "endpoint[0].number", ["1234567", "987654321012345"], ["123456", "1" * 16, *NO_TEXT, GONE]),
    ("phone", "endpoint[0].number", [], ["+447700900123", "0447700900123", "44 7700 900123", "٤٤٧٧٠٠٩٠٠١٢٣"]),
    ("phone", "endpoint[0].dtmfAnswer", ["0123456789*#p"], ["1,2", "P", "", 12, None]),
    ("phone", "endpoint[0].onAnswer", [], [URL, {}.keys(), None]),
    ("answering", "endpoint[0].onAnswer.url", [URL], [*NO_URL, GONE]),
    ("answering", "endpoint[0].onAnswer.ringbackTone", [URL], NO_URL),
    ("answering", "endpoint[0].onAnswer.ringback", [URL], NO_URL),
    ("phone", "endpoint[0].shaken", ["eyJ…"], NO_TEXT),
    ("connect", "endpoint[0].user", ["Alice"], [*NO_NAME, GONE]),
    ("websocket", "endpoint[0].uri", ["ws://example.com", "wss://x:1/y?z"], [URL, "x.com", "wss://", 1, None, GONE]),
    ("websocket", "endpoint[0].content-type", [f"audio/l16;rate={khz}000" for khz in (8, 16, 24)], ["audio/wav", None]),
    ("websocket", "endpoint[0].headers", [{}, {"a": {"b": 1}}, padded(512), {"\ud800": 1}], [*NO_OBJECT, padded(513)]),
    ("authorized", "endpoint[0].authorization", [], NO_OBJECT),
    ("authorized", "endpoint[0].authorization.type", ["vonage", "custom"], ["basic", None, GONE]),
    ("authorized", "endpoint[0].authorization.value", ["Bearer x"], NO_TEXT),
    ("sip", "endpoint[0].uri", [sip(50), "sips:a@b;transport=tls"], [sip(51), "sip:", "a@b", "sip:a b", 1, None, GONE]),
    ("sip", "endpoint[0].headers", [{}, {"location": "New York"}], NO_OBJECT),
    ("sip", "endpoint[0].standardHeaders", [{}, {"User-to-User": "12;encoding=hex"}], NO_OBJECT),
    ("sip", "endpoint[0].standardHeaders.User-to-User", [], NO_TEXT),
    ("sip domain", "endpoint[0].domain", ["example"], [*NO_NAME, GONE]),
    ("sip domain", "endpoint[0].user", ["alice"], [*NO_NAME, GONE]),
    ("vbc", "endpoint[0].extension", ["111"], [*NO_NAME, GONE]),
    ("keys", "type", [["dtmf"], ["speech"], ["dtmf", "speech"]], [[], "dtmf", ["keys"], [None], None, GONE]),
    ("keys", "mode", ["synchronous", "asynchronous"], ["async", None]),
    ("keys", "dtmf", [{}], NO_OBJECT),
    ("keys", "dtmf.timeOut", *whole(0, 10)),
    ("keys", "dtmf.maxDigits", *whole(1, 20)),
    ("keys", "dtmf.submitOnHash", [True], NO_FLAG),
    ("keys", "speech", [{}], NO_OBJECT),
    ("keys", "speech.uuid", [["u1"]], ["u1", [], ["u1", "u2"], [""], [1], None]),
    ("keys", "speech.endOnSilence", [0.4, 10, 1.5], [0.39, 10.01, *NO_NUMBER]),
    ("keys", "speech.language", ["en-GB"], NO_LANGUAGE),
    ("keys", "speech.context", [[], ["sales", "support"]], ["sales", [1], None]),
    ("keys", "speech.startTimeout", *whole(1, 60)),
    ("keys", "speech.maxDuration", *whole(1, 60)),
    ("keys", "speech.saveAudio", [True], NO_FLAG),
    ("keys", "speech.sensitivity", *whole(10, 100)),
    ("keys", "speech.provider", ["other"], NO_TEXT),
    ("keys", "speech.providerOptions", [{}], NO_OBJECT),
    *events("keys"),
]  # fmt: skip


def named(row: Row) -> str:
    return f"{row[0]}-{row[1]}"


@pytest.mark.parametrize("sound", SOUND)
def test_every_action_and_endpoint_can_be_run(sound):
    assert faults([SOUND[sound]]) == []


@pytest.mark.parametrize("row", OPTIONS, ids=named)
def test_an_option_takes_what_is_documented(row):
    sound, option, good, _ = row
    assert {str(fault) for value in good for fault in faults([changed(sound, option, value)])} == set()


@pytest.mark.parametrize("row", OPTIONS, ids=named)
def test_an_option_takes_nothing_else(row):
    """There is one fault, at the option or at a member of the array that it is."""
    sound, option, _, bad = row
    for value in bad:
        found = [fault.field for fault in faults([changed(sound, option, value)])]
        assert found in ([option], [f"{option}[0]"]), value


def test_every_option_has_a_row():
    """An option that was added without one would not be tested."""

    def options(kind, under=""):
        for name, inner in kind.options.items():
            yield under + name
            yield from options(inner, f"{under}{name}.")

    rows = {(SOUND[sound]["action"], option) for sound, option, *_ in OPTIONS}
    known = {(action, option) for action, kind in ACTIONS.items() for option in options(kind)}
    elsewhere = {("conversation", f"transcription.{one}") for one in ("language", "eventUrl", "eventMethod")}
    elsewhere |= {("conversation", "transcription")}
    assert known - rows <= elsewhere


def test_channels_need_split():
    assert [fault.field for fault in faults([{"action": "record", "channels": 2}])] == ["split"]


@pytest.mark.parametrize(
    ("sound", "flag", "other"),
    [
        ("connect", "randomFromNumber", {"from": "447700900123"}),
        ("conversation", "mute", {"canSpeak": []}),
        ("transfer", "mute", {"canSpeak": ["u1"]}),
    ],
)
def test_some_options_exclude_each_other(sound, flag, other):
    assert [fault.field for fault in faults([SOUND[sound] | other | {flag: True}])] == [flag]
    assert faults([SOUND[sound] | other | {flag: False}]) == []


def test_asynchronous_input_is_for_keys_only_and_without_settings():
    keys = {"action": "input", "type": ["dtmf"], "mode": "asynchronous"}
    assert faults([keys | {"dtmf": {}}]) == []
    assert [fault.field for fault in faults([keys | {"dtmf": {"maxDigits": 1}}])] == ["dtmf"]
    assert [fault.field for fault in faults([keys | {"type": ["dtmf", "speech"]}])] == ["type"]
    assert faults([keys | {"dtmf": {"maxDigits": 1}, "type": ["dtmf", "speech"], "mode": "synchronous"}]) == []


@pytest.mark.parametrize(("has", "lacks"), [({}, "uri"), ({"user": "a"}, "domain"), ({"domain": "a"}, "user")])
def test_a_sip_endpoint_has_a_uri_or_a_domain_and_a_user(has, lacks):
    assert [fault.field for fault in faults([connect(type="sip", **has)])] == [f"endpoint[0].{lacks}"]
    assert faults([connect(type="sip", uri="sip:a@b", **has)]) == []


@pytest.mark.parametrize(("ncco", "wrong"), BARGE_IN)
def test_after_barge_in_the_next_action_of_another_kind_is_input(ncco, wrong):
    assert [(fault.action, fault.field) for fault in faults(ncco)] == [(place, "bargeIn") for place in wrong]


def test_an_unknown_action_is_one_fault_however_many_stand_around_it():
    assert [(fault.action, fault.field) for fault in faults([BARGE, {"action": "pay"}, INPUT])] == [(1, "action")]


def test_what_comes_after_an_endless_action_is_simply_not_run():
    for last in (SOUND["conversation"], SOUND["transfer"], TALK | {"loop": 0}):
        assert faults([last, TALK, CONNECT]) == []


def test_an_empty_ncco_can_be_run():
    assert faults([]) == []


@pytest.mark.parametrize("ncco", [None, {}, TALK, "[]", 1, True])
def test_what_is_no_array_is_no_ncco(ncco):
    assert [(fault.action, fault.field) for fault in faults(ncco)] == [(None, "")]


def test_all_faults_are_told_at_once_in_order_in_words_that_a_person_understands():
    ncco = [
        "talk",
        connect(type="app", user="") | {"limit": "60"},
        {"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 21}, "eventUrl": URL},
        {"action": "talk", "text": "x" * 1501, "level": 2.5, "premium": 1},
        {"action": "notify", "payload": [], "eventUrl": [URL, URL]},
        BARGE | {"loop": -1},
        BARGE_STREAM,
    ]
    assert [str(fault) for fault in faults(ncco)] == [
        'action 1: It is the text "talk", but must be an object.',
        "action 2 (connect), endpoint[0].user: It is empty text, but must be text that is not empty.",
        'action 2 (connect), limit: It is the text "60", but must be a whole number from 1 to 7200.',
        "action 3 (input), dtmf.maxDigits: It is the number 21, but must be a whole number from 1 to 20.",
        f'action 3 (input), eventUrl: It is the text "{URL}", but must be an array of one URL.',
        "action 4 (talk), text: It has 1501 characters without SSML tags, but must have 1500 at most.",
        "action 4 (talk), premium: It is the number 1, but must be true or false.",
        "action 4 (talk), level: It is the number 2.5, but must be a number from -1 to 1.",
        "action 5 (notify), payload: It is an empty array, but must be an object.",
        "action 5 (notify), eventUrl: It is an array of 2, but must be an array of one URL.",
        "action 6 (talk), loop: It is the number -1, but must be a whole number, 0 or more.",
        "action 6 (talk), bargeIn: It is true, but the next action that is no talk is stream; it must be input.",
        "action 7 (stream), bargeIn: It is true, but the next action that is no stream is missing; it must be input.",
    ]


def test_words_stay_short_and_can_be_printed():
    text = "\ud800" + "x" * 10_000
    (fault,) = faults([{"action": "record", "format": text}])
    assert len(fault.words.encode()) < 200


HELLO = [{"action": "talk", "text": "Hello"}]
SAID = json.dumps(HELLO)


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8", "text/plain", ""])
@pytest.mark.parametrize("text", [SAID, SAID.encode(), f" {SAID}\n"])
def test_a_reply_is_an_array_of_actions(text, content_type):
    assert read(text, content_type) == reply(text, content_type) == (HELLO, [])


@pytest.mark.parametrize("content_type", ["text/html", "TEXT/HTML; charset=utf-8", "text/xml", "application/xhtml+xml"])
def test_html_and_xml_are_refused_for_their_type(content_type):
    for body in (SAID, "{}"):
        for actions, wrong in (read(body, content_type), reply(body, content_type)):
            assert actions == []
            assert [fault.action for fault in wrong] == [None]
            assert "application/json" in str(wrong[0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        (b" \n", "is empty"),
        ("<html></html>", "HTML or XML"),
        (b" <?xml version='1.0'?>", "HTML or XML"),
        ('[{"action": talk}]', "not JSON (line 1, column 13)"),
        (b"\xff[]", "not JSON"),
        ("[NaN]", "not JSON"),
        ("[" * 100_000, "nested deeper than 64 levels"),
        ("[" * 66 + "]" * 66, "nested deeper than 64 levels"),
        (f"[{'1' * 5000}]", "not JSON"),
        ("{}", "is an object"),
        ('"talk"', 'is the text "talk"'),
        ("null", "is null"),
    ],
)
def test_what_is_no_ncco_is_named(text, words):
    actions, [fault] = read(text, "application/json")
    assert (actions, fault.action, fault.field) == ([], None, "")
    assert words in fault.words


def test_a_faulty_ncco_can_be_shown():
    assert read('[1, {"action": "pay"}]', "application/json") == ([{"action": "pay"}], faults([1, {"action": "pay"}]))


@pytest.mark.parametrize("text", ["", b"", " \n", "{}", '{"status": "success"}', b'{"_message": "a"}'])
def test_a_reply_may_hold_no_ncco(text):
    assert reply(text, "application/json") == (None, [])


def test_an_empty_body_of_any_type_is_no_ncco():
    assert reply("", "text/html; charset=utf-8") == (None, [])


def test_an_empty_array_is_an_ncco_that_leaves_nothing_to_do():
    assert read("[]", "application/json") == reply("[]", "application/json") == ([], [])


@pytest.mark.parametrize("text", ["null", "ok", "<p>", "[1]", '"{}"', '[{"action": "pay"}]'])
def test_what_else_an_instruction_callback_says_is_judged_like_an_answer(text):
    assert reply(text, "application/json") == read(text, "application/json")
    assert reply(text, "application/json")[1]


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("Hello", "Hello"),
        ("1 < 2 > 0 &amp;", "1 < 2 > 0 &amp;"),
        (" <speak>Hi <break time='1s'/><prosody rate='slow'>you</prosody></speak>", " Hi you"),
        ("<speak xml:lang='en-GB'>Q&amp;A &lt;b&gt; &amp;lt;</speak>", "Q&A <b> &lt;"),
        ("<speaker>", "<speaker>"),
    ],
)
def test_bare_text_is_what_is_spoken(text, bare):
    assert bare_text(text) == bare


# ---- Made-up NCCO

EXCLUDED = [("from", "randomFromNumber"), ("canSpeak", "mute"), ("mode", "dtmf"), ("mode", "type")]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["\ud800", URL, "dtmf"])
ANYTHING = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@st.composite
def sound_actions(draw: st.DrawFn) -> Json:
    """Any action or endpoint, with some of its options, each as the table has it."""
    sound = draw(st.sampled_from(sorted(SOUND)))
    action = copy.deepcopy(SOUND[sound])
    for name, option, good, _ in OPTIONS:
        if name == sound and good and draw(st.booleans()):
            put(action, option, copy.deepcopy(draw(st.sampled_from(good))))
    for one, other in EXCLUDED:
        if one in action and other in action:
            del action[one]
    return action


@st.composite
def sound_nccos(draw: st.DrawFn) -> Json:
    """Any sound actions, and here and there something to be interrupted before an input."""
    ncco: list[Json] = []
    for action in draw(st.lists(sound_actions(), max_size=5)):
        if action["action"] == "input" and draw(st.booleans()):
            ncco += draw(st.sampled_from([[BARGE], [BARGE, TALK], [BARGE_STREAM, STREAM, BARGE_STREAM]]))
        ncco.append(action)
    return ncco


@st.composite
def broken_nccos(draw: st.DrawFn) -> Json:
    """Sound but for some options, which may be anything."""
    ncco = copy.deepcopy(draw(sound_nccos()))
    for action in ncco:
        options = [option for name, option, *_ in OPTIONS if SOUND[name]["action"] == action["action"]]
        with contextlib.suppress(AttributeError, KeyError, TypeError):  # what is there is no object to put it in
            put(action, draw(st.sampled_from(options)), draw(ANYTHING))
    return ncco


@given(sound_nccos())
def test_whatever_is_sound_has_no_faults(ncco):
    assert faults(ncco) == []
    assert read(json.dumps(ncco), "application/json") == (ncco, [])


@given(
    ANYTHING | broken_nccos() | st.lists(st.fixed_dictionaries({"action": st.sampled_from(sorted(ACTIONS)) | ANYTHING}))
)
def test_whatever_json_says_it_is_judged(value):
    for fault in faults(value):
        assert isinstance(fault, Fault)
        str(fault).encode()
    read(json.dumps(value), "application/json")


@given(st.text() | st.binary(), st.text() | st.sampled_from(["application/json", "text/plain"]))
def test_whatever_a_reply_is_it_is_read(text, content_type):
    for actions, wrong in (read(text, content_type), reply(text, content_type)):
        assert wrong or actions in (None, []) or faults(actions) == []


def test_nothing_is_too_deep_or_too_long():
    deep: list[Json] = []
    for _ in range(100_000):
        deep = [deep]
    assert faults(deep)
    assert faults([{"action": deep}, TALK | {"text": deep}, connect(type="phone", number=deep), connect(type=deep)])
    assert faults([changed("websocket", "endpoint[0].headers", {"a": deep})])
    assert faults([changed("notify", "payload", {"a": deep})]) == []
    assert faults([TALK | {"text": "<speak>" + "<" * 1_000_000}])
    assert faults([changed("record", "transcription.language", "a-" * 1_000_000)])
    assert len(faults([BARGE] * 20_000)) == MOST_FAULTS
