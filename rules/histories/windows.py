"""Statistics over a sliding window of time: mean, std, min_over, max_over, spread, count, slope.

They are of the readings that are known, each weighing the same; bad ones are left out. Unknown where no known reading is in the
window, but for `count`, which is 0 then. The window is (now - window, now]; see `sliding` for what is kept of a dense signal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from rules.histories.history import DAY, SECOND, History, HistoryKind, Number, Parameter, Setting, known
from rules.histories.sliding import Cell, Family, Sliding
from rules.histories.summaries import EXTREMES, MOMENTS, TREND, standard_deviation

WINDOW: Final = Parameter("window", "duration", 1_000, 60 * DAY)

Unit = Callable[[float, float], Cell]  # of one reading: seconds since the history's first, value
Read = Callable[[Cell], Number]


class Windowed:
    """A statistic that is read from a summary of the window."""

    __slots__ = ("_empty", "_origin_us", "_read", "_sliding", "_unit")

    def __init__(self, window_us: int, family: Family, unit: Unit, read: Read, empty: Number = None) -> None:
        self._sliding = Sliding(window_us, family)
        self._unit, self._read, self._empty = unit, read, empty
        self._origin_us: int | None = None

    def take(self, at_us: int, values: tuple[Number, ...]) -> None:
        """Take a reading; an unknown one is left out."""
        value = known(values[0])
        if value is None:
            return
        if self._origin_us is None:
            self._origin_us = at_us
        self._sliding.put(at_us, self._unit((at_us - self._origin_us) / SECOND, value))

    def value(self, now_us: int) -> Number:
        """The statistic of what is in the window."""
        sliding = self._sliding
        sliding.drop(now_us)
        total = sliding.total()
        return self._empty if total is None else self._read(total)

    def due_us(self) -> int | None:
        """When the oldest reading leaves."""
        return self._sliding.leaves_us

    def dump(self) -> Any:
        """All of it, as JSON."""
        return [self._origin_us, self._sliding.dump()]

    def restore(self, stored: Any) -> None:
        """Become what was dumped."""
        origin_us, sliding = stored
        self._sliding.restore(sliding)
        self._origin_us = None if origin_us is None else int(origin_us)


def _of_moments(_: float, value: float) -> Cell:
    return 1.0, value, 0.0


def _of_extremes(_: float, value: float) -> Cell:
    return 1.0, value, value


def _of_trend(at_s: float, value: float) -> Cell:
    return 1.0, at_s, value, 0.0, 0.0


def _slope(total: Cell) -> Number:
    return total[4] / total[3] if total[3] > 0 else None


def _maker(family: Family, unit: Unit, read: Read, empty: Number = None) -> Callable[[Setting], History]:
    def make(setting: Setting) -> History:
        return Windowed(int(setting.parameters[0]), family, unit, read, empty)

    return make


KINDS: Final = (
    HistoryKind(
        "mean", _maker(MOMENTS, _of_moments, lambda total: total[1]), (WINDOW,),
        says="mean(x, 5m): the mean of the readings of the past 5 minutes",
    ),
    HistoryKind(
        "std", _maker(MOMENTS, _of_moments, standard_deviation), (WINDOW,),
        says="std(x, 5m): their sample standard deviation; unknown of fewer than two",
    ),
    HistoryKind(
        "min_over", _maker(EXTREMES, _of_extremes, lambda total: total[1]), (WINDOW,),
        says="min_over(x, 5m): the least of them",
    ),
    HistoryKind(
        "max_over", _maker(EXTREMES, _of_extremes, lambda total: total[2]), (WINDOW,),
        says="max_over(x, 5m): the greatest of them",
    ),
    HistoryKind(
        "spread", _maker(EXTREMES, _of_extremes, lambda total: total[2] - total[1]), (WINDOW,),
        says="spread(x, 5m): the greatest less the least of them",
    ),
    HistoryKind(
        "count", _maker(EXTREMES, _of_extremes, lambda total: total[0], 0.0), (WINDOW,), unit="none",
        says="count(x, 5m): how many readings of the past 5 minutes are known; 0 where there is none",
    ),
    HistoryKind(
        "slope", _maker(TREND, _of_trend, _slope), (WINDOW,), unit="per_second",
        says="slope(x, 1h): the slope of the least-squares line through them, a second; unknown of fewer than two instants",
    ),
)  # fmt: skip
