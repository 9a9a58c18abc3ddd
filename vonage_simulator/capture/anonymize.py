"""What stands in a call that is to be shown to others in place of telephone numbers, and of servers to be asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

# Set aside for television and radio drama: https://www.ofcom.org.uk/phones-and-broadband/phone-numbers/numbers-for-drama
MOBILE: Final = "447700900"
LONDON: Final = "442079460"
DRAMA: Final = re.compile(rf"(?<!\d)(?:{MOBILE}|{LONDON})\d{{3}}(?!\d)")
# No number is looked for in these: a UUID, another id, a date and time.
ID: Final = (
    r"(?<![0-9A-Za-z])(?:(?:[A-Z]{3}-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?:CON|LEG|MEM|NAM|USR)-[\w-]+"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?)(?![0-9A-Za-z])"
)
# Seven digits or more that are no part of another word: with blanks and the like in them only behind a plus or a
# zero, or in groups as telephone numbers have them, else it might be anything.
NUMBER: Final = re.compile(
    rf"(?P<id>{ID})|(?<![0-9A-Za-z.+])(?:\+[0-9](?:[\s()./_-]{{0,3}}[0-9]){{6,14}}"
    r"|00[1-9](?:[\s-]{0,2}[0-9]){8,12}|0[0-9](?:[\s-]{0,2}[0-9]){8,9}|0(?:\s{1,2}[0-9]){9,10}"
    r"|\(?[0-9]{3}\)?[\s.-]{1,2}[0-9]{3}[\s.-]{1,2}[0-9]{4}|[1-9][0-9]{0,2}\s{1,2}[0-9]{3,5}\s{1,2}[0-9]{5,7}"
    r"|[0-9]{7,15})(?![0-9A-Za-z]|\.[0-9])"
)
BETWEEN: Final = r"(?:%[0-9A-Fa-f]{2}|[^0-9]){0,3}"  # what may stand between the digits of a number that is known
LEAST_KNOWN: Final = 8  # digits by which a number that is known is known again without its country's
PARTIES: Final = ("from", "to", "number", "dialled", "digits", "from_user", "user", "uri")
PARTY: Final = re.compile(r"\W*(?:sips?:|tel:)?\W*([0-9](?:[\s()./_-]{0,3}[0-9]){6,18})\W*(?:[@;].*)?", re.DOTALL)
URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20}://)(?:[^\s/?#@]*@)*([^\s?#\"'<>]*)(?:[?#][^\s\"'<>]*)?")
SIP: Final = re.compile(r"(\bsips?:[^\s:@;?]+)(?::[^\s@]{0,200})?(@[^\s?]+)(?:\?\S*)?", re.IGNORECASE)
SECRET_NAME: Final = re.compile("auth|token|key|secret|cookie|passw", re.IGNORECASE)
SECRET_VALUE: Final = re.compile(r"\s*(?:Bearer|Basic)\s", re.IGNORECASE)
LEFT_OUT: Final = "left-out"
LEAST_INTEGER: Final = 10**9  # what is less may be a duration, or a price
MASKED: Final = re.compile(r"[+\d*]*\*{3}[\d*]*")
EVENT_URL: Final = ["event_url"]  # in a scenario: that of the application which runs it
NOT_DIGITS: Final = re.compile(r"\D", re.ASCII)


class StandIns:
    """Gives each number one of the drama ranges, always the same; one that is of them keeps it.

    *seen* is any text in which those of them stand that are taken already. *known* are the call's own: they are found
    however they are written. *keep*: every number stays as it is, but secrets do not.
    """

    def __init__(self, seen: str = "", *, known: Iterable[str] = (), keep: bool = False) -> None:
        self._known = sorted({one for one in known if not DRAMA.fullmatch(one)}, key=lambda one: (-len(one), one))
        self._knows = _any_of(self._known)
        self._keep = keep
        self._given: dict[str, str] = {}
        self._taken = set(DRAMA.findall(seen))

    def party(self, text: str, *, own: bool = False) -> str:
        """A `from` or `to`. *own*: it is the application's, which has a landline; people have mobiles."""
        text = text.strip()
        if MASKED.fullmatch(text) and not self._keep:  # as viewers are shown it
            return self._number(text, own=own)
        return self._replaced(text, own=own)

    def words(self, value: Any) -> Any:
        """*value*, any JSON, with every number in it replaced, at any depth; without what opens doors."""
        if isinstance(value, str):
            return self._replaced(value)
        if isinstance(value, list | tuple):
            return [self.words(item) for item in value]
        if isinstance(value, Mapping):
            return {
                self._replaced(name): self.brought(item) if name == "headers" else self.words(item)
                for name, item in value.items()
            }
        if isinstance(value, int | float) and abs(value) >= LEAST_INTEGER and value == value // 1:
            sign = -1 if value < 0 else 1
            return type(value)(sign * int(self._replaced(str(abs(int(value))))))
        return value

    def brought(self, value: Any) -> Any:
        """As `words`, of headers and other data that came along: what by its name or its look is a secret is left out.

        Truth values and numbers are none.
        """
        if isinstance(value, str) and SECRET_VALUE.match(value):
            return LEFT_OUT
        if isinstance(value, list | tuple):
            return [self.brought(item) for item in value]
        if isinstance(value, Mapping):
            return {
                self._replaced(str(name)): LEFT_OUT
                if SECRET_NAME.search(str(name)) and isinstance(item, str | list | tuple | Mapping)
                else self.brought(item)
                for name, item in value.items()
            }
        return self.words(value)

    def keys(self, pressed: str) -> str:
        """Keys that were pressed. A number of the call's is its stand-in; seven other digits or more are counted up.

        They stay as many as they were: a flow may wait for just so many.
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
        for found in self._knows.finditer(text) if self._knows else ():
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


def numbers_of(told: Any) -> set[str]:
    """The digits of whoever had part in what is told, any JSON: callers, callees, and numbers that were keyed in."""
    if isinstance(told, list | tuple):
        return {number for item in told for number in numbers_of(item)}
    if not isinstance(told, Mapping):
        return set()
    found = {number for item in told.values() for number in numbers_of(item)}
    parties = (PARTY.fullmatch(str(told.get(name))) for name in PARTIES)
    numbers = (NOT_DIGITS.sub("", party[1]) for party in parties if party)
    return found | {number.removeprefix("00") for number in numbers}


def _any_of(numbers: Sequence[str]) -> re.Pattern[str] | None:
    """Finds each of *numbers* as it is dialled from anywhere (`f…` and its index), or in its own country (`n…`)."""
    full = [f"(?P<f{index}>{_from_abroad(number)})" for index, number in enumerate(numbers)]
    short = [f"(?P<n{index}>{either})" for index, number in enumerate(numbers) if (either := _at_home(number))]
    return re.compile("|".join(full + short), re.IGNORECASE) if full else None


def _from_abroad(number: str) -> str:
    """Behind the country's one to three digits a zero may stand, as in +44 (0) 7911 …"""
    digits = "".join(
        digit + (BETWEEN + (f"(?:0{BETWEEN})?" if place in (1, 2, 3) else "") if place < len(number) else "")
        for place, digit in enumerate(number, 1)
    )
    whole = rf"(?:(?:\+|%2B|0{BETWEEN}0){BETWEEN})?{digits}"
    return whole if len(number) > LEAST_KNOWN else rf"(?<![0-9A-Za-z.]){whole}(?![0-9A-Za-z])"


def _at_home(number: str) -> str:
    """Behind a zero, or without it if it is long enough to be no other number."""
    rests = [number[cut:] for cut in ((1,) if number.startswith("0") else (1, 2, 3))]
    either = [f"0{BETWEEN}{BETWEEN.join(rest)}" for rest in rests if len(rest) >= LEAST_KNOWN]
    either += [BETWEEN.join(rest) for rest in rests if len(rest) > LEAST_KNOWN]
    return f"(?<![0-9])(?:{'|'.join(either)})(?![0-9])" if either else ""


def portable(ncco: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """*ncco* as any application may run it: with event URLs of its own, asking no other server and opening none."""
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
    """*value* without what it has of these names."""
    return {name: item for name, item in value.items() if name not in names}
