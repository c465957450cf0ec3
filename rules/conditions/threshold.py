"""Levels: each is raised by its condition (`if`) and left by the other end of its deadband (`clear`), mildest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bridge.model.alarm import Severity
from rules.conditions.facts import Facts
from rules.durations import duration
from rules.language import Expression, HistorySpec
from rules.language.closures import Values
from rules.section import Item, Section, one_of, text, truth

_ZERO: Final = timedelta()


@dataclass(frozen=True, slots=True)
class Level:
    """One level. Without `clear` it is left where `if` is false. `latch`: once reached, the alarm ends by a person's reset.

    `rearm` is the least time between two raises of the alarm; after `realarm` one that was acknowledged and still stands calls
    again (ISA-18.2, re-alarm). None is never.
    """

    severity: Severity
    condition: Expression
    clear: Expression | None
    on_delay: timedelta
    off_delay: timedelta
    latch: bool
    rearm: timedelta | None = None
    realarm: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the inputs say of one level now: whether its condition holds and whether it is clear; None is unknown."""

    holds: bool | None
    clear: bool | None


@dataclass(frozen=True, slots=True)
class Threshold:
    """The levels of a rule, mildest first; `slots` is the row of values that their expressions read.

    `histories` stand in the order in which they are taken: each after those that its arguments read.
    """

    levels: tuple[Level, ...]
    slots: tuple[str, ...]
    histories: tuple[HistorySpec, ...] = ()

    def judge(self, values: Values) -> tuple[Verdict, ...]:
        """One verdict a level."""
        return tuple(_judge(level, values) for level in self.levels)


def _judge(level: Level, values: Values) -> Verdict:
    holds: bool | None = level.condition.evaluate(values)
    if level.clear is None:
        return Verdict(holds, None if holds is None else not holds)
    # A condition that holds is not clear, and one that is unknown is not clear either, whatever the deadband says.
    return Verdict(holds, level.clear.evaluate(values) if holds is False else None if holds is None else False)


def read(section: Section, facts: Facts) -> Threshold | None:
    """Take `levels`."""
    item = section.item_of("levels")
    assert item is not None, "the table is asked by what is there"
    levels = [level for part in section.reader.sequence(item) if (level := _level(section, part, facts))]
    if not levels:
        if not item.node.value:
            section.reader.tell(item, "must have at least one level")
        return None
    if not in_order(section, item, levels):
        return None
    return Threshold(tuple(levels), facts.slots, tuple(facts.row.histories.values()))


def in_order(section: Section, item: Item, levels: list[Level]) -> bool:
    """Whether severities rise from level to level; told where they do not."""
    ranks = [level.severity.rank for level in levels]
    if ranks == sorted(set(ranks)):
        return True
    section.reader.tell(item, "severities must rise from level to level, each once")
    return False


def _level(section: Section, item: Item, facts: Facts) -> Level | None:
    fields = section.reader.section(item)
    severity = fields.need("severity", one_of(Severity, list(Severity)))
    condition = fields.need("if", facts.compile)
    clear_item = fields.item_of("clear")
    clear = section.reader.convert(clear_item, facts.compile) if clear_item else None
    on_delay = fields.take("on_delay", lambda v: duration(text(v)), _ZERO)
    off_delay = fields.take("off_delay", lambda v: duration(text(v)), _ZERO)
    latch = fields.take("latch", truth, False)
    rearm = fields.take("rearm", lambda v: duration(text(v)), _ZERO) or None
    realarm = fields.take("realarm", lambda v: duration(text(v)), _ZERO) or None
    fields.close()
    if severity is None or condition is None or (clear_item and clear is None):
        return None
    return Level(severity, condition, clear, on_delay, off_delay, latch, rearm, realarm)
