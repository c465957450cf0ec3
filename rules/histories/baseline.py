"""What is normal: mean and standard deviation of a window that ended some time ago, so that a fault does not become its own norm.

`Lagged` keeps what is younger than the lag in a row that waits, one reading each while they are few, in panes of 1/32 of the lag
while they are many; what is old enough goes into a sliding window. So the window's young end is exact to 1/32 of the lag, its old
end to 1/180 of the window, and memory is bounded whatever the rate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

from rules.histories.bands import BAND, LAG, MIN_SAMPLES, Banded
from rules.histories.history import History, HistoryKind, Number, Setting, known
from rules.histories.sliding import Cell, Family, Sliding
from rules.histories.summaries import MOMENTS, standard_deviation
from rules.histories.windows import WINDOW

_MOST_WAITING: Final = 64
_PANES_OF_LAG: Final = 32


class Lagged:
    """The summary of (now - lag - window, now - lag]."""

    __slots__ = ("_family", "_is_coarse", "_lag_us", "_pane_us", "_sliding", "_waiting")

    def __init__(self, window_us: int, lag_us: int, family: Family) -> None:
        self._family = family
        self._lag_us = lag_us
        self._pane_us = max(1, lag_us // _PANES_OF_LAG)
        self._sliding = Sliding(window_us, family)
        self._waiting: deque[tuple[int, Cell]] = deque()  # the newest instant of each cell
        self._is_coarse = False

    @property
    def changes(self) -> int:
        """Rises whenever the summary may have changed."""
        return self._sliding.changes

    def put(self, at_us: int, cell: Cell) -> None:
        """Add what was read at an instant."""
        self.move(at_us)
        if not self._lag_us:
            self._sliding.put(at_us, cell)
            return
        self._waiting.append((at_us, cell))
        if self._is_coarse:
            self._join(-2)
        elif len(self._waiting) > _MOST_WAITING:
            self._is_coarse = True
            cells, self._waiting = self._waiting, deque()
            for each in cells:
                self._waiting.append(each)
                self._join(-2)

    def move(self, now_us: int) -> None:
        """Let time go on: what is old enough comes in, what is too old leaves."""
        while self._waiting and self._waiting[0][0] <= now_us - self._lag_us:
            at_us, cell = self._waiting.popleft()
            self._sliding.put(at_us, cell)
        if not self._waiting:
            self._is_coarse = False
        self._sliding.drop(now_us - self._lag_us)

    def total(self) -> Cell | None:
        """The summary; None where nothing is old enough. Call `move` before."""
        return self._sliding.total()

    def changes_us(self) -> int | None:
        """When the summary changes by time alone."""
        leaves = self._sliding.leaves_us
        found = [] if leaves is None else [leaves + self._lag_us]
        if self._waiting:
            found.append(self._waiting[0][0] + self._lag_us)
        return min(found, default=None)

    def dump(self) -> list[Any]:
        """All of it, as JSON."""
        return [self._is_coarse, [[at_us, *cell] for at_us, cell in self._waiting], self._sliding.dump()]

    def restore(self, stored: list[Any]) -> None:
        """Become what was dumped."""
        is_coarse, waiting, sliding = stored
        cells = [(int(at_us), tuple(float(number) for number in cell)) for at_us, *cell in waiting]
        if any(len(cell) != self._family.width for _, cell in cells):
            raise ValueError("not the dump of such a baseline")
        self._sliding.restore(sliding)
        self._waiting, self._is_coarse = deque(cells), bool(is_coarse)

    def _join(self, index: int) -> None:
        """Make one cell of the newest two, if they are of one pane."""
        if len(self._waiting) < -index:
            return
        (older_us, older), (newer_us, newer) = self._waiting[index], self._waiting[-1]
        if older_us // self._pane_us == newer_us // self._pane_us:
            self._waiting.pop()
            self._waiting[-1] = (newer_us, self._family.merge(older, newer))


class BaselineMoments:
    """A statistic of the moments of a lagged window."""

    __slots__ = ("_lagged", "_least", "_read")

    def __init__(self, window_us: int, lag_us: int, least: int, read: Callable[[Cell], Number]) -> None:
        self._lagged = Lagged(window_us, lag_us, MOMENTS)
        self._least = least
        self._read = read

    def take(self, at_us: int, values: tuple[Number, ...]) -> None:
        """Take a reading; an unknown one is left out."""
        if (value := known(values[0])) is not None:
            self._lagged.put(at_us, (1.0, value, 0.0))

    def value(self, now_us: int) -> Number:
        """The statistic; unknown of too few readings."""
        self._lagged.move(now_us)
        total = self._lagged.total()
        return None if total is None or total[0] < self._least else self._read(total)

    def due_us(self) -> int | None:
        """When the value changes by time alone."""
        return self._lagged.changes_us()

    def dump(self) -> Any:
        """All of it, as JSON."""
        return self._lagged.dump()

    def restore(self, stored: Any) -> None:
        """Become what was dumped."""
        self._lagged.restore(stored)


def _maker(read: Callable[[Cell], Number]) -> Callable[[Setting], History]:
    def make(setting: Setting) -> History:
        window_us, lag_us, least, _ = (int(number) for number in setting.parameters)
        return Banded(setting, lambda: BaselineMoments(window_us, lag_us, least, read))

    return make


_PARAMETERS: Final = (WINDOW, LAG, MIN_SAMPLES, BAND)

KINDS: Final = (
    HistoryKind(
        "baseline_mean", _maker(lambda total: total[1]), _PARAMETERS, (1, 2),
        says="baseline_mean(x, 14d, 3h, 500): the mean of the 14 days that ended 3 hours ago, of at least 500 readings; "
        "baseline_mean(x, by, 14d, 3h, 500, 100): of those while `by` was in the same band of width 100 as now",
    ),
    HistoryKind(
        "baseline_std", _maker(standard_deviation), _PARAMETERS, (1, 2),
        says="baseline_std(x, 14d, 3h, 500): the standard deviation of the same",
    ),
)  # fmt: skip
