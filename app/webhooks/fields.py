"""Fields that accept what Vonage really sends: nulls, blanks, numbers as text and text as numbers.

Empty and null are the same: not known. A value that cannot be read is a ValidationError, which costs the webhook that
field alone (see `schemas.read_event`), never the whole.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from marshmallow import ValidationError, fields, missing

NAN = Decimal("NaN")
MONEY = re.compile(r"[+-]?\d{1,20}(\.\d{1,20})?", re.ASCII)
DATE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d+))?\s*(Z|UTC|[+\- ]?\d\d:?\d\d)?", re.ASCII | re.IGNORECASE
)
TRUE, FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})
LONGEST_ID = 255
LARGEST = 2**53  # whole numbers beyond this are not the same in every JSON reader


class Loose(fields.Field[Any]):
    """A field that may be missing, null, empty or blank; all but missing are None."""

    def deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Any:
        """None for null or blank, else `read` of *value*."""
        if value is missing:
            return missing
        if isinstance(value, str):
            value = value.strip()
        return None if value is None or value == "" else self.read(value)

    def read(self, value: Any) -> Any:
        """The value; raises ValidationError if it cannot be read."""
        raise NotImplementedError


class Text(Loose):
    """Text, trimmed: a `from` has come with a leading blank (tests/samples/phone-to-app.events.jsonl)."""

    def read(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        if isinstance(value, bool | dict | list):
            raise ValidationError("Not text.")
        return str(value)


class Id(Text):
    """An id of a conversation or a leg. Vonage's have 40 characters; they become keys of Redis, and parts of lists."""

    def read(self, value: Any) -> str:
        text = super().read(value)
        if len(text) > LONGEST_ID:
            raise ValidationError("Too long.")
        return text


class Party(Text):
    """A `from` or `to`: number, user name, address. `Unknown` is what Vonage writes for "not known"."""

    def read(self, value: Any) -> Any:
        text = super().read(value)
        return None if text.lower() == "unknown" else text


class Word(Text):
    """A word of Vonage's vocabulary: compared in lower case (the .NET SDK does the same)."""

    def read(self, value: Any) -> str:
        return super().read(value).lower()


class Status(Word):
    """A call status. Some old pages of Vonage's write `complete` for `completed`."""

    def read(self, value: Any) -> str:
        word = super().read(value)
        return "completed" if word == "complete" else word


class Number(Loose):
    """A number at or above 0."""

    def read(self, value: Any) -> float:
        try:
            number = float(value) if not isinstance(value, bool) else -1.0
        except (TypeError, ValueError, OverflowError):
            raise ValidationError("Not a number.") from None
        if not 0 <= number <= LARGEST:
            raise ValidationError("Not a number at or above 0.")
        return int(number) if number == int(number) else number


class Whole(Number):
    """A whole number at or above 0."""

    def read(self, value: Any) -> int:
        number = super().read(value)
        if number != int(number):
            raise ValidationError("Not a whole number.")
        return int(number)


class Flag(Loose):
    """True or false; one SDK sample has them as text."""

    def read(self, value: Any) -> bool:
        word = str(value).lower()
        if word not in TRUE | FALSE:
            raise ValidationError("Not true or false.")
        return word in TRUE


class Money(Loose):
    """A plain decimal string, as precise as received: "0.00720000"; a number such as 1.5E-4 becomes "0.00015"."""

    def read(self, value: Any) -> str:
        text = str(value)
        try:
            amount = Decimal(text) if not isinstance(value, bool) and len(text) < 40 else NAN
        except InvalidOperation:
            amount = NAN
        # Written out, 1E+999999999 would fill a gigabyte.
        plain = format(amount, "f") if abs(amount.adjusted()) < 40 else ""
        if not MONEY.fullmatch(plain):
            raise ValidationError("Not an amount of money.")
        return plain


class Moment(Loose):
    """A moment in UTC. Fractions of any length (beyond microseconds they are cut), any offset; none means UTC."""

    def read(self, value: Any) -> datetime:
        found = DATE_TIME.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise ValidationError("Not a date and time.")
        date, time, fraction, zone = found.groups()
        offset = "+00:00" if zone is None or zone.upper() in ("Z", "UTC") else zone.replace(" ", "+")
        if offset[0] not in "+-":  # "+" in a query string is a blank, which the pattern takes for white space
            offset = "+" + offset
        try:
            moment = datetime.fromisoformat(f"{date}T{time}.{(fraction or '0')[:6]:0<6}{offset}").astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValidationError("Not a date and time.") from None
        if moment.year < 1970:
            raise ValidationError("Not a date and time of a call.")
        return moment
