"""Compares what a server should say with what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import zip_longest
from typing import Any, Final, NamedTuple

Json = Mapping[str, Any]

MONEY: Final = ("price", "rate")
ABSENT: Final = object()  # a key that is missing: every key should be there, null if nothing is known


class OneOf(tuple[Any, ...]):
    """Any of these is right: the webhooks do not say which."""

    __slots__ = ()

    def __str__(self) -> str:
        return " or ".join(map(shown, self))


class Difference(NamedTuple):
    """`path`: "leg 0779… times.answered", "inputs[0] digits"."""

    path: str
    expected: Any
    got: Any

    def __str__(self) -> str:
        return f"{self.path}: expected {shown(self.expected)}, got {shown(self.got)}"


def shown(value: Any) -> str:
    """*value* in one line."""
    if value is None or value is ABSENT:
        return "null" if value is None else "nothing at all"
    return str(value).lower() if isinstance(value, bool) else str(value)


def differences(expected: Json, got: Json) -> list[Difference]:
    """Where *got* is not as *expected*. Other keys of *got* are ignored.

    Legs are compared by uuid; answers, inputs, recordings and errors in any order, but their times must ascend. An
    amount of money in another notation is a difference, which says so.
    """
    found: list[Difference] = []
    for name, wanted in expected.items():
        value = got.get(name, ABSENT)
        if not isinstance(wanted, list):
            found += _compared(name, wanted, value)
        elif not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            found.append(Difference(name, "a list", value))
        else:
            found += _legs(wanted, value) if name == "legs" else _listed(name, wanted, value)
    return found


def _legs(wanted: Sequence[Json], got: Sequence[Json]) -> Iterator[Difference]:
    by_uuid: dict[str, Json] = {}
    for leg in got:
        uuid = shown(leg.get("uuid"))
        if uuid in by_uuid:
            yield Difference(f"leg {uuid}", "once", "twice")
        by_uuid[uuid] = leg
    for leg in wanted:
        other = by_uuid.pop(leg["uuid"], None)
        if other is None:
            yield Difference(f"leg {leg['uuid']}", "in it", "missing")
            continue
        yield from _fields(f"leg {leg['uuid']} ", leg, other)
    for uuid in by_uuid:
        yield Difference(f"leg {uuid}", "not in it", "in it")


def _listed(name: str, wanted: Sequence[Json], got: Sequence[Json]) -> Iterator[Difference]:
    left, missing = list(enumerate(got)), []
    for item in wanted:
        match = next((entry for entry in left if not any(_fields("", item, entry[1]))), None)
        if match:
            left.remove(match)
        else:
            missing.append(item)
    for item, surplus in zip_longest(missing, left):
        if surplus is None:
            yield Difference(name, item, "missing")
        elif item is None:
            yield Difference(f"{name}[{surplus[0]}]", "no such thing", surplus[1])
        else:
            yield from _fields(f"{name}[{surplus[0]}] ", item, surplus[1])
    times = [item["at"] for item in got if isinstance(item.get("at"), str)]
    if times != sorted(times):
        yield Difference(name, "oldest first", times)


def _fields(path: str, wanted: Json, got: Json) -> Iterator[Difference]:
    for name, value in wanted.items():
        yield from _compared(path + name, value, got.get(name, ABSENT))


def _compared(path: str, wanted: Any, got: Any) -> Iterator[Difference]:
    if isinstance(wanted, dict) and isinstance(got, dict):
        yield from _fields(f"{path}.", wanted, got)
    elif not same(wanted, got):
        yield Difference(path + _notation(path, wanted, got), wanted, got)


def _notation(path: str, wanted: Any, got: Any) -> str:
    if not path.endswith(MONEY) or not isinstance(wanted, str):
        return ""
    try:
        return ", the same amount in another notation" if Decimal(str(got)) == Decimal(wanted) else ""
    except InvalidOperation:
        return ""


def same(wanted: Any, got: Any) -> bool:
    """Whether both are the same JSON; 12 and 12.0 are, 1 and true are not."""
    if isinstance(wanted, OneOf):
        return any(same(value, got) for value in wanted)
    if isinstance(wanted, dict) and isinstance(got, dict):
        return wanted.keys() == got.keys() and all(same(value, got[name]) for name, value in wanted.items())
    if isinstance(wanted, list | tuple) and isinstance(got, list):
        return len(wanted) == len(got) and all(map(same, wanted, got))
    return isinstance(wanted, bool) == isinstance(got, bool) and bool(wanted == got)
