"""Options that their author means, though they are not known here: those with ! after their names.

Vonage adds options and values without notice. `callScreener!: true` and `mode!: fast` are served without the mark, and
neither they nor what is in them is checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from vonage_simulator.yaml_source import Steps

MARK: Final = "!"
NEEDLESS: Final = "needs no !: it is known"
SERVED: Final = "is served unchecked: the ! says that it is meant"
DEEPEST: Final = 8  # levels of an action that has options Vonage reads
# Their names are their author's own, with ! or not.
FREE: Final = ("payload", "headers", "providerOptions")


def has_mark(name: Any) -> bool:
    """Whether *name* says that its value is meant."""
    return isinstance(name, str) and name.endswith(MARK) and name != MARK


def plain(name: Any) -> Any:
    """*name* without its mark, if it has one."""
    return name[: -len(MARK)] if has_mark(name) else name


def unmarked(value: Any) -> tuple[Any, frozenset[Steps]]:
    """*value*, an action or a list of them, without marks; and the paths of what had one."""
    return _without(value), frozenset(_marked(value))


def _without(value: Any, levels: int = DEEPEST) -> Any:
    if isinstance(value, list) and levels:
        return [_without(item, levels - 1) for item in value]
    if not isinstance(value, dict) or not levels:
        return value
    return {plain(name): item if _is_apart(name) else _without(item, levels - 1) for name, item in value.items()}


def _marked(value: Any, levels: int = DEEPEST) -> Iterator[Steps]:
    if not isinstance(value, list | dict) or not levels:
        return
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        if has_mark(name):
            yield (plain(name),)
        elif not _is_apart(name):
            yield from ((name, *path) for path in _marked(item, levels - 1))


def _is_apart(name: Any) -> bool:
    """Whether the value of that name is not looked into."""
    return has_mark(name) or name in FREE
