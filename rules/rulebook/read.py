"""Rule files -> rulebook."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bridge.errors import ConfigError, Problem
from bridge.model.production import MachineState
from rules.conditions import CONDITIONS, Condition
from rules.conditions.counted import Counted
from rules.conditions.facts import FACTS, Facts
from rules.durations import duration
from rules.language import NUMBER, TEXT, Name, Scope
from rules.production.counter import CounterSpec
from rules.rulebook.actions import read_actions
from rules.rulebook.model import ForEach, Input, Rule, Rulebook
from rules.section import Item, Reader, Section, count, one_of, text, truth

API_VERSION: Final = "rules/v1"
_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,80}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LATER: Final = frozenset({"baseline", "let", "stale", "tests"})


def load_rules(files: Sequence[str]) -> Rulebook:
    """Read all rule files. Raises ConfigError with every mistake of every file, in the order of the files."""
    rules, problems = read_rules(files)
    if problems:
        raise ConfigError(problems)
    return Rulebook(tuple(rules))


def read_rules(files: Sequence[str]) -> tuple[list[Rule], list[Problem]]:
    """The rules that can be used, and every mistake."""
    rules: list[Rule] = []
    problems: list[Problem] = []
    for file in files:
        reader = Reader(file)
        try:
            content = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            problems.append(Problem(file, 0, 0, "", f"cannot be read: {reason}"))
            continue
        rules += _file(reader, content, {rule.id: rule for rule in rules})
        problems += sorted(reader.problems, key=lambda problem: (problem.line, problem.column))
    return rules, problems


def _file(reader: Reader, content: str, known: dict[str, Rule]) -> list[Rule]:
    root = reader.root(content)
    if root is None:
        return []
    section = reader.section(root)
    section.need("apiVersion", one_of(str, [API_VERSION]), f"; write apiVersion: {API_VERSION}")
    items = section.item_of("rules")
    section.close()
    if items is None:
        reader.tell(root, "rules is missing")
        return []
    found = []
    for item in reader.sequence(items):
        if rule := _rule(reader, item):
            if twin := known.get(rule.id):
                reader.tell(item, f"the rule {rule.id} is there already, in {twin.file}:{twin.line}")
            known[rule.id] = rule
            found.append(rule)
    return found


def _rule(reader: Reader, item: Item) -> Rule | None:
    before = len(reader.problems)
    section = reader.section(item)
    rule_id = section.need("id", _rule_id)
    for_each = _for_each(section)
    inputs = _inputs(section)
    condition = _condition(section, inputs)
    when_state = frozenset(_states(section))
    settle = section.take("settle", lambda v: duration(text(v)), duration("0s"))
    on_unknown = section.take("on_unknown", one_of(str, ["hold", "clear", "raise"]), "hold")
    consequence = section.take("consequence", text, "")
    response = section.take("response", text, "")
    shadow = section.take("shadow", truth, False)
    parent = section.take("parent", _rule_id, "") or None
    group = section.take("group", text, "") or None
    actions = read_actions(section, condition, inputs)
    section.close(_LATER)
    if condition and not isinstance(condition, Counted) and not response:
        reader.tell(item, "response is missing: an alarm that calls for no response is no alarm (ISA-18.2)")
    if len(reader.problems) > before or rule_id is None or condition is None:
        return None
    body = reader.plain(item)
    return Rule(
        id=rule_id, for_each=for_each, inputs=tuple(inputs.values()), condition=condition, when_state=when_state,
        settle=settle, on_unknown=on_unknown, consequence=consequence, response=response, shadow=shadow, parent=parent, group=group, tickets=actions.tickets,  # type: ignore[arg-type]  # one of the three words
        postings=actions.postings, notifies=actions.notifies, webhooks=actions.webhooks, writes=actions.writes, file=reader.file, line=item.node.start_mark.line + 1, sha256=_sha256(body), body=body,
    )  # fmt: skip


def _rule_id(value: Any) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError("must be small letters, digits, - and _, and begin with a letter or digit")
    return value


def _for_each(section: Section) -> ForEach:
    item = section.item_of("for_each")
    if item is None:
        return ForEach()
    fields = section.reader.section(item)
    found = ForEach(
        fields.take("equipment_class", text, "") or None,
        fields.take("equipment", text, "") or None,
    )
    fields.close()
    return found


def _inputs(section: Section) -> dict[str, Input]:
    item = section.item_of("inputs")
    if item is None:
        section.reader.tell(section.item, "inputs is missing")
        return {}
    mapping = section.reader.section(item)
    found = {}
    for name in mapping.keys():  # noqa: SIM118  # taken one by one
        child = mapping.item_of(name)
        assert child is not None, "the key was there"
        if not _NAME.fullmatch(name) or name in FACTS:
            section.reader.tell(child, f"{name!r} is no name of an input; letters, digits and _")
        elif read := _input(section.reader, name, child):
            found[name] = read
    return found


def _input(reader: Reader, name: str, item: Item) -> Input | None:
    fields = reader.section(item)
    tag = fields.need("tag", text)
    unit = fields.take("unit", text, "") or None
    kind = fields.take("type", one_of(str, ["number", "text"]), "number")
    max_age = fields.take("max_age", lambda v: duration(text(v)), duration("0s")) or None
    counter_item = fields.item_of("counter")
    counter = _counter(reader, counter_item) if counter_item else None
    fields.close()
    return Input(name, tag, kind == "text", unit, max_age, counter) if tag else None


def _counter(reader: Reader, item: Item) -> CounterSpec:
    fields = reader.section(item)
    found = CounterSpec(fields.take("modulus", count, 0) or None, fields.take("max_delta", count, 1000))
    fields.close()
    return found


def _condition(section: Section, inputs: dict[str, Input]) -> Condition | None:
    kinds = [kind for kind in CONDITIONS if section.has(kind)]
    if len(kinds) != 1:
        section.reader.tell(
            section.item, f"must have one of {', '.join(CONDITIONS)}" + (", not several" if kinds else "")
        )
        for kind in kinds:
            section.item_of(kind)
        return None
    names = {
        name: Name(TEXT if found.is_text else NUMBER, found.unit, counter=found.counter)
        for name, found in inputs.items()
    }
    return CONDITIONS[kinds[0]](section, Facts(Scope({**names, **FACTS})))


def _states(section: Section) -> list[MachineState]:
    item = section.item_of("when_state")
    if item is None:
        return []
    convert = one_of(MachineState, list(MachineState))
    return [s for part in section.reader.sequence(item) if (s := section.reader.convert(part, convert))]


def _sha256(body: Any) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()
