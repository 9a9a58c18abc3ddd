"""Ids in Vonage's forms, the same ones for the same seed."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence


class Ids:
    """*seed* None: never the same ids twice."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311 - ids, not secrets

    def dashed(self) -> str:
        """A UUID with dashes: a leg of an app user, an outbound leg, a recording."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def plain(self) -> str:
        """32 hex digits: an inbound leg (phone-to-app.events.jsonl)."""
        return f"{self._random.getrandbits(128):032x}"

    def conversation(self) -> str:
        return f"CON-{self.dashed()}"

    def one_of(self, numbers: Sequence[str]) -> str | None:
        return self._random.choice(numbers) if numbers else None
