"""What has gathered in a queue, taken all at once: it shares one exchange with Redis, or one commit on disk."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, SimpleQueue
from time import sleep
from typing import TypeVar

T = TypeVar("T")


def next_batch(queue: SimpleQueue[T | None], most: int, timeout: float | None = None) -> tuple[list[T], bool]:
    """The next items of *queue*, *most* at most, and whether they are the last: None was behind them.

    Waits for the first one, for *timeout* seconds at most; then there may be none.
    """
    batch: list[T] = []
    with suppress(Empty):
        item = queue.get(timeout=timeout)
        sleep(0)  # threads that are about to put something there do so first
        while item is not None:
            batch.append(item)
            if len(batch) >= most:
                return batch, False
            item = queue.get_nowait()
        return batch, True
    return batch, False
