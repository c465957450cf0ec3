"""What people read of an alarm and its ticket."""

from __future__ import annotations

from typing import Any

from rules.instance import Instance, Told
from rules.rulebook.model import Rule


def message(instance: Instance, told: Told) -> str:
    """`spindle.vib_rms 4.62 mm/s: v > 4.5`."""
    values = [
        f"{entry['tag']} {'unknown' if entry['value'] is None else _shown(entry['value'])} {entry['unit']}".rstrip()
        for entry in told.inputs.values()
    ]
    level = next(level for level in instance.condition.levels if level.severity is told.transition.severity)
    return f"{', '.join(values)}: {level.condition.text}"


def description(rule: Rule) -> str:
    """Consequence, response and rule, a line each."""
    lines = [
        f"Consequence: {rule.consequence}" if rule.consequence else "",
        f"Response: {rule.response}",
        f"Rule: {rule.id}",
    ]
    return "\n".join(line for line in lines if line)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
