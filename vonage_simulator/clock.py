"""The carrier's clock. It may run faster than real time, or jump to the next event."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

TURNS = 25  # turns of the event loop without a request before the time jumps: no chain of tasks needs more


class Clock:
    """*speed* is simulated seconds per real second. With None the time jumps: it stops while a task can run or a reply
    is awaited, then goes on to the end of the next sleep. So a call of minutes takes milliseconds, and always has the
    same times.
    """

    def __init__(self, start: datetime | None = None, *, speed: float | None = 1.0) -> None:
        if speed is not None and not speed > 0:
            raise ValueError("the speed must be above 0")
        self._start = (start or datetime.now(UTC)).astimezone(UTC)
        self.speed = speed
        self.jumps = speed is None
        self._begun = time.monotonic()
        self._jumped = 0.0
        self._outside = 0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._driver: asyncio.Task[None] | None = None

    @property
    def seconds(self) -> float:
        return self._jumped if self.speed is None else (time.monotonic() - self._begun) * self.speed

    def now(self) -> datetime:
        """The time in UTC, in milliseconds, as in webhooks."""
        moment = self._start + timedelta(seconds=round(self.seconds, 3))
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

    async def sleep(self, seconds: float) -> None:
        """Wait for simulated *seconds*."""
        if self.speed is not None:
            await asyncio.sleep(max(0.0, seconds) / self.speed)
            return
        awoken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (round(self._jumped + max(0.0, seconds), 6), next(self._order), awoken))
        if self._driver is None or self._driver.done():
            self._driver = asyncio.create_task(self._jump())
        await awoken

    async def sleep_unless(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait for *seconds*, or until *event* is set. Returns whether it is not."""
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
        """While something takes real time, as a request to a server: the time does not jump."""
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
            if not awoken.done():  # else the sleeper was cancelled
                self._jumped = max(self._jumped, due)
                awoken.set_result(None)

    async def _quiet(self) -> None:
        """Wait until every task sleeps."""
        turns = 0
        while turns < TURNS:
            if self._outside:
                turns = 0
                await asyncio.sleep(0.001)
            else:
                turns += 1
                await asyncio.sleep(0)
