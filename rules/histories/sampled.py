"""Order statistics: percentile over a window, baseline_median and baseline_mad over a lagged one.

The readings of the window are kept and sorted, exactly up to a number of them; of a denser signal every 2nd, 4th, 8th ... reading
is kept (systematic sampling), never fewer than half that number.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from rules.histories.bands import BAND, LAG, MIN_SAMPLES, Banded
from rules.histories.history import History, HistoryKind, Number, Parameter, Setting, known
from rules.histories.windows import WINDOW

_MOST_OF_WINDOW: Final = 2048
_MOST_OF_BASELINE: Final = 1024
_MOST_OF_BAND: Final = 256

Read = Callable[["array[float]"], float]


class Sampled:
    """The readings of (now - lag - window, now - lag], sorted, and a statistic of them."""

    __slots__ = (
        "_head", "_known", "_lag_us", "_least", "_most", "_read", "_sorted", "_stride", "_tail", "_taken", "_times", "_values",
        "_window_us",
    )  # fmt: skip

    def __init__(self, window_us: int, lag_us: int, least: int, most: int, read: Read) -> None:
        self._window_us, self._lag_us, self._least, self._most, self._read = window_us, lag_us, least, most, read
        self._times, self._values = array("q"), array("d")
        self._head = self._tail = 0  # those in [head, tail) are old enough and not too old
        self._sorted = array("d")
        self._stride = 1
        self._taken = 0
        self._known: Number = None  # the statistic, until the sorted readings change

    def take(self, at_us: int, values: tuple[Number, ...]) -> None:
        """Take a reading; an unknown one is left out."""
        value = known(values[0])
        if value is None:
            return
        self._slide(at_us)
        self._taken += 1
        if self._taken % self._stride:
            return
        self._times.append(at_us)
        self._values.append(value)
        if len(self._times) - self._head > self._most:
            self._thin()

    def value(self, now_us: int) -> Number:
        """The statistic; unknown of too few readings."""
        self._slide(now_us)
        if len(self._sorted) * self._stride < self._least or not self._sorted:
            return None
        if self._known is None:
            self._known = self._read(self._sorted)
        return self._known

    def due_us(self) -> int | None:
        """When a reading leaves, or grows old enough; a microsecond later where it leaves."""
        leaves = self._times[self._head] + self._lag_us + self._window_us + 1 if self._head < len(self._times) else None
        if self._tail < len(self._times):
            enters = self._times[self._tail] + self._lag_us
            return enters if leaves is None else min(enters, leaves)
        return leaves

    def dump(self) -> Any:
        """All of it, as JSON."""
        at = self._head
        return [self._stride, self._taken, self._tail - at, self._times[at:].tolist(), self._values[at:].tolist()]

    def restore(self, stored: Any) -> None:
        """Become what was dumped."""
        stride, taken, tail, times, values = stored
        if len(times) != len(values) or not 0 <= tail <= len(times) or stride < 1:
            raise ValueError("not the dump of such a history")
        self._stride, self._taken, self._head, self._tail = int(stride), int(taken), 0, int(tail)
        self._times, self._values = array("q", times), array("d", values)
        self._sorted, self._known = array("d", sorted(self._values[: self._tail])), None

    def _slide(self, now_us: int) -> None:
        old_enough = now_us - self._lag_us
        too_old = old_enough - self._window_us
        times, values, ordered = self._times, self._values, self._sorted
        while self._tail < len(times) and times[self._tail] <= old_enough:
            insort(ordered, values[self._tail])
            self._tail += 1
            self._known = None
        while self._head < self._tail and times[self._head] <= too_old:
            del ordered[bisect_left(ordered, values[self._head])]
            self._head += 1
            self._known = None
        if self._head > self._most:
            self._forget()
        if self._stride > 1 and self._head == len(times):
            self._stride = 1  # a new beginning

    def _forget(self) -> None:
        del self._times[: self._head], self._values[: self._head]
        self._head, self._tail = 0, self._tail - self._head

    def _thin(self) -> None:
        """Keep every second reading, the newest among them."""
        self._forget()
        first = (len(self._times) - 1) % 2
        kept_before_tail = len(range(first, self._tail, 2))
        self._times, self._values = self._times[first::2], self._values[first::2]
        self._tail = kept_before_tail
        self._stride *= 2
        self._taken = 0
        self._sorted, self._known = array("d", sorted(self._values[: self._tail])), None


def quantile(ordered: array[float], share: float) -> float:
    """The quantile of sorted numbers, linear between neighbours (Hyndman and Fan's type 7)."""
    at = (len(ordered) - 1) * share
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def _median(ordered: array[float]) -> float:
    return quantile(ordered, 0.5)


def _mad(ordered: array[float]) -> float:
    return float(np.median(np.abs(np.frombuffer(ordered) - quantile(ordered, 0.5))))


def _percentile(setting: Setting) -> History:
    window_us, percent = setting.parameters
    return Sampled(int(window_us), 0, 1, _MOST_OF_WINDOW, lambda ordered: quantile(ordered, percent / 100))


def _baseline(read: Read) -> Callable[[Setting], History]:
    def make(setting: Setting) -> History:
        window_us, lag_us, least, _ = (int(number) for number in setting.parameters)
        most = _MOST_OF_BASELINE if setting.arguments == 1 else _MOST_OF_BAND
        return Banded(setting, lambda: Sampled(window_us, lag_us, least, most, read))

    return make


_PARAMETERS: Final = (WINDOW, LAG, MIN_SAMPLES, BAND)

KINDS: Final = (
    HistoryKind(
        "percentile", _percentile, (WINDOW, Parameter("percent", "number", 0, 100)),
        says="percentile(x, 1h, 95): the 95th percentile of the readings of the past hour; 50 is the median",
    ),
    HistoryKind(
        "baseline_median", _baseline(_median), _PARAMETERS, (1, 2),
        says="baseline_median(x, 14d, 3h, 500): the median of the 14 days that ended 3 hours ago, of at least 500 readings; "
        "baseline_median(x, by, 14d, 3h, 500, 100): of those while `by` was in the same band of width 100 as now",
    ),
    HistoryKind(
        "baseline_mad", _baseline(_mad), _PARAMETERS, (1, 2),
        says="baseline_mad(x, 14d, 3h, 500): the median of the distances from that median, not scaled (1.4826 of it is one sigma "
        "of a normal distribution)",
    ),
)  # fmt: skip
