"""NCCO for tests: what Vonage runs, which of it we serve, and what is neither; option by option, and generated.

https://developer.vonage.com/en/voice/voice-api/ncco-reference
"""

from __future__ import annotations

import contextlib
import copy
import json
import re
from typing import Any

from hypothesis import strategies as st

Json = Any
# A valid action, an option of it, valid values, invalid values, and values that Vonage runs and we
# do not serve.
Row = tuple[str, str, list[Json], list[Json], list[Json]]
GONE = object()  # in a row: the option is absent
URL = "https://example.com/x?y=z"
OWN = "http://localhost:8080"  # this server's own address


class Placeholder:
    """A value that is only known during a call."""

    def fill(self, _: object) -> Json:
        raise AssertionError("nobody calls here")


PLACEHOLDER = Placeholder()


def connect(**endpoint: Json) -> dict[str, Json]:
    return {"action": "connect", "endpoint": [endpoint]}


SOUND: dict[str, dict[str, Json]] = {
    "record": {"action": "record"},
    "split record": {"action": "record", "split": "conversation"},
    "conversation": {"action": "conversation", "name": "support"},
    "connect": connect(type="app", user="Alice"),
    "talk": {"action": "talk", "text": "Hello"},
    "stream": {"action": "stream", "streamUrl": [URL]},
    "keys": {"action": "input", "type": ["dtmf"]},
    "speech": {"action": "input", "type": ["speech"]},
    "input": {"action": "input", "type": ["dtmf", "speech"]},
    "notify": {"action": "notify", "payload": {"a": 1}, "eventUrl": [URL]},
    "wait": {"action": "wait"},
    "transfer": {"action": "transfer", "conversationId": "CON-1"},
    "phone": connect(type="phone", number="447700900123"),
    "answering": connect(type="phone", number="447700900123", onAnswer={"url": URL}),
    "websocket": connect(type="websocket", uri="wss://example.com/audio"),
    "authorized": connect(type="websocket", uri="wss://example.com/audio", authorization={"type": "vonage"}),
    "sip": connect(type="sip", uri="sip:alice@example.com"),
    "sip domain": connect(type="sip", domain="example", user="alice"),
    "vbc": connect(type="vbc", extension="111"),
}


def put(action: Json, path: str, value: Json) -> Json:
    """*action* with *value* at *path* ("endpoint[0].number"); missing objects on the way are added."""
    *way, last = (int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path))
    inner = action
    for part in way:
        inner = inner[part] if isinstance(part, int) else inner.setdefault(part, {})
    if value is GONE:
        del inner[last]
    else:
        inner[last] = value
    return action


def changed(sound: str, path: str, value: Json) -> Json:
    """One of the valid actions, with *value* at *path*."""
    return put(copy.deepcopy(SOUND[sound]), path, value)


def padded(size: int) -> dict[str, str]:
    """Headers of *size* bytes; é is two of them."""
    return {"k": "é" + "a" * (size - len('{"k":""}') - 2)}


NO_FLAG: list[Json] = ["yes", "", 1, 0, None]
NO_OBJECT: list[Json] = ["a", [], 1, None]
NO_LANGUAGE: list[Json] = ["en_GB", "English (UK)", "english", "e", "en-", "", 1, None]
NO_NUMBER: list[Json] = ["one", "", True, None, [], float("nan"), float("inf")]
NO_URL: list[Json] = [
    "example.com",
    "ftp://a.com",
    "https://",
    "https://a b.com",
    f"{OWN}/a b",
    "http://x:port",
    "http://x:0",
]
NO_URL += [f"{OWN}80/x", "", 5, None, [URL]]
NOT_OURS: list[Json] = ["https://a.com/ä", "http://example.com"]
NO_ARRAY: list[Json] = [URL, [], [URL, URL], [5], ["example.com"], None, {}]
NO_TEXT: list[Json] = [5, True, None, ["a"], {}]
NO_NAME: list[Json] = ["", " \n", *NO_TEXT]
HALF = "\ud800"  # half a character
EMPTY: list[Json] = ["", " \n", HALF]
FREE: list[Json] = [{}, {"a": [1, {"b": None}], "c": True}]


def sip(length: int) -> str:
    return "sip:" + "a" * (length - 4)


def whole(least: int, most: int) -> tuple[list[Json], list[Json], list[Json]]:
    wrong: list[Json] = [least - 1, most + 1, least + 0.5, float(most), str(most + 1), f"{most}.0", "true", True, None]
    return [least, most], [*wrong, 10**5000], []


def url(sound: str, option: str) -> Row:
    return (sound, option, [URL, OWN, f"{OWN}/a"], NO_URL, NOT_OURS)


def urls(sound: str, option: str) -> Row:
    return (sound, option, [[URL], [f"{OWN}/a"]], NO_ARRAY, [["http://example.com"]])


def events(sound: str, under: str = "") -> list[Row]:
    methods: Row = (sound, f"{under}eventMethod", ["GET", "POST"], ["PUT", "post", "", 1, None], [])
    return [urls(sound, f"{under}eventUrl"), methods]


def transcription(sound: str) -> list[Row]:
    return [
        (sound, "transcription", [{}], NO_OBJECT, []),
        (sound, "transcription.language", ["en-US"], NO_LANGUAGE, []),
        *events(sound, "transcription."),
        (sound, "transcription.sentimentAnalysis", [True, False], NO_FLAG, []),
    ]


def legs(sound: str) -> list[Row]:
    return [(sound, option, [[], ["u1", "u2"]], ["u1", [1], [""], None], []) for option in ("canSpeak", "canHear")]


def voice(sound: str, under: str = "") -> list[Row]:
    options: Row = (sound, f"{under}providerOptions", FREE, NO_OBJECT, [])
    return [(sound, f"{under}provider", ["other"], NO_TEXT, EMPTY), options]


SOUNDS: list[Json] = [f"audio/l16;rate={khz}000" for khz in (8, 16, 24)]
SIP_URIS: list[Json] = [sip(50), sip(51), "sips:a@b;transport=tls", "SIP:a@b", "sip:[2001:db8::1]", "sip:o'hara@b"]
NO_SIP: list[Json] = ["sip:", "a@b", "sip:a b", "sip:ä@b", 'sip:"alice"@b', "sip:<a@b>", "", 1, None, GONE]
NO_TYPE: list[Json] = [[], "dtmf", ["keys"], [None], None]

OPTIONS: list[Row] = [
    ("talk", "action", [], ["Talk", "pay", "", 1, None, ["talk"], GONE], []),
    ("talk", "text", ["x", "a" * 1500, f"<speak>{'<break/>' * 99}{'a' * 1500}</speak>"], [*NO_NAME, "a" * 1501], []),
    ("talk", "text", [], [GONE], []),
    ("talk", "text", ["<speak><break time='2s'/></speak>"], [f"<speak>{'a' * 1501}</speak>", "<b>" * 501], [HALF]),
    ("talk", "text", ["é", "1", "50 %", "你好", "a < b & c"], [], ["…", "?!", "👍", "<speak>…</speak>", "<speak/>"]),
    ("talk", "text", ["<speak><amazon:effect>x</amazon:effect></speak>\n"], [], ["<speak>a & b</speak>", "a <speak/>"]),
    ("talk", "language", ["en-US", "ar", "en-GB-WLS", "de-u-co-phonebk", "es-419"], NO_LANGUAGE, []),
    ("talk", "style", [0, 12], [1.5, "1.5", True, None], [10**400]),
    ("talk", "premium", [True, False], NO_FLAG, []),
    ("talk", "loop", [0, 1, 99], [-1, 1.0, "-1", "", False, None], []),
    ("talk", "level", [-1, 1, 0.25, 1.0], [-1.1, 1.1, 2, *NO_NUMBER], []),
    ("talk", "bargeIn", [False], NO_FLAG, []),
    *voice("talk"),
    ("stream", "streamUrl", [[URL], [f"{OWN}/a.mp3"]], [*NO_ARRAY, GONE], [["http://example.com"]]),
    ("stream", "loop", [0, 2], [-1, "x", None], []),
    ("stream", "level", [-1, 0, 1, -0.5], [-1.01, 1.01, "2", None], []),
    ("stream", "bargeIn", [False], NO_FLAG, []),
    ("wait", "timeout", [0.1, 7200, 10, 0.5], NO_NUMBER, [0, 0.09, 7200.5, -3, 10**400]),  # clamped to the nearer limit
    ("notify", "payload", FREE, [*NO_OBJECT, GONE], []),
    ("notify", "eventUrl", [[URL]], [*NO_ARRAY, GONE], [["http://example.com"]]),
    ("notify", "eventMethod", ["GET", "POST"], ["PATCH", None], []),
    ("record", "format", ["mp3", "wav", "ogg"], ["flac", "MP3", None], []),
    ("record", "split", ["conversation"], ["none", True, None], []),
    ("split record", "channels", *whole(1, 32)),
    ("record", "endOnSilence", *whole(3, 10)),
    ("record", "endOnKey", ["0", "9", "*", "#"], ["a", "12", "", 1, None], []),
    ("record", "timeOut", *whole(3, 7200)),
    ("record", "beepStart", [True], NO_FLAG, []),
    *events("record"),
    *transcription("record"),
    ("record", "public", [True], [], []),  # not documented, but sent by applications in production
    ("record", "validity_time", [1], [], []),
    ("conversation", "name", ["support"], [*NO_NAME, GONE], [HALF]),
    urls("conversation", "musicOnHoldUrl"),
    ("conversation", "startOnEnter", [False], NO_FLAG, []),
    ("conversation", "endOnExit", [True], NO_FLAG, []),
    ("conversation", "record", [True], NO_FLAG, []),
    *events("conversation"),
    *transcription("conversation"),
    *legs("conversation"),
    ("conversation", "mute", [True], NO_FLAG, []),
    ("transfer", "conversationId", ["CON-1"], [*NO_NAME, GONE], [HALF]),
    *legs("transfer"),
    ("transfer", "mute", [True], NO_FLAG, []),
    ("connect", "endpoint", [], [[], SOUND["phone"]["endpoint"] * 2, SOUND["phone"]["endpoint"][0], None, GONE], []),
    ("connect", "endpoint[0]", [], ["447700900123", None, []], []),
    ("connect", "endpoint[0].type", [], ["pstn", "", 1, None, ["app"], GONE], []),
    ("connect", "from", ["447700900123", "Vonage", "sip:alice@example.com"], [*NO_TEXT, 447700900123], EMPTY),
    ("connect", "randomFromNumber", [True, False], NO_FLAG, []),
    ("connect", "eventType", ["synchronous"], ["asynchronous", None], []),
    ("connect", "timeout", *whole(1, 7200)),
    ("connect", "limit", *whole(1, 7200)),
    ("connect", "machineDetection", ["continue", "hangup"], ["detect", None], []),
    ("connect", "advancedMachineDetection", [{}], NO_OBJECT, []),
    ("connect", "advancedMachineDetection.behavior", ["continue", "hangup"], ["wait", None], []),
    ("connect", "advancedMachineDetection.mode", ["default", "detect", "detect_beep"], ["beep", None], []),
    ("connect", "advancedMachineDetection.beep_timeout", [45, 120], whole(30, 120)[1], [30, 44]),
    *events("connect"),
    url("connect", "ringbackTone"),
    ("phone", "endpoint[0].number", ["1234567", "987654321012345"], ["123456", "1" * 16, *NO_TEXT, HALF, GONE], []),
    ("phone", "endpoint[0].number", [], ["+447700900123", "0447700900123", "44 7700 900123", "٤٤٧٧٠٠٩٠٠١٢٣"], []),
    ("phone", "endpoint[0].dtmfAnswer", ["0123456789*#p"], ["1,2", "P", "", 12, None], []),
    ("phone", "endpoint[0].onAnswer", [], [URL, None], []),
    ("answering", "endpoint[0].onAnswer.url", [URL, OWN], [*NO_URL, GONE], NOT_OURS),
    url("answering", "endpoint[0].onAnswer.ringbackTone"),
    url("answering", "endpoint[0].onAnswer.ringback"),
    ("phone", "endpoint[0].shaken", ["eyJ…"], NO_TEXT, EMPTY),
    ("connect", "endpoint[0].user", ["Alice"], [*NO_NAME, GONE], [HALF]),
    ("websocket", "endpoint[0].uri", ["wss://x:1/y?z", "WSS://x"], [URL, "x.com", "wss://", 1, None, GONE], []),
    ("websocket", "endpoint[0].content-type", SOUNDS, ["audio/wav", None], []),
    ("websocket", "endpoint[0].headers", [*FREE, padded(512)], [*NO_OBJECT, padded(513)], []),
    ("authorized", "endpoint[0].authorization", [], NO_OBJECT, []),
    ("authorized", "endpoint[0].authorization.type", ["vonage"], ["basic", None, GONE], []),
    ("authorized", "endpoint[0].authorization.value", ["Bearer x"], NO_TEXT, EMPTY),
    ("sip", "endpoint[0].uri", SIP_URIS, NO_SIP, []),
    ("sip", "endpoint[0].headers", [*FREE, {"location": "New York"}], NO_OBJECT, []),
    ("sip", "endpoint[0].standardHeaders", [{}, {"User-to-User": "12;encoding=hex"}], NO_OBJECT, []),
    ("sip", "endpoint[0].standardHeaders.User-to-User", ["a" * 256], NO_TEXT, [*EMPTY, "a" * 257]),
    ("sip domain", "endpoint[0].domain", ["example"], [*NO_NAME, GONE], [HALF]),
    ("sip domain", "endpoint[0].user", ["alice"], [*NO_NAME, GONE], [HALF]),
    ("vbc", "endpoint[0].extension", ["111"], [*NO_NAME, GONE], [HALF]),
    ("input", "type", [["dtmf"], ["speech"], ["speech", "dtmf"], ["dtmf"] * 2, GONE], NO_TYPE, []),
    ("keys", "mode", ["synchronous", "asynchronous"], ["async", None], []),
    ("input", "mode", ["synchronous"], ["async", None], []),
    ("keys", "dtmf", [{}], NO_OBJECT, []),
    ("keys", "dtmf.timeOut", *whole(0, 10)),
    ("keys", "dtmf.maxDigits", *whole(1, 20)),
    ("keys", "dtmf.submitOnHash", [True], NO_FLAG, []),
    ("input", "dtmf.maxDigits", [1], [], []),
    ("speech", "speech", [{}], NO_OBJECT, []),
    ("speech", "speech.uuid", [["u1"]], ["u1", [], ["u1", "u2"], [""], [1], None], []),
    ("speech", "speech.endOnSilence", [0.4, 10, 1.5], [0.39, 10.01, *NO_NUMBER], []),
    ("speech", "speech.language", ["en-GB"], NO_LANGUAGE, []),
    ("speech", "speech.context", [[], ["sales", "support"]], ["sales", [1], None], []),
    ("speech", "speech.startTimeout", *whole(1, 60)),
    ("speech", "speech.maxDuration", *whole(1, 60)),
    ("speech", "speech.saveAudio", [True, False], NO_FLAG, []),
    ("speech", "speech.sensitivity", *whole(10, 100)),
    *voice("speech", "speech."),
    ("input", "speech.sensitivity", [50], [], []),
    *events("input"),
]  # fmt: skip


# What Vonage runs and we serve, though it should be otherwise: a valid action, an option of it, and values.
ADVISED: list[tuple[str, str, list[Json]]] = [
    *(
        (sound, path, [json.dumps(value) for value in good if isinstance(value, bool | int | float)])
        for sound, path, good, *_ in OPTIONS
        if path not in ("public", "validity_time")
    ),
    ("talk", "bargeIn", ["False", "FALSE"]),
    ("sip", "endpoint[0].uri", [sip(51)]),
    ("websocket", "endpoint[0].uri", ["ws://example.com"]),
    ("keys", "type", [GONE, ["dtmf"] * 2]),
]


def row_name(row: Row) -> str:
    return f"{row[0]}-{row[1]}"


TALK, STREAM, INPUT, CONNECT = SOUND["talk"], SOUND["stream"], SOUND["keys"], SOUND["connect"]
BARGE, BARGE_STREAM = TALK | {"bargeIn": True}, STREAM | {"bargeIn": True}
# An NCCO, and the indexes of actions that can be interrupted but are not followed by an input.
BARGE_IN: list[tuple[list[Json], list[int]]] = [
    ([BARGE, INPUT], []),
    ([BARGE, TALK, TALK, INPUT, CONNECT], []),
    ([BARGE_STREAM, STREAM, INPUT], []),
    ([BARGE, INPUT, BARGE_STREAM, INPUT], []),
    ([BARGE], [0]),
    ([BARGE, TALK], [0]),
    ([BARGE, BARGE, CONNECT, INPUT], [0, 1]),
    ([BARGE_STREAM, TALK, INPUT], [0]),
    ([INPUT, TALK, BARGE, SOUND["record"], INPUT], [2]),
    ([INPUT, CONNECT, BARGE], [2]),
]

# ---- NCCO as Vonage's pages show them, shortened, with numbers and addresses of nobody

PAGES = "https://developer.vonage.com/en/voice/voice-api"
PUBLISHED: dict[str, list[Json]] = {
    f"{PAGES}/code-snippets/handle-user-input-with-dtmf": [
        {"action": "talk", "text": "Please enter a digit", "bargeIn": True},
        {"action": "input", "type": ["dtmf"], "dtmf": {"maxDigits": 1}, "eventUrl": [f"{URL}/dtmf"]},
    ],
    f"{PAGES}/code-snippets/handle-user-input-with-asr": [
        {"action": "talk", "text": "Please say something"},
        {
            "action": "input",
            "type": ["speech"],
            "speech": {"language": "en-us", "uuid": ["aaaaaaaa-bbbb-cccc-dddd-0123456789ab"], "endOnSilence": 1},
            "eventUrl": [f"{URL}/asr"],
        },
    ],
    f"{PAGES}/code-snippets/create-conference": [
        {"action": "talk", "text": "Please wait while we connect you to the conference"},
        {"action": "conversation", "name": "conference", "startOnEnter": False, "musicOnHoldUrl": [URL]},
    ],
    f"{PAGES}/code-snippets/record-a-call": [
        {"action": "talk", "text": "Please leave a message after the tone, then press #."},
        {"action": "record", "eventUrl": [URL], "endOnSilence": 3, "endOnKey": "#", "beepStart": True},
        {"action": "talk", "text": "Thank you for your message. Goodbye"},
    ],
    f"{PAGES}/code-snippets/record-with-split-audio": [
        {"action": "record", "split": "conversation", "channels": 2, "eventUrl": [URL]},
        connect(type="phone", number="447700900123") | {"from": "447700900000"},
    ],
    f"{PAGES}/concepts/websockets": [
        connect(
            type="websocket",
            uri="wss://example.com/socket",
            **{"content-type": "audio/l16;rate=16000"},
            headers={"name": "J Doe", "age": 40, "address": {"line_1": "Apartment 14", "city": "London"}},
        )
        | {"eventType": "synchronous", "eventUrl": [URL], "from": "447700900000"},
    ],
    f"{PAGES}/concepts/advanced-machine-detection": [
        connect(type="phone", number="447700900123")
        | {
            "from": "447700900000",
            "advancedMachineDetection": {"behavior": "continue", "mode": "detect_beep", "beep_timeout": 45},
            "eventUrl": [URL],
        },
    ],
    f"{PAGES}/concepts/customizing-tts": [
        {
            "action": "talk",
            "text": "<speak><lang xml:lang='es-ES'>Hola!</lang> <p>Bye<break time='1s'/></p></speak>",
            "language": "en-GB",
            "style": 2,
            "premium": True,
        },
    ],
    f"{PAGES}/ncco-reference#notify": [
        {"action": "notify", "payload": {"foo": "bar"}, "eventUrl": [URL], "eventMethod": "POST"},
        {"action": "wait", "timeout": 0.5},
        {"action": "transfer", "conversationId": "CON-1", "canHear": [], "mute": True},
    ],
    f"{PAGES}/ncco-reference#connect": [
        connect(
            type="phone",
            number="447700900001",
            dtmfAnswer="2p02p",
            onAnswer={"url": URL, "ringbackTone": "https://example.com/ring.wav"},
        )
        | {"timeout": 45, "limit": 3600, "randomFromNumber": True, "machineDetection": "continue"},
    ],
}  # fmt: skip

# ---- Made-up NCCO

EXCLUDED = [("from", "randomFromNumber"), ("canSpeak", "mute"), ("mode", "dtmf")]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([HALF, URL, "dtmf"])


def anything(leaves: st.SearchStrategy[Json] = LEAVES) -> st.SearchStrategy[Json]:
    return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


ANYTHING = anything()
UNFILLED = anything(LEAVES | st.just(PLACEHOLDER))  # with placeholders in it


@st.composite
def sound_actions(draw: st.DrawFn, *, as_vonage: bool = False) -> Json:
    """Any action or endpoint, with some of its options; *as_vonage*: also with values that we do not serve."""
    sound = draw(st.sampled_from(sorted(SOUND)))
    action = copy.deepcopy(SOUND[sound])
    for name, path, good, _, stricter in OPTIONS:
        # What holds for every connect is taken with every endpoint.
        fits = name == sound or (name == "connect" == action["action"] and not path.startswith("endpoint"))
        values = good + stricter if as_vonage else good
        if fits and values and draw(st.booleans()):
            put(action, path, copy.deepcopy(draw(st.sampled_from(values))))
    if sound == "input":  # its `type` may have become one of the two
        kinds = action.get("type")
        for kind in {"dtmf", "speech"} - {*(kinds if isinstance(kinds, list) else ())}:
            action.pop(kind, None)
    for option, other in EXCLUDED:
        if option in action and other in action:
            del action[option]
    return action


@st.composite
def sound_nccos(draw: st.DrawFn, *, as_vonage: bool = False) -> Json:
    """Any valid actions, some of them interruptible before an input."""
    ncco: list[Json] = []
    for action in draw(st.lists(sound_actions(as_vonage=as_vonage), min_size=not as_vonage, max_size=5)):
        if action["action"] == "input" and draw(st.booleans()):
            ncco += draw(st.sampled_from([[BARGE], [BARGE, TALK | {"loop": 3}], [BARGE_STREAM, STREAM, BARGE_STREAM]]))
        ncco.append(action)
    return ncco


@st.composite
def broken_nccos(draw: st.DrawFn, values: st.SearchStrategy[Json] = ANYTHING) -> Json:
    """Valid except for some options, which have any of *values*, or invalid ones."""
    ncco = copy.deepcopy(draw(sound_nccos()))
    for action in ncco:
        name, path, _, bad, stricter = draw(st.sampled_from(OPTIONS))
        if SOUND[name]["action"] == action["action"]:
            wrong = st.sampled_from([value for value in bad + stricter if value is not GONE] or [None])
            with contextlib.suppress(AttributeError, KeyError, TypeError):  # the value on the way is no object
                put(action, path, draw(values | wrong))
    return ncco
