"""What a JSON value can have to be, and how to say what it is instead."""

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
            yield "", f"It is {shown(value)}, but must be {self.wanted}."
            return
        if self.each:
            for place, member in enumerate(value):
                yield from within(f"[{place}]", self.each.faults(member))
        for name, kind in self.options.items():
            if name in value:
                yield from within(name, kind.faults(value[name]))
            elif kind.needed:
                yield name, f"It is missing; it must be {kind.wanted}."
        for rule in self.rules:
            yield from rule(value)


def within(place: str, found: Iterable[Found]) -> Iterator[Found]:
    for inner, words in found:
        yield f"{place}.{inner}" if inner and inner[0] != "[" else place + inner, words


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


def mapping(options: Mapping[str, Kind] | None = None, *rules: Rule) -> Kind:
    return Kind(wanted="an object", fits=lambda value: isinstance(value, dict), options=options or {}, rules=rules)


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
