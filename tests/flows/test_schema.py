"""What is accepted as NCCO, option by option, and which faults are reported for anything else.

https://developer.vonage.com/en/voice/voice-api/ncco-reference
"""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.flows import schema, sequence, ssml
from app.flows.schema import advices, faults
from tests.nccos import (
    ADVISED,
    OPTIONS,
    OWN,
    PLACEHOLDER,
    PUBLISHED,
    SOUND,
    UNFILLED,
    URL,
    Json,
    broken_nccos,
    changed,
    connect,
    row_name,
    sound_nccos,
)
from vonage_simulator import ncco as carrier
from vonage_simulator.json_shape import Found
from vonage_simulator.yaml_source import field


def paths(found: list[Found]) -> list[str]:
    return [field(path[1:]) for path, _ in found]


@pytest.mark.parametrize("sound", SOUND)
def test_every_action_and_endpoint_is_taken(sound):
    assert faults([SOUND[sound]]) == []


@pytest.mark.parametrize("row", OPTIONS, ids=row_name)
def test_an_option_takes_what_is_documented(row):
    sound, path, good, *_ = row
    assert [str(fault) for value in good for fault in faults([changed(sound, path, value)], own=OWN)] == []


@pytest.mark.parametrize("row", OPTIONS, ids=row_name)
def test_an_option_takes_nothing_else(row):
    """There is one fault, at the option or at a member of the array that it is."""
    sound, path, _, bad, stricter = row
    for value in bad + stricter:
        found = paths(faults([changed(sound, path, value)], own=OWN))
        assert found in ([path], [f"{path}[0]"]), value


@pytest.mark.parametrize("row", OPTIONS, ids=row_name)
def test_what_is_only_known_later_is_no_fault(row):
    sound, path, *_ = row
    assert faults([changed(sound, path, PLACEHOLDER)]) == []


@pytest.mark.parametrize(("sound", "path", "values"), ADVISED)
def test_what_vonage_runs_without_saying_so_is_served_with_advice(sound, path, values):
    for value in values:
        action = changed(sound, path, value)
        assert faults([action]) == carrier.faults([action]) == []
        assert paths(advices([action])) == [path], value


@pytest.mark.parametrize("row", OPTIONS, ids=row_name)
def test_there_is_no_advice_about_what_is_documented(row):
    sound, path, good, *_ = row
    advised = [changed(sound, path, value) for sound, path, values in ADVISED for value in values]
    sent = [changed(sound, path, value) for value in good]
    assert [found for action in sent if action not in advised for found in advices([action], own=OWN)] == []


def test_placeholders_may_be_in_arrays_and_objects():
    assert (
        faults([changed("stream", "streamUrl", [PLACEHOLDER]), changed("input", "type", ["dtmf", PLACEHOLDER])]) == []
    )
    assert (
        faults(
            [
                changed("notify", "payload", {"a": [PLACEHOLDER]}),
                changed("websocket", "endpoint[0].headers.a", PLACEHOLDER),
            ]
        )
        == []
    )
    assert faults([PLACEHOLDER, {"action": "connect", "endpoint": [PLACEHOLDER]}]) == []
    assert faults(PLACEHOLDER) == []


@pytest.mark.parametrize("page", PUBLISHED)
def test_what_vonage_publishes_is_accepted(page):
    assert (faults(PUBLISHED[page]), sequence.faults(PUBLISHED[page])) == ([], [])


@pytest.mark.parametrize(
    ("sound", "path", "words"),
    [
        ("talk", "bargein", "It is no option of talk; did you mean bargeIn?"),
        ("talk", "voiceName", "It is withdrawn: use language and style."),
        ("talk", "voice", "It is no option of talk."),
        ("keys", "maxDigits", "It is no option of input: it must be one level deeper, dtmf.maxDigits."),
        ("speech", "context", "It is no option of input: it must be one level deeper, speech.context."),
        ("phone", "endpoint[0].url", "It is no option of a phone endpoint: it must be one level deeper, onAnswer.url."),
        ("connect", "number", "It is no option of connect: it must be one level deeper, endpoint[0].number."),
        ("connect", "event_url", "It is no option of connect; did you mean eventUrl?"),
        ("connect", "from_", "It is no option of connect; did you mean from?"),
        ("phone", "endpoint[0].user", "It is no option of a phone endpoint."),
        ("answering", "endpoint[0].onAnswer.URL", "It is no option of onAnswer; did you mean url?"),
        ("keys", "dtmf.timeout", "It is no option of dtmf; did you mean timeOut?"),
        ("speech", "speech.endOnSilense", "It is no option of speech; did you mean endOnSilence?"),
        (
            "connect",
            "advancedMachineDetection.modus",
            "It is no option of advancedMachineDetection; did you mean mode?",
        ),
        ("record", "transcription.lang", "It is no option of transcription; did you mean language?"),
        ("authorized", "endpoint[0].authorization.token", "It is no option of authorization."),
        ("sip", "endpoint[0].standardHeaders.X-User", "It is no option of standardHeaders."),
    ],
)
def test_an_option_that_is_unknown_is_a_fault_and_may_be_misspelt(sound, path, words):
    for value in ("x", PLACEHOLDER):
        ((at, found),) = faults([changed(sound, path, value)])
        assert (field(at[1:]), found) == (path, words)


def test_a_name_that_is_no_text_is_reported():
    (one,) = faults([SOUND["talk"] | {1: 2}])
    assert one == ((0, "the number 1"), "It is no option of talk.")
    (one,) = faults([SOUND["talk"] | {10**5000: 2}])
    assert one == ((0, "a number far too large"), "It is no option of talk.")
    ((_, words),) = faults([SOUND["talk"] | {"bargeIn" * 1000: 2}])
    assert words == "It is no option of talk."
    (one,) = faults([changed("notify", "payload", {"a": {1: 2}})])
    assert one == ((0, "payload", "a", "the number 1"), "Its name is no text that JSON could hold.")
    ((path, _),) = faults([SOUND["talk"] | {"\ud800": 2}])
    field(path).encode()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("\ud800", "It has half a character: a code from D800 to DFFF."),
        (2**63, "It is a number far too large."),
        (float("nan"), "It is the number nan, which JSON does not have."),
        ((1,), "It is a tuple, which JSON does not have."),
        (b"a", "It is a bytes, which JSON does not have."),
    ],
)
def test_values_that_json_does_not_have_are_reported_at_any_depth(value, words):
    assert faults([changed("notify", "payload", {"a": [value]})]) == [((0, "payload", "a", 0), words)]
    assert faults([changed("sip", "endpoint[0].headers", {"a": value})]) == [
        ((0, "endpoint", 0, "headers", "a"), words)
    ]


def test_nothing_is_too_deep():
    deep: list[Json] = []
    for _ in range(100_000):
        deep = [deep]
    ((_, words),) = faults([changed("notify", "payload", {"a": deep})])
    assert words == "It is nested too deep."
    assert len(faults([changed("websocket", "endpoint[0].headers", {"a": deep})])) == 1
    deep = [1]
    for _ in range(schema.DEEPEST - 4):
        deep = [deep]
    assert faults([changed("notify", "payload", {"a": deep})]) == []


def test_channels_need_split():
    assert paths(faults([{"action": "record", "channels": 2}])) == ["split"]


@pytest.mark.parametrize(
    ("sound", "flag", "other"),
    [
        ("connect", "randomFromNumber", {"from": "447700900123"}),
        ("conversation", "mute", {"canSpeak": []}),
        ("transfer", "mute", {"canSpeak": ["u1"]}),
    ],
)
def test_some_options_exclude_each_other(sound, flag, other):
    assert paths(faults([SOUND[sound] | other | {flag: True}])) == [flag]
    assert faults([SOUND[sound] | other | {flag: False}]) == []
    assert faults([SOUND[sound] | other | {flag: PLACEHOLDER}]) == []
    assert faults([SOUND[sound] | dict.fromkeys(other, PLACEHOLDER) | {flag: True}]) == []  # it may come to nothing


def test_asynchronous_input_is_for_keys_only_and_without_settings():
    keys = {"action": "input", "type": ["dtmf"], "mode": "asynchronous"}
    assert faults([keys | {"dtmf": {}}]) == []
    assert paths(faults([keys | {"dtmf": {"maxDigits": 1}}])) == ["dtmf"]
    assert paths(faults([keys | {"type": ["dtmf", "speech"]}])) == ["type"]
    assert paths(advices([keys | {"speech": {"maxDuration": 1}}])) == ["speech"]


def test_what_is_set_for_keys_or_speech_should_be_asked_for():
    keys, speech = SOUND["keys"] | {"speech": {"language": "en-GB"}}, SOUND["speech"] | {"dtmf": {"maxDigits": 1}}
    assert faults([keys, speech]) == []
    assert (paths(advices([keys])), paths(advices([speech]))) == (["speech"], ["dtmf"])
    assert advices([SOUND["keys"] | {"speech": {}}, SOUND["input"] | {"speech": {"language": "en-GB"}}]) == []


@pytest.mark.parametrize(
    ("sip", "wrong"),
    [
        ({}, ["uri"]),
        ({"user": "a"}, ["domain"]),
        ({"domain": "a"}, ["user"]),
    ],
)
def test_a_sip_endpoint_has_a_uri_or_a_domain_and_a_user(sip, wrong):
    assert paths(faults([connect(type="sip", **sip)])) == [f"endpoint[0].{option}" for option in wrong]


@pytest.mark.parametrize(
    ("sip", "unused"),
    [
        ({"uri": "sip:a@b", "user": "a"}, ["user"]),
        ({"uri": "sip:a@b", "domain": "a", "user": "a"}, ["domain", "user"]),
        ({"uri": PLACEHOLDER, "domain": "a", "user": "a"}, []),
    ],
)
def test_beside_a_sip_uri_a_domain_and_a_user_are_not_used(sip, unused):
    action = connect(type="sip", **sip)
    assert faults([action]) == []
    assert paths(advices([action])) == [f"endpoint[0].{option}" for option in unused]


def test_an_authorization_of_ones_own_says_what_is_sent():
    assert paths(faults([changed("authorized", "endpoint[0].authorization", {"type": "custom"})])) == [
        "endpoint[0].authorization.value"
    ]
    assert faults([changed("authorized", "endpoint[0].authorization", {"type": "custom", "value": "Bearer x"})]) == []


def streamed(url: str, own: str = "") -> list[str]:
    """What is wrong with *url*."""
    return [words for _, words in faults([changed("stream", "streamUrl", [url])], own=own)]


@pytest.mark.parametrize(
    "url",
    [
        "https://a.com/x%20y.mp3?a[]=(b)&c=d'e@f#g",
        "HTTPS://Xn--Exmple-Cua.COM:65535",
        "https://user:p%40ss@a-b.example",
        "https://1",
        "https://[2001:db8::1]:8443/x",
        "https://a.com:/x",
    ],
)
def test_an_address_that_every_program_reads_the_same_way_is_taken(url):
    assert streamed(url) == []
    assert faults([changed("websocket", "endpoint[0].uri", "wss" + url[5:])]) == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://a.com/é", 'It has "é" in it, which no URL has; it must be written %C3%A9.'),
        ("https://a.com/a b.mp3", "It has a blank in it, which no URL has; it must be written %20."),
        ("https://a.com/a\nb", "It has U+000A in it, which no URL has; it must be written %0A."),
        *((f"https://a.com/{sign}", f'It has "{sign}" in it') for sign in '"<>{}|\\^`'),
        ("https://ä:b@a.com/", 'It has "ä" in it'),
        (
            "https://a@b@c.com",
            "It has more than one @ before its host; those of a user or a password must be written %40.",
        ),
        ("https://ä.com/x", 'Its host is the text "ä.com", but must have letters, digits, -, _ and . only'),
        *((f"https://{host}/x", "Its host is") for host in ("-a.com", "a-.com", "a.com..", ".com", "a..b", "-")),
        *(
            (f"https://{host}", "Its host is")
            for host in ("[", "[]", "[::1", "[zz]", "[::1%25eth0]", "a b.com", "a\\b")
        ),
        ("https://[::1]a/x", 'Its host is followed by the text "a"'),
        *(
            (f"https://a.com:{port}/x", "Its host is followed by")
            for port in ("0", "65536", "x", "1:2", "+1", "٣", ":")
        ),
        *((f"https://{rest}", "It has no host.") for rest in ("", "/x", "?x", "#x", ":443/x", "a@/x", "a@")),
    ],
)
def test_what_is_wrong_with_an_address_is_reported(url, words):
    (fault,) = streamed(url)
    assert fault.startswith(words)


@pytest.mark.parametrize("host", ["my_bucket.s3.example.com", "example.com.", "_dmarc.example.com", "[2001:db8::1]"])
def test_a_host_may_have_these_too(host):
    """https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2"""
    assert streamed(f"https://{host}/a.mp3") == []


def test_our_own_address_is_what_it_was_set_to_and_what_follows_is_as_in_any_other():
    assert streamed("http://my_host-:80/a/b?c", own="http://my_host-:80/") == []
    assert streamed("http://my_host-:80/a|b", own="http://my_host-:80") == [
        'It has "|" in it, which no URL has; it must be written %7C.'
    ]
    assert streamed("https://my_host-/a", own="http://my_host-")[0].startswith("Its host is")


@pytest.mark.parametrize("name", ["", "a b", "a:b", "é", "a\r\nb", "\t"])
def test_the_name_of_a_sip_header_is_one(name):
    ((path, words),) = faults([changed("sip", "endpoint[0].headers", {name: "x", "X-Y.z_1": "y"})])
    assert (path[-1], words.partition(":")[0]) == (name, "It is no name of a SIP header")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Tom & Jerry", "line 1, column 13: not well-formed (invalid token); for & write &amp;."),
        ("AT&T", "line 1, column 12: not well-formed (invalid token); for & write &amp;."),
        ("R&D; x", "line 1, column 9: undefined entity; for & write &amp;."),
        ("a&nbsp;b", "line 1, column 9: undefined entity; XML has no name &nbsp;: write the character itself."),
        ("2 < 3", "line 1, column 11: not well-formed (invalid token); for < write &lt;."),
        ("é\n 2<3", "line 2, column 4: not well-formed (invalid token); for < write &lt;."),
        ("Hi <break> you", "line 1, column 24: mismatched tag; <break> must be closed first: </break>, or <break/>."),
        (
            "<break time=1s/>",
            "line 1, column 20: not well-formed (invalid token); the value of an attribute must be in quotes.",
        ),
        ("&#0;", "line 1, column 8: reference to invalid character number."),
        ("\x07", "line 1, column 8: not well-formed (invalid token)."),
        ("<!DOCTYPE speak>", "line 1, column 10: not well-formed (invalid token)."),
    ],
)
def test_what_is_wrong_in_ssml_is_reported_with_its_place_and_what_to_do(text, words):
    assert ssml.ssml_fault(f"<speak>{text}</speak>") == f"It is no SSML: {words}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<speak>Hi", "line 1, column 10: no element found; <speak> must be closed first: </speak>, or <speak/>."),
        ("<speak", "line 1, column 1: unclosed token."),
        (
            "<speak>Hi</speak> you",
            "line 1, column 19: junk after document element; nothing but blanks may follow </speak>.",
        ),
        ("<speak>Hi</speak><!-- you -->", "nothing but blanks may follow </speak>."),
        *(
            (f"{before}<speak>Hi</speak>", "<speak> must be at its very beginning, and </speak> at its end.")
            for before in (
                "Hi ", "\u00a0", "\ufeff", "<!-- Hi -->", '<?xml version="1.0"?>', "<!DOCTYPE speak [<!ENTITY a 'b'>]>"
            )
        ),
        ("<Speak>Hi</Speak>", "it begins with <Speak>, but must begin with <speak>, in small letters."),
    ],
)  # fmt: skip
def test_all_of_a_text_is_in_speak(text, words):
    assert ssml.ssml_fault(text) == f"It is no SSML: {words}"
    assert paths(faults([{"action": "talk", "text": text}])) == ["text"]


@pytest.mark.parametrize(
    "text",
    [
        "2 < 3 & more",
        "<speaker> & co",
        " \n<speak\nxml:lang='en'>Q&amp;A &#233; <p>you <![CDATA[< & >]]></p><!-- & --></speak >\n",
        f"<speak>{'<p>' * 5000}x{'</p>' * 5000}</speak>",
    ],
)
def test_what_is_ssml_or_has_none_in_it_is_right(text):
    assert ssml.ssml_fault(text) is None


@pytest.mark.parametrize("tag", ssml.SOUNDS)
def test_a_text_says_something(tag):
    assert faults([{"action": "talk", "text": f"<speak>… <{tag}/></speak>"}]) == []
    assert [words for _, words in faults([{"action": "talk", "text": "<speak> <p>?</p> </speak>"}])] == [
        "It says nothing: it has no letter and no digit, and none of the tags audio, break, phoneme, sub."
    ]
    assert [words for _, words in faults([{"action": "talk", "text": "…"}])] == [
        "It says nothing: it has no letter and no digit."
    ]


@given(st.text("<>&;/!-[]speak ab'=\n\x07é", max_size=30))
def test_any_text_in_speak_is_checked(text):
    for whole in (f"<speak>{text}</speak>", f"{text}<speak>", f"<speak>a</speak>{text}"):
        fault = ssml.ssml_fault(whole)
        assert fault is None or fault.startswith("It is no SSML: ")


def test_addresses_are_https_but_for_this_server_s_own():
    stream = changed("stream", "streamUrl", [f"{OWN}/a.mp3"])
    assert faults([stream], own=OWN) == faults([stream], own=f"{OWN}/") == []
    for other in ("", "http://localhost", "http://localhost:80", "https://example.com"):
        assert paths(faults([stream], own=other)) == ["streamUrl[0]"]


@pytest.mark.parametrize("ncco", [None, {}, SOUND["talk"], "[]", 1, True, ()])
def test_what_is_no_array_is_no_ncco(ncco):
    ((path, words),) = faults(ncco)
    assert path == ()
    assert words.endswith("must be an array of actions.")


def test_an_empty_ncco_is_a_fault():
    assert faults([]) == [((), "It says nothing: the call would end at once. There must be one action at least.")]


def test_all_faults_are_reported_at_once_in_order_in_words_that_a_person_understands():
    ncco = [
        "talk",
        connect(type="phone", number=447700900123) | {"limit": "60 s"},
        {"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 21}, "eventUrl": URL},
        {"action": "talk", "text": "x" * 1501, "level": 2.5, "premium": 1},
        {"action": "stream", "streamUrl": ["http://example.com"]},
    ]
    assert [f"{field(path)}: {words}" for path, words in faults(ncco)] == [
        '[0]: It is the text "talk", but must be an object.',
        f"[1].endpoint[0].number: It is the number 447700900123, but must be {carrier.NUMBER.wanted}.",
        '[1].limit: It is the text "60 s", but must be a whole number from 1 to 7200.',
        "[2].dtmf.maxDigits: It is the number 21, but must be a whole number from 1 to 20.",
        f'[2].eventUrl: It is the text "{URL}", but must be an array of one URL that begins with https://.',
        "[3].text: It has 1501 characters without SSML tags, but must have 1500 at most.",
        "[3].premium: It is the number 1, but must be true or false.",
        "[3].level: It is the number 2.5, but must be a number from -1 to 1.",
        '[4].streamUrl[0]: It is the text "http://example.com", but must be a URL that begins with https://.',
    ]


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("Hello", "Hello"),
        ("1 < 2 > 0 &amp; &#65;", "1 < 2 > 0 &amp; &#65;"),
        (" <speak>Hi <break time='1s'/><prosody rate='slow'>you</prosody></speak>", " Hi you"),
        ("<speak xml:lang='en-GB'>Q&amp;A &lt;b&gt; &amp;lt; &apos;&quot;</speak>", "Q&A <b> &lt; '\""),
        (
            "<speak>&#65;&#x42;&#0067;&#x1F4de; &#38;lt; &nbsp; &#x110000; &#;</speak>",
            "ABC📞 &lt; &nbsp; &#x110000; &#;",
        ),
        ("<speaker>", "<speaker>"),
    ],
)
def test_tags_do_not_count_and_a_reference_is_one_character(text, counted):
    assert carrier.bare_text(text) == counted


# ---- Made-up NCCO


@given(sound_nccos())
def test_every_sound_action_has_no_faults(ncco):
    assert faults(ncco, own=OWN) == []


@given(sound_nccos() | broken_nccos(UNFILLED))
def test_accepted_actions_can_be_run_by_the_carrier(ncco):
    if not schema.faults(ncco, own=OWN) and not sequence.faults(ncco) and "Placeholder" not in repr(ncco):
        assert [str(fault) for fault in carrier.faults(ncco)] == []
        assert carrier.read(json.dumps(ncco), "application/json") == (ncco, [])


SIP = st.builds(
    str.__add__,
    st.sampled_from(["sip:", "SIP:", "sips:", "sip:+"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126)),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
TEXT = st.text(min_size=1)
IN_URL = st.text("aZ09-._~:/?#[]@!$&'()*+,;=%")
SSML = st.builds(
    lambda words, tags: f"<speak>{'a' * words}{'<break/>' * tags}</speak>", st.integers(0, 1600), st.integers(0, 200)
)
FRACTION = st.floats(-2, 20) | st.integers(-2, 20)

# Where the values of an option have more variety than the table of the other tests shows.
LOOSE: list[tuple[str, str, st.SearchStrategy[Json]]] = [
    ("talk", "text", TEXT | SSML),
    ("talk", "style", st.integers()),
    ("talk", "loop", st.integers(1)),
    ("talk", "level", FRACTION),
    ("stream", "level", FRACTION),
    ("stream", "streamUrl", st.builds(lambda rest: [f"https://example.com/{rest}"], IN_URL)),
    ("wait", "timeout", FRACTION | st.floats(0, 8000)),
    ("notify", "payload", st.dictionaries(st.text(), JSON)),
    ("conversation", "name", TEXT),
    ("conversation", "canHear", st.lists(TEXT)),
    ("record", "public", JSON),
    ("record", "validity_time", JSON),
    ("connect", "from", TEXT | st.from_regex("[1-9][0-9]{4,15}", fullmatch=True)),
    ("connect", "endpoint[0].user", TEXT),
    ("phone", "endpoint[0].number", st.from_regex("[1-9][0-9]{4,15}", fullmatch=True)),
    ("phone", "endpoint[0].dtmfAnswer", st.text("0123456789*#p", min_size=1)),
    ("phone", "endpoint[0].shaken", TEXT),
    ("websocket", "endpoint[0].headers", st.dictionaries(st.text(), JSON)),
    ("sip", "endpoint[0].uri", SIP),
    ("sip", "endpoint[0].headers", st.dictionaries(st.from_regex("[!-9;-~]{1,5}", fullmatch=True), JSON)),
    ("speech", "speech.endOnSilence", FRACTION),
    ("speech", "speech.context", st.lists(st.text())),
]  # fmt: skip


@pytest.mark.parametrize("row", LOOSE, ids=lambda row: f"{row[0]}-{row[1]}")
@given(data=st.data())
def test_any_accepted_value_can_be_run_by_the_carrier(row, data):
    sound, path, values = row
    action = changed(sound, path, data.draw(values))
    assume(not faults([action]))
    assert [str(fault) for fault in carrier.faults([action])] == []


@given(
    UNFILLED
    | broken_nccos(UNFILLED)
    | st.lists(st.fixed_dictionaries({"action": UNFILLED | st.sampled_from(["talk"])}))
)
def test_any_value_is_checked(value):
    for path, words in faults(value):
        f"{field(path)}: {words}".encode()
    if not faults(value) and "Placeholder" not in repr(value):
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
