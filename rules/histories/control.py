"""Control charts: cusum, western_electric, nelson, of readings in sigmas from a target.

Target and sigma are arguments: literals, or baseline.mean and baseline.std. A reading of which one of the three is unknown is
left out, and the value is unknown until the next.
Sources: NIST/SEMATECH e-Handbook 6.3.2.3 (tabular CUSUM); Western Electric, Statistical Quality Control Handbook (1956);
L. S. Nelson, The Shewhart Control Chart: Tests for Special Causes, J. Quality Technology 16 (1984).
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from itertools import pairwise
from typing import Any, Final

from rules.histories.history import HistoryKind, Number, Parameter, Setting, known

_ARGUMENTS: Final = (3, 3)


class _Chart:
    """A chart of readings in sigmas from the target."""

    __slots__ = ("_now",)

    def __init__(self) -> None:
        self._now: Number = None

    def take(self, at_us: int, values: tuple[Number, ...]) -> None:
        """Take a reading, its target and its sigma."""
        value, target, sigma = (known(number) for number in values)
        deviation: Number = None
        if value is not None and target is not None and sigma is not None and sigma > 0:
            deviation = known((value - target) / sigma)
        self._now = None if deviation is None else self.judge(deviation)

    @abstractmethod
    def judge(self, deviation: float) -> Number:
        """What a reading that deviates by so many sigmas means."""

    def value(self, now_us: int) -> Number:
        """What the newest reading means."""
        return self._now

    def due_us(self) -> int | None:
        """When the value changes by time alone."""
        return None


class Cusum(_Chart):
    """Both sums of the tabular CUSUM, in sigmas; the greater with its sign.

    Sums are held at 2h, so that a chart comes back soon after the process does; it signals beyond h all the same.
    """

    __slots__ = ("_down", "_most", "_slack", "_up")

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self._slack, interval = setting.parameters
        self._most = 2 * interval
        self._up = self._down = 0.0

    def judge(self, deviation: float) -> Number:
        """Add a reading to both sums."""
        self._up = min(self._most, max(0.0, self._up + deviation - self._slack))
        self._down = min(self._most, max(0.0, self._down - deviation - self._slack))
        return self._up if self._up >= self._down else -self._down

    def dump(self) -> Any:
        """All of it, as JSON."""
        return [self._up, self._down, self._now]

    def restore(self, stored: Any) -> None:
        """Become what was dumped."""
        up, down, now = stored
        self._up, self._down, self._now = float(up), float(down), None if now is None else float(now)


class _Pattern(_Chart):
    """Rules over the newest readings."""

    __slots__ = ("_newest",)
    LENGTH = 8

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self._newest: deque[float] = deque(maxlen=self.LENGTH)

    def judge(self, deviation: float) -> Number:
        """The number of the first rule that this reading completes, 0 where none."""
        self._newest.append(deviation)
        return float(self.completed(list(self._newest)))

    @abstractmethod
    def completed(self, z: list[float]) -> int:
        """The rule that is completed by the last of these."""

    def dump(self) -> Any:
        """All of it, as JSON."""
        return [list(self._newest), self._now]

    def restore(self, stored: Any) -> None:
        """Become what was dumped."""
        newest, now = stored
        self._newest = deque((float(z) for z in newest), maxlen=self.LENGTH)
        self._now = None if now is None else float(now)


def _same_side(z: list[float], wanted: int, among: int, limit: float) -> bool:
    """Whether `wanted` of the newest `among`, the last one with them, lie beyond the limit on one side."""
    newest, last = z[-among:], z[-1]
    if last > limit:
        return sum(each > limit for each in newest) >= wanted
    return last < -limit and sum(each < -limit for each in newest) >= wanted


class WesternElectric(_Pattern):
    """1: one beyond 3 sigma. 2: two of three beyond 2. 3: four of five beyond 1. 4: eight in a row on one side of the target."""

    __slots__ = ()

    def completed(self, z: list[float]) -> int:
        """The rule that is completed by the last of these."""
        for number, (wanted, among, limit) in enumerate(((1, 1, 3.0), (2, 3, 2.0), (4, 5, 1.0), (8, 8, 0.0)), 1):
            if len(z) >= wanted and _same_side(z, wanted, among, limit):
                return number
        return 0


class Nelson(_Pattern):
    """1: one beyond 3 sigma. 2: nine in a row on one side. 3: six in a row rising or falling. 4: fourteen in turn up and down.

    5: two of three beyond 2 sigma on one side. 6: four of five beyond 1 on one side. 7: fifteen in a row within 1.
    8: eight in a row beyond 1 on either side.
    """

    __slots__ = ()
    LENGTH = 15

    def completed(self, z: list[float]) -> int:
        """The rule that is completed by the last of these."""
        found = (
            _same_side(z, 1, 1, 3.0),
            _same_side(z, 9, 9, 0.0),
            len(z) >= 6 and _is_trend(z[-6:]),
            len(z) >= 14 and _alternates(z[-14:]),
            _same_side(z, 2, 3, 2.0),
            _same_side(z, 4, 5, 1.0),
            len(z) >= 15 and all(abs(each) < 1 for each in z),
            len(z) >= 8 and all(abs(each) > 1 for each in z[-8:]),
        )
        return found.index(True) + 1 if True in found else 0


def _is_trend(z: list[float]) -> bool:
    return all(a < b for a, b in pairwise(z)) or all(a > b for a, b in pairwise(z))


def _alternates(z: list[float]) -> bool:
    steps = [b - a for a, b in pairwise(z)]
    return all(a * b < 0 for a, b in pairwise(steps))


KINDS: Final = (
    HistoryKind(
        "cusum", Cusum, (Parameter("k", "number", 0, 10, 0.5), Parameter("h", "number", 0.1, 100, 5)), _ARGUMENTS, "none",
        says="cusum(x, target, sigma, 0.5, 5): the two-sided tabular CUSUM in sigmas, the greater sum with its sign; "
        "abs(cusum(...)) > 5 is its signal, k 0.5 the slack, h 5 the decision interval (the sums are held at 2h)",
    ),
    HistoryKind(
        "western_electric", WesternElectric, (), _ARGUMENTS, "none",
        says="western_electric(x, target, sigma): which of the rules 1 to 4 the newest reading completes; 0: none",
    ),
    HistoryKind(
        "nelson", Nelson, (), _ARGUMENTS, "none",
        says="nelson(x, target, sigma): which of Nelson's tests 1 to 8 the newest reading completes; 0: none",
    ),
)  # fmt: skip
