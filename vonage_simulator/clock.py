"""The carrier's clock. It may run faster than ours, or jump from one thing that happens to the next."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

TURNS = 25  # how often everybody may go on before the time jumps: longer chains of "you next" there are none


class Clock:
    """Time as the carrier's calls have it.

    *speed* is seconds of theirs in one of ours. With None the time jumps: it stands still while anybody has something
    to do or an answer is awaited from outside, then goes on to the next moment somebody sleeps until. Then a call of
    minutes takes milliseconds, and always has the same times.
    """

    def __init__(self, start: datetime | None = None, *, speed: float | None = 1.0) -> None:
        if speed is not None and not speed > 0:
            raise ValueError("the speed must be above 0")
        self._start = (start or datetime.now(UTC)).astimezone(UTC)
        self._speed = speed
        self._begun = time.monotonic()
        self._jumped = 0.0
        self._outside = 0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._driver: asyncio.Task[None] | None = None

    @property
    def jumps(self) -> bool:
        """Whether it goes on only while nobody has anything to do."""
        return self._speed is None

    @property
    def seconds(self) -> float:
        """Seconds since the clock was started."""
        return self._jumped if self._speed is None else (time.monotonic() - self._begun) * self._speed

    def now(self) -> datetime:
        """The time in UTC, to the millisecond, as webhooks have it."""
        moment = self._start + timedelta(seconds=round(self.seconds, 3))
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    async def sleep(self, seconds: float) -> None:
        """Let *seconds* of the carrier's time go by."""
        if self._speed is not None:
            await asyncio.sleep(max(0.0, seconds) / self._speed)
            return
        awoken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (round(self._jumped + max(0.0, seconds), 6), next(self._order), awoken))
        if self._driver is None or self._driver.done():
            self._driver = asyncio.create_task(self._jump())
        await awoken

    async def sleep_unless(self, event: asyncio.Event, seconds: float) -> bool:
        """Let *seconds* go by, but no more once *event* is set; whether it is not."""
        if event.is_set():
            return False
        nap, set_ = asyncio.ensure_future(self.sleep(seconds)), asyncio.ensure_future(event.wait())
        try:
            await asyncio.wait((nap, set_), return_when=asyncio.FIRST_COMPLETED)
        finally:
            nap.cancel()
            set_.cancel()
        return not event.is_set()

    @contextmanager
    def outside(self) -> Iterator[None]:
        """While something takes real time: a request to a server. The time does not jump meanwhile."""
        self._outside += 1
        try:
            yield
        finally:
            self._outside -= 1

    async def _jump(self) -> None:
        while self._sleepers:
            if not self._sleepers[0][2].done():
                await self._quiet()
            due, _, awoken = heapq.heappop(self._sleepers)
            if not awoken.done():  # else whoever slept was called away
                self._jumped = max(self._jumped, due)
                awoken.set_result(None)

    async def _quiet(self) -> None:
        """Wait until nobody has anything to do but sleep."""
        turns = 0
        while turns < TURNS:
            if self._outside:
                turns = 0
                await asyncio.sleep(0.001)
            else:
                turns += 1
                await asyncio.sleep(0)
