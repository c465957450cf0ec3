"""One rule of a file: section -> frozen rules, the rule itself and, where it says `stale`, the one that watches its inputs."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import orjson

from bridge.model.alarm import Severity
from rules.conditions import CONDITIONS, Condition
from rules.conditions.counted import Counted
from rules.conditions.facts import Facts
from rules.conditions.threshold import Level, Threshold
from rules.durations import duration
from rules.language import Scope
from rules.language.canonical import duration_text
from rules.language.typed import BROKEN
from rules.nodes import Mapping, Sequence
from rules.rulebook.actions import read_actions
from rules.rulebook.cases import read_cases
from rules.rulebook.inputs import names_of, read_for_each, read_inputs
from rules.rulebook.model import Actions, Input, Rule
from rules.rulebook.names import read_names, read_states
from rules.rulebook.presets import read_preset
from rules.rulebook.reach import unreachable
from rules.section import Item, Reader, Section, one_of, text, truth

_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,80}")
_PRESET: Final = "preset"
WATCHING: Final = ".stale"  # what the id of a rule made by `stale` ends with
_GROUPS: Final = {"line": "work_center"}  # as people call it
_GROUP_WORDS: Final = ("line", "work_center", "area", "site")


@dataclass(frozen=True, slots=True)
class Stale:
    """`stale: {after: 5m, raise: low}`."""

    after_us: int
    severity: Severity
    response: str


def read_rule(reader: Reader, item: Item) -> tuple[Rule, ...]:
    """The rules that an item of the list makes; none after telling what is wrong."""
    before = len(reader.problems)
    section = reader.section(item)
    rule_id = section.need("id", rule_name)
    broken: set[str] = set()
    for_each, inputs = read_for_each(section), read_inputs(section, broken)
    scope = Scope(names_of(inputs), dict.fromkeys(broken, BROKEN))
    read_names(section, scope)
    condition = _condition(section, scope)
    when_state = read_states(section, "when_state")
    settle = section.take("settle", lambda v: duration(text(v)), timedelta())
    on_unknown = section.take("on_unknown", one_of(str, ["hold", "clear", "raise"]), "hold")
    stale = _stale(section)
    consequence, response = section.take("consequence", text, ""), section.take("response", text, "")
    shadow, parent = section.take("shadow", truth, False), section.take("parent", rule_name, "") or None
    group = section.take("group", one_of(lambda word: _GROUPS.get(word, word), _GROUP_WORDS), "") or None
    actions = read_actions(section, condition, inputs)
    tests = read_cases(section, inputs, _severities(condition))
    section.close()
    _complain(reader, item, condition, response)
    if stale:
        _complain_of_stale(reader, item, condition, inputs)
    if len(reader.problems) > before or rule_id is None or condition is None:
        return ()
    body = reader.plain(item)
    rule = Rule(
        id=rule_id, for_each=for_each, inputs=tuple(inputs.values()), condition=condition, when_state=when_state,
        settle=settle, on_unknown=on_unknown, consequence=consequence, response=response, shadow=shadow, parent=parent,  # type: ignore[arg-type]  # one of the three words
        group=group, tickets=actions.tickets, postings=actions.postings, notifies=actions.notifies,
        webhooks=actions.webhooks, writes=actions.writes, tests=tests, file=reader.file, line=item.node.line,
        sha256=_sha256(body), body=body,
    )  # fmt: skip
    return (rule, _watching(rule, stale, inputs)) if stale else (rule,)


def rule_name(value: Any) -> str:
    """The id of a rule."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError("must be small letters, digits, - and _, and begin with a letter or digit")
    return value


def _condition(section: Section, scope: Scope) -> Condition | None:
    known = [*CONDITIONS, _PRESET]
    kinds = [kind for kind in known if section.has(kind)]
    if len(kinds) != 1:
        section.reader.tell(section.item, f"must have one of {', '.join(known)}" + (", not several" if kinds else ""))
        for kind in known:
            section.item_of(kind)
        section.item_of("require")
        return None
    facts = Facts(scope)
    return read_preset(section, facts) if kinds[0] == _PRESET else CONDITIONS[kinds[0]](section, facts)


def _severities(condition: Condition | None) -> list[Severity]:
    return [level.severity for level in condition.levels] if isinstance(condition, Threshold) else []


def _complain(reader: Reader, item: Item, condition: Condition | None, response: str) -> None:
    if isinstance(condition, Threshold):
        if not response:
            reader.tell(item, "response is missing: an alarm that calls for no response is no alarm (ISA-18.2)")
        for index, message in unreachable(condition):
            reader.tell(_level(item, index), message)


def _complain_of_stale(reader: Reader, item: Item, condition: Condition | None, inputs: dict[str, Input]) -> None:
    if isinstance(condition, Counted):
        reader.tell(item, "stale is of a rule with levels; a rule of its own may watch the counter")
    elif not _watched(inputs):
        reader.tell(item, "stale watches numbers of the asset itself, and there is none among the inputs")


def _watched(inputs: dict[str, Input]) -> list[str]:
    """The inputs whose silence is the asset's own."""
    return [name for name, spec in inputs.items() if not spec.is_text and spec.of is None]


def _level(item: Item, index: int) -> Item:
    """The place of a level; the rule's where a preset made it."""
    for key, value in item.node.value if isinstance(item.node, Mapping) else ():
        if getattr(key, "value", None) == "levels" and isinstance(value, Sequence) and index < len(value.value):
            return Item(value.value[index], f"{item.field}.levels[{index}]")
    return item


def _stale(section: Section) -> Stale | None:
    item = section.item_of("stale")
    if item is None:
        return None
    fields = section.reader.section(item)
    after = fields.need("after", lambda v: duration(text(v)), ", e.g. after: 5m")
    severity = fields.take("raise", one_of(Severity, list(Severity)), Severity.LOW)
    response = fields.take("response", text, "find out why it is no longer read: device, cable, gateway")
    fields.close()
    if after is not None and after < timedelta(milliseconds=1):
        section.reader.tell(item, "after must be longer than nothing")
        return None
    return Stale(int(after / timedelta(microseconds=1)), severity, response) if after else None


def _watching(rule: Rule, stale: Stale, inputs: dict[str, Input]) -> Rule:
    """The rule `<id>.stale`, which no file can name: an alarm when any of the inputs is silent."""
    facts = Facts(Scope(names_of(inputs)))
    after = duration_text(stale.after_us)
    condition = facts.compile(" || ".join(f"stale({name}, {after})" for name in _watched(inputs)))
    level = Level(stale.severity, condition, None, timedelta(), timedelta(), latch=False)
    threshold = Threshold((level,), facts.slots, tuple(facts.row.histories.values()))
    body = {"id": rule.id + WATCHING, "of": rule.sha256, "stale": rule.body.get("stale")}
    empty = Actions()
    return replace(
        rule, id=rule.id + WATCHING, condition=threshold, response=stale.response, consequence=f"{rule.id} sees nothing",
        on_unknown="hold", tickets=empty.tickets, notifies=empty.notifies, webhooks=empty.webhooks, writes=empty.writes,
        tests=(), sha256=_sha256(body), body=body,
    )  # fmt: skip


def _sha256(body: Any) -> str:
    return hashlib.sha256(orjson.dumps(body, default=str, option=orjson.OPT_SORT_KEYS)).hexdigest()
