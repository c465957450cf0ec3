"""Several tags at once: Hotelling's T2 of a reading against the mean and covariance of a lagged window, and its control limit.

T2 = (x - m)' S^-1 (x - m). It sees what no single tag shows: two values, each within its range, that do not go together. S is
regularised as a correlation matrix, (1 - r) R + r I with r = 0.001, so that tags that always move together do not make it singular.
The limit for a future reading is p (n + 1) (n - 1) / (n (n - p)) times the upper alpha quantile of F with p and n - p degrees of
freedom (N. D. Tracy, J. C. Young, R. L. Mason, J. Quality Technology 24, 1992). It takes readings for independent of each other.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rules.histories.bands import LAG, MIN_SAMPLES
from rules.histories.baseline import Lagged
from rules.histories.f_distribution import upper_quantile
from rules.histories.history import HistoryKind, Number, Parameter, Setting, known
from rules.histories.sliding import Cell, Family
from rules.histories.windows import WINDOW

_MOST: Final = 8
_SHRINKAGE: Final = 1e-3
_MOST_CELLS: Final = 128  # cells are wide here: fewer than elsewhere
_PANES: Final = 64


@lru_cache(_MOST)
def _family(tags: int) -> Family:
    """How many, means, sums of the products of deviations (the upper triangle, row by row)."""
    pairs = [(i, j) for i in range(tags) for j in range(i, tags)]

    def merge(a: Cell, b: Cell) -> Cell:
        count = a[0] + b[0]
        share = b[0] / count
        weight = a[0] * share
        deltas = [b[1 + i] - a[1 + i] for i in range(tags)]
        means = [a[1 + i] + deltas[i] * share for i in range(tags)]
        products = [
            a[at] + b[at] + deltas[i] * deltas[j] * weight for at, (i, j) in enumerate(pairs, 1 + tags)
        ]  # fmt: skip
        return (count, *means, *products)

    return Family(1 + tags + len(pairs), merge, _MOST_CELLS, _PANES)


class _Joint:
    """The joint moments of several tags over a lagged window; a reading of which one is unknown is left out."""

    __slots__ = ("_lagged", "_least", "_newest", "_products", "_tags")

    def __init__(self, setting: Setting) -> None:
        window_us, lag_us, least = (int(number) for number in setting.parameters[:3])
        self._tags = setting.arguments
        self._lagged = Lagged(window_us, lag_us, _family(self._tags))
        self._least = max(least, self._tags + 2)
        self._products = (0.0,) * (self._tags * (self._tags + 1) // 2)
        self._newest: tuple[float, ...] | None = None

    def take(self, at_us: int, values: tuple[Number, ...]) -> None:
        """Take a reading of each tag."""
        numbers = [number for value in values if (number := known(value)) is not None]
        if len(numbers) < self._tags:
            self._newest = None
            return
        self._newest = tuple(numbers)
        self._lagged.put(at_us, (1.0, *numbers, *self._products))

    def total(self, now_us: int) -> Cell | None:
        """The moments; None of too few readings."""
        self._lagged.move(now_us)
        total = self._lagged.total()
        return None if total is None or total[0] < self._least else total

    def due_us(self) -> int | None:
        """When the value changes by time alone."""
        return self._lagged.changes_us()

    def dump(self) -> Any:
        """All of it, as JSON."""
        return [self._newest and list(self._newest), self._lagged.dump()]

    def restore(self, stored: Any) -> None:
        """Become what was dumped."""
        newest, lagged = stored
        if newest is not None and len(newest) != self._tags:
            raise ValueError("not the dump of a T2 of so many tags")
        self._lagged.restore(lagged)
        self._newest = None if newest is None else tuple(float(number) for number in newest)


class T2(_Joint):
    """The statistic of the newest reading."""

    __slots__ = ("_changes", "_inverse")

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._changes = -1
        self._inverse: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None  # means, inverse covariance

    def value(self, now_us: int) -> Number:
        """T2; unknown where one of the tags is, or too little is known of what is normal."""
        total = self.total(now_us)
        if total is None or self._newest is None:
            return None
        if self._inverse is None or self._changes != self._lagged.changes:
            self._inverse, self._changes = _inverse(total, self._tags), self._lagged.changes
        means, inverse = self._inverse
        away = np.array(self._newest) - means
        return known(float(away @ inverse @ away))

    def restore(self, stored: Any) -> None:
        """Become what was dumped."""
        super().restore(stored)
        self._inverse = None


class T2Limit(_Joint):
    """The limit that a reading in control exceeds with probability alpha."""

    __slots__ = ("_alpha",)

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._alpha = setting.parameters[3]

    def value(self, now_us: int) -> Number:
        """The limit; unknown where too little is known of what is normal."""
        total = self.total(now_us)
        return None if total is None else t2_limit(self._tags, _rounded(int(total[0])), self._alpha)


def _rounded(readings: int) -> int:
    """To two digits, down: the limit is hardly greater for it, and is computed seldom."""
    unit: int = 10 ** max(0, len(str(readings)) - 2)
    return readings - readings % unit


@lru_cache(1024)
def t2_limit(tags: int, readings: int, alpha: float) -> float:
    """The upper control limit of T2 for a future reading, with mean and covariance estimated from `readings` readings."""
    p, n = tags, readings
    return p * (n + 1) * (n - 1) / (n * (n - p)) * upper_quantile(p, n - p, alpha)


def _inverse(total: Cell, tags: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    count, means = total[0], np.array(total[1 : 1 + tags])
    covariance = np.zeros((tags, tags))
    rows, columns = np.triu_indices(tags)
    covariance[rows, columns] = covariance[columns, rows] = np.array(total[1 + tags :]) / (count - 1)
    # A tag that never moved would have no scale: what the last digits of a float can show is its least.
    scale = np.maximum(np.sqrt(np.maximum(np.diag(covariance), 0)), 1e-9 * np.maximum(np.abs(means), 1e-9))
    correlation = covariance / np.outer(scale, scale)
    np.fill_diagonal(correlation, 1.0)
    regular = (1 - _SHRINKAGE) * correlation + _SHRINKAGE * np.eye(tags)
    return means, np.linalg.inv(regular) / np.outer(scale, scale)


KINDS: Final = (
    HistoryKind(
        "t2", T2, (WINDOW, LAG, MIN_SAMPLES), (2, _MOST), "none",
        says="t2(a, b, c, 14d, 3h, 500): Hotelling's T2 of 2 to 8 tags against their mean and covariance in the 14 days that "
        "ended 3 hours ago",
    ),
    HistoryKind(
        "t2_limit", T2Limit, (WINDOW, LAG, MIN_SAMPLES, Parameter("alpha", "number", 1e-9, 0.5, 0.001)), (2, _MOST), "none",
        says="t2_limit(a, b, c, 14d, 3h, 500, 0.001): what t2 of the same exceeds once in a thousand readings in control",
    ),
)  # fmt: skip
