"""How long a request may wait for the store."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


@contextlib.contextmanager
def within_a_second() -> Iterator[None]:
    """What is done here is over within a second, however it ends."""
    begun = time.monotonic()
    try:
        yield
    finally:
        took = time.monotonic() - begun
        assert took < 1.0, f"it took {took:.2f} s"
