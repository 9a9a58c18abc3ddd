"""Telephone numbers: finding a call by one, and not showing it to everyone."""

from __future__ import annotations

import re
from typing import Any, Final

from app.domain.events import Event

# International numbers have at most 15 digits (E.164); a `from` or `to` may as well be a user name or an address.
NUMBER: Final = re.compile(r"\+?(\d[\d ().-]{0,24}\d|\d)", re.ASCII)
ADDRESS: Final = re.compile(r"(?:sips?|tel):(\+?\d+)(?:[@;].*)?", re.ASCII | re.IGNORECASE | re.DOTALL)
NOT_DIGITS: Final = re.compile(r"\D", re.ASCII)
LONG_ENOUGH: Final = re.compile(r"\d(?:[ ().-]?\d){6}", re.ASCII)  # nothing shorter is masked: a quick look first
DECIMAL: Final = re.compile(r"\d+\.\d+", re.ASCII)  # an amount of money, how sure Vonage is of what was said
SEEN_IN_TEXT: Final = re.compile(
    r"(?:(?<![\w.:+-])|(?<=\bsip:)|(?<=\bsips:)|(?<=\btel:))\+?\d{7,}(?![\w:-]|\.\d)", re.ASCII | re.IGNORECASE
)
NEVER_NUMBERS: Final = frozenset({"uuid", "call_uuid", "conversation_uuid", "leg", "price", "rate", "timestamp"})
PARTIES: Final = frozenset({"from", "to"})  # have come as JSON numbers


def digits(text: str | None) -> str | None:
    """The digits of a telephone number; None if *text* is not one."""
    if not text or not NUMBER.fullmatch(text):
        return None
    found = NOT_DIGITS.sub("", text)
    return found if len(found) <= 15 else None


def numbers_in(event: Event) -> list[str]:
    """The telephone numbers a conversation can be found by through *event*."""
    parties = (getattr(event, field, None) or "" for field in ("from_", "to"))
    found = (digits(ADDRESS.sub(r"\1", party)) for party in parties)
    return list(dict.fromkeys(number for number in found if number))


def mask(text: str) -> str:
    """*text* with all but the last four digits of every telephone number in it starred out; ids stay as they are."""
    if not LONG_ENOUGH.search(text):
        return text
    if len(digits(text) or "") >= 7 and not DECIMAL.fullmatch(text):
        return _starred(text)
    return SEEN_IN_TEXT.sub(lambda seen: _starred(seen[0]), text)


def _starred(number: str) -> str:
    return "*" * (len(number) - 4) + number[-4:]


def masked(value: Any) -> Any:
    """A JSON value with every telephone number in it masked, at any depth."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, list):
        return [masked(item) for item in value]
    if isinstance(value, dict):
        return {key: item if key in NEVER_NUMBERS else _masked_item(key, item) for key, item in value.items()}
    return value


def _masked_item(key: str, item: Any) -> Any:
    return mask(str(item)) if key in PARTIES and type(item) is int else masked(item)
