"""What a KPI is: a formula over sums, with its unit, target and direction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from bridge.config.settings import Targets
from dashboard.kpis.sums import Sums

# Worse than its target by less than this share of it is a deviation to watch, by more one to act on.
_TOLERANCE = 0.10


class Direction(StrEnum):
    """Which way is better."""

    UP = "up"
    DOWN = "down"


class Status(StrEnum):
    """How a value stands to its target."""

    OK = "ok"
    WATCH = "watch"
    ACT = "act"
    NONE = "none"  # no value or no target


@dataclass(frozen=True, slots=True)
class Basis:
    """What a KPI is computed from: the sums, and what belongs to the plant or line as a whole.

    Lead times are hours over the last 30 days.
    """

    sums: Sums
    elapsed_h: float = 0.0  # of planned time in the window so far
    planned_pieces: float | None = None
    wip_pieces: int | None = None
    lead_p50_h: float | None = None
    lead_p90_h: float | None = None
    lead_p95_h: float | None = None
    shipments: int = 0


@dataclass(frozen=True, slots=True)
class Kpi:
    """One definition. `formula` gives None where it has nothing to divide by.

    `unit` is "ratio" (shown as a percentage), or what stands behind the number. `target` names a field of [targets];
    `target_of` computes one instead.
    """

    name: str
    title: str
    unit: str
    direction: Direction
    formula: Callable[[Basis], float | None]
    meaning: str
    standard: str = ""  # what ISO 22400-2 calls it; empty where it has none
    target: str | None = None
    target_of: Callable[[Basis], float | None] | None = None
    allowance: float = 0.0  # the share of the target by which it may be missed all the same


@dataclass(frozen=True, slots=True)
class KpiValue:
    """A KPI as it is shown. `completeness` is the share of planned time in which the state was known, 0 to 1."""

    name: str
    value: float | None
    target: float | None
    status: Status
    completeness: float | None


def evaluate(kpi: Kpi, basis: Basis, targets: Targets) -> KpiValue:
    """The KPI's value, with its target and how it stands to it."""
    value = kpi.formula(basis)
    target: float | None = None
    if kpi.target_of is not None:
        target = kpi.target_of(basis)
    elif kpi.target is not None:
        target = float(getattr(targets, kpi.target))
    sums = basis.sums
    return KpiValue(
        kpi.name,
        value,
        target,
        status(value, target, kpi.direction, kpi.allowance),
        share(sums.known_s, sums.planned_s),
    )


def status(value: float | None, target: float | None, direction: Direction, allowance: float = 0.0) -> Status:
    """How a value stands to its target, which may be missed by the `allowance`, a share of it."""
    if value is None or target is None:
        return Status.NONE
    miss = target - value if direction is Direction.UP else value - target
    if miss <= allowance * abs(target):
        return Status.OK
    return Status.WATCH if miss <= _TOLERANCE * abs(target) else Status.ACT


def share(part: float, whole: float) -> float | None:
    """The part divided by the whole; None where there is no whole."""
    return part / whole if whole > 0 else None
