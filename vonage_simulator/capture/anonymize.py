"""Replaces telephone numbers, secrets and servers in a call that is to be shown to others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

# Set aside for television and radio drama: https://www.ofcom.org.uk/phones-and-broadband/phone-numbers/numbers-for-drama
MOBILE: Final = "447700900"
LONDON: Final = "442079460"
DRAMA: Final = re.compile(rf"(?<!\d)(?:{MOBILE}|{LONDON})\d{{3}}(?!\d)")
# Never a telephone number: a UUID, another id, a date and time.
ID: Final = (
    r"(?<![0-9A-Za-z])(?:(?:[A-Z]{3}-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?:CON|LEG|MEM|NAM|USR)-[\w-]+"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?)(?![0-9A-Za-z])"
)
# Seven digits or more that are no part of another word: with blanks and the like between them only after a plus or a
# zero, or in the groups of telephone numbers, else it might be anything.
NUMBER: Final = re.compile(
    rf"(?P<id>{ID})|(?<![0-9A-Za-z.+])(?:\+[0-9](?:[\s()./_-]{{0,3}}[0-9]){{6,14}}"
    r"|00[1-9](?:[\s-]{0,2}[0-9]){8,12}|0[0-9](?:[\s-]{0,2}[0-9]){8,9}|0(?:\s{1,2}[0-9]){9,10}"
    r"|\(?[0-9]{3}\)?[\s.-]{1,2}[0-9]{3}[\s.-]{1,2}[0-9]{4}|[1-9][0-9]{0,2}\s{1,2}[0-9]{3,5}\s{1,2}[0-9]{5,7}"
    r"|[0-9]{7,15})(?![0-9A-Za-z]|\.[0-9])"
)
BETWEEN: Final = r"(?:%[0-9A-Fa-f]{2}|[^0-9]){0,3}"  # may be between the digits of a known number
LEAST_KNOWN: Final = 8  # digits by which a known number is recognised without its country code
PARTIES: Final = ("from", "to", "number", "dialled", "digits", "from_user", "user", "uri")
PARTY: Final = re.compile(r"\W*(?:sips?:|tel:)?\W*([0-9](?:[\s()./_-]{0,3}[0-9]){6,18})\W*(?:[@;].*)?", re.DOTALL)
URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20}://)(?:[^\s/?#@]*@)*([^\s?#\"'<>]*)(?:[?#][^\s\"'<>]*)?")
SIP: Final = re.compile(r"(\bsips?:[^\s:@;?]+)(?::[^\s@]{0,200})?(@[^\s?]+)(?:\?\S*)?", re.IGNORECASE)
SECRET_NAME: Final = re.compile("auth|token|key|secret|cookie|passw", re.IGNORECASE)
SECRET_VALUE: Final = re.compile(r"\s*(?:Bearer|Basic)\s", re.IGNORECASE)
LEFT_OUT: Final = "left-out"
LEAST_INTEGER: Final = 10**9  # a smaller number may be a duration, or a price
MASKED: Final = re.compile(r"[+\d*]*\*{3}[\d*]*")
EVENT_URL: Final = ["event_url"]  # in a scenario: that of the application which runs it
NOT_DIGITS: Final = re.compile(r"\D", re.ASCII)


class Anonymizer:
    """Replaces each number by one of the drama ranges, always the same one; numbers of these ranges stay.

    *seen*: any text with the drama numbers that are taken already. *known*: numbers of the call, which are found in any
    notation. *keep*: all numbers stay, but secrets do not.
    """

    def __init__(self, seen: str = "", *, known: Iterable[str] = (), keep: bool = False) -> None:
        numbers = {number for number in known if not DRAMA.fullmatch(number)}
        self._known = sorted(numbers, key=lambda number: (-len(number), number))
        self._pattern = _any_of(self._known)
        self._keep = keep
        self._given: dict[str, str] = {}
        self._taken = set(DRAMA.findall(seen))

    def party(self, text: str, *, own: bool = False) -> str:
        """Replace a `from` or `to`. *own*: the application's, which gets a landline; people get mobiles."""
        text = text.strip()
        masked = MASKED.fullmatch(text) and not self._keep
        return self._number(text, own=own) if masked else self._replaced(text, own=own)

    def replace(self, value: Any) -> Any:
        """*value*, any JSON, with every number in it replaced, at any depth, and without secrets."""
        if isinstance(value, str):
            return self._replaced(value)
        if isinstance(value, list | tuple):
            return [self.replace(item) for item in value]
        if isinstance(value, Mapping):
            return {
                self._replaced(name): self.replace_headers(item) if name == "headers" else self.replace(item)
                for name, item in value.items()
            }
        if isinstance(value, int | float) and abs(value) >= LEAST_INTEGER and value == value // 1:
            sign = -1 if value < 0 else 1
            return type(value)(sign * int(self._replaced(str(abs(int(value))))))
        return value

    def replace_headers(self, value: Any) -> Any:
        """`replace` for headers and custom data: secrets, known by name or look, are left out.

        Truth values and numbers are no secrets.
        """
        if isinstance(value, str) and SECRET_VALUE.match(value):
            return LEFT_OUT
        if isinstance(value, list | tuple):
            return [self.replace_headers(item) for item in value]
        if isinstance(value, Mapping):
            return {
                self._replaced(str(name)): LEFT_OUT
                if SECRET_NAME.search(str(name)) and isinstance(item, str | list | tuple | Mapping)
                else self.replace_headers(item)
                for name, item in value.items()
            }
        return self.replace(value)

    def keys(self, pressed: str) -> str:
        """Replace pressed keys: a number of the call as elsewhere, any other seven digits or more by 1234567….

        Their count stays: a flow may wait for just so many.
        """
        if self._keep:
            return pressed

        def replaced(found: re.Match[str]) -> str:
            known = self._given.get(found[0])
            return known if known and len(known) == len(found[0]) else ("1234567890" * 2)[: len(found[0])]

        return re.sub(r"\d{7,20}", replaced, pressed, flags=re.ASCII)

    def _replaced(self, text: str, *, own: bool = False) -> str:
        text = SIP.sub(r"\1\2", URL.sub(r"\1\2", text))
        if self._keep:
            return text
        done, at = "", 0
        for found in self._pattern.finditer(text) if self._pattern else ():
            digits = self._known[int(str(found.lastgroup).strip("fn"))]
            plus = next((plus for plus in ("+", "%2B") if found[0].upper().startswith(plus)), "")
            done += self._others(text[at : found.start()], own=own) + plus + self._number(digits, own=own)
            at = found.end()
        return done + self._others(text[at:], own=own)

    def _others(self, text: str, *, own: bool) -> str:
        def replaced(found: re.Match[str]) -> str:
            return found[0] if found["id"] else "+" * found[0].startswith("+") + self._number(found[0], own=own)

        return NUMBER.sub(replaced, text)

    def _number(self, text: str, *, own: bool) -> str:
        digits = text if "*" in text else NOT_DIGITS.sub("", text)
        if digits.startswith("00") and len(digits) > LEAST_KNOWN:
            digits = digits[2:]  # as it is dialled from abroad
        if DRAMA.fullmatch(digits):
            return digits
        if digits.startswith("0"):  # as it is dialled in its own country
            digits = next((known for known in self._given if known.endswith(digits[1:])), digits)
        if digits not in self._given:
            numbers = (f"{LONDON if own else MOBILE}{count:03}" for count in range(1, 1000))
            free = next((number for number in numbers if number not in self._taken), f"{MOBILE}000")
            self._given[digits] = free
            self._taken.add(free)
        return self._given[digits]


def numbers_of(json: Any) -> set[str]:
    """The digits of all callers and callees in *json*, any JSON, and of numbers that were keyed in."""
    if isinstance(json, list | tuple):
        return {number for item in json for number in numbers_of(item)}
    if not isinstance(json, Mapping):
        return set()
    found = {number for item in json.values() for number in numbers_of(item)}
    parties = (PARTY.fullmatch(str(json.get(name))) for name in PARTIES)
    numbers = (NOT_DIGITS.sub("", party[1]) for party in parties if party)
    return found | {number.removeprefix("00") for number in numbers}


def _any_of(numbers: Sequence[str]) -> re.Pattern[str] | None:
    """Matches each of *numbers* as dialled from abroad (group `f` and its index), or in its own country (`n…`)."""
    full = [f"(?P<f{index}>{_from_abroad(number)})" for index, number in enumerate(numbers)]
    short = [f"(?P<n{index}>{either})" for index, number in enumerate(numbers) if (either := _at_home(number))]
    return re.compile("|".join(full + short), re.IGNORECASE) if full else None


def _from_abroad(number: str) -> str:
    """A zero may follow the country code of one to three digits, as in +44 (0) 7911 …"""
    digits = "".join(
        digit + (BETWEEN + (f"(?:0{BETWEEN})?" if index in (1, 2, 3) else "") if index < len(number) else "")
        for index, digit in enumerate(number, 1)
    )
    whole = rf"(?:(?:\+|%2B|0{BETWEEN}0){BETWEEN})?{digits}"
    return whole if len(number) > LEAST_KNOWN else rf"(?<![0-9A-Za-z.]){whole}(?![0-9A-Za-z])"


def _at_home(number: str) -> str:
    """After a zero, or without it if it is long enough to be no other number."""
    rests = [number[cut:] for cut in ((1,) if number.startswith("0") else (1, 2, 3))]
    either = [f"0{BETWEEN}{BETWEEN.join(rest)}" for rest in rests if len(rest) >= LEAST_KNOWN]
    either += [BETWEEN.join(rest) for rest in rests if len(rest) > LEAST_KNOWN]
    return f"(?<![0-9])(?:{'|'.join(either)})(?![0-9])" if either else ""


def portable(ncco: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """*ncco* as any application may run it: with its own event URLs, and without requests to other servers."""
    found = []
    for action in ncco:
        own = without(action, "eventMethod")
        if "eventUrl" in own:
            own["eventUrl"] = EVENT_URL
        if "transcription" in own:
            own["transcription"] = without(own["transcription"], "eventUrl", "eventMethod")
        if "endpoint" in own:
            own["endpoint"] = [without(endpoint, "onAnswer", "authorization") for endpoint in own["endpoint"]]
        found.append(own)
    return found


def without(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """*value* without the keys *names*."""
    return {name: item for name, item in value.items() if name not in names}
