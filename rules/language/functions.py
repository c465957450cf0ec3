"""The functions of the rule language: one line each in FUNCTIONS.

A plain function computes from the values of its arguments and is unknown when one of them is. A derived function is of one
input's history (`delta(good)`): whoever evaluates the expression provides its value in a slot of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Function:
    """How a function is called; arguments and result are numbers. `compute` is None for a derived one."""

    name: str
    minimum: int
    maximum: int
    compute: Callable[..., float] | None
    says: str

    @property
    def is_derived(self) -> bool:
        """Whether the function is of an input's history."""
        return self.compute is None


FUNCTIONS: Final[dict[str, Function]] = {
    function.name: function
    for function in (
        Function("abs", 1, 1, abs, "abs(x)"),
        Function("min", 2, 8, min, "min(x, y, ...)"),
        Function("max", 2, 8, max, "max(x, y, ...)"),
        Function(
            "delta",
            1,
            1,
            None,
            "delta(input): the change since the reading before; of a counter, with rollover and reset",
        ),
    )
}
