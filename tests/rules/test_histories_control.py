"""Control charts against the handbook's examples and the published average run lengths."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rules.histories import HISTORIES, Setting

EWMA_DATA = (
    52.0,
    47.0,
    53.0,
    49.3,
    50.1,
    47.0,
    51.0,
    50.1,
    51.2,
    50.5,
    49.6,
    47.6,
    49.9,
    51.3,
    47.8,
    51.2,
    52.6,
    52.4,
    53.6,
    52.1,
)
EWMA_SAYS = (50.60, 49.52, 50.56, 50.18, 50.16, 49.21, 49.75, 49.85, 50.26, 50.33, 50.11, 49.36, 49.52, 50.05, 49.38, 49.92, 50.73,
             51.23, 51.94, 51.99)  # fmt: skip
CUSUM_DATA = (324.925, 324.675, 324.725, 324.350, 325.350, 325.225, 324.125, 324.525, 325.225, 324.600, 324.625, 325.150, 328.325,
              327.250, 327.825, 328.500, 326.675, 327.775, 326.875, 328.350)  # fmt: skip
COUNTED_RUNS = 20_000


def fed(name, parameters, rows):
    history = HISTORIES[name].make(Setting(tuple(parameters), len(rows[0])))
    found = []
    for at_us, row in enumerate(rows):
        history.take(at_us, tuple(row))
        found.append(history.value(at_us))
    return found


def test_ewma_of_the_handbook():
    """NIST/SEMATECH e-Handbook 6.3.2.4: lambda 0.3, target 50, sigma 2.0539."""
    found = fed("ewma", (0.3, 50.0), [(x,) for x in EWMA_DATA])
    assert found == [pytest.approx(z, abs=0.0051) for z in EWMA_SAYS]
    assert found[-1] == pytest.approx(51.99, abs=0.005)
    assert 50 + 3 * 2.0539 * math.sqrt(0.3 / (2 - 0.3)) == pytest.approx(52.5884, abs=1e-4)
    assert max(found) < 52.5884


def test_cusum_of_the_handbook_signals_first_at_group_14():
    """NIST/SEMATECH e-Handbook 6.3.2.3: target 325, k 0.3175 and h 4.1959 in the data's unit, so sigma is 1 here."""
    found = fed("cusum", (0.3175, 4.1959), [(x, 325.0, 1.0) for x in CUSUM_DATA])
    assert [abs(s) > 4.1959 for s in found].index(True) + 1 == 14
    assert found[12] == pytest.approx(3.0075)
    assert found[13] == pytest.approx(4.94)


def test_cusum_sees_both_directions_and_comes_back():
    found = fed("cusum", (0.5, 5.0), [(z, 0.0, 1.0) for z in [-2.0] * 50 + [0.0] * 20])
    assert found[:4] == [-1.5, -3.0, -4.5, -6.0]
    assert found[49] == -10.0  # held at 2h
    assert found[-1] == 0.0


@pytest.mark.parametrize(
    ("z", "rule"),
    [
        ([0.1, -0.2, 3.1], 1), ([2.1, 0.0, 2.2], 2), ([2.1, 0.0, -2.2], 0), ([1.1, 1.2, 0, 1.3, 1.4], 3), ([0.1] * 8, 4),
        ([0.1] * 7, 0), ([2.1, 2.2, 0.0], 0), ([-0.1] * 8, 4), ([0.1, 0.1, 0.1, 0, 0.1, 0.1, 0.1, 0.1], 0),
    ],
)  # fmt: skip
def test_western_electric_rules(z, rule):
    assert fed("western_electric", (), [(each, 0.0, 1.0) for each in z])[-1] == rule


@pytest.mark.parametrize(
    ("z", "rule"),
    [
        ([3.01], 1), ([0.1, 0.2] * 4 + [0.1], 2), ([-0.5, -0.3, -0.1, 0.1, 0.3, 0.5], 3), ([0.5, -0.5] * 7, 4),
        ([2.1, -0.5, 2.1], 5), ([1.1, 1.1, -0.5, 1.1, 1.1], 6), ([0.5, -0.5, -0.4] * 5, 7), ([1.5, -1.5, -1.6, 1.7] * 2, 8),
        ([0.5, -0.5] * 6 + [0.5], 0), ([-0.5, -0.3, -0.1, 0.1, 0.3], 0), ([0.3, 0.2, 0.1, -0.1, -0.2, -0.3], 3),
    ],
)  # fmt: skip
def test_nelson_tests(z, rule):
    assert fed("nelson", (), [(10 + 2 * each, 10.0, 2.0) for each in z])[-1] == rule


def test_reading_without_a_known_sigma_is_left_out():
    assert fed("nelson", (), [(1.0, 0.0, None), (1.0, 0.0, 0.0), (None, 0.0, 1.0), (4.0, 0.0, 1.0)]) == [
        None,
        None,
        None,
        1.0,
    ]


# Average run lengths: charts of many runs side by side, after these are seen to say what the streaming ones say.


class Cusums:
    def __init__(self, runs, h, k=0.5):
        self.up, self.down, self.h, self.k = np.zeros(runs), np.zeros(runs), h, k

    def signals(self, z):
        self.up = np.maximum(0, self.up + z - self.k)
        self.down = np.maximum(0, self.down - z - self.k)
        return np.maximum(self.up, self.down) > self.h


class Ewmas:
    def __init__(self, runs, width, weight=0.2):
        self.z, self.weight, self.limit = np.zeros(runs), weight, width * math.sqrt(weight / (2 - weight))

    def signals(self, z):
        self.z = self.weight * z + (1 - self.weight) * self.z
        return np.abs(self.z) > self.limit


class Shewharts:
    def __init__(self, runs):
        pass

    def signals(self, z):
        return np.abs(z) > 3


class WesternElectrics:
    def __init__(self, runs):
        self.newest = np.zeros((8, runs))

    def signals(self, z):
        self.newest = np.vstack([self.newest[1:], z])
        found = np.abs(z) > 3
        for wanted, among, limit in ((2, 3, 2), (4, 5, 1), (8, 8, 0)):
            for sign in (1, -1):
                found |= (sign * self.newest[-among:] > limit).sum(axis=0) >= wanted
        return found


STREAMING = {
    Cusums: (lambda h: ("cusum", (0.5, h)), lambda found, h: [abs(s) > h for s in found]),
    WesternElectrics: (lambda: ("western_electric", ()), lambda found: [rule > 0 for rule in found]),
    Ewmas: (lambda width: ("ewma", (0.2, 0.0)), lambda found, width: [abs(z) > width / 3 for z in found]),
}
CASES = [
    (Cusums, (4.0,), 167.7, 8.38), (Cusums, (5.0,), 465.0, 10.4), (Ewmas, (2.962,), 500.0, 10.5), (Shewharts, (), 370.4, 43.9),
    (WesternElectrics, (), 92.3, 9.35),
]  # fmt: skip


def run_length(chart, parameters, shift, seed, runs=COUNTED_RUNS):
    """The mean number of readings up to the first signal; a run that has signalled is taken out of the arrays."""
    chance, charts = np.random.default_rng(seed), chart(runs, *parameters)
    going, steps, total = runs, 0, 0
    while going:
        steps += 1
        signals = charts.signals(chance.normal(shift, 1, going))
        if signals.any():
            total += steps * int(signals.sum())
            going -= int(signals.sum())
            for name, state in vars(charts).items():
                if isinstance(state, np.ndarray):
                    setattr(charts, name, state[..., ~signals])
    return total / runs


@pytest.mark.parametrize(("chart", "parameters", "in_control", "at_one_sigma"), CASES)
def test_average_run_length_is_the_published_one(chart, parameters, in_control, at_one_sigma):
    """20 000 runs: the standard error of the mean is 0.7 per cent in control, less at one sigma; four of them are allowed."""
    assert run_length(chart, parameters, 0.0, seed=11) == pytest.approx(in_control, rel=0.028)
    assert run_length(chart, parameters, 1.0, seed=12) == pytest.approx(at_one_sigma, rel=0.025)


@pytest.mark.parametrize("shift", [0.0, 1.0])
@pytest.mark.parametrize(("chart", "parameters"), [(c, p) for c, p, _, _ in CASES if c in STREAMING])
def test_streaming_chart_signals_where_the_simulated_ones_do(chart, parameters, shift):
    z = np.random.default_rng(13).normal(shift, 1, 3_000)
    (named, read), charts = STREAMING[chart], chart(1, *parameters)
    name, settings = named(*parameters)
    rows = [(float(each),) if name == "ewma" else (float(each), 0.0, 1.0) for each in z]
    wanted, first = [bool(charts.signals(np.array([each]))[0]) for each in z], None
    found = read(fed(name, settings, rows), *parameters)
    if name == "cusum":  # those held at 2h come back sooner: they agree up to there
        first = next((n for n, s in enumerate(fed(name, settings, rows)) if abs(s) >= 2 * parameters[0]), None)
    if name == "western_electric":  # the simulation also signals while an old point alone keeps a pattern up
        assert all(w for f, w in zip(found, wanted, strict=True) if f)
        assert found.index(True) == wanted.index(True)
        return
    assert found[:first] == wanted[:first]
    assert sum(found) > 0
