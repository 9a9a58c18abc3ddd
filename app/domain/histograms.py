"""Histograms with fixed buckets: how often a value was found, by its size."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

CODES: Final = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Buckets:
    """Buckets of milliseconds: each holds the values up to its bound, and above that of the one before.

    There is one more for values above all bounds. `code` is one letter for each bucket.
    """

    bounds: tuple[int, ...]

    def index(self, ms: float) -> int:
        """The bucket of *ms*."""
        return bisect_left(self.bounds, ms)

    def code(self, ms: float) -> str:
        """The code of the bucket of *ms*."""
        return CODES[self.index(ms)]

    def bound(self, index: int) -> int | None:
        """The upper bound of a bucket; None for the last one."""
        return self.bounds[index] if index < len(self.bounds) else None

    def quantile(self, counts: Mapping[int, int], share: float) -> int | None:
        """The upper bound of the bucket that holds the value below which *share* of all values are.

        None without values, and where it is above all bounds. *counts* is by the index of the bucket.
        """
        total = sum(counts.values())
        seen = 0
        for index in sorted(counts):
            seen += counts[index]
            if total and seen >= share * total:
                return self.bound(index)
        return None


# From the time at which an event happened to its receipt. Below zero the clocks of Vonage and of this server differ.
LAG: Final = Buckets(
    (-60_000, -5_000, -1_000, -100, 0, 50, 100, 200, 300, 500, 750, 1_000, 2_000, 5_000, 10_000, 60_000, 600_000)
)
# From the receipt of a request to its reply. Vonage waits 5 seconds for an answer, 10 for the reply to an event:
# https://developer.vonage.com/en/application/technical-details#webhook-timeouts
TOOK: Final = Buckets((1, 2, 3, 5, 7, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000))
ANSWER_LIMIT_MS: Final = 5_000
# How long a webhook waited for the store to keep it.
STORED: Final = Buckets((1, 2, 3, 5, 7, 10, 20, 50, 100, 200, 500))
