"""What an expression of a rule may name besides its inputs, and the row of values that all its expressions share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from rules.language import BOOL, Expression, Kind, Name, compile_expression

ORDER_ACTIVE: Final = "order.active"  # an order number is known at that instant
OPERATION_IS_FINAL: Final = "operation.is_final"  # good pieces of this equipment are finished goods

FACTS: Final = {ORDER_ACTIVE: Name(BOOL, is_input=False), OPERATION_IS_FINAL: Name(BOOL, is_input=False)}


@dataclass(slots=True)
class Facts:
    """The names of one rule; `places` fills as its expressions are compiled."""

    names: dict[str, Name]
    places: dict[str, int] = field(default_factory=dict)

    def compile(self, text: Any, kind: Kind = BOOL) -> Expression:
        """Compile an expression of the rule. Raises ExpressionError, or ValueError where it is no text."""
        if isinstance(text, bool):
            text = str(text).lower()
        if not isinstance(text, str):
            raise ValueError("must be an expression in quotes")  # noqa: TRY004  # a mistake of the file
        return compile_expression(text, self.names, kind, self.places)
