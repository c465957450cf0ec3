"""Sliding statistics against a naive recomputation, and over a million readings."""

from __future__ import annotations

import math
import random
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.histories import HISTORIES, Setting
from rules.histories.history import SECOND
from rules.production.counter import CounterSpec

T0 = 1_772_344_800 * SECOND
W = 60 * SECOND


def _std(x):
    return statistics.stdev(x) if len(x) > 1 else None


def _slope(times, x):
    if len(set(times)) < 2:
        return None
    t = (np.array(times) - T0) / SECOND
    return float(np.polyfit(t - t.mean(), np.array(x) - np.mean(x), 1)[0])


def _mad(x):
    return float(np.median(np.abs(np.array(x) - np.median(x))))


NAIVE = {
    "mean": lambda t, x: statistics.fmean(x) if x else None,
    "std": lambda t, x: _std(x),
    "min_over": lambda t, x: min(x, default=None),
    "max_over": lambda t, x: max(x, default=None),
    "spread": lambda t, x: max(x) - min(x) if x else None,
    "count": lambda t, x: float(len(x)),
    "slope": lambda t, x: _slope(t, x) if x else None,
    "rate": lambda t, x: (x[-1] - x[0]) / (t[-1] - t[0]) * SECOND if len(set(t)) > 1 else None,
    "percentile": lambda t, x: float(np.percentile(x, 90)) if x else None,
    "baseline_mean": lambda t, x: statistics.fmean(x) if len(x) >= 5 else None,
    "baseline_std": lambda t, x: _std(x) if len(x) >= 5 else None,
    "baseline_median": lambda t, x: float(np.median(x)) if len(x) >= 5 else None,
    "baseline_mad": lambda t, x: _mad(x) if len(x) >= 5 else None,
}
LAG = 20 * SECOND


def _make(name):
    extra = {"percentile": (90.0,)}
    lagged = name.startswith("baseline")
    return HISTORIES[name].make(Setting((W, LAG, 5, 1.0) if lagged else (W, *extra.get(name, ()))))


def _in_window(name, readings, now):
    lag = LAG if name.startswith("baseline") else 0
    chosen = [(t, x) for t, x in readings if x is not None and now - lag - W < t <= now - lag]
    return [t for t, _ in chosen], [x for _, x in chosen]


@pytest.mark.parametrize("name", NAIVE)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 100_000), scale=st.sampled_from([1.0, 1e-6, 1e9]))
def test_sliding_statistic_equals_a_naive_recomputation(name, seed, scale):
    chance, now, readings = random.Random(seed), T0, []
    history = _make(name)
    for _ in range(150):
        now += chance.choice((1, SECOND, SECOND, SECOND, 10 * SECOND, chance.randrange(4 * SECOND), 70 * SECOND))
        value = None if chance.random() < 0.1 else scale * chance.gauss(100, 1)
        if name == "rate" and value is None:
            continue
        readings.append((now, value))
        history.take(now, (value,))
        for later in (0, chance.randrange(3 * SECOND), 65 * SECOND if chance.random() < 0.1 else 0):
            now += later
            wanted = NAIVE[name](*_in_window(name, readings, now))
            assert history.value(now) == (None if wanted is None else pytest.approx(wanted, rel=1e-6, abs=1e-9 * scale))


@pytest.mark.parametrize("name", ["mean", "std", "min_over", "max_over", "count", "percentile", "slope"])
def test_dense_signal_is_kept_to_a_fraction_of_the_window(name):
    history = _make(name)
    step, readings = SECOND // 100, []  # 6000 in the window
    chance = random.Random(1)
    for n in range(20_000):
        now = T0 + n * step
        value = math.sin(n / 4000) + chance.gauss(0, 0.05)
        readings.append((now, value))
        history.take(now, (value,))
        history.value(now)
    wanted = NAIVE[name](*_in_window(name, readings, now))
    tolerance = {"percentile": 0.02, "slope": 0.0005}.get(name, 0.01 * abs(wanted))
    assert history.value(now) == pytest.approx(wanted, abs=tolerance)


@pytest.mark.parametrize("name", ["std", "slope", "baseline_std", "ewma"])
def test_nothing_drifts_over_a_million_readings_with_giants_among_them(name):
    """A running sum would keep what a giant took from its last digits for ever."""
    history = HISTORIES["ewma"].make(Setting((0.2, math.nan))) if name == "ewma" else _make(name)
    chance = random.Random(2)
    noise = [chance.gauss(0, 0.01) for _ in range(1009)]
    take, readings, now = history.take, [], T0
    for n in range(1_000_000):
        now = T0 + n * SECOND
        value = 1e14 if n % 100_000 == 777 else 20.0 + noise[n % 1009]
        take(now, (value,))
        if n > 999_800:
            readings.append((now, value))
    if name == "ewma":
        assert history.value(now) == pytest.approx(20, abs=0.02)
    else:
        assert history.value(now) == pytest.approx(NAIVE[name](*_in_window(name, readings, now)), rel=1e-9)


def test_reading_at_the_very_end_of_the_window_comes_before_the_oldest_leaves():
    history = HISTORIES["count"].make(Setting((10 * SECOND,)))
    for n in range(30):
        at_us = T0 + n * SECOND
        assert (due := history.due_us()) is None or due > at_us
        history.take(at_us, (1.0,))
        assert history.value(at_us) == min(n + 1, 10)


def test_counter_rolls_over_in_delta_and_rate():
    spec = CounterSpec(modulus=100, max_delta=50)
    delta = HISTORIES["delta"].make(Setting((), counter=spec))
    rate = HISTORIES["rate"].make(Setting((10 * SECOND,), counter=spec))
    steps = []
    for n, value in enumerate((90.0, 95.0, 3.0, 8.0)):
        for history in (delta, rate):
            history.take(T0 + n * SECOND, (value,))
        steps.append(delta.value(T0 + n * SECOND))
    assert steps == [None, 5.0, 8.0, 5.0]
    assert rate.value(T0 + 3 * SECOND) == pytest.approx(18 / 3)


def test_baseline_of_a_speed_band_sees_only_its_band():
    history = HISTORIES["baseline_mean"].make(Setting((W, 0, 2, 500.0), arguments=2))
    for n in range(40):
        slow = n % 2 == 0
        history.take(T0 + n * SECOND, (1.0 if slow else 5.0, 900.0 if slow else 3000.0))
        if n > 5:
            assert history.value(T0 + n * SECOND) == (1.0 if slow else 5.0)
    history.take(T0 + 41 * SECOND, (1.0, None))
    assert history.value(T0 + 41 * SECOND) is None


def test_baseline_does_not_hold_what_is_younger_than_its_lag():
    history = HISTORIES["baseline_mean"].make(Setting((W, LAG, 5, 1.0)))
    for n in range(100):
        history.take(T0 + n * SECOND, (1.0 if n < 80 else 100.0,))
        if n >= 40:
            assert history.value(T0 + n * SECOND) == pytest.approx(1.0)
    assert history.value(T0 + 101 * SECOND) > 1.0


def test_lagged_window_of_a_dense_signal_is_exact_to_a_32nd_of_the_lag():
    day, lag = 86_400 * SECOND, 3 * 3600 * SECOND
    history = HISTORIES["baseline_mean"].make(Setting((14 * day, lag, 500, 1.0)))
    step = 60 * SECOND
    for n in range(30 * 1440):
        history.take(T0 + n * step, (float(n),))
    now = T0 + (30 * 1440 - 1) * step
    newest = 30 * 1440 - 1 - lag // step
    wanted = newest - 14 * 1440 / 2 + 0.5
    assert history.value(now) == pytest.approx(wanted, abs=14 * 1440 / 256)


def test_stale_begins_at_the_instant_and_ends_with_a_good_reading():
    history = HISTORIES["stale"].make(Setting((300 * SECOND,)))
    assert history.value(T0) is None
    history.take(T0, (5.0,))
    assert (history.value(T0), history.due_us()) == (0.0, T0 + 300 * SECOND)
    history.take(T0 + 200 * SECOND, (None,))
    assert history.value(T0 + 300 * SECOND) == 1.0
    assert history.due_us() is None
    history.take(T0 + 301 * SECOND, (5.0,))
    assert history.value(T0 + 301 * SECOND) == 0.0


def test_flatline_needs_readings_that_do_not_move_for_the_whole_window():
    history = HISTORIES["flatline"].make(Setting((10 * SECOND, 0.5, 3)))
    found = []
    for n in range(40):
        history.take(T0 + n * SECOND, (7.0 + (0.3 if n % 2 else 0.0) if n < 25 else float(n),))
        found.append(history.value(T0 + n * SECOND))
    assert found[:10] == [None] * 10
    assert found[10:25] == [1.0] * 15
    assert found[25:] == [0.0] * 15
    assert history.value(T0 + 60 * SECOND) is None  # silent is not flat


def test_counter_stall_is_told_after_the_last_piece_whether_it_is_read_or_not():
    history = HISTORIES["counter_stall"].make(Setting((60 * SECOND,)))
    for n, count in ((0, 5.0), (10, 6.0), (20, 6.0), (40, 6.0)):
        history.take(T0 + n * SECOND, (count,))
    assert history.due_us() == T0 + 70 * SECOND
    assert (history.value(T0 + 69 * SECOND), history.value(T0 + 70 * SECOND)) == (0.0, 1.0)


def test_lowpass_reaches_63_per_cent_of_a_step_after_its_time_constant():
    history = HISTORIES["lowpass"].make(Setting((30 * SECOND,)))
    history.take(T0, (0.0,))
    for n in range(1, 31):
        history.take(T0 + n * SECOND, (1.0,))
    assert history.value(T0 + 30 * SECOND) == pytest.approx(1 - math.exp(-1))


def test_last_keeps_what_is_known_for_a_while():
    history = HISTORIES["last"].make(Setting((60 * SECOND,)))
    history.take(T0, (5.0,))
    history.take(T0 + SECOND, (None,))
    assert history.value(T0 + 60 * SECOND) == 5.0
    assert history.value(history.due_us()) is None
