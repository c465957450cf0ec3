"""What a rule is about: the assets it holds for, and the tags of an asset under names of its own."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from bridge.config.units import ucum
from rules.conditions.facts import FACTS
from rules.durations import duration
from rules.language import NUMBER, TEXT, Name
from rules.production.counter import CounterSpec
from rules.rulebook.model import ForEach, Input
from rules.section import Item, Reader, Section, count, one_of, text

MAX_INPUTS: Final = 32
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,60}")
_RESERVED: Final = frozenset({"true", "false", "and", "or", "not"})
_SIBLINGS: Final = "siblings"
_STATISTICS: Final = ("median", "mean", "min", "max")


def read_for_each(section: Section) -> ForEach:
    """Take `for_each`; without it the rule holds for every asset that has the tags."""
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


def read_inputs(section: Section, broken: set[str]) -> dict[str, Input]:
    """Take `inputs`; the names of those with mistakes go to `broken`."""
    item = section.item_of("inputs")
    if item is None:
        section.reader.tell(section.item, "inputs is missing")
        return {}
    mapping = section.reader.section(item)
    names = mapping.keys()
    if not names or len(names) > MAX_INPUTS:
        section.reader.tell(item, f"must name from 1 to {MAX_INPUTS} tags")
    found = {}
    for name in names[:MAX_INPUTS]:
        child = mapping.item_of(name)
        assert child is not None, "the key was there"
        if not is_name(name) or name in FACTS:
            section.reader.tell(child, f"{name!r:.60} is no name of an input; letters, digits and _")
        elif read := _input(section.reader, name, child):
            found[name] = read
        else:
            broken.add(name)
    return found


def is_name(name: str) -> bool:
    """Whether an expression can name it."""
    return bool(_NAME.fullmatch(name)) and name not in _RESERVED


def names_of(inputs: dict[str, Input]) -> dict[str, Name]:
    """What expressions may name: inputs and facts."""
    names = {
        name: Name(TEXT if found.is_text else NUMBER, found.unit and ucum(found.unit), counter=found.counter)
        for name, found in inputs.items()
    }
    return {**names, **FACTS}


def _input(reader: Reader, name: str, item: Item) -> Input | None:
    fields = reader.section(item)
    tag = fields.need("tag", text)
    unit = fields.take("unit", text, "") or None
    kind = fields.take("type", one_of(str, ["number", "text"]), "number")
    max_age = fields.take("max_age", lambda v: duration(text(v)), timedelta()) or None
    counter_item = fields.item_of("counter")
    counter = _counter(reader, counter_item) if counter_item else None
    of = fields.take("of", one_of(str, [_SIBLINGS]), "") or None
    stat = fields.take("stat", one_of(str, _STATISTICS), "")
    fields.close()
    if stat and of is None:
        reader.tell(item, "stat is of several assets: write of: siblings with it")
    if of and (kind == "text" or counter):
        reader.tell(item, "only numbers of siblings can be summed up")
    if kind == "text" and (unit or counter):
        reader.tell(item, "a text has no unit and counts nothing")
    return Input(name, tag, kind == "text", unit, max_age, counter, of, stat or "median") if tag else None


def _counter(reader: Reader, item: Item) -> CounterSpec:
    fields = reader.section(item)
    found = CounterSpec(fields.take("modulus", count, 0) or None, fields.take("max_delta", count, 1000))
    fields.close()
    return found
