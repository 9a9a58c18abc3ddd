"""Telephone numbers: finding calls by them, and masking them."""

from __future__ import annotations

import re
from typing import Any, Final

from app.domain.events import Event

# International numbers have at most 15 digits (E.164); a `from` or `to` may as well be a user name or an address.
NUMBER: Final = re.compile(r"\+?(\d[\d ().-]{0,24}\d|\d)", re.ASCII)
ADDRESS: Final = re.compile(r"(?:sips?|tel):(\+?\d+)(?:[@;].*)?", re.ASCII | re.IGNORECASE | re.DOTALL)
NOT_DIGITS: Final = re.compile(r"\D", re.ASCII)
DECIMAL: Final = re.compile(r"\d+\.\d+", re.ASCII)  # an amount of money, a confidence
MAY_BE_IN_TEXT: Final = re.compile(r"\+\d|\d{7}|\d(?:[ ,.-]{1,3}\d){6}", re.ASCII)  # quick: most texts have none
# A number, if NUMBER_FOLLOWS matches the text before it; of "+447700900123 10:15" the first 12 digits. Blanks and the
# like are allowed in it only after a plus, else it might be a date; or between all of its digits, as read aloud.
IN_TEXT: Final = re.compile(
    r"(?:\+\d(?:[ ().-]{0,2}\d){6,14}|\d(?:[ ,.-]{1,3}\d){6,14}|\+?\d{7,})(?![\w:-]|\.\d)", re.ASCII
)
NUMBER_FOLLOWS: Final = re.compile(r"(?:^|[^\w.:+-]|[a-z\"' ]:|%2b)$", re.ASCII | re.IGNORECASE)
NEVER_NUMBERS: Final = frozenset(
    {"uuid", "call_uuid", "conversation_uuid", "leg", "price", "rate", "timestamp", "lag_ms", "size", "version"}
)
PARTIES: Final = frozenset({"from", "to"})  # also when they are JSON numbers
ALL_BUT_THE_LAST_FOUR: Final = re.compile(r"\d(?=(?:\D*\d){4})")


def digits(text: str | None) -> str | None:
    """The digits of a telephone number; None if *text* is not one."""
    if not text or not NUMBER.fullmatch(text):
        return None
    found = text if text.isdecimal() else NOT_DIGITS.sub("", text)
    return found if len(found) <= 15 else None


def numbers_in(event: Event) -> list[str]:
    """The telephone numbers a conversation can be found by through *event*."""
    found: list[str] = []
    for party in (getattr(event, "from_", None), getattr(event, "to", None)):
        number = digits(ADDRESS.sub(r"\1", party) if ":" in party else party) if party else None
        if number and number not in found:
            found.append(number)
    return found


def mask(text: str) -> str:
    """*text* with all but the last four digits of every telephone number in it starred out; ids stay as they are."""
    if len(digits(text) or "") >= 7 and not DECIMAL.fullmatch(text):
        return _starred(text)
    return IN_TEXT.sub(_starred_if_number, text) if MAY_BE_IN_TEXT.search(text) else text


def mask_party(party: str) -> str:
    """A masked `from` or `to`: seven digits in it are a telephone number, with anything between and around them."""
    if party.isdecimal():
        return mask(party)
    return ALL_BUT_THE_LAST_FOUR.sub("*", party) if sum(map(str.isdigit, party)) >= 7 else party


def _starred_if_number(seen: re.Match[str]) -> str:
    before = seen.string[max(0, seen.start() - 6) : seen.start()]
    return _starred(seen[0]) if NUMBER_FOLLOWS.search(before) else seen[0]


def _starred(number: str) -> str:
    return "*" * (len(number) - 4) + number[-4:]


def masked(value: Any) -> Any:
    """A JSON value with every telephone number in it masked, at any depth."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):
        return [masked(item) for item in value]
    if isinstance(value, dict):
        return {mask(key): _masked_item(key, item) for key, item in value.items()}
    if type(value) is float and value >= 10**9:
        return value % 10**4  # its last four digits, still as a number
    return mask(str(value)) if type(value) is int and value >= 10**9 else value


def _masked_item(key: str, item: Any) -> Any:
    if key in PARTIES and type(item) in (str, int):
        return mask_party(str(item))
    return item if key in NEVER_NUMBERS and not isinstance(item, dict | list) else masked(item)
