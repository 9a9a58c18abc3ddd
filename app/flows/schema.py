"""What Vonage takes in an NCCO, action by action: the actions and options that a call flow may use.

Stricter than Vonage, who passes over an option it does not know and says nothing: here it is a fault, for it is nearly
always one misspelt. An option whose value is a hole is judged once it is filled.
https://developer.vonage.com/en/voice/voice-api/ncco-reference
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from html.entities import html5
from ipaddress import AddressValueError, IPv6Address
from typing import Any, Final, NamedTuple
from urllib.parse import quote
from xml.parsers import expat

from vonage_simulator import json_shape
from vonage_simulator.json_shape import Found, Kind, Rule
from vonage_simulator.yaml_source import HALF_A_CHARACTER, Steps

DEEPEST: Final = 30  # levels of one action: with the list, and the record it is kept in, they can be read again
MOST_CHARACTERS: Final = 1500  # https://developer.vonage.com/en/voice/voice-api/ncco-reference#talk
MOST_HEADER_BYTES: Final = 512  # https://developer.vonage.com/en/voice/voice-api/concepts/websockets

SPEAK: Final = re.compile(r"<speak(?=[\s/>]|\Z)", re.IGNORECASE)
SPOKEN: Final = re.compile(r"(?:</speak[ \t\r\n]*>|/>)[ \t\r\n]*\Z")  # how a text in <speak> ends
HEARD: Final = ("audio", "break", "phoneme", "sub")  # SSML that says something, or pauses, without a word in it
NO_ADDRESS: Final = re.compile(r'[^!-~]|["<>{}|\\^`]')  # https://www.rfc-editor.org/rfc/rfc3986#appendix-A
LABEL: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?")  # of a host
HEADER_NAME: Final = re.compile(r"[!-9;-~]+")

# The five names that XML has for characters; HTML's others (&nbsp;) are none of SSML's.
NAMED: Final = {"lt": "<", "gt": ">", "quot": '"', "apos": "'", "amp": "&"}


class Wrong(NamedTuple):
    """One thing that is wrong in an NCCO. `path` leads to it: (1, "endpoint", 0, "number"); () is the NCCO itself."""

    path: Steps
    words: str  # what it is, and what it must be


def faults(ncco: Any, *, own: str = "") -> list[Wrong]:
    """Why Vonage would not take *ncco*, or not as it is meant: all that is wrong, in order; none if it is right.

    How actions stand to each other is judged elsewhere. Addresses must be https; those that begin with *own*, the
    address of this server, may be what that is: http, in development.
    """
    if json_shape.later(ncco):
        return []
    if not isinstance(ncco, list):
        return [Wrong((), f"It is {json_shape.shown(ncco)}, but must be an array of actions.")]
    if not ncco:
        return [Wrong((), "It says nothing: the call would end at once. There must be one action at least.")]
    action = _action(own.rstrip("/"))
    return [Wrong((place, *path), words) for place, one in enumerate(ncco) for path, words in _every_fault(action, one)]


def _every_fault(kind: Kind, action: Any) -> list[Found]:
    told = [*kind.faults(action)]
    known = {path for path, _ in told}
    for path, words in json_shape.unsayable(action, DEEPEST):
        if not any(path[:length] in known for length in range(len(path) + 1)):  # one fault for each thing
            told.append((path, words))
    return told


def bare(text: str) -> str:
    """*text* as it is counted: without SSML tags, and with a character for each reference to one.

    Outside of `<speak>` there are neither: "2 < 3 &amp; 4 > 3" is what it is.
    https://developer.vonage.com/en/voice/voice-api/concepts/customizing-tts
    """
    if not re.match(r"\s*<speak[\s/>]", text):
        return text
    return re.sub(r"&(?:#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6}|lt|gt|quot|apos|amp);", _character, re.sub("<[^<>]*>", "", text))


def _character(reference: re.Match[str]) -> str:
    name = reference[0][1:-1]
    if name in NAMED:
        return NAMED[name]
    code = int(f"0{name[1:]}", 0) if name[1] == "x" else int(name[1:])
    return chr(code) if code <= 0x10FFFF else reference[0]


def ssml_fault(text: str) -> str | None:
    """Why *text*, which has `<speak>` in it, is no SSML; None if it is, or has none in it.

    All of the text stands in one `<speak>`, so there is no place for a DOCTYPE, nor for entities of one's own.
    https://developer.vonage.com/en/voice/voice-api/concepts/customizing-tts
    """
    return _Speech(text).fault if SPEAK.search(text) else None


class _Speech:
    """A text in `<speak>`, as whoever reads XML sees it: what is wrong with it, or else whether anything is heard."""

    def __init__(self, text: str) -> None:
        self.heard = self._over = False
        self._open: list[str] = []
        self.fault = self._fault(text)

    def _fault(self, text: str) -> str | None:
        if HALF_A_CHARACTER.search(text):  # a fault of its own
            return None
        if not (begins := SPEAK.match(text.lstrip(" \t\r\n"))):
            return "It is no SSML: <speak> must stand at its very beginning, and </speak> at its end."
        if begins[0] != "<speak":
            return f"It is no SSML: it begins with {begins[0]}>, but must begin with <speak>, in small letters."
        parser = expat.ParserCreate()  # tags of any prefix are taken, as those of voices' makers have one
        parser.StartElementHandler, parser.EndElementHandler = self._begin, self._end
        parser.CharacterDataHandler = self._words
        try:
            parser.Parse(text, True)
        except expat.ExpatError as error:
            place = f"line {error.lineno}, column {error.offset + 1}"
            at = len(text.encode()[: max(parser.ErrorByteIndex, 0)].decode(errors="ignore"))
            message = expat.ErrorString(error.code) or ""
            return f"It is no SSML: {place}: {message}{self._advice(text, at, message)}."
        if not SPOKEN.search(text):
            return "It is no SSML: nothing but blanks may stand behind </speak>."
        return None

    def _advice(self, text: str, at: int, message: str) -> str:
        """What to do about *message*, which is about what stands at *at*."""
        if message in (expat.errors.XML_ERROR_TAG_MISMATCH, expat.errors.XML_ERROR_NO_ELEMENTS):
            tag = self._open[-1][:40]
            return f"; <{tag}> must be closed first: </{tag}>, or <{tag}/>"
        if self._over:
            return "; nothing but blanks may stand behind </speak>"
        if not self._open or message == expat.errors.XML_ERROR_BAD_CHAR_REF:
            return ""
        if (name := re.match(r"&(\w{1,40};)", text[at:])) and name[1] in html5:
            return f"; XML has no name {name[0]}: write the character itself"
        if text[at : at + 1] == "&" or re.search(r"&\w*\Z", text[max(at - 40, 0) : at]):
            return "; for & write &amp;"
        before = text[at - 1 : at]
        if before == "=":
            return "; the value of an attribute must stand in quotes"
        return "; for < write &lt;" if "<" in (before, text[at : at + 1]) else ""

    def _begin(self, tag: str, _: Mapping[str, str]) -> None:
        self._open.append(tag)
        self.heard = self.heard or tag in HEARD

    def _end(self, _: str) -> None:
        self._open.pop()
        self._over = not self._open

    def _words(self, words: str) -> None:
        self.heard = self.heard or _has_words(words)


def _has_words(text: str) -> bool:
    return any(sign.isalnum() for sign in text)


# ---- What must hold beyond what an option can be


def _can_be_said(text: str) -> Iterator[Found]:
    speech = _Speech(text) if SPEAK.search(text) else None
    if speech and speech.fault:
        yield (), speech.fault
    elif HALF_A_CHARACTER.search(text):  # a fault of its own
        return
    elif not (speech.heard if speech else _has_words(text)):
        or_tags = f", and none of the tags {', '.join(HEARD)}" * bool(speech)
        yield (), f"It says nothing: it has no letter and no digit{or_tags}."
    elif (length := len(bare(text))) > MOST_CHARACTERS:
        yield (), f"It has {length} characters without SSML tags, but must have {MOST_CHARACTERS} at most."


def _few_bytes(headers: Mapping[str, Any]) -> Iterator[Found]:
    try:
        size = len(json.dumps(headers, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass"))
    except (RecursionError, TypeError, ValueError):  # a hole, whose size nobody knows; or no JSON, which is told so
        return
    if size > MOST_HEADER_BYTES:
        yield (), f"It is {size} bytes of JSON, but must be {MOST_HEADER_BYTES} at most."


def _header_names(headers: Mapping[str, Any]) -> Iterator[Found]:
    for name in headers:
        if isinstance(name, str) and not HALF_A_CHARACTER.search(name) and not HEADER_NAME.fullmatch(name):
            words = (
                "It is no name of a SIP header: those have letters, digits and signs of ASCII, no blanks and no colon."
            )
            yield (name,), words


def _uri_or_domain(sip: Mapping[str, Any]) -> Iterator[Found]:
    others = [option for option in ("domain", "user") if option in sip]
    if "uri" not in sip and not others:
        yield ("uri",), "It is missing; there must be a uri, or a domain and a user in place of it."
    elif "uri" not in sip and len(others) == 1:
        missing = "user" if others == ["domain"] else "domain"
        yield (missing,), f"It is missing; there must be one where there is a {others[0]} and no uri."
    elif "uri" in sip and not json_shape.later(sip["uri"]):
        for option in others:
            yield (option,), "It is there beside a uri; there must be a uri, or a domain and a user, not both."


def _value_if_custom(authorization: Mapping[str, Any]) -> Iterator[Found]:
    if authorization.get("type") == "custom" and "value" not in authorization:
        yield ("value",), 'It is missing; there must be one where type is "custom": it is what is sent.'


def _never_with(other: str, flag: str) -> Rule:
    """*flag* and *other* exclude each other. One that is false, or not known yet, does no harm."""

    def rule(action: Mapping[str, Any]) -> Iterator[Found]:
        if action.get(flag) is True and other in action and not json_shape.later(action[other]):
            yield (flag,), f"It is true, but there is {other} too; there must be one of the two only."

    return rule


def _split_for_channels(record: Mapping[str, Any]) -> Iterator[Found]:
    if "channels" in record and "split" not in record and not json_shape.later(record["channels"]):
        yield ("split",), 'It is missing; it must be "conversation" where there is channels.'


def _settings_of_its_types(action: Mapping[str, Any]) -> Iterator[Found]:
    """What is set for a kind of input must be asked for, and keys that come one by one have no settings."""
    types = action.get("type")
    if not isinstance(types, list) or any(not isinstance(one, str) for one in types):  # a fault of its own, or a hole
        return
    for one in ("dtmf", "speech"):
        if one not in types and isinstance(action.get(one), dict) and action[one]:
            yield (one,), f'It has settings, but "{one}" is not in type; there must be both, or neither.'
        if types.count(one) > 1:
            yield ("type",), f'It has "{one}" in it {types.count(one)} times, but must have it once.'
    if action.get("mode") == "asynchronous":
        if "speech" in types:
            yield ("type",), 'It has "speech" in it, but must be ["dtmf"] where mode is "asynchronous".'
        if "dtmf" in types and isinstance(action.get("dtmf"), dict) and action["dtmf"]:
            yield (
                ("dtmf",),
                'It has settings, but must have none where mode is "asynchronous": each key comes by itself.',
            )


# ---- Addresses


def _address(scheme: str, own: str = "") -> Kind:
    """An address that every program reads the same way, or one of our *own*, whose beginning is as it was set."""

    def is_own(url: str) -> bool:
        return bool(own) and f"{url}/".startswith(f"{own}/")

    def fits(value: Any) -> bool:
        return isinstance(value, str) and (value[: len(scheme) + 3].lower() == f"{scheme}://" or is_own(value))

    def sound(url: str) -> Iterator[Found]:
        if HALF_A_CHARACTER.search(url):  # a fault of its own
            return
        if is_own(url):
            words = _no_address(url[len(own) :])
        else:
            host, path = re.fullmatch(r"(?s)[a-zA-Z]+://([^/?#]*)(.*)", url).groups()  # type: ignore[union-attr]
            words = _host_fault(host) or _no_address(path)
        if words:
            yield (), words

    return Kind(wanted=f"a URL that begins with {scheme}://", fits=fits, rules=(sound,))


def _no_address(text: str) -> str | None:
    found = NO_ADDRESS.search(text)
    return found and f"It has {_sign(found[0])} in it, which no URL has; it must be written {quote(found[0], safe='')}."


def _host_fault(host: str) -> str | None:
    """What is wrong with *host*, which may have a user before it and a port behind."""
    if host.count("@") > 1:
        return "It has more than one @ before its host; those of a user or a password must be written %40."
    user, _, host = host.rpartition("@")
    if words := _no_address(user):
        return words
    name, port = re.fullmatch(r"(?s)(\[[^]]*\]|[^:]*)(.*)", host).groups()  # type: ignore[union-attr]  # fits any text
    if not name:
        return "It has no host."
    if port not in ("", ":") and not (re.fullmatch(r":[0-9]{1,5}", port) and 1 <= int(port[1:]) <= 65535):
        return f"Its host is followed by {json_shape.shown(port)}, but must be by a port from 1 to 65535, / or nothing."
    if not (_is_ipv6(name[1:-1]) if name[0] == "[" else all(map(LABEL.fullmatch, name.removesuffix(".").split(".")))):
        words = "must have letters, digits, -, _ and . only, with a letter or a digit at both ends"
        return f"Its host is {json_shape.shown(name)}, but {words}; others are written as xn--…."
    return None


def _is_ipv6(text: str) -> bool:
    try:
        return "%" not in text and bool(IPv6Address(text))
    except AddressValueError:
        return False


def _sign(sign: str) -> str:
    if sign == " ":
        return "a blank"
    return f'"{sign}"' if sign.isprintable() else f"U+{ord(sign):04X}"


# ---- What an option can be

ANYTHING: Final = Kind(wanted="anything", fits=lambda _: True)
OBJECT: Final = json_shape.mapping()  # with names and values of its author's
FLAG: Final = Kind(wanted="true or false", fits=lambda value: isinstance(value, bool))
NAME: Final = json_shape.text("text that is not empty", r"(?s).*\S.*")
LANGUAGE: Final = json_shape.text('a BCP-47 code such as "en-GB"', r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
NUMBER: Final = json_shape.text(
    'text of 7 to 15 digits, the country code first, without plus or zero before it, such as "447700900123"',
    "[1-9][0-9]{6,14}",
)  # https://developer.vonage.com/en/voice/voice-api/concepts/numbers
KEYS: Final = json_shape.text("text of digits, *, # and p (a pause of half a second)", "[0-9*#p]+")
KEY: Final = json_shape.text("text of one key: a digit, * or #", "[0-9*#]")
SIP_URI: Final = json_shape.text(
    "a SIP URI of 50 characters at most, without blanks, quotes, < and >, such as sip:alice@example.com",
    r"""(?=.{1,50}\Z)(?i:sips?):[!#-;=?-~]+""",
)  # the length: https://developer.vonage.com/en/api/voice
USER_TO_USER: Final = json_shape.text("text that is not empty, 256 characters at most", r"(?s)(?=.{1,256}\Z).*\S.*")
LEGS: Final = json_shape.array("an array of leg ids", NAME)  # empty: nobody
SOUND: Final = json_shape.one_of("audio/l16;rate=8000", "audio/l16;rate=16000", "audio/l16;rate=24000")

VOICE: Final = {"provider": NAME, "providerOptions": OBJECT}  # https://github.com/Vonage/vonage-ruby-sdk/pull/352
PLAYED: Final = {"loop": json_shape.whole(0), "level": json_shape.number(-1, 1), "bargeIn": FLAG}

# https://developer.vonage.com/en/voice/voice-api/ncco-reference#talk
TALK: Final = {
    "text": json_shape.needed(replace(NAME, rules=(_can_be_said,))),
    "language": LANGUAGE,
    "style": json_shape.whole(),
    "premium": FLAG,
    **PLAYED,
    **VOICE,
}
# https://developer.vonage.com/en/voice/voice-api/ncco-reference#wait
# Beyond the ends Vonage takes the nearer one; whoever writes 0 or 10000 means something else.
WAIT: Final = {"timeout": json_shape.number(0.1, 7200)}
# https://developer.vonage.com/en/voice/voice-api/ncco-reference#transfer
TRANSFER: Final = {"conversationId": json_shape.needed(NAME), "canHear": LEGS, "canSpeak": LEGS, "mute": FLAG}
# https://developer.vonage.com/en/voice/voice-api/ncco-reference#input
DTMF: Final = {"timeOut": json_shape.whole(0, 10), "maxDigits": json_shape.whole(1, 20), "submitOnHash": FLAG}
SPEECH: Final = {
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
# https://developer.vonage.com/en/voice/voice-api/concepts/advanced-machine-detection
MACHINE: Final = {
    "behavior": json_shape.one_of("continue", "hangup"),
    "mode": json_shape.one_of("default", "detect", "detect_beep"),
    "beep_timeout": json_shape.whole(45, 120),  # 30 to 120 in the Voice API: what both take is safe
}
# https://developer.vonage.com/en/voice/voice-api/ncco-reference#connect
AUTHORIZATION: Final = {"type": json_shape.needed(json_shape.one_of("vonage", "custom")), "value": NAME}
WEBSOCKET: Final = {
    "uri": json_shape.needed(_address("wss")),
    "content-type": SOUND,
    "headers": json_shape.mapping({}, _few_bytes),
    "authorization": json_shape.mapping(AUTHORIZATION, _value_if_custom, only="authorization"),
}
# https://developer.vonage.com/en/voice/voice-api/ncco-reference#connect
SIP: Final = {
    "uri": SIP_URI,
    "domain": NAME,
    "user": NAME,
    "headers": json_shape.mapping({}, _header_names),
    "standardHeaders": json_shape.mapping({"User-to-User": USER_TO_USER}, only="standardHeaders"),
}


def _url(own: str) -> Kind:
    """A safe address, or one of this server's; *own* has no stroke at its end."""
    return _address("https", own)


def _endpoints(url: Kind) -> dict[str, Kind]:
    """https://developer.vonage.com/en/voice/voice-api/ncco-reference#connect"""
    on_answer = {
        "url": json_shape.needed(url),
        "ringbackTone": url,
        "ringback": url,
    }  # ringback: the old name, still taken
    phone = {
        "number": json_shape.needed(NUMBER),
        "dtmfAnswer": KEYS,
        "onAnswer": json_shape.mapping(on_answer, only="onAnswer"),
        "shaken": NAME,
    }
    return {
        "phone": _named("type", "a phone endpoint", phone),
        "app": _named("type", "an app endpoint", {"user": json_shape.needed(NAME)}),
        "websocket": _named("type", "a websocket endpoint", WEBSOCKET),
        "sip": _named("type", "a sip endpoint", SIP, _uri_or_domain),
        "vbc": _named("type", "a vbc endpoint", {"extension": json_shape.needed(NAME)}),
    }


def _actions(url: Kind) -> dict[str, Kind]:
    """https://developer.vonage.com/en/voice/voice-api/ncco-reference, option by option"""
    one_url = json_shape.array("an array of one URL that begins with https://", url, 1, 1)
    events = {"eventUrl": one_url, "eventMethod": json_shape.one_of("GET", "POST")}
    transcription = json_shape.mapping(
        {"language": LANGUAGE, **events, "sentimentAnalysis": FLAG}, only="transcription"
    )
    connect = {
        "endpoint": json_shape.needed(
            json_shape.array("an array of one endpoint", _one_of_these("type", _endpoints(url)), 1, 1)
        ),
        "from": NAME,  # one that is no number of the application's is no fault: the callee sees "unknown"
        "randomFromNumber": FLAG,
        "eventType": json_shape.one_of("synchronous"),
        "timeout": json_shape.whole(1, 7200),  # no range is documented; nobody rings longer than a call may last
        "limit": json_shape.whole(1, 7200),
        "machineDetection": json_shape.one_of("continue", "hangup"),
        "advancedMachineDetection": json_shape.mapping(MACHINE, only="advancedMachineDetection"),
        **events,
        "ringbackTone": url,  # text, unlike the other URLs of actions
    }
    record = {
        "format": json_shape.one_of("mp3", "wav", "ogg"),
        "split": json_shape.one_of("conversation"),
        "channels": json_shape.whole(1, 32),
        "endOnSilence": json_shape.whole(3, 10),
        "endOnKey": KEY,
        "timeOut": json_shape.whole(3, 7200),
        "beepStart": FLAG,
        **events,
        "transcription": transcription,
        "public": ANYTHING,  # not documented, this one and the next; sent by applications in production
        "validity_time": ANYTHING,
    }
    conversation = {
        "name": json_shape.needed(NAME),
        "musicOnHoldUrl": one_url,
        "startOnEnter": FLAG,
        "endOnExit": FLAG,
        "record": FLAG,
        **events,
        "transcription": transcription,
        "canSpeak": LEGS,
        "canHear": LEGS,
        "mute": FLAG,
    }
    user_input = {
        "type": json_shape.needed(
            json_shape.array('an array of "dtmf", "speech" or both', json_shape.one_of("dtmf", "speech"), 1),
        ),
        "mode": json_shape.one_of("synchronous", "asynchronous"),
        "dtmf": json_shape.mapping(DTMF, only="dtmf"),
        "speech": json_shape.mapping(SPEECH, only="speech"),
        **events,
    }
    stream = {"streamUrl": json_shape.needed(one_url), **PLAYED}
    notify = {"payload": json_shape.needed(OBJECT), **events, "eventUrl": json_shape.needed(one_url)}
    return {
        "record": _named("action", "record", record, _split_for_channels),
        "conversation": _named("action", "conversation", conversation, _never_with("canSpeak", "mute")),
        "connect": _named("action", "connect", connect, _never_with("from", "randomFromNumber")),
        "talk": _named("action", "talk", TALK),
        "stream": _named("action", "stream", stream),
        "input": _named("action", "input", user_input, _settings_of_its_types),
        "notify": _named("action", "notify", notify),
        "wait": _named("action", "wait", WAIT),
        "transfer": _named("action", "transfer", TRANSFER, _never_with("canSpeak", "mute")),
    }


@lru_cache(maxsize=8)
def _action(own: str) -> Kind:
    return _one_of_these("action", _actions(_url(own)))


def _one_of_these(key: str, each: Mapping[str, Kind]) -> Kind:
    """An object that says under *key* which of *each* it is."""
    return json_shape.mapping({key: json_shape.needed(json_shape.one_of(*each))}, json_shape.of_its(key, each))


def _named(key: str, name: str, options: Mapping[str, Kind], *rules: Rule) -> Kind:
    """One of them: beside *key* it has *options* and no others."""
    return json_shape.mapping({key: ANYTHING, **options}, *rules, only=name)
