"""Presets: `preset: {iso20816_3: {group: 1, support: rigid}, of: v}` stands for levels. One family a file, its PRESETS in PRESETS.

Fields beside the preset's own name: `of` (a number: an input or an expression of inputs), `severities` (one a level), `deadband`
(a share of the limit), `on_delay`, `off_delay`, `latch`, `rearm` and `realarm` of all its levels.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from bridge.model.alarm import Severity
from rules.conditions.facts import Facts, expression_text
from rules.conditions.threshold import Level, Threshold, in_order
from rules.durations import duration
from rules.language import NUMBER, ExpressionError, resolve
from rules.rulebook.presets import charts, iso, signals
from rules.rulebook.presets.preset import Draft, Preset, Signal, bracketed
from rules.section import Item, Section, number, one_of, text, truth

__all__ = ["PRESETS", "Draft", "Preset", "Signal", "read_preset"]

PRESETS: Final[dict[str, Preset]] = {
    preset.name: preset for family in (iso, charts, signals) for preset in family.PRESETS
}
_ZERO: Final = timedelta()


def read_preset(section: Section, facts: Facts) -> Threshold | None:
    """Take `preset`."""
    item = section.item_of("preset")
    assert item is not None, "the caller has seen it"
    fields = section.reader.section(item)
    names = [name for name in PRESETS if fields.has(name)]
    if len(names) != 1:
        section.reader.tell(item, f"must name one of {', '.join(PRESETS)}" + (", not several" if names else ""))
        return None
    preset = PRESETS[names[0]]
    own = fields.item_of(preset.name)
    assert own is not None, "it is there"
    signal = _signal(fields, facts)
    drafts = _drafts(section, own, preset, signal) if signal else []
    levels = _levels(fields, preset, drafts, facts)
    fields.close()
    if not levels or not in_order(section, item, levels):
        return None
    return Threshold(tuple(levels), facts.slots, tuple(facts.row.histories.values()))


def _signal(fields: Section, facts: Facts) -> Signal | None:
    deadband = fields.take("deadband", _share, -1.0)

    def convert(value: object) -> Signal:
        written = expression_text(value)
        typed = resolve(written, facts.scope, NUMBER)
        return Signal(bracketed(written), typed, facts, None if deadband < 0 else deadband)

    return fields.need("of", convert, ": the input that it is about")


def _drafts(section: Section, own: Item, preset: Preset, signal: Signal) -> list[Draft]:
    fields = section.reader.section(own)
    found = preset.draft(fields, signal)
    fields.close()
    return found


def _levels(fields: Section, preset: Preset, drafts: list[Draft], facts: Facts) -> list[Level]:
    severities = fields.reader.words(fields.item_of("severities"), one_of(Severity, list(Severity)))
    on_delay = fields.take("on_delay", lambda v: duration(text(v)), duration(preset.on_delay))
    off_delay = fields.take("off_delay", lambda v: duration(text(v)), duration(preset.off_delay))
    latch = fields.take("latch", truth, False)
    rearm = fields.take("rearm", lambda v: duration(text(v)), _ZERO) or None
    realarm = fields.take("realarm", lambda v: duration(text(v)), _ZERO) or None
    if severities and drafts and len(severities) != len(drafts):
        fields.reader.tell(fields.item, f"severities must be {len(drafts)}: one a level, mildest first")
        return []
    found = []
    for index, draft in enumerate(drafts):
        severity = severities[index] if severities else draft.severity
        try:
            condition, clear = facts.compile(draft.condition), facts.compile(draft.clear)
        except ExpressionError as error:  # all of it together may be more than a rule may have
            fields.reader.tell(fields.item, error.mistakes[0].message)
            return []
        found.append(Level(severity, condition, clear, on_delay, off_delay, latch, rearm, realarm))
    return found


def _share(value: object) -> float:
    found = number(value)
    if not 0 <= found < 1:
        raise ValueError("must be a share of the limit: from 0 to below 1")
    return found
