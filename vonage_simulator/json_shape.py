"""What a JSON value can have to be, and how to say what it is instead.

A value that is only known later, a hole, may stand anywhere: nothing is wrong with it as yet.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from vonage_simulator.yaml_source import HALF_A_CHARACTER, Steps

Found = tuple[Steps, str]  # where in a value, and what is wrong there
Rule = Callable[[Any], Iterator[Found]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a value must be: *wanted* in words, *fits* as a test."""

    wanted: str
    fits: Callable[[Any], bool]
    needed: bool = False
    each: Kind | None = None  # what the members of an array must be
    options: Mapping[str, Kind] = field(default_factory=dict)  # what an object may have
    only: str = ""  # what it is, in words, where it may have no other options than those; "": others are passed over
    rules: tuple[Rule, ...] = ()  # what else must hold for a value that fits

    def faults(self, value: Any) -> Iterator[Found]:
        """What is wrong with *value* and with all in it."""
        if later(value):
            return
        if not self.fits(value):
            yield (), f"It is {shown(value)}, but must be {self.wanted}."
            return
        if self.each:
            for place, member in enumerate(value):
                yield from within(place, self.each.faults(member))
        for name, kind in self.options.items():
            if name in value:
                yield from within(name, kind.faults(value[name]))
            elif kind.needed:
                yield (name,), f"It is missing; it must be {kind.wanted}."
        if self.only:
            for name in value:
                if not known(name, self.options):
                    yield (_step(name),), f"It is no option of {self.only}{_meant(name, self.options)}"
        for rule in self.rules:
            yield from rule(value)


def within(place: str | int, found: Iterable[Found]) -> Iterator[Found]:
    """What was *found* in a value, seen from what has that value at *place*."""
    for inner, words in found:
        yield (place, *inner), words


def later(value: Any) -> bool:
    """Whether *value* is a hole: something that is filled once somebody calls."""
    return callable(getattr(type(value), "fill", None))


def _meant(name: Any, options: Iterable[str]) -> str:
    """A guess at which of *options* somebody meant: event_url is eventUrl, and so is eventURL."""
    if not isinstance(name, str) or len(name) > 100:  # guessing takes time, and nobody meant that
        return "."
    plain = {option.lower(): option for option in options}
    near = difflib.get_close_matches(name.lower(), plain, n=1, cutoff=0.65)
    return f"; did you mean {plain[near[0]]}?" if near else "."


def _step(name: Any) -> str:
    """A name as part of a path that can be printed, though it may be none that JSON has."""
    return name.encode("utf-8", "backslashreplace").decode() if isinstance(name, str) else shown(name)


def shown(value: Any) -> str:
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


def text(wanted: str = "text", pattern: str = r"(?s).*") -> Kind:
    return Kind(wanted=wanted, fits=lambda value: isinstance(value, str) and bool(re.fullmatch(pattern, value)))


def one_of(*words: str) -> Kind:
    *some, last = (f'"{word}"' for word in words)
    return Kind(wanted=f"{', '.join(some)} or {last}" if some else last, fits=lambda value: value in words)


def number(least: float | None = None, most: float | None = None, *, whole: bool = False) -> Kind:
    """A number of JSON's: true is none, though Python takes it for 1, nor are NaN and Infinity."""

    def fits(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            return False
        finite = isinstance(value, int) or math.isfinite(value)
        return finite and (least is None or least <= value) and (most is None or value <= most)

    between = f" from {least} to {most}" if most is not None else f", {least} or more" if least is not None else ""
    return Kind(wanted=f"a {'whole ' * whole}number{between}", fits=fits)


def whole(least: int | None = None, most: int | None = None) -> Kind:
    return number(least, most, whole=True)


def array(wanted: str, each: Kind, least: int = 0, most: float = math.inf) -> Kind:
    return Kind(wanted=wanted, fits=lambda value: isinstance(value, list) and least <= len(value) <= most, each=each)


def mapping(options: Mapping[str, Kind] | None = None, *rules: Rule, only: str = "") -> Kind:
    def fits(value: Any) -> bool:
        return isinstance(value, dict)

    return Kind(wanted="an object", fits=fits, options=options or {}, only=only, rules=rules)


def address(*schemes: str) -> Kind:
    def fits(value: Any) -> bool:
        if not isinstance(value, str) or re.search(r"[\s\x00-\x1f\x7f]", value):
            return False
        try:
            parts = urlsplit(value)
            return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0  # a wrong port raises here
        except ValueError:
            return False

    return Kind(wanted="a URL that begins with " + " or ".join(f"{scheme}://" for scheme in schemes), fits=fits)


def needed(kind: Kind) -> Kind:
    return replace(kind, needed=True)


def of_its(key: str, kinds: Mapping[str, Kind]) -> Rule:
    """What holds for an object of the kind that it says, under *key*, that it is."""
    return lambda value: kinds[value[key]].faults(value) if known(value.get(key), kinds) else iter(())


def known(name: Any, kinds: Mapping[str, Kind]) -> bool:
    return isinstance(name, str) and name in kinds


def unsayable(value: Any, deepest: int) -> Iterator[Found]:
    """What in *value* no JSON text could say: what is none of JSON's, half characters, more than *deepest* levels."""
    if later(value):
        return
    if not isinstance(value, list | dict):
        if words := _no_json(value):
            yield (), words
    elif not deepest:
        yield (), "It is nested too deep."
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from within(place, unsayable(inner, deepest - 1))
    else:
        for name, inner in value.items():
            if isinstance(name, str) and not HALF_A_CHARACTER.search(name):
                yield from within(name, unsayable(inner, deepest - 1))
            else:
                yield (_step(name),), "Its name is no text that JSON could say."


def _no_json(value: Any) -> str:
    """What is wrong with a value that holds no others; "" if JSON can say it."""
    if isinstance(value, str):
        return "It has half a character: a code from D800 to DFFF." if HALF_A_CHARACTER.search(value) else ""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int):  # what other languages can read is no larger
        return "" if -(2**63) <= value < 2**63 else "It is a number far too large."
    if isinstance(value, float):
        return "" if math.isfinite(value) else f"It is the number {value}, which JSON does not have."
    return f"It is a {type(value).__name__}, which JSON does not have."
