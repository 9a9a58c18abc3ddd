"""Could Vonage run this NCCO? The table of actions and options, and the check of a reply that has one.

The table follows https://developer.vonage.com/en/voice/voice-api/ncco-reference option by option; other sources are
named beside what they say. Only what is documented as wrong is a fault: unknown options are ignored, and so is what
comes after an action that never ends. The server checks what it sends by the same table, with stricter rules on top
(app/flows/schema.py).

Numbers, true and false may be text: Vonage's PHP SDK and some of its own samples send them so, and a maintainer of its
.NET SDK says that the API takes both. https://github.com/Vonage/vonage-dotnet-sdk/issues/211,
https://developer.vonage.com/en/voice/voice-api/code-snippets/recording-calls/record-a-message
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vonage_simulator import json_shape
from vonage_simulator.json_shape import Found, Rule
from vonage_simulator.yaml_source import field

MOST_FAULTS = 20
DEEPEST = 64  # levels; ours


@dataclass(frozen=True, slots=True)
class Fault:
    """Why Vonage could not run an NCCO."""

    action: int | None  # index in the array; None: the whole
    field: str  # "text", "endpoint[0].number", "dtmf.maxDigits"; "" where it is the action itself
    words: str  # one sentence: what it is, and what it must be
    name: str | None = None  # of the action, if Vonage has one of that name

    def __str__(self) -> str:
        """For people, who count from 1: "action 2 (connect), endpoint[0].number: It is …"."""
        if self.action is None:
            return self.words
        name = f" ({self.name})" if self.name else ""
        option = f", {self.field}" if self.field else ""
        return f"action {self.action + 1}{name}{option}: {self.words}"


# ---- Rules beyond the kind of one option. A placeholder breaks none of them.

MOST_CHARACTERS = 1500  # https://developer.vonage.com/en/voice/voice-api/ncco-reference#talk
MOST_HEADER_BYTES = 512  # https://developer.vonage.com/en/voice/voice-api/concepts/websockets
# The five names that XML has for characters; HTML's others (&nbsp;) are not in SSML.
XML_NAMES = {"lt": "<", "gt": ">", "quot": '"', "apos": "'", "amp": "&"}


def bare_text(text: str) -> str:
    """*text* as it is spoken and counted: without SSML tags, and with one character for each reference.

    Outside of `<speak>` there are neither: "2 < 3 &amp; 4 > 3" is what it is.
    https://developer.vonage.com/en/voice/voice-api/concepts/customizing-tts
    """
    if not re.match(r"\s*<speak[\s/>]", text):
        return text
    return re.sub(r"&(?:#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6}|lt|gt|quot|apos|amp);", _character, re.sub("<[^<>]*>", "", text))


def _character(reference: re.Match[str]) -> str:
    name = reference[0][1:-1]
    if name in XML_NAMES:
        return XML_NAMES[name]
    code = int(f"0{name[1:]}", 0) if name[1] == "x" else int(name[1:])
    return chr(code) if code <= 0x10FFFF else reference[0]


def _short_enough(text: str) -> Iterator[Found]:
    if (length := len(bare_text(text))) > MOST_CHARACTERS:
        yield (), f"It has {length} characters without SSML tags, but must have {MOST_CHARACTERS} at most."


def _few_bytes(headers: dict[str, Any]) -> Iterator[Found]:
    try:
        size = len(json.dumps(headers, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass"))
    except (TypeError, ValueError):  # a placeholder, whose size nobody knows, or no JSON
        return
    except RecursionError:
        yield (), f"It is nested too deep, but must be {MOST_HEADER_BYTES} bytes of JSON at most."
        return
    if size > MOST_HEADER_BYTES:
        yield (), f"It is {size} bytes of JSON, but must be {MOST_HEADER_BYTES} at most."


def _uri_or_domain(sip: dict[str, Any]) -> Iterator[Found]:
    if not {"uri", "domain", "user"} & sip.keys():
        yield ("uri",), "It is missing; there must be a uri, or a domain and a user in place of it."
    for option, other in (("domain", "user"), ("user", "domain")):
        if "uri" not in sip and option not in sip and other in sip:
            yield (option,), f"It is missing; there must be one where there is a {other} and no uri."


def _never_with(other: str, flag: str) -> Rule:
    """*flag* and *other* exclude each other. A flag that is false does no harm: Vonage's SDKs let it pass."""

    def rule(action: dict[str, Any]) -> Iterator[Found]:
        if action.get(flag) is True and other in action and not json_shape.later(action[other]):
            yield (flag,), f"It is true, but there is {other} too; there must be one of the two only."

    return rule


def _split_for_channels(record: dict[str, Any]) -> Iterator[Found]:
    if "channels" in record and "split" not in record and not json_shape.later(record["channels"]):
        yield ("split",), 'It is missing; it must be "conversation" where there is channels.'


def _one_key_at_a_time(action: dict[str, Any]) -> Iterator[Found]:
    types, settings = action.get("type"), action.get("dtmf")
    if action.get("mode") == "asynchronous":
        if isinstance(types, list) and "speech" in types:
            yield ("type",), 'It has "speech" in it, but must be ["dtmf"] where mode is "asynchronous".'
        if isinstance(settings, dict) and settings:
            yield ("dtmf",), 'It has settings, but must have none where mode is "asynchronous": each key comes alone.'


# ---- The table: what Vonage runs
#
# The third argument of some kinds, `name`, is what app/flows/schema.py knows them by, where what we serve has to be
# stricter than what Vonage runs.

FLAG, ANYTHING = json_shape.FLAG, json_shape.ANYTHING
OBJECT = json_shape.mapping()  # with names and values of its author's
TEXT = json_shape.text(name="text")
NAME = json_shape.text("text that is not empty", r"(?s).*\S.*")
# Subtags of languages with more than three letters are reserved, or not in use.
# https://www.rfc-editor.org/rfc/rfc5646#section-2.2.1
LANGUAGE = json_shape.text('a BCP-47 code such as "en-GB"', r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
NUMBER = json_shape.text(
    'text of 7 to 15 digits, the country code first, without plus or zero before it, such as "447700900123"',
    "[1-9][0-9]{6,14}",
)  # https://developer.vonage.com/en/voice/voice-api/concepts/numbers
KEYS = json_shape.text("text of digits, *, # and p (a pause of half a second)", "[0-9*#p]+")
# The characters: https://www.rfc-editor.org/rfc/rfc3261. Only https://developer.vonage.com/en/api/voice has a limit of
# length, and longer ones are served.
SIP_URI = replace(
    json_shape.text(
        "a SIP URI without blanks, quotes, < and >, such as sip:alice@example.com", r"(?i:sips?):[!#-;=?-~]+"
    ),
    should=json_shape.text("50 characters at most, by one page of Vonage's", r".{1,50}"),
)
URL = json_shape.address("http", "https", name="url")
ONE_URL = json_shape.array("an array of one URL", URL, 1, 1, name="one url")
LEGS = json_shape.array("an array of leg ids", NAME)  # empty: nobody

EVENTS = {"eventUrl": ONE_URL, "eventMethod": json_shape.one_of("GET", "POST")}
VOICE = {"provider": TEXT, "providerOptions": OBJECT}  # https://github.com/Vonage/vonage-ruby-sdk/pull/352
PLAYED = {"loop": json_shape.whole(0), "level": json_shape.number(-1, 1), "bargeIn": FLAG}
TRANSCRIPTION = json_shape.mapping({"language": LANGUAGE, **EVENTS, "sentimentAnalysis": FLAG}, name="transcription")

PHONE = {
    "number": json_shape.needed(NUMBER),
    "dtmfAnswer": KEYS,
    "onAnswer": json_shape.mapping(
        {"url": json_shape.needed(URL), "ringbackTone": URL, "ringback": URL},  # ringback: the old name, still taken
        name="onAnswer",
    ),
    "shaken": TEXT,
}
WEBSOCKET = {
    "uri": json_shape.needed(json_shape.address("ws", "wss", name="websocket url")),
    "content-type": json_shape.one_of("audio/l16;rate=8000", "audio/l16;rate=16000", "audio/l16;rate=24000"),
    "headers": json_shape.mapping({}, _few_bytes),
    "authorization": json_shape.mapping(
        {"type": json_shape.needed(json_shape.one_of("vonage", "custom")), "value": TEXT}, name="authorization"
    ),
}
SIP = {
    "uri": SIP_URI,
    "domain": NAME,
    "user": NAME,
    "headers": json_shape.mapping(name="sip headers"),
    "standardHeaders": json_shape.mapping({"User-to-User": json_shape.text(name="uui")}, name="standardHeaders"),
}
ENDPOINTS = {
    "phone": json_shape.mapping(PHONE, name="a phone endpoint"),
    "app": json_shape.mapping({"user": json_shape.needed(NAME)}, name="an app endpoint"),
    "websocket": json_shape.mapping(WEBSOCKET, name="a websocket endpoint"),
    "sip": json_shape.mapping(SIP, _uri_or_domain, name="a sip endpoint"),
    "vbc": json_shape.mapping({"extension": json_shape.needed(NAME)}, name="a vbc endpoint"),
}
# https://developer.vonage.com/en/voice/voice-api/concepts/advanced-machine-detection
MACHINE = {
    "behavior": json_shape.one_of("continue", "hangup"),
    "mode": json_shape.one_of("default", "detect", "detect_beep"),
    # From 45 in the NCCO reference; from 30 in https://developer.vonage.com/en/api/voice
    "beep_timeout": json_shape.whole(30, 120, name="beep_timeout"),
}
DTMF = {"timeOut": json_shape.whole(0, 10), "maxDigits": json_shape.whole(1, 20), "submitOnHash": FLAG}
SPEECH = {
    "uuid": json_shape.array("an array of one leg id", NAME, 1, 1),
    "endOnSilence": json_shape.number(0.4, 10),
    "language": LANGUAGE,
    "context": json_shape.array("an array of texts", json_shape.text()),
    "startTimeout": json_shape.whole(1, 60),
    "maxDuration": json_shape.whole(1, 60),
    "saveAudio": FLAG,
    "sensitivity": json_shape.whole(10, 100),
    **VOICE,
}

TALK = {
    "text": json_shape.needed(replace(NAME, name="spoken", rules=(_short_enough,))),
    "language": LANGUAGE,
    "style": json_shape.whole(),
    "premium": FLAG,
    **PLAYED,
    **VOICE,
}
STREAM = {"streamUrl": json_shape.needed(ONE_URL), **PLAYED}
WAIT = {"timeout": json_shape.number(name="wait seconds")}  # beyond 0.1 and 7200 it counts as the nearer of them
NOTIFY = {"payload": json_shape.needed(OBJECT), **EVENTS, "eventUrl": json_shape.needed(ONE_URL)}
RECORD = {
    "format": json_shape.one_of("mp3", "wav", "ogg"),
    "split": json_shape.one_of("conversation"),
    "channels": json_shape.whole(1, 32),
    "endOnSilence": json_shape.whole(3, 10),
    "endOnKey": json_shape.text("text of one key: a digit, * or #", "[0-9*#]"),
    "timeOut": json_shape.whole(3, 7200),
    "beepStart": FLAG,
    **EVENTS,
    "transcription": TRANSCRIPTION,
    "public": ANYTHING,  # not documented, this one and the next; sent by applications in production
    "validity_time": ANYTHING,
}
CONVERSATION = {
    "name": json_shape.needed(NAME),
    "musicOnHoldUrl": ONE_URL,
    "startOnEnter": FLAG,
    "endOnExit": FLAG,
    "record": FLAG,
    **EVENTS,
    "transcription": TRANSCRIPTION,
    "canSpeak": LEGS,
    "canHear": LEGS,
    "mute": FLAG,
}
CONNECT = {
    "endpoint": json_shape.needed(
        json_shape.array("an array of one endpoint", json_shape.choice("type", ENDPOINTS), 1, 1)
    ),
    "from": TEXT,  # a number that is not the application's is no fault: the callee sees "unknown"
    "randomFromNumber": FLAG,
    "eventType": json_shape.one_of("synchronous"),
    # No range is documented. The Java SDK has 3 to 7200, a call made by the API rings for 1 second at least.
    "timeout": json_shape.whole(1, 7200),
    "limit": json_shape.whole(1, 7200),
    "machineDetection": json_shape.one_of("continue", "hangup"),
    "advancedMachineDetection": json_shape.mapping(MACHINE, name="advancedMachineDetection"),
    **EVENTS,
    "ringbackTone": URL,  # text, unlike the other URLs of actions
}
INPUT = {
    # Documented as required, but Vonage's PHP SDK never sends it.
    # https://github.com/Vonage/vonage-php-sdk-core/blob/main/src/Voice/NCCO/Action/Input.php
    "type": json_shape.array('an array of "dtmf", "speech" or both', json_shape.one_of("dtmf", "speech"), 1),
    "mode": json_shape.one_of("synchronous", "asynchronous"),
    "dtmf": json_shape.mapping(DTMF, name="dtmf"),
    "speech": json_shape.mapping(SPEECH, name="speech"),
    **EVENTS,
}
TRANSFER = {"conversationId": json_shape.needed(NAME), "canHear": LEGS, "canSpeak": LEGS, "mute": FLAG}

ACTIONS = {
    "record": json_shape.mapping(RECORD, _split_for_channels, name="record"),
    "conversation": json_shape.mapping(CONVERSATION, _never_with("canSpeak", "mute"), name="conversation"),
    "connect": json_shape.mapping(CONNECT, _never_with("from", "randomFromNumber"), name="connect"),
    "talk": replace(json_shape.mapping(TALK, name="talk"), withdrawn={"voiceName": "language and style"}),
    "stream": json_shape.mapping(STREAM, name="stream"),
    "input": json_shape.mapping(INPUT, _one_key_at_a_time, name="input"),
    "notify": json_shape.mapping(NOTIFY, name="notify"),
    "wait": json_shape.mapping(WAIT, name="wait"),
    "transfer": json_shape.mapping(TRANSFER, _never_with("canSpeak", "mute"), name="transfer"),
}
ACTION = json_shape.choice("action", ACTIONS)


# ---- The check, and what is run


def as_run(action: Mapping[str, Any]) -> dict[str, Any]:
    """*action*, which has no fault, with its options in their own types; an `input` has a `type`.

    What Vonage reads without one is not documented; here it is what has settings, else keys.
    """
    plain: dict[str, Any] = ACTION.plain(action)
    if plain["action"] == "input" and "type" not in plain:
        plain["type"] = [kind for kind in ("dtmf", "speech") if kind in plain] or ["dtmf"]
    return plain


def faults(ncco: Any) -> list[Fault]:
    """Why Vonage could not run *ncco*, any value that JSON can have: in order; none if it can be run."""
    if not isinstance(ncco, list):
        return [Fault(None, "", f"The NCCO is {json_shape.shown(ncco)}, but must be an array of actions.")]
    found: list[Fault] = []
    for index, (action, never_interrupted) in enumerate(zip(ncco, barge_in_faults(ncco), strict=True)):
        wrong = [*ACTION.faults(action), *([(("bargeIn",), never_interrupted)] if never_interrupted else [])]
        found += [Fault(index, field(path), words, _name(action)) for path, words in wrong]
        if len(found) >= MOST_FAULTS:  # an author with so many mends these first
            break
    return found[:MOST_FAULTS]


def barge_in_faults(ncco: Sequence[Any]) -> list[str | None]:
    """For each action, what is wrong with its `bargeIn`: the next action of another kind must be `input`.

    An action without a name that Vonage has is ignored. A placeholder for a name may become "input".
    """
    found: list[str | None] = []
    following: str | None = None  # the nearest name after this action
    beyond: str | None = None  # the nearest that is another than that
    for action in reversed(ncco):
        name = _name(action)
        then = beyond if name == following else following
        interrupted = name in ("talk", "stream") and "bargeIn" in action and ACTION.plain(action)["bargeIn"] is True
        if interrupted and then != "input":
            found.append(f"It is true, but the next action that is no {name} is {then or 'missing'}; it must be input.")
        else:
            found.append(None)
        if name not in (None, following):
            following, beyond = name, following
    return found[::-1]


def _name(action: Any) -> str | None:
    """The name of an action, if Vonage has one of that name."""
    name = action.get("action") if isinstance(action, Mapping) else None
    if json_shape.later(name):
        return "input"
    return str(name) if json_shape.known(name, ACTIONS) else None


# ---- Replies


def read(text: str | bytes, content_type: str) -> tuple[list[dict[str, Any]], list[Fault]]:
    """The actions in the body of a reply to an answer webhook, and what is wrong with it.

    An NCCO with faults cannot be run: its actions, those that are objects, are for display. Anything else has none.
    https://developer.vonage.com/en/voice/voice-api/webhook-reference#answer-webhook
    """
    return _checked(*_value(text, content_type))


def reply(text: str | bytes, content_type: str) -> tuple[list[dict[str, Any]] | None, list[Fault]]:
    """The same for an instruction callback, such as that of `input`, which may be answered with no NCCO at all.

    (None, []): no NCCO, and the script goes on. ([], []): an empty NCCO, which leaves nothing to do. For no NCCO an
    empty body is documented; applications in production send `{}` and other objects, too.
    """
    if not text.strip():  # of any type: that of an empty body is often a framework's own text/html
        return None, []
    value, found = _value(text, content_type)
    return (None, []) if isinstance(value, dict) else _checked(value, found)


def _checked(value: Any, found: list[Fault]) -> tuple[list[dict[str, Any]], list[Fault]]:
    actions = [action for action in value if isinstance(action, dict)] if isinstance(value, list) else []
    return actions, found or faults(value)


def _value(text: str | bytes, content_type: str) -> tuple[Any, list[Fault]]:
    """The JSON value in a body, or None and why there is none.

    HTML and XML are refused for their type alone. application/json is right and text/plain was accepted; of other types
    nothing is documented, so there the body decides.
    https://api.support.vonage.com/hc/en-us/articles/115016024247
    """
    kind, start = content_type.partition(";")[0].strip().lower(), text.lstrip()[:1]
    if kind == "text/html" or kind.endswith(("/xml", "+xml")):
        wrong = f"has the content type {kind[:40]}, but must be application/json"
    elif not start:
        wrong = "is empty, but must be an NCCO: a JSON array of actions"
    else:
        try:
            value = json.loads(text.decode() if isinstance(text, bytes) else text, parse_constant=_refuse)
            if not _deeper(value, DEEPEST):
                return value, []
            raise RecursionError
        except (RecursionError, ValueError) as error:
            place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
            what = "looks like HTML or XML" if start in {"<", b"<"} else f"is not JSON{place}"
            if isinstance(error, RecursionError):
                what = f"is nested deeper than {DEEPEST} levels"
            wrong = f"{what}, but must be an NCCO: a JSON array of actions"
    return None, [Fault(None, "", f"The reply {wrong}.")]


def _deeper(value: Any, levels: int) -> bool:
    """Whether arrays and objects are nested more than *levels* deep."""
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(levels == 0 or _deeper(member, levels - 1) for member in members if isinstance(member, dict | list))


def _refuse(constant: str) -> None:
    """NaN and Infinity, which Python would read though JSON has no such thing."""
    raise ValueError(constant)
