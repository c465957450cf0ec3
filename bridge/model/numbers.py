"""Readings of the most frequent kind, in columns: a number of good quality, the first of its tag and time.

Machines send them by the hundred thousand a second. A column is checked, moved and packed in one step where a reading each
would take as many. They mean what `readings` gives; whoever needs one by itself takes it from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from bridge.model.quality import GOOD
from bridge.model.reading import Reading, TagKey

Integers = NDArray[np.int64]
Doubles = NDArray[np.float64]


class TagNumbers:
    """Tags by number, in the order in which they were seen first. A number is never given twice."""

    __slots__ = ("_numbers", "keys")

    def __init__(self) -> None:
        self.keys: list[TagKey] = []
        self._numbers: dict[TagKey, int] = {}

    def number_of(self, key: TagKey) -> int:
        """The tag's number; a new tag gets the next one."""
        number = self._numbers.setdefault(key, len(self.keys))
        if number == len(self.keys):
            self.keys.append(key)
        return number

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Columns of one length: tags by their numbers, source times in microseconds since 1970, values; units as they were written.

    No unit at all (an empty sequence) means that none was written.
    """

    tags: TagNumbers
    which: Integers
    times_us: Integers
    values: Doubles
    units: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.which)

    def readings(self) -> list[Reading]:
        """The readings one by one."""
        keys, units = self.tags.keys, self.units or repeat("")
        columns = zip(self.which.tolist(), self.times_us.tolist(), self.values.tolist(), units, strict=False)
        return [Reading(keys[number], time_us, 0, value, None, GOOD, unit) for number, time_us, value, unit in columns]

    def only(self, chosen: NDArray[np.bool_]) -> Numbers:
        """Those that are chosen, in their order."""
        units = [unit for unit, is_chosen in zip(self.units, chosen, strict=True) if is_chosen] if self.units else ()
        return Numbers(self.tags, self.which[chosen], self.times_us[chosen], self.values[chosen], units)


@dataclass(slots=True)
class NumbersInHand:
    """Columns while they grow, piece by piece; `done` joins the pieces."""

    tags: TagNumbers
    _which: list[Integers] = field(default_factory=list)
    _times_us: list[Integers] = field(default_factory=list)
    _values: list[Doubles] = field(default_factory=list)
    _units: list[str] = field(default_factory=list)

    def add(self, which: Integers, times_us: Integers, values: Doubles, units: Sequence[str] = ()) -> None:
        """Add a piece; its columns are of one length."""
        if units and not self._units:
            self._units = [""] * sum(map(len, self._which))
        if self._units or units:
            self._units += units or [""] * len(which)
        self._which.append(which)
        self._times_us.append(times_us)
        self._values.append(values)

    def done(self) -> Numbers | None:
        """All pieces as one; None where there was none."""
        if not self._which:
            return None
        join = np.concatenate
        return Numbers(self.tags, join(self._which), join(self._times_us), join(self._values), self._units)
