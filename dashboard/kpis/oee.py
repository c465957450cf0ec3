"""OEE index: availability * effectiveness * quality ratio = PRI * GQ / PBT."""

from __future__ import annotations

from typing import Final

from dashboard.kpis.definition import Basis, Direction, Kpi, share


def _formula(basis: Basis) -> float | None:
    return share(basis.sums.ideal_good_s, basis.sums.rated_busy_s)


DEFINITION: Final = Kpi(
    name="oee",
    title="OEE",
    unit="ratio",
    direction=Direction.UP,
    formula=_formula,
    standard="Overall equipment effectiveness index",
    meaning="Overall equipment effectiveness: ideal run time of the good pieces over the planned busy time, PRI * GQ / PBT.",
    target="oee",
)
