"""Novelty: what was not seen before stands out, what was seen does not; against a naive recomputation."""

from __future__ import annotations

import json
import math
import random

import pytest

from rules.histories.history import DAY, SECOND
from rules.histories.novelty import Novelty

T0 = 1_772_323_200 * SECOND  # midnight UTC
STEP = 300 * SECOND
A_DAY = DAY // STEP
WIDTH, NEIGHBOURS, DEPTH = 8, 4, 1000


def plain(**other):
    return Novelty(**{"width": WIDTH, "neighbours": NEIGHBOURS, "depth": DEPTH, **other})


def seasonal(**other):
    return plain(period_us=DAY, tolerance_us=3600 * SECOND, **other)


def values(history, readings, first=0):
    found = []
    for step, reading in enumerate(readings, first):
        history.take(T0 + step * STEP, (reading,))
        found.append(history.value(T0 + step * STEP))
    return found


def highest(found):
    return max(value for value in found if value is not None)


def noise(count, seed=1):
    chance = random.Random(seed)
    return [chance.gauss(50, 1) for _ in range(count)]


def shift(seed=1, days=8):
    """Eight hours of work a day at 80, at 20 otherwise, with noise."""
    chance = random.Random(seed)
    return [(80 if 96 <= step % A_DAY < 192 else 20) + chance.gauss(0, 1) for step in range(days * A_DAY)]


def naive(readings, width, neighbours, depth, alike=lambda *_: True):
    """The definition, word by word."""
    stranges, found = [], []
    for now in range(len(readings)):
        newest = readings[now - width + 1 : now + 1]
        ends = [
            end for end in range(max(width - 1, now - width - depth + 1), now - width + 1) if alike(now, end)
        ]  # none overlaps the newest
        if now < 2 * width - 1 or len(ends) < 2 * neighbours:
            found.append(None)
            continue
        distances = sorted(math.dist(newest, readings[end - width + 1 : end + 1]) for end in ends)
        strange, ranked = distances[neighbours - 1], stranges[-depth:]
        smaller = sum(earlier < strange for earlier in ranked)
        found.append(smaller / (len(ranked) + 1) if len(ranked) >= 100 else None)
        stranges.append(strange)
    return found


def test_spike_is_stranger_than_nearly_all_there_was():
    readings = noise(1500)
    readings[1200] = 75.0
    found = values(plain(), readings)
    assert found[1200] > 0.998
    assert min(found[1200 : 1200 + WIDTH]) > 0.98  # as long as it is in the pattern
    assert highest(found[1000:1200]) < found[1200]


def test_level_shift_is_strange_until_it_is_what_is_usual():
    found = values(plain(), noise(1200) + [reading + 10 for reading in noise(600, seed=2)])
    assert found[1200] > 0.998
    assert max(found[1250:]) < 0.98


def test_change_of_pattern_is_seen_though_every_single_value_is_common():
    wave = [math.sin(step / 6) for step in range(1500)]
    chance = random.Random(3)
    readings = [reading + chance.gauss(0, 0.02) for reading in wave]
    faster = [math.sin(step / 2) for step in range(24)]
    found = values(plain(), readings + faster)
    assert found[1500 + WIDTH] > 0.99  # when the pattern is all new; repeated, it becomes known


def test_stuck_signal_is_seen_where_it_always_moved():
    readings = [step % 2 + small for step, small in enumerate(_small(1500))]
    found = values(plain(), readings + [readings[-1]] * 40)
    assert highest(found[1500:1540]) > 0.995


def test_clean_periodic_series_is_quiet():
    for history in (plain(), seasonal(depth=2000)):
        found = values(history, [round(math.sin(2 * math.pi * step / 96), 9) for step in range(3000)])
        assert max(found[2200:]) == 0.0  # the like was seen more than NEIGHBOURS times


def test_constant_series_has_no_novelty():
    assert highest(values(plain(), [5.0] * 1000)) == 0.0


def test_peak_that_does_not_come_is_seen_by_the_season_only():
    missing = shift()
    missing[7 * A_DAY + 96 : 7 * A_DAY + 192] = [20 + small for small in _small(96)]
    at_work = slice(7 * A_DAY + 96 + 2 * WIDTH, 7 * A_DAY + 180)
    assert min(values(seasonal(depth=2000), missing)[at_work]) > 0.99
    assert max(values(plain(depth=2000), missing)[at_work]) < 0.99


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e9])
def test_novelty_does_not_depend_on_the_unit(scale):
    readings = [float(round(reading * 64)) for reading in noise(700)]  # exact at every scale that is a power of two
    factor = 2.0 ** round(math.log2(scale))
    assert values(plain(), [reading * factor for reading in readings]) == values(plain(), readings)


@pytest.mark.parametrize("seed", range(3))
def test_plain_novelty_is_what_its_definition_says(seed):
    readings = noise(460, seed)
    made = values(Novelty(5, 3, 150), readings)
    assert made == pytest.approx(naive(readings, 5, 3, 150), abs=1e-12)


def test_seasonal_novelty_is_what_its_definition_says():
    readings = shift(days=4)

    def is_alike(now, end):
        apart = (now - end) % A_DAY
        return min(apart, A_DAY - apart) * STEP <= 3600 * SECOND and (now - end) * STEP > 3600 * SECOND

    made = values(Novelty(5, 3, 700, DAY, 3600 * SECOND), readings)
    assert made == pytest.approx(naive(readings, 5, 3, 700, is_alike), abs=1e-12)


@pytest.mark.parametrize("make", [plain, seasonal])
@pytest.mark.parametrize("cut", [0, 3, 150, 1033, 2100])
def test_restored_novelty_goes_on_bit_by_bit(make, cut):
    readings = shift()[:2200]
    whole = values(make(), readings)
    first, second = make(), make()
    values(first, readings[:cut])
    second.restore(json.loads(json.dumps(first.dump())))
    assert second.dump() == first.dump()
    assert values(second, readings[cut:], cut) == whole[cut:]


def test_novelty_of_a_bad_reading_is_unknown_and_the_pattern_goes_on_without_it():
    readings = noise(400)
    with_bad = [*readings[:300], None, math.nan, *readings[300:]]
    found = values(plain(), with_bad)
    assert found[300:302] == [None, None]
    assert found[:300] + found[302:] == values(plain(), readings)


def test_nothing_is_told_before_a_hundred_patterns_were_ranked():
    found = values(plain(), noise(200))
    first = next(step for step, value in enumerate(found) if value is not None)
    assert first == 2 * WIDTH - 2 + 2 * NEIGHBOURS + 100


def test_memory_is_bounded_by_depth():
    history = seasonal()
    values(history, noise(2 * (DEPTH + 2 * WIDTH)))
    full = len(json.dumps(history.dump()))
    assert full < 2.2 * 8 * 4 / 3 * (
        DEPTH + 2 * WIDTH
    )  # two columns of eight bytes in base64; those of instants shrink
    values(history, noise(3000), 5000)
    assert len(json.dumps(history.dump())) == pytest.approx(full, rel=0.05)


def test_dump_of_another_depth_is_refused():
    history = plain()
    values(history, noise(1100))
    with pytest.raises(ValueError, match="not the dump"):
        plain(depth=500).restore(history.dump())
    with pytest.raises(ValueError, match="not the dump"):
        seasonal().restore(history.dump())


def _small(count, seed=4):
    chance = random.Random(seed)
    return [chance.gauss(0, 0.05) for _ in range(count)]
