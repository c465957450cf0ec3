"""The upper quantile of Fisher's F, by the regularised incomplete beta function (Press et al., Numerical Recipes, 6.4)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

_TINY: Final = 1e-300
_STEPS: Final = 500


@lru_cache(1024)
def upper_quantile(d1: float, d2: float, alpha: float) -> float:
    """The value that F with d1 and d2 degrees of freedom exceeds with probability `alpha`, to 9 digits."""
    low, high = 0.0, 1.0
    while exceeds(high, d1, d2) > alpha:
        low, high = high, 2 * high
    for _ in range(100):
        middle = (low + high) / 2
        if exceeds(middle, d1, d2) > alpha:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def exceeds(f: float, d1: float, d2: float) -> float:
    """The probability that F with d1 and d2 degrees of freedom is above f."""
    return _incomplete_beta(d2 / (d2 + d1 * f), d2 / 2, d1 / 2)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    front = math.exp(log_front)
    if x < (a + 1) / (a + b + 2):
        return front * _continued_fraction(x, a, b) / a
    return 1 - front * _continued_fraction(1 - x, b, a) / b


def _continued_fraction(x: float, a: float, b: float) -> float:
    """Lentz's method."""
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    result = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        step = 1.0
        for numerator in (even, odd):
            d = 1 / _away_from_zero(1 + numerator * d)
            c = _away_from_zero(1 + numerator / c)
            step = c * d
            result *= step
        if abs(step - 1) < 1e-15:
            break
    return result


def _away_from_zero(number: float) -> float:
    return number if abs(number) > _TINY else _TINY
