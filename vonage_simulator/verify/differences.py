"""What a server should tell and what it tells, set side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import zip_longest
from typing import Any, Final, NamedTuple

MONEY: Final = ("price", "rate")


class OneOf(tuple[Any, ...]):
    """Any of these is right: the webhooks leave it open."""

    __slots__ = ()

    def __str__(self) -> str:
        return " or ".join(map(shown, self))


class Absent:
    """Stands for what is not told at all: every key should be there, null where nothing is known."""

    def __str__(self) -> str:
        return "nothing at all"


ABSENT: Final = Absent()


class Difference(NamedTuple):
    """Something told other than it truly was. `path`: "leg 0779… times.answered", "inputs[0] digits"."""

    path: str
    expected: Any
    told: Any

    def __str__(self) -> str:
        return f"{self.path}: truly {shown(self.expected)}, told {shown(self.told)}"


def shown(value: Any) -> str:
    """*value* in a line for people."""
    if isinstance(value, str | OneOf | Absent):
        return str(value)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def differences(expected: Mapping[str, Any], told: Mapping[str, Any]) -> list[Difference]:
    """Where *told* is not as *expected*. What *told* has beyond that is not looked at.

    Legs are compared by uuid; answers, inputs, recordings and errors in whatever order, but they have to be told oldest
    first. An amount of money that is the same, but written otherwise, is a difference and called that.
    """
    found: list[Difference] = []
    for name, truly in expected.items():
        says = told.get(name, ABSENT)
        if not isinstance(truly, list):
            found += _compared(name, truly, says)
        elif not isinstance(says, list) or not all(isinstance(item, dict) for item in says):
            found.append(Difference(name, "a list", says))
        else:
            found += _legs(truly, says) if name == "legs" else _listed(name, truly, says)
    return found


def _legs(truly: Sequence[Mapping[str, Any]], says: Sequence[Mapping[str, Any]]) -> Iterator[Difference]:
    told: dict[str, Mapping[str, Any]] = {}
    for leg in says:
        uuid = shown(leg.get("uuid"))
        if uuid in told:
            yield Difference(f"leg {uuid}", "once", "twice")
        told[uuid] = leg
    for leg in truly:
        says_of_it = told.pop(leg["uuid"], None)
        if says_of_it is None:
            yield Difference(f"leg {leg['uuid']}", "in it", "nothing of it")
            continue
        for name, value in leg.items():
            yield from _compared(f"leg {leg['uuid']} {name}", value, says_of_it.get(name, ABSENT))
    for uuid in told:
        yield Difference(f"leg {uuid}", "not in it", "in it")


def _listed(name: str, truly: Sequence[Mapping[str, Any]], says: Sequence[Mapping[str, Any]]) -> Iterator[Difference]:
    left, missing = list(enumerate(says)), []
    for item in truly:
        match = next((one for one in left if not any(_fields(item, one[1]))), None)
        if match:
            left.remove(match)
        else:
            missing.append(item)
    for item, surplus in zip_longest(missing, left):
        if surplus is None:
            yield Difference(name, item, "nothing of it")
        elif item is None:
            yield Difference(f"{name}[{surplus[0]}]", "no such thing", surplus[1])
        else:
            for field, value, told in _fields(item, surplus[1]):
                yield from _compared(f"{name}[{surplus[0]}] {field}", value, told)
    times = [item["at"] for item in says if isinstance(item.get("at"), str)]
    if times != sorted(times):
        yield Difference(name, "oldest first", times)


def _fields(item: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """The fields of *item* in which *told* is another."""
    for field, value in item.items():
        if not same(value, told.get(field, ABSENT)):
            yield field, value, told.get(field, ABSENT)


def _compared(path: str, truly: Any, says: Any) -> Iterator[Difference]:
    if isinstance(truly, dict) and isinstance(says, dict):
        for name, value in truly.items():
            yield from _compared(f"{path}.{name}", value, says.get(name, ABSENT))
    elif not same(truly, says):
        yield Difference(path + _as_written(path, truly, says), truly, says)


def _as_written(path: str, truly: Any, says: Any) -> str:
    """Says of two amounts that differ in nothing but their text that it is so."""
    if not path.endswith(MONEY) or not isinstance(truly, str):
        return ""
    try:
        return ", the same amount written otherwise" if Decimal(str(says)) == Decimal(truly) else ""
    except InvalidOperation:
        return ""


def same(truly: Any, says: Any) -> bool:
    """Whether both are the same JSON; 12 and 12.0 are, 1 and true are not."""
    if isinstance(truly, OneOf):
        return any(same(one, says) for one in truly)
    if isinstance(truly, dict) and isinstance(says, dict):
        return truly.keys() == says.keys() and all(same(value, says[name]) for name, value in truly.items())
    if isinstance(truly, list | tuple) and isinstance(says, list):
        return len(truly) == len(says) and all(map(same, truly, says))
    return isinstance(truly, bool) == isinstance(says, bool) and bool(truly == says)
