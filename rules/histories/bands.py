"""A baseline per band of a second value, such as the speed: what is normal at 900/min is not at 3000/min."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from rules.histories.history import DAY, History, Number, Parameter, Setting, known

LAG: Final = Parameter("lag", "duration", 0, 60 * DAY, 0)
MIN_SAMPLES: Final = Parameter("min_samples", "count", 2, 1e9, 30)
BAND: Final = Parameter("band", "number", 1e-9, 1e12, 1)

_MOST_BANDS: Final = 32


class Banded:
    """One history a band of the second argument, at most 32: the one that was used longest ago gives way. Without one: one."""

    __slots__ = ("_bands", "_has_bands", "_make", "_now", "_width")

    def __init__(self, setting: Setting, make: Callable[[], History]) -> None:
        self._make = make
        self._has_bands = setting.arguments > 1
        self._width = setting.parameters[-1]
        self._bands: dict[int, History] = {} if self._has_bands else {0: make()}  # the one used last stands last
        self._now: int | None = None if self._has_bands else 0

    def take(self, at_us: int, values: tuple[Number, ...]) -> None:
        """Take a reading into the band that it belongs to; none where the second value is unknown."""
        if self._has_bands:
            by = known(values[1])
            self._now = None if by is None or abs(by) > 2.0**53 * self._width else math.floor(by / self._width)
            if self._now is None:
                return
            band = self._bands.pop(self._now, None) or self._make()
            self._bands[self._now] = band
            if len(self._bands) > _MOST_BANDS:
                del self._bands[next(iter(self._bands))]
        assert self._now is not None, "there is a band"
        self._bands[self._now].take(at_us, values[:1])

    def value(self, now_us: int) -> Number:
        """The value of the present band."""
        return None if self._now is None else self._bands[self._now].value(now_us)

    def due_us(self) -> int | None:
        """When the value changes by time alone."""
        return None if self._now is None else self._bands[self._now].due_us()

    def dump(self) -> Any:
        """All of it, as JSON."""
        return [self._now, [[band, history.dump()] for band, history in self._bands.items()]]

    def restore(self, stored: Any) -> None:
        """Become what was dumped."""
        now, bands = stored
        found: dict[int, History] = {}
        for band, dumped in bands:
            found[int(band)] = self._make()
            found[int(band)].restore(dumped)
        if (now is not None and now not in found) or (not self._has_bands and list(found) != [0]):
            raise ValueError("not the dump of such a baseline")
        self._bands, self._now = found, None if now is None else int(now)
