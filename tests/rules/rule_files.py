"""Rule files of tests: written, read, and run over readings with the engine's own instances."""

from __future__ import annotations

from pathlib import Path

from rules.instance import Instance
from rules.instance.told import Situation
from rules.rulebook import read_rules
from rules.rulebook.model import Rule
from rules.sample import Sample

HEAD = "apiVersion: rules/v1\nrules:\n"
NOTHING_KNOWN = Situation(None, None, None)


def written(folder: Path, text: str, name: str = "rules.yaml") -> str:
    (folder / name).write_text(text if text.startswith("apiVersion") else HEAD + text)
    return str(folder / name)


def rules_of(folder: Path, text: str) -> list[Rule]:
    rules, problems = read_rules([written(folder, text)])
    assert problems == []
    return rules


def messages_of(folder: Path, text: str) -> list[str]:
    return [problem.message for problem in read_rules([written(folder, text)])[1]]


def told_by(
    rule: Rule, values: dict[str, list[float | None]], every_us: int = 1_000_000
) -> list[tuple[float, str, str]]:
    """What the rule tells of columns of its inputs: (seconds, what, severity); None is a bad reading."""
    tags = {spec.tag: index for index, spec in enumerate(rule.inputs, start=1)}
    instance = Instance.create(rule, 1, "acme/site/area/line/unit", True, tags)
    told = []
    for index in range(max(map(len, values.values()))):
        at_us = index * every_us
        samples = [
            Sample(
                tags[spec.tag],
                at_us,
                0,
                values[spec.name][index] or 0.0,
                None,
                0x8000_0000 if values[spec.name][index] is None else 0,
            )
            for spec in rule.inputs
            if spec.name in values and index < len(values[spec.name])
        ]
        told += instance.observe(at_us, samples, NOTHING_KNOWN)
    found = [each.transition for each in told if each.transition.kind != "QUALITY"]
    return [(each.at_us / 1e6, each.kind, str(each.severity)) for each in found]
