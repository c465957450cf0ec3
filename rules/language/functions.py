"""The functions of the rule language that are of this instant only: one line each in FUNCTIONS. Those of the past are HISTORIES.

A function computes from the values of its arguments and is unknown when one of them is, or where it is not defined (sqrt(-1)).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Function:
    """How a function is called; arguments and result are numbers. `keeps_unit`: the result is in the unit of the arguments."""

    name: str
    minimum: int
    maximum: int
    compute: Callable[..., float]
    signature: str
    says: str
    keeps_unit: bool = True


def _cosine(ball: float, pitch: float, angle: float) -> float:
    return ball / pitch * math.cos(math.radians(angle))


def ftf(ball: float, pitch: float, angle: float) -> float:
    """The cage's turns in one of the shaft (fundamental train frequency as an order)."""
    return (1 - _cosine(ball, pitch, angle)) / 2


def bpfo(balls: float, ball: float, pitch: float, angle: float) -> float:
    """Balls that pass a spot of the outer race in one turn of the shaft."""
    return balls * ftf(ball, pitch, angle)


def bpfi(balls: float, ball: float, pitch: float, angle: float) -> float:
    """Balls that pass a spot of the inner race in one turn of the shaft."""
    return balls / 2 * (1 + _cosine(ball, pitch, angle))


def bsf(ball: float, pitch: float, angle: float) -> float:
    """The turns of a ball in one of the shaft."""
    return pitch / (2 * ball) * (1 - _cosine(ball, pitch, angle) ** 2)


FUNCTIONS: Final[dict[str, Function]] = {
    function.name: function
    for function in (
        Function("abs", 1, 1, abs, "abs(x)", "the value without its sign"),
        Function("min", 2, 8, min, "min(x, y, ...)", "the smallest of several values"),
        Function("max", 2, 8, max, "max(x, y, ...)", "the largest of several values"),
        Function("floor", 1, 1, lambda x: float(math.floor(x)), "floor(x)", "the whole number below"),
        Function("ceil", 1, 1, lambda x: float(math.ceil(x)), "ceil(x)", "the whole number above"),
        Function("sqrt", 1, 1, math.sqrt, "sqrt(x)", "the square root; unknown below 0", keeps_unit=False),
        Function("exp", 1, 1, math.exp, "exp(x)", "e to the power of x", keeps_unit=False),
        Function("ln", 1, 1, math.log, "ln(x)", "the natural logarithm; unknown from 0 down", keeps_unit=False),
        Function(
            "bpfo",
            4,
            4,
            bpfo,
            "bpfo(balls, d, D, angle)",
            "order of the shaft at which a bearing's outer race is hit: balls "
            "and their diameter, pitch diameter, contact angle in degrees",
            keeps_unit=False,
        ),
        Function("bpfi", 4, 4, bpfi, "bpfi(balls, d, D, angle)", "the same of the inner race", keeps_unit=False),
        Function("bsf", 3, 3, bsf, "bsf(d, D, angle)", "order at which a ball turns", keeps_unit=False),
        Function("ftf", 3, 3, ftf, "ftf(d, D, angle)", "order at which the cage turns", keeps_unit=False),
    )
}
