"""Simulated seconds against real time: pacing of the simulation, and source timestamps.

simpy's own real-time environment blocks; here the simulation is stepped by a task of the event loop, so that
the servers and clients beside it go on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import simpy

MICROSECOND = timedelta(microseconds=1)
STEPS_AT_ONCE = 200


class PlantClock:
    """Maps simulated seconds to UTC and to the monotonic clock, from one start."""

    def __init__(self, speed: float, started_at: datetime, started_monotonic_s: float) -> None:
        self._speed = speed
        self._started_at = started_at
        self._started_monotonic_s = started_monotonic_s
        self._last: dict[str, datetime] = {}

    @classmethod
    def from_now(cls, speed: float) -> PlantClock:
        """A clock whose simulated second 0 is now."""
        return cls(speed, datetime.now(UTC), time.monotonic())

    def utc(self, simulated_s: float) -> datetime:
        """The instant of a simulated second, in whole microseconds."""
        return self._started_at + timedelta(seconds=simulated_s / self._speed)

    def stamp(self, source: str, simulated_s: float) -> datetime:
        """A source timestamp, later than every one given to this source before."""
        instant = self.utc(simulated_s)
        last = self._last.get(source)
        if last is not None and instant <= last:
            instant = last + MICROSECOND
        self._last[source] = instant
        return instant

    def remaining_s(self, simulated_s: float) -> float:
        """Real seconds until a simulated second; negative when it is past."""
        return self._started_monotonic_s + simulated_s / self._speed - time.monotonic()


async def pace(
    env: simpy.Environment,
    clock: PlantClock,
    ends_at_s: float,
    halt: asyncio.Event,
    after_step: Callable[[], Awaitable[None]],
) -> None:
    """Step the simulation in real time until it reaches its end or `halt` is set."""
    while not halt.is_set():
        due_s = min(env.peek(), ends_at_s)
        remaining_s = clock.remaining_s(due_s)
        if remaining_s > 0:
            await _sleep_unless(halt, remaining_s)
            continue
        if due_s >= ends_at_s:
            return
        _step_due(env, clock, ends_at_s)
        await after_step()


def _step_due(env: simpy.Environment, clock: PlantClock, ends_at_s: float) -> None:
    for _ in range(STEPS_AT_ONCE):
        due_s = env.peek()
        if due_s >= ends_at_s or clock.remaining_s(due_s) > 0:
            return
        env.step()


async def _sleep_unless(halt: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(halt.wait(), min(seconds, 1.0))
    except TimeoutError:
        return
