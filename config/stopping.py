"""What ends as soon as a worker is to stop, before its requests have ended: open streams would hold it up."""

from __future__ import annotations

from collections.abc import Callable

_at_stop: list[Callable[[], None]] = []


def at_stop(end: Callable[[], None]) -> None:
    """Let *end* be called once this worker is to stop."""
    _at_stop.append(end)


def stopping() -> None:
    """This worker is to stop. May be called more than once."""
    for end in _at_stop:
        end()
