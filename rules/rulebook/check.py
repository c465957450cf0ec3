"""Rules against the rest of the configuration: connectors, classes, tags, units and counters must exist and agree."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from bridge.config.settings import Equipment, MqttSettings, OpcUaSettings, Settings
from bridge.config.units import UnitError, parse_unit, ucum
from bridge.errors import Problem
from rules.conditions.counted import Counted
from rules.language import units
from rules.language.mistake import suggestion
from rules.rulebook.locate import Places
from rules.rulebook.model import Input, Rule
from rules.rulebook.posted import Carried, mistakes_of
from rules.rulebook.read import read_rules
from rules.rulebook.recipients import reaching_nobody
from rules.rulebook.rule import WATCHING
from rules.section import MAX_PROBLEMS


class _Finding(NamedTuple):
    """Something wrong with a field; `value` is what is written there, where the field alone does not say which."""

    message: str
    path: tuple[str, ...]
    value: str | None = None


def check_rules(settings: Settings, carried: Carried | None = None) -> list[Problem]:
    """Every mistake of every rule file, alone and against the settings; empty where all is well.

    `carried` is what each connector carries, for those of which it is known: a posting that it does not carry is a mistake.
    """
    rules, problems = read_rules(settings.rules.files)
    places, plant = Places(), _Plant.of(settings)
    for rule in rules:
        if rule.id.endswith(WATCHING):
            continue  # what it names is named by the rule that it comes from
        reach = (_Finding(message, ("actions",), value) for message, value in reaching_nobody(rule, settings))
        counted = (*_counter(rule, settings), *_final(rule, settings))
        for found in (*_names(rule, settings, plant), *_inputs(rule, plant), *counted, *reach):
            line, column = places.of(rule, *found.path, value=found.value)
            problems.append(Problem(rule.file, line, column, ".".join((rule.id, *found.path)), found.message))
        if len(problems) > MAX_PROBLEMS:
            return [*problems, Problem(rule.file, 0, 0, "", "there are more mistakes than are told at once")]
    for mistake in mistakes_of(rules, settings, carried or {}):
        rule = mistake.posting.rule
        line, column = places.of(rule, *mistake.path, value=mistake.value)
        problems.append(Problem(rule.file, line, column, ".".join((rule.id, *mistake.path)), mistake.message))
    return problems


@dataclass(frozen=True, slots=True)
class _Plant:
    """What the configuration says of tags: those that it names one by one with their units, and patterns."""

    units: dict[str, str]
    patterns: tuple[tuple[str, str], ...]
    has_tags_on_sight: bool
    said: dict[str, str | None] = field(
        default_factory=dict
    )  # of unknown tags; looking for what is near takes its time

    @classmethod
    def of(cls, settings: Settings) -> _Plant:
        on_sight = any(isinstance(source, MqttSettings) for source in settings.source)
        return cls(_known_units(settings), tuple((tag.match, tag.unit) for tag in settings.tag), on_sight)

    def unknown(self, name: str) -> str | None:
        """What to say of a tag that nothing names: wrong where tags cannot appear on sight, or where it looks like a slip."""
        if name not in self.said:
            known = [*self.units, *(pattern for pattern, _ in self.patterns)]
            near = suggestion(name, known) if not self.has_tags_on_sight else _slip(name, known)
            self.said[name] = None if near is None else f"unknown tag {name}{near}"
        return self.said[name]

    def knows(self, name: str) -> bool:
        return name in self.units or any(fnmatch.fnmatchcase(name, pattern) for pattern, _ in self.patterns)

    def unit(self, name: str) -> str:
        written = self.units.get(name)
        return written or next((unit for pattern, unit in self.patterns if fnmatch.fnmatchcase(name, pattern)), "")


def _slip(name: str, known: list[str]) -> str | None:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
    return f"; did you mean {near[0]}?" if near else None


def _names(rule: Rule, settings: Settings, plant: _Plant) -> Iterator[_Finding]:
    connectors = [connector.name for connector in settings.connector]
    named = [each.connector for each in rule.tickets if each.connector]
    named += [each.connector for each in rule.postings]
    named += [each.connector for each in rule.webhooks]
    named += [each.connector for each in rule.writes]
    for name in dict.fromkeys(named):
        if name not in connectors:
            yield _Finding(f"unknown connector {name}{suggestion(name, connectors)}", ("actions",), name)
    classes = sorted({e.equipment_class for e in settings.equipment if e.equipment_class})
    wanted = rule.for_each.equipment_class
    if wanted and wanted not in classes:
        near = suggestion(wanted, classes)
        yield _Finding(f"no equipment has the class {wanted}{near}", ("for_each", "equipment_class"))
    where = rule.for_each.equipment
    # Equipment may appear on sight, as tags may.
    if (
        where
        and not plant.has_tags_on_sight
        and not any(fnmatch.fnmatchcase(e.path, where) for e in settings.equipment)
    ):
        yield _Finding(f"no equipment is called {where}", ("for_each", "equipment"))


def _inputs(rule: Rule, plant: _Plant) -> Iterator[_Finding]:
    for entry in rule.inputs:
        path = ("inputs", entry.name, "tag")
        if not plant.knows(entry.tag):
            if message := plant.unknown(entry.tag):
                yield _Finding(message, path)
        elif (message := _other_unit(entry, plant.unit(entry.tag))) or (
            entry.unit and (message := _no_unit(entry.unit))
        ):
            yield _Finding(message, ("inputs", entry.name, "unit"))
    read = {entry.tag for entry in rule.inputs}
    evidence = {name for action in rule.tickets if action.evidence for name in action.evidence.tags}
    for name in sorted(evidence - read):
        if not plant.knows(name) and (message := plant.unknown(name)):
            yield _Finding(message, ("actions",), name)


def _other_unit(entry: Input, unit: str) -> str | None:
    if entry.unit is None or not unit or ucum(unit) == ucum(entry.unit):
        return None
    same = "" if units.between(unit, entry.unit) is None else f"; write {unit}: expressions convert where they compare"
    return f"unit mismatch: the input {entry.name} is in {entry.unit}, the tag {entry.tag} in {unit}{same}"


def _no_unit(written: str) -> str | None:
    try:
        parse_unit(written)
    except UnitError as error:
        return str(error)
    return None


def _known_units(settings: Settings) -> dict[str, str]:
    """The tags that the configuration names one by one, with their units."""
    production = settings.production
    names = (
        production.state,
        production.reason,
        production.order,
        production.lot,
        production.serial,
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


def _counter(rule: Rule, settings: Settings) -> Iterator[_Finding]:
    production, condition = settings.production, rule.condition
    if not isinstance(condition, Counted):
        return
    for entry in rule.inputs:
        spec = entry.counter
        if spec and (spec.modulus, spec.max_delta) != (production.modulus, production.max_delta):
            yield _Finding(
                f"the counter of {entry.name} differs from [production] of the configuration, by which pieces are counted: "
                f"{_as_written(production.modulus, production.max_delta)}; write the same in both, or no counter here",
                ("inputs", entry.name, "counter"),
            )


def _as_written(modulus: int | None, max_delta: int) -> str:
    return (f"modulus = {modulus}" if modulus else "no modulus (never back to 0)") + f", max_delta = {max_delta}"


def _final(rule: Rule, settings: Settings) -> Iterator[_Finding]:
    """A posting of final operations only, where none is: it would wait for ever, without a word. Equipment on sight is never final."""
    condition = rule.condition
    if not isinstance(condition, Counted) or not rule.postings:
        return
    if not condition.accepts(1, order_active=True, operation_is_final=True):
        return
    if condition.accepts(1, order_active=True, operation_is_final=False):
        return
    if not any(each.is_final and _is_meant(rule, each) for each in settings.equipment):
        yield _Finding(
            "asks for operation.is_final, and no equipment of the configuration that this rule is for has is_final = true: nothing "
            "would ever be posted. Say it under [[equipment]] of the machine whose good pieces are finished goods",
            ("require",),
        )


def _is_meant(rule: Rule, equipment: Equipment) -> bool:
    wanted, where = rule.for_each.equipment_class, rule.for_each.equipment
    return wanted in (None, equipment.equipment_class) and (not where or fnmatch.fnmatchcase(equipment.path, where))
