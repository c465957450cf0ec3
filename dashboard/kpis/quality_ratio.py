"""Quality ratio: GQ / PQ."""

from __future__ import annotations

from typing import Final

from dashboard.kpis.definition import Basis, Direction, Kpi, share


def _formula(basis: Basis) -> float | None:
    sums = basis.sums
    if sums.ideal_produced_s > 0:
        return share(sums.ideal_good_s, sums.ideal_produced_s)
    return share(sums.good, sums.produced)


DEFINITION: Final = Kpi(
    name="quality_ratio",
    title="Quality ratio",
    unit="ratio",
    direction=Direction.UP,
    formula=_formula,
    standard="Quality ratio",
    meaning="Good share of what was produced, each piece weighing its ideal run time: GQ / PQ for one machine. So weighted, "
    "availability * effectiveness * quality ratio is the OEE of several machines as well.",
    target="quality_ratio",
)
