"""Pieces that were counted: `on` says which, e.g. `delta(good) > 0`, and `require` what must hold at that instant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rules.conditions.facts import COUNT_FACTS, OPERATION_IS_FINAL, ORDER_ACTIVE, Facts
from rules.language import Expression
from rules.section import Section

_DELTA: Final = "delta("


@dataclass(frozen=True, slots=True)
class Counted:
    """`quantity` names the input whose pieces are meant; `slots` is the row of values that the expressions read."""

    on: Expression
    require: Expression | None
    counter: str
    slots: tuple[str, ...]

    def accepts(self, pieces: int | None, *, order_active: bool, operation_is_final: bool) -> bool:
        """Whether a count is meant. It depends on the count's own row only, so that it can be asked again after any crash.

        `pieces` is None for a count of another counter, of which `require` alone is asked.
        """
        facts: dict[str, float | bool] = {ORDER_ACTIVE: order_active, OPERATION_IS_FINAL: operation_is_final}
        if pieces is not None:
            facts[f"{_DELTA}{self.counter})"] = float(pieces)
        row = [facts.get(slot) for slot in self.slots]
        is_on = pieces is None or self.on.evaluate(row) is True
        return is_on and (self.require is None or self.require.evaluate(row) is True)


def read(section: Section, facts: Facts) -> Counted | None:
    """Take `on` and `require`."""
    on_item, require_item = section.item_of("on"), section.item_of("require")
    assert on_item is not None, "the table is asked by what is there"
    on = section.reader.convert(on_item, facts.compile)
    require = section.reader.convert(require_item, facts.compile) if require_item else None
    if on is None or (require_item and require is None):
        return None
    asked = dict.fromkeys(on.slots + (require.slots if require else ()))
    counters = [slot.removeprefix(_DELTA).removesuffix(")") for slot in asked if slot.startswith(_DELTA)]
    if strange := [slot for slot in asked if not slot.startswith(_DELTA) and slot not in COUNT_FACTS]:
        section.reader.tell(
            on_item,
            f"{strange[0]} cannot be asked of a count; there is delta(input), {' and '.join(sorted(COUNT_FACTS))}",
        )
        return None
    if len(counters) != 1 or counters[0] not in facts.scope.names:
        section.reader.tell(on_item, "must be about the delta() of one counter")
        return None
    return Counted(on, require, counters[0], facts.slots)
