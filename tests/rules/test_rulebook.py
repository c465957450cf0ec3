from __future__ import annotations

from pathlib import Path

import pytest

from bridge.errors import ConfigError
from rules.conditions import CONDITIONS
from rules.rulebook import check_rules, load_rules
from tests.integration.rules.rules_stage import RULES, settings_for


def write(folder: Path, text: str, name: str = "rules.yaml") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_rules([write(folder, text)])
    return [str(problem).removeprefix(str(folder) + "/") for problem in caught.value.problems]


RULE = """apiVersion: rules/v1
rules:
- id: r
  inputs: {v: {tag: x, unit: mm/s}}
  levels:
    - {severity: low, if: "v > 2", clear: "v < 1"}
  response: look
"""


def test_rule_file_is_read(tmp_path):
    vibration, goods = load_rules([write(tmp_path, RULES)]).rules
    assert [str(level.severity) for level in vibration.condition.levels] == ["medium", "high"]
    assert vibration.tickets[0].evidence.tags == ("spindle.vib_rms", "spindle.rpm")
    assert goods.condition.counter == "good"
    assert goods.postings[0].max_qty == 5


def test_every_mistake_of_every_file_is_told_with_its_place(tmp_path):
    first = RULE.replace("v > 2", "vv > 2").replace("x, unit", "x, unitt").replace("low", "lo")
    files = [write(tmp_path, first, "a.yaml"), str(tmp_path / "b.yaml"), write(tmp_path, "rules: [", "c.yaml")]
    with pytest.raises(ConfigError) as caught:
        load_rules(files)
    told = [str(problem).removeprefix(str(tmp_path) + "/") for problem in caught.value.problems]
    assert told == [
        "a.yaml:4:24: rules[0].inputs.v.unitt: is not a known field; did you mean unit?",
        "a.yaml:6:18: rules[0].levels[0].severity: unknown 'lo'; did you mean low?",
        "a.yaml:6:27: rules[0].levels[0].if: unknown name vv; did you mean v?",
        "b.yaml: cannot be read: No such file or directory",
        "c.yaml:2:1: not YAML: did not find expected node content; is a bracket, a comma or a quote missing here or before? An expression stands in quotes",
    ]


@pytest.mark.parametrize(("old", "new", "told"), [
    ("  response: look\n", "", "response is missing"),
    ('clear: "v < 1"', 'clear: "v < 3"', "wrong way round"),
    ("rules/v1", "rules/v2", "unknown 'rules/v2'"),
    ("id: r", "id: R r", "must be small letters"),
    ("- id: r", "- id: r\n  baseline: {}", "of is missing"),
    ("- id: r", "- id: r\n  when_state: [RUNING]", "did you mean RUNNING?"),
    ("- id: r", "- id: r\n  settle: 20", "must be a text"),
    ("- id: r", "- id: r\n  id: q", "is given twice"),
    ("tag: x", "tag: x, max_age: 5x", "is no duration"),
    ('  levels:\n    - {severity: low, if: "v > 2", clear: "v < 1"}\n', "", "must have one of levels, on, preset"),
    ("  response: look", "  response: look\n  actions:\n  - ticket: {failure_mode: A, from: high}", "no ticket would ever"),
    ("  response: look", "  response: look\n  actions:\n  - erp_posting: {connector: erp}", "needs on"),
    ("    - {severity: low", '    - {severity: high, if: "v > 9"}\n    - {severity: low', "must rise"),
])  # fmt: skip
def test_mistake_is_told(tmp_path, old, new, told):
    assert old in RULE
    assert any(told in problem for problem in problems(tmp_path, RULE.replace(old, new)))


@pytest.mark.parametrize("text", ["", "[]", "5", "a: b", "apiVersion: rules/v1\nrules: 5", "apiVersion: rules/v1\nrules: [5, [], {}, {id: {}}]",
    "apiVersion: rules/v1\nrules:\n- {id: r, inputs: {v: 5}, levels: [5]}", "&a [*a]", "? [1]\n: 2",
    "apiVersion: rules/v1\nrules: [{id: r, inputs: {v: {tag: !!binary x}}}]"])  # fmt: skip
def test_any_yaml_is_read_or_told_of(tmp_path, text):
    assert problems(tmp_path, text)


def test_mistake_in_an_input_is_told_once_and_not_where_it_is_named(tmp_path):
    assert (
        len(problems(tmp_path, RULE.replace("{tag: x, unit: mm/s}", "{tog: x}"))) == 2
    )  # tag is missing, tog is unknown


def test_rule_that_is_there_twice_is_a_mistake(tmp_path):
    again = RULE + RULE[RULE.index("- id: r") :]
    assert any("is there already" in problem for problem in problems(tmp_path, again))


def test_hash_is_of_the_body_and_not_of_comments(tmp_path):
    [a] = load_rules([write(tmp_path, RULE)]).rules
    [b] = load_rules([write(tmp_path, RULE.replace("- id", "# why\n- id"))]).rules
    [c] = load_rules([write(tmp_path, RULE.replace("v > 2", "v > 3"))]).rules
    assert a.sha256 == b.sha256 != c.sha256


def test_posting_that_waits_for_a_final_operation_that_no_machine_has_is_a_mistake(tmp_path):
    settings = settings_for("postgresql:///x", tmp_path, RULES)
    none = [each.model_copy(update={"is_final": False}) for each in settings.equipment]
    [told] = check_rules(settings.model_copy(update={"equipment": none}))
    assert "nothing would ever be posted" in told.message
    assert "operation.is_final" in (tmp_path / "rules.yaml").read_text().split("\n")[told.line - 1]


def checked(tmp_path: Path, rules: str) -> list[str]:
    return [problem.message for problem in check_rules(settings_for("postgresql:///x", tmp_path, rules))]


def test_rules_are_checked_against_the_settings(tmp_path):
    assert checked(tmp_path, RULES) == []
    assert "unknown connector erp2; did you mean erp?" in checked(
        tmp_path, RULES.replace("connector: erp,", "connector: erp2,")
    )
    assert any("did you mean cnc_spindle?" in m for m in checked(tmp_path, RULES.replace("cnc_spindle", "cnc_spindel")))
    assert any("in Cel, the tag spindle.vib_rms in mm/s" in m for m in checked(tmp_path, RULES.replace("mm/s", "Cel")))
    assert any(
        "did you mean spindle.vib_rms?" in m
        for m in checked(tmp_path, RULES.replace("spindle.vib_rms", "spindle.vib_rsm"))
    )
    assert any(
        "differs from [production]" in m for m in checked(tmp_path, RULES.replace("modulus: 65536", "modulus: 256"))
    )
    twice = RULES + RULES[RULES.index("- id: finished-goods") :].replace("finished-goods", "again")
    assert any("a piece is posted once" in m for m in checked(tmp_path, twice))


def test_every_condition_is_in_the_table():
    files = {file.stem for file in Path(CONDITIONS["levels"].__code__.co_filename).parent.glob("*.py")}
    assert files - {"__init__", "facts"} == {read.__module__.rsplit(".", 1)[1] for read in CONDITIONS.values()}
