"""The rule files that people copy: each can be read, each has tests, and the tests pass."""

from __future__ import annotations

from pathlib import Path

import pytest

import rules
import simulators
from rules.backtest.cases import run_cases
from rules.rulebook import read_rules

LIBRARY = Path(rules.__file__).parent / "library"
DEMO = Path(simulators.__file__).parent / "demo" / "rules.yaml"
FILES = sorted(LIBRARY.glob("*.yaml"))
BY_BENCH = {"anomaly.yaml"}  # measured by `amor bench nab`, not by tests of its own


def test_library_has_the_families_that_are_promised():
    assert {file.stem for file in FILES} >= {
        "bearing-spectrum", "counter-stall", "spc-dimension", "stale-sensors", "temperature-drift", "vibration-iso20816",
    }  # fmt: skip


@pytest.mark.parametrize("file", [*FILES, DEMO], ids=lambda file: file.stem)
def test_file_can_be_read_and_its_tests_pass(file):
    found, problems = read_rules([str(file)])
    assert problems == []
    outcomes = run_cases(found)
    assert [(each.rule.id, each.case.name, each.got) for each in outcomes if not each.passed] == []
    assert outcomes or file.name in BY_BENCH


def test_all_files_can_be_used_together():
    assert read_rules([str(file) for file in FILES])[1] == []
