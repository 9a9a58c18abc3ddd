"""Ids as Vonage forms them; the same ones again for the same seed."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence


class Ids:
    """A source of ids. *seed* None: never the same twice."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311 - ids, not secrets

    def dashed(self) -> str:
        """A UUID with dashes: a leg of an app user or one that `connect` made, a recording, a user."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def plain(self) -> str:
        """32 hex digits: a leg of somebody who called (phone-to-app.events.jsonl)."""
        return f"{self._random.getrandbits(128):032x}"

    def conversation(self) -> str:
        """A conversation's."""
        return f"CON-{self.dashed()}"

    def one_of(self, numbers: Sequence[str]) -> str | None:
        """Any of *numbers*; None if there are none."""
        return self._random.choice(numbers) if numbers else None
