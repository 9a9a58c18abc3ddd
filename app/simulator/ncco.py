"""Could Vonage run this NCCO? The carrier's own reading of the documentation, shared with nothing that writes NCCO.

The tables follow https://developer.vonage.com/en/voice/voice-api/ncco-reference option by option; other addresses stand
beside what comes from elsewhere. Only what is said to be wrong is a fault: an option that nobody has heard of is passed
over, and so is what comes after an action that never ends.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

Found = tuple[str, str]  # where in a value, and what is wrong there
Rule = Callable[[Any], Iterator[Found]]


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


# ---- What a value can have to be


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a value must be: *wanted* in words, *fits* as a test."""

    wanted: str
    fits: Callable[[Any], bool]
    needed: bool = False
    each: Kind | None = None  # what the members of an array must be
    options: Mapping[str, Kind] = field(default_factory=dict)  # what an object may have
    rules: tuple[Rule, ...] = ()  # what else must hold for a value that fits

    def faults(self, value: Any) -> Iterator[Found]:
        """What is wrong with *value* and with all in it."""
        if not self.fits(value):
            yield "", f"It is {_shown(value)}, but must be {self.wanted}."
            return
        if self.each:
            for place, member in enumerate(value):
                yield from _within(f"[{place}]", self.each.faults(member))
        for name, kind in self.options.items():
            if name in value:
                yield from _within(name, kind.faults(value[name]))
            elif kind.needed:
                yield name, f"It is missing; it must be {kind.wanted}."
        for rule in self.rules:
            yield from rule(value)


def _within(place: str, found: Iterable[Found]) -> Iterator[Found]:
    for inner, words in found:
        yield f"{place}.{inner}" if inner and inner[0] != "[" else place + inner, words


def _shown(value: Any) -> str:
    """*value* in a few words, however large it is and whatever characters it has."""
    if value == "":
        return "empty text"
    if isinstance(value, str):
        start = value[:40].encode("utf-8", "backslashreplace").decode()  # JSON may have halves of characters
        return f'the text "{start}"' if len(value) <= 40 else f'a text of {len(value)} characters, "{start}…"'
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int | float):
        return "a number far too large" if abs(value) >= 10**15 else f"the number {value}"
    if isinstance(value, list):
        return f"an array of {len(value)}" if value else "an empty array"
    return "an object" if isinstance(value, dict) else "no JSON"


def _text(wanted: str = "text", pattern: str = r"(?s).*") -> Kind:
    return Kind(wanted=wanted, fits=lambda value: isinstance(value, str) and bool(re.fullmatch(pattern, value)))


def _one_of(*words: str) -> Kind:
    *some, last = (f'"{word}"' for word in words)
    return Kind(wanted=f"{', '.join(some)} or {last}" if some else last, fits=lambda value: value in words)


def _number(least: float | None = None, most: float | None = None, *, whole: bool = False) -> Kind:
    """A number of JSON's: true is none, though Python takes it for 1, nor are NaN and Infinity."""

    def fits(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            return False
        finite = isinstance(value, int) or math.isfinite(value)
        return finite and (least is None or least <= value) and (most is None or value <= most)

    between = f" from {least} to {most}" if most is not None else f", {least} or more" if least is not None else ""
    return Kind(wanted=f"a {'whole ' * whole}number{between}", fits=fits)


def _whole(least: int | None = None, most: int | None = None) -> Kind:
    return _number(least, most, whole=True)


def _array(wanted: str, each: Kind, least: int = 0, most: float = math.inf) -> Kind:
    return Kind(wanted=wanted, fits=lambda value: isinstance(value, list) and least <= len(value) <= most, each=each)


def _object(options: Mapping[str, Kind] | None = None, *rules: Rule) -> Kind:
    return Kind(wanted="an object", fits=lambda value: isinstance(value, dict), options=options or {}, rules=rules)


def _address(*schemes: str) -> Kind:
    def fits(value: Any) -> bool:
        if not isinstance(value, str) or re.search(r"[\s\x00-\x1f\x7f]", value):
            return False
        try:
            parts = urlsplit(value)
            return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0  # a wrong port raises here
        except ValueError:
            return False

    return Kind(wanted="a URL that begins with " + " or ".join(f"{scheme}://" for scheme in schemes), fits=fits)


def _needed(kind: Kind) -> Kind:
    return replace(kind, needed=True)


def _of_its(key: str, kinds: Mapping[str, Kind]) -> Rule:
    """What holds for an object of the kind that it says, under *key*, that it is."""
    return lambda value: kinds[value[key]].faults(value) if _known(value.get(key), kinds) else iter(())


def _known(name: Any, kinds: Mapping[str, Kind]) -> bool:
    return isinstance(name, str) and name in kinds


# ---- What must hold beyond that


def bare_text(text: str) -> str:
    """*text* as it is spoken, without SSML. Outside of `<speak>` there is none.

    https://developer.vonage.com/en/voice/voice-api/concepts/customizing-tts
    """
    if not re.match(r"\s*<speak[\s/>]", text):
        return text
    bare = re.sub(r"<[^<>]*>", "", text)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&")):
        bare = bare.replace(entity, character)
    return bare


def _short_enough(text: str) -> Iterator[Found]:
    if (length := len(bare_text(text))) > 1500:
        yield "", f"It has {length} characters without SSML tags, but must have 1500 at most."


def _few_bytes(headers: dict[str, Any]) -> Iterator[Found]:
    try:
        size = len(json.dumps(headers, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass"))
    except (RecursionError, TypeError, ValueError):
        yield "", "It is nothing that JSON could say, but must be an object of 512 bytes at most."
    else:
        if size > 512:
            yield "", f"It is {size} bytes of JSON, but must be 512 at most."


def _uri_or_domain(sip: dict[str, Any]) -> Iterator[Found]:
    if not {"uri", "domain", "user"} & sip.keys():
        yield "uri", "It is missing; there must be a uri, or a domain and a user in place of it."
    for one, other in (("domain", "user"), ("user", "domain")):
        if "uri" not in sip and one not in sip and other in sip:
            yield one, f"It is missing; there must be one where there is a {other} and no uri."


def _never_with(other: str, flag: str) -> Rule:
    """*flag* and *other* exclude each other. One that is false does no harm: Vonage's SDKs let it pass."""

    def rule(action: dict[str, Any]) -> Iterator[Found]:
        if action.get(flag) is True and other in action:
            yield flag, f"It is true, but there is {other} too; there must be one of the two only."

    return rule


def _split_for_channels(record: dict[str, Any]) -> Iterator[Found]:
    if "channels" in record and "split" not in record:
        yield "split", 'It is missing; it must be "conversation" where there is channels.'


def _one_key_at_a_time(action: dict[str, Any]) -> Iterator[Found]:
    kinds, settings = action.get("type"), action.get("dtmf")
    if action.get("mode") == "asynchronous":
        if isinstance(kinds, list) and "speech" in kinds:
            yield "type", 'It has "speech" in it, but must be ["dtmf"] where mode is "asynchronous".'
        if isinstance(settings, dict) and settings:
            yield "dtmf", 'It has settings, but must have none where mode is "asynchronous".'


# ---- The tables

TEXT = _text()
FLAG = Kind(wanted="true or false", fits=lambda value: isinstance(value, bool))
NAME = _text("text that is not empty", r"(?s).*\S.*")
LANGUAGE = _text('a BCP-47 code such as "en-GB"', r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
E164 = _text("text of 7 to 15 digits, the country code first, without plus or zero", "[1-9][0-9]{6,14}")
KEYS = _text("text of digits, *, # and p (a pause)", "[0-9*#p]+")
SIP_URI = _text("a SIP URI of 50 characters at most, such as sip:alice@example.com", r"(?=.{1,50}$)(?i:sips?):\S+")
URL = _address("http", "https")
ONE_URL = _array("an array of one URL", URL, 1, 1)
LEGS = _array("an array of leg ids", NAME)  # empty: nobody

EVENTS = {"eventUrl": ONE_URL, "eventMethod": _one_of("GET", "POST")}
VOICE = {"provider": TEXT, "providerOptions": _object()}  # https://github.com/Vonage/vonage-ruby-sdk/pull/352
PLAYED = {"loop": _whole(0), "level": _number(-1, 1), "bargeIn": FLAG}
TRANSCRIPTION = _object({"language": LANGUAGE, **EVENTS, "sentimentAnalysis": FLAG})

PHONE = {
    "number": _needed(E164),
    "dtmfAnswer": KEYS,
    "onAnswer": _object({"url": _needed(URL), "ringbackTone": URL, "ringback": URL}),  # ringback: the old name
    "shaken": TEXT,
}
WEBSOCKET = {
    "uri": _needed(_address("ws", "wss")),
    "content-type": _one_of("audio/l16;rate=8000", "audio/l16;rate=16000", "audio/l16;rate=24000"),
    "headers": _object({}, _few_bytes),  # https://developer.vonage.com/en/voice/voice-api/concepts/websockets
    "authorization": _object({"type": _needed(_one_of("vonage", "custom")), "value": TEXT}),
}
SIP = {
    "uri": SIP_URI,
    "domain": NAME,
    "user": NAME,
    "headers": _object(),
    "standardHeaders": _object({"User-to-User": TEXT}),
}
ENDPOINTS = {
    "phone": _object(PHONE),
    "app": _object({"user": _needed(NAME)}),
    "websocket": _object(WEBSOCKET),
    "sip": _object(SIP, _uri_or_domain),
    "vbc": _object({"extension": _needed(NAME)}),
}
ENDPOINT = _object({"type": _needed(_one_of(*ENDPOINTS))}, _of_its("type", ENDPOINTS))
MACHINE = {
    "behavior": _one_of("continue", "hangup"),
    "mode": _one_of("default", "detect", "detect_beep"),
    "beep_timeout": _whole(30, 120),  # 45 in the NCCO reference; 30 in https://developer.vonage.com/en/api/voice
}
DTMF = {"timeOut": _whole(0, 10), "maxDigits": _whole(1, 20), "submitOnHash": FLAG}
SPEECH = {
    "uuid": _array("an array of one leg id", NAME, 1, 1),
    "endOnSilence": _number(0.4, 10),
    "language": LANGUAGE,
    "context": _array("an array of texts", TEXT),
    "startTimeout": _whole(1, 60),
    "maxDuration": _whole(1, 60),
    "saveAudio": FLAG,
    "sensitivity": _whole(10, 100),
    **VOICE,
}

TALK = {
    "text": _needed(replace(NAME, rules=(_short_enough,))),
    "language": LANGUAGE,
    "style": _whole(),
    "premium": FLAG,
    **PLAYED,
    **VOICE,
}
STREAM = {"streamUrl": _needed(ONE_URL), **PLAYED}
WAIT = {"timeout": _number()}  # beyond 0.1 and 7200 it counts as the nearer of them
NOTIFY = {"payload": _needed(_object()), **EVENTS, "eventUrl": _needed(ONE_URL)}
RECORD = {
    "format": _one_of("mp3", "wav", "ogg"),
    "split": _one_of("conversation"),
    "channels": _whole(1, 32),
    "endOnSilence": _whole(3, 10),
    "endOnKey": _text("text of one key: a digit, * or #", "[0-9*#]"),
    "timeOut": _whole(3, 7200),
    "beepStart": FLAG,
    **EVENTS,
    "transcription": TRANSCRIPTION,
}
CONVERSATION = {
    "name": _needed(NAME),
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
    "endpoint": _needed(_array("an array of one endpoint", ENDPOINT, 1, 1)),
    "from": TEXT,  # one that is no number of ours is no fault: the callee sees "unknown"
    "randomFromNumber": FLAG,
    "eventType": _one_of("synchronous"),
    # No range is documented. The Java SDK has 3 to 7200, a call made by the API rings for 1 second at least.
    "timeout": _whole(1, 7200),
    "limit": _whole(1, 7200),
    "machineDetection": _one_of("continue", "hangup"),
    "advancedMachineDetection": _object(MACHINE),
    **EVENTS,
    "ringbackTone": URL,  # no array
}
INPUT = {
    "type": _needed(_array('an array of "dtmf", "speech" or both', _one_of("dtmf", "speech"), 1)),
    "mode": _one_of("synchronous", "asynchronous"),
    "dtmf": _object(DTMF),
    "speech": _object(SPEECH),
    **EVENTS,
}
TRANSFER = {"conversationId": _needed(NAME), "canHear": LEGS, "canSpeak": LEGS, "mute": FLAG}

ACTIONS = {
    "record": _object(RECORD, _split_for_channels),
    "conversation": _object(CONVERSATION, _never_with("canSpeak", "mute")),
    "connect": _object(CONNECT, _never_with("from", "randomFromNumber")),
    "talk": _object(TALK),
    "stream": _object(STREAM),
    "input": _object(INPUT, _one_key_at_a_time),
    "notify": _object(NOTIFY),
    "wait": _object(WAIT),
    "transfer": _object(TRANSFER, _never_with("canSpeak", "mute")),
}
ACTION = _object({"action": _needed(_one_of(*ACTIONS))}, _of_its("action", ACTIONS))


# ---- The judgement


def faults(ncco: Any) -> list[Fault]:
    """Why Vonage could not run *ncco*, any value that JSON can have: all faults, in order; none if it can be run."""
    if not isinstance(ncco, list):
        return [Fault(None, "", f"The NCCO is {_shown(ncco)}, but must be an array of actions.")]
    names = [_action(one) for one in ncco]
    found = []
    for place, (one, name, then) in enumerate(zip(ncco, names, _next_of_another_kind(names), strict=True)):
        told = [*ACTION.faults(one)]
        if name in {"talk", "stream"} and one.get("bargeIn") is True and then != "input":
            comes = f"the next action that is no {name}"
            told.append(("bargeIn", f"It is true, but {comes} is {then or 'missing'}; it must be input."))
        found += [Fault(place, where, words, name) for where, words in told]
    return found


def _action(one: Any) -> str | None:
    """The name of an action, if it is one."""
    name = one.get("action") if isinstance(one, dict) else None
    return str(name) if _known(name, ACTIONS) else None


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

    HTML and XML are refused for their type alone; of types other than those and application/json nothing is said.
    https://api.support.vonage.com/hc/en-us/articles/115016024247
    """
    kind, start = content_type.partition(";")[0].strip().lower(), text.lstrip()[:1]
    if kind == "text/html" or kind.endswith(("/xml", "+xml")):
        wrong = f"has the content type {kind[:40]}, but must be application/json"
    elif not start:
        wrong = "is empty, but must be an NCCO: a JSON array of actions"
    else:
        try:
            return json.loads(text.decode() if isinstance(text, bytes) else text, parse_constant=_refuse), []
        except (RecursionError, ValueError) as error:
            place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
            what = "looks like HTML or XML" if start in {"<", b"<"} else f"is not JSON{place}"
            wrong = f"{what}, but must be an NCCO: a JSON array of actions"
    return None, [Fault(None, "", f"The reply {wrong}.")]


def _refuse(constant: str) -> None:
    """NaN and Infinity, which Python would read though JSON has no such thing."""
    raise ValueError(constant)
