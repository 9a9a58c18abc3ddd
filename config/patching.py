"""gevent's patches of the standard library, without reading about all installed packages for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any


@contextmanager
def entry_points_read_once() -> Iterator[None]:
    """Within this, entry points are those that were there at its beginning.

    Before and after each of its patches, 25 times, gevent asks for the entry points of a group, and each time a file of
    every installed package is read: 0.4 ms of processor time for each package in all.
    https://github.com/gevent/gevent/blob/master/src/gevent/events.py (notify_and_call_entry_points)
    """
    asked, found = metadata.entry_points, metadata.entry_points()

    def select(**wanted: Any) -> Any:
        return found.select(**wanted)

    metadata.entry_points = select
    try:
        yield
    finally:
        metadata.entry_points = asked
