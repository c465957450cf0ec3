"""`amor rules`: without a command the process; `check` shows mistakes in their lines; `schema` and `functions` print what is so."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from bridge.cli.app import app
from bridge.cli.check import excerpt
from bridge.errors import ConfigError
from tests.erp_systems.declarative import DESCRIPTIONS

PLANT = """[plant]
name = "acme"
[database]
dsn = "postgresql:///x"
[[equipment]]
path = "acme/d/m/l/cnc1"
class = "cnc_spindle"
[[source]]
type = "opcua"
name = "cnc"
url = "opc.tcp://localhost:4840"
lane = 1
[[source.nodes]]
equipment = "acme/d/m/l/cnc1"
node = "ns=2;s={tag}"
tags = {"spindle.vib_rms" = "mm/s", "spindle.temp" = "Cel"}
[rules]
files = ["rules.yaml"]
"""
RULES = """apiVersion: rules/v1
rules:
- id: vibration
  for_each: {equipment_class: cnc_spindle}
  inputs: {v: {tag: spindle.vib_rms, unit: mm/s}}
  levels: [{severity: low, if: "v > 2", clear: "v < 1"}]
  response: look
  actions: [{ticket: {failure_mode: VIB, evidence: {tags: [spindle.temp]}}}]
"""


@pytest.fixture
def plant(tmp_path):
    (tmp_path / "amor.toml").write_text(PLANT)
    (tmp_path / "rules.yaml").write_text(RULES)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["rules", *map(str, arguments)])


def test_without_a_command_the_process_starts_with_its_configuration(tmp_path):
    result = run("-c", tmp_path / "none.toml")
    assert isinstance(result.exception, ConfigError)
    assert "none.toml" in str(result.exception)


def test_rules_without_mistakes_are_ok(plant):
    result = run("check", plant / "rules.yaml")
    assert (result.exit_code, "ok" in result.output) == (0, True)
    assert run("check", "-c", plant / "amor.toml").exit_code == 0


def test_mistake_is_shown_in_its_line_with_a_mark_under_it(plant):
    (plant / "rules.yaml").write_text(RULES.replace("v > 2", "v > 2 && vv < 3").replace("respo", "resop"))
    result = run("check", plant / "rules.yaml")
    assert result.exit_code == 2
    lines = result.output.splitlines()
    at = next(index for index, line in enumerate(lines) if "unknown name vv; did you mean v?" in line)
    assert lines[at + 2].index("^") == lines[at + 1].index("vv")
    assert "rules.yaml:6:42" in lines[at]
    assert "did you mean response?" in result.output
    assert lines[-1] == "2 mistakes"


@pytest.mark.parametrize(("old", "new", "told", "marked"), [
    ("tag: spindle.vib_rms", "tag: spindel.vib_rms", "unknown tag spindel.vib_rms; did you mean spindle.vib_rms?", "spindel.vib_rms"),
    ("tags: [spindle.temp]", "tags: [spindle.tmep]", "unknown tag spindle.tmep; did you mean spindle.temp?", "spindle.tmep"),
    ("unit: mm/s", "unit: m/s", "is in m/s, the tag spindle.vib_rms in mm/s; write mm/s", "m/s"),
    ("unit: mm/s", "unit: Cel", "is in Cel, the tag spindle.vib_rms in mm/s", "Cel"),
    ("equipment_class: cnc_spindle", "equipment_class: cnc_spindel", "did you mean cnc_spindle?", "cnc_spindel"),
    ("equipment_class: cnc_spindle", "equipment: 'acme/*/cnc9'", "no equipment is called acme/*/cnc9", "acme"),
    ("failure_mode: VIB", "failure_mode: VIB, connector: erp", "unknown connector erp", "erp,"),
])  # fmt: skip
def test_mistake_against_the_plant_is_shown_in_its_line(plant, old, new, told, marked):
    (plant / "rules.yaml").write_text(RULES.replace(old, new, 1))
    result = run("check", "-c", plant / "amor.toml")
    assert result.exit_code == 2
    lines = result.output.splitlines()
    at = next(index for index, line in enumerate(lines) if told in line)
    assert lines[at + 1][lines[at + 2].index("^") :].startswith(marked)


def test_excerpt_of_a_long_line_is_what_is_around_the_mark():
    line, mark = excerpt("x" * 500 + "HERE" + "y" * 500, 501)
    assert line.startswith("    ...x")
    assert line.endswith("y...")
    assert line[mark.index("^") :].startswith("HERE")
    assert len(line) < 130
    assert excerpt("\x1b[31mred\t", 1)[0] == "    \N{REPLACEMENT CHARACTER}[31mred "
    assert excerpt("no column", 0) == ["    no column"]


def test_schema_is_printed_as_json():
    assert json.loads(run("schema").output)["title"] == "Rules of amor"


def test_functions_are_printed_with_their_values():
    assert re.search(r"`mean\(x, window\)`.*\| 11\.4 \|", run("functions").output)


CONNECTOR = """[[connector]]
name = "erp"
type = "declarative"
url = "http://localhost/api"
auth = {{ type = "api_key", key = "k" }}
file = "{file}"
"""
PERFORMANCE = """- id: confirmed
  inputs: {good: {tag: parts.good, counter: {}}}
  on: "delta(good) > 0"
  actions:
    - erp_posting: {connector: erp, kind: KIND}
"""


def test_posting_that_the_connector_cannot_carry_is_told_in_its_line(plant):
    file = DESCRIPTIONS / "graphql.toml"
    (plant / "amor.toml").write_text(PLANT + CONNECTOR.format(file=file))
    rules = RULES + PERFORMANCE
    (plant / "rules.yaml").write_text(rules.replace("KIND", "wip_to_fg"))
    assert run("check", "-c", plant / "amor.toml").exit_code == 0
    (plant / "rules.yaml").write_text(rules.replace("KIND", "performance"))
    result = run("check", "-c", plant / "amor.toml")
    lines = result.output.splitlines()
    told = next(index for index, line in enumerate(lines) if "confirmed.actions" in line)
    assert "erp carries no performance events; it carries wip_to_fg, scrap, reversal" in lines[told]
    assert lines[told + 2].index("^") == lines[told + 1].index("performance")
    for command in (["check", str(plant / "amor.toml")], ["rules", "check", "-c", str(plant / "amor.toml")]):
        assert CliRunner().invoke(app, command).exit_code == 2
