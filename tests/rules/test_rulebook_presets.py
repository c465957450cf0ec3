"""Presets: their limits are those of the standards, their charts those of NIST/SEMATECH's examples."""

from __future__ import annotations

import pytest

from rules.rulebook.presets import PRESETS
from rules.rulebook.presets.iso import ISO_10816_1, ISO_20816_3
from tests.rules.rule_files import messages_of, rules_of, told_by


def rule(preset: str, unit: str = "mm/s", more: str = "") -> str:
    given = f", unit: {unit}" if unit else ""
    return f"- id: r\n  inputs: {{v: {{tag: x{given}}}}}\n  preset: {preset}\n  response: look\n{more}"


def levels(folder, preset, unit="mm/s"):
    [found] = rules_of(folder, rule(preset, unit))
    return [(str(level.severity), level.condition.text, level.clear.text) for level in found.condition.levels]


def test_limits_are_those_of_the_standards():
    assert ISO_20816_3 == {
        ("1", "rigid"): (2.3, 4.5, 7.1), ("1", "flexible"): (3.5, 7.1, 11.0),
        ("2", "rigid"): (1.4, 2.8, 4.5), ("2", "flexible"): (2.3, 4.5, 7.1),
    }  # fmt: skip
    assert ISO_10816_1 == {
        "I": (0.71, 1.8, 4.5), "II": (1.12, 2.8, 7.1), "III": (1.8, 4.5, 11.2), "IV": (2.8, 7.1, 18.0),
    }  # fmt: skip


@pytest.mark.parametrize(("group", "support"), ISO_20816_3)
def test_zones_of_iso_20816_3_are_levels(tmp_path, group, support):
    _, warn, trip = ISO_20816_3[group, support]
    [found] = rules_of(tmp_path, rule(f"{{iso20816_3: {{group: {group}, support: {support}}}, of: v}}"))
    assert [(str(level.severity), *level.condition.limits()) for level in found.condition.levels] == [
        ("medium", ("v", warn)),
        ("high", ("v", trip)),
    ]
    assert [level.clear.limits()[0][1] for level in found.condition.levels] == pytest.approx([0.9 * warn, 0.9 * trip])


@pytest.mark.parametrize("machine", ISO_10816_1)
def test_classes_of_iso_10816_1_are_levels(tmp_path, machine):
    _, warn, trip = ISO_10816_1[machine]
    [found] = rules_of(tmp_path, rule(f"{{iso10816_1: {{class: {machine}}}, of: v}}"))
    assert [level.condition.limits()[0][1] for level in found.condition.levels] == [warn, trip]


def test_limits_are_in_the_unit_of_the_signal(tmp_path):
    assert levels(tmp_path, "{iso20816_3: {group: 1, support: rigid}, of: v, deadband: 0.2}", "m/s") == [
        ("medium", "v > 0.0045", "v < 0.0036"),
        ("high", "v > 0.0071", "v < 0.00568"),
    ]


@pytest.mark.parametrize(
    ("unit", "told"), [("Cel", "the limits are in mm/s RMS, v is in Cel"), ("", "give the input v its unit")]
)
def test_signal_of_another_kind_is_refused(tmp_path, unit, told):
    assert any(told in message for message in messages_of(tmp_path, rule("{iso10816_1: {class: II}, of: v}", unit)))


def test_defaults_can_be_overridden(tmp_path):
    text = "{iso10816_1: {class: II}, of: v, severities: [low, critical], deadband: 0, on_delay: 1s, off_delay: 2s, latch: true, rearm: 1h, realarm: 8h}"
    [found] = rules_of(tmp_path, rule(text))
    low, critical = found.condition.levels
    assert (str(low.severity), str(critical.severity), critical.clear.text) == ("low", "critical", "v < 7.1")
    assert (low.on_delay.total_seconds(), low.off_delay.total_seconds(), low.latch) == (1, 2, True)
    assert (low.rearm.total_seconds(), low.realarm.total_seconds()) == (3600, 28800)


# NIST/SEMATECH e-Handbook of Statistical Methods, 6.3.2.4
EWMA_EXAMPLE = [52.0, 47.0, 53.0, 49.3, 50.1, 47.0, 51.0, 50.1, 51.2, 50.5, 49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4, 53.6, 52.1]  # fmt: skip
# 6.3.2.3
CUSUM_EXAMPLE = [
    324.925, 324.675, 324.725, 324.350, 325.350, 325.225, 324.125, 324.525, 325.225, 324.600,
    324.625, 325.150, 328.325, 327.250, 327.825, 328.500, 326.675, 327.775, 326.875, 328.350,
]  # fmt: skip


def test_ewma_has_the_limits_of_the_example_and_is_in_control(tmp_path):
    preset = "{ewma: {target: 50, sigma: 2.0539, lambda: 0.3, L: 3}, of: v}"
    [found] = rules_of(tmp_path, rule(preset))
    [level] = found.condition.levels
    slots = found.condition.slots
    ewma = slots.index("ewma(v, 0.3, 50)")
    for value, holds in ((52.5883, False), (52.5885, True), (47.4117, False), (47.4115, True)):
        row = [None] * len(slots)
        row[ewma] = value
        assert level.condition.evaluate(row) is holds
    assert told_by(found, {"v": EWMA_EXAMPLE}) == []
    assert told_by(found, {"v": [*EWMA_EXAMPLE, 54.0]})[0] == (20.0, "RAISE", "medium")


def test_cusum_signals_at_the_group_of_the_example(tmp_path):
    [found] = rules_of(tmp_path, rule("{cusum: {target: 325, sigma: 1, k: 0.3175, h: 4.1959}, of: v}"))
    assert told_by(found, {"v": CUSUM_EXAMPLE})[0] == (13.0, "RAISE", "medium")  # group 14, counted from 0 seconds


def test_western_electric_finds_a_point_beyond_three_sigmas_and_a_run_of_eight(tmp_path):
    preset = "{western_electric: {target: 10, sigma: 1}, of: v}"
    [found] = rules_of(tmp_path, rule(preset))
    assert told_by(found, {"v": [10.0, 10.5, 13.1, 10.0]}) == [
        (2.0, "RAISE", "medium"),
        (3.0, "RETURN", "medium"),
    ]
    assert told_by(found, {"v": [9.0, *[10.4] * 8]})[0] == (8.0, "RAISE", "medium")
    [only] = rules_of(tmp_path, rule(preset.replace("sigma: 1", "sigma: 1, rules: [4]")))
    assert told_by(only, {"v": [10.0, 10.5, 13.1, 9.0, *[10.4] * 8]})[0] == (11.0, "RAISE", "medium")


def test_nelson_finds_fourteen_that_alternate(tmp_path):
    [found] = rules_of(tmp_path, rule("{nelson: {target: 10, sigma: 1}, of: v}"))
    assert told_by(found, {"v": [10.2, 9.8] * 7})[0][1:] == ("RAISE", "medium")


def test_chart_takes_the_norm_from_the_baseline(tmp_path):
    text = rule("{ewma: {target: baseline.mean, sigma: baseline.std}, of: v}").replace(
        "  preset", "  baseline: {of: v, window: 100s, lag: 1s, min_samples: 10}\n  preset"
    )
    [found] = rules_of(tmp_path, text)
    steady = [10.0 + (index % 2) for index in range(60)]
    assert told_by(found, {"v": steady}) == []
    assert told_by(found, {"v": steady + [14.0] * 3})[0][1:] == ("RAISE", "medium")


@pytest.mark.parametrize(("preset", "values", "expected"), [
    ("{out_of_range: {min: 0, max: 10}, of: v, on_delay: 0s, off_delay: 0s}", [5, 10.5, 9.8, 9.4, -1],
     [(1, "RAISE"), (3, "RETURN"), (4, "RAISE")]),
    ("{out_of_range: {max: 10}, of: v, on_delay: 0s, off_delay: 0s}", [5, -99, 10.5, 9.4], [(2, "RAISE"), (3, "RETURN")]),
    ("{rate_of_change: {limit: 60, per: 1m}, of: v}", [0, 0.5, 2, 2.1], [(2, "RAISE"), (3, "RETURN")]),
    ("{rate_of_change: {limit: 60, per: 1m, direction: falling}, of: v}", [0, 2, 0, 0.1], [(2, "RAISE"), (3, "RETURN")]),
    ("{flatline: {for: 4s, band: 0.1}, of: v}", [1, 2, 3, 3.05, 3, 3, 3, 4], [(5, "RAISE"), (7, "RETURN")]),
    ("{counter_stall: {after: 3s}, of: v}", [1, 2, 2, 2, 2, 3], [(4, "RAISE"), (5, "RETURN")]),
    ("{stale: {after: 3s}, of: v}", [1, None, None, None, None, 3], [(3, "RAISE"), (5, "RETURN")]),
])  # fmt: skip
def test_signal_is_watched(tmp_path, preset, values, expected):
    [found] = rules_of(tmp_path, rule(preset))
    told = told_by(found, {"v": [None if value is None else float(value) for value in values]})
    assert [(at, kind) for at, kind, _ in told][: len(expected)] == expected


@pytest.mark.parametrize(("preset", "told"), [
    ("{of: v}", "must name one of iso20816_3"),
    ("{iso20816_3: {group: 3, support: rigid}, of: v}", "unknown '3'; there is 1, 2"),
    ("{iso20816_3: {group: 1}, of: v}", "support is missing"),
    ("{iso10816_1: {class: II}, stale: {after: 5m}, of: v}", "not several"),
    ("{iso10816_1: {class: II}}", "of is missing"),
    ("{iso10816_1: {class: II}, of: vv}", "did you mean v?"),
    ("{iso10816_1: {class: II}, of: v > 1}", "a number is wanted here"),
    ("{iso10816_1: {class: II}, of: v, severities: [low]}", "severities must be 2"),
    ("{iso10816_1: {class: II}, of: v, severities: [high, low]}", "must rise"),
    ("{iso10816_1: {class: II}, of: v, deadband: 1}", "a share of the limit"),
    ("{western_electric: {target: 1, sigma: 1, rules: [5]}, of: v}", "there is no rule 5"),
    ("{ewma: {target: 1}, of: v}", "sigma is missing"),
    ("{ewma: {target: 1, sigma: 1, lambda: 2}, of: v}", "at most 1"),
    ("{out_of_range: {}, of: v}", "min or max is missing"),
    ("{out_of_range: {min: 2, max: 1}, of: v}", "min must be below max"),
    ("{rate_of_change: {limit: -1}, of: v}", "limit must be above 0"),
    ("{stale: {after: 0s}, of: v}", "longer than nothing"),
    ("{stale: {aftr: 5m}, of: v}", "after is missing"),
])  # fmt: skip
def test_mistake_in_a_preset_is_told(tmp_path, preset, told):
    assert any(told in message for message in messages_of(tmp_path, rule(preset)))


def test_every_preset_is_tested_here():
    text = __import__("pathlib").Path(__file__).read_text()
    assert all(f"{{{name}:" in text for name in PRESETS)
