"""The tests of a rule, in its file: what is fed to it and what it must tell. `amor rules test` runs them.

tests:
  - name: rises slowly                       # may be left out
    states: [[0s, RUNNING]]                  # of the machine; without it as if it were in one of when_state
    feed: {v: [[0s, 2.0], [5s, 3.0], [70s, 3.0, uncertain], [80s, bad],
               {from: 90s, every: 1s, count: 600, values: [1, 2], step: 0.01}]}
    until: 1h                                # without it until the last of what is fed or expected
    expect: [[65s, RAISE, medium]]           # all that is told, in order
"""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

from bridge.model.alarm import Severity
from bridge.model.production import MachineState
from rules.durations import duration_us
from rules.language.quality import BAD, GOOD, UNCERTAIN
from rules.nodes import Mapping
from rules.rulebook.model import Case, Expected, Fed, Input
from rules.section import Item, Reader, Section, count, number, one_of, text

MAX_CASES: Final = 50  # of a rule
MAX_SAMPLES: Final = 500_000  # of a case

Told = Literal["RAISE", "ESCALATE", "DEESCALATE", "REALARM", "RETURN", "LATCH", "CLEAR"]
_TOLD: Final[tuple[str, ...]] = get_args(Told)


def read_cases(section: Section, inputs: dict[str, Input], severities: list[Severity]) -> tuple[Case, ...]:
    """Take `tests`; `severities` are those of the rule's levels."""
    item = section.item_of("tests")
    if item is None:
        return ()
    items = list(section.reader.sequence(item))
    if len(items) > MAX_CASES:
        section.reader.tell(item, f"more than {MAX_CASES} tests: split the rule")
    if items and not severities:
        section.reader.tell(item, "tests are of alarms: the rule needs levels or a preset")
        return ()
    return tuple(_case(section.reader, part, inputs, severities) for part in items[:MAX_CASES])


def _case(reader: Reader, item: Item, inputs: dict[str, Input], severities: list[Severity]) -> Case:
    fields = reader.section(item)
    name = fields.take("name", text, "")
    feed_item, expect_item, states_item = fields.item_of("feed"), fields.item_of("expect"), fields.item_of("states")
    order = fields.take("order", text, "") or None
    until = fields.take("until", lambda v: duration_us(text(v)), 0) or None
    fields.close()
    for key, found in (("feed", feed_item), ("expect", expect_item)):
        if found is None:
            reader.tell(
                item, f"{key} is missing" + ("; write expect: [] where nothing may be told" if key == "expect" else "")
            )
    feed = _feed(reader, feed_item, inputs) if feed_item else ()
    expect = [_expected(reader, part, severities) for part in reader.sequence(expect_item)] if expect_item else []
    known = [each for each in expect if each]
    if expect_item and [each.at_us for each in known] != sorted(each.at_us for each in known):
        reader.tell(expect_item, "must be in the order of time")
    states = [_state(reader, part) for part in reader.sequence(states_item)] if states_item else []
    return Case(name, item.node.line, feed, tuple(s for s in states if s), order, tuple(known), until)


def _feed(reader: Reader, item: Item, inputs: dict[str, Input]) -> tuple[Fed, ...]:
    mapping = reader.section(item)
    found: list[Fed] = []
    for spec in inputs.values():
        if child := mapping.item_of(spec.name):
            fed = [_fed(reader, part, spec) for part in reader.sequence(child)]
            ordered = [each for each in fed if each]
            found += ordered
            if [each.at_us for each in ordered] != sorted(each.at_us for each in ordered):
                reader.tell(child, "must be in the order of time")
    mapping.close()
    if sum(each.count for each in found) > MAX_SAMPLES:
        reader.tell(item, f"more than {MAX_SAMPLES} readings in a test")
        return ()
    return tuple(found)


def _fed(reader: Reader, item: Item, spec: Input) -> Fed | None:
    """`[0s, 2.0]`, `[5s, bad]`, `[5s, 2.0, uncertain]`, or a series."""
    if isinstance(item.node, Mapping):
        return _series(reader, item, spec)
    parts = list(reader.sequence(item))
    if len(parts) not in (2, 3):
        reader.tell(item, "must be [time, value] or [time, value, quality], e.g. [5s, 2.0]")
        return None
    at_us = reader.convert(parts[0], _instant)
    value = reader.convert(parts[1], lambda v: _value(v, spec))
    quality = reader.convert(parts[2], one_of(str, [GOOD, UNCERTAIN, BAD])) if len(parts) == 3 else GOOD
    if at_us is None or value is None or quality is None:
        return None
    is_bad = value == BAD and not spec.is_text
    return Fed(spec.name, at_us, 0, 1, (0.0,) if is_bad else (value,), 0.0, BAD if is_bad else quality)


def _series(reader: Reader, item: Item, spec: Input) -> Fed | None:
    fields = reader.section(item)
    start = fields.take("from", _instant, 0)
    every = fields.need("every", lambda v: duration_us(text(v)), ": the time between two readings")
    times = fields.need("count", count, ": how many readings")
    step = fields.take("step", number, 0.0)
    values = reader.words(fields.item_of("values"), lambda v: _value(v, spec))
    fields.close()
    if not values:
        reader.tell(item, "values is missing: one, or several that are taken in turn")
    if every is None or times is None or not values:
        return None
    return Fed(spec.name, start, every, times, tuple(values), step, GOOD)


def _expected(reader: Reader, item: Item, severities: list[Severity]) -> Expected | None:
    parts = list(reader.sequence(item))
    if len(parts) != 3:
        reader.tell(item, "must be [time, what, severity], e.g. [65s, RAISE, medium]")
        return None
    at_us = reader.convert(parts[0], _instant)
    kind = reader.convert(parts[1], one_of(str, _TOLD))
    severity = reader.convert(parts[2], one_of(Severity, severities))
    return Expected(at_us, kind, severity) if at_us is not None and kind and severity else None


def _state(reader: Reader, item: Item) -> tuple[int, MachineState] | None:
    parts = list(reader.sequence(item))
    if len(parts) != 2:
        reader.tell(item, "must be [time, state], e.g. [0s, RUNNING]")
        return None
    at_us = reader.convert(parts[0], _instant)
    state = reader.convert(parts[1], one_of(MachineState, list(MachineState)))
    return (at_us, state) if at_us is not None and state else None


def _instant(value: Any) -> int:
    return duration_us(text(value))


def _value(value: Any, spec: Input) -> float | str:
    if spec.is_text:
        return text(value)
    return BAD if value == BAD else number(value)
