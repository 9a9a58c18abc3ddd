"""Telephone numbers: finding calls by them, and masking them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from app.domain.events import Event, Recording

# International numbers have at most 15 digits (E.164); a `from` or `to` may as well be a user name or an address.
NUMBER: Final = re.compile(r"\+?(\d[\d ().-]{0,24}\d|\d)", re.ASCII)
ADDRESS: Final = re.compile(r"(?:sips?|tel):(\+?\d+)(?:[@;].*)?", re.ASCII | re.IGNORECASE | re.DOTALL)
NOT_DIGITS: Final = re.compile(r"\D", re.ASCII)

# Masking. A digit is one in any script, superscript or circled; the ranges are those for which str.isdigit() is true.
DIGIT: Final = (
    r"[\d\u00b2\u00b3\u00b9\u1369-\u1371\u19da\u2070\u2074-\u2079\u2080-\u2089\u2460-\u2468\u2474-\u247c\u2488-\u2490"
    r"\u24ea\u24f5-\u24fd\u24ff\u2776-\u277e\u2780-\u2788\u278a-\u2792\U00010a40-\U00010a43\U00010e60-\U00010e68"
    r"\U00011052-\U0001105a\U0001f100-\U0001f10a]"
)
ANY_DIGIT: Final = re.compile(DIGIT)
# One separator, written as an escape (%20, &nbsp;, <br>, \n, \u00a0) or as the word "ext". The digits in an escape do
# not belong to the number. An escape of a digit or of a letter is no separator.
HEX: Final = "[0-9a-f]"
ESCAPE: Final = (
    rf"%(?:25)*(?:[c-f]{HEX}(?:%(?:25)*[89ab]{HEX}){{1,3}}|(?:[0-2]{HEX}|[357][a-f]|40|60|[89a-f]{HEX}))"
    r"|&(?:amp;)*(?:[a-z]{2,8}|\#(?:9|1[03]|32|4[0-7]|5[89]|160|173|8[12]\d\d)|\#x(?:[0-2]?[0-9a-f]|a[0d]|20[0-6][0-9a-f]));"
    r"|</?[a-z]{1,6}\d?\s?/?>"
    rf"|\\(?:[nrtfv](?![a-z])|x[0-2]{HEX}|u(?:00(?:[0-2]{HEX}|3[a-f]|[ab]{HEX})|20[0-6]{HEX}|2212|3000))"
    r"|ext(?:ension)?\.?(?![a-z])"
)
# Seven digits or more with up to three signs between two of them are a number, also where they are for something else.
RUN: Final = re.compile(rf"{DIGIT}(?:[\W_]{{0,3}}{DIGIT}){{6,}}")
MAY_HAVE_RUN: Final = re.compile(r"[0-9](?:[\W_]{0,3}[0-9]){6}", re.ASCII)  # the same for ASCII: quick, most have none
# The same with escapes; one before it is part of it, for without that its digits would be. (?>…): never half an escape.
ESCAPED_RUN: Final = re.compile(rf"(?:(?>{ESCAPE}))?{DIGIT}(?:(?>{ESCAPE}|[\W_]){{0,3}}{DIGIT}){{6,}}", re.IGNORECASE)
ESCAPE_OR_DIGIT: Final = re.compile(rf"({ESCAPE})|{DIGIT}", re.IGNORECASE)
# What has as many digits and is known to be no number: the ids of calls, and moments.
KNOWN: Final = re.compile(
    r"(?<![^\W_])(?:"
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|(?=[0-9]*[a-f])[0-9a-f]{32}"
    r"|(?:19[7-9]|20\d|21\d)\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[T ](?:[01]\d|2[0-3]):[0-5]\d:[0-6]\d"
    r"(?:\.\d{1,9})?(?:Z|[+-](?:0\d|1[0-4]):?[0-5]\d)?"
    r")(?![^\W_]|[.:-]\d)",
    re.ASCII | re.IGNORECASE,
)
# What a value may be, under its name, and stay: each of them is shorter than a telephone number, or has letters. Names
# that are not here, and other values, are masked like any text; ids of Vonage are KNOWN wherever they are.
ID: Final = re.compile(r"(?:[A-Z]{3}-)?(?=[0-9-]*[a-f])[0-9a-f-]{16,40}")
OUR_ID: Final = re.compile(r"(?=[0-9]*[a-f])[0-9a-f]{16}")  # of the record of an answer
VERSION: Final = re.compile(r"[0-9a-f]{8}")  # of a flow
EUROS: Final = re.compile(r"-?(\d{1,2}(\.\d{1,8})?|\d{3}(\.\d{1,3})?)", re.ASCII)  # Vonage gives eight decimals
CONFIDENCE: Final = re.compile(r"0?\.\d{1,20}|[01](\.0+)?", re.ASCII)
SECONDS: Final = re.compile(r"-?\d{1,6}(\.\d{1,3})?", re.ASCII)  # or milliseconds
BYTES: Final = re.compile(r"\d{1,8}", re.ASCII)
STAY: Final[dict[str, re.Pattern[str]]] = (
    dict.fromkeys(("uuid", "call_uuid", "conversation_uuid", "conversation_uuid_from", "conversation_uuid_to"), ID)
    | dict.fromkeys(("leg", "recording_uuid"), ID)
    | dict.fromkeys(("price", "rate"), EUROS)
    | dict.fromkeys(("duration", "took_ms", "duration_seconds", "ring_seconds", "talk_seconds"), SECONDS)
    | dict.fromkeys(("wait_seconds", "hold_seconds"), SECONDS)
    | {"id": OUR_ID, "version": VERSION, "size": BYTES, "confidence": CONFIDENCE}
)


class Inside(dict[str, "Inside"]):
    """The fields of an object in which there are names of STAY that are Vonage's or ours, and the same of each."""


NOTHING: Final = Inside()  # custom_data, headers, payload, an NCCO: names there are anybody's
RESULTS: Final = Inside(results=NOTHING)
MOVES: Final = Inside(moved_from=NOTHING, moved_to=NOTHING)
LEG: Final = Inside(MOVES, stays=NOTHING, segments=NOTHING)
# Of what `app/calls/schemas.py` dumps. `raw` is the body of a webhook, or our record of an answer with its `request`.
OURS: Final = Inside(
    LEG,
    legs=LEG,
    leg=LEG,  # this and the next: in the stream, of calls
    conversation=NOTHING,
    conversations=NOTHING,
    input=Inside(speech=NOTHING),
    recording=NOTHING,
    transfer=NOTHING,
    error=Inside(answer=NOTHING),
    answers=NOTHING,
    inputs=Inside(speech=NOTHING),
    recordings=NOTHING,
    errors=Inside(answer=NOTHING),
    raw=Inside(speech=RESULTS, request=NOTHING),
)
PARTIES: Final = frozenset({"from", "to"})
SHOWN: Final = 4  # digits of a number, its last
LEAST: Final = 7  # characters that are masked: no fewer digits are a number
LONGEST_KNOWN: Final = 64  # characters of a text that is remembered: longer ones are no ids, and would fill the memory


def digits(text: str | None) -> str | None:
    """The digits of a telephone number; None if *text* is not one."""
    if not text or not NUMBER.fullmatch(text):
        return None
    found = text if text.isdecimal() else NOT_DIGITS.sub("", text)
    return found if len(found) <= 15 else None


def searched(text: str) -> str | None:
    """The digits that calls can be found by: of a whole number, or its last 4 or 7. None if *text* is none of these."""
    found = digits(text)
    return found if found and (len(found) >= 7 or len(found) == SHOWN) else None


def number_of(party: str | None) -> str | None:
    """The digits of a `from` or `to`: of a telephone number, or of an address that is one. None for any other."""
    return digits(ADDRESS.sub(r"\1", party) if ":" in party else party) if party else None


def numbers_in(event: Event) -> list[str]:
    """The telephone numbers a conversation can be found by through *event*."""
    found: list[str] = []
    parties = [getattr(event, "from_", None), getattr(event, "to", None)]
    if isinstance(event, Recording) and event.voicemail:
        parties.append(event.voicemail.from_)
    for party in parties:
        number = number_of(party)
        if number and number not in found:
            found.append(number)
    return found


def mask(text: str) -> str:
    """*text* with all but the last four digits of every number in it starred out; ids and moments stay as they are."""
    if len(text) < LEAST:
        return text
    return _mask_known(text) if len(text) <= LONGEST_KNOWN else _mask(text)


def _mask(text: str) -> str:
    run = ESCAPED_RUN if _may_have_escape(text) else RUN
    if run is ESCAPED_RUN and len(ANY_DIGIT.findall(text)) < 7:  # that takes longer to find
        return text
    first = MAY_HAVE_RUN if run is RUN and text.isascii() else run
    if not first.search(text) or KNOWN.fullmatch(text):
        return text
    parts, end = [], 0
    for known in KNOWN.finditer(text):
        parts += [run.sub(_starred, text[end : known.start()]), known[0]]
        end = known.end()
    return "".join(parts) + run.sub(_starred, text[end:])


_mask_known = lru_cache(8192)(_mask)  # of a call the same few texts come again and again


def has_number(text: str, number: str) -> bool:
    """Whether *text* contains the telephone number *number* (digits), with any separators in it."""
    return any(number in _digits_of(run[0]) for run in (*RUN.finditer(text), *ESCAPED_RUN.finditer(text)))


def _may_have_escape(text: str) -> bool:
    # Most texts have none, and this is the quickest way to find out.
    return "%" in text or "&" in text or "<" in text or "\\" in text or "xt" in text or "XT" in text


def _digits_of(run: str) -> str:
    return "".join(found[0] for found in ESCAPE_OR_DIGIT.finditer(run) if not found[1])


def mask_party(party: str) -> str:
    """A masked `from` or `to`: seven digits in it are a telephone number, with anything between and around them."""
    return _stars(party) if len(ANY_DIGIT.findall(party)) >= 7 else party


def _starred(run: re.Match[str]) -> str:
    return _stars(run[0])


def _stars(text: str) -> str:
    """*text* with a star for each digit but the last four; the signs between them stay, escapes whole."""
    if not _may_have_escape(text):
        return ANY_DIGIT.sub("*", text, count=len(ANY_DIGIT.findall(text)) - SHOWN)
    found = list(ESCAPE_OR_DIGIT.finditer(text))
    at = [each.start() for each in found if not each[1]]
    if len(at) < 7:  # what look like escapes may be none
        at = [each.start() for each in ANY_DIGIT.finditer(text)]
    hidden = set(at[:-SHOWN])
    return "".join("*" if index in hidden else char for index, char in enumerate(text))


def masked(value: Any, *, inside: Inside | None = OURS) -> Any:
    """A JSON value with every telephone number in it masked, at any depth. No value becomes one of another type.

    *inside*: where in it the names of STAY are Vonage's or ours; None: nowhere.
    """
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):
        return [masked(item, inside=inside) for item in value]
    if isinstance(value, dict):
        return {mask(key): _masked_item(key, item, inside) for key, item in value.items()}
    if type(value) in (int, float):
        return _masked_number(value)
    return value


def _masked_item(key: str, item: Any, inside: Inside | None) -> Any:
    if isinstance(item, str) and key in PARTIES:
        return mask_party(item)
    if isinstance(item, dict | list):
        return masked(item, inside=None if inside is None else inside.get(key))
    known = None if inside is None or isinstance(item, bool) else STAY.get(key)
    return item if known and known.fullmatch(str(item)) else masked(item)


def _masked_number(number: float) -> int | float:
    """The last four digits of a number that has seven or more, as a number of the same type."""
    whole = type(number) is float and number.is_integer()
    text = str(int(number) if whole else number)
    return type(number)(NOT_DIGITS.sub("", text)[-SHOWN:]) if RUN.search(text) else number
