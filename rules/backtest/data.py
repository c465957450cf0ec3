"""What a backtest is fed: an asset's readings in columns, a stretch of time after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bridge.model.production import MachineState
from rules.production.accounting import Role

Instants = NDArray[np.int64]  # microseconds since 1970 UTC
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class AssetSpec:
    """An asset. `tags`: name -> id; `units`: name -> UCUM code, "" where it is not known.

    `roles` are the tags that tell of state and order, `states` what their words mean. None: nothing does, and the machine is taken to
    be in the state that each rule wants, without an order. `siblings`: the tags of a name that the other assets of its class under
    its parent carry; their readings are columns of this asset as well.
    """

    path: str
    tags: Mapping[str, int]
    equipment_id: int = 0
    equipment_class: str | None = None
    is_final: bool = False
    units: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[int, Role] | None = None
    states: Mapping[str, MachineState] = field(default_factory=dict)
    siblings: Mapping[str, Sequence[int]] = field(default_factory=dict)


class Column(NamedTuple):
    """Readings of one tag, oldest first, by (time, ordinal); all columns are of one length.

    `values`: nan is no number. `texts` are there for a tag of texts, None in it where there is none. `qualities` are OPC UA status
    codes, None where all are good; `ordinals` None where each instant has one reading.
    """

    tag_id: int
    times_us: Instants
    values: Numbers
    texts: list[str | None] | None = None
    qualities: NDArray[np.int64] | None = None
    ordinals: NDArray[np.int64] | None = None

    def part(self, first: int, end: int) -> Column:
        """The readings from `first` up to `end`."""
        return Column(
            self.tag_id,
            self.times_us[first:end],
            self.values[first:end],
            None if self.texts is None else self.texts[first:end],
            None if self.qualities is None else self.qualities[first:end],
            None if self.ordinals is None else self.ordinals[first:end],
        )


class Chunk(NamedTuple):
    """All readings of an asset from the end of the chunk before up to `until_us` (inclusive), by which time is surely on."""

    asset: AssetSpec
    columns: tuple[Column, ...]
    until_us: int
