"""Waveforms with known lines, and several tags at once against textbook figures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rules.histories import HISTORIES, Setting
from rules.histories.bearing import bpfi, bpfo, bsf, ftf
from rules.histories.f_distribution import exceeds, upper_quantile
from rules.histories.history import SECOND
from rules.histories.hotelling import t2_limit

FS, SIZE = 5120.0, 2048
T = np.arange(SIZE) / FS


def of_array(name, parameters, samples, frequency=None, at_us=0):
    more = () if frequency is None else (frequency,)
    history = HISTORIES[name].make(Setting(tuple(parameters), 1 + len(more)))
    for sample in samples:
        history.take(at_us, (float(sample), *more))
    return history.value(at_us)


@pytest.mark.parametrize("frequency", [25.0, 51.3, 987.6, 2400.0])
def test_amplitude_of_a_sine_is_found_between_the_lines_too(frequency):
    chance = np.random.default_rng(1)
    samples = 4 + 1.7 * np.sin(2 * np.pi * frequency * T + 0.3) + 0.05 * chance.normal(size=SIZE)
    assert of_array("amplitude", (SIZE, FS), samples, frequency) == pytest.approx(1.7, rel=0.02)
    assert of_array("amplitude", (SIZE, FS), samples, frequency + 60 if frequency < 2000 else 500.0) < 0.05


@pytest.mark.parametrize("frequency", [0.0, 2.0, 2560.0, 9999.0, -5.0])
def test_frequency_that_the_waveform_cannot_show_is_unknown(frequency):
    assert of_array("amplitude", (SIZE, FS), np.sin(T), frequency) is None


def test_rms_of_a_band_holds_the_band_only():
    samples = 3 * np.sin(2 * np.pi * 200 * T) + 2 * np.sin(2 * np.pi * 1500 * T)
    assert of_array("band_rms", (SIZE, FS, 10.0, 1000.0), samples) == pytest.approx(3 / math.sqrt(2), rel=0.01)
    assert of_array("band_rms", (SIZE, FS, 1000.0, 2000.0), samples) == pytest.approx(2 / math.sqrt(2), rel=0.01)
    assert of_array("band_rms", (SIZE, FS, 400.0, 1000.0), samples) < 0.01


def test_rms_of_white_noise_over_all_frequencies_is_its_standard_deviation():
    samples = np.random.default_rng(4).normal(0, 2.5, SIZE)
    assert of_array("band_rms", (SIZE, FS, 0.0, FS), samples) == pytest.approx(samples.std(), rel=0.05)


def test_fault_of_a_bearing_shows_in_the_envelope_of_its_resonance_and_not_in_the_spectrum():
    rpm = 1797.0
    outer = bpfo(9, 7.94, 39.04, 0) * rpm / 60
    resonance = (1 + 0.6 * np.sin(2 * np.pi * outer * T)) * np.sin(2 * np.pi * 1500 * T)
    assert of_array("envelope", (SIZE, FS, 1200.0, 1800.0), resonance, outer) == pytest.approx(0.6, rel=0.05)
    assert of_array("envelope", (SIZE, FS, 1200.0, 1800.0), resonance, bpfi(9, 7.94, 39.04, 0) * rpm / 60) < 0.05
    assert of_array("amplitude", (SIZE, FS), resonance, outer) < 0.01


def test_orders_of_a_6205_bearing_are_the_published_ones():
    """SKF 6205-2RS of the Case Western Reserve bearing data: 9 balls of 7.94 mm on 39.04 mm."""
    geometry = (9, 7.94, 39.04, 0)
    assert bpfo(*geometry) == pytest.approx(3.5848, abs=2e-3)
    assert bpfi(*geometry) == pytest.approx(5.4152, abs=2e-3)
    assert ftf(*geometry) == pytest.approx(0.39828, abs=2e-4)
    assert 2 * bsf(*geometry) == pytest.approx(4.7135, abs=3e-3)


def test_waveform_of_single_samples_needs_them_at_the_rate():
    history = HISTORIES["amplitude"].make(Setting((64, 100.0), 2))
    wave = [math.sin(2 * math.pi * 10 * n / 100) for n in range(200)]
    for n in range(63):
        history.take(n * 10_000, (wave[n], 10.0))
    assert history.value(63 * 10_000) is None
    history.take(63 * 10_000, (wave[63], 10.0))
    assert history.value(63 * 10_000) == pytest.approx(1.0, rel=0.02)
    other = HISTORIES["amplitude"].make(Setting((64, 100.0), 2))
    for n in range(100):
        other.take(n * 10_000 + (5 * SECOND if n >= 50 else 0), (wave[n], 10.0))  # a gap: neither part is a block
    assert other.value(10 * SECOND) is None


def test_f_quantiles_of_the_tables():
    """Upper points of F: 0.05 with (5, 10) 3.3258, 0.01 with (2, 20) 5.8489, 0.05 with (1, 1) 161.448, 0.001 with (3, 500) 5.5056."""
    for (d1, d2, alpha), wanted in {(5, 10, 0.05): 3.3258, (2, 20, 0.01): 5.8489, (1, 1, 0.05): 161.448}.items():
        assert upper_quantile(d1, d2, alpha) == pytest.approx(wanted, rel=2e-5)
        assert exceeds(upper_quantile(d1, d2, alpha), d1, d2) == pytest.approx(alpha, rel=1e-7)
    assert t2_limit(2, 10**6, 0.05) == pytest.approx(5.9915, rel=1e-4)  # chi-squared with two degrees of freedom


def test_t2_sees_values_that_do_not_go_together_and_no_more_false_alarms_than_promised():
    chance = np.random.default_rng(5)
    window = 2000 * SECOND
    t2 = HISTORIES["t2"].make(Setting((window, 0, 100), 2))
    limit = HISTORIES["t2_limit"].make(Setting((window, 0, 100, 0.01), 2))
    exceeded = compared = 0
    for n in range(4000):
        load = chance.normal()
        row = (50 + 5 * load + 0.5 * chance.normal(), 20 + 2 * load + 0.2 * chance.normal())
        for history in (t2, limit):
            history.take(n * SECOND, row)
        if n >= 1000:
            compared += 1
            exceeded += t2.value(n * SECOND) > limit.value(n * SECOND)
    assert exceeded / compared == pytest.approx(0.01, abs=0.007)
    t2.take(4000 * SECOND, (54.0, 18.4))  # both within one sigma, but the one is high where the other is low
    assert t2.value(4000 * SECOND) > 5 * limit.value(4000 * SECOND)


def test_t2_is_the_formula():
    chance = np.random.default_rng(6)
    rows = chance.multivariate_normal((1, 2, 3), [[2, 1, 0], [1, 2, 0.5], [0, 0.5, 1]], 300)
    history = HISTORIES["t2"].make(Setting((1000 * SECOND, 0, 10), 3))
    for n, row in enumerate(rows):
        history.take(n * SECOND, tuple(row))
    away = rows[-1] - rows.mean(axis=0)
    assert history.value(299 * SECOND) == pytest.approx(away @ np.linalg.inv(np.cov(rows.T)) @ away, rel=0.01)


def test_t2_of_tags_that_never_move_or_always_move_together_is_a_number():
    history = HISTORIES["t2"].make(Setting((1000 * SECOND, 0, 10), 3))
    for n in range(50):
        history.take(n * SECOND, (float(n % 7), 2.0 * (n % 7), 5.0))
    assert 0 <= history.value(49 * SECOND) < 10
