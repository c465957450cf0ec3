"""The kinds of conditions: one file each, and one line in CONDITIONS, by the field of the rule file that names it.

`read(section, facts)` takes the condition's fields from the rule and gives a frozen condition, or None after telling what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from rules.conditions import counted, threshold
from rules.conditions.facts import Facts
from rules.section import Section

Condition = threshold.Threshold | counted.Counted

CONDITIONS: Final[dict[str, Callable[[Section, Facts], Condition | None]]] = {
    "levels": threshold.read,
    "on": counted.read,
}
