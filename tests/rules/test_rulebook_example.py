"""The example of the specification, word for word but for the connector's name: it is read, and its tests pass."""

from __future__ import annotations

import pytest

from rules import nodes
from rules.backtest.cases import run_cases
from tests.rules.rule_files import rules_of

EXAMPLE = """apiVersion: rules/v1
rules:
- id: cnc-spindle-vibration
  for_each: {equipment_class: cnc_spindle}        # one instance per matching asset
  inputs: {v: {tag: spindle.vib_rms, unit: mm/s, max_age: 30s}}
  when_state: [RUNNING]                           # suppressed by design otherwise
  settle: 20s
  levels:
    - {severity: medium, if: "v > 2.8", clear: "v < 2.5", on_delay: 60s, off_delay: 120s}
    - {severity: high,   if: "v > 4.5", clear: "v < 4.1", on_delay: 10s, off_delay: 120s, latch: true}
  on_unknown: hold                                # hold | clear | raise
  stale: {after: 5m, raise: low}
  consequence: bearing damage
  response: reduce feed, inspect spindle          # mandatory: without a response it is no alarm
  actions:
    - ticket: {failure_mode: VIB, priority: from_severity,
               evidence: {before: 30m, after: 5m, tags: [v, spindle.rpm, spindle.temp]}}
  tests:
    - feed: {v: [[0s, 2.0], [5s, 3.0], [70s, 3.0]]}
      expect: [[65s, RAISE, medium]]

- id: wip-to-finished-goods
  inputs: {good: {tag: parts.good, counter: {modulus: 65536, max_delta: 50}}}
  on: "delta(good) > 0"
  require: "order.active && operation.is_final"
  actions:
    - erp_posting: {connector: erp, kind: wip_to_fg, quantity: "delta(good)", batch: {max_qty: 50, max_wait: 5m}}

- id: coolant-temperature-drift
  inputs: {t: {tag: coolant.temp, unit: Cel}}
  baseline: {of: t, window: 14d, lag: 3h, where: RUNNING, min_samples: 500, stat: mean_std}
  let: {z: "(ewma(t, 0.28) - baseline.mean) / baseline.std"}
  levels: [{severity: low, if: "abs(z) > 3", clear: "abs(z) < 1.5", off_delay: 1h, rearm: 24h}]
  response: look at the cooling
"""


def test_example_of_the_specification_is_read_and_its_tests_pass(tmp_path):
    rules = rules_of(tmp_path, EXAMPLE)
    assert [rule.id for rule in rules] == [
        "cnc-spindle-vibration", "cnc-spindle-vibration.stale", "wip-to-finished-goods", "coolant-temperature-drift",
    ]  # fmt: skip
    outcomes = run_cases(rules)
    assert [each.got for each in outcomes if not each.passed] == []
    assert len(outcomes) == 1


@pytest.mark.parametrize(("written", "value"), [
    ("1", 1), ("-5", -5), ("+5", 5), ("010", 10), ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("true", True), ("~", None), ("null", None),
    ("yes", "yes"), ("on", "on"), ("1_000", "1_000"), ("0x1F", "0x1F"), ("12:30", "12:30"), ("2026-01-01", "2026-01-01"), (".inf", ".inf"),
    ("5m", "5m"), ("'1'", "1"), ('"true"', "true"), ("9223372036854775808", 9223372036854775808.0),
])  # fmt: skip
def test_values_are_those_of_the_core_schema(written, value):
    found = nodes.compose(written).read()
    assert found == value
    assert type(found) is type(value)
