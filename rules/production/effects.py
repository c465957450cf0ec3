"""What production accounting finds in readings, to be written in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bridge.model.production import CountKind, MachineState
from rules.production.counter import Cause


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A new interval begins and ends the one before."""

    equipment_id: int
    at: datetime
    state: MachineState
    reason: str


@dataclass(frozen=True, slots=True)
class ReasonGiven:
    """The reason of the present interval became known."""

    equipment_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class LateState:
    """A state that began before the present one: the interval that is there is split."""

    equipment_id: int
    tag_id: int
    at: datetime
    state: MachineState


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """The asset went over to another order, or names none. `ended` is the order that was in hand before the next one was named."""

    equipment_id: int
    at: datetime
    previous: str | None
    current: str | None
    ended: str | None


@dataclass(frozen=True, slots=True)
class EpochBegan:
    """A counter began anew."""

    tag_id: int
    epoch: int
    at: datetime
    cause: Cause


@dataclass(frozen=True, slots=True)
class Counted:
    """Pieces, traceable to the reading (tag_id, at, ordinal) that told of them."""

    equipment_id: int
    tag_id: int
    at: datetime
    ordinal: int
    order_number: str | None
    lot: str
    kind: CountKind
    qty: int
    reason: str
    is_final: bool
    counter_from: float | None
    counter_to: float

    @property
    def key(self) -> str:
        """Unique by the reading."""
        return f"{self.tag_id}|{self.at.isoformat()}|{self.ordinal}"


@dataclass(frozen=True, slots=True)
class SerialGiven:
    """What was counted at `counted_at` has the serial number that the reading (tag_id, at, ordinal) told."""

    equipment_id: int
    counted_at: datetime
    serial: str
    tag_id: int
    at: datetime
    ordinal: int


@dataclass(frozen=True, slots=True)
class SerialUnclaimed:
    """A serial number that no counted piece has: read again, or the piece went another way."""

    equipment_id: int
    serial: str
    tag_id: int
    at: datetime
    ordinal: int


@dataclass(frozen=True, slots=True)
class WordRefused:
    """A word of the device that cannot be one, `why`: it is taken for none, and kept where people see it."""

    equipment_id: int
    tag_id: int
    at: datetime
    ordinal: int
    word: str
    why: str


Effect = (
    WordRefused
    | StateChanged
    | ReasonGiven
    | LateState
    | OrderChanged
    | EpochBegan
    | Counted
    | SerialGiven
    | SerialUnclaimed
)
