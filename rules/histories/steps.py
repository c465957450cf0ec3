"""Functions of the reading before and of smoothed readings: delta, rate, last, ewma, lowpass.

Where the newest reading is unknown, so is the value (but for `last`); what is remembered is kept.
"""

from __future__ import annotations

import math
from array import array
from typing import Any, Final

from rules.histories.history import DAY, SECOND, HistoryKind, Number, Parameter, Setting, known
from rules.histories.sliding import MOST, PANES
from rules.histories.windows import WINDOW
from rules.production.counter import step

_YEAR: Final = 366 * DAY


class _Remembering:
    """One number is remembered, and what the newest reading made of it."""

    __slots__ = ("_now", "_remembered", "_setting")

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._remembered: Number = None
        self._now: Number = None

    def value(self, now_us: int) -> Number:
        """What the newest reading made of it."""
        return self._now

    def due_us(self) -> int | None:
        """When the value changes by time alone."""
        return None

    def dump(self) -> Any:
        """All of it, as JSON."""
        return [self._remembered, self._now]

    def restore(self, stored: Any) -> None:
        """Become what was dumped."""
        self._remembered, self._now = (None if number is None else float(number) for number in stored)


class Delta(_Remembering):
    """The change since the known reading before; of a counter, with rollover and reset."""

    __slots__ = ()

    def take(self, at_us: int, values: tuple[Number, ...]) -> None:
        """Take a reading."""
        value, before, counter = known(values[0]), self._remembered, self._setting.counter
        if value is None or before is None:
            self._now = None
        else:
            self._now = value - before if counter is None else float(step(before, value, counter).pieces)
        if value is not None:
            self._remembered = value


class Ewma(_Remembering):
    """z = lambda x + (1 - lambda) z; begins at `start`, or at the first reading (NIST/SEMATECH e-Handbook 6.3.2.4)."""

    __slots__ = ()

    def take(self, at_us: int, values: tuple[Number, ...]) -> None:
        """Take a reading."""
        weight, start = self._setting.parameters
        value = known(values[0])
        if value is not None:
            before = self._remembered if self._remembered is not None else None if math.isnan(start) else start
            self._remembered = value if before is None else weight * value + (1 - weight) * before
        self._now = None if value is None else self._remembered


class LowPass(_Remembering):
    """A first-order lag of time constant tau, for readings that come at any rate."""

    __slots__ = ("_at_us",)

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._at_us: int | None = None

    def take(self, at_us: int, values: tuple[Number, ...]) -> None:
        """Take a reading."""
        value = known(values[0])
        if value is not None:
            if self._remembered is None or self._at_us is None:
                self._remembered = value
            else:
                weight = -math.expm1((self._at_us - at_us) / self._setting.parameters[0])
                self._remembered += weight * (value - self._remembered)
            self._at_us = at_us
        self._now = None if value is None else self._remembered

    def dump(self) -> Any:
        """All of it, as JSON."""
        return [self._remembered, self._now, self._at_us]

    def restore(self, stored: Any) -> None:
        """Become what was dumped."""
        remembered, now, at_us = stored
        super().restore((remembered, now))
        self._at_us = None if at_us is None else int(at_us)


class Last:
    """The newest known reading, unless it is older than `within`."""

    __slots__ = ("_at_us", "_known", "_within_us")

    def __init__(self, setting: Setting) -> None:
        self._within_us = int(setting.parameters[0])
        self._at_us = 0
        self._known: Number = None

    def take(self, at_us: int, values: tuple[Number, ...]) -> None:
        """Take a reading; an unknown one changes nothing."""
        if (value := known(values[0])) is not None:
            self._at_us, self._known = at_us, value

    def value(self, now_us: int) -> Number:
        """The newest known reading."""
        if now_us > self._at_us + self._within_us:
            self._known = None
        return self._known

    def due_us(self) -> int | None:
        """When the value changes by time alone."""
        return None if self._known is None else self._at_us + self._within_us + 1

    def dump(self) -> Any:
        """All of it, as JSON."""
        return [self._at_us, self._known]

    def restore(self, stored: Any) -> None:
        """Become what was dumped."""
        at_us, value = stored
        self._at_us, self._known = int(at_us), None if value is None else float(value)


class Rate:
    """The change a second: from the oldest reading in the window to the newest, without a window from the one before.

    Of a counter the change is of its unwrapped total, so that rollover and reset are no falls. Readings of a dense signal are
    thinned to the first of each 1/180 of the window; the newest is always there.
    """

    __slots__ = ("_before", "_counter", "_is_known", "_newest", "_pane_us", "_times", "_totals", "_window_us")

    def __init__(self, setting: Setting) -> None:
        self._window_us = int(setting.parameters[0])
        self._pane_us = max(1, self._window_us // PANES)
        self._counter = setting.counter
        self._before: Number = None  # the newest reading as it was read
        self._newest: tuple[int, float] | None = None  # its instant and total
        self._times, self._totals = array("q"), array("d")  # those before it
        self._is_known = False

    def take(self, at_us: int, values: tuple[Number, ...]) -> None:
        """Take a reading. One at the same instant as the newest takes its place."""
        value = known(values[0])
        self._is_known = value is not None
        if value is None:
            return
        total = value
        if self._counter is not None and self._before is not None and self._newest is not None:
            total = self._newest[1] + step(self._before, value, self._counter).pieces
        if self._newest is not None and at_us > self._newest[0]:
            self._keep(*self._newest)
        self._before, self._newest = value, (at_us, total)
        self._drop(at_us)

    def value(self, now_us: int) -> Number:
        """The change a second; unknown of fewer than two instants."""
        self._drop(now_us)
        if self._newest is None or not self._times or not self._is_known:
            return None
        at_us, total = self._newest
        if self._window_us and at_us <= now_us - self._window_us:
            return None
        return (total - self._totals[0]) / (at_us - self._times[0]) * SECOND

    def due_us(self) -> int | None:
        """When the oldest reading leaves."""
        return self._times[0] + self._window_us + 1 if self._window_us and self._times else None

    def dump(self) -> Any:
        """All of it, as JSON."""
        return [self._before, self._newest, self._times.tolist(), self._totals.tolist(), self._is_known]

    def restore(self, stored: Any) -> None:
        """Become what was dumped."""
        before, newest, times, totals, is_known = stored
        if len(times) != len(totals):
            raise ValueError("not the dump of a rate")
        self._before = None if before is None else float(before)
        self._newest = None if newest is None else (int(newest[0]), float(newest[1]))
        self._times, self._totals, self._is_known = array("q", times), array("d", totals), bool(is_known)

    def _keep(self, at_us: int, total: float) -> None:
        if not self._window_us:
            del self._times[:], self._totals[:]
        elif len(self._times) >= MOST and self._times[-1] // self._pane_us == at_us // self._pane_us:
            return
        self._times.append(at_us)
        self._totals.append(total)

    def _drop(self, now_us: int) -> None:
        since, gone = now_us - self._window_us, 0
        while self._window_us and gone < len(self._times) and self._times[gone] <= since:
            gone += 1
        if gone:
            del self._times[:gone], self._totals[:gone]


KINDS: Final = (
    HistoryKind("delta", Delta, says="delta(x): the change since the reading before; of a counter, with rollover and reset"),
    HistoryKind(
        "rate", Rate, (Parameter("window", "duration", 0, WINDOW.maximum, 0),), unit="per_second",
        says="rate(x, 10m): the change a second over 10 minutes; rate(x): since the reading before; of a counter, of its pieces",
    ),
    HistoryKind(
        "last", Last, (Parameter("within", "duration", 0, _YEAR, _YEAR),),
        says="last(x, 1h): the newest known value, though newer readings are bad; unknown when it is older than 1 hour",
    ),
    HistoryKind(
        "ewma", Ewma, (Parameter("lambda", "number", 1e-6, 1), Parameter("start", "number", -1e150, 1e150, math.nan)),
        says="ewma(x, 0.2): exponentially weighted moving average, 0.2 the weight of the newest reading; begins at the first "
        "reading, ewma(x, 0.2, 50) at 50",
    ),
    HistoryKind(
        "lowpass", LowPass, (Parameter("tau", "duration", 1_000, WINDOW.maximum),),
        says="lowpass(x, 30s): smoothed by a first-order lag of 30 seconds, whatever the rate of the readings",
    ),
)  # fmt: skip
