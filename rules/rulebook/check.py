"""Rules against the rest of the configuration: connectors, classes, tags, units and counters must exist and agree."""

from __future__ import annotations

import difflib
import fnmatch
import itertools
from collections.abc import Iterator

from bridge.config.settings import MqttSettings, OpcUaSettings, Settings
from bridge.errors import Problem
from rules.conditions.counted import Counted
from rules.language.mistake import suggestion
from rules.rulebook.model import Input, Rule
from rules.rulebook.read import read_rules


def check_rules(settings: Settings) -> list[Problem]:
    """Every mistake of every rule file, alone and against the settings; empty where all is well."""
    rules, problems = read_rules(settings.rules.files)
    for rule in rules:
        problems += [
            Problem(rule.file, rule.line, 0, rule.id, message)
            for message in (*_names(rule, settings), *_inputs(rule, settings))
        ]
    return problems + _posted_twice(rules)


def _names(rule: Rule, settings: Settings) -> Iterator[str]:
    connectors = [connector.name for connector in settings.connector]
    for name in [a.connector for a in rule.postings] + [a.connector for a in rule.tickets if a.connector]:
        if name not in connectors:
            yield f"unknown connector {name}{suggestion(name or '', connectors)}"
    classes = sorted({e.equipment_class for e in settings.equipment if e.equipment_class})
    wanted = rule.for_each.equipment_class
    if wanted and wanted not in classes:
        yield f"no equipment has the class {wanted}{suggestion(wanted, classes)}"


def _inputs(rule: Rule, settings: Settings) -> Iterator[str]:
    units = _known_units(settings)
    patterns = [tag.match for tag in settings.tag]
    tags = {entry.tag: entry for entry in rule.inputs}
    evidence = {name for action in rule.tickets if action.evidence for name in action.evidence.tags}
    for name in sorted(tags.keys() | evidence):
        if name not in units and not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            if message := _unknown_tag(name, [*units, *patterns], settings):
                yield message
        elif (entry := tags.get(name)) and (message := _other_unit(entry, _unit(name, units, settings))):
            yield message
    yield from _counter(rule, settings, [entry for entry in rule.inputs if entry.counter])


def _other_unit(entry: Input, unit: str) -> str | None:
    if entry.unit is None or not unit or unit == entry.unit:
        return None
    return f"unit mismatch: the input {entry.name} is in {entry.unit}, the tag {entry.tag} in {unit}"


def _unknown_tag(name: str, known: list[str], settings: Settings) -> str | None:
    """A tag that no table names is a mistake where tags cannot appear on sight, or where it looks like a slip of the pen."""
    if not any(isinstance(source, MqttSettings) for source in settings.source):
        return f"unknown tag {name}{suggestion(name, known)}"
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
    return f"unknown tag {name}; did you mean {near[0]}?" if near else None


def _known_units(settings: Settings) -> dict[str, str]:
    """The tags that the configuration names one by one, with their units."""
    production = settings.production
    names = (
        production.state,
        production.reason,
        production.order,
        production.good,
        production.scrap,
        production.scrap_reason,
    )
    found = dict.fromkeys(names, "")
    for source in settings.source:
        if isinstance(source, OpcUaSettings):
            for nodes in source.nodes:
                found.update(nodes.tags)
    return found


def _unit(name: str, units: dict[str, str], settings: Settings) -> str:
    if units.get(name):
        return units[name]
    return next((tag.unit for tag in settings.tag if fnmatch.fnmatchcase(name, tag.match)), "")


def _counter(rule: Rule, settings: Settings, counters: list[Input]) -> Iterator[str]:
    production = settings.production
    for entry in counters:
        spec = entry.counter
        if (
            spec
            and isinstance(rule.condition, Counted)
            and (spec.modulus, spec.max_delta) != (production.modulus, production.max_delta)
        ):
            yield (
                f"the counter of {entry.name} differs from [production], by which pieces are counted: "
                f"modulus {production.modulus}, max_delta {production.max_delta}"
            )
    if isinstance(rule.condition, Counted) and rule.postings:
        tag = next(entry.tag for entry in rule.inputs if entry.name == rule.condition.counter)
        if tag != production.good:
            yield f"only good pieces are posted: {rule.condition.counter} must be the tag {production.good}"


def _posted_twice(rules: list[Rule]) -> list[Problem]:
    posting = [rule for rule in rules if rule.postings]
    return [
        Problem(
            rule.file,
            rule.line,
            0,
            rule.id,
            f"the rule {first.id} posts the same pieces already; a piece is posted once",
        )
        for first, rule in itertools.combinations(posting, 2)
        if first.for_each == rule.for_each
    ]
