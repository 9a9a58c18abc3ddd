"""The keys at the far end of a leg: those of its scenario, one text for each input, and those pressed by hand."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from vonage_simulator.clock import Clock


class PressedKeys:
    """Keys pressed by hand since somebody began to listen."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.queue: asyncio.Queue[str] = asyncio.Queue()

    async def next(self, seconds: float | None = None) -> str | None:
        """The next key; None if none is pressed within *seconds*."""
        if seconds is None:
            return await self.queue.get()
        key, nap = asyncio.ensure_future(self.queue.get()), asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait((key, nap), return_when=asyncio.FIRST_COMPLETED)
            return key.result() if key.done() else None
        finally:
            key.cancel()
            nap.cancel()


class Keypad:
    def __init__(self, clock: Clock, texts: Sequence[str]) -> None:
        self._clock = clock
        self.left = deque(texts)  # of the scenario
        self._listeners: list[PressedKeys] = []

    def next_text(self) -> str:
        """The keys that the scenario has for the next input; "" if none."""
        return self.left.popleft() if self.left else ""

    def press(self, keys: str) -> None:
        """Press *keys* now. Nobody remembers them who does not listen."""
        for listener in self._listeners:
            for key in keys:
                listener.queue.put_nowait(key)

    @contextmanager
    def listened_to(self) -> Iterator[PressedKeys]:
        listener = PressedKeys(self._clock)
        self._listeners.append(listener)
        try:
            yield listener
        finally:
            self._listeners.remove(listener)
