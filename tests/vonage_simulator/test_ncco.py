"""What Vonage runs of NCCO, option by option.

https://developer.vonage.com/en/voice/voice-api/ncco-reference
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.nccos import (
    ANYTHING,
    BARGE,
    BARGE_IN,
    BARGE_STREAM,
    CONNECT,
    INPUT,
    OPTIONS,
    PUBLISHED,
    SOUND,
    TALK,
    URL,
    Json,
    broken_nccos,
    changed,
    connect,
    row_name,
    sound_nccos,
)
from vonage_simulator.json_shape import Kind
from vonage_simulator.ncco import ACTIONS, ENDPOINTS, MOST_FAULTS, Fault, as_run, bare_text, faults, read, reply


@pytest.mark.parametrize("sound", SOUND)
def test_every_action_and_endpoint_can_be_run(sound):
    assert faults([SOUND[sound]]) == []


@pytest.mark.parametrize("row", OPTIONS, ids=row_name)
def test_an_option_takes_the_documented_values(row):
    sound, option, good, _, stricter = row
    assert {str(fault) for value in good + stricter for fault in faults([changed(sound, option, value)])} == set()


@pytest.mark.parametrize("row", OPTIONS, ids=row_name)
def test_an_option_takes_no_other_values(row):
    """There is one fault, at the option or at an item of its array."""
    sound, option, _, bad, _ = row
    for value in bad:
        found = [fault.field for fault in faults([changed(sound, option, value)])]
        assert found in ([option], [f"{option}[0]"]), value


def test_every_option_has_a_row_in_the_table():
    """An option without a row would not be tested, strictly or not."""

    def options(kind: Kind, under: str = "") -> Iterator[str]:
        for name, inner in kind.options.items():
            yield under + name
            yield from options(inner, f"{under}{name}.")

    known = {(action, option) for action, kind in ACTIONS.items() for option in options(kind)}
    known |= {("connect", option) for kind in ENDPOINTS.values() for option in options(kind, "endpoint[0].")}
    assert known <= {(SOUND[sound]["action"], option) for sound, option, *_ in OPTIONS}


@pytest.mark.parametrize("page", PUBLISHED)
def test_the_nccos_that_vonage_publishes_can_be_run(page):
    assert faults(PUBLISHED[page]) == []


def test_unknown_and_unused_options_are_ignored():
    values: list[Json] = [None, 1, {}]
    for value in values:
        assert faults([TALK | {"unheardOf": value}]) == []
    assert faults([changed("keys", "speech", {"maxDuration": 1})]) == []
    assert faults([changed("authorized", "endpoint[0].authorization.type", "custom")]) == []
    assert faults([changed("websocket", "endpoint[0].headers", {"\ud800": 1})]) == []
    assert faults([changed("connect", "from", "")]) == []


def test_numbers_true_and_false_may_be_text_and_are_run_as_what_they_say():
    said = TALK | {"bargeIn": "true", "loop": "0", "level": "-0.5", "premium": "False"}
    assert faults([said, INPUT]) == []
    assert as_run(said) == TALK | {"bargeIn": True, "loop": 0, "level": -0.5, "premium": False}
    assert [fault.field for fault in faults([said, CONNECT])] == ["bargeIn"]
    answering = changed("answering", "timeout", "45")
    assert as_run(answering) == changed("answering", "timeout", 45)
    assert said["loop"] == "0", "it is left as it is"
    assert [fault.field for fault in faults([CONNECT | {"from": "x", "randomFromNumber": "true"}])] == [
        "randomFromNumber"
    ]
    talking = TALK | {"text": "45"}
    assert as_run(talking) == talking


@pytest.mark.parametrize(
    ("has", "reads"),
    [({}, ["dtmf"]), ({"dtmf": {}}, ["dtmf"]), ({"speech": {"language": "en-GB"}}, ["speech"]),
     ({"speech": {}, "dtmf": {}}, ["dtmf", "speech"])],
)  # fmt: skip
def test_an_input_may_leave_out_its_type(has, reads):
    """As in https://github.com/Vonage/vonage-php-sdk-core/blob/main/src/Voice/NCCO/Action/Input.php."""
    assert faults([{"action": "input", **has}]) == []
    assert as_run({"action": "input", **has})["type"] == reads


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


def test_an_unknown_action_is_one_fault_among_any_others():
    assert [(fault.action, fault.field) for fault in faults([BARGE, {"action": "pay"}, INPUT])] == [(1, "action")]


def test_actions_after_an_endless_one_are_no_fault():
    for last in (SOUND["conversation"], SOUND["transfer"], TALK | {"loop": 0}):
        assert faults([last, TALK, CONNECT]) == []


def test_an_empty_ncco_can_be_run():
    assert faults([]) == []


@pytest.mark.parametrize("ncco", [None, {}, TALK, "[]", 1, True])
def test_only_an_array_is_an_ncco(ncco):
    assert [(fault.action, fault.field) for fault in faults(ncco)] == [(None, "")]


def test_all_faults_are_reported_at_once_in_order_and_in_plain_words():
    ncco = [
        "talk",
        connect(type="app", user="") | {"limit": "60 s"},
        {"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 21}, "eventUrl": URL},
        {"action": "talk", "text": "x" * 1501, "level": 2.5, "premium": 1},
        {"action": "notify", "payload": [], "eventUrl": [URL, URL]},
        BARGE | {"loop": -1},
        BARGE_STREAM,
    ]
    assert [str(fault) for fault in faults(ncco)] == [
        'action 1: It is the text "talk", but must be an object.',
        "action 2 (connect), endpoint[0].user: It is empty text, but must be text that is not empty.",
        'action 2 (connect), limit: It is the text "60 s", but must be a whole number from 1 to 7200.',
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
def test_a_reply_that_is_no_ncco_is_named(text, words):
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
def test_any_other_reply_to_an_event_is_judged_like_an_answer(text):
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
def test_bare_text_is_the_spoken_text(text, bare):
    assert bare_text(text) == bare


# ---- Made-up NCCO


@given(sound_nccos(as_vonage=True))
def test_sound_nccos_have_no_faults(ncco):
    assert faults(ncco) == []
    assert read(json.dumps(ncco), "application/json") == (ncco, [])


@given(
    ANYTHING | broken_nccos() | st.lists(st.fixed_dictionaries({"action": st.sampled_from(sorted(ACTIONS)) | ANYTHING}))
)
def test_any_json_is_checked(value):
    for fault in faults(value):
        assert isinstance(fault, Fault)
        str(fault).encode()
    read(json.dumps(value), "application/json")


@given(st.text() | st.binary(), st.text() | st.sampled_from(["application/json", "text/plain"]))
def test_any_reply_is_read(text, content_type):
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
