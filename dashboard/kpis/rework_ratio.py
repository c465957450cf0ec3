"""Rework ratio: RQ / PQ."""

from __future__ import annotations

from typing import Final

from dashboard.kpis.definition import Basis, Direction, Kpi, share


def _formula(basis: Basis) -> float | None:
    return share(basis.sums.rework, basis.sums.produced)


DEFINITION: Final = Kpi(
    name="rework_ratio",
    title="Rework ratio",
    unit="ratio",
    direction=Direction.DOWN,
    formula=_formula,
    standard="Rework ratio",
    meaning="Share of the produced pieces that went to rework: RQ / PQ.",
)
