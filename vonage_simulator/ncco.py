"""Could Vonage run this NCCO? The carrier's own reading of the documentation, shared with nothing that writes NCCO.

The tables follow https://developer.vonage.com/en/voice/voice-api/ncco-reference option by option; other addresses stand
beside what comes from elsewhere. Only what is said to be wrong is a fault: an option that nobody has heard of is passed
over, and so is what comes after an action that never ends.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
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

    action: int | None  # place in the array, from 0; None: the whole
    field: str  # "text", "endpoint[0].number", "dtmf.maxDigits"; "" where it is the action itself
    words: str  # one sentence: what it is, and what it must be
    name: str | None = None  # of the action, where Vonage has one of that name

    def __str__(self) -> str:
        """For people, who count from 1: "action 2 (connect), endpoint[0].number: It is …"."""
        if self.action is None:
            return self.words
        name = f" ({self.name})" if self.name else ""
        place = f", {self.field}" if self.field else ""
        return f"action {self.action + 1}{name}{place}: {self.words}"


# ---- What must hold beyond that


def bare_text(text: str) -> str:
    """*text* as it is spoken, without SSML. Outside of `<speak>` there is none.

    https://developer.vonage.com/en/voice/voice-api/concepts/customizing-tts
    """
    if not re.match(r"\s*<speak[\s/>]", text):
        return text
    return html.unescape(re.sub(r"<[^<>]*>", "", text))


def _short_enough(text: str) -> Iterator[Found]:
    if (length := len(bare_text(text))) > 1500:
        yield (), f"It has {length} characters without SSML tags, but must have 1500 at most."


def _few_bytes(headers: dict[str, Any]) -> Iterator[Found]:
    try:
        size = len(json.dumps(headers, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass"))
    except (RecursionError, TypeError, ValueError):
        yield (), "It is nothing that JSON could say, but must be an object of 512 bytes at most."
    else:
        if size > 512:
            yield (), f"It is {size} bytes of JSON, but must be 512 at most."


def _uri_or_domain(sip: dict[str, Any]) -> Iterator[Found]:
    if not {"uri", "domain", "user"} & sip.keys():
        yield ("uri",), "It is missing; there must be a uri, or a domain and a user in place of it."
    for one, other in (("domain", "user"), ("user", "domain")):
        if "uri" not in sip and one not in sip and other in sip:
            yield (one,), f"It is missing; there must be one where there is a {other} and no uri."


def _never_with(other: str, flag: str) -> Rule:
    """*flag* and *other* exclude each other. One that is false does no harm: Vonage's SDKs let it pass."""

    def rule(action: dict[str, Any]) -> Iterator[Found]:
        if action.get(flag) is True and other in action:
            yield (flag,), f"It is true, but there is {other} too; there must be one of the two only."

    return rule


def _split_for_channels(record: dict[str, Any]) -> Iterator[Found]:
    if "channels" in record and "split" not in record:
        yield ("split",), 'It is missing; it must be "conversation" where there is channels.'


def _one_key_at_a_time(action: dict[str, Any]) -> Iterator[Found]:
    types, settings = action.get("type"), action.get("dtmf")
    if action.get("mode") == "asynchronous":
        if isinstance(types, list) and "speech" in types:
            yield ("type",), 'It has "speech" in it, but must be ["dtmf"] where mode is "asynchronous".'
        if isinstance(settings, dict) and settings:
            yield ("dtmf",), 'It has settings, but must have none where mode is "asynchronous".'


# ---- The tables

TEXT = json_shape.text()
FLAG = json_shape.Kind(wanted="true or false", fits=lambda value: isinstance(value, bool))
NAME = json_shape.text("text that is not empty", r"(?s).*\S.*")
LANGUAGE = json_shape.text('a BCP-47 code such as "en-GB"', r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
E164 = json_shape.text("text of 7 to 15 digits, the country code first, without plus or zero", "[1-9][0-9]{6,14}")
KEYS = json_shape.text("text of digits, *, # and p (a pause)", "[0-9*#p]+")
SIP_URI = json_shape.text(
    "a SIP URI of 50 characters at most, such as sip:alice@example.com", r"(?=.{1,50}$)(?i:sips?):\S+"
)
URL = json_shape.address("http", "https")
ONE_URL = json_shape.array("an array of one URL", URL, 1, 1)
LEGS = json_shape.array("an array of leg ids", NAME)  # empty: nobody

EVENTS = {"eventUrl": ONE_URL, "eventMethod": json_shape.one_of("GET", "POST")}
VOICE = {
    "provider": TEXT,
    "providerOptions": json_shape.mapping(),
}  # https://github.com/Vonage/vonage-ruby-sdk/pull/352
PLAYED = {"loop": json_shape.whole(0), "level": json_shape.number(-1, 1), "bargeIn": FLAG}
TRANSCRIPTION = json_shape.mapping({"language": LANGUAGE, **EVENTS, "sentimentAnalysis": FLAG})

PHONE = {
    "number": json_shape.needed(E164),
    "dtmfAnswer": KEYS,
    "onAnswer": json_shape.mapping(
        {"url": json_shape.needed(URL), "ringbackTone": URL, "ringback": URL}
    ),  # ringback: the old name
    "shaken": TEXT,
}
WEBSOCKET = {
    "uri": json_shape.needed(json_shape.address("ws", "wss")),
    "content-type": json_shape.one_of("audio/l16;rate=8000", "audio/l16;rate=16000", "audio/l16;rate=24000"),
    "headers": json_shape.mapping(
        {}, _few_bytes
    ),  # https://developer.vonage.com/en/voice/voice-api/concepts/websockets
    "authorization": json_shape.mapping(
        {"type": json_shape.needed(json_shape.one_of("vonage", "custom")), "value": TEXT}
    ),
}
SIP = {
    "uri": SIP_URI,
    "domain": NAME,
    "user": NAME,
    "headers": json_shape.mapping(),
    "standardHeaders": json_shape.mapping({"User-to-User": TEXT}),
}
ENDPOINTS = {
    "phone": json_shape.mapping(PHONE),
    "app": json_shape.mapping({"user": json_shape.needed(NAME)}),
    "websocket": json_shape.mapping(WEBSOCKET),
    "sip": json_shape.mapping(SIP, _uri_or_domain),
    "vbc": json_shape.mapping({"extension": json_shape.needed(NAME)}),
}
ENDPOINT = json_shape.mapping(
    {"type": json_shape.needed(json_shape.one_of(*ENDPOINTS))}, json_shape.of_its("type", ENDPOINTS)
)
MACHINE = {
    "behavior": json_shape.one_of("continue", "hangup"),
    "mode": json_shape.one_of("default", "detect", "detect_beep"),
    "beep_timeout": json_shape.whole(
        30, 120
    ),  # 45 in the NCCO reference; 30 in https://developer.vonage.com/en/api/voice
}
DTMF = {"timeOut": json_shape.whole(0, 10), "maxDigits": json_shape.whole(1, 20), "submitOnHash": FLAG}
SPEECH = {
    "uuid": json_shape.array("an array of one leg id", NAME, 1, 1),
    "endOnSilence": json_shape.number(0.4, 10),
    "language": LANGUAGE,
    "context": json_shape.array("an array of texts", TEXT),
    "startTimeout": json_shape.whole(1, 60),
    "maxDuration": json_shape.whole(1, 60),
    "saveAudio": FLAG,
    "sensitivity": json_shape.whole(10, 100),
    **VOICE,
}

TALK = {
    "text": json_shape.needed(replace(NAME, rules=(_short_enough,))),
    "language": LANGUAGE,
    "style": json_shape.whole(),
    "premium": FLAG,
    **PLAYED,
    **VOICE,
}
STREAM = {"streamUrl": json_shape.needed(ONE_URL), **PLAYED}
WAIT = {"timeout": json_shape.number()}  # beyond 0.1 and 7200 it counts as the nearer of them
NOTIFY = {"payload": json_shape.needed(json_shape.mapping()), **EVENTS, "eventUrl": json_shape.needed(ONE_URL)}
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
    "endpoint": json_shape.needed(json_shape.array("an array of one endpoint", ENDPOINT, 1, 1)),
    "from": TEXT,  # one that is no number of ours is no fault: the callee sees "unknown"
    "randomFromNumber": FLAG,
    "eventType": json_shape.one_of("synchronous"),
    # No range is documented. The Java SDK has 3 to 7200, a call made by the API rings for 1 second at least.
    "timeout": json_shape.whole(1, 7200),
    "limit": json_shape.whole(1, 7200),
    "machineDetection": json_shape.one_of("continue", "hangup"),
    "advancedMachineDetection": json_shape.mapping(MACHINE),
    **EVENTS,
    "ringbackTone": URL,  # no array
}
INPUT = {
    "type": json_shape.needed(
        json_shape.array('an array of "dtmf", "speech" or both', json_shape.one_of("dtmf", "speech"), 1)
    ),
    "mode": json_shape.one_of("synchronous", "asynchronous"),
    "dtmf": json_shape.mapping(DTMF),
    "speech": json_shape.mapping(SPEECH),
    **EVENTS,
}
TRANSFER = {"conversationId": json_shape.needed(NAME), "canHear": LEGS, "canSpeak": LEGS, "mute": FLAG}

ACTIONS = {
    "record": json_shape.mapping(RECORD, _split_for_channels),
    "conversation": json_shape.mapping(CONVERSATION, _never_with("canSpeak", "mute")),
    "connect": json_shape.mapping(CONNECT, _never_with("from", "randomFromNumber")),
    "talk": json_shape.mapping(TALK),
    "stream": json_shape.mapping(STREAM),
    "input": json_shape.mapping(INPUT, _one_key_at_a_time),
    "notify": json_shape.mapping(NOTIFY),
    "wait": json_shape.mapping(WAIT),
    "transfer": json_shape.mapping(TRANSFER, _never_with("canSpeak", "mute")),
}
ACTION = json_shape.mapping(
    {"action": json_shape.needed(json_shape.one_of(*ACTIONS))}, json_shape.of_its("action", ACTIONS)
)


# ---- The judgement


def faults(ncco: Any) -> list[Fault]:
    """Why Vonage could not run *ncco*, any value that JSON can have: all faults, in order; none if it can be run."""
    if not isinstance(ncco, list):
        return [Fault(None, "", f"The NCCO is {json_shape.shown(ncco)}, but must be an array of actions.")]
    names = [_action(one) for one in ncco]
    found: list[Fault] = []
    for place, (one, name, then) in enumerate(zip(ncco, names, _next_of_another_kind(names), strict=True)):
        told = [*ACTION.faults(one)]
        if name in {"talk", "stream"} and one.get("bargeIn") is True and then != "input":
            comes = f"the next action that is no {name}"
            told.append((("bargeIn",), f"It is true, but {comes} is {then or 'missing'}; it must be input."))
        found += [Fault(place, field(where), words, name) for where, words in told]
        if len(found) >= MOST_FAULTS:  # whoever has so many mends these first
            break
    return found[:MOST_FAULTS]


def _action(one: Any) -> str | None:
    """The name of an action, if it is one."""
    name = one.get("action") if isinstance(one, dict) else None
    return str(name) if json_shape.known(name, ACTIONS) else None


def _next_of_another_kind(names: list[str | None]) -> list[str | None]:
    """For each name the first behind it that is another; None where there is none. What has no name is passed over."""
    found: list[str | None] = []
    next_one = beyond = None  # the nearest name, and the nearest that is another than that
    for name in reversed(names):
        found.append(beyond if name == next_one else next_one)
        if name not in {None, next_one}:
            next_one, beyond = name, next_one
    return found[::-1]


# ---- Replies


def read(text: str | bytes, content_type: str) -> tuple[list[dict[str, Any]], list[Fault]]:
    """What the body of a reply to an answer webhook says, and what is wrong with it.

    An NCCO with faults cannot be run: its actions, those that are objects, are for showing. What is no NCCO has none.
    https://developer.vonage.com/en/voice/voice-api/webhook-reference#answer-webhook
    """
    return _judged(*_value(text, content_type))


def reply(text: str | bytes, content_type: str) -> tuple[list[dict[str, Any]] | None, list[Fault]]:
    """The same for an instruction callback, such as that of `input`, which may be answered with no NCCO at all.

    (None, []): none came, and the script goes on. ([], []): one came that leaves nothing to do. To send none, an empty
    body is what is documented; `{}` and other objects are what applications in production send.
    """
    if not text.strip():  # of whatever type: that of an empty body is often a framework's own text/html
        return None, []
    value, found = _value(text, content_type)
    return (None, []) if isinstance(value, dict) else _judged(value, found)


def _judged(value: Any, found: list[Fault]) -> tuple[list[dict[str, Any]], list[Fault]]:
    actions = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    return actions, found or faults(value)


def _value(text: str | bytes, content_type: str) -> tuple[Any, list[Fault]]:
    """The JSON value in a body, or None and why there is none.

    HTML and XML are refused for their type alone. application/json is right and text/plain was let pass; of other types
    nothing is said, so there the body decides.
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
    """Whether there are more than *levels* of arrays and objects in each other."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(levels == 0 or _deeper(one, levels - 1) for one in inner if isinstance(one, dict | list))


def _refuse(constant: str) -> None:
    """NaN and Infinity, which Python would read though JSON has no such thing."""
    raise ValueError(constant)
