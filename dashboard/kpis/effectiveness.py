"""Effectiveness: PRI * PQ / APT."""

from __future__ import annotations

from typing import Final

from dashboard.kpis.definition import Basis, Direction, Kpi, share


def _formula(basis: Basis) -> float | None:
    return share(basis.sums.ideal_produced_s, basis.sums.rated_run_s)


DEFINITION: Final = Kpi(
    name="effectiveness",
    title="Effectiveness",
    unit="ratio",
    direction=Direction.UP,
    formula=_formula,
    standard="Effectiveness",
    meaning="Ideal run time of what was produced, over the time that it took: PRI * PQ / APT. Slow running lowers it.",
    target="effectiveness",
)
