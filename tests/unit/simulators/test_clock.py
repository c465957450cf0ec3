"""Source timestamps, pacing, and the message forms of line 1."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import simpy

from simulators.plant import payloads
from simulators.plant.clock import PlantClock, pace

START = datetime(2026, 11, 21, 3, 20, 54, 123456, UTC)


def test_source_timestamps_of_a_machine_strictly_increase() -> None:
    clock = PlantClock(1.0, START, 0.0)
    stamps = [clock.stamp("cnc1", at) for at in (0.0, 0.0, 0.0, 0.000001, 5.0)]
    assert all(a < b for a, b in pairwise(stamps))
    assert clock.stamp("saw1", 0.0) == START


def test_epoch_milliseconds_keep_microseconds_through_a_float() -> None:
    for microsecond in range(0, 1_000_000, 997):
        instant = START.replace(microsecond=microsecond)
        read = json.loads(payloads.event(instant, {"state": "EXECUTE"}))
        assert round(read["ts"] * 1000) == (instant - payloads.EPOCH) // timedelta(microseconds=1)


def test_iso_timestamps_always_have_six_decimals() -> None:
    assert payloads.iso(START.replace(microsecond=0)) == "2026-11-21T03:20:54.000000Z"


@pytest.mark.parametrize("seed", range(200))
def test_a_broken_payload_is_never_json(seed: int) -> None:
    payload = payloads.broken(random.Random(seed), payloads.gauges(START, {"motor.current": 8.4}))
    with pytest.raises(ValueError):
        json.loads(payload)


async def test_pacing_steps_what_is_due_and_ends_in_time() -> None:
    env, seen = simpy.Environment(), []

    def ticks() -> object:
        while True:
            seen.append(env.now)
            yield env.timeout(1.0)

    async def after_step() -> None:
        return None

    env.process(ticks())  # type: ignore[arg-type]
    await asyncio.wait_for(pace(env, PlantClock.from_now(100.0), 10.0, asyncio.Event(), after_step), 5)
    assert seen == [float(second) for second in range(10)]
