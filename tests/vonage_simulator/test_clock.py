"""The clock runs at any speed, or jumps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from vonage_simulator.clock import Clock

START = datetime(2026, 1, 1, 12, 0, 0, 123_999, tzinfo=UTC)


def slept(*naps: float, clock: Clock | None = None) -> tuple[list[tuple[float, float]], float]:
    """When each sleeper woke, in the order of waking, and the real seconds that it took."""
    woken: list[tuple[float, float]] = []

    async def sleeper(clock: Clock, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.seconds))

    async def run() -> None:
        own = clock or Clock(speed=None)
        await asyncio.gather(*(sleeper(own, seconds) for seconds in naps))

    begun = time.monotonic()
    asyncio.run(run())
    return woken, time.monotonic() - begun


def test_a_jumping_clock_wakes_sleepers_in_order_and_takes_no_time() -> None:
    woken, took = slept(3600.0, 5.0, 86_400.0, 5.0, 0.0)
    assert woken == [(0.0, 0.0), (5.0, 5.0), (5.0, 5.0), (3600.0, 3600.0), (86_400.0, 86_400.0)]
    assert took < 60


def test_sleepers_of_the_same_moment_wake_in_the_order_in_which_they_fell_asleep() -> None:
    order: list[int] = []

    async def run() -> None:
        clock = Clock(speed=None)

        async def sleeper(number: int) -> None:
            await clock.sleep(1.0)
            order.append(number)

        await asyncio.gather(*(sleeper(number) for number in range(20)))

    asyncio.run(run())
    assert order == list(range(20))


def test_a_negative_sleep_takes_no_time() -> None:
    assert slept(-5.0, 1.0)[0] == [(-5.0, 0.0), (1.0, 1.0)]
    assert slept(-500.0, clock=Clock(speed=1.0))[1] < 60


@pytest.mark.parametrize("seconds", [20.0, 200.0])
def test_a_clock_that_runs_goes_at_its_speed(seconds: float) -> None:
    woken, took = slept(seconds, clock=Clock(speed=seconds * 10))
    assert woken[0][1] >= seconds
    assert 0.09 < took < seconds, "a tenth of a second, if the machine is not busy"


@pytest.mark.parametrize("speed", [0, -1, float("nan")])
def test_a_speed_must_be_above_zero(speed: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Clock(speed=speed)


def test_times_are_in_utc_and_in_whole_milliseconds() -> None:
    """Cut, as Vonage's webhooks have it."""

    async def run(start: datetime) -> list[datetime]:
        clock = Clock(start, speed=None)
        before = clock.now()
        await clock.sleep(0.0016)
        return [before, clock.now()]

    times = asyncio.run(run(START.astimezone(timezone(timedelta(hours=2)))))
    assert times == [START.replace(microsecond=123_000), START.replace(microsecond=125_000)]
    assert {moment.tzinfo for moment in times} == {UTC}


def test_time_stops_during_a_real_request() -> None:
    """However long it takes, and although others sleep."""

    async def run() -> tuple[float, float]:
        clock = Clock(speed=None)
        sleeper = asyncio.ensure_future(clock.sleep(100))
        with clock.outside():
            await asyncio.sleep(0.05)
            stood = clock.seconds
        await sleeper
        return stood, clock.seconds

    assert asyncio.run(run()) == (0.0, 100.0)


def test_time_goes_on_only_when_every_task_is_idle() -> None:
    """One task may wake another, and that one the next."""

    async def run() -> float:
        clock = Clock(speed=None)
        sleeper = asyncio.ensure_future(clock.sleep(10))
        found = asyncio.get_running_loop().create_future()
        chain = found
        for _ in range(8):
            chain = asyncio.ensure_future(_after(chain))
        found.set_result(None)
        await chain
        at = clock.seconds
        await sleeper
        return at

    async def _after(before: Any) -> None:
        await before

    assert asyncio.run(run()) == 0.0


def test_a_cancelled_sleeper_is_not_waited_for() -> None:
    """Time does not jump to where it would have woken; and thousands of them cost next to nothing."""

    async def run() -> float:
        clock = Clock(speed=None)
        naps = [asyncio.ensure_future(clock.sleep(7200)) for _ in range(5000)]
        await asyncio.sleep(0)
        for nap in naps:
            nap.cancel()
        await clock.sleep(1)
        await _until_idle(clock)
        return clock.seconds

    begun = time.process_time()
    assert asyncio.run(run()) == 1.0
    assert time.process_time() - begun < 5


def test_the_clock_goes_on_after_idling() -> None:
    async def run() -> float:
        clock = Clock(speed=None)
        await clock.sleep(1)
        await _until_idle(clock)
        await clock.sleep(1)
        return clock.seconds

    assert asyncio.run(run()) == 2.0


def _until_idle(clock: Clock) -> Coroutine[Any, Any, None]:
    assert clock._driver is not None
    return asyncio.wait_for(clock._driver, 1)
