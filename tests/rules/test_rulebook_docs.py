"""What docs/rules.md shows is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rules.backtest.cases import run_cases
from rules.histories import HISTORIES
from rules.language.functions import FUNCTIONS
from rules.rulebook import read_rules
from rules.rulebook.presets import PRESETS
from rules.rulebook.reference import EXAMPLES, SIGNAL, functions_table
from rules.rulebook.schema import rule_file_schema

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
FILES = re.findall(r"```yaml\n(apiVersion.*?)```", PAGE, re.DOTALL)


def test_every_function_has_an_example_and_the_page_its_value():
    assert EXAMPLES.keys() == FUNCTIONS.keys() | HISTORIES.keys()
    assert all(re.search(rf"\b{name}\(", text) for name, text in EXAMPLES.items())
    shown = PAGE.split("<!-- functions: amor rules functions -->\n")[1].split("<!-- end of functions -->")[0]
    assert shown == f"{SIGNAL}\n\n{functions_table()}", "put what `amor rules functions` prints between the marks"


def test_page_has_files():
    assert len(FILES) >= 5


@pytest.mark.parametrize("text", FILES, ids=lambda text: text.split("id: ")[1].split("\n")[0])
def test_file_of_the_page_can_be_read_and_its_tests_pass(tmp_path, text):
    (tmp_path / "f.yaml").write_text(text)
    rules, problems = read_rules([str(tmp_path / "f.yaml")])
    assert problems == []
    assert [(each.case.name, each.got) for each in run_cases(rules) if not each.passed] == []


def test_page_names_every_field_and_preset():
    rule = rule_file_schema()["properties"]["rules"]["items"]["properties"]
    groups = [rule, rule["baseline"]["properties"], rule["levels"]["items"]["properties"], rule["actions"]["items"]["properties"],
              rule["inputs"]["additionalProperties"]["properties"], rule["tests"]["items"]["properties"]]  # fmt: skip
    prose = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    words = {word for span in re.findall(r"`([^`\n]+)`", prose) for word in re.findall(r"[a-z_0-9]+", span)}
    assert {name for group in groups for name in group} <= words
    assert set(PRESETS) <= words
