"""What a JSON value must be, and how to describe a value that is something else.

A placeholder, a value that is only known once somebody calls, may be anywhere: nothing is wrong with it yet.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from vonage_simulator.yaml_source import HALF_A_CHARACTER, Steps, nearest, scalar

IN_JSON = frozenset({str, int, float, bool, list, dict, type(None)})
Found = tuple[Steps, str]  # path within a value, and what is wrong there
Rule = Callable[[Any], Iterator[Found]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a value must be: *wanted* in words, *fits* as a test; and what it had better be, which is only advice."""

    wanted: str
    fits: Callable[[Any], bool]
    needed: bool = False
    name: str = ""  # what `narrowed` knows it by; of an object, also what it is called in words
    each: Kind | None = None  # what the members of an array must be
    options: Mapping[str, Kind] = field(default_factory=dict)  # what an object may have
    closed: bool = False  # whether other options than those are faults; else they are ignored
    variants: tuple[str, Mapping[str, Kind]] | None = None  # an option, and what else holds by its value
    rules: tuple[Rule, ...] = ()  # what else must hold for a value that fits
    should: Kind | None = None  # what a value that fits should be
    advice: tuple[Rule, ...] = ()  # what else should hold
    or_text: bool = False  # whether a number, true or false may be written as text
    withdrawn: Mapping[str, str] = field(default_factory=dict)  # an option that there was once, and what to use now

    def faults(self, value: Any) -> Iterator[Found]:
        """What is wrong with *value* and with everything in it."""
        if later(value):
            return
        if not self.fits(value):
            yield (), f"It is {shown(value)}, but must be {self.wanted}."
            return
        for step, kind, inner in self._parts(value):
            yield from within(step, kind.faults(inner))
        for name, kind in self.options.items():
            if kind.needed and name not in value:
                yield (name,), f"It is missing; it must be {kind.wanted}."
        if self.closed:
            for name in value:
                if not known(name, self.options):
                    yield (_step(name),), self._unknown(name)
        if variant := self._variant(value):
            yield from variant.faults(value)
        plain = self.plain(value) if self.rules else value
        for rule in self.rules:
            yield from rule(plain)

    def advices(self, value: Any) -> Iterator[Found]:
        """What should be otherwise in *value*, though nothing is wrong with it."""
        if later(value) or not self.fits(value):
            return
        if self.should and not self.should.fits(value):
            yield (), f"It is {shown(value)}, but should be {self.should.wanted}."
        for step, kind, inner in self._parts(value):
            yield from within(step, kind.advices(inner))
        if variant := self._variant(value):
            yield from variant.advices(value)
        for rule in self.advice:
            yield from rule(value)

    def plain(self, value: Any) -> Any:
        """*value* with numbers, true and false for texts that say so, where such are wanted."""
        if later(value) or not self.fits(value):
            return value
        if self.or_text:
            return scalar(value) if isinstance(value, str) else value
        made: Any = value.copy() if isinstance(value, list | dict) else value
        for step, kind, inner in self._parts(value):
            made[step] = kind.plain(inner)
        variant = self._variant(value)
        return variant.plain(made) if variant else made

    def _parts(self, value: Any) -> Iterator[tuple[str | int, Kind, Any]]:
        """Where each part of *value* is, what it must be, and what it is."""
        if self.each:
            for index, member in enumerate(value):
                yield index, self.each, member
        for name, kind in self.options.items():
            if name in value:
                yield name, kind, value[name]

    def _variant(self, value: Any) -> Kind | None:
        if self.variants and known(name := value.get(self.variants[0]), self.variants[1]):
            return self.variants[1][name]
        return None

    def has(self, name: Any) -> bool:
        """Whether *name* may be an option, if only by the value of another one."""
        variants = self.variants[1].values() if self.variants else ()
        return known(name, self.options) or any(known(name, kind.options) for kind in variants)

    def _unknown(self, name: Any) -> str:
        if known(name, self.withdrawn):
            return f"It is withdrawn: use {self.withdrawn[name]}."
        within = [f"{outer}.{name}" for outer, kind in self.options.items() if known(name, kind.options)]
        within += [f"{outer}[0].{name}" for outer, kind in self.options.items() if kind.each and kind.each.has(name)]
        if within:
            return f"It is no option of {self.name}: it must be one level deeper, {' or '.join(within)}."
        near = nearest(name, self.options) if isinstance(name, str) else None
        return f"It is no option of {self.name}{f'; did you mean {near}?' if near else '.'}"


def narrowed(kind: Kind, house: Mapping[str, Kind]) -> Kind:
    """*kind* with stricter rules: no unknown options, and kinds with a name in *house* must fit that kind, too."""
    inner = replace(
        kind,
        each=narrowed(kind.each, house) if kind.each else None,
        options={name: narrowed(option, house) for name, option in kind.options.items()},
        closed=bool(kind.options) and not kind.variants,
    )
    if kind.variants:
        option, kinds = kind.variants
        inner = replace(inner, variants=(option, {name: narrowed(each, house) for name, each in kinds.items()}))
    if own := house.get(kind.name):
        return replace(
            inner,
            wanted=own.wanted,
            fits=own.fits,
            rules=(*inner.rules, *own.rules),
            should=own.should,
            advice=(*inner.advice, *own.advice),
        )
    return inner


def within(step: str | int, found: Iterable[Found]) -> Iterator[Found]:
    """What was *found* in a value, with paths from the array or object that has the value at *step*."""
    for inner, words in found:
        yield (step, *inner), words


def later(value: Any) -> bool:
    """Whether *value* is a placeholder: filled once somebody calls."""
    kind = type(value)
    return kind not in IN_JSON and callable(getattr(kind, "fill", None))


def _step(name: Any) -> str:
    """A name as part of a path that can be printed, though it may be none that JSON has."""
    return name.encode("utf-8", "backslashreplace").decode() if isinstance(name, str) else shown(name)


def shown(value: Any) -> str:
    """*value* in a few words, of any size and with any characters."""
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


def or_text(kind: Kind) -> Kind:
    """*kind*, though not in JSON's own type: "45" for 45, "true" for true. It should be in that."""

    def fits(value: Any) -> bool:
        return kind.fits(scalar(value) if isinstance(value, str) else value)

    return replace(kind, fits=fits, should=replace(kind, wanted=f"{kind.wanted}, without quotes"), or_text=True)


ANYTHING = Kind(wanted="anything", fits=lambda _: True)
FLAG = or_text(Kind(wanted="true or false", fits=lambda value: isinstance(value, bool)))


def text(wanted: str = "text", pattern: str = r"(?s).*", *, name: str = "") -> Kind:
    def fits(value: Any) -> bool:
        return isinstance(value, str) and bool(re.fullmatch(pattern, value))

    return Kind(wanted=wanted, fits=fits, name=name)


def one_of(*words: str) -> Kind:
    *some, last = (f'"{word}"' for word in words)
    return Kind(wanted=f"{', '.join(some)} or {last}" if some else last, fits=lambda value: value in words)


def number(least: float | None = None, most: float | None = None, *, whole: bool = False, name: str = "") -> Kind:
    """A number of JSON's, or as text: true is none, though Python takes it for 1, nor are NaN and Infinity."""

    def fits(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            return False
        finite = isinstance(value, int) or math.isfinite(value)
        return finite and (least is None or least <= value) and (most is None or value <= most)

    between = f" from {least} to {most}" if most is not None else f", {least} or more" if least is not None else ""
    return or_text(Kind(wanted=f"a {'whole ' * whole}number{between}", fits=fits, name=name))


def whole(least: int | None = None, most: int | None = None, *, name: str = "") -> Kind:
    return number(least, most, whole=True, name=name)


def array(wanted: str, each: Kind, least: int = 0, most: float = math.inf, *, name: str = "") -> Kind:
    def fits(value: Any) -> bool:
        return isinstance(value, list) and least <= len(value) <= most

    return Kind(wanted=wanted, fits=fits, each=each, name=name)


def mapping(options: Mapping[str, Kind] | None = None, *rules: Rule, name: str = "") -> Kind:
    def fits(value: Any) -> bool:
        return isinstance(value, dict)

    return Kind(wanted="an object", fits=fits, options=options or {}, rules=rules, name=name)


def choice(option: str, kinds: Mapping[str, Kind]) -> Kind:
    """An object whose *option* says which of *kinds* it is."""
    each = {name: replace(kind, options={option: ANYTHING, **kind.options}) for name, kind in kinds.items()}
    return replace(mapping({option: needed(one_of(*kinds))}), variants=(option, each))


def address(*schemes: str, name: str = "") -> Kind:
    def fits(value: Any) -> bool:
        if not isinstance(value, str) or re.search(r"[\s\x00-\x1f\x7f]", value):
            return False
        try:
            parts = urlsplit(value)
            return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0  # a wrong port raises here
        except ValueError:
            return False

    wanted = "a URL that begins with " + " or ".join(f"{scheme}://" for scheme in schemes)
    return Kind(wanted=wanted, fits=fits, name=name)


def needed(kind: Kind) -> Kind:
    return replace(kind, needed=True)


def known(name: Any, names: Mapping[str, Any]) -> bool:
    return isinstance(name, str) and name in names


def not_json(value: Any, deepest: int) -> Iterator[Found]:
    """What in *value* no JSON text can hold: other types, half characters, more than *deepest* levels."""
    if later(value):
        return
    if not isinstance(value, list | dict):
        if words := _not_json(value):
            yield (), words
    elif not deepest:
        yield (), "It is nested too deep."
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from within(index, not_json(inner, deepest - 1))
    else:
        for name, inner in value.items():
            if isinstance(name, str) and not HALF_A_CHARACTER.search(name):
                yield from within(name, not_json(inner, deepest - 1))
            else:
                yield (_step(name),), "Its name is no text that JSON could hold."


def _not_json(value: Any) -> str:
    """What is wrong with a value that holds no others; "" if JSON can hold it."""
    if isinstance(value, str):
        return "It has half a character: a code from D800 to DFFF." if HALF_A_CHARACTER.search(value) else ""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int):  # what other languages can read is no larger
        return "" if -(2**63) <= value < 2**63 else "It is a number far too large."
    if isinstance(value, float):
        return "" if math.isfinite(value) else f"It is the number {value}, which JSON does not have."
    return f"It is a {type(value).__name__}, which JSON does not have."
