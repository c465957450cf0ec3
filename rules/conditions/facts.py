"""What an expression of a rule may name besides its inputs, and the row of values that all its expressions share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from bridge.model.production import MachineState
from rules.language import BOOL, TEXT, Expression, Kind, Name, Row, Scope, compile_expression

ORDER_ACTIVE: Final = "order.active"  # an order number is known at that instant
OPERATION_IS_FINAL: Final = "operation.is_final"  # good pieces of this equipment are finished goods

MACHINE_STATE: Final = "machine.state"  # the word of MachineState; unknown where the state is

COUNT_FACTS: Final = {ORDER_ACTIVE: Name(BOOL, is_input=False), OPERATION_IS_FINAL: Name(BOOL, is_input=False)}
"""What may be asked of a count: it depends on the count's own row only."""
STATES: Final = tuple(str(state) for state in MachineState if state is not MachineState.UNKNOWN)
FACTS: Final = {**COUNT_FACTS, MACHINE_STATE: Name(TEXT, is_input=False, words=STATES)}


@dataclass(slots=True)
class Facts:
    """The names of one rule; `row` fills as its expressions are compiled."""

    scope: Scope
    row: Row = field(default_factory=Row)

    @property
    def slots(self) -> tuple[str, ...]:
        """The row of values that the expressions compiled so far read."""
        return tuple(self.row.places)

    def compile(self, text: Any, kind: Kind = BOOL) -> Expression:
        """Compile an expression of the rule. Raises ExpressionError, or ValueError where it is no text."""
        return compile_expression(expression_text(text), self.scope, kind, self.row)


def expression_text(value: Any) -> str:
    """What a file says where an expression belongs. Raises ValueError where it is no text."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        raise ValueError("must be an expression in quotes")  # noqa: TRY004  # a mistake of the file
    return value
