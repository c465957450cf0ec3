"""What can be summed up of readings and merged: moments, extremes, trend (Chan, Golub, LeVeque 1979: pairwise updating)."""

from __future__ import annotations

import math
from typing import Final

from rules.histories.sliding import Cell, Family


def _merge_moments(a: Cell, b: Cell) -> Cell:
    count = a[0] + b[0]
    delta = b[1] - a[1]
    share = b[0] / count
    return count, a[1] + delta * share, a[2] + b[2] + delta * delta * a[0] * share


def _merge_extremes(a: Cell, b: Cell) -> Cell:
    return a[0] + b[0], min(a[1], b[1]), max(a[2], b[2])


def _merge_trend(a: Cell, b: Cell) -> Cell:
    count = a[0] + b[0]
    dt, dx = b[1] - a[1], b[2] - a[2]
    share = b[0] / count
    weight = a[0] * share
    return count, a[1] + dt * share, a[2] + dx * share, a[3] + b[3] + dt * dt * weight, a[4] + b[4] + dt * dx * weight


MOMENTS: Final = Family(3, _merge_moments)
"""How many, their mean, the sum of the squared deviations from it."""
EXTREMES: Final = Family(3, _merge_extremes)
"""How many, the least, the greatest."""
TREND: Final = Family(5, _merge_trend)
"""How many, mean time, mean value, sums of squared deviations of time and of the products of both deviations."""


def standard_deviation(moments: Cell) -> float | None:
    """The sample standard deviation (n - 1); None of fewer than two."""
    return math.sqrt(moments[2] / (moments[0] - 1)) if moments[0] > 1 else None
