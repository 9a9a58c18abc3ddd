"""What stands in a call that is to be shown to others in place of telephone numbers, and of servers to be asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

# Set aside for television and radio drama: https://www.ofcom.org.uk/phones-and-broadband/phone-numbers/numbers-for-drama
MOBILE: Final = "447700900"
LONDON: Final = "442079460"
DRAMA: Final = re.compile(rf"(?<!\d)(?:{MOBILE}|{LONDON})\d{{3}}(?!\d)")
# Seven digits or more that are no part of an id or of another word: with blanks and the like in them only behind a
# plus or a zero, else it might be a date.
NUMBER: Final = re.compile(
    r"(?<![\w.+-])(\+\d(?:[ ().-]{0,2}\d){6,14}|0\d(?:[ -]?\d){8,9}|\d{7,15})(?![\w-]|\.\d)", re.ASCII
)
MASKED: Final = re.compile(r"[+\d*]*\*{3}[\d*]*")
EVENT_URL: Final = ["event_url"]  # in a scenario: that of the application which runs it
NOT_DIGITS: Final = re.compile(r"\D", re.ASCII)


class StandIns:
    """Gives each number one of the drama ranges, always the same; one that is of them keeps it.

    *seen* is any text in which those of them stand that are taken already. *keep*: every number stays as it is.
    """

    def __init__(self, seen: str = "", *, keep: bool = False) -> None:
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
        """*value*, any JSON, with every number in its texts replaced, at any depth."""
        if isinstance(value, str):
            return self._replaced(value)
        if isinstance(value, list | tuple):
            return [self.words(item) for item in value]
        if isinstance(value, Mapping):
            return {name: self.words(item) for name, item in value.items()}
        return value

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
        if self._keep:
            return text
        return NUMBER.sub(lambda found: "+" * found[0].startswith("+") + self._number(found[0], own=own), text)

    def _number(self, text: str, *, own: bool) -> str:
        digits = text if "*" in text else NOT_DIGITS.sub("", text)
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
