"""What does not happen: stale (no reading), flatline (no movement), counter_stall (no pieces). Truth values with instants of their own."""

from __future__ import annotations

from typing import Any, Final

from rules.histories.history import DAY, HistoryKind, Number, Parameter, Setting, known
from rules.histories.sliding import Sliding
from rules.histories.summaries import EXTREMES

_AFTER: Final = Parameter("after", "duration", 1_000, 60 * DAY)


class _Waiting:
    """True when something has not happened for a time; unknown before the first reading."""

    __slots__ = ("_after_us", "_due_us", "_since_us")

    def __init__(self, setting: Setting) -> None:
        self._after_us = int(setting.parameters[0])
        self._since_us: int | None = None
        self._due_us: int | None = None

    def happened(self, at_us: int) -> None:
        """Begin to wait anew."""
        self._since_us, self._due_us = at_us, at_us + self._after_us

    def value(self, now_us: int) -> Number:
        """Whether it has not happened for that time."""
        if self._since_us is None:
            return None
        is_over = now_us - self._since_us >= self._after_us
        if is_over:
            self._due_us = None
        return float(is_over)

    def due_us(self) -> int | None:
        """When the value changes by time alone."""
        return self._due_us

    def dump(self) -> Any:
        """All of it, as JSON."""
        return [self._since_us, self._due_us]

    def restore(self, stored: Any) -> None:
        """Become what was dumped."""
        self._since_us, self._due_us = (None if at_us is None else int(at_us) for at_us in stored)


class Stale(_Waiting):
    """No known reading for a time. Bad ones do not count: a sensor that only says that it is broken is as good as silent."""

    __slots__ = ()

    def take(self, at_us: int, values: tuple[Number, ...]) -> None:
        """Take a reading."""
        if self._since_us is None or known(values[0]) is not None:
            self.happened(at_us)


class CounterStall(_Waiting):
    """A count has not changed for a time, whether it is read again and again or not at all."""

    __slots__ = ("_count",)

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._count: Number = None

    def take(self, at_us: int, values: tuple[Number, ...]) -> None:
        """Take a reading; an unknown one says nothing."""
        value = known(values[0])
        if value is not None and value != self._count:
            self.happened(at_us)
            self._count = value

    def dump(self) -> Any:
        """All of it, as JSON."""
        return [super().dump(), self._count]

    def restore(self, stored: Any) -> None:
        """Become what was dumped."""
        waiting, count = stored
        super().restore(waiting)
        self._count = None if count is None else float(count)


class Flatline:
    """All readings of a window lie within a band, and it has been read for as long as the window and often enough."""

    __slots__ = ("_band", "_least", "_since_us", "_sliding", "_window_us")

    def __init__(self, setting: Setting) -> None:
        window_us, self._band, least = setting.parameters
        self._window_us, self._least = int(window_us), int(least)
        self._sliding = Sliding(self._window_us, EXTREMES)
        self._since_us: int | None = None  # since when readings have come without the window ever being empty

    def take(self, at_us: int, values: tuple[Number, ...]) -> None:
        """Take a reading; an unknown one is left out."""
        value = known(values[0])
        if value is None:
            return
        self._sliding.drop(at_us)
        if self._since_us is None or self._sliding.total() is None:
            self._since_us = at_us
        self._sliding.put(at_us, (1.0, value, value))

    def value(self, now_us: int) -> Number:
        """Whether nothing moves; unknown while too little is read to say so."""
        self._sliding.drop(now_us)
        total = self._sliding.total()
        if total is None or self._since_us is None:
            return None
        if total[2] - total[1] > self._band:
            return 0.0
        is_long = now_us - self._since_us >= self._window_us
        return 1.0 if is_long and total[0] >= self._least else None

    def due_us(self) -> int | None:
        """When the oldest reading leaves; the first leaves when readings have come for as long as the window."""
        return self._sliding.leaves_us

    def dump(self) -> Any:
        """All of it, as JSON."""
        return [self._since_us, self._sliding.dump()]

    def restore(self, stored: Any) -> None:
        """Become what was dumped."""
        since_us, sliding = stored
        self._sliding.restore(sliding)
        self._since_us = None if since_us is None else int(since_us)


KINDS: Final = (
    HistoryKind(
        "stale", Stale, (_AFTER,), is_boolean=True, unit="none",
        says="stale(x, 5m): no good reading of it for 5 minutes",
    ),
    HistoryKind(
        "flatline", Flatline,
        (Parameter("window", "duration", 1_000, 60 * DAY), Parameter("band", "number", 0, 1e150, 0),
         Parameter("least", "count", 2, 1e9, 3)),
        is_boolean=True, unit="none",
        says="flatline(x, 10m, 0.01): for 10 minutes all readings, at least 3, lie within 0.01; unknown while there are too few",
    ),
    HistoryKind(
        "counter_stall", CounterStall, (_AFTER,), is_boolean=True, unit="none",
        says="counter_stall(x, 10m): the count has not changed for 10 minutes; use it with when_state: [RUNNING]",
    ),
)  # fmt: skip
