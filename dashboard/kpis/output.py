"""Output: good finished pieces per hour, against plan."""

from __future__ import annotations

from typing import Final

from dashboard.kpis.definition import Basis, Direction, Kpi, share


def _formula(basis: Basis) -> float | None:
    return share(basis.sums.made, basis.elapsed_h)


def _target(basis: Basis) -> float | None:
    return share(basis.planned_pieces, basis.elapsed_h) if basis.planned_pieces is not None else None


DEFINITION: Final = Kpi(
    name="output",
    title="Output",
    unit="pieces/h",
    direction=Direction.UP,
    formula=_formula,
    standard="Throughput rate",
    meaning="Good finished pieces per hour of planned time so far, against the calendar's planned rate.",
    target_of=_target,
)
