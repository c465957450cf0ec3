"""Scrap ratio: SQ / PQ."""

from __future__ import annotations

from typing import Final

from dashboard.kpis.definition import Basis, Direction, Kpi, share


def _formula(basis: Basis) -> float | None:
    return share(basis.sums.scrap, basis.sums.produced)


DEFINITION: Final = Kpi(
    name="scrap_ratio",
    title="Scrap ratio",
    unit="ratio",
    direction=Direction.DOWN,
    formula=_formula,
    standard="Scrap ratio",
    meaning="Share of the produced pieces that became scrap: SQ / PQ.",
    target="scrap_ratio",
)
