"""Whether a pattern was seen before: the last readings against those of the past, by nearest neighbours, ranked conformally.

The newest `width` readings are a pattern. Its strangeness is the distance (Euclid) to the pattern of the past, among the `depth`
before it, that is the `neighbours`-th nearest: small where the like was seen that often. How large is large, the signal itself
says: the value is the share of its last `depth` strangenesses that were smaller (a conformal p-value subtracted from one), so
that 0.98 means "stranger than 98 % of what there was", in any unit and whatever the noise. Nothing is learnt ahead, nothing is of
the future.

`seasonal_novelty` compares with patterns that ended at the same phase of earlier periods (the time of day on earlier days), give
or take a tolerance: what is common at noon may be strange at night, and a peak that does not come is seen.

After E. Burnaev and V. Ishimtsev, Conformalized density- and distance-based anomaly detection in time-series data,
arXiv:1608.04585 (KNN-CAD), with the distance of Euclid instead of Mahalanobis's, and the season.
"""

from __future__ import annotations

import base64
import zlib
from array import array
from bisect import bisect_left, insort
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rules.histories.history import DAY, SECOND, HistoryKind, Number, Parameter, Setting, known

_LEAST_RANKED: Final = 100  # strangenesses before a share of them says anything
_LEAST_ALIKE: Final = 2  # times `neighbours` patterns to compare with before a strangeness is known
_ANOTHER: Final = "not the dump of such a novelty"


class Novelty:
    """The newest readings and their instants, as many as patterns reach back, and the last strangenesses, as they came and sorted."""

    __slots__ = (
        "_depth", "_end", "_instants", "_keep", "_neighbours", "_now", "_oldest", "_ordered", "_period_us", "_readings",
        "_stranges", "_tolerance_us", "_width",
    )  # fmt: skip

    def __init__(self, width: int, neighbours: int, depth: int, period_us: int = 0, tolerance_us: int = 0) -> None:
        self._width, self._neighbours, self._depth = width, neighbours, depth
        self._period_us, self._tolerance_us = period_us, min(tolerance_us, period_us // 2)
        self._keep = depth + 2 * width - 1  # the newest pattern, and `depth` that end before it begins
        self._readings = np.zeros(2 * self._keep)  # those in [end - keep, end); moved to the front when full
        self._instants = np.zeros(2 * self._keep if period_us else 0, np.int64)
        self._end = 0
        self._stranges = array("d")  # as they came; when there are `depth`, the newest takes the place of the oldest
        self._oldest = 0
        self._ordered = array("d")
        self._now: Number = None

    def take(self, at_us: int, values: tuple[Number, ...]) -> None:
        """Take a reading; an unknown one is left out of the patterns, and its novelty is unknown."""
        self._now = None
        value = known(values[0])
        if value is None:
            return
        self._append(at_us, value)
        strange = self._strangeness(at_us)
        if strange is not None:
            self._now = self._rank(strange)

    def value(self, now_us: int) -> Number:
        """The share, in [0, 1), of earlier patterns that were less strange than the newest."""
        return self._now

    def due_us(self) -> int | None:
        """When the value changes by time alone."""
        return None

    def dump(self) -> Any:
        """All of it, as JSON; columns are packed, instants as the steps between them."""
        kept = slice(max(0, self._end - self._keep), self._end)
        stranges = self._stranges[self._oldest :] + self._stranges[: self._oldest]
        return {
            "readings": _packed(self._readings[kept], "<f8"),
            "instants": _packed(np.diff(self._instants[kept], prepend=0), "<i8") if self._period_us else "",
            "strangenesses": _packed(np.array(stranges), "<f8"),
            "now": self._now,
        }

    def restore(self, stored: Any) -> None:
        """Become what was dumped."""
        readings = _unpacked(stored["readings"], "<f8", self._keep)
        stranges = _unpacked(stored["strangenesses"], "<f8", self._depth)
        instants = np.cumsum(_unpacked(stored["instants"], "<i8", self._keep))
        if len(instants) != (len(readings) if self._period_us else 0):
            raise ValueError(_ANOTHER)
        now = stored["now"]
        self._end = len(readings)
        self._readings[: self._end] = readings
        self._instants[: len(instants)] = instants
        self._stranges, self._oldest = array("d", stranges.tolist()), 0
        self._ordered = array("d", sorted(self._stranges))
        self._now = None if now is None else float(now)

    def _append(self, at_us: int, value: float) -> None:
        if self._end == len(self._readings):
            for column in (self._readings, self._instants):
                column[: self._keep] = column[self._keep :]
            self._end = self._keep
        self._readings[self._end] = value
        if self._period_us:
            self._instants[self._end] = at_us
        self._end += 1

    def _strangeness(self, at_us: int) -> float | None:
        """Squared distance to the k-th nearest pattern that does not overlap the newest; None of too few."""
        begin, width, k = max(0, self._end - self._keep), self._width, self._neighbours
        count = self._end - begin - 2 * width + 1  # of patterns to compare with
        if count < _LEAST_ALIKE * k:
            return None
        # Row i holds the i-th reading of every pattern: summing down the rows is exact in any memory layout, so that the same
        # readings give the same bits after a restart.
        patterns = sliding_window_view(self._readings[begin : begin + count + width - 1], count)
        if self._period_us:
            age, tolerance = at_us - self._instants[begin + width - 1 : begin + width - 1 + count], self._tolerance_us
            patterns = patterns[:, (age > tolerance) & ((age + tolerance) % self._period_us <= 2 * tolerance)]
            if patterns.shape[1] < _LEAST_ALIKE * k:
                return None
        apart = patterns - self._readings[self._end - width : self._end, None]
        np.square(apart, out=apart)
        squares = apart.sum(axis=0)
        squares.partition(k - 1)
        return float(squares[k - 1])

    def _rank(self, strange: float) -> Number:
        ordered, before = self._ordered, len(self._ordered)
        share = bisect_left(ordered, strange) / (before + 1) if before >= _LEAST_RANKED else None
        if before < self._depth:
            self._stranges.append(strange)
        else:
            del ordered[bisect_left(ordered, self._stranges[self._oldest])]
            self._stranges[self._oldest] = strange
            self._oldest = (self._oldest + 1) % self._depth
        insort(ordered, strange)
        return share


def _packed(column: np.ndarray[Any, Any], kind: str) -> str:
    """Little-endian numbers, compressed, as base64: a sixth to two thirds of what their digits take."""
    return base64.b64encode(zlib.compress(column.astype(kind).tobytes(), 1)).decode()


def _unpacked(text: str, kind: str, most: int) -> np.ndarray[Any, Any]:
    """The numbers. Raises ValueError where there are more than `most`, or they are none."""
    try:
        found = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), 8 * most + 8)
    except zlib.error as error:
        raise ValueError(_ANOTHER) from error
    numbers = np.frombuffer(found, kind)
    if len(numbers) > most or not np.isfinite(numbers).all():
        raise ValueError(_ANOTHER)
    return numbers


def _plain(setting: Setting) -> Novelty:
    width, neighbours, depth = (int(number) for number in setting.parameters)
    return Novelty(width, neighbours, depth)


def _seasonal(setting: Setting) -> Novelty:
    period_us, tolerance_us, width, neighbours, depth = (int(number) for number in setting.parameters)
    return Novelty(width, neighbours, depth, period_us, tolerance_us)


_PARAMETERS: Final = (
    Parameter("width", "count", 1, 256, 20),
    Parameter("neighbours", "count", 1, 64, 10),
    Parameter("depth", "count", 128, 20_000, 4000),
)

KINDS: Final = (
    HistoryKind(
        "novelty", _plain, _PARAMETERS, unit="none",
        says="novelty(x, 20): how strange the pattern of the last 20 readings is, from 0 to 1: 0.98 is stranger than 98 % of those "
        "before; novelty(x, 20, 10, 4000): by the 10th nearest of the 4000 patterns before (these are the defaults)",
    ),
    HistoryKind(
        "seasonal_novelty", _seasonal,
        (Parameter("period", "duration", 60 * SECOND, 60 * DAY), Parameter("tolerance", "duration", 0, 30 * DAY), *_PARAMETERS),
        unit="none",
        says="seasonal_novelty(x, 24h, 90m, 20): the same among patterns that ended at this time of earlier days, give or take 90 minutes",
    ),
)  # fmt: skip
