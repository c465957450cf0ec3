from __future__ import annotations

import pytest

from dashboard.api.limits import limits_of

BODY = {
    "for_each": {"equipment_class": "cnc_spindle"},
    "inputs": {"v": {"tag": "spindle.vib_rms"}, "t": {"tag": "spindle.temp"}},
    "levels": [
        {"severity": "medium", "if": "v > 2.8"},
        {"severity": "high", "if": "v >= 4.5"},
        {"severity": "low", "if": "t < -3"},
        {"severity": "high", "if": "v > 2 && t > 80"},
    ],
}
RULES = [{"id": "vibration", "body": BODY}]


def test_levels_that_compare_the_tag_with_a_number_are_limits():
    limits = limits_of(RULES, "spindle.vib_rms", "cnc_spindle", "a/b/c/d/e")
    assert [(limit.severity, limit.value, limit.above) for limit in limits] == [
        ("medium", 2.8, True),
        ("high", 4.5, True),
    ]


def test_a_lower_limit_is_not_above():
    assert [(limit.value, limit.above) for limit in limits_of(RULES, "spindle.temp", "cnc_spindle", "x")] == [
        (-3, False)
    ]


def test_rule_of_another_class_draws_nothing():
    assert limits_of(RULES, "spindle.vib_rms", "saw", "x") == []


@pytest.mark.parametrize("body", [{}, {"inputs": None}, {"levels": [{"severity": "low"}]}, {"for_each": "everything"}])
def test_other_forms_of_rules_draw_nothing(body):
    assert limits_of([{"id": "other", "body": body}], "spindle.vib_rms", None, "x") == []
