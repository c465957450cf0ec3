"""The schema for editors says what the reader takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import rules
import simulators
from rules import rulebook
from rules.rulebook.presets import PRESETS
from rules.rulebook.rule import read_rule
from rules.rulebook.schema import rule_file_schema
from rules.section import Item, Reader
from tests.rules.json_schema import errors
from tests.rules.rule_files import HEAD

ALARM = """- id: everything
  for_each: {}
  inputs: {v: {tag: x, unit: mm/s, counter: {}}}
  baseline: {of: v, window: 1h, by: {of: v, band: 1}}
  let: {z: v}
  levels: [{severity: high, if: v > 1, clear: v < 1}]
  stale: {after: 5m}
  response: look
  actions:
    - ticket: {failure_mode: VIB, evidence: {}}
    - notify: {to: [lead]}
    - webhook: {connector: c}
    - write: {connector: c, tag: t, value: 1}
  tests:
    - {feed: {v: [{every: 1s, count: 1, values: 1}]}, expect: []}
"""
COUNTED = """- id: counted
  inputs: {n: {tag: n}}
  on: delta(n) > 0
  require: order.active
  actions: [{erp_posting: {connector: erp, batch: {}, lot: {tag: l}}}]
"""
PRESET = "- id: preset\n  inputs: {v: {tag: x, unit: mm/s}}\n  preset: {NAME: {}, of: v}\n  response: look\n"
DYNAMIC = re.compile(r"inputs|let|tests\[\d+\]\.feed")  # their fields have names of the writer's own


def taken_of(text: str) -> dict[str, set[str]]:
    reader = Reader("x", taken={})
    root = reader.root(HEAD + text)
    items = reader.section(root).item_of("rules")
    for item in reader.sequence(items):
        read_rule(reader, Item(item.node, ""))
    return reader.taken


def fields_of(schema: dict, path: str) -> set[str]:
    here = schema["properties"]["rules"]["items"]
    for name, index in re.findall(r"(\w+)|\[(\d+)\]", path):
        here = next((each for each in here.get("anyOf", []) if "properties" in each), here)
        if index:
            items = here["items"]
            here = next((each for each in items.get("anyOf", []) if "properties" in each), items)
        else:
            here = here["properties"][name] if name in here.get("properties", {}) else here["additionalProperties"]
    here = next((each for each in here.get("anyOf", []) if "properties" in each), here)
    return set(here["properties"])


@pytest.mark.parametrize("text", [ALARM, COUNTED, *(PRESET.replace("NAME", name) for name in PRESETS)])
def test_schema_has_the_fields_that_the_reader_takes(text):
    schema, taken = rule_file_schema(), taken_of(text)
    sections = {path: known for path, known in taken.items() if not DYNAMIC.fullmatch(path)}
    assert len(sections) >= 3
    for path, known in sections.items():
        if path in ("", "preset"):
            assert known <= fields_of(schema, path), path  # not all kinds of a rule at once
        else:
            assert known == fields_of(schema, path), path
    if text is ALARM:
        assert {
            "levels[0]",
            "actions[3].write",
            "tests[0].feed.v[0]",
            "baseline.by",
            "inputs.v.counter",
        } <= sections.keys()


def test_fields_of_a_rule_are_those_of_all_kinds_together():
    rule = taken_of(ALARM)[""] | taken_of(COUNTED)[""] | taken_of(PRESET.replace("NAME", "stale"))[""]
    assert rule == fields_of(rule_file_schema(), "")
    preset = set().union(*(taken_of(PRESET.replace("NAME", name))["preset"] for name in PRESETS))
    assert preset == fields_of(rule_file_schema(), "preset")


def test_every_field_says_what_it_means_and_every_preset_is_there():
    rule = rule_file_schema()["properties"]["rules"]["items"]
    assert all(
        "description" in field or "default" in field or name == "let" for name, field in rule["properties"].items()
    )
    assert {option["required"][0] for option in rule["properties"]["preset"]["oneOf"]} == set(PRESETS)


FILES = [
    *sorted((Path(rules.__file__).parent / "library").glob("*.yaml")),
    Path(simulators.__file__).parent / "demo" / "rules.yaml",
]


def plain(text: str):
    reader = Reader("x")
    return reader.plain(reader.root(text))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_schema_takes_what_the_reader_takes(file):
    schema = rule_file_schema()
    assert errors(plain(file.read_text()), schema, schema) == []


@pytest.mark.parametrize(("old", "new"), [
    ("  response:", "  respnse:"), ("severity: high", "severity: hihg"), ("apiVersion: rules/v1", "apiVersion: rules/v2"),
    ("id: everything", "id: Every thing"), ("window: 1h", "window: 1 hour"), ("{after: 5m}", "{}"), ("by: {of: v, band: 1}", "by: sate"),
    ("levels: [{", "levels: [5, {"), ("value: 1}", "value: []}"),
])  # fmt: skip
def test_schema_refuses_what_the_reader_refuses(old, new):
    schema, text = rule_file_schema(), HEAD + ALARM
    assert old in text
    assert errors(plain(text), schema, schema) == []
    assert errors(plain(text.replace(old, new)), schema, schema)


def test_shipped_schema_is_that_of_the_code():
    shipped = Path(rulebook.__file__).with_name("schema.json")
    assert json.loads(shipped.read_text()) == rule_file_schema(), (
        "run: amor rules schema --out rules/rulebook/schema.json"
    )
