"""Histories as rules name them: through the language, an instance, a restart, a backtest."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.model.production import MachineState
from rules.backtest import AssetSpec, Chunk, Column, run
from rules.histories import HISTORIES
from rules.instance import Instance, Situation
from rules.production.accounting import Role
from rules.rulebook import load_rules
from rules.sample import Sample

T0 = 1_772_344_800_000_000
SECOND = 1_000_000
HOUR = 3600 * SECOND
RUNNING, IDLE = Situation(MachineState.RUNNING, T0), Situation(MachineState.IDLE, T0)

EVERY = {
    "delta": "delta(v) > 1", "rate": "rate(v, 20s) > 0.1", "last": "last(v, 30s) > 3", "ewma": "ewma(v, 0.3) > 3",
    "lowpass": "lowpass(v, 10s) > 3", "mean": "mean(v, 20s) > 3", "std": "std(v, 20s) > 1", "min_over": "min_over(v, 20s) > 2.5",
    "max_over": "max_over(v, 20s) > 4", "spread": "spread(v, 20s) > 2", "count": "count(v, 20s) > 4", "slope": "slope(v, 20s) > 0.05",
    "percentile": "percentile(v, 20s, 90) > 4", "stale": "stale(v, 15s)", "flatline": "flatline(v, 10s, 1.5)",
    "counter_stall": "counter_stall(v, 15s)", "cusum": "abs(cusum(v, 3, 1, 0.5, 4)) > 4", "western_electric": "western_electric(v, 3, 1) > 0",
    "nelson": "nelson(v, 3, 1) > 0", "baseline_mean": "v > baseline_mean(v, 1m, 10s, 5) + 1", "baseline_std": "v > 2 * baseline_std(v, n, 1m, 10s, 5, 2)",
    "baseline_median": "v > baseline_median(v, 1m, 10s, 5) + 1", "baseline_mad": "baseline_mad(v, 1m, 0s, 5) > 0.7",
    "t2": "t2(v, n, 1m, 5s, 5) > 6", "t2_limit": "t2(v, n, 1m, 5s, 5) > t2_limit(v, n, 1m, 5s, 5, 0.05)",
    "amplitude": "amplitude(v, 0.2, 16, 1) > 0.2", "band_rms": "band_rms(v, 16, 1, 0.1, 0.4) > 0.4", "envelope": "envelope(v, 0.2, 16, 1, 0.1, 0.4) > 0.1",
}  # fmt: skip
ELSEWHERE = {"novelty", "seasonal_novelty"}  # have a file of their own
OF_A_WAVEFORM = {"amplitude", "band_rms", "envelope"}


def rule_of(folder, condition, more=""):
    file = folder / "rule.yaml"
    file.write_text(f"""
apiVersion: rules/v1
rules:
- id: r
  inputs: {{v: {{tag: v}}, n: {{tag: n}}}}
  levels: [{{severity: low, if: "{condition}", on_delay: 1s}}]
  response: look
{more}
""")
    (rule,) = load_rules([str(file)]).rules
    return rule


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    return {name: rule_of(tmp_path_factory.mktemp("rules"), condition) for name, condition in EVERY.items()}


def test_every_history_is_tried_in_a_rule():
    assert set(EVERY) | ELSEWHERE >= set(HISTORIES)


def told_by(rule, readings, restart=None):
    instance = Instance.create(rule, 1, "m", is_final=False, tags={"v": 1, "n": 2})
    told = []
    for step, (at_us, samples) in enumerate(readings):
        if step == restart:
            stored = json.loads(json.dumps(instance.dump()))
            instance = Instance.create(rule, 1, "m", is_final=False, tags={"v": 1, "n": 2})
            instance.restore(stored)
        told += instance.observe(at_us, samples, RUNNING)
    told += instance.advance(readings[-1][0] + HOUR)
    return [(t.transition.at_us, t.transition.kind, t.because["histories"]) for t in told]


def story(seed, steps=120, *, steady=False):
    chance, at_us, found, level = random.Random(seed), T0, [], 3.0
    for _ in range(steps):
        at_us += SECOND if steady else chance.choice((SECOND, SECOND, SECOND, SECOND, 2 * SECOND, 300_000, 20 * SECOND))
        level = 0.8 * level + 0.6 + chance.gauss(0, 0.8)
        samples = [Sample(1, at_us, 0, level, None, 0 if steady or chance.random() > 0.04 else 0x8000_0000)]
        if not steady and chance.random() < 0.6:
            samples.append(Sample(2, at_us, 0, level + chance.gauss(0, 0.5), None, 0))
        found.append((at_us, samples))
    return found


@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), restart=st.integers(1, 119))
def test_rule_tells_the_same_through_a_restart_at_any_reading(rules, name, seed, restart):
    readings = story(seed, steady=name in OF_A_WAVEFORM)
    assert told_by(rules[name], readings, restart) == told_by(rules[name], readings)


@pytest.mark.parametrize("name", EVERY)
def test_rule_with_the_history_raises_at_all(rules, name):
    found = [
        kind for seed in range(12) for _, kind, _ in told_by(rules[name], story(seed, steady=name in OF_A_WAVEFORM))
    ]
    assert "RAISE" in found


def test_drift_is_found_against_what_the_machine_does_while_it_runs(tmp_path):
    """Idle, the coolant is at 20 Cel: a baseline that took that in would be too wide to see 3 Cel of drift."""
    file = tmp_path / "drift.yaml"
    file.write_text("""
apiVersion: rules/v1
rules:
- id: drift
  inputs: {t: {tag: v}}
  when_state: [RUNNING]
  settle: 30m
  baseline: {of: t, window: 14d, lag: 3h, where: RUNNING, min_samples: 500, stat: mean_std}
  let: {z: "(ewma(t, 0.28) - baseline.mean) / baseline.std"}
  levels: [{severity: low, if: "abs(z) > 3", clear: "abs(z) < 1.5", off_delay: 1h, rearm: 24h}]
  response: look
""")
    minutes = np.arange(20 * 1440)
    is_idle = minutes % 480 < 120  # two hours of every eight
    drift = np.where(minutes > 18 * 1440, (minutes - 18 * 1440) / 1440 * 3, 0.0)
    values = np.where(is_idle, 20.0, 38.0 + drift) + np.random.default_rng(1).normal(0, 0.5, len(minutes))
    times = T0 + minutes * 60 * SECOND
    changes = np.flatnonzero(np.diff(is_idle, prepend=~is_idle[0]))
    states = Column(
        3, times[changes], np.full(len(changes), np.nan), ["IDLE" if is_idle[at] else "RUNNING" for at in changes]
    )
    spec = AssetSpec("m", {"v": 1, "state": 3}, roles={3: Role.STATE}, states={str(s): s for s in MachineState})
    report = run(load_rules([str(file)]).rules, [Chunk(spec, (Column(1, times, values), states), int(times[-1]))])
    assert report.rules["drift"].trouble == ""
    raised = [(alarm.raised_us - T0) / HOUR / 24 for alarm in report.alarms]
    assert raised
    assert 18.2 < raised[0] < 19.5
